//! A lead from the first call to the closed deal: what each step writes down, and what it does not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::history;
use common::{Office, blamed, hour, john, refusal, wait};
use crm_kit::lead::Version;
use crm_kit::prelude::*;

#[test]
fn a_lead_goes_from_new_to_won_and_its_timeline_tells_how() {
    let office = Office::with(Lifecycle::sales());
    let anna = office.crm.as_user("anna");
    let lead = wait(anna.create(john())).unwrap();
    assert_eq!(lead.status, LeadStatus::NEW);
    assert_eq!(lead.version, Version::FIRST);
    assert_eq!((lead.created_at, lead.updated_at), (hour(0), hour(0)));
    assert_eq!(lead.status_changed_at, hour(0));

    office.pass_hours(1);
    wait(anna.transition(lead.id, LeadStatus::CONTACTED)).unwrap();
    office.pass_hours(1);
    wait(anna.assign(lead.id, "bob")).unwrap();
    office.pass_hours(1);
    let bob = office.crm.as_user("bob");
    let patch = LeadPatch::new()
        .status(LeadStatus::PROPOSAL)
        .value(Money::new(1_250_050, "USD").unwrap());
    wait(bob.update(lead.id, patch)).unwrap();
    office.pass_hours(1);
    let won = wait(bob.transition_because(lead.id, LeadStatus::WON, "signed")).unwrap();

    assert_eq!(
        won,
        office.get(lead.id),
        "what was answered is what is stored"
    );
    assert_eq!(won.status, LeadStatus::WON);
    assert_eq!(won.status_reason.as_deref(), Some("signed"));
    assert_eq!(won.version, Version::new(5));
    assert_eq!((won.created_at, won.updated_at), (hour(0), hour(4)));
    assert_eq!(won.status_changed_at, hour(4));
    assert_eq!(won.assigned_to, Some(common::user("bob")));

    let told: Vec<_> = history(&office.storage, lead.id)
        .iter()
        .map(|event| {
            let fields: Vec<_> = event.changes.iter().map(|c| c.field.to_string()).collect();
            let actor = event.actor.as_ref().unwrap().to_string();
            (event.kind.name(), actor, event.at, fields.join(" "))
        })
        .collect();
    let expected = [
        ("created", "anna", 0, ""),
        ("status_changed", "anna", 1, "status"),
        ("assigned", "anna", 2, "assigned_to"),
        ("status_changed", "bob", 3, "value status"),
        ("status_changed", "bob", 4, "status status_reason"),
    ];
    let expected =
        expected.map(|(kind, who, at, fields)| (kind, who.to_owned(), hour(at), fields.to_owned()));
    assert_eq!(told, expected);
    let last = history(&office.storage, lead.id).pop().unwrap();
    let moved = EventKind::StatusChanged {
        from: LeadStatus::PROPOSAL,
        to: LeadStatus::WON,
        reason: Some("signed".into()),
    };
    assert_eq!(last.kind, moved);

    let refused = wait(bob.transition(lead.id, LeadStatus::NEW)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot move from \"won\" to \"new\": nothing is allowed next, it is final"
    );
    assert_eq!(office.get(lead.id), won);
    office.audit();
}

#[test]
fn an_update_keeps_clears_and_sets() {
    let office = Office::new();
    let new = john()
        .notes("call back")
        .tag("VIP")
        .custom("budget", 5)
        .custom("size", 9);
    let lead = office.create(new.assigned_to("anna").source(LeadSource::EVENT));
    let patch: LeadPatch = crm_kit::serde_json::from_str(
        r#"{"company": "Umbra", "phone": null, "tags": ["cold"], "source": null,
            "custom": {"budget": null, "stage": {"b": [1], "a": 2}}}"#,
    )
    .unwrap();
    office.pass_hours(2);
    let after = wait(office.crm.update(lead.id, patch)).unwrap();

    let mut expected = lead.clone();
    expected.company = Some("Umbra".into());
    expected.phone = None;
    expected.source = None;
    expected.tags = vec!["cold".parse().unwrap()];
    let custom = r#"{"size": 9, "stage": {"b": [1], "a": 2}}"#;
    expected.custom = crm_kit::serde_json::from_str(custom).unwrap();
    expected.updated_at = hour(2);
    expected.version = Version::new(2);
    assert_eq!(after, expected, "everything not named is kept");
    assert_eq!(office.get(lead.id), expected);

    let event = history(&office.storage, lead.id).pop().unwrap();
    let json = crm_kit::serde_json::to_value(&event).unwrap();
    let changes = crm_kit::serde_json::json!([
        {"field": "company", "from": "Acme Corp", "to": "Umbra"},
        {"field": "phone", "from": "+263771234567", "to": null},
        {"field": "source", "from": "event", "to": null},
        {"field": "tags", "from": ["VIP"], "to": ["cold"]},
        {"field": "custom.budget", "from": 5, "to": null},
        {"field": "custom.stage", "from": null, "to": {"a": 2, "b": [1]}},
    ]);
    assert_eq!(json["changes"], changes);
    assert_eq!(json["event"], "updated");

    let emptied = LeadPatch::new().clear(Field::Tags).clear(Field::AssignedTo);
    let after = wait(office.crm.update(lead.id, emptied)).unwrap();
    assert!(after.tags.is_empty() && after.assigned_to.is_none());
    office.audit();
}

#[test]
fn fields_apply_before_the_status_is_checked() {
    let lifecycle = Lifecycle::builder()
        .status("New")
        .status(StatusDraft::new("Demo").require(Field::Company))
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .build()
        .unwrap();
    let office = Office::with(lifecycle);
    let lead = office.create(NewLead::unnamed().phone("+263 77 123"));
    assert_eq!(
        refusal(wait(office.crm.transition(lead.id, "demo"))),
        "missing_fields"
    );
    let patch = LeadPatch::new().status("demo").company("Acme");
    let moved = wait(office.crm.update(lead.id, patch)).unwrap();
    assert_eq!(
        (moved.status.as_str(), moved.version),
        ("demo", Version::new(2))
    );
    let back = LeadPatch::new().status("new").clear(Field::Company);
    assert_eq!(
        wait(office.crm.update(lead.id, back)).unwrap().status,
        "new"
    );
    let without = LeadPatch::new().status("demo").clear(Field::Company);
    assert_eq!(
        refusal(wait(office.crm.update(lead.id, without))),
        "missing_fields"
    );
}

#[test]
fn a_patch_that_changes_nothing_commits_nothing() {
    let office = Office::new();
    let lead = office.create(
        john()
            .notes("hi")
            .tag("VIP")
            .custom("a", 1)
            .assigned_to("anna"),
    );
    let before = office.snapshot();
    office.pass_hours(5);
    for patch in [
        LeadPatch::new(),
        LeadPatch::new().status(LeadStatus::NEW),
        LeadPatch::new().status(LeadStatus::NEW),
        LeadPatch::new()
            .first_name(" John ")
            .email("john@example.com")
            .notes("hi"),
        LeadPatch::new()
            .tags(["VIP", "vip"])
            .custom("a", 1)
            .clear(Field::Value),
        LeadPatch::new().assigned_to("anna"),
        LeadPatch::new().clear(Field::Custom(
            crm_kit::lead::CustomKey::new("none").unwrap(),
        )),
    ] {
        let same = wait(office.crm.update(lead.id, patch.clone())).unwrap();
        assert_eq!(same, lead, "{patch:?}");
        assert!(
            wait(office.crm.plan_update(lead.id, patch))
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(wait(office.crm.assign(lead.id, "anna")).unwrap(), lead);
    assert_eq!(wait(office.crm.restore(lead.id)).unwrap(), lead);
    assert_eq!(office.snapshot(), before);
}

#[test]
fn being_there_already_is_refused_in_a_transition_and_ignored_in_an_update() {
    let office = Office::new();
    let lead = office.john();
    let refused = wait(office.crm.transition(lead.id, LeadStatus::NEW)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the lead is already in \"new\": allowed next are contacted, qualified, converted, lost"
    );
    assert_eq!(refusal::<Lead>(Err(refused)), "already_there");
    let patch = LeadPatch::new().status(LeadStatus::NEW).notes("new notes");
    let after = wait(office.crm.update(lead.id, patch)).unwrap();
    assert_eq!(after.notes.as_deref(), Some("new notes"));
    assert_eq!(
        (after.status_changed_at, after.version),
        (hour(0), Version::new(2))
    );
    let event = history(&office.storage, lead.id).pop().unwrap();
    assert_eq!(event.kind, EventKind::Updated);
}

#[test]
fn the_reason_and_the_time_belong_to_the_status_that_was_entered() {
    let office = Office::new();
    let lead = office.john();
    office.pass_hours(1);
    wait(
        office
            .crm
            .transition_because(lead.id, LeadStatus::LOST, "too dear"),
    )
    .unwrap();
    office.pass_hours(1);
    let noted = wait(office.crm.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    assert_eq!(noted.status_reason.as_deref(), Some("too dear"));
    assert_eq!(
        (noted.status_changed_at, noted.updated_at),
        (hour(1), hour(2))
    );
    let again = wait(office.crm.transition(lead.id, LeadStatus::NEW)).unwrap();
    assert_eq!(
        (again.status_reason, again.status_changed_at),
        (None, hour(2))
    );
    let alone = LeadPatch::new().status_reason("why not");
    let refused = wait(office.crm.update(lead.id, alone)).unwrap_err();
    assert_eq!(blamed(&refused), ["status_reason"]);
}

#[test]
fn an_archived_lead_is_out_of_lists_and_cannot_be_changed() {
    let office = Office::new();
    let lead = office.john();
    let count = |query: LeadQuery| wait(office.crm.count(&query)).unwrap();
    office.pass_hours(1);
    let archived = wait(office.crm.as_user("anna").archive(lead.id)).unwrap();
    assert_eq!(archived.archived_at, Some(hour(1)));
    assert_eq!(
        (archived.updated_at, archived.version),
        (hour(1), Version::new(2))
    );
    assert_eq!(office.get(lead.id), archived, "get finds it still");
    assert_eq!(count(LeadQuery::new()), 0);
    assert_eq!(count(LeadQuery::new().archived(Archived::Only)), 1);
    assert!(
        wait(office.crm.list(LeadQuery::new()))
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(wait(office.crm.pipeline()).unwrap().leads(), 0);

    let before = office.snapshot();
    office.pass_hours(1);
    assert_eq!(
        wait(office.crm.archive(lead.id)).unwrap(),
        archived,
        "again is nothing"
    );
    let tries = [
        wait(office.crm.update(lead.id, LeadPatch::new().notes("x"))),
        wait(office.crm.transition(lead.id, LeadStatus::CONTACTED)),
        wait(office.crm.assign(lead.id, "bob")),
    ];
    for refused in tries {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, CrmError::Archived(id) if id == lead.id));
        let told = format!("lead {} is archived: restore it first", lead.id);
        assert_eq!(refused.to_string(), told);
    }
    assert_eq!(office.snapshot(), before);

    let restored = wait(office.crm.restore(lead.id)).unwrap();
    assert_eq!(
        (restored.archived_at, restored.version),
        (None, Version::new(3))
    );
    assert_eq!(restored.status_changed_at, lead.status_changed_at);
    assert_eq!(count(LeadQuery::new()), 1);
    let kinds: Vec<_> = history(&office.storage, lead.id)
        .iter()
        .map(|event| event.kind.name())
        .collect();
    assert_eq!(kinds, ["created", "archived", "restored"]);
    office.audit();
}

#[test]
fn users_come_and_go() {
    let office = Office::new();
    let lead = office.create(john().assigned_to("anna"));
    let free = wait(office.crm.unassign(lead.id)).unwrap();
    assert_eq!(free.assigned_to, None);
    assert_eq!(wait(office.crm.unassign(lead.id)).unwrap(), free);
    let bobs = wait(office.crm.assign(lead.id, "bob")).unwrap();
    let of = |name: &str| {
        wait(office.crm.list(LeadQuery::new().assigned_to(name)))
            .unwrap()
            .items
    };
    assert_eq!((of("anna"), of("bob")), (vec![], vec![bobs]));
    let refused = wait(office.crm.assign(lead.id, " bob")).unwrap_err();
    assert_eq!(blamed(&refused), ["assigned_to"]);
}

#[test]
fn every_version_is_an_event_and_pages_of_the_timeline_hold_each_once() {
    let office = Office::new();
    let lead = office.john();
    for number in 0..10 {
        let patch = LeadPatch::new().notes(format!("note {number}"));
        wait(office.crm.update(lead.id, patch)).unwrap();
    }
    let all = history(&office.storage, lead.id);
    assert_eq!(all.len(), 11);
    for first in [HistoryQuery::new(), HistoryQuery::new().newest_first()] {
        let mut seen = Vec::new();
        let mut query = first.clone().limit(3);
        loop {
            let page = wait(office.crm.history(lead.id, &query)).unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            query = first.clone().limit(3).after(next);
            // What happens meanwhile comes after, or before, what was seen.
            wait(office.crm.assign(lead.id, format!("user{}", seen.len()))).unwrap();
        }
        let known: Vec<_> = seen
            .iter()
            .filter(|e| e.version.get() <= 11)
            .cloned()
            .collect();
        let mut expected = all.clone();
        if first == HistoryQuery::new().newest_first() {
            expected.reverse();
        }
        assert_eq!(known, expected);
        let versions: std::collections::BTreeSet<_> = seen.iter().map(|e| e.version).collect();
        assert_eq!(versions.len(), seen.len(), "none is repeated");
    }
}
