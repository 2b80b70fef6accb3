//! What clients called and were answered, in the order of time.

use super::register::{Op, Register, Ret};
use crate::lead::LeadId;
use crate::testing::leads::number;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The most operations of a lead in a history that is checked.
pub(crate) const MAX_OPERATIONS: usize = 28;

pub(crate) type Tester = LinearizabilityTester<usize, Register>;

/// Written by all clients.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<Entry>>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    client: usize,
    lead: LeadId,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Called(Op),
    Answered(Ret),
}

/// What was done with one lead.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Vec<Entry>);

impl Recorder {
    /// Records an operation around its call.
    pub(crate) fn record(
        &self,
        client: usize,
        lead: LeadId,
        op: Op,
        call: impl FnOnce() -> Ret,
    ) -> Ret {
        self.note(client, lead, What::Called(op));
        let ret = call();
        self.note(client, lead, What::Answered(ret));
        ret
    }

    fn note(&self, client: usize, lead: LeadId, what: What) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(Entry { client, lead, what });
    }

    /// The history of each lead.
    pub(crate) fn histories(self) -> BTreeMap<LeadId, History> {
        let entries = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut histories: BTreeMap<LeadId, History> = BTreeMap::new();
        for entry in entries {
            histories.entry(entry.lead).or_default().0.push(entry);
        }
        histories
    }
}

impl History {
    /// The checker, told everything.
    pub(crate) fn tester(&self) -> Tester {
        let mut tester = LinearizabilityTester::new(Register::default());
        for entry in &self.0 {
            let told = match entry.what {
                What::Called(op) => tester.on_invoke(entry.client, op),
                What::Answered(ret) => tester.on_return(entry.client, ret),
            };
            told.expect("one operation of a client at a time");
        }
        assert!(tester.len() <= MAX_OPERATIONS, "too long to be checked");
        tester
    }
}

/// One line for each call and each answer.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { client, lead, what } in &self.0 {
            match what {
                What::Called(op) => {
                    writeln!(f, "client {client} calls {op:?} of lead {}", number(*lead))?;
                }
                What::Answered(ret) => writeln!(f, "client {client} is answered {ret:?}")?,
            }
        }
        Ok(())
    }
}
