//! How a change set is applied: what is locked, checked and written, in one transaction. One
//! statement does it all if all is as it was planned.

use super::sql::Sql;
use super::write::{Parts, Writer};
use super::{PostgresRepository, fold, lifecycle, stored};
use crate::about::{About, outcome_bytes};
use crate::check::{Stored, removed, repeated};
use crate::effect::Effects;
use crate::error::{Error, Meaning, Result};
use crate::value::{self, Value};
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId};
use crm_core::repository::{Change, ChangeSet, Committed, RepositoryError};
use sqlx::{Connection as _, PgConnection};
use std::collections::{BTreeSet, HashMap};

/// Each statement sees what was committed before it, so what is read under a lock is current.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

impl PostgresRepository {
    /// Applies a planned change set in a transaction of the application's own: it comes to be when
    /// that is committed, and with everything else in it.
    ///
    /// Begin the transaction by sqlx, with `READ COMMITTED`, which is PostgreSQL's default. In a
    /// stricter one a set fails as a serialization failure, `Unavailable`, if others wrote
    /// meanwhile; make the whole transaction again. On a connection without a transaction this
    /// makes one, and commits it. If it fails, nothing of the set was applied, and what the
    /// application did before in its transaction still stands.
    ///
    /// Until the transaction ends, the leads are locked, edits of the lifecycle wait for it, and
    /// their events are in no feed. If this call is dropped, roll the transaction back: do not
    /// give its connection back to a pool as it is.
    ///
    /// ```no_run
    /// use crm_core::crm::Crm;
    /// use crm_core::lead::{NewLead, TenantId};
    /// use crm_store_sqlx::PostgresRepository;
    /// use crm_store_sqlx::sqlx::{self, PgPool};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = PgPool::connect("postgres://localhost/app").await?;
    /// PostgresRepository::migrate(&pool).await?;
    /// let crm = Crm::open(PostgresRepository::from_pool(pool.clone()).await?).await?;
    ///
    /// let plan = crm.plan_create(NewLead::new("John", "Doe", "john@example.com")?).await?;
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("INSERT INTO orders VALUES ('a book')").execute(&mut *transaction).await?;
    /// PostgresRepository::commit_in(&mut transaction, &TenantId::DEFAULT, &plan).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Repository::commit`](crm_core::repository::Repository::commit), without any retries.
    pub async fn commit_in(
        connection: &mut PgConnection,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        if !connection.is_in_transaction() {
            let done = commit(connection, Connections::Shared, tenant, changes).await?;
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
                if fold::is_due() {
                    fold::fold_in(connection, tenant).await?;
                }
                Ok(done)
            }
            Err(error) => {
                savepoint.rollback().await.map_err(Error::from)?;
                Err(error.into())
            }
        }
    }
}

/// Whose connections a repository works on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// Nobody else's.
    Own,
    /// The application's, which may have left one in an open transaction: sqlx does so when a
    /// `begin` of a pool is dropped. What is written in it would be lost.
    Shared,
}

/// In a transaction of its own. On connections that nobody else has, that is one statement, unless
/// something is not as it was planned.
pub(super) async fn commit(
    connection: &mut PgConnection,
    connections: Connections,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    let is_tried = connections == Connections::Own;
    if is_tried {
        // It commits as it ends, so without its answer nobody knows whether it did.
        let done = as_planned(connection, tenant, changes).await;
        if done.map_err(|cause| in_doubt(cause, changes))? {
            return Ok(changes.outcome());
        }
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    let done = match is_tried {
        true => in_steps(&mut transaction, tenant, changes).await,
        false => apply(&mut transaction, tenant, changes).await,
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            // At once, as others wait for its locks. If it cannot be told to, the server finds out.
            let _ = transaction.rollback().await;
            return Err(error);
        }
    };
    let committed = transaction.commit().await;
    committed.map_err(|cause| in_doubt(cause.into(), changes))?;
    Ok(done)
}

/// A failure of what commits. Only if the server says that it refused is nothing done.
fn in_doubt(cause: Error, changes: &ChangeSet) -> Error {
    match &cause {
        Error::Database(sqlx::Error::Database(_)) if cause.meaning() != Meaning::Lost => cause,
        Error::Database(_) => Error::Doubtful {
            commit: changes.commit(),
            cause: Box::new(cause),
        },
        _ => cause,
    }
}

async fn apply(
    connection: &mut PgConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Committed> {
    if as_planned(connection, tenant, changes).await? {
        return Ok(changes.outcome());
    }
    in_steps(connection, tenant, changes).await
}

/// Applies a set that changes leads only by one statement, if the tenant, its rules and all the
/// leads are as they were when it was planned, and the id of the commit is new. If not, nothing is
/// written, and it is for [`in_steps`] to say why.
async fn as_planned(
    connection: &mut PgConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<bool> {
    let is_of_leads = |change: &Change| {
        matches!(
            change,
            Change::Create { .. } | Change::Update { .. } | Change::Delete { .. }
        )
    };
    if !changes.changes().iter().all(is_of_leads) {
        return Ok(false);
    }
    // What is compared before anything is written makes these the stored ones.
    let before = changes.leads_before();
    let before: HashMap<LeadId, Lead> = before.map(|lead| (lead.id, lead.clone())).collect();
    let effects = Effects::of(changes, &before)?;
    let mut parts = Parts::after(locked_as_planned(tenant, changes));
    parts.effects(&effects);
    parts.execute(connection).await
}

/// The tenant's number, if all is as it was planned: then the leads are locked, and the id of the
/// commit is claimed.
///
/// All of a statement sees what was committed when it began, but rows as they are when their lock
/// is granted. So what others may change is compared in rows that are locked. A lead that others
/// created meanwhile is refused as a key that is twice.
fn locked_as_planned(tenant: &TenantId, changes: &ChangeSet) -> Sql {
    let statuses: BTreeSet<&str> = changes.leads().map(|lead| lead.status.as_str()).collect();
    let about = About::of(changes);
    let before: Vec<&Lead> = changes.leads_before().collect();

    let mut sql = Sql::of(tenant);
    sql.push(
        "WITH tenant AS MATERIALIZED (
            SELECT tenant FROM crm_tenants
            WHERE name = $1",
    );
    if let Some(checked) = changes.checked_against() {
        sql.push(" AND lifecycle = ")
            .bind(value::stored(checked.get()));
    }
    if !statuses.is_empty() {
        let statuses: Vec<&str> = statuses.into_iter().collect();
        sql.push(" AND statuses @> ").bind(statuses);
    }
    sql.push(" FOR SHARE)");
    if !about.changed.is_empty() {
        sql.push(
            ", found AS MATERIALIZED (
                SELECT id, version, updated_at FROM crm_leads
                WHERE tenant = (SELECT tenant FROM tenant) AND id",
        );
        sql.is_among(&about.changed)
            .push(" ORDER BY id FOR UPDATE)");
    }
    sql.push(
        ", ready AS (
            INSERT INTO crm_commits (tenant, id, fingerprint, outcome)
            SELECT tenant, ",
    );
    sql.bind(changes.commit().as_uuid().as_bytes().to_vec());
    sql.push(", ")
        .bind(changes.fingerprint().as_bytes().to_vec());
    sql.push(", ").bind(outcome_bytes(changes));
    sql.push(" FROM tenant WHERE true");
    if !about.changed.is_empty() {
        sql.push(" AND (SELECT count(*) FROM found JOIN ");
        sql.rows(&before, 3, |lead, column| match column {
            0 => Value::bytes(Some(lead.id.as_bytes())),
            1 => Value::Number(Some(value::stored(lead.version.get()))),
            _ => Value::Number(Some(lead.updated_at.timestamp_micros())),
        });
        sql.push(" AS planned (id, version, updated_at) USING (id, version, updated_at)) = ");
        sql.bind(i64::try_from(before.len()).unwrap_or(i64::MAX));
    }
    if !about.created.is_empty() {
        // One by one (`OFFSET 0`): of a table that has not been analyzed yet, a plan for all of them
        // reads every event of the tenant.
        sql.push(" AND NOT EXISTS (SELECT FROM ");
        sql.rows(&about.created, 1, |id, _| Value::bytes(Some(id.as_bytes())));
        sql.push(
            " AS new (id), LATERAL (
                SELECT FROM crm_events
                WHERE tenant = (SELECT tenant FROM tenant) AND lead = new.id AND version = 1
                OFFSET 0
            ) AS known)",
        );
    }
    sql.push(
        " ON CONFLICT (tenant, id) DO NOTHING
            RETURNING tenant)",
    );
    sql
}

/// Locks and reads what the set is about, checks, and writes.
async fn in_steps(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    tenant: i64,
    again: &ChangeSet,
) -> Result<Committed> {
    let done = stored::outcome(connection, tenant, again.commit()).await?;
    let done = done.ok_or(Error::Overtaken)?;
    let ids: Vec<LeadId> = done.leads.iter().map(|(lead, _)| *lead).collect();
    let there = stored::there(connection, tenant, &ids).await?;
    repeated(done, again, &there)
}
