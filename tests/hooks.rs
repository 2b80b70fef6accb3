//! What an application adds: guards on every way into a status, observers of what was committed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use async_trait::async_trait;
use common::faulty::{Deed, Fault, Faulty, give_way};
use common::{hour, john, numbered, user, wait};
use crm_kit::crm::{Attempt, CommitNotice, CrmBuilder, Guard, Observer};
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::testing::ManualClock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An async guard: nothing worth a million may be won by someone unknown.
struct Signature;

#[async_trait]
impl Guard for Signature {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), String> {
        give_way().await;
        match (attempt.lead.status.as_str(), attempt.actor) {
            ("won", None) => Err("sign it first".to_owned()),
            _ => Ok(()),
        }
    }
}

fn builder(storage: impl Repository) -> CrmBuilder {
    Crm::builder(storage)
        .clock(ManualClock::at(hour(0)))
        .lifecycle(Lifecycle::sales())
}

fn guarded() -> Crm {
    let owner = |attempt: &Attempt<'_>| {
        let lead = attempt.lead;
        if lead.status == LeadStatus::QUALIFIED && lead.assigned_to.is_none() {
            return Err("assign the lead before qualifying it".to_owned());
        }
        Ok(())
    };
    let crm = builder(MemoryRepository::new()).guard("owner", owner);
    wait(crm.guard("signature", Signature).open()).unwrap()
}

#[test]
fn guards_stand_at_every_way_into_a_status() {
    let crm = guarded();
    let lead = wait(crm.create(john())).unwrap();
    let message = "assign the lead before qualifying it (guard \"owner\")";
    let moving = LeadPatch::new().status("qualified");
    let new = || john().status("qualified");
    for (answer, from) in [
        (
            wait(crm.transition(lead.id, "qualified")).map(drop),
            Some("new"),
        ),
        (
            wait(crm.transition_because(lead.id, "qualified", "why")).map(drop),
            Some("new"),
        ),
        (
            wait(crm.update(lead.id, moving.clone())).map(drop),
            Some("new"),
        ),
        (
            wait(crm.plan_update(lead.id, moving)).map(drop),
            Some("new"),
        ),
        (
            wait(crm.plan_transition(lead.id, "qualified")).map(drop),
            Some("new"),
        ),
        (wait(crm.create(new())).map(drop), None),
        (wait(crm.plan_create(new())).map(drop), None),
        (
            wait(crm.create_many(&[john(), new()]))
                .unwrap()
                .remove(1)
                .map(drop),
            None,
        ),
    ] {
        let refused = answer.unwrap_err();
        let expected = match from {
            Some(from) => format!("cannot move from \"{from}\" to \"qualified\": {message}"),
            None => format!("cannot start in \"qualified\": {message}"),
        };
        assert_eq!(refused.to_string(), expected);
        let CrmError::Refused(refused) = refused else {
            panic!("{refused}");
        };
        assert_eq!(refused.code(), "guard");
    }
    let bring = LeadPatch::new().status("qualified").assigned_to("anna");
    wait(crm.update(lead.id, bring)).unwrap();
    wait(crm.create(new().assigned_to("anna"))).unwrap();
}

#[test]
fn an_async_guard_sees_who_wants_it() {
    let crm = guarded();
    let lead = wait(crm.create(john())).unwrap();
    let refused = wait(crm.transition(lead.id, "won")).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("sign it first (guard \"signature\")"),
        "{refused}"
    );
    assert!(wait(crm.create(john().status("won"))).is_err());
    assert!(wait(crm.as_user("boss").transition(lead.id, "won")).is_ok());
}

#[test]
fn a_guard_is_told_the_lead_as_it_will_be_and_not_asked_without_need() {
    type Seen = (
        String,
        Option<String>,
        String,
        Option<String>,
        Option<String>,
    );
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let log = seen.clone();
    let guard = move |attempt: &Attempt<'_>| {
        log.lock().unwrap().push((
            attempt.tenant.to_string(),
            attempt.from.map(ToString::to_string),
            attempt.lead.status.to_string(),
            attempt.lead.notes.clone(),
            attempt.lead.status_reason.clone(),
        ));
        Ok(())
    };
    let crm = wait(builder(MemoryRepository::new()).guard("log", guard).open()).unwrap();
    let acme = crm.tenant("acme");
    let lead = wait(acme.create(john())).unwrap();
    let patch = LeadPatch::new()
        .status("lost")
        .notes("n")
        .status_reason("r");
    wait(acme.update(lead.id, patch)).unwrap();
    let entry = |from: Option<&str>, to: &str, notes: Option<&str>, reason: Option<&str>| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        (
            "acme".to_owned(),
            own(from),
            to.to_owned(),
            own(notes),
            own(reason),
        )
    };
    let expected = [
        entry(None, "new", None, None),
        entry(Some("new"), "lost", Some("n"), Some("r")),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    // Nothing below enters a status, or the lifecycle refuses it first.
    wait(acme.update(lead.id, LeadPatch::new().notes("m").status("lost"))).unwrap();
    wait(acme.assign(lead.id, "anna")).unwrap();
    wait(acme.archive(lead.id)).unwrap();
    wait(acme.restore(lead.id)).unwrap();
    assert!(wait(acme.transition(lead.id, "lost")).is_err());
    assert!(wait(acme.transition(lead.id, "won")).is_err());
    assert!(wait(acme.create(john().email("wrong"))).is_err());
    wait(acme.delete(lead.id)).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

/// What an observer was told: for each call the kinds of events, and how many leads.
type Told = Arc<Mutex<Vec<(Vec<&'static str>, usize)>>>;

struct Witness {
    told: Told,
    storage: MemoryRepository,
}

#[async_trait]
impl Observer for Witness {
    async fn notice(&self, happened: &CommitNotice<'_>) {
        give_way().await;
        for event in happened.events {
            let query = HistoryQuery::new().limit(1_000);
            let history = self
                .storage
                .history(happened.tenant, event.lead, &query)
                .await;
            assert!(
                history.unwrap().items.contains(event),
                "it is told after the commit"
            );
        }
        for lead in happened.leads {
            let stored = self.storage.get(happened.tenant, &[lead.id]).await.unwrap();
            assert_eq!(stored, std::slice::from_ref(lead));
        }
        let kinds = happened
            .events
            .iter()
            .map(|event| event.kind.name())
            .collect();
        self.told
            .lock()
            .unwrap()
            .push((kinds, happened.leads.len()));
    }
}

fn witnessed() -> (Crm, Told, Faulty) {
    let storage = MemoryRepository::new();
    let faulty = Faulty::over(storage.clone());
    let told = Told::default();
    let witness = Witness {
        told: told.clone(),
        storage,
    };
    (
        wait(builder(faulty.clone()).observer(witness).open()).unwrap(),
        told,
        faulty,
    )
}

#[test]
fn an_observer_is_told_once_of_every_commit_and_of_nothing_else() {
    let (crm, told, _) = witnessed();
    let lead = wait(crm.create(john())).unwrap();
    wait(crm.create_many(&[numbered(1), numbered(2).email("wrong"), numbered(3)])).unwrap();
    wait(crm.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    wait(crm.transition(lead.id, "contacted")).unwrap();
    wait(crm.assign(lead.id, "anna")).unwrap();
    wait(crm.archive(lead.id)).unwrap();
    // Refused, changing nothing, only planned, or no change of a lead.
    assert!(wait(crm.update(lead.id, LeadPatch::new().notes("m"))).is_err());
    wait(crm.archive(lead.id)).unwrap();
    wait(crm.restore(lead.id)).unwrap();
    assert!(wait(crm.transition(lead.id, "contacted")).is_err());
    assert!(wait(crm.create(john().email("wrong"))).is_err());
    wait(crm.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    wait(crm.plan_create(john())).unwrap();
    wait(crm.edit_lifecycle(|edit| edit.add("Demo"))).unwrap();
    wait(crm.scoped(Scope::AssignedTo(user("anna"))).delete(lead.id)).unwrap();
    let expected: Vec<(Vec<&str>, usize)> = vec![
        (vec!["created"], 1),
        (vec!["created", "created"], 2),
        (vec!["updated"], 1),
        (vec!["status_changed"], 1),
        (vec!["assigned"], 1),
        (vec!["archived"], 1),
        (vec!["restored"], 1),
        (vec!["deleted"], 0),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn a_repeated_request_is_not_told_again() {
    let (crm, told, _) = witnessed();
    let keyed = crm.with_idempotency_key("k");
    let lead = wait(keyed.create(john())).unwrap();
    for _ in 0..3 {
        wait(keyed.create(john())).unwrap();
        wait(keyed.transition(lead.id, "lost")).unwrap();
    }
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[test]
fn a_commit_is_told_once_however_often_it_was_tried() {
    for deed in [
        Deed::FailBefore(Fault::Unavailable),
        Deed::FailBefore(Fault::OutcomeUnknown),
        Deed::FailAfter(Fault::OutcomeUnknown),
    ] {
        for key in [None, Some("k")] {
            let (crm, told, faulty) = witnessed();
            let crm = key.map_or_else(|| crm.clone(), |key| crm.with_idempotency_key(key));
            let failed = AtomicBool::new(false);
            faulty.follow(move |call| {
                let first = call.is_commit() && !failed.swap(true, Ordering::SeqCst);
                if first { deed } else { Deed::Pass }
            });
            wait(crm.create(john())).unwrap();
            assert_eq!(told.lock().unwrap().len(), 1, "{deed:?} with key {key:?}");
        }
    }
}

#[test]
fn a_commit_that_another_made_is_not_told_here() {
    let (crm, told, faulty) = witnessed();
    let twin = wait(builder(faulty.inner.clone()).open())
        .unwrap()
        .with_idempotency_key("k");
    let failed = AtomicBool::new(false);
    // While this one's first try finds the storage away, the same request is made elsewhere.
    faulty.follow(move |call| {
        if call.is_commit() && !failed.swap(true, Ordering::SeqCst) {
            wait(twin.create(john())).unwrap();
            return Deed::FailBefore(Fault::Unavailable);
        }
        Deed::Pass
    });
    wait(crm.with_idempotency_key("k").create(john())).unwrap();
    assert_eq!(told.lock().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_racing_only_the_winner_is_told() {
    let (crm, told, _) = witnessed();
    let id = crm.create(john()).await.unwrap().id;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let crm = crm.clone();
        tasks.spawn(async move { crm.transition(id, "contacted").await.is_ok() });
    }
    assert_eq!(
        tasks
            .join_all()
            .await
            .into_iter()
            .filter(|won| *won)
            .count(),
        1
    );
    assert_eq!(told.lock().unwrap().len(), 2);
}
