//! A lifecycle that is edited while leads move: its rules hold at once, in every process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{audit, feed};
use common::faulty::{Deed, Faulty};
use common::{Office, blamed, hour, john, numbered, open, refusal, slug, wait};
use crm_kit::event::LeadEvent;
use crm_kit::lead::Version;
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::repository::RepositoryErrorKind;
use crm_kit::testing::ManualClock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// A handle that has the rules in its memory, from before they are edited elsewhere.
fn with_old_rules(office: &Office) -> Crm {
    let other = office.another();
    let lead = wait(other.create(john())).unwrap();
    wait(other.delete(lead.id)).unwrap();
    other
}

#[test]
fn rules_hold_at_once_for_who_has_the_old_ones_in_memory() {
    let office = Office::new();
    let (lead, other_lead) = (office.john(), office.john());
    let handles: Vec<Crm> = (0..5).map(|_| with_old_rules(&office)).collect();
    wait(office.crm.edit_lifecycle(|edit| {
        edit.add("Demo")
            .forbid("new", "contacted")
            .set_required("qualified", [Field::Company, Field::Value])
            .set_required("new", [Field::Phone, Field::Source])
    }))
    .unwrap();

    let mut handles = handles.iter();
    let mut next = || handles.next().unwrap();
    assert_eq!(
        refusal(wait(next().transition(lead.id, "contacted"))),
        "not_allowed"
    );
    assert_eq!(
        refusal(wait(next().transition(lead.id, "qualified"))),
        "missing_fields"
    );
    let phone = wait(next().update(other_lead.id, LeadPatch::new().clear(Field::Phone)));
    assert_eq!(blamed(&phone.unwrap_err()), ["phone"]);
    assert_eq!(
        blamed(&wait(next().create(john())).unwrap_err()),
        ["source"]
    );
    let many = wait(next().create_many(&[john(), john().source("event")])).unwrap();
    assert_eq!(many.iter().filter(|answer| answer.is_ok()).count(), 1);
    office.audit();
}

#[test]
fn a_status_that_was_added_can_be_used_by_who_does_not_know_it_yet() {
    let office = Office::new();
    let lead = office.john();
    let handles: Vec<Crm> = (0..5).map(|_| with_old_rules(&office)).collect();
    wait(office.crm.edit_lifecycle(|edit| edit.add("Demo"))).unwrap();
    let demo = LeadPatch::new().status("demo");
    let mut handles = handles.iter();
    let mut next = || handles.next().unwrap();
    assert_eq!(
        wait(next().transition(lead.id, "demo")).unwrap().status,
        "demo"
    );
    assert_eq!(
        wait(next().create(john().status("demo"))).unwrap().status,
        "demo"
    );
    let many = wait(next().create_many(&[john().status("demo"), john()])).unwrap();
    assert!(many.iter().all(Result::is_ok));
    wait(office.crm.transition(lead.id, "new")).unwrap();
    assert_eq!(wait(next().update(lead.id, demo)).unwrap().status, "demo");
    let query = LeadQuery::new().status("demo");
    assert_eq!(wait(next().list(query)).unwrap().items.len(), 3);
}

#[test]
fn a_status_that_was_removed_is_unknown_to_who_still_has_it_in_memory() {
    let office = Office::new();
    let lead = office.john();
    let handles: Vec<Crm> = (0..4).map(|_| with_old_rules(&office)).collect();
    wait(office.crm.remove_status(&LeadStatus::QUALIFIED)).unwrap();
    let mut handles = handles.iter();
    let mut next = || handles.next().unwrap();
    let known = "status: is unknown: must be one of new, contacted, converted, lost";
    for answer in [
        wait(next().transition(lead.id, "qualified")).map(drop),
        wait(next().create(john().status("qualified"))).map(drop),
        wait(next().update(lead.id, LeadPatch::new().status("qualified"))).map(drop),
        wait(next().create_many(&[john().status("qualified")]))
            .unwrap()
            .remove(0)
            .map(drop),
    ] {
        assert_eq!(answer.unwrap_err().to_string(), known);
    }
    office.audit();
}

/// The first try is overtaken by a change of the lead; before the second one looks at the lead, the
/// rule that the first was checked against goes, and then what the rule asked for.
#[test]
fn who_tries_again_after_a_conflict_is_judged_by_the_rules_of_then() {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    let other = open(storage.clone(), &clock, Lifecycle::standard());
    let id = wait(other.create(john().notes("n"))).unwrap().id;
    let rule = |fields: Vec<Field>| {
        wait(other.edit_lifecycle(|edit| edit.set_required("contacted", fields.clone())))
    };
    rule(vec![Field::Source]).unwrap();
    let faulty = Faulty::over(storage);
    let crm = open(faulty.clone(), &clock, Lifecycle::standard());
    rule(vec![Field::Notes]).unwrap();

    let stage = AtomicUsize::new(0);
    let interloper = other.clone();
    faulty.follow(move |call| {
        let now = stage.load(Ordering::SeqCst);
        if call.is_commit() && now == 0 {
            wait(interloper.update(id, LeadPatch::new().notes("m"))).unwrap();
            stage.store(1, Ordering::SeqCst);
        } else if call.name == "get" && now == 1 {
            let lifted = wait(interloper.edit_lifecycle(|e| e.set_required("contacted", [])));
            lifted.unwrap();
            wait(interloper.update(id, LeadPatch::new().clear(Field::Notes))).unwrap();
            stage.store(2, Ordering::SeqCst);
        }
        Deed::Pass
    });
    let moved = wait(crm.transition(id, "contacted")).unwrap();
    assert_eq!((moved.status, moved.notes), (LeadStatus::CONTACTED, None));
}

#[test]
fn every_version_of_a_lifecycle_is_kept() {
    let office = Office::new();
    office.john();
    assert_eq!(wait(office.crm.lifecycle()).unwrap(), Lifecycle::standard());
    for number in 2..6u64 {
        let name = format!("Step {number}");
        let edited = wait(office.crm.edit_lifecycle(|edit| edit.add(name.as_str()))).unwrap();
        assert_eq!(edited.version(), Version::new(number));
    }
    for number in 1..6u64 {
        let version = Version::new(number);
        let then = wait(office.crm.lifecycle_at(version)).unwrap().unwrap();
        assert_eq!(
            (then.version(), then.statuses().len() as u64),
            (version, 4 + number)
        );
    }
    assert_eq!(
        wait(office.crm.lifecycle_at(Version::new(6))).unwrap(),
        None
    );
    let same = wait(office.crm.edit_lifecycle(|edit| edit.rename("new", "New"))).unwrap();
    assert_eq!(
        same.version(),
        Version::new(5),
        "what changes nothing makes no version"
    );
}

#[test]
fn a_list_by_status_has_the_order_of_now_and_its_cursors_end_with_it() {
    let office = Office::new();
    for (number, status) in ["lost", "new", "qualified", "contacted", "new"]
        .iter()
        .enumerate()
    {
        office.create(numbered(number).status(*status));
    }
    let query = || LeadQuery::new().sort(Sort::status().ascending());
    let order = |query: LeadQuery| -> Vec<String> {
        let page = wait(office.crm.list(query)).unwrap();
        page.items
            .iter()
            .map(|lead| lead.status.to_string())
            .collect()
    };
    assert_eq!(
        order(query()),
        ["new", "new", "contacted", "qualified", "lost"]
    );
    let cursor = wait(office.crm.list(query().limit(2)))
        .unwrap()
        .next
        .unwrap();
    assert_eq!(
        order(query().after(cursor.clone())),
        ["contacted", "qualified", "lost"]
    );
    wait(office.crm.edit_lifecycle(|edit| edit.move_to("lost", 0))).unwrap();
    assert_eq!(
        order(query()),
        ["lost", "new", "new", "contacted", "qualified"]
    );
    let CrmError::Repository(stale) = wait(office.crm.list(query().after(cursor))).unwrap_err()
    else {
        panic!("another error");
    };
    assert!(
        matches!(stale.kind(), RepositoryErrorKind::InvalidCursor(_)),
        "{stale}"
    );
}

#[test]
fn a_broken_edit_lists_every_fault_and_changes_nothing() {
    let office = Office::new();
    office.john();
    let before = office.snapshot();
    let refused = wait(office.crm.edit_lifecycle(|edit| {
        edit.add("New")
            .set_probability("contacted", 101)
            .recolour("lost", "reddish")
            .rename("nowhere", "X")
            .set_initial("lost")
    }));
    let CrmError::Lifecycle(invalid) = refused.unwrap_err() else {
        panic!("another error");
    };
    assert!(invalid.faults().len() >= 5, "{invalid}");
    for part in ["contacted", "lost", "nowhere"] {
        assert!(invalid.to_string().contains(part), "{invalid}");
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn an_edit_of_a_named_version_is_made_on_that_version_only() {
    let office = Office::new();
    office.john();
    let pinned = office.crm.if_version(Version::FIRST);
    wait(pinned.edit_lifecycle(|edit| edit.add("Demo"))).unwrap();
    let before = office.snapshot();
    let stale = wait(pinned.edit_lifecycle(|edit| edit.add("Offer"))).unwrap_err();
    let CrmError::Repository(error) = stale else {
        panic!("{stale}");
    };
    let found = Some(Version::new(2));
    assert_eq!(*error.kind(), RepositoryErrorKind::StaleLifecycle { found });
    assert_eq!(office.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_at_the_same_time_are_all_made() {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
        tasks.spawn(async move {
            let name = format!("Step {task}");
            crm.edit_lifecycle(|edit| edit.add(name.as_str()))
                .await
                .unwrap();
        });
    }
    tasks.join_all().await;
    let crm = open(storage, &clock, Lifecycle::standard());
    let lifecycle = crm.lifecycle().await.unwrap();
    assert_eq!(lifecycle.statuses().len(), 5 + 16);
    let ids: std::collections::BTreeSet<_> = lifecycle.statuses().iter().map(|s| s.id).collect();
    assert_eq!(ids.len(), 5 + 16);
}

/// The moves that the edits of the test below forbid and allow again.
fn moves(events: &[LeadEvent]) -> impl Iterator<Item = &LeadEvent> {
    events
        .iter()
        .filter(|event| event.status_change() == Some((&LeadStatus::NEW, &LeadStatus::CONTACTED)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_move_passes_under_rules_that_were_replaced() {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    let editor = open(storage.clone(), &clock, Lifecycle::standard());
    for round in 0..30 {
        let mut leads = Vec::new();
        for number in 0..16 {
            leads.push(editor.create(numbered(number)).await.unwrap().id);
        }
        let mut tasks = JoinSet::new();
        for lead in leads {
            let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
            tasks.spawn(async move {
                let answer = crm.transition(lead, LeadStatus::CONTACTED).await;
                if answer.is_err() {
                    assert_eq!(refusal(answer), "not_allowed");
                }
            });
        }
        let forbidding = editor.clone();
        let edit = tokio::spawn(async move {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            forbidding
                .edit_lifecycle(|edit| edit.forbid("new", "contacted"))
                .await
                .unwrap();
        });
        edit.await.unwrap();
        // Every move that was made was made before the edit was: none is made from now on.
        let made = moves(&feed(&storage)).count();
        tasks.join_all().await;
        assert_eq!(moves(&feed(&storage)).count(), made, "round {round}");
        editor
            .edit_lifecycle(|edit| edit.allow("new", "contacted"))
            .await
            .unwrap();
    }
    audit(&storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_lead_is_ever_in_a_status_that_does_not_exist() {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    let editor = open(storage.clone(), &clock, Lifecycle::standard());
    let mut leads = Vec::new();
    for number in 0..24 {
        leads.push(editor.create(numbered(number)).await.unwrap().id);
    }
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for (number, lead) in leads.into_iter().enumerate() {
        let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
        let done = done.clone();
        tasks.spawn(async move {
            let mut moved = 0;
            while !done.load(Ordering::SeqCst) {
                for to in ["demo", "new"] {
                    match crm.transition(lead, to).await {
                        Ok(_) => moved += 1,
                        Err(CrmError::Refused(_) | CrmError::Invalid(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                match crm.create(numbered(number).status("demo")).await {
                    Ok(lead) => crm.delete(lead.id).await.unwrap(),
                    Err(CrmError::Invalid(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            moved
        });
    }
    for _ in 0..20 {
        editor
            .edit_lifecycle(|edit| edit.add("Demo"))
            .await
            .unwrap();
        audit_statuses(&editor).await;
        match editor.remove_status(&slug("demo")).await {
            Ok(_) => {}
            Err(CrmError::Repository(error)) => {
                assert!(
                    matches!(error.kind(), RepositoryErrorKind::StatusInUse { leads, .. } if *leads > 0),
                    "{error}"
                );
                editor
                    .remove_status_into(&slug("demo"), &slug("contacted"))
                    .await
                    .unwrap();
            }
            Err(other) => panic!("{other}"),
        }
        audit_statuses(&editor).await;
    }
    done.store(true, Ordering::SeqCst);
    tasks.join_all().await;
    audit(&storage);
}

/// Leads are read before the rules: a status that a lead has then was there, and is there still or
/// was removed in between, which only this very task does.
async fn audit_statuses(editor: &Crm) {
    let query = LeadQuery::new().archived(Archived::Include).limit(1_000);
    let leads = editor.list(query).await.unwrap().items;
    let lifecycle = editor.lifecycle().await.unwrap();
    for lead in leads {
        assert!(
            lifecycle.get(&lead.status).is_some(),
            "{} is in {}",
            lead.id,
            lead.status
        );
    }
}
