//! Tenants never see each other: not their leads, totals, timelines, feeds, keys or lifecycles.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, john, numbered, slug, user, wait};
use crm_kit::crm::CrmError;
use crm_kit::prelude::*;
use crm_kit::query::Limit;

/// Acme with ten leads and a lifecycle of its own, and another tenant that has one lead.
fn two() -> (Office, Crm, Crm, Lead) {
    let office = Office::new();
    let (acme, umbra) = (office.crm.tenant("acme"), office.crm.tenant("umbra"));
    for number in 0..10 {
        wait(acme.create(numbered(number).assigned_to("anna"))).unwrap();
    }
    wait(acme.edit_lifecycle(|edit| edit.add("Demo").set_required("new", [Field::Company])))
        .unwrap();
    let lead = wait(umbra.create(NewLead::new("U", "M", "u@example.com").unwrap())).unwrap();
    (office, acme, umbra, lead)
}

#[test]
fn nothing_of_one_tenant_is_read_by_another() {
    let (office, acme, umbra, lead) = two();
    office.pass_hours(24 * 30);
    assert!(matches!(
        wait(acme.get(lead.id)),
        Err(CrmError::NotFound(_))
    ));
    assert!(wait(acme.history(lead.id, &HistoryQuery::new())).is_err());
    let seen = |crm: &Crm| {
        let scoped = crm.scoped(Scope::AssignedTo(user("anna")));
        (
            wait(crm.list(LeadQuery::new())).unwrap().items.len(),
            wait(crm.count(&LeadQuery::new().status("new"))).unwrap(),
            wait(crm.list(LeadQuery::new().search("example")))
                .unwrap()
                .items
                .len(),
            wait(crm.events(None, Limit::MAX)).unwrap().events.len(),
            wait(crm.stuck(StuckQuery::new())).unwrap().items.len(),
            wait(crm.pipeline()).unwrap().leads(),
            wait(scoped.count(&LeadQuery::new())).unwrap(),
        )
    };
    assert_eq!(seen(&acme), (10, 10, 10, 10, 10, 10, 10));
    assert_eq!(seen(&umbra), (1, 1, 1, 1, 1, 1, 0));
    assert_eq!(seen(&office.crm.tenant("nobody")), (0, 0, 0, 0, 0, 0, 0));
    assert_eq!(seen(&office.crm), (0, 0, 0, 0, 0, 0, 0));
    assert_eq!(office.crm.tenant_id().as_str(), "default");
    assert_eq!(acme.tenant_id().as_str(), "acme");
}

#[test]
fn nothing_of_one_tenant_is_written_by_another() {
    let (_, acme, umbra, lead) = two();
    for answer in [
        wait(acme.update(lead.id, LeadPatch::new().notes("n"))).map(drop),
        wait(acme.transition(lead.id, "contacted")).map(drop),
        wait(acme.archive(lead.id)).map(drop),
        wait(acme.delete(lead.id)).map(drop),
        wait(acme.plan_delete(lead.id)).map(drop),
    ] {
        assert!(matches!(answer.unwrap_err(), CrmError::NotFound(_)));
    }
    assert_eq!(wait(umbra.get(lead.id)).unwrap(), lead);
}

#[test]
fn each_has_a_lifecycle_of_its_own() {
    let (_, acme, umbra, lead) = two();
    assert!(wait(acme.lifecycle()).unwrap().get(&slug("demo")).is_some());
    assert_eq!(wait(umbra.lifecycle()).unwrap(), Lifecycle::standard());
    assert!(wait(umbra.transition(lead.id, "demo")).is_err());
    assert!(wait(umbra.create(NewLead::new("A", "B", "a@example.com").unwrap())).is_ok());
    let refused = wait(acme.create(NewLead::new("A", "B", "a@example.com").unwrap()));
    assert_eq!(common::blamed(&refused.unwrap_err()), ["company"]);
    // A status in use here can be removed there.
    wait(umbra.transition(lead.id, "qualified")).unwrap();
    assert!(wait(umbra.remove_status(&slug("qualified"))).is_err());
    wait(acme.remove_status(&slug("qualified"))).unwrap();
    wait(acme.remove_status_into(&slug("contacted"), &slug("new"))).unwrap();
    assert_eq!(wait(umbra.get(lead.id)).unwrap().status, "qualified");
}

#[test]
fn a_plan_is_for_its_tenant() {
    let (office, acme, umbra, lead) = two();
    let planned = wait(umbra.plan_transition(lead.id, "contacted")).unwrap();
    let elsewhere = wait(
        office
            .crm
            .repository()
            .unwrap()
            .commit(acme.tenant_id(), &planned),
    );
    assert!(elsewhere.is_err());
    assert_eq!(wait(acme.count(&LeadQuery::new())).unwrap(), 10);
    wait(
        office
            .crm
            .repository()
            .unwrap()
            .commit(umbra.tenant_id(), &planned),
    )
    .unwrap();
    assert_eq!(wait(umbra.get(lead.id)).unwrap().status, "contacted");
}

#[test]
fn a_feed_is_the_tenants_own() {
    let (_, acme, umbra, lead) = two();
    let feed = wait(umbra.events(None, Limit::MAX)).unwrap();
    assert!(feed.events.iter().all(|event| event.lead == lead.id));
    wait(acme.create(john())).unwrap();
    let later = wait(umbra.events(feed.cursor.as_ref(), Limit::MAX)).unwrap();
    assert!(later.events.is_empty());
    assert_eq!(later.cursor, feed.cursor);
}

#[test]
fn an_erased_tenant_is_a_new_one_for_who_knew_it() {
    let (office, acme, umbra, lead) = two();
    wait(
        office
            .crm
            .repository()
            .unwrap()
            .erase_tenant(acme.tenant_id()),
    )
    .unwrap();
    assert_eq!(wait(acme.count(&LeadQuery::new())).unwrap(), 0);
    assert!(
        wait(acme.events(None, Limit::MAX))
            .unwrap()
            .events
            .is_empty()
    );
    // What the handle remembers of the lifecycle is not what is stored.
    let lead_again = wait(acme.create(NewLead::new("A", "B", "a@example.com").unwrap())).unwrap();
    assert_eq!(wait(acme.lifecycle()).unwrap(), Lifecycle::standard());
    assert_eq!(
        wait(acme.list(LeadQuery::new())).unwrap().items,
        [lead_again]
    );
    assert_eq!(wait(umbra.get(lead.id)).unwrap(), lead, "the others stay");
    let tenants = wait(office.crm.repository().unwrap().tenants(None)).unwrap();
    let names: Vec<_> = tenants
        .iter()
        .map(crm_kit::lead::TenantId::as_str)
        .collect();
    assert_eq!(names, ["acme", "umbra"]);
}
