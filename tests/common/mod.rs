//! What the tests of the facade share: a place to start from, leads, and two ways to look at
//! everything that is stored: [`Snapshot`], to see that nothing changed, and [`audit`], to see that
//! what is stored agrees with itself.
#![allow(
    dead_code,
    reason = "each test file is a crate that uses its own part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

pub(crate) mod audit;
pub(crate) mod faulty;

use audit::{Snapshot, audit, snapshot};
use crm_kit::chrono::{DateTime, TimeDelta, Utc};
use crm_kit::crm::{Crm, CrmError};
use crm_kit::lead::{Lead, LeadId, LeadStatus, NewLead, UserId};
use crm_kit::lifecycle::Lifecycle;
use crm_kit::memory::MemoryRepository;
use crm_kit::repository::Repository;
use crm_kit::testing::ManualClock;

/// Runs a future to its end.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

/// The time at which every test begins.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-01-15T10:30:00Z".parse().unwrap()
}

/// So many hours after the beginning.
pub(crate) fn hour(hours: i64) -> DateTime<Utc> {
    start() + TimeDelta::hours(hours)
}

/// A `Crm` over an empty storage, and what a test needs to see behind it.
pub(crate) struct Office {
    pub(crate) crm: Crm,
    pub(crate) storage: MemoryRepository,
    pub(crate) clock: ManualClock,
}

impl Office {
    /// With the standard lifecycle.
    pub(crate) fn new() -> Self {
        Self::with(Lifecycle::standard())
    }

    pub(crate) fn with(lifecycle: Lifecycle) -> Self {
        let storage = MemoryRepository::new();
        let clock = ManualClock::at(start());
        let crm = open(storage.clone(), &clock, lifecycle);
        Self {
            crm,
            storage,
            clock,
        }
    }

    /// Another process over the same storage: nothing is shared but what is stored.
    pub(crate) fn another(&self) -> Crm {
        open(self.storage.clone(), &self.clock, Lifecycle::standard())
    }

    /// Everything of the tenant `default`.
    pub(crate) fn snapshot(&self) -> Snapshot {
        snapshot(&self.storage)
    }

    /// Panics if what is stored does not agree with itself.
    pub(crate) fn audit(&self) {
        audit(&self.storage);
    }

    pub(crate) fn create(&self, new: NewLead) -> Lead {
        wait(self.crm.create(new)).unwrap()
    }

    pub(crate) fn john(&self) -> Lead {
        self.create(john())
    }

    pub(crate) fn get(&self, id: LeadId) -> Lead {
        wait(self.crm.get(id)).unwrap()
    }

    pub(crate) fn pass_hours(&self, hours: i64) {
        self.clock.advance(TimeDelta::hours(hours));
    }
}

pub(crate) fn open(storage: impl Repository, clock: &ManualClock, lifecycle: Lifecycle) -> Crm {
    let builder = Crm::builder(storage).clock(clock.clone());
    wait(builder.lifecycle(lifecycle).open()).unwrap()
}

/// The lead of the documentation, with everything filled in.
pub(crate) fn john() -> NewLead {
    NewLead::new("John", "Doe", "john@example.com")
        .unwrap()
        .company("Acme Corp")
        .phone("+263771234567")
}

/// One of many leads.
pub(crate) fn numbered(number: usize) -> NewLead {
    NewLead::new(
        format!("First{number}"),
        "Last",
        format!("lead{number}@example.com"),
    )
    .unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

pub(crate) fn slug(text: &str) -> LeadStatus {
    text.parse().unwrap()
}

/// The fields that an error blames, in its order.
pub(crate) fn blamed(error: &CrmError) -> Vec<&str> {
    let CrmError::Invalid(invalid) = error else {
        panic!("not invalid input, but {error}");
    };
    invalid
        .problems()
        .iter()
        .map(|problem| problem.field())
        .collect()
}

/// The word for the rule that refused a move.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, CrmError>) -> &'static str {
    match result.unwrap_err() {
        CrmError::Refused(refused) => refused.code(),
        other => panic!("not refused by a rule, but {other}"),
    }
}
