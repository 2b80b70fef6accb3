//! Whatever call to the storage fails, before or after it took effect: what `Crm` tells its caller
//! is what has happened.

use super::prelude::*;
use crate::crm::{Crm, CrmError};
use crate::testing::trouble::{
    Befallen, FIRST_STEPS, Faulty, STEPS, State, TROUBLES, Trouble, empty, everywhere, prepared,
    takes_a_key,
};
use crate::testing::{FaultyRepository, ManualClock};

/// What was said is what is: done, not done, or not known.
async fn fits(befallen: Befallen<'_>) {
    let Befallen {
        case,
        step: (name, _),
        states: [before, after],
        outcome,
        desk,
        ..
    } = befallen;
    let found = State::of(&desk).await;
    match outcome {
        Ok(told) => {
            assert_eq!(found, *after, "{case}: said done, and is not");
            told.is_true(&desk, &case).await;
        }
        // Several commits, of which any may have been the last.
        Err(_) if name == "remove a status into another" => {
            assert_eq!(found.leads, before.leads, "{case}");
        }
        Err(error) if error.outcome_is_unknown() => {
            assert!(found == *before || found == *after, "{case}: half done");
        }
        Err(error) => assert_eq!(found, *before, "{case}: said failed ({error}), and is not"),
    }
}

pub(crate) async fn a_caller_is_told_what_happened(setup: &Setup) {
    everywhere(setup, &STEPS, prepared, None, fits).await;
}

pub(crate) async fn a_caller_with_a_key_is_told_what_happened(setup: &Setup) {
    everywhere(setup, &STEPS, prepared, Some("key"), fits).await;
}

pub(crate) async fn repeating_with_the_same_key_does_it_once(setup: &Setup) {
    let keyed: Vec<_> = STEPS
        .into_iter()
        .filter(|(name, _)| takes_a_key(name))
        .collect();
    let repeat = async |befallen: Befallen<'_>| {
        let Befallen {
            case,
            step: (name, step),
            states,
            desk,
            crm,
            ..
        } = befallen;
        match step(&crm).await {
            Ok(told) => told.is_true(&desk, &case).await,
            // It was done the first time, and there is nothing left to show.
            Err(CrmError::Gone(_) | CrmError::NotFound(_)) if name.starts_with("delete") => {}
            Err(error) => panic!("{case}: {error:?}"),
        }
        assert_eq!(State::of(&desk).await, states[1], "{case}, repeated");
    };
    everywhere(setup, &keyed, prepared, Some("key"), repeat).await;
}

/// The lifecycle comes with the first lead or, where many leads are created, before them.
pub(crate) async fn a_caller_of_the_first_write_is_told_what_happened(setup: &Setup) {
    let fits_first = async |befallen: Befallen<'_>| {
        let [before, after] = befallen.states;
        let found = State::of(&befallen.desk).await;
        let mut states = befallen.states.clone();
        if befallen.step.0 == "create many" && found.lifecycle == after.lifecycle {
            states[0] = State {
                lifecycle: found.lifecycle,
                ..before.clone()
            };
        }
        let states = &states;
        fits(Befallen { states, ..befallen }).await;
    };
    everywhere(setup, &FIRST_STEPS, empty, None, fits_first).await;
}

pub(crate) async fn a_first_commit_that_failed_can_be_made_again(setup: &Setup) {
    let again = async |befallen: Befallen<'_>| {
        let Befallen {
            case,
            step: (name, step),
            states,
            desk,
            crm,
            ..
        } = befallen;
        if takes_a_key(name) {
            step(&crm).await.unwrap();
            assert_eq!(State::of(&desk).await, states[1], "{case}, repeated");
        }
    };
    everywhere(setup, &FIRST_STEPS, empty, Some("key"), again).await;
}

/// Leads 11 to 14 are in a status of their own, which is removed.
async fn interrupted(setup: &Setup, trouble: Trouble, nth: u64, how: &str) -> Interrupted {
    let case = format!("{how} after {trouble:?} at call {nth}");
    let (desk, storage, crm) = prepared(setup, &case).await;
    desk.edit(|edit| edit.add("Demo")).await;
    let demos = (11..15).map(|number| lead_with(number, |lead| lead.status = demo()));
    desk.create(&demos.collect::<Vec<Lead>>()).await;
    let calls_before = storage.calls();
    trouble.befall(&storage, nth);
    let outcome = crm.remove_status_into(&demo(), &LeadStatus::WON).await;
    let is_over = storage.calls() < calls_before + nth;
    storage.heal();
    let lifecycle = desk.lifecycle().await.unwrap();
    let leads = desk.all().await;
    assert!(
        leads
            .iter()
            .all(|lead| lifecycle.get(&lead.status).is_some()),
        "{case}: a lead is in a status that does not exist"
    );
    match &outcome {
        Ok(after) => assert_eq!(*after, lifecycle, "{case}: shown, and not stored"),
        Err(error) => assert!(
            error.outcome_is_unknown() || lifecycle.get(&demo()).is_some(),
            "{case}: said failed ({error}), and is done"
        ),
    }
    Interrupted {
        case,
        desk,
        crm,
        lifecycle,
        is_over,
    }
}

struct Interrupted {
    case: String,
    desk: Desk,
    crm: Crm,
    /// As it was left.
    lifecycle: Lifecycle,
    is_over: bool,
}

impl Interrupted {
    async fn everybody_moved_once(&self) {
        let case = &self.case;
        assert!(!self.desk.order().await.contains(&demo()), "{case}");
        for number in 11..15 {
            let lead = self.desk.get(number).await.unwrap();
            assert_eq!(lead.status, LeadStatus::WON, "{case}");
            assert_eq!(self.desk.history(number).await.len(), 2, "{case}");
        }
    }
}

fn demo() -> LeadStatus {
    "demo".parse().unwrap()
}

pub(crate) async fn an_interrupted_removal_is_finished_by_the_next_call(setup: &Setup) {
    for trouble in TROUBLES {
        for nth in 1..200 {
            let left = interrupted(setup, trouble, nth, "repeated").await;
            if left.lifecycle.get(&demo()).is_some() {
                let demo = demo();
                let again = left.crm.remove_status_into(&demo, &LeadStatus::WON);
                again.await.unwrap();
            }
            left.everybody_moved_once().await;
            if left.is_over {
                break;
            }
        }
    }
}

pub(crate) async fn an_interrupted_removal_that_has_begun_is_resumed(setup: &Setup) {
    for trouble in TROUBLES {
        let mut resumed = 0;
        for nth in 1..200 {
            let left = interrupted(setup, trouble, nth, "resumed").await;
            let has_begun = match left.lifecycle.get(&demo()) {
                None => true,
                Some(status) => status.is_retiring(),
            };
            let after = left.crm.resume_removals().await.unwrap();
            assert_eq!(after.get(&demo()).is_none(), has_begun, "{}", left.case);
            if has_begun {
                left.everybody_moved_once().await;
                resumed += u64::from(!left.is_over);
            }
            if left.is_over {
                break;
            }
        }
        assert!(resumed > 0, "{trouble:?}: nothing to resume");
    }
}

/// Finishing a removal is itself interrupted, at every call.
pub(crate) async fn an_interrupted_resumption_is_resumed(setup: &Setup) {
    for trouble in TROUBLES {
        for nth in 1..200 {
            let how = format!("interrupted again by {trouble:?} at call {nth}");
            // Marked, and then the process is gone.
            let left = interrupted(setup, Trouble::Dead, 4, &how).await;
            assert!(left.lifecycle.get(&demo()).unwrap().is_retiring());
            let storage: Faulty = FaultyRepository::new(setup.repository());
            let builder = Crm::builder(storage.clone()).clock(ManualClock::at(at(2_000)));
            let crm = builder
                .open()
                .await
                .unwrap()
                .tenant(left.desk.tenant.as_str());
            let calls_before = storage.calls();
            trouble.befall(&storage, nth);
            let outcome = crm.resume_removals().await;
            let is_over = storage.calls() < calls_before + nth;
            storage.heal();
            let stored = left.desk.lifecycle().await.unwrap();
            match outcome {
                Ok(after) => assert_eq!(after, stored, "{how}"),
                Err(error) => assert!(
                    error.outcome_is_unknown() || stored.get(&demo()).is_some(),
                    "{how}: said failed ({error}), and is done"
                ),
            }
            crm.resume_removals().await.unwrap();
            left.everybody_moved_once().await;
            if is_over {
                break;
            }
        }
    }
}
