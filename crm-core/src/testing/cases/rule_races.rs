//! Edits of the lifecycle beside changes of leads: nobody gets past rules that are being replaced.

use super::prelude::*;
use crate::crm::{Crm, CrmError};
use crate::testing::ManualClock;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const ROUNDS: u64 = 20;
const THREADS: usize = 16;

fn begin(setup: &Setup) -> Desk {
    setup.block_on(setup.desk())
}

fn crm(setup: &Setup, desk: &Desk) -> Crm {
    let builder = Crm::builder(setup.repository()).clock(ManualClock::at(at(1_000)));
    let opened = setup.block_on(builder.lifecycle(Lifecycle::sales()).open());
    opened.unwrap().tenant(desk.tenant.as_str())
}

pub(crate) fn of_many_edits_one_wins(setup: &Setup) {
    let desk = begin(setup);
    for _ in 0..ROUNDS {
        let before = setup.block_on(desk.lifecycle()).unwrap();
        let outcomes = setup.in_threads(THREADS, |place| {
            let name = format!("Fresh {place} {}", before.version());
            let after = before.edit().rename("new", name).apply().unwrap();
            let draft = Draft::new().lifecycle(Some(&before), &after);
            let desk = desk.clone();
            async move { desk.try_commit(&draft).await.map(|_| after) }
        });
        let won: Vec<Lifecycle> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(setup.block_on(desk.lifecycle()).as_ref(), won.first());
    }
}

pub(crate) fn no_lead_is_ever_in_a_status_that_does_not_exist(setup: &Setup) {
    let desk = begin(setup);
    let leads: Vec<Lead> = (1..=6).map(lead).collect();
    setup.block_on(desk.create(&leads));
    let demo: LeadStatus = "demo".parse().unwrap();
    let mut removed = 0;
    for round in 0..ROUNDS * 2 {
        let before = setup.block_on(desk.lifecycle()).unwrap();
        let open = if before.get(&demo).is_none() {
            setup.block_on(desk.edit(|edit| edit.add("Demo")))
        } else {
            before
        };
        // Some leave, some enter, and the status goes in the same moment.
        let closed = open.edit().remove("demo").apply().unwrap();
        let checked = open.version().get();
        let outcomes = setup.in_threads(4, |place| {
            let desk = desk.clone();
            let (open, closed, demo) = (open.clone(), closed.clone(), demo.clone());
            async move {
                if place == 0 {
                    let draft = Draft::new().lifecycle(Some(&open), &closed);
                    return desk.try_commit(&draft).await.is_ok();
                }
                let number = u64::try_from(place).unwrap() + round % 3;
                let known = desk.get(number).await.unwrap();
                let to = if known.status == demo {
                    LeadStatus::NEW
                } else {
                    demo
                };
                let draft = Draft::new().checked(checked).move_to(&known, &to);
                desk.try_commit(&draft).await.is_ok()
            }
        });
        removed += u64::from(outcomes[0]);
        let order: BTreeSet<LeadStatus> = setup.block_on(desk.order()).into_iter().collect();
        for lead in setup.block_on(desk.all()) {
            assert!(order.contains(&lead.status), "{lead:?} in round {round}");
        }
        if removed == 0 && round > ROUNDS {
            // Whoever is in it leaves, so that it can be removed at all.
            for known in setup.block_on(desk.list(&LeadQuery::new().status("demo"))) {
                setup.block_on(desk.update(&known, |lead| lead.status = LeadStatus::NEW));
            }
        }
    }
}

pub(crate) fn no_change_passes_under_rules_that_were_replaced(setup: &Setup) {
    let desk = begin(setup);
    let acknowledged = AtomicU64::new(1);
    let done = AtomicBool::new(false);
    setup.in_threads(4, |place| {
        let (desk, acknowledged, done) = (desk.clone(), &acknowledged, &done);
        async move {
            if place == 0 {
                for round in 0..60 {
                    let edited = desk
                        .edit(|edit| edit.rename("new", format!("Fresh {round}")))
                        .await;
                    acknowledged.store(edited.version().get(), Ordering::SeqCst);
                }
                done.store(true, Ordering::SeqCst);
                return;
            }
            let mut number = u64::try_from(place).unwrap() * 100_000;
            let mut checked = 1;
            // Creations and moves by turns.
            let mut created: Option<Lead> = None;
            while !done.load(Ordering::SeqCst) {
                let draft = Draft::new().checked(checked);
                let draft = match &created {
                    Some(lead) => draft.move_to(lead, &LeadStatus::QUALIFIED),
                    None => draft.create(&lead(number)),
                };
                let known = acknowledged.load(Ordering::SeqCst);
                match desk.try_commit(&draft).await {
                    Ok(_) => {
                        assert!(checked >= known, "checked {checked}, in force {known}");
                        created = match created {
                            Some(_) => None,
                            None => Some(lead(number)),
                        };
                        number += u64::from(created.is_none());
                    }
                    Err(error) => match error.kind() {
                        Kind::StaleLifecycle { found } => {
                            let found = found.unwrap().get();
                            assert!(found >= known && found != checked);
                            checked = found;
                        }
                        other => panic!("{other:?}"),
                    },
                }
            }
        }
    });
}

pub(crate) fn a_status_is_removed_while_leads_enter_it(setup: &Setup) {
    let desk = begin(setup);
    let crm = crm(setup, &desk);
    for round in 0..4 {
        setup.block_on(desk.edit(|edit| edit.add("Demo")));
        let demo: LeadStatus = "demo".parse().unwrap();
        let base = 1_000 * (round + 1);
        setup.block_on(desk.create(&(base..base + 20).map(lead).collect::<Vec<_>>()));
        setup.in_threads(4, |place| {
            let (crm, demo) = (crm.clone(), demo.clone());
            async move {
                if place == 0 {
                    let done = crm.remove_status_into(&demo, &LeadStatus::QUALIFIED).await;
                    assert!(done.unwrap().get(&demo).is_none());
                    return;
                }
                for number in base..base + 20 {
                    if number % 3 == u64::try_from(place).unwrap() - 1 {
                        match crm.transition(id(number), demo.clone()).await {
                            Ok(_) | Err(CrmError::Refused(_) | CrmError::Invalid(_)) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                }
            }
        });
        let order: BTreeSet<LeadStatus> = setup.block_on(desk.order()).into_iter().collect();
        assert!(!order.contains(&demo));
        let leads = setup.block_on(desk.all());
        assert!(leads.iter().all(|lead| order.contains(&lead.status)));
    }
}
