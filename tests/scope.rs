//! A handle restricted to one user's leads: nothing else exists for it, and nothing gets out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, john, numbered, slug, user, wait};
use crm_kit::chrono::TimeDelta;
use crm_kit::crm::CrmError;
use crm_kit::event::EventCursor;
use crm_kit::prelude::*;
use crm_kit::query::{InvalidCursor, Limit};
use crm_kit::repository::RepositoryErrorKind;

fn only(crm: &Crm, name: &str) -> Crm {
    crm.scoped(Scope::AssignedTo(user(name)))
}

/// Three leads of anna, two of bob, one of nobody; all of them stuck.
fn shared() -> (Office, Vec<Lead>, Vec<Lead>) {
    let office = Office::new();
    let value = |n: usize| Money::new(100 * i64::try_from(n).unwrap(), "USD").unwrap();
    let create = |n: usize| office.create(numbered(n).value(value(n)));
    let created: Vec<Lead> = (0..6).map(create).collect();
    let assign = |lead: &Lead, name| wait(office.crm.assign(lead.id, name)).unwrap();
    let annas = created
        .iter()
        .take(3)
        .map(|lead| assign(lead, "anna"))
        .collect();
    let bobs = created
        .iter()
        .skip(3)
        .take(2)
        .map(|lead| assign(lead, "bob"))
        .collect();
    office.pass_hours(24 * 30);
    (office, annas, bobs)
}

fn ids<'a>(leads: impl IntoIterator<Item = &'a Lead>) -> Vec<LeadId> {
    let mut ids: Vec<LeadId> = leads.into_iter().map(|lead| lead.id).collect();
    ids.sort();
    ids
}

#[test]
fn every_read_sees_its_own_leads_only() {
    let (office, annas, bobs) = shared();
    let anna = only(&office.crm, "anna");
    for lead in &annas {
        assert_eq!(&wait(anna.get(lead.id)).unwrap(), lead);
        assert_eq!(
            wait(anna.history(lead.id, &HistoryQuery::new()))
                .unwrap()
                .items
                .len(),
            2
        );
    }
    for lead in &bobs {
        let missing = wait(anna.get(lead.id)).unwrap_err();
        assert!(matches!(missing, CrmError::NotFound(id) if id == lead.id));
        let missing = wait(anna.history(lead.id, &HistoryQuery::new())).unwrap_err();
        assert!(matches!(missing, CrmError::NotFound(_)));
    }
    let queries = [
        LeadQuery::new(),
        LeadQuery::new().status(LeadStatus::NEW),
        LeadQuery::new().search("last"),
        LeadQuery::new().assigned_to("anna"),
        LeadQuery::new()
            .archived(Archived::Include)
            .sort(Sort::name()),
    ];
    for query in queries {
        let page = wait(anna.list(query.clone().total(Total::Exact))).unwrap();
        assert_eq!(ids(&page.items), ids(&annas), "{query:?}");
        assert_eq!(page.total.unwrap().count(), 3, "{query:?}");
        assert_eq!(wait(anna.count(&query)).unwrap(), 3, "{query:?}");
    }
    for query in [
        LeadQuery::new().assigned_to("bob"),
        LeadQuery::new().unassigned(),
        LeadQuery::new().email("lead4@example.com"),
    ] {
        let page = wait(anna.list(query.clone().total(Total::Exact))).unwrap();
        assert!(page.items.is_empty() && page.next.is_none(), "{query:?}");
        assert_eq!(page.total.map(|total| total.count()), Some(0), "{query:?}");
        assert_eq!(wait(anna.count(&query)).unwrap(), 0, "{query:?}");
    }
    let stuck = wait(anna.stuck(StuckQuery::new())).unwrap().items;
    assert_eq!(ids(stuck.iter().map(|stuck| &stuck.lead)), ids(&annas));
    assert!(
        wait(anna.stuck(StuckQuery::new().assigned_to("bob")))
            .unwrap()
            .items
            .is_empty()
    );
    let pipeline = wait(anna.pipeline()).unwrap();
    let stage = pipeline.stages.first().unwrap();
    assert_eq!((pipeline.leads(), stage.leads, stage.stuck), (3, 3, 3));
    assert_eq!(stage.values.first().unwrap().total, 300);
}

#[test]
fn the_feed_shows_its_own_leads_and_ends_where_the_whole_feed_ends() {
    let (office, annas, _) = shared();
    let anna = only(&office.crm, "anna");
    let mut seen = Vec::new();
    let mut after: Option<EventCursor> = None;
    loop {
        let page = wait(anna.events(after.as_ref(), Limit::new(2).unwrap())).unwrap();
        seen.extend(page.events);
        if page.cursor == after {
            break;
        }
        after = page.cursor;
    }
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|event| annas.iter().any(|lead| lead.id == event.lead))
    );
    let whole = wait(office.crm.events(None, Limit::MAX)).unwrap();
    assert_eq!(after, whole.cursor);
}

#[test]
fn a_lead_of_somebody_else_cannot_be_written() {
    let (office, _, bobs) = shared();
    let (anna, id) = (only(&office.crm, "anna"), bobs.first().unwrap().id);
    let unassigned = wait(office.crm.list(LeadQuery::new().unassigned())).unwrap();
    let nobodys = unassigned.items.first().unwrap().id;
    let before = office.snapshot();
    for id in [id, nobodys] {
        for answer in [
            wait(anna.update(id, LeadPatch::new().notes("mine"))).map(drop),
            wait(anna.update(id, LeadPatch::new().assigned_to("anna"))).map(drop),
            wait(anna.update(id, LeadPatch::new())).map(drop),
            wait(anna.transition(id, LeadStatus::LOST)).map(drop),
            wait(anna.transition_because(id, "nowhere", "x")).map(drop),
            wait(anna.assign(id, "anna")).map(drop),
            wait(anna.unassign(id)).map(drop),
            wait(anna.archive(id)).map(drop),
            wait(anna.restore(id)).map(drop),
            wait(anna.delete(id)).map(drop),
            wait(anna.if_version(crm_kit::lead::Version::new(9)).delete(id)).map(drop),
            wait(anna.plan_update(id, LeadPatch::new().notes("mine"))).map(drop),
            wait(anna.plan_transition(id, LeadStatus::LOST)).map(drop),
            wait(anna.plan_assign(id, "anna")).map(drop),
            wait(anna.plan_archive(id)).map(drop),
            wait(anna.plan_restore(id)).map(drop),
            wait(anna.plan_delete(id)).map(drop),
        ] {
            let missing = answer.unwrap_err();
            assert!(
                matches!(missing, CrmError::NotFound(found) if found == id),
                "{missing}"
            );
        }
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn a_lead_created_within_a_scope_belongs_to_its_user() {
    let office = Office::new();
    let anna = only(&office.crm, "anna");
    let lead = wait(anna.create(john())).unwrap();
    assert_eq!(lead.assigned_to, Some(user("anna")));
    let own = wait(anna.create(john().assigned_to("anna"))).unwrap();
    let many = wait(anna.create_many(&[numbered(1), numbered(2).assigned_to("bob")])).unwrap();
    assert!(many.first().unwrap().is_ok());
    assert!(matches!(many.last().unwrap(), Err(CrmError::OutOfScope)));
    let before = office.snapshot();
    for answer in [
        wait(anna.create(john().assigned_to("bob"))).map(drop),
        wait(anna.plan_create(john().assigned_to("bob"))).map(drop),
        wait(anna.assign(own.id, "bob")).map(drop),
        wait(anna.unassign(own.id)).map(drop),
        wait(anna.update(own.id, LeadPatch::new().assigned_to("bob").notes("n"))).map(drop),
        wait(anna.plan_assign(own.id, "bob")).map(drop),
    ] {
        assert!(
            matches!(answer.unwrap_err(), CrmError::OutOfScope),
            "giving away"
        );
    }
    assert_eq!(office.snapshot(), before);
    assert_eq!(before.leads.len(), 3);
    wait(anna.transition(own.id, LeadStatus::CONTACTED)).unwrap();
    wait(anna.archive(own.id)).unwrap();
    wait(anna.delete(own.id)).unwrap();
    office.audit();
}

#[test]
fn a_lead_that_changes_hands_is_gone_for_one_and_there_for_the_other() {
    let (office, annas, _) = shared();
    let (anna, bob) = (only(&office.crm, "anna"), only(&office.crm, "bob"));
    let id = annas.first().unwrap().id;
    let keyed = anna.with_idempotency_key("k");
    wait(keyed.update(id, LeadPatch::new().notes("anna's"))).unwrap();
    wait(office.crm.assign(id, "bob")).unwrap();
    assert!(wait(anna.get(id)).is_err() && wait(bob.get(id)).is_ok());
    assert_eq!(
        wait(bob.history(id, &HistoryQuery::new()))
            .unwrap()
            .items
            .len(),
        4
    );
    let again = wait(keyed.update(id, LeadPatch::new().notes("anna's"))).unwrap_err();
    assert!(
        matches!(again, CrmError::NotFound(_)),
        "a repeated answer shows it no more: {again}"
    );
    wait(bob.delete(id)).unwrap();
    assert!(wait(bob.history(id, &HistoryQuery::new())).is_err());
    assert_eq!(
        wait(office.crm.history(id, &HistoryQuery::new()))
            .unwrap()
            .items
            .len(),
        5
    );
}

#[test]
fn a_scope_is_never_widened() {
    let (office, annas, bobs) = shared();
    let anna = only(&office.crm, "anna");
    for still in [
        anna.scoped(Scope::All),
        anna.clone(),
        anna.as_user("admin"),
        anna.if_version(crm_kit::lead::Version::FIRST)
            .scoped(Scope::All),
        anna.with_idempotency_key("k"),
        only(&anna, "anna"),
        anna.tenant("acme").tenant("default"),
    ] {
        let seen = wait(still.list(LeadQuery::new())).unwrap().items;
        assert_eq!(ids(&seen), ids(&annas));
        assert!(wait(still.get(bobs.first().unwrap().id)).is_err());
    }
    let nobody = only(&anna, "bob");
    for lead in annas.iter().chain(&bobs) {
        assert!(wait(nobody.get(lead.id)).is_err());
    }
    let page = wait(nobody.list(LeadQuery::new().total(Total::Exact))).unwrap();
    assert!(page.items.is_empty());
    assert_eq!(page.total.map(|total| total.count()), Some(0));
    assert_eq!(wait(nobody.count(&LeadQuery::new())).unwrap(), 0);
    assert_eq!(wait(nobody.pipeline()).unwrap().leads(), 0);
    assert!(
        wait(nobody.stuck(StuckQuery::new()))
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        wait(nobody.events(None, Limit::MAX))
            .unwrap()
            .events
            .is_empty()
    );
    assert!(matches!(
        wait(nobody.create(john())).unwrap_err(),
        CrmError::OutOfScope
    ));
}

#[test]
fn the_storage_below_is_out_of_reach_within_a_scope() {
    let (office, _, _) = shared();
    let refused = only(&office.crm, "anna").repository().unwrap_err();
    assert!(matches!(refused, CrmError::OutOfScope));
    assert!(office.crm.repository().is_ok());
}

#[test]
fn the_lifecycle_is_read_and_not_edited_within_a_scope() {
    let (office, _, bobs) = shared();
    wait(office.crm.transition(bobs.first().unwrap().id, "qualified")).unwrap();
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.retire("qualified", "new")),
    )
    .unwrap();
    let anna = only(&office.crm, "anna");
    let before = office.snapshot();
    let (status, free) = (slug("qualified"), slug("contacted"));
    for answer in [
        wait(anna.edit_lifecycle(|edit| edit.add("Demo"))),
        wait(anna.edit_lifecycle(|edit| edit)),
        wait(anna.remove_status(&free)),
        wait(anna.remove_status_into(&free, &LeadStatus::NEW)),
        wait(anna.remove_status_into(&status, &LeadStatus::NEW)),
        wait(anna.resume_removals()),
    ] {
        let refused = answer.unwrap_err();
        assert!(matches!(refused, CrmError::OutOfScope), "{refused}");
    }
    assert_eq!(office.snapshot(), before, "no lead of another was moved");
    assert!(wait(anna.lifecycle()).is_ok());
}

fn is_of_another_query<T: std::fmt::Debug>(answer: Result<T, CrmError>) -> bool {
    let CrmError::Repository(error) = answer.unwrap_err() else {
        panic!("another error");
    };
    *error.kind() == RepositoryErrorKind::InvalidCursor(InvalidCursor::OtherQuery)
}

#[test]
fn cursors_do_not_cross_the_border_of_a_scope() {
    let (office, _, _) = shared();
    let (anna, bob) = (only(&office.crm, "anna"), only(&office.crm, "bob"));
    let query = || LeadQuery::new().limit(1);
    let handles = [&office.crm, &anna, &bob];
    for from in handles {
        let cursor = wait(from.list(query())).unwrap().next.unwrap();
        let stuck = wait(from.stuck(StuckQuery::new().limit(1)))
            .unwrap()
            .next
            .unwrap();
        for to in handles {
            let list = wait(to.list(query().after(cursor.clone())));
            let more = wait(to.stuck(StuckQuery::new().limit(1).after(stuck.clone())));
            if std::ptr::eq(from, to) {
                assert_eq!(
                    (list.unwrap().items.len(), more.unwrap().items.len()),
                    (1, 1)
                );
            } else {
                assert!(is_of_another_query(list), "from {from:?} to {to:?}");
                assert!(is_of_another_query(more), "stuck from {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn pages_within_a_scope_hold_each_own_lead_once() {
    let (office, _, _) = shared();
    for number in 10..40 {
        let name = if number % 3 == 0 { "anna" } else { "bob" };
        office.create(numbered(number).assigned_to(name));
        office.clock.advance(TimeDelta::seconds(1));
    }
    let anna = only(&office.crm, "anna");
    let mut query = LeadQuery::new().limit(4);
    let mut seen = Vec::new();
    loop {
        let page = wait(anna.list(query)).unwrap();
        seen.extend(page.items);
        match page.next {
            Some(next) => query = LeadQuery::new().limit(4).after(next),
            None => break,
        }
    }
    let mut own = office.snapshot().leads;
    own.retain(|lead| lead.assigned_to == Some(user("anna")));
    assert_eq!((seen.len(), ids(&seen)), (13, ids(&own)));
}
