//! Whatever call to the storage fails, before or after it took effect: what `Crm` tells its caller
//! is what has happened.

use super::prelude::*;
use crate::crm::{Crm, CrmError};
use crate::lead::{Field, LeadPatch, NewLead};
use crate::testing::{Fault, FaultyRepository, ManualClock};
use std::pin::Pin;
use std::sync::Arc;

type Faulty = FaultyRepository<Arc<dyn Repository>>;
type Done<'a> = Pin<Box<dyn Future<Output = Result<(), CrmError>> + 'a>>;
type Step = (&'static str, for<'a> fn(&'a Crm) -> Done<'a>);

/// What goes wrong, from the `nth` call of a step on.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// This call does not reach the storage.
    Lost,
    /// The answer to this call does not come back.
    Unanswered,
    /// No call from this one on reaches the storage.
    Dead,
    /// The answer does not come back, and from then on the storage is gone.
    UnansweredThenDead,
}

const TROUBLES: [Trouble; 4] = [
    Trouble::Lost,
    Trouble::Unanswered,
    Trouble::Dead,
    Trouble::UnansweredThenDead,
];

impl Trouble {
    fn befall(self, storage: &Faulty, nth: u64) {
        match self {
            Self::Lost => storage.fail(nth, Fault::Before),
            Self::Unanswered => storage.fail(nth, Fault::After),
            Self::Dead => storage.fail_from(nth),
            Self::UnansweredThenDead => {
                storage.fail(nth, Fault::After);
                storage.fail_from(nth + 1);
            }
        }
    }
}

fn anna() -> NewLead {
    NewLead::new("Anna", "Doe", "anna@example.com").unwrap()
}

/// Every write there is, on a tenant that has lead 1, and lead 2 in the archive.
const STEPS: [Step; 11] = [
    ("create", |crm| {
        Box::pin(async { crm.create(anna()).await.map(drop) })
    }),
    ("update", |crm| {
        let patch = LeadPatch::new().company("Acme").clear(Field::Phone);
        Box::pin(async { crm.update(id(1), patch).await.map(drop) })
    }),
    ("update and move", |crm| {
        let patch = LeadPatch::new().status("qualified").notes("called");
        Box::pin(async { crm.update(id(1), patch).await.map(drop) })
    }),
    ("transition", |crm| {
        Box::pin(async { crm.transition(id(1), "won").await.map(drop) })
    }),
    ("assign", |crm| {
        Box::pin(async { crm.assign(id(1), "bob").await.map(drop) })
    }),
    ("archive", |crm| {
        Box::pin(async { crm.archive(id(1)).await.map(drop) })
    }),
    ("restore", |crm| {
        Box::pin(async { crm.restore(id(2)).await.map(drop) })
    }),
    ("delete", |crm| Box::pin(async { crm.delete(id(1)).await })),
    ("delete from the archive", |crm| {
        Box::pin(async { crm.delete(id(2)).await })
    }),
    ("create many", |crm| {
        Box::pin(async {
            let answers = crm.create_many(&[anna(), anna(), anna()]).await?;
            answers.into_iter().try_for_each(|answer| answer.map(drop))
        })
    }),
    ("edit the lifecycle", |crm| {
        Box::pin(async { crm.edit_lifecycle(|edit| edit.add("Demo")).await.map(drop) })
    }),
];

/// What is to be seen of a tenant. Ids are left out, because those of new leads are random, and
/// times, because waiting between tries moves the clock.
#[derive(Debug, PartialEq, Clone)]
struct State {
    leads: Vec<String>,
    events: [usize; 2],
    lifecycle: Option<Lifecycle>,
}

async fn state(desk: &Desk) -> State {
    let mut leads: Vec<String> = desk
        .all()
        .await
        .into_iter()
        .map(|mut lead| {
            if ![id(1), id(2)].contains(&lead.id) {
                lead.id = id(99);
            }
            (lead.created_at, lead.updated_at, lead.status_changed_at) = (at(0), at(0), at(0));
            lead.archived_at = lead.archived_at.map(|_| at(0));
            serde_json::to_string(&lead).unwrap()
        })
        .collect();
    leads.sort_unstable();
    State {
        leads,
        events: [desk.history(1).await.len(), desk.history(2).await.len()],
        lifecycle: desk.lifecycle().await,
    }
}

/// A tenant to do a step on, and a `Crm` on a storage that will fail.
async fn prepared(setup: &Setup, tenant: &str) -> (Desk, Faulty, Crm) {
    let desk = setup.desk_of(tenant).await;
    let archived = lead_with(2, |lead| lead.archived_at = Some(at(9)));
    desk.create(&[lead(1), archived]).await;
    let storage: Faulty = FaultyRepository::new(setup.repository());
    let builder = Crm::builder(storage.clone()).clock(ManualClock::at(at(1_000)));
    let crm = builder.open().await.unwrap().tenant(tenant);
    (desk, storage, crm)
}

/// Does every step with every trouble at every call. `check` is told the state before the step,
/// the state it should lead to, what was said and what is.
async fn everywhere(
    setup: &Setup,
    key: Option<&str>,
    mut check: impl AsyncFnMut(&str, &[State; 2], &Result<(), CrmError>, &Desk, &Crm, Step),
) {
    for (name, step) in STEPS {
        let (desk, _, crm) = prepared(setup, &format!("{name}, right")).await;
        let before = state(&desk).await;
        step(&crm).await.unwrap();
        let states = [before, state(&desk).await];
        assert_ne!(states[0], states[1]);
        for trouble in TROUBLES {
            let mut told = 0;
            for nth in 1.. {
                let case = format!("{name}, {trouble:?} at call {nth}");
                let (desk, storage, crm) = prepared(setup, &case).await;
                let crm = key.map_or(crm.clone(), |key| crm.with_idempotency_key(key));
                let calls_before = storage.calls();
                trouble.befall(&storage, nth);
                let outcome = step(&crm).await;
                let is_over = storage.calls() < calls_before + nth;
                storage.heal();
                check(&case, &states, &outcome, &desk, &crm, (name, step)).await;
                told += u64::from(outcome.is_err());
                if is_over {
                    break;
                }
                assert!(nth < 200, "{case}: no end in sight");
            }
            let endless = matches!(trouble, Trouble::Dead | Trouble::UnansweredThenDead);
            assert!(
                told > 0 || !endless,
                "{name}: nobody was told of {trouble:?}"
            );
        }
    }
}

fn fits(case: &str, states: &[State; 2], outcome: &Result<(), CrmError>, found: &State) {
    let [before, after] = states;
    match outcome {
        Ok(()) => assert_eq!(found, after, "{case}: said done, and is not"),
        Err(error) if error.outcome_is_unknown() => {
            assert!(found == before || found == after, "{case}: half done");
        }
        Err(error) => assert_eq!(found, before, "{case}: said failed ({error}), and is not"),
    }
}

pub(crate) async fn a_caller_is_told_what_happened(setup: &Setup) {
    everywhere(setup, None, async |case, states, outcome, desk, _, _| {
        fits(case, states, outcome, &state(desk).await);
    })
    .await;
}

pub(crate) async fn a_caller_with_a_key_is_told_what_happened(setup: &Setup) {
    everywhere(
        setup,
        Some("key"),
        async |case, states, outcome, desk, _, _| {
            fits(case, states, outcome, &state(desk).await);
        },
    )
    .await;
}

pub(crate) async fn repeating_with_the_same_key_does_it_once(setup: &Setup) {
    everywhere(
        setup,
        Some("key"),
        async |case, states, _, desk, crm, (name, step)| {
            if matches!(name, "create many" | "edit the lifecycle") {
                // A key does not apply to these.
                return;
            }
            match step(crm).await {
                Ok(()) => {}
                // It was done the first time, and there is nothing left to show.
                Err(CrmError::Gone(_) | CrmError::NotFound(_)) if name.starts_with("delete") => {}
                Err(error) => panic!("{case}: {error:?}"),
            }
            assert_eq!(state(desk).await, states[1], "{case}, repeated");
        },
    )
    .await;
}

pub(crate) async fn a_first_commit_that_failed_can_be_made_again(setup: &Setup) {
    for trouble in TROUBLES {
        for nth in 1..12 {
            let tenant = format!("{trouble:?} at {nth}");
            let storage: Faulty = FaultyRepository::new(setup.repository());
            let crm = Crm::builder(storage.clone()).clock(ManualClock::at(at(0)));
            let crm = crm
                .open()
                .await
                .unwrap()
                .tenant(&tenant)
                .with_idempotency_key("key");
            trouble.befall(&storage, nth);
            let _ = crm.create(anna()).await;
            storage.heal();
            crm.create(anna()).await.unwrap();
            let desk = setup.empty(&tenant);
            assert_eq!(desk.count(&LeadQuery::new()).await, 1, "{tenant}");
            assert_eq!(desk.lifecycle().await, Some(Lifecycle::standard()));
        }
    }
}

pub(crate) async fn an_interrupted_removal_is_finished_by_the_next_call(setup: &Setup) {
    let demo: LeadStatus = "demo".parse().unwrap();
    for trouble in TROUBLES {
        for nth in 1.. {
            let tenant = format!("{trouble:?} at {nth}");
            let (desk, storage, crm) = prepared(setup, &tenant).await;
            desk.edit(|edit| edit.add("Demo")).await;
            let leads: Vec<Lead> = (11..15)
                .map(|number| lead_with(number, |lead| lead.status = demo.clone()))
                .collect();
            desk.create(&leads).await;
            let calls_before = storage.calls();
            trouble.befall(&storage, nth);
            let first = crm.remove_status_into(&demo, &LeadStatus::WON).await;
            let is_over = storage.calls() < calls_before + nth;
            storage.heal();
            let order = desk.order().await;
            assert!(
                desk.all()
                    .await
                    .iter()
                    .all(|lead| order.contains(&lead.status)),
                "{tenant}"
            );
            match first {
                Ok(after) => assert!(after.get(&demo).is_none(), "{tenant}"),
                Err(_) if order.contains(&demo) => {
                    crm.remove_status_into(&demo, &LeadStatus::WON)
                        .await
                        .unwrap();
                }
                Err(_) => {}
            }
            assert!(!desk.order().await.contains(&demo), "{tenant}");
            assert_eq!(
                desk.count(&LeadQuery::new().status("won")).await,
                4,
                "{tenant}"
            );
            assert!(desk.history(11).await.len() == 2, "{tenant}: moved once");
            if is_over {
                break;
            }
            assert!(nth < 200);
        }
    }
}
