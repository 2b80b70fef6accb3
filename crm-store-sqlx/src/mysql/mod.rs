//! MySQL and `MariaDB`: a server, any number of writers and readers.

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

pub use connect::MySqlBuilder;

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
use pool::{Lent, Patience};
use sqlx::MySqlPool;
use sqlx::mysql::MySqlDatabaseError;
use std::fmt;

/// Leads in a MySQL or `MariaDB` database.
///
/// Cheap to clone; clones share the same connections. It lives on the async runtime that sqlx was
/// compiled for, and is dropped within it.
///
/// ```no_run
/// use crm_core::crm::Crm;
/// use crm_core::lead::NewLead;
/// use crm_store_sqlx::MySqlRepository;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let crm = Crm::open(MySqlRepository::open("mysql://root@localhost/crm").await?).await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// assert_eq!(crm.get(lead.id).await?, lead);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MySqlRepository {
    pool: MySqlPool,
}

impl MySqlRepository {
    const fn over(pool: MySqlPool) -> Self {
        Self { pool }
    }

    /// What was committed stands, whatever becomes of this: somebody else folds later.
    async fn fold(&self, tenant: &TenantId) {
        if let Ok(mut lent) = Lent::from(&self.pool).await {
            let done = fold::fold(lent.connection(), tenant).await;
            lent.settle(&done);
        }
    }
}

impl fmt::Debug for MySqlRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlRepository").finish_non_exhaustive()
    }
}

/// What a failure means, by its
/// [number](https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html): those from
/// 1900 to 1999 are [MariaDB's](https://mariadb.com/kb/en/mariadb-error-code-reference/).
pub(crate) fn meaning_of(error: &MySqlDatabaseError) -> Meaning {
    match error.number() {
        // Two wrote the same at the same time: who comes second finds what the first has written.
        DUPLICATE_ENTRY | LOCK_WAIT_TIMEOUT | DEADLOCK | RECORD_CHANGED => Meaning::Busy,
        // A table was opened anew under a prepared statement.
        NEED_REPREPARE => Meaning::Busy,
        // The server goes down, takes no more connections, or has closed this one: as it was idle,
        // as it was told to, or as it heard nothing.
        1040 | 1053 | 1152 | 1158..=1161 | 1184 | 1203 | 1927 | 3169 | 4031 => Meaning::Lost,
        // An index or a page that cannot be read.
        1034 | 1194 | 1195 | 1877 => Meaning::Corrupt,
        _ => Meaning::Failed,
    }
}

/// Whether a key was there already. Only the statement has failed then, not its transaction.
fn is_twice(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    error.is_some_and(|error| error.number() == DUPLICATE_ENTRY)
}

const DUPLICATE_ENTRY: u16 = 1062;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const RECORD_CHANGED: u16 = 1020;
const NEED_REPREPARE: u16 = 1615;

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
impl Repository for MySqlRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        let done = calling!(self, |connection| commit::commit(
            connection, tenant, changes
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
        let read = calling!(self, |connection| events::feed(
            connection, tenant, after, limit
        ));
        if fold::is_due() {
            self.fold(tenant).await;
        }
        read
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
                if fold::is_due() {
                    self.fold(tenant).await;
                }
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
