//! How a change set is applied: what is locked, checked and written, in one transaction.

use super::write::Writer;
use super::{MySqlRepository, fold, is_twice, lifecycle, stored};
use crate::check::{Stored, removed, repeated};
use crate::effect::Effects;
use crate::error::{Error, Meaning, Result};
use crm_core::lead::{LeadId, LeadStatus, TenantId};
use crm_core::repository::{Change, ChangeSet, Committed, RepositoryError};
use sqlx::{Connection as _, MySqlConnection};

/// Each statement sees what was committed before it, so what is read under a lock is current. Both
/// statements are sent at once.
pub(super) const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN";

impl MySqlRepository {
    /// Applies a planned change set in a transaction of the application's own: it comes to be when
    /// that is committed, and with everything else in it.
    ///
    /// Begin the transaction by sqlx, with `READ COMMITTED`, as below. In `REPEATABLE READ`, which is
    /// the servers' default, locks are held on gaps between rows, too, so that writers wait for each
    /// other and end in deadlocks more often; nothing else is less safe. On a connection without a
    /// transaction this makes one, and commits it. If it fails, nothing of the set was applied, and
    /// what the application did before in its transaction still stands; but after a deadlock the
    /// server has rolled the whole transaction back. Then this is `Unavailable`, and its source says
    /// so: give the transaction up, send nothing more in it, and make it again.
    ///
    /// Until the transaction ends, the leads are locked, edits of the lifecycle wait for it, and
    /// their events are in no feed. If this call is dropped, close the connection: sqlx 0.9 may take
    /// the answer to what was dropped for that to what follows.
    ///
    /// ```no_run
    /// use crm_core::crm::Crm;
    /// use crm_core::lead::{NewLead, TenantId};
    /// use crm_store_sqlx::MySqlRepository;
    /// use crm_store_sqlx::sqlx::{self, MySqlPool};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = MySqlPool::connect("mysql://root@localhost/app").await?;
    /// MySqlRepository::migrate(&pool).await?;
    /// let crm = Crm::open(MySqlRepository::from_pool(pool.clone()).await?).await?;
    ///
    /// let plan = crm.plan_create(NewLead::new("John", "Doe", "john@example.com")?).await?;
    /// let begin = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN";
    /// let mut transaction = pool.begin_with(begin).await?;
    /// sqlx::query("INSERT INTO orders VALUES ('a book')").execute(&mut *transaction).await?;
    /// MySqlRepository::commit_in(&mut transaction, &TenantId::DEFAULT, &plan).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Repository::commit`](crm_core::repository::Repository::commit), without any retries.
    pub async fn commit_in(
        connection: &mut MySqlConnection,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        if !connection.is_in_transaction() {
            let done = commit(connection, tenant, changes).await?;
            if fold::is_due() {
                // What was committed stands, whatever becomes of this.
                let _ = fold::fold(connection, tenant).await;
            }
            return Ok(done);
        }
        // A savepoint: if a statement fails, those before it are taken back.
        let mut savepoint = connection.begin().await.map_err(Error::from)?;
        match apply(&mut savepoint, tenant, changes).await {
            Ok(done) => {
                savepoint.commit().await.map_err(Error::from)?;
                Ok(done)
            }
            Err(error) => {
                // There is no savepoint any more if the server has ended the transaction.
                match savepoint.rollback().await {
                    Ok(()) => Err(error.into()),
                    Err(_) if error.meaning() == Meaning::Busy => {
                        Err(Error::RolledBack(Box::new(error)).into())
                    }
                    Err(lost) => Err(Error::from(lost).into()),
                }
            }
        }
    }
}

/// In a transaction of its own.
pub(super) async fn commit(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    if can_be_tried(changes) {
        match commit_by(connection, tenant, changes, Way::AsPlanned).await {
            Err(Error::Overtaken) => {}
            Err(Error::Database(error)) if is_twice(&error) => {}
            done => return done,
        }
    }
    commit_by(connection, tenant, changes, Way::InSteps).await
}

/// Who looks at what a commit is about.
#[derive(Clone, Copy)]
enum Way {
    /// The statements that write it: if anything is not as it was planned, they find no such row, or
    /// a key that is there already. Then nothing stands, and it is for the other way to say why.
    AsPlanned,
    /// Statements of their own, before.
    InSteps,
}

/// Whether the statements that write a set see all that its checks would.
fn can_be_tried(changes: &ChangeSet) -> bool {
    let is_new = |change: &Change| matches!(change, Change::Create { .. });
    match changes.changes() {
        [Change::Update { .. }] => true,
        all => all.iter().all(is_new),
    }
}

async fn commit_by(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
    way: Way,
) -> Result<Committed> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let done = match way {
        Way::AsPlanned => as_planned(&mut transaction, tenant, changes).await,
        Way::InSteps => apply(&mut transaction, tenant, changes).await,
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            // At once, as others wait for its locks. If it cannot be told to, the server finds out.
            let _ = transaction.rollback().await;
            return Err(error);
        }
    };
    transaction.commit().await.map_err(|cause| {
        let cause = Error::from(cause);
        match cause.meaning() {
            Meaning::Busy => cause,
            _ => Error::Doubtful {
                commit: changes.commit(),
                cause: Box::new(cause),
            },
        }
    })?;
    Ok(done)
}

/// Locks the tenant, and writes. A lead that was changed meanwhile is not found by its version and
/// its time, and one that is or was there has the key of its first event.
async fn as_planned(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    let found = stored::tenant(connection, tenant, changes).await?;
    let found = found.ok_or(Error::Overtaken)?;
    let number = found.number;
    if !found.is_new_commit {
        return repeat(connection, number, changes).await;
    }
    let before = changes.leads_before();
    let planned = found.with(before.map(|lead| (lead.id, lead.clone())).collect());
    if planned.check(changes).is_err() {
        return Err(Error::Overtaken);
    }
    let effects = Effects::of(changes, &planned.leads)?;
    let mut writer = Writer::new(connection, number);
    writer.planned = changes.leads_before().next();
    writer.effects(&effects).await?;
    Ok(changes.outcome())
}

async fn apply(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    let found = match stored::tenant(connection, tenant, changes).await? {
        Some(found) => found,
        None => {
            Stored::default().check(changes)?;
            super::tenant::insert(connection, tenant).await?;
            let found = stored::tenant(connection, tenant, changes).await?;
            found.ok_or(Error::Overtaken)?
        }
    };
    let number = found.number;
    if !found.is_new_commit {
        return repeat(connection, number, changes).await;
    }
    let stored = stored::stored(connection, found, changes).await?;
    stored.check(changes)?;

    let effects = Effects::of(changes, &stored.leads)?;
    let going: Vec<LeadStatus> = removed(&stored.statuses, changes).cloned().collect();
    // Statuses come before the leads that enter them, and go after those that leave them.
    if let Some(lifecycle) = changes.lifecycle() {
        lifecycle::put(connection, number, lifecycle).await?;
    }
    let mut writer = Writer::new(connection, number);
    writer.effects(&effects).await?;
    writer.documents(changes).await?;
    if let Some(lifecycle) = changes.lifecycle() {
        lifecycle::put_transitions(connection, number, lifecycle).await?;
        lifecycle::remove_statuses(connection, number, &going).await?;
    }
    Ok(changes.outcome())
}

async fn repeat(
    connection: &mut MySqlConnection,
    tenant: i64,
    again: &ChangeSet,
) -> Result<Committed> {
    let done = stored::outcome(connection, tenant, again.commit()).await?;
    let done = done.ok_or(Error::Overtaken)?;
    let ids: Vec<LeadId> = done.leads.iter().map(|(lead, _)| *lead).collect();
    let there = stored::there(connection, tenant, &ids).await?;
    repeated(done, again, &there)
}
