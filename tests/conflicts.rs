//! Many at once on one lead: each change is made as a whole, none is lost, and who named a version
//! is told when it is another.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{audit, history};
use common::faulty::Faulty;
use common::{Office, hour, john, numbered, open, refusal};
use crm_kit::crm::CrmError;
use crm_kit::lead::Version;
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::testing::ManualClock;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

const TASKS: usize = 64;

/// A `Crm` whose calls of the storage give way to each other.
fn contended() -> (Crm, MemoryRepository) {
    let storage = MemoryRepository::new();
    let clock = ManualClock::at(hour(0));
    let crm = open(Faulty::over(storage.clone()), &clock, Lifecycle::standard());
    (crm, storage)
}

/// Runs a task for each number at the same time.
async fn all_at_once<F, T>(tasks: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let gate = std::sync::Arc::new(tokio::sync::Barrier::new(tasks));
    let mut set = JoinSet::new();
    for number in 0..tasks {
        let (gate, task) = (gate.clone(), task(number));
        set.spawn(async move {
            gate.wait().await;
            task.await
        });
    }
    set.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_tasks_that_try_the_same_move_exactly_one_wins_in_each_of_200_rounds() {
    let (crm, storage) = contended();
    for round in 0..200 {
        let id = crm.create(numbered(round)).await.unwrap().id;
        let answers = all_at_once(TASKS, |task| {
            let crm = crm.as_user(format!("user{task}"));
            async move { (task, crm.transition(id, LeadStatus::CONTACTED).await) }
        })
        .await;
        let mut winners = Vec::new();
        for (task, answer) in answers {
            match answer {
                Ok(lead) => winners.push((task, lead)),
                refused => assert_eq!(refusal(refused), "already_there"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let (task, lead) = winners.pop().unwrap();
        assert_eq!(crm.get(id).await.unwrap(), lead);
        let events = history(&storage, id);
        assert_eq!(events.len(), 2);
        let actor = events.last().unwrap().actor.as_ref().unwrap();
        assert_eq!(*actor, *format!("user{task}"), "the event is the winner's");
    }
    audit(&storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_different_things_are_all_made() {
    let (crm, storage) = contended();
    let id = crm.create(john()).await.unwrap().id;
    let answers = all_at_once(TASKS, |task| {
        let crm = crm.clone();
        async move {
            let patch = LeadPatch::new().custom(format!("key{task}"), task);
            crm.update(id, patch).await
        }
    })
    .await;
    let versions: BTreeSet<Version> = answers
        .into_iter()
        .map(|answer| answer.unwrap().version)
        .collect();
    assert_eq!(versions.len(), TASKS, "each made a version of its own");
    let lead = crm.get(id).await.unwrap();
    assert_eq!(lead.version, Version::new(1 + TASKS as u64));
    for task in 0..TASKS {
        assert_eq!(lead.custom.get(&format!("key{task}")), Some(&task.into()));
    }
    for event in history(&storage, id).iter().skip(1) {
        assert_eq!(
            event.changes.len(),
            1,
            "nobody wrote back what another had changed"
        );
    }
    audit(&storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_reads_adds_and_names_the_version_loses_nothing() {
    let (crm, storage) = contended();
    let id = crm.create(john()).await.unwrap().id;
    let tasks = 40;
    let tries = all_at_once(tasks, |task| {
        let crm = crm.clone();
        async move {
            for attempt in 1.. {
                let lead = crm.get(id).await.unwrap();
                let mut tags: Vec<String> = lead.tags.iter().map(ToString::to_string).collect();
                tags.push(format!("tag{task}"));
                let patch = LeadPatch::new().tags(tags);
                match crm.if_version(lead.version).update(id, patch).await {
                    Ok(_) => return attempt,
                    Err(CrmError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            unreachable!()
        }
    })
    .await;
    assert!(tries.iter().any(|tries| *tries > 1), "they did meet");
    let lead = crm.get(id).await.unwrap();
    assert_eq!(lead.tags.len(), tasks);
    audit(&storage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_named_the_same_version_exactly_one_wins() {
    let (crm, storage) = contended();
    for round in 0..20 {
        let lead = crm.create(numbered(round)).await.unwrap();
        let id = lead.id;
        let answers = all_at_once(TASKS, |task| {
            let crm = crm.if_version(lead.version);
            async move {
                match task % 4 {
                    0 => {
                        crm.update(id, LeadPatch::new().notes(task.to_string()))
                            .await
                    }
                    1 => crm.transition(id, LeadStatus::LOST).await,
                    2 => crm.assign(id, format!("user{task}")).await,
                    _ => crm.archive(id).await,
                }
            }
        })
        .await;
        let mut won = 0;
        for answer in answers {
            match answer {
                Ok(_) => won += 1,
                Err(CrmError::Conflict {
                    lead,
                    expected,
                    found,
                }) => {
                    assert_eq!((lead, expected), (id, Version::FIRST));
                    assert_eq!(found, Version::new(2));
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(history(&storage, id).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_many_do_to_few_leads_what_is_stored_agrees_with_itself() {
    let (crm, storage) = contended();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(crm.create(numbered(number)).await.unwrap().id);
    }
    all_at_once(TASKS, |task| {
        let (crm, ids) = (crm.as_user(format!("user{task}")), ids.clone());
        async move {
            for step in 0..20 {
                let id = ids.get((task + step) % ids.len()).copied().unwrap();
                let to = ["new", "contacted", "qualified", "lost"];
                let done = match (task * 31 + step * 17) % 11 {
                    0..=3 => crm.transition(id, to[(task + step) % 4]).await.map(drop),
                    4 => crm.archive(id).await.map(drop),
                    5 | 6 => crm.restore(id).await.map(drop),
                    7 => crm.assign(id, format!("user{step}")).await.map(drop),
                    8 => crm.unassign(id).await.map(drop),
                    9 if task == 7 && step > 15 => crm.delete(id).await,
                    _ => {
                        let patch = LeadPatch::new().notes(format!("{task}/{step}"));
                        crm.update(id, patch).await.map(drop)
                    }
                };
                match done {
                    Ok(())
                    | Err(
                        CrmError::Refused(_)
                        | CrmError::Archived(_)
                        | CrmError::NotFound(_)
                        | CrmError::Gone(_),
                    ) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    })
    .await;
    audit(&storage);
}

#[test]
fn a_named_version_that_is_another_is_told_and_nothing_happens() {
    let office = Office::new();
    let lead = office.john();
    common::wait(office.crm.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    let before = office.snapshot();
    let pinned = office.crm.if_version(lead.version);
    let told = format!("lead {} is at version 2, not 1: read it again", lead.id);
    for answer in [
        common::wait(pinned.update(lead.id, LeadPatch::new().notes("m"))).map(drop),
        common::wait(pinned.update(lead.id, LeadPatch::new())).map(drop),
        common::wait(pinned.transition(lead.id, LeadStatus::NEW)).map(drop),
        common::wait(pinned.archive(lead.id)).map(drop),
        common::wait(pinned.restore(lead.id)).map(drop),
        common::wait(pinned.delete(lead.id)).map(drop),
        common::wait(pinned.plan_delete(lead.id)).map(drop),
    ] {
        assert_eq!(answer.unwrap_err().to_string(), told);
    }
    assert_eq!(office.snapshot(), before);
    common::wait(office.crm.if_version(Version::new(2)).delete(lead.id)).unwrap();
}
