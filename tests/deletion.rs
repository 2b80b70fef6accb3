//! Deleting a lead for good: what was typed is gone from everything that can be read, and who,
//! when and between which statuses stays.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{feed, history};
use common::{Office, hour, john, user, wait};
use crm_kit::crm::CrmError;
use crm_kit::lead::Version;
use crm_kit::prelude::*;
use crm_kit::query::Limit;
use crm_kit::serde_json;

/// What was typed about the lead, none of which may be left.
const TYPED: [&str; 15] = [
    "Johanna",
    "Doering",
    "Umbracorp",
    "johanna@",
    "@umbra",
    "777123",
    "secret",
    "Joan",
    "Dover",
    "budgetvalue",
    "vipclient",
    "too dear",
    "4711",
    "cold_lead_source",
    "wrong person",
];

/// A life in which everything was typed at least once, and something replaced.
fn a_full_life(office: &Office) -> LeadId {
    let crm = office.crm.as_user("agent_1");
    let new = NewLead::new("Johanna", "Doering", "johanna@umbra.example").unwrap();
    let new = new
        .company("Umbracorp")
        .phone("+263 777123")
        .notes("a secret")
        .tag("vipclient")
        .source("cold_lead_source")
        .custom("budget", "budgetvalue")
        .value(Money::new(4_711, "USD").unwrap());
    let id = wait(crm.create(new)).unwrap().id;
    office.pass_hours(1);
    wait(crm.update(id, LeadPatch::new().first_name("Joan").last_name("Dover"))).unwrap();
    wait(crm.update(id, LeadPatch::new().clear(Field::Notes).clear(Field::Value))).unwrap();
    wait(
        crm.update(
            id,
            LeadPatch::new()
                .tags(Vec::<String>::new())
                .custom("budget", 1),
        ),
    )
    .unwrap();
    let lost = LeadPatch::new()
        .status("lost")
        .status_reason("too dear")
        .company("Other");
    wait(crm.update(id, lost)).unwrap();
    wait(crm.assign(id, "agent_2")).unwrap();
    wait(crm.transition_because(id, "new", "wrong person")).unwrap();
    wait(crm.archive(id)).unwrap();
    wait(crm.restore(id)).unwrap();
    office.pass_hours(1);
    id
}

#[test]
fn nothing_that_was_typed_is_left() {
    let office = Office::new();
    let other = office.john();
    let id = a_full_life(&office);
    let told = serde_json::to_string(&feed(&office.storage)).unwrap();
    for typed in [
        "Joan",
        "secret",
        "too dear",
        "wrong person",
        "vipclient",
        "budgetvalue",
    ] {
        assert!(
            told.contains(typed),
            "the test must see {typed} before it is erased"
        );
    }
    let untouched = history(&office.storage, other.id);
    wait(office.crm.as_user("boss").delete(id)).unwrap();

    let query = HistoryQuery::new();
    let timeline = wait(office.crm.history(id, &query)).unwrap().items;
    let events = wait(office.crm.events(None, Limit::MAX)).unwrap().events;
    let shown = [
        serde_json::to_string(&timeline).unwrap(),
        serde_json::to_string(&events).unwrap(),
        format!("{timeline:?} {events:?}"),
        format!(
            "{:?}",
            timeline
                .iter()
                .map(|event| &event.changes)
                .collect::<Vec<_>>()
        ),
        format!("{:?}", wait(office.crm.get(id)).unwrap_err()),
    ];
    for shown in shown {
        for typed in TYPED {
            assert!(!shown.contains(typed), "{typed} is in {shown}");
        }
    }
    assert_eq!(
        history(&office.storage, other.id),
        untouched,
        "others keep theirs"
    );
    for search in ["johanna", "joan", "dover", "other", "777123"] {
        let found = wait(office.crm.list(LeadQuery::new().search(search)))
            .unwrap()
            .items;
        assert!(found.is_empty(), "{search}");
    }
    let by_mail = LeadQuery::new().email("johanna@umbra.example");
    assert_eq!(wait(office.crm.count(&by_mail)).unwrap(), 0);
    assert_eq!(wait(office.crm.pipeline()).unwrap().leads(), 1);
    office.audit();
}

#[test]
fn who_when_from_and_to_stay_and_a_tombstone_is_added() {
    let office = Office::new();
    let id = a_full_life(&office);
    let before = history(&office.storage, id);
    wait(office.crm.as_user("boss").delete(id)).unwrap();
    let after = history(&office.storage, id);
    assert_eq!(after.len(), before.len() + 1);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.lead, before.version, before.at),
            (after.lead, after.version, after.at)
        );
        assert_eq!((&before.actor, before.commit), (&after.actor, after.commit));
        assert_eq!(before.status_change(), after.status_change());
        let fields = |event: &LeadEvent| -> Vec<Field> {
            event
                .changes
                .iter()
                .map(|change| change.field.clone())
                .collect()
        };
        assert_eq!(fields(before), fields(after));
        assert!(after.changes.iter().all(|change| change.values.is_none()));
    }
    let tombstone = after.last().unwrap();
    let status = LeadStatus::NEW;
    assert_eq!(tombstone.kind, EventKind::Deleted { status });
    assert_eq!(tombstone.version, Version::new(before.len() as u64 + 1));
    assert_eq!(
        (tombstone.at, &tombstone.actor),
        (hour(2), &Some(user("boss")))
    );
    let json = serde_json::to_value(&after).unwrap();
    let changes = serde_json::json!([
        {"field": "first_name", "erased": true}, {"field": "last_name", "erased": true},
    ]);
    assert_eq!(json[1]["changes"], changes);
    assert_eq!(json[after.len() - 1]["event"], "deleted");
}

#[test]
fn a_deleted_lead_does_not_exist_and_does_not_come_back() {
    let office = Office::new();
    let planned = wait(office.crm.plan_create(john())).unwrap();
    let done = wait(office.storage.commit(office.crm.tenant_id(), &planned)).unwrap();
    let id = done.leads[0].0;
    let late = wait(office.crm.plan_update(id, LeadPatch::new().notes("late")))
        .unwrap()
        .unwrap();
    wait(office.crm.delete(id)).unwrap();
    let before = office.snapshot();
    for answer in [
        wait(office.crm.get(id)).map(drop),
        wait(office.crm.update(id, LeadPatch::new().notes("n"))).map(drop),
        wait(office.crm.transition(id, "contacted")).map(drop),
        wait(office.crm.archive(id)).map(drop),
        wait(office.crm.restore(id)).map(drop),
        wait(office.crm.delete(id)),
    ] {
        let missing = answer.unwrap_err();
        assert!(
            matches!(missing, CrmError::NotFound(found) if found == id),
            "{missing}"
        );
        assert_eq!(missing.to_string(), format!("lead {id} does not exist"));
    }
    for planned in [planned, late] {
        assert!(wait(office.storage.commit(office.crm.tenant_id(), &planned)).is_err());
    }
    assert_eq!(office.snapshot(), before);
    assert!(
        wait(
            office
                .crm
                .list(LeadQuery::new().archived(Archived::Include))
        )
        .unwrap()
        .items
        .is_empty()
    );
}

#[test]
fn an_archived_lead_can_be_deleted_and_a_lead_that_never_was_cannot() {
    let office = Office::new();
    let id = office.john().id;
    wait(office.crm.archive(id)).unwrap();
    wait(office.crm.delete(id)).unwrap();
    let never = LeadId::new(hour(0));
    assert!(matches!(
        wait(office.crm.delete(never)),
        Err(CrmError::NotFound(_))
    ));
    let query = HistoryQuery::new();
    assert!(matches!(
        wait(office.crm.history(never, &query)),
        Err(CrmError::NotFound(_))
    ));
    assert_eq!(wait(office.crm.history(id, &query)).unwrap().items.len(), 3);
    office.audit();
}
