//! PostgreSQL: a server, any number of writers and readers.

mod commit;
mod connect;
mod events;
mod fold;
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

pub use connect::PostgresBuilder;

use crate::error::{Error, Meaning, Result};
use crate::{count, find};
use async_trait::async_trait;
use commit::Connections;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::query::{Assignee, LeadFilter, LeadQuery, Limit, Page, Total};
use crm_core::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError,
};
use pool::{Lent, Patience};
use sqlx::PgPool;
use sqlx::postgres::PgDatabaseError;
use std::fmt;

/// Leads in a PostgreSQL database.
///
/// Cheap to clone; clones share the same connections. It lives on the async runtime that sqlx was
/// compiled for, and is dropped within it.
///
/// ```no_run
/// use crm_core::crm::Crm;
/// use crm_core::lead::NewLead;
/// use crm_store_sqlx::PostgresRepository;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let crm = Crm::open(PostgresRepository::open("postgres://localhost/crm").await?).await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// assert_eq!(crm.get(lead.id).await?, lead);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresRepository {
    pool: PgPool,
    connections: Connections,
}

impl PostgresRepository {
    const fn over(pool: PgPool, connections: Connections) -> Self {
        Self { pool, connections }
    }

    /// What was committed stands, whatever becomes of this: somebody else folds later.
    async fn fold(&self, tenant: &TenantId) {
        if let Ok(mut lent) = Lent::from(&self.pool).await {
            let done = fold::fold(lent.connection(), tenant).await;
            lent.settle(&done);
        }
    }
}

impl fmt::Debug for PostgresRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRepository").finish_non_exhaustive()
    }
}

/// What a failure means, by its [code](https://www.postgresql.org/docs/current/errcodes-appendix.html).
pub(crate) fn meaning_of(error: &PgDatabaseError) -> Meaning {
    match error.code() {
        // Two wrote the same at the same time: who comes second finds what the first has written.
        UNIQUE_VIOLATION | SERIALIZATION_FAILURE | DEADLOCK_DETECTED | LOCK_NOT_AVAILABLE => {
            Meaning::Busy
        }
        // The server goes down, comes up, or takes no more connections.
        "57P01" | "57P02" | "57P03" | "53300" => Meaning::Lost,
        // Whether the statement was done is not known: what commits is in doubt.
        STATEMENT_COMPLETION_UNKNOWN => Meaning::Lost,
        code if code.starts_with("08") => Meaning::Lost,
        // An index or a page that cannot be read.
        "XX001" | "XX002" => Meaning::Corrupt,
        _ => Meaning::Failed,
    }
}

const UNIQUE_VIOLATION: &str = "23505";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const STATEMENT_COMPLETION_UNKNOWN: &str = "40003";

/// Makes a call on a connection of its own, again if others were in the way.
macro_rules! calling {
    ($repository:expr, |$connection:ident| $call:expr) => {{
        let mut patience = Patience::default();
        loop {
            let call = async {
                let mut lent = Lent::from(&$repository.pool).await?;
                let $connection = lent.connection();
                let done: Result<_> = $call.await;
                lent.settle(&done);
                done
            };
            match call.await {
                Err(error) if patience.allows_another(&error).await => {}
                done => break Ok(done?),
            }
        }
    }};
}

#[async_trait]
impl Repository for PostgresRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        let done = calling!(self, |connection| commit::commit(
            connection,
            self.connections,
            tenant,
            changes
        ));
        if done.is_ok() && fold::is_due() {
            self.fold(tenant).await;
        }
        done
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> std::result::Result<Option<Committed>, RepositoryError> {
        calling!(self, |connection| read::committed(
            connection, tenant, commit
        ))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        ids: &[LeadId],
    ) -> std::result::Result<Vec<Lead>, RepositoryError> {
        calling!(self, |connection| read::get(connection, tenant, ids))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> std::result::Result<Page<Lead>, RepositoryError> {
        calling!(self, |connection| find::find(connection, tenant, query))
    }

    async fn count(
        &self,
        tenant: &TenantId,
        filter: &LeadFilter,
    ) -> std::result::Result<u64, RepositoryError> {
        let total: std::result::Result<_, RepositoryError> = calling!(self, |connection| {
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
        calling!(self, |connection| events::history(
            connection, tenant, lead, query
        ))
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> std::result::Result<EventPage, RepositoryError> {
        calling!(self, |connection| events::feed(
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
                let totals: std::result::Result<_, RepositoryError> = calling!(
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
        calling!(self, |connection| lifecycle::get(connection, tenant))
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> std::result::Result<Option<Lifecycle>, RepositoryError> {
        calling!(self, |connection| lifecycle::get_at(
            connection, tenant, version
        ))
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> std::result::Result<Option<Document>, RepositoryError> {
        calling!(self, |connection| read::document(connection, tenant, key))
    }

    async fn tenants(
        &self,
        after: Option<&TenantId>,
    ) -> std::result::Result<Vec<TenantId>, RepositoryError> {
        calling!(self, |connection| tenant::list(connection, after))
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> std::result::Result<(), RepositoryError> {
        calling!(self, |connection| tenant::erase(connection, tenant))
    }
}
