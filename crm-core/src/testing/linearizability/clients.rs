//! Four clients that work on a few leads at once.

use super::history::{MAX_OPERATIONS, Recorder};
use super::register::{Op, Ret, Seen};
use crate::lead::{Lead, LeadStatus};
use crate::repository::RepositoryErrorKind as Kind;
use crate::testing::desk::Desk;
use crate::testing::draft::Draft;
use crate::testing::leads::{Dice, changed, id, lead};
use crate::testing::setup::Setup;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;

/// How many clients there are.
pub(crate) const CLIENTS: usize = 4;
/// How many operations each of them does.
pub(crate) const OPERATIONS: usize = 40;
/// How many leads they work on.
pub(crate) const LEADS: usize = 6;

/// Lets the clients work, and gives what was recorded. Each run is of leads of its own.
pub(crate) fn work(setup: &Setup, desk: &Desk, run: u64) -> Recorder {
    let recorder = Recorder::default();
    let turns = turns(run);
    let barrier = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        let (recorder, turns, barrier) = (&recorder, &turns, &barrier);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|place| {
                let mut client = Client::new(place, desk.clone(), run);
                scope.spawn(move || {
                    let mut failed = None;
                    for turn in turns.iter().skip(place).step_by(CLIENTS) {
                        // All begin at once, so that they get in each other's way. Whoever fails
                        // keeps nobody waiting.
                        barrier.wait();
                        if failed.is_none() {
                            let step = || client.step(setup, recorder, *turn);
                            failed = catch_unwind(AssertUnwindSafe(step)).err();
                        }
                    }
                    failed
                })
            })
            .collect();
        for client in clients {
            if let Some(panic) = client.join().unwrap_or_else(Some) {
                resume_unwind(panic);
            }
        }
    });
    recorder
}

/// Whose turn it is with which lead: two leads at a time, none more often than can be checked.
fn turns(run: u64) -> Vec<u64> {
    let mut dice = Dice::new(run);
    let total = CLIENTS * OPERATIONS;
    let mut turns: Vec<u64> = (0..total)
        .map(|turn| turn * LEADS / total)
        .map(|lead| lead as u64)
        .collect();
    assert!(total.div_ceil(LEADS) <= MAX_OPERATIONS);
    for pair in turns.chunks_mut(total.div_ceil(LEADS) * 2) {
        for place in (1..pair.len()).rev() {
            let end = u64::try_from(place + 1).unwrap();
            pair.swap(place, usize::try_from(dice.below(end)).unwrap());
        }
    }
    let first = run * u64::try_from(LEADS).unwrap();
    turns.into_iter().map(|lead| first + lead).collect()
}

/// One caller, and what it last saw of each lead.
pub(crate) struct Client {
    place: usize,
    desk: Desk,
    dice: Dice,
    known: HashMap<u64, Known>,
    marks: u32,
}

struct Known {
    lead: Lead,
    is_outdated: bool,
}

impl Client {
    pub(crate) fn new(place: usize, desk: Desk, run: u64) -> Self {
        let seed = run * 1_000 + u64::try_from(place).unwrap();
        Self {
            place,
            desk,
            dice: Dice::new(seed),
            known: HashMap::new(),
            marks: 0,
        }
    }

    /// Does what it likes with a lead.
    fn step(&mut self, setup: &Setup, recorder: &Recorder, lead: u64) {
        let known = self.known.get(&lead);
        let version = known.map_or(1, |known| known.lead.version.get());
        let is_outdated = known.is_some_and(|known| known.is_outdated);
        let is_new = known.is_none();
        let mark = self.mark();
        let op = match self.dice.below(100) {
            0..50 if is_new => Op::Create { mark },
            0..75 if is_outdated => Op::Get,
            0..30 => Op::Get,
            30..63 => Op::Update {
                expected: version,
                mark,
            },
            63..95 => Op::Transition {
                expected: version,
                mark,
            },
            95..99 => Op::Create { mark },
            // Seldom, because nothing more happens to a lead that is gone.
            _ => Op::Delete { expected: version },
        };
        self.call(setup, recorder, lead, op);
    }

    /// A mark that no other write of this run has.
    pub(crate) fn mark(&mut self) -> u32 {
        self.marks += 1;
        self.marks * 10 + u32::try_from(self.place).unwrap()
    }

    /// Calls, records, and remembers what was seen.
    pub(crate) fn call(&mut self, setup: &Setup, recorder: &Recorder, number: u64, op: Op) -> Ret {
        let known = self.known.remove(&number);
        let before = known.map_or_else(|| lead(number), |known| known.lead);
        let mut seen = None;
        let desk = &self.desk;
        let ret = recorder.record(self.place, id(number), op, || {
            setup.block_on(async {
                let (ret, lead) = answer(desk, number, &before, op).await;
                seen = lead;
                ret
            })
        });
        let is_outdated = ret == Ret::Refused;
        let lead = seen.unwrap_or(before);
        self.known.insert(number, Known { lead, is_outdated });
        ret
    }
}

/// Carries an operation out; gives the lead as it is then known.
async fn answer(desk: &Desk, number: u64, before: &Lead, op: Op) -> (Ret, Option<Lead>) {
    if let Op::Update { expected, .. } | Op::Transition { expected, .. } | Op::Delete { expected } =
        op
    {
        assert_eq!(before.version.get(), expected, "a change of what was seen");
    }
    let draft = Draft::new().checked(1);
    let (draft, after) = match op {
        Op::Get => {
            let found = desk.get(number).await;
            return (Ret::Found(found.as_ref().map(seen)), found);
        }
        Op::Create { mark } => {
            let mut lead = lead(number);
            lead.company = Some(mark.to_string());
            (draft.create(&lead), Some(lead))
        }
        Op::Update { mark, .. } => {
            let after = changed(before, |lead| lead.company = Some(mark.to_string()));
            (draft.update(before, &after), Some(after))
        }
        Op::Transition { mark, .. } => {
            let after = changed(before, |lead| {
                lead.company = Some(mark.to_string());
                lead.status_reason = lead.company.clone();
                let is_new = lead.status == LeadStatus::NEW;
                lead.status = if is_new {
                    LeadStatus::QUALIFIED
                } else {
                    LeadStatus::NEW
                };
            });
            (draft.update(before, &after), Some(after))
        }
        Op::Delete { .. } => (draft.delete(before), None),
    };
    match desk.try_commit(&draft).await {
        Ok(_) => (Ret::Done, after),
        Err(error) => match error.kind() {
            Kind::Conflict { .. }
            | Kind::Gone { .. }
            | Kind::NotFound { .. }
            | Kind::AlreadyExists { .. } => (Ret::Refused, None),
            other => panic!("a commit is refused by another than a concurrent one: {other:?}"),
        },
    }
}

fn seen(lead: &Lead) -> Seen {
    let mark = |text: &Option<String>| text.as_ref().map_or(0, |text| text.parse().unwrap());
    Seen {
        version: lead.version.get(),
        mark: mark(&lead.company),
        moved: mark(&lead.status_reason),
    }
}
