//! Removing a status that leads are in: where they go is said, nothing enters it any more, and
//! whoever is interrupted goes on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{audit, history, leads, snapshot};
use common::faulty::{Deed, Fault, Faulty};
use common::{Office, hour, john, numbered, open, slug, wait};
use crm_kit::lead::Version;
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::repository::RepositoryErrorKind;
use crm_kit::testing::ManualClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn in_use(error: CrmError) -> u64 {
    let CrmError::Repository(error) = error else {
        panic!("{error}");
    };
    let told = error.to_string();
    match error.kind() {
        RepositoryErrorKind::StatusInUse { status, leads } => {
            let expected = match leads {
                1 => "1 lead: say where it goes".to_owned(),
                _ => format!("{leads} leads: say where they go"),
            };
            assert_eq!(told, format!("status \"{status}\" is in use by {expected}"));
            *leads
        }
        other => panic!("{other}"),
    }
}

/// An office with so many qualified leads, every tenth archived, and one lead elsewhere.
fn with_qualified(number: usize) -> (Office, Vec<LeadId>) {
    let office = Office::new();
    office.create(numbered(number));
    let new: Vec<NewLead> = (0..number)
        .map(|n| numbered(n).status("qualified"))
        .collect();
    let mut ids = Vec::new();
    for batch in new.chunks(1_000) {
        for lead in wait(office.crm.create_many(batch)).unwrap() {
            ids.push(lead.unwrap().id);
        }
    }
    for id in ids.iter().step_by(10) {
        wait(office.crm.archive(*id)).unwrap();
    }
    (office, ids)
}

fn in_status(storage: &dyn Repository, status: &str) -> usize {
    leads(storage)
        .iter()
        .filter(|lead| lead.status == status)
        .count()
}

#[test]
fn a_status_that_no_lead_is_in_goes_at_once() {
    let office = Office::new();
    office.john();
    let after = wait(office.crm.remove_status(&LeadStatus::QUALIFIED)).unwrap();
    assert!(after.get(&LeadStatus::QUALIFIED).is_none());
    assert_eq!(after.version(), Version::new(2));
    let again = wait(office.crm.remove_status(&LeadStatus::QUALIFIED)).unwrap_err();
    assert!(matches!(again, CrmError::Lifecycle(_)), "{again}");
    // Its number is not given to another.
    let added = wait(office.crm.edit_lifecycle(|edit| edit.add("Qualified"))).unwrap();
    let old = Lifecycle::standard();
    let old = old.get(&LeadStatus::QUALIFIED).unwrap();
    assert_ne!(added.get(&LeadStatus::QUALIFIED).unwrap().id, old.id);
}

#[test]
fn a_status_in_use_is_not_removed_without_saying_where_its_leads_go() {
    let (office, ids) = with_qualified(23);
    let before = office.snapshot();
    for answer in [
        wait(office.crm.remove_status(&LeadStatus::QUALIFIED)),
        wait(
            office
                .crm
                .edit_lifecycle(|edit| edit.add("Demo").remove("qualified")),
        ),
    ] {
        assert_eq!(in_use(answer.unwrap_err()), 23, "archived ones included");
    }
    assert_eq!(office.snapshot(), before);
    for id in ids.iter().skip(1) {
        wait(office.crm.delete(*id)).unwrap();
    }
    assert_eq!(
        in_use(wait(office.crm.remove_status(&LeadStatus::QUALIFIED)).unwrap_err()),
        1
    );
    wait(office.crm.delete(ids[0])).unwrap();
    wait(office.crm.remove_status(&LeadStatus::QUALIFIED)).unwrap();
    office.audit();
}

#[test]
fn where_the_leads_go_must_be_a_place_that_stays() {
    let (office, _) = with_qualified(3);
    let before = office.snapshot();
    for (status, destination) in [
        ("qualified", "nowhere"),
        ("nowhere", "new"),
        ("qualified", "qualified"),
        ("new", "contacted"),
    ] {
        let answer = wait(
            office
                .crm
                .remove_status_into(&slug(status), &slug(destination)),
        );
        let refused = answer.unwrap_err();
        assert!(
            matches!(refused, CrmError::Lifecycle(_)),
            "{status}: {refused}"
        );
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn thousands_of_leads_move_archived_ones_included_and_their_timelines_tell_why() {
    let (office, ids) = with_qualified(2_500);
    let rule = |edit: crm_kit::lifecycle::LifecycleEdit| {
        edit.set_required("contacted", [Field::Value])
            .forbid("qualified", "contacted")
    };
    wait(office.crm.edit_lifecycle(rule)).unwrap();
    office.pass_hours(1);
    let crm = office.crm.as_user("admin");
    let after = wait(crm.remove_status_into(&LeadStatus::QUALIFIED, &LeadStatus::CONTACTED));
    let after = after.unwrap();
    assert!(after.get(&LeadStatus::QUALIFIED).is_none());
    assert_eq!(wait(office.crm.lifecycle()).unwrap(), after);
    assert_eq!(
        in_status(&office.storage, "contacted"),
        2_500,
        "entry rules do not apply"
    );
    assert_eq!(in_status(&office.storage, "new"), 1);
    let archived = LeadQuery::new().archived(Archived::Only);
    assert_eq!(wait(office.crm.count(&archived)).unwrap(), 250);
    for id in [ids[0], ids[1], ids[2_499]] {
        let lead = office.get(id);
        assert_eq!(
            (lead.status_changed_at, lead.updated_at),
            (hour(1), hour(1))
        );
        let reason = Some("status \"Qualified\" was removed".to_owned());
        assert_eq!(lead.status_reason, reason);
        let last = history(&office.storage, id).pop().unwrap();
        assert_eq!(last.actor, Some(common::user("admin")));
        let kind = EventKind::StatusChanged {
            from: LeadStatus::QUALIFIED,
            to: LeadStatus::CONTACTED,
            reason,
        };
        assert_eq!(last.kind, kind);
    }
    office.audit();
}

#[test]
fn a_named_version_is_that_of_the_lifecycle_it_begins_with() {
    let (office, _) = with_qualified(5);
    let (status, destination) = (LeadStatus::QUALIFIED, LeadStatus::NEW);
    let stale = office.crm.if_version(Version::new(9));
    let before = office.snapshot();
    assert!(wait(stale.remove_status_into(&status, &destination)).is_err());
    assert_eq!(office.snapshot(), before);
    let pinned = office.crm.if_version(Version::FIRST);
    let after = wait(pinned.remove_status_into(&status, &destination)).unwrap();
    assert!(after.get(&status).is_none());

    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.retire("contacted", "new")),
    )
    .unwrap();
    let after = wait(pinned.resume_removals()).unwrap();
    assert!(after.get(&LeadStatus::CONTACTED).is_none());
}

#[test]
fn observers_are_told_of_the_moves() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let storage = MemoryRepository::new();
    let crm = Crm::builder(storage).observer(move |happened: &crm_kit::crm::CommitNotice<'_>| {
        count.fetch_add(happened.events.len(), Ordering::SeqCst);
    });
    let crm = wait(crm.open()).unwrap();
    for number in 0..5 {
        wait(crm.create(numbered(number).status("qualified"))).unwrap();
    }
    wait(crm.remove_status_into(&LeadStatus::QUALIFIED, &LeadStatus::NEW)).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 10);
}

/// How the process ends at its nth commit.
fn die_at(faulty: &Faulty, nth: usize, deed: Deed) {
    let commits = AtomicUsize::new(0);
    faulty.follow(move |call| {
        let dead = commits.load(Ordering::SeqCst) > nth;
        if dead {
            return Deed::FailBefore(Fault::Other);
        }
        if call.is_commit() && commits.fetch_add(1, Ordering::SeqCst) == nth {
            return deed;
        }
        Deed::Pass
    });
}

#[test]
fn a_removal_that_was_interrupted_anywhere_is_resumed() {
    let clock = ManualClock::at(hour(0));
    for deed in [
        Deed::FailBefore(Fault::Other),
        Deed::FailAfter(Fault::OutcomeUnknown),
    ] {
        for nth in 0..4 {
            let (office, _) = with_qualified(1_100);
            let faulty = Faulty::over(office.storage.clone());
            let crm = open(faulty.clone(), &clock, Lifecycle::standard());
            die_at(&faulty, nth, deed);
            let (status, destination) = (LeadStatus::QUALIFIED, LeadStatus::NEW);
            let answer = wait(crm.remove_status_into(&status, &destination));
            assert!(answer.is_err(), "{deed:?} at commit {nth}");
            audit_quickly(&office.storage);
            let begun = nth > 0 || deed == Deed::FailAfter(Fault::OutcomeUnknown);
            let removed = nth == 3 && deed == Deed::FailAfter(Fault::OutcomeUnknown);

            let other = office.another();
            let meanwhile = wait(other.create(john().status("qualified")));
            assert_eq!(
                meanwhile.is_err(),
                begun,
                "nothing enters once it has begun"
            );
            let new = wait(other.create(john())).unwrap();
            if begun {
                let answer = wait(other.transition(new.id, "qualified"));
                assert!(answer.is_err());
            }
            if nth % 2 == 0 || removed {
                wait(other.resume_removals()).unwrap();
                if !begun {
                    assert_eq!(in_status(&office.storage, "qualified"), 1_101);
                    continue;
                }
            } else {
                wait(other.remove_status_into(&status, &destination)).unwrap();
            }
            let lifecycle = wait(other.lifecycle()).unwrap();
            assert!(lifecycle.get(&status).is_none());
            assert_eq!(in_status(&office.storage, "new"), 1_102);
            audit_quickly(&office.storage);
        }
    }
}

/// Every lead is in a status that exists. The full audit takes its time with thousands of leads.
fn audit_quickly(storage: &dyn Repository) {
    let lifecycle = snapshot(storage).lifecycle.unwrap();
    for lead in leads(storage) {
        assert!(
            lifecycle.get(&lead.status).is_some(),
            "{} in {}",
            lead.id,
            lead.status
        );
    }
}

#[test]
fn resuming_when_there_is_nothing_to_resume_does_nothing() {
    let (office, _) = with_qualified(3);
    let before = office.snapshot();
    wait(office.crm.resume_removals()).unwrap();
    assert_eq!(office.snapshot(), before);
}

#[test]
fn a_lead_that_is_changed_deleted_or_moved_meanwhile_does_not_stop_it() {
    let (office, ids) = with_qualified(12);
    let faulty = Faulty::over(office.storage.clone());
    let crm = open(faulty.clone(), &office.clock, Lifecycle::standard());
    let other = office.another();
    let commits = AtomicUsize::new(0);
    let moving = ids.clone();
    faulty.follow(move |call| {
        if call.is_commit() {
            let nth = commits.fetch_add(1, Ordering::SeqCst);
            match nth {
                // Just before it is marked: one more enters.
                0 => drop(wait(other.create(john().status("qualified"))).unwrap()),
                1 => wait(other.delete(moving[1])).unwrap(),
                2 => drop(wait(other.transition(moving[2], "lost")).unwrap()),
                3 => drop(wait(other.archive(moving[3])).unwrap()),
                4 => drop(wait(other.edit_lifecycle(|edit| edit.add("Demo"))).unwrap()),
                _ => {}
            }
        }
        Deed::Pass
    });
    let after = wait(crm.remove_status_into(&LeadStatus::QUALIFIED, &LeadStatus::NEW)).unwrap();
    assert!(after.get(&LeadStatus::QUALIFIED).is_none());
    assert!(
        after.get(&slug("demo")).is_some(),
        "the other edit is not lost"
    );
    assert_eq!(office.get(ids[2]).status, LeadStatus::LOST);
    assert_eq!(in_status(&office.storage, "new"), 12);
    office.audit();
}

/// Somebody works on one of the leads all the time, so that no set with this lead can be committed.
#[test]
fn a_lead_that_is_never_left_alone_does_not_hold_up_the_others() {
    let (office, ids) = with_qualified(200);
    let faulty = Faulty::over(office.storage.clone());
    let crm = open(faulty.clone(), &office.clock, Lifecycle::standard());
    let (other, storage) = (office.another(), office.storage.clone());
    let busy = ids[199];
    let commits = AtomicUsize::new(0);
    faulty.follow(move |call| {
        if call.is_commit() {
            let nth = commits.fetch_add(1, Ordering::SeqCst);
            assert!(nth < 200, "it goes round in circles");
            if in_status(&storage, "qualified") > 1 {
                wait(other.update(busy, LeadPatch::new().notes(format!("{nth}")))).unwrap();
            }
        }
        Deed::Pass
    });
    wait(crm.remove_status_into(&LeadStatus::QUALIFIED, &LeadStatus::NEW)).unwrap();
    assert_eq!(in_status(&office.storage, "new"), 201);
    office.audit();
}

#[test]
fn a_removal_that_somebody_takes_back_stops() {
    let (office, _) = with_qualified(12);
    let faulty = Faulty::over(office.storage.clone());
    let crm = open(faulty.clone(), &office.clock, Lifecycle::standard());
    let other = office.another();
    let commits = AtomicUsize::new(0);
    faulty.follow(move |call| {
        if call.is_commit() && commits.fetch_add(1, Ordering::SeqCst) == 1 {
            wait(other.edit_lifecycle(|edit| edit.unretire("qualified"))).unwrap();
        }
        Deed::Pass
    });
    let after = wait(crm.remove_status_into(&LeadStatus::QUALIFIED, &LeadStatus::NEW)).unwrap();
    assert!(
        after
            .get(&LeadStatus::QUALIFIED)
            .is_some_and(|status| !status.is_retiring())
    );
    assert_eq!(in_status(&office.storage, "qualified"), 12);
    audit(&office.storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leads_that_enter_while_it_begins_are_moved_or_refused() {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    for round in 0..20 {
        let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
        crm.edit_lifecycle(|edit| edit.add("Demo")).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..32 {
            let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
            tasks.spawn(async move {
                for _ in 0..number {
                    tokio::task::yield_now().await;
                }
                let created = if number % 2 == 0 {
                    crm.create(numbered(number).status("demo"))
                        .await
                        .map(|lead| lead.id)
                } else {
                    let lead = crm.create(numbered(number)).await.unwrap();
                    crm.transition(lead.id, "demo").await.map(|lead| lead.id)
                };
                match created {
                    Ok(id) => Some(id),
                    Err(CrmError::Invalid(_) | CrmError::Refused(_)) => None,
                    Err(other) => panic!("{other}"),
                }
            });
        }
        let after = crm
            .remove_status_into(&slug("demo"), &slug("contacted"))
            .await
            .unwrap();
        assert!(after.get(&slug("demo")).is_none());
        for id in tasks.join_all().await.into_iter().flatten() {
            let lead = crm.get(id).await.unwrap();
            assert_eq!(
                lead.status, "contacted",
                "round {round}: it was let in, so it was moved"
            );
        }
    }
    audit(&storage);
}
