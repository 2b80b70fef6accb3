//! SQLite: one file, one writer at a time, any number of readers.

mod commit;
mod connect;
mod count;
mod events;
mod find;
mod keys;
mod lifecycle;
mod list;
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
use sqlx::error::DatabaseError as _;
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

/// What a failure means, by its [code](https://www.sqlite.org/rescode.html).
pub(crate) fn meaning_of(error: &SqliteError) -> Meaning {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
    // The low byte is the primary code.
    match code.map(|code| code & 0xff) {
        Some(BUSY | LOCKED) => Meaning::Busy,
        Some(CORRUPT | NOT_A_DATABASE) => Meaning::Corrupt,
        _ => Meaning::Failed,
    }
}

/// Makes a call on a connection that reads, again if the database was busy.
macro_rules! reading {
    ($repository:expr, |$connection:ident| $read:expr) => {{
        let mut patience = Patience::default();
        loop {
            let mut connection = $repository.pools.reader().await?;
            let $connection = &mut *connection;
            let done: Result<_> = $read.await;
            $repository.pools.settle(&mut connection, &done);
            drop(connection);
            match done {
                Err(error) if patience.allows_another(&error).await => {}
                done => break Ok(done?),
            }
        }
    }};
}

/// The same on the connection that writes.
macro_rules! writing {
    ($repository:expr, |$connection:ident| $write:expr) => {{
        let mut patience = Patience::default();
        loop {
            let mut connection = $repository.pools.writer().await?;
            let $connection = &mut *connection;
            let done: Result<_> = $write.await;
            $repository.pools.settle(&mut connection, &done);
            drop(connection);
            match done {
                Err(error) if patience.allows_another(&error).await => {}
                done => break Ok(done?),
            }
        }
    }};
}

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
                let sums: std::result::Result<_, RepositoryError> =
                    reading!(self, |connection| count::per_status(
                        connection, tenant, assignee
                    ));
                Ok(Aggregated::StatusTotals(count::totals(sums?)))
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
