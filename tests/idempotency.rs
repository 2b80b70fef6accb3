//! The same write twice under one key: made once, answered twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{feed, history, leads};
use common::faulty::Faulty;
use common::{Office, hour, john, numbered, open, wait};
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::testing::ManualClock;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

fn key_reused<T: std::fmt::Debug>(answer: Result<T, CrmError>) {
    let refused = answer.unwrap_err();
    assert!(matches!(refused, CrmError::KeyReused), "{refused}");
}

#[test]
fn creating_twice_with_one_key_yields_the_first_lead() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("order-17");
    let first = wait(keyed.create(john())).unwrap();
    office.pass_hours(1);
    assert_eq!(wait(keyed.create(john())).unwrap(), first);
    let elsewhere = office.another().with_idempotency_key("order-17");
    assert_eq!(
        wait(elsewhere.create(john())).unwrap(),
        first,
        "from another process"
    );
    wait(office.crm.transition(first.id, LeadStatus::CONTACTED)).unwrap();
    let now = wait(keyed.create(john())).unwrap();
    assert_eq!(
        (now.id, now.status),
        (first.id, LeadStatus::CONTACTED),
        "as it is by now"
    );
    assert_eq!(leads(&office.storage).len(), 1);
    assert_eq!(history(&office.storage, first.id).len(), 2);
    office.audit();
}

#[test]
fn another_request_under_the_same_key_is_refused() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("k");
    let lead = wait(keyed.create(john())).unwrap();
    let before = office.snapshot();
    for other in [
        john().company("Other"),
        john().notes("more"),
        john().tag("x"),
        john().custom("x", 1),
        john().status(LeadStatus::CONTACTED),
        john().value(Money::new(1, "USD").unwrap()),
        john().assigned_to("anna"),
        john().created_at(hour(-5)),
    ] {
        key_reused(wait(keyed.create(other)));
    }
    assert_eq!(office.snapshot(), before);

    let other = wait(office.crm.create(numbered(2))).unwrap();
    wait(keyed.update(lead.id, LeadPatch::new().notes("a"))).unwrap();
    key_reused(wait(keyed.update(lead.id, LeadPatch::new().notes("b"))));
    key_reused(wait(keyed.update(other.id, LeadPatch::new().notes("a"))));
    wait(keyed.transition(lead.id, LeadStatus::LOST)).unwrap();
    key_reused(wait(keyed.transition(lead.id, LeadStatus::CONTACTED)));
    key_reused(wait(keyed.transition_because(
        lead.id,
        LeadStatus::LOST,
        "why",
    )));
    key_reused(wait(keyed.transition(other.id, LeadStatus::LOST)));
}

#[test]
fn a_wrong_request_does_not_use_its_key_up() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("k");
    assert!(wait(keyed.create(john().email("wrong"))).is_err());
    let lead = wait(keyed.create(john())).unwrap();
    assert!(wait(keyed.transition(lead.id, "nowhere")).is_err());
    wait(keyed.transition(lead.id, LeadStatus::LOST)).unwrap();
}

#[test]
fn a_lead_that_was_deleted_since_is_gone_and_is_not_created_again() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("k");
    let lead = wait(keyed.create(john())).unwrap();
    wait(keyed.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    wait(office.crm.delete(lead.id)).unwrap();
    let before = office.snapshot();
    for answer in [
        wait(keyed.create(john())),
        // What was asked then is erased too, so nothing tells another request from it.
        wait(keyed.create(john().notes("other"))),
        wait(keyed.update(lead.id, LeadPatch::new().notes("n"))),
    ] {
        let gone = answer.unwrap_err();
        assert!(
            matches!(gone, CrmError::Gone(id) if id == lead.id),
            "{gone}"
        );
        assert_eq!(gone.to_string(), format!("lead {} was deleted", lead.id));
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn every_kind_of_write_is_made_once_under_its_key() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("one key for all kinds");
    let lead = wait(keyed.create(john())).unwrap();
    let id = lead.id;
    let versions = || history(&office.storage, id).len();
    let note = || LeadPatch::new().notes("first");

    wait(keyed.update(id, note())).unwrap();
    wait(office.crm.update(id, LeadPatch::new().notes("second"))).unwrap();
    let again = wait(keyed.update(id, note())).unwrap();
    assert_eq!(
        again.notes.as_deref(),
        Some("second"),
        "it is not made again"
    );

    wait(keyed.transition(id, LeadStatus::LOST)).unwrap();
    let again = wait(keyed.transition(id, LeadStatus::LOST)).unwrap();
    assert_eq!(
        again.status,
        LeadStatus::LOST,
        "not refused as already there"
    );
    wait(office.crm.transition(id, LeadStatus::NEW)).unwrap();
    let again = wait(keyed.transition(id, LeadStatus::LOST)).unwrap();
    assert_eq!(again.status, LeadStatus::NEW);

    wait(keyed.archive(id)).unwrap();
    wait(keyed.archive(id)).unwrap();
    wait(keyed.restore(id)).unwrap();
    assert!(wait(keyed.archive(id)).unwrap().archived_at.is_none());
    assert_eq!(versions(), 7);
    wait(keyed.delete(id)).unwrap();
    wait(keyed.delete(id)).unwrap();
    assert_eq!(versions(), 8);
    let fresh = office.crm.with_idempotency_key("another");
    let missing = wait(fresh.delete(id)).unwrap_err();
    assert!(matches!(missing, CrmError::NotFound(_)), "{missing}");
    office.audit();
}

#[test]
fn a_named_version_counts_once() {
    let office = Office::new();
    let lead = office.john();
    let keyed = office
        .crm
        .if_version(lead.version)
        .with_idempotency_key("k");
    let first = wait(keyed.assign(lead.id, "anna")).unwrap();
    assert_eq!(
        wait(keyed.assign(lead.id, "anna")).unwrap(),
        first,
        "no conflict with itself"
    );
}

#[test]
fn keys_belong_to_the_tenant_the_user_and_the_kind_of_write() {
    let office = Office::new();
    let handles = [
        office.crm.clone(),
        office.crm.as_user("anna"),
        office.crm.as_user("bob"),
        office.crm.tenant("acme"),
        office.crm.tenant("acme").as_user("anna"),
        // No two of these run into each other by what they are made of.
        office.crm.tenant("acmeanna"),
        office.crm.as_user("annak"),
    ];
    let mut ids = BTreeSet::new();
    for (number, crm) in handles.iter().enumerate() {
        let lead = wait(crm.with_idempotency_key("k").create(numbered(number))).unwrap();
        ids.insert(lead.id);
    }
    assert_eq!(ids.len(), handles.len());
    let other_key = office.crm.with_idempotency_key("k2");
    assert!(ids.insert(wait(other_key.create(numbered(0))).unwrap().id));
}

#[test]
fn without_a_key_each_write_is_its_own() {
    let office = Office::new();
    assert_ne!(office.john().id, office.john().id);
}

#[test]
fn the_key_is_not_stored() {
    let office = Office::new();
    let key = "a key that nobody guesses";
    let keyed = office.crm.with_idempotency_key(key);
    wait(keyed.create(john())).unwrap();
    let shown = crm_kit::serde_json::to_string(&feed(&office.storage)).unwrap();
    assert!(
        !shown.contains(key) && !format!("{keyed:?}").contains(key),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_requests_at_once_one_is_made_and_all_are_answered() {
    for round in 0..20 {
        let storage = MemoryRepository::new();
        let clock = ManualClock::at(hour(0));
        let mut tasks = JoinSet::new();
        for task in 0..64 {
            let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
            let crm = crm.with_idempotency_key(format!("round {round}"));
            tasks.spawn(async move {
                let lead = crm.create(john()).await?;
                let moved = crm.transition(lead.id, LeadStatus::CONTACTED).await?;
                assert_eq!(moved.status, LeadStatus::CONTACTED);
                let patch = LeadPatch::new().notes("once").assigned_to("anna");
                crm.update(lead.id, patch).await?;
                let other = crm.create(numbered(task)).await;
                assert!(matches!(other, Err(CrmError::KeyReused)));
                Ok::<_, CrmError>(lead.id)
            });
        }
        let ids = tasks.join_all().await.into_iter();
        let ids: BTreeSet<LeadId> = ids.map(Result::unwrap).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(leads(&storage).len(), 1);
        let kinds: Vec<_> = feed(&storage)
            .iter()
            .map(|event| event.kind.name())
            .collect();
        assert_eq!(kinds, ["created", "status_changed", "assigned"]);
    }
}

#[test]
fn a_key_of_one_scope_is_not_that_of_another() {
    let office = Office::new();
    let of = |user: &str| {
        let scope = Scope::AssignedTo(user.parse().unwrap());
        office.crm.scoped(scope).with_idempotency_key("form-1")
    };
    let annas = wait(of("anna").create(john())).unwrap();
    let bobs = wait(of("bob").create(john())).unwrap();
    assert_ne!(annas.id, bobs.id);
    assert_eq!(bobs.assigned_to, Some("bob".parse().unwrap()));
}

#[test]
fn a_key_that_is_none_is_refused() {
    let office = Office::new();
    for key in ["", "  ", &"k".repeat(256)] {
        let refused = wait(office.crm.with_idempotency_key(key).create(john())).unwrap_err();
        assert!(
            refused.to_string().starts_with("idempotency_key"),
            "{refused}"
        );
    }
    assert!(leads(&office.storage).is_empty());
}

#[test]
fn a_plan_under_a_key_is_committed_once() {
    let office = Office::new();
    let keyed = office.crm.with_idempotency_key("form-1");
    for _ in 0..2 {
        let planned = wait(keyed.plan_create(john())).unwrap();
        wait(office.storage.commit(office.crm.tenant_id(), &planned)).unwrap();
    }
    assert_eq!(leads(&office.storage).len(), 1);
}

#[test]
fn a_lead_that_is_yet_to_be_created_has_no_version() {
    let office = Office::new();
    let refused = wait(office.crm.if_version(Version::new(7)).create(john())).unwrap_err();
    assert!(refused.to_string().starts_with("version"), "{refused}");
    assert!(leads(&office.storage).is_empty());
}
