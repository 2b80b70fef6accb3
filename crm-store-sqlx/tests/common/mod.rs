//! What the tests of this crate share: databases, leads, and what must be true of every database.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

use crm_core::crm::{Crm, CrmError};
use crm_core::lead::{Money, NewLead};
use crm_core::repository::RepositoryErrorKind;
use crm_store_sqlx::sqlx::SqlitePool;
use crm_store_sqlx::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use crm_store_sqlx::{SqliteDurability, SqliteRepository};
use std::pin::Pin;
use std::task::{Context, Poll};
use tempfile::TempDir;

/// A database file that goes with it.
pub(crate) struct File {
    directory: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> String {
        self.directory.path().join("leads.db").display().to_string()
    }

    pub(crate) async fn open(&self) -> SqliteRepository {
        let builder = SqliteRepository::builder(self.path());
        let builder = builder.durability(SqliteDurability::Normal);
        builder.open().await.unwrap()
    }

    pub(crate) async fn crm(&self) -> Crm {
        Crm::open(self.open().await).await.unwrap()
    }

    /// A pool as an application makes it.
    pub(crate) async fn pool(&self, connections: u32) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new().max_connections(connections);
        pool.connect_with(options).await.unwrap()
    }
}

/// A lead with something in every field, different from all others.
pub(crate) fn numbered(number: usize) -> NewLead {
    let email = format!("john.{number}@example.com");
    NewLead::new("John", format!("Doe {number}"), &email)
        .unwrap()
        .company("Acme Corp")
        .phone("+263771234567")
        .source("website")
        .assigned_to(format!("user_{}", number % 3))
        .tag("VIP")
        .value(Money::new(100, "USD").unwrap())
}

/// How often what may go wrong by chance is repeated; `CRM_TEST_LONG=1` asks for the long run.
pub(crate) fn repeats() -> usize {
    let is_long = std::env::var_os("CRM_TEST_LONG").is_some_and(|value| value == "1");
    if is_long { 100 } else { 10 }
}

/// Leads, words, tags, counters and events must agree whatever happened.
pub(crate) async fn verified(leads: &SqliteRepository) {
    let found = leads.verify().await.unwrap();
    assert!(found.is_clean(), "{:?}", found.faults);
}

/// What went wrong, if it did.
pub(crate) fn kind<T>(
    done: Result<T, crm_core::repository::RepositoryError>,
) -> Option<RepositoryErrorKind> {
    done.err().map(|error| error.kind().clone())
}

pub(crate) type Call<'a> = Pin<Box<dyn Future<Output = Result<(), CrmError>> + Send + 'a>>;

/// A call that is dropped after so many polls.
pub(crate) struct Dropped<'a> {
    pub(crate) call: Option<Call<'a>>,
    pub(crate) polls: usize,
}

impl Future for Dropped<'_> {
    /// Whether the call came to its end before.
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(true);
        };
        if call.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        self.polls -= 1;
        if self.polls == 0 {
            self.call = None;
            return Poll::Ready(false);
        }
        Poll::Pending
    }
}
