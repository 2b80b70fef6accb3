//! A storage that fails at any call, before or after it did its work: what `Crm` answers is true of
//! what is stored, and an error means that nothing changed unless it says that this is not known.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::audit::{Snapshot, audit, snapshot};
use common::faulty::{Call, Deed, Fault, Faulty};
use common::{hour, john, numbered, open, wait};
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::testing::ManualClock;

type Act = fn(&Crm, LeadId) -> Result<(), CrmError>;

/// Every kind of write, and how many events it makes.
const WRITES: [(&str, usize, Act); 10] = [
    ("create", 1, |crm, _| wait(crm.create(john())).map(drop)),
    ("create_many", 3, |crm, _| {
        let answers = wait(crm.create_many(&[numbered(1), numbered(2), numbered(3)]))?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }),
    ("update", 1, |crm, id| {
        wait(crm.update(id, LeadPatch::new().notes("n"))).map(drop)
    }),
    ("update nothing", 0, |crm, id| {
        wait(crm.update(id, LeadPatch::new())).map(drop)
    }),
    ("empty a field", 1, |crm, id| {
        wait(crm.update(id, LeadPatch::new().clear(Field::Company))).map(drop)
    }),
    ("transition", 1, |crm, id| {
        wait(crm.transition(id, LeadStatus::LOST)).map(drop)
    }),
    ("assign", 1, |crm, id| {
        wait(crm.assign(id, "anna")).map(drop)
    }),
    ("archive", 1, |crm, id| wait(crm.archive(id)).map(drop)),
    ("restore", 0, |crm, id| wait(crm.restore(id)).map(drop)),
    ("delete", 1, |crm, id| wait(crm.delete(id))),
];

/// How the storage fails from a certain call on.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// That call fails, and what follows works.
    Once(Deed),
    /// That call and all that follow fail.
    ForGood(Deed),
    /// The call fails so, and then the storage is away.
    ThenAway(Deed),
    /// The call fails so, and then everything fails for another reason.
    ThenBroken(Deed),
    /// The call fails so, and then nothing can be read.
    ThenUnreadable(Deed),
}

impl Trouble {
    const ALL: [Self; 10] = [
        Self::Once(Deed::FailBefore(Fault::Unavailable)),
        Self::Once(Deed::FailBefore(Fault::OutcomeUnknown)),
        Self::Once(Deed::FailBefore(Fault::Other)),
        Self::Once(Deed::FailAfter(Fault::OutcomeUnknown)),
        Self::ForGood(Deed::FailBefore(Fault::Unavailable)),
        Self::ForGood(Deed::FailBefore(Fault::OutcomeUnknown)),
        Self::ForGood(Deed::FailAfter(Fault::OutcomeUnknown)),
        Self::ThenAway(Deed::FailAfter(Fault::OutcomeUnknown)),
        Self::ThenBroken(Deed::FailAfter(Fault::OutcomeUnknown)),
        Self::ThenUnreadable(Deed::FailAfter(Fault::OutcomeUnknown)),
    ];

    fn at(self, nth: usize, call: Call) -> Deed {
        let deed = match self {
            _ if call.number < nth => Deed::Pass,
            Self::Once(_) if call.number > nth => Deed::Pass,
            Self::ThenUnreadable(_) if call.number > nth && call.is_commit() => Deed::Pass,
            Self::ThenUnreadable(_) if call.number > nth => Deed::FailBefore(Fault::Unavailable),
            Self::ThenAway(_) if call.number > nth => Deed::FailBefore(Fault::Unavailable),
            Self::ThenBroken(_) if call.number > nth => Deed::FailBefore(Fault::Other),
            Self::Once(deed)
            | Self::ForGood(deed)
            | Self::ThenAway(deed)
            | Self::ThenBroken(deed)
            | Self::ThenUnreadable(deed) => deed,
        };
        match deed {
            // Reading has no outcome that could be unknown.
            Deed::FailBefore(Fault::OutcomeUnknown) | Deed::FailAfter(_) if !call.is_commit() => {
                Deed::FailBefore(Fault::Unavailable)
            }
            deed => deed,
        }
    }
}

struct Bench {
    faulty: Faulty,
    crm: Crm,
    lead: LeadId,
    before: Snapshot,
}

/// A storage with one lead, and a `Crm` that has just been opened.
fn bench() -> Bench {
    let faulty = Faulty::over(MemoryRepository::new());
    let clock = ManualClock::at(hour(0));
    let crm = open(faulty.clone(), &clock, Lifecycle::standard());
    let lead = wait(crm.create(john())).unwrap().id;
    Bench {
        lead,
        before: snapshot(&faulty.inner),
        crm: open(faulty.clone(), &clock, Lifecycle::standard()),
        faulty,
    }
}

/// One event for each change that was made, and the same as before if none was.
fn made(before: &Snapshot, after: &Snapshot, label: &str) -> usize {
    let made = after.events.len() - before.events.len();
    if made == 0 {
        assert!(
            after.has_the_leads_of(before),
            "{label}: no event, but a change"
        );
    }
    made
}

/// Runs a write against every trouble at every call, and checks its answer.
fn torment(name: &str, act: Act, check: impl Fn(Bench, Result<(), CrmError>, &str)) {
    let quiet = bench();
    quiet.faulty.heal();
    act(&quiet.crm, quiet.lead).unwrap();
    let calls = quiet.faulty.calls();
    for trouble in Trouble::ALL {
        for nth in 0..calls {
            let bench = bench();
            bench.faulty.follow(move |call| trouble.at(nth, call));
            let answer = act(&bench.crm, bench.lead);
            bench.faulty.heal();
            audit(&bench.faulty.inner);
            check(bench, answer, &format!("{name}, {trouble:?} at call {nth}"));
        }
    }
}

#[test]
fn an_answer_is_true_of_what_is_stored() {
    for (name, events, act) in WRITES {
        torment(name, act, |bench, answer, label| {
            let after = snapshot(&bench.faulty.inner);
            let made = made(&bench.before, &after, label);
            match answer {
                Ok(()) => assert_eq!(made, events, "{label}"),
                Err(error) if error.outcome_is_unknown() => {
                    assert!(made == 0 || made == events, "{label}: {made}");
                }
                Err(error) => assert_eq!(made, 0, "{label}: {error}"),
            }
        });
    }
}

#[test]
fn a_write_with_a_key_is_made_once_however_often_it_is_repeated() {
    for (name, events, act) in WRITES {
        if name == "create_many" {
            continue;
        }
        // Plain functions cannot capture the key, so the handle carries it.
        let keyed: Act = match name {
            "create" => |crm, _| wait(crm.with_idempotency_key("k").create(john())).map(drop),
            "transition" => |crm, id| {
                let crm = crm.with_idempotency_key("k");
                wait(crm.transition(id, LeadStatus::LOST)).map(drop)
            },
            "delete" => |crm, id| wait(crm.with_idempotency_key("k").delete(id)),
            "update" => |crm, id| {
                let crm = crm.with_idempotency_key("k");
                wait(crm.update(id, LeadPatch::new().notes("n"))).map(drop)
            },
            _ => act,
        };
        torment(name, keyed, |bench, answer, label| {
            let after = snapshot(&bench.faulty.inner);
            let first = made(&bench.before, &after, label);
            match answer {
                Ok(()) => assert_eq!(first, events, "{label}"),
                Err(error) if error.outcome_is_unknown() => {}
                Err(error) => assert_eq!(first, 0, "{label}: {error}"),
            }
            if ["create", "transition", "delete", "update"].contains(&name) {
                keyed(&bench.crm, bench.lead).unwrap();
                let after = snapshot(&bench.faulty.inner);
                assert_eq!(
                    made(&bench.before, &after, label),
                    events,
                    "{label}, then again"
                );
            }
        });
    }
}

#[test]
fn a_hiccup_is_not_noticed() {
    for (name, _, act) in WRITES {
        for deed in [
            Deed::FailBefore(Fault::Unavailable),
            Deed::FailBefore(Fault::OutcomeUnknown),
            Deed::FailAfter(Fault::OutcomeUnknown),
        ] {
            let bench = bench();
            let failed = std::sync::atomic::AtomicBool::new(false);
            bench.faulty.follow(move |call| {
                let first =
                    call.is_commit() && !failed.swap(true, std::sync::atomic::Ordering::SeqCst);
                if first { deed } else { Deed::Pass }
            });
            act(&bench.crm, bench.lead).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn the_first_lead_of_a_tenant_comes_with_its_lifecycle_or_not_at_all() {
    let clock = ManualClock::at(hour(0));
    for trouble in Trouble::ALL {
        for nth in 0..6 {
            let faulty = Faulty::over(MemoryRepository::new());
            let crm = open(faulty.clone(), &clock, Lifecycle::sales());
            faulty.follow(move |call| trouble.at(nth, call));
            let answer = wait(crm.create(john()));
            let after = snapshot(&faulty.inner);
            let label = format!("{trouble:?} at call {nth}");
            assert_eq!(after.leads.is_empty(), after.lifecycle.is_none(), "{label}");
            match answer {
                Ok(lead) => assert_eq!(after.leads, [lead], "{label}"),
                Err(error) if error.outcome_is_unknown() => {}
                Err(_) => assert!(after.leads.is_empty(), "{label}"),
            }
            audit(&faulty.inner);
        }
    }
}

#[test]
fn an_edit_of_the_lifecycle_is_made_or_not_and_says_so() {
    for trouble in Trouble::ALL {
        for nth in 0..3 {
            let bench = bench();
            bench.faulty.follow(move |call| trouble.at(nth, call));
            let answer = wait(bench.crm.edit_lifecycle(|edit| edit.add("Demo")));
            bench.faulty.heal();
            let stored = snapshot(&bench.faulty.inner).lifecycle.unwrap();
            let label = format!("{trouble:?} at call {nth}");
            match answer {
                Ok(edited) => assert_eq!(edited, stored, "{label}"),
                Err(error) if error.outcome_is_unknown() => {}
                Err(_) => assert_eq!(stored, bench.before.lifecycle.unwrap(), "{label}"),
            }
            let added = stored.statuses().len() - 5;
            assert!(added <= 1, "{label}: added twice");
            assert_eq!(wait(bench.crm.lifecycle()).unwrap(), stored, "{label}");
        }
    }
}

#[test]
fn reading_fails_as_the_storage_does() {
    let bench = bench();
    let id = bench.lead;
    for fault in [Fault::Unavailable, Fault::Other] {
        bench.faulty.follow(move |_| Deed::FailBefore(fault));
        let crm = &bench.crm;
        for answer in [
            wait(crm.get(id)).map(drop),
            wait(crm.list(LeadQuery::new())).map(drop),
            wait(crm.count(&LeadQuery::new())).map(drop),
            wait(crm.history(id, &HistoryQuery::new())).map(drop),
            wait(crm.events(None, crm_kit::query::Limit::DEFAULT)).map(drop),
            wait(crm.stuck(StuckQuery::new())).map(drop),
            wait(crm.pipeline()).map(drop),
            wait(crm.lifecycle()).map(drop),
        ] {
            let error = answer.unwrap_err();
            assert!(!error.outcome_is_unknown());
            let CrmError::Repository(error) = error else {
                panic!("{error}");
            };
            assert_eq!(error.is_retryable(), fault == Fault::Unavailable);
        }
        assert_eq!(snapshot(&bench.faulty.inner), bench.before);
    }
    bench.faulty.heal();
    assert_eq!(wait(bench.crm.get(id)).unwrap().id, id);
}
