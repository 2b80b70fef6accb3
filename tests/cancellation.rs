//! A future that is dropped half-way leaves nothing half-written and nothing locked.
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use common::audit::{audit, snapshot};
use common::faulty::Faulty;
use common::{hour, john, numbered, open, slug, wait};
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::query::Limit;
use crm_kit::testing::ManualClock;
use std::pin::Pin;
use std::task::{Context, Waker};

type Done<'a> = Pin<Box<dyn Future<Output = Result<(), CrmError>> + Send + 'a>>;

/// Polls so many times; whether the future came to its end.
fn poll_and_drop(mut future: Done<'_>, times: usize) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    (0..times).any(|_| future.as_mut().poll(&mut context).is_ready())
}

/// Every public call, and how many events it makes.
fn calls(crm: &Crm, id: LeadId) -> Vec<(&'static str, usize, Done<'_>)> {
    macro_rules! call {
        ($name:literal, $events:literal, $call:expr) => {
            (
                $name,
                $events,
                Box::pin(async move { $call.await.map(drop) }) as Done<'_>,
            )
        };
    }
    vec![
        call!("create", 1, crm.create(john())),
        call!("create with a key", 1, {
            let crm = crm.with_idempotency_key("k");
            async move { crm.create(john()).await }
        }),
        call!("create_many", 2, {
            let crm = crm.clone();
            async move { crm.create_many(&[numbered(1), numbered(2)]).await }
        }),
        call!("update", 1, crm.update(id, LeadPatch::new().notes("n"))),
        call!("transition", 1, crm.transition(id, "contacted")),
        call!(
            "transition_because",
            1,
            crm.transition_because(id, "lost", "why")
        ),
        call!("assign", 1, crm.assign(id, "anna")),
        call!("unassign", 0, crm.unassign(id)),
        call!("archive", 1, crm.archive(id)),
        call!("restore", 0, crm.restore(id)),
        call!("delete", 1, crm.delete(id)),
        call!("get", 0, crm.get(id)),
        call!("list", 0, crm.list(LeadQuery::new())),
        call!("count", 0, {
            let crm = crm.clone();
            async move { crm.count(&LeadQuery::new()).await }
        }),
        call!("history", 0, {
            let crm = crm.clone();
            async move { crm.history(id, &HistoryQuery::new()).await }
        }),
        call!("events", 0, crm.events(None, Limit::DEFAULT)),
        call!("stuck", 0, crm.stuck(StuckQuery::new())),
        call!("pipeline", 0, crm.pipeline()),
        call!("lifecycle", 0, crm.lifecycle()),
        call!(
            "edit_lifecycle",
            0,
            crm.edit_lifecycle(|edit| edit.add("Demo"))
        ),
        call!("remove_status", 0, {
            let crm = crm.clone();
            async move { crm.remove_status(&slug("contacted")).await }
        }),
        call!("remove_status_into", 3, {
            let crm = crm.clone();
            async move {
                crm.remove_status_into(&slug("qualified"), &LeadStatus::NEW)
                    .await
            }
        }),
        call!("resume_removals", 0, crm.resume_removals()),
        call!("plan_create", 0, crm.plan_create(john())),
        call!(
            "plan_update",
            0,
            crm.plan_update(id, LeadPatch::new().notes("n"))
        ),
        call!("plan_transition", 0, crm.plan_transition(id, "contacted")),
        call!("plan_delete", 0, crm.plan_delete(id)),
    ]
}

fn stage() -> (Faulty, Crm, LeadId) {
    let faulty = Faulty::over(MemoryRepository::new());
    let crm = open(
        faulty.clone(),
        &ManualClock::at(hour(0)),
        Lifecycle::standard(),
    );
    let id = wait(crm.create(john())).unwrap().id;
    for number in 0..3 {
        wait(crm.create(numbered(number).status("qualified"))).unwrap();
    }
    let fresh = open(
        faulty.clone(),
        &ManualClock::at(hour(1)),
        Lifecycle::standard(),
    );
    (faulty, fresh, id)
}

#[test]
fn a_dropped_call_was_made_as_a_whole_or_not_at_all() {
    let (_, crm, id) = stage();
    let kinds = calls(&crm, id).len();
    for kind in 0..kinds {
        for polls in 0.. {
            let (faulty, crm, id) = stage();
            let before = snapshot(&faulty.inner);
            let (name, events, call) = calls(&crm, id).swap_remove(kind);
            let finished = poll_and_drop(call, polls);

            let after = snapshot(&faulty.inner);
            let made = after.events.len() - before.events.len();
            assert!(
                made == 0 || made == events,
                "{name} after {polls} polls: {made} events"
            );
            if finished {
                assert_eq!(made, events, "{name}");
            }
            if made == 0 {
                assert!(
                    after.has_the_leads_of(&before),
                    "{name} after {polls} polls"
                );
            }
            audit(&faulty.inner);
            // Nobody who comes later is disturbed.
            wait(crm.create(numbered(9))).unwrap();
            wait(crm.edit_lifecycle(|edit| edit.rename("new", "Fresh"))).unwrap();
            wait(crm.resume_removals()).unwrap();
            audit(&faulty.inner);
            assert!(polls < 200, "{name} does not end");
            if finished {
                break;
            }
        }
    }
}

#[test]
fn a_write_with_a_key_that_was_dropped_can_be_repeated() {
    for polls in 0..30 {
        let (faulty, crm, id) = stage();
        let before = snapshot(&faulty.inner);
        let keyed = crm.with_idempotency_key("k");
        let create = Box::pin(async { keyed.create(john()).await.map(drop) });
        poll_and_drop(create, polls);
        let delete = Box::pin(async { keyed.delete(id).await.map(drop) });
        poll_and_drop(delete, polls);
        let lead = wait(keyed.create(john())).unwrap();
        wait(keyed.delete(id)).unwrap();
        assert_eq!(wait(keyed.create(john())).unwrap(), lead);
        let after = snapshot(&faulty.inner);
        assert_eq!(after.leads.len(), before.leads.len(), "one more, one less");
        assert_eq!(
            after.events.len(),
            before.events.len() + 2,
            "after {polls} polls"
        );
    }
}
