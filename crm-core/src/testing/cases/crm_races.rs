//! Many callers of `Crm` at once.

use super::prelude::*;
use crate::crm::{Crm, CrmError};
use crate::lead::NewLead;
use crate::testing::ManualClock;
use std::collections::BTreeSet;

const ROUNDS: u64 = 20;

fn begin(setup: &Setup) -> Desk {
    setup.block_on(setup.desk())
}

fn crm(setup: &Setup, desk: &Desk) -> Crm {
    let builder = Crm::builder(setup.repository()).clock(ManualClock::at(at(1_000)));
    let opened = setup.block_on(builder.lifecycle(Lifecycle::sales()).open());
    opened.unwrap().tenant(desk.tenant.as_str())
}

pub(crate) fn of_many_callers_one_makes_the_transition(setup: &Setup) {
    let desk = begin(setup);
    let crm = crm(setup, &desk);
    for round in 1..=ROUNDS {
        let known = lead(round);
        setup.block_on(desk.create([&known]));
        let outcomes = setup.in_threads(64, |_| {
            let crm = crm.clone();
            async move { crm.transition(known.id, LeadStatus::CONTACTED).await }
        });
        let won = outcomes.iter().filter(|outcome| outcome.is_ok());
        assert_eq!(won.count(), 1);
        let refused =
            |outcome: &&Result<Lead, CrmError>| matches!(outcome, Err(CrmError::Refused(_)));
        assert_eq!(
            outcomes.iter().filter(refused).count(),
            63,
            "the others were too late"
        );
    }
}

pub(crate) fn changes_that_pin_no_version_all_get_through(setup: &Setup) {
    let desk = begin(setup);
    let crm = crm(setup, &desk);
    setup.block_on(desk.create([&lead(1)]));
    setup.in_threads(8, |place| {
        let crm = crm.clone();
        async move {
            for round in 0..10 {
                let note = format!("{place}/{round}");
                let patch = crate::lead::LeadPatch::new().notes(note);
                crm.update(id(1), patch).await.unwrap();
            }
        }
    });
    assert_eq!(
        setup.block_on(desk.get(1)).unwrap().version,
        Version::new(81)
    );
    assert_eq!(setup.block_on(desk.history(1)).len(), 81);
}

pub(crate) fn one_request_sent_by_many_is_carried_out_once(setup: &Setup) {
    let desk = begin(setup);
    let crm = crm(setup, &desk);
    for round in 0..ROUNDS {
        let ids = setup.in_threads(8, |_| {
            let crm = crm.with_idempotency_key(format!("request {round}"));
            async move {
                let new = NewLead::new("Anna", "Doe", "anna@example.com").unwrap();
                crm.create(new).await.unwrap().id
            }
        });
        let ids: BTreeSet<_> = ids.into_iter().collect();
        assert_eq!(ids.len(), 1);
    }
    assert_eq!(setup.block_on(desk.count(&LeadQuery::new())), ROUNDS);
}
