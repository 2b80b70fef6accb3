//! How a change set is applied: what is read, checked and written, in one transaction.

use super::write::Writer;
use super::{SqliteRepository, is_outdated, is_refusal, lifecycle, stored};
use crate::check::{Stored, removed, repeated};
use crate::effect::Effects;
use crate::error::{Error, Result};
use crm_core::event::CommitId;
use crm_core::lead::{LeadId, LeadStatus, TenantId};
use crm_core::repository::{ChangeSet, Committed, RepositoryError};
use sqlx::{Connection as _, SqliteConnection};
use std::pin::pin;
use std::task::{Context, Waker};

impl SqliteRepository {
    /// Applies a planned change set in a transaction of the application's own: it comes to be when
    /// that is committed, and with everything else in it.
    ///
    /// The transaction must be begun through sqlx, which does not see a `BEGIN` that was sent as
    /// any other statement. Begin it with `BEGIN IMMEDIATE`. One that reads first and writes later
    /// fails when somebody else has written in between, and fails again however often it is
    /// tried: roll it back and begin anew. On a connection without a transaction this makes one,
    /// and commits it.
    ///
    /// If it fails or is dropped, nothing of the set was applied, and what the application did
    /// before in its transaction still stands; for that sqlx's `command_buffer_size` must be three
    /// at least, as it is by default. After a failure of the disk or for lack of memory (SQLite's codes
    /// 7, 10 and 13) SQLite may have ended the transaction itself, without what was done in it:
    /// give the transaction up, and send nothing more in it.
    ///
    /// ```
    /// use crm_core::crm::Crm;
    /// use crm_core::lead::{NewLead, TenantId};
    /// use crm_store_sqlx::SqliteRepository;
    /// use crm_store_sqlx::sqlx::{self, SqlitePool};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}?mode=rwc", directory.path().join("app.db").display());
    /// let pool = SqlitePool::connect(&url).await?;
    /// SqliteRepository::migrate(&pool).await?;
    /// sqlx::query("CREATE TABLE orders (item TEXT)").execute(&pool).await?;
    /// let crm = Crm::open(SqliteRepository::from_pool(pool.clone()).await?).await?;
    ///
    /// let plan = crm.plan_create(NewLead::new("John", "Doe", "john@example.com")?).await?;
    /// let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    /// sqlx::query("INSERT INTO orders VALUES ('a book')").execute(&mut *transaction).await?;
    /// SqliteRepository::commit_in(&mut transaction, &TenantId::DEFAULT, &plan).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Repository::commit`](crm_core::repository::Repository::commit), without any retries.
    pub async fn commit_in(
        connection: &mut SqliteConnection,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        if !connection.is_in_transaction() {
            return Ok(commit(connection, tenant, changes).await?);
        }
        let mut savepoint = Savepoint::new(connection);
        let done = savepoint.apply(tenant, changes).await;
        Ok(done.map_err(in_their_transaction)?)
    }
}

/// A mark in the application's transaction: if a statement fails, or the call is dropped, those
/// before it are taken back.
///
/// It is not sqlx's own, of which sqlx rolls back one too many when it is dropped while it is being
/// set: that ends the whole transaction, and what follows is committed statement by statement.
struct Savepoint<'c> {
    connection: &'c mut SqliteConnection,
    is_kept: bool,
}

impl<'c> Savepoint<'c> {
    const fn new(connection: &'c mut SqliteConnection) -> Self {
        Self {
            connection,
            is_kept: false,
        }
    }

    async fn apply(&mut self, tenant: &TenantId, changes: &ChangeSet) -> Result<Committed> {
        let set = sqlx::raw_sql("SAVEPOINT crm_kit");
        set.execute(&mut *self.connection).await?;
        let done = apply(self.connection, tenant, changes).await?;
        self.is_kept = true;
        Ok(done)
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        // The first poll puts a statement into the connection's queue, where it stays when nobody
        // waits for its outcome. If the savepoint was never set, or went with its transaction,
        // there is none of that name, and both fail without a trace.
        let taken_back = (!self.is_kept).then_some("ROLLBACK TO crm_kit");
        for sql in taken_back.into_iter().chain(["RELEASE crm_kit"]) {
            let sent = sqlx::raw_sql(sql).execute(&mut *self.connection);
            let _ = pin!(sent).poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A transaction that read before others wrote cannot write any more, however often it is tried.
fn in_their_transaction(error: Error) -> Error {
    match error {
        Error::Database(cause) if is_outdated(&cause) => Error::Outdated(cause),
        other => other,
    }
}

/// In a transaction of its own, which takes the lock before it reads. If the future is dropped, so
/// is the transaction, and sqlx rolls it back before anything else happens on the connection.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let done = apply(&mut transaction, tenant, changes).await?;
    let committed = transaction.commit().await;
    committed.map_err(|cause| of_commit(changes.commit(), cause))?;
    Ok(done)
}

/// What a failure of `COMMIT` itself is to its caller.
fn of_commit(commit: CommitId, cause: sqlx::Error) -> Error {
    match is_refusal(&cause) {
        true => cause.into(),
        false => Error::Doubtful {
            commit,
            cause: Box::new(cause.into()),
        },
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    let found = stored::tenant(connection, tenant, changes).await?;
    let number = found.as_ref().map(|found| found.number);
    let stored = match found {
        None => Stored::default(),
        Some(found) => match found.done {
            Some(done) => return repeat(connection, found.number, done, changes).await,
            None => stored::stored(connection, found, changes).await?,
        },
    };
    stored.check(changes)?;

    let effects = Effects::of(changes, &stored.leads)?;
    let number = match number {
        Some(number) => number,
        None => super::tenant::insert(connection, tenant).await?,
    };
    let going: Vec<LeadStatus> = removed(&stored.statuses, changes).cloned().collect();
    // Statuses come before the leads that enter them, and go after those that leave them.
    if let Some(lifecycle) = changes.lifecycle() {
        lifecycle::put(connection, number, lifecycle).await?;
    }
    let mut writer = Writer::new(connection, number);
    writer.leads(&effects).await?;
    writer.erase_events(&effects.deleted).await?;
    writer.events(&effects.events, changes).await?;
    writer.words(&effects.words).await?;
    writer.tags(&effects.tags).await?;
    writer.counters(&effects.counters).await?;
    writer.documents(changes).await?;
    writer.send().await?;
    if let Some(lifecycle) = changes.lifecycle() {
        lifecycle::put_transitions(connection, number, lifecycle).await?;
        lifecycle::remove_statuses(connection, number, &going).await?;
    }
    Ok(changes.outcome())
}

async fn repeat(
    connection: &mut SqliteConnection,
    tenant: i64,
    done: (Option<crm_core::repository::Fingerprint>, i64, i64),
    again: &ChangeSet,
) -> Result<Committed> {
    let done = stored::outcome(connection, tenant, again.commit(), done).await?;
    let ids: Vec<LeadId> = done.leads.iter().map(|(lead, _)| *lead).collect();
    let there = stored::there(connection, tenant, &ids).await?;
    repeated(done, again, &there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::repository::RepositoryErrorKind;
    use crm_core::uuid::Uuid;

    #[test]
    fn a_commit_whose_connection_broke_is_in_doubt_and_may_be_repeated() {
        let commit = CommitId::from_uuid(Uuid::nil());
        for broken in [
            sqlx::Error::WorkerCrashed,
            std::io::Error::other("gone").into(),
        ] {
            let told = RepositoryError::from(of_commit(commit, broken));
            assert_eq!(*told.kind(), RepositoryErrorKind::OutcomeUnknown { commit });
            assert!(told.is_retryable());
        }
    }
}
