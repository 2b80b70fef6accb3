//! SQLite: one file, one writer at a time, any number of readers.

mod commit;
mod connect;
mod events;
mod keys;
mod lifecycle;
#[cfg(test)]
mod plans;
mod pool;
mod read;
mod rebuild;
mod schema;
mod sql;
mod stored;
mod tenant;
mod verify;
mod write;

pub use connect::{SqliteBuilder, SqliteDurability};

use crate::error::{Error, Meaning, Result};
use crate::{count, find};
use async_trait::async_trait;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::query::{Assignee, LeadFilter, LeadQuery, Limit, Page, Total};
use crm_core::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError,
};
use pool::{Patience, Pools};
use sqlx::sqlite::SqliteError;
use std::fmt;

/// Leads in a SQLite database.
///
/// Cheap to clone; clones share the same connections. It lives on the async runtime that sqlx was
/// compiled for, and is dropped within it.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::lead::NewLead;
/// use crm_store_sqlx::SqliteRepository;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("leads.db");
/// # let path = path.display().to_string();
/// let crm = Crm::open(SqliteRepository::open(&path).await?).await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// drop(crm);
///
/// let crm = Crm::open(SqliteRepository::open(&path).await?).await?;
/// assert_eq!(crm.get(lead.id).await?, lead);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteRepository {
    pools: Pools,
}

impl SqliteRepository {
    const fn over(pools: Pools) -> Self {
        Self { pools }
    }
}

impl fmt::Debug for SqliteRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRepository").finish_non_exhaustive()
    }
}

/// The [codes](https://www.sqlite.org/rescode.html) that mean something here.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    /// Others were opening or recovering the write-ahead log for too long.
    pub(super) const PROTOCOL: i32 = 15;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOT_A_DATABASE: i32 = 26;
    /// What was read is not the newest any more.
    pub(super) const BUSY_SNAPSHOT: i32 = BUSY | 2 << 8;
}

fn code_of(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code().and_then(|code| code.parse().ok())
}

/// The low byte of a code, which tells the kind of failure.
fn primary_code_of(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    code_of(error).map(|code| code & 0xff)
}

/// What a failure means, by its code.
pub(crate) fn meaning_of(error: &SqliteError) -> Meaning {
    match primary_code_of(error) {
        Some(code::BUSY | code::LOCKED | code::PROTOCOL) => Meaning::Busy,
        Some(code::CORRUPT | code::NOT_A_DATABASE) => Meaning::Corrupt,
        _ => Meaning::Failed,
    }
}

/// Whether a failed `COMMIT` certainly committed nothing: the database was busy or full, a
/// constraint was violated, or SQLite had ended the transaction before. After a failing disk it
/// may be found committed.
fn is_refusal(error: &sqlx::Error) -> bool {
    let refused = error.as_database_error().and_then(primary_code_of);
    matches!(
        refused,
        Some(code::ERROR | code::BUSY | code::LOCKED | code::FULL | code::CONSTRAINT)
    )
}

/// Whether others wrote since this transaction read.
fn is_outdated(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(code_of) == Some(code::BUSY_SNAPSHOT)
}

/// Makes a call on a connection, again if the database was busy.
macro_rules! patiently {
    ($pools:expr, $lender:ident, |$connection:ident| $call:expr) => {{
        let mut patience = Patience::default();
        loop {
            let done: Result<_> = match $pools.$lender.lend().await {
                Ok(mut connection) => {
                    let $connection = &mut *connection;
                    let done: Result<_> = $call.await;
                    let is_in_memory = $pools.is_in_memory;
                    $pools.$lender.take_back(connection, &done, is_in_memory);
                    done
                }
                // Opening a connection finds the database busy, too.
                Err(error) => Err(error),
            };
            match done {
                Err(error) if patience.allows_another(&error).await => {}
                done => break Ok(done?),
            }
        }
    }};
}

/// Makes a call on a connection that reads.
macro_rules! reading {
    ($repository:expr, |$connection:ident| $read:expr) => {
        patiently!($repository.pools, readers, |$connection| $read)
    };
}

/// Makes a call on the connection that writes.
macro_rules! writing {
    ($repository:expr, |$connection:ident| $write:expr) => {
        patiently!($repository.pools, writer, |$connection| $write)
    };
}

use patiently;

#[async_trait]
impl Repository for SqliteRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        writing!(self, |connection| commit::commit(
            connection, tenant, changes
        ))
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> std::result::Result<Option<Committed>, RepositoryError> {
        reading!(self, |connection| read::committed(
            connection, tenant, commit
        ))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        ids: &[LeadId],
    ) -> std::result::Result<Vec<Lead>, RepositoryError> {
        reading!(self, |connection| read::get(connection, tenant, ids))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> std::result::Result<Page<Lead>, RepositoryError> {
        reading!(self, |connection| find::find(connection, tenant, query))
    }

    async fn count(
        &self,
        tenant: &TenantId,
        filter: &LeadFilter,
    ) -> std::result::Result<u64, RepositoryError> {
        let total: std::result::Result<_, RepositoryError> = reading!(self, |connection| {
            count::total(connection, tenant, filter, Total::Exact)
        });
        Ok(total?.count())
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> std::result::Result<Page<LeadEvent>, RepositoryError> {
        reading!(self, |connection| events::history(
            connection, tenant, lead, query
        ))
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> std::result::Result<EventPage, RepositoryError> {
        reading!(self, |connection| events::feed(
            connection, tenant, after, limit
        ))
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> std::result::Result<Aggregated, RepositoryError> {
        match what {
            Aggregate::StatusTotals { assigned_to } => {
                let assignee = assigned_to.clone().map(Assignee::User);
                let assignee = assignee.as_ref();
                let totals: std::result::Result<_, RepositoryError> = reading!(
                    self,
                    |connection| count::per_status(connection, tenant, assignee)
                );
                Ok(Aggregated::StatusTotals(totals?))
            }
            _ => Err(Error::Unsupported("this aggregate").into()),
        }
    }

    async fn lifecycle(
        &self,
        tenant: &TenantId,
    ) -> std::result::Result<Option<Lifecycle>, RepositoryError> {
        reading!(self, |connection| lifecycle::get(connection, tenant))
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> std::result::Result<Option<Lifecycle>, RepositoryError> {
        reading!(self, |connection| lifecycle::get_at(
            connection, tenant, version
        ))
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> std::result::Result<Option<Document>, RepositoryError> {
        reading!(self, |connection| read::document(connection, tenant, key))
    }

    async fn tenants(
        &self,
        after: Option<&TenantId>,
    ) -> std::result::Result<Vec<TenantId>, RepositoryError> {
        reading!(self, |connection| tenant::list(connection, after))
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> std::result::Result<(), RepositoryError> {
        writing!(self, |connection| tenant::erase(connection, tenant))
    }
}
