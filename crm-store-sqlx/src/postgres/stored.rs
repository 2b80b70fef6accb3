//! What a commit locks and reads before it writes.

use super::sql::Sql;
use crate::about::{self, About, counters_of, outcome_bytes};
use crate::check::{Stored, removed};
use crate::error::{Error, Result};
use crate::lead_row::{LEAD, lead_from_row};
use crate::value::{Value, id, read};
use crm_core::event::CommitId;
use crm_core::index::{Counter, IndexKey};
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId, Version};
use crm_core::repository::{ChangeSet, Committed, DocumentKey};
use sqlx::{PgConnection, Row as _};
use std::collections::{HashMap, HashSet};

/// A tenant at the moment of a commit, which holds a lock on it.
pub(super) struct Tenant {
    /// Its number in all tables.
    pub(super) number: i64,
    lifecycle: Option<Version>,
    /// The statuses in force, in order.
    statuses: Vec<LeadStatus>,
    /// Whether the id of the commit was not used before. It is now.
    pub(super) is_new_commit: bool,
}

/// Locks the tenant, and claims the id of the commit: who brings the same id waits here until this
/// transaction ends. An edit of the lifecycle waits for all commits that are checked against it,
/// and they for it.
pub(super) async fn tenant(
    connection: &mut PgConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Option<Tenant>> {
    let sql = match changes.lifecycle() {
        Some(_) => LOCKED_TO_EDIT,
        None => LOCKED,
    };
    let found = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(changes.commit().as_uuid().as_bytes().as_slice())
        .bind(changes.fingerprint().as_bytes().as_slice())
        .bind(outcome_bytes(changes))
        .fetch_optional(connection)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let lifecycle: Option<i64> = found.try_get(1)?;
    let statuses: Vec<String> = found.try_get(2)?;
    Ok(Some(Tenant {
        number: found.try_get(0)?,
        lifecycle: lifecycle.map(read).transpose()?.map(Version::new),
        statuses: about::statuses(&statuses)?,
        is_new_commit: found.try_get(3)?,
    }))
}

const LOCKED: &str = "
    WITH locked AS MATERIALIZED (
        SELECT tenant, lifecycle, statuses FROM crm_tenants WHERE name = $1 FOR SHARE
    ), claimed AS (
        INSERT INTO crm_commits (tenant, id, fingerprint, outcome)
        SELECT tenant, $2, $3, $4 FROM locked
        ON CONFLICT (tenant, id) DO NOTHING
        RETURNING id
    )
    SELECT tenant, lifecycle, statuses, EXISTS (SELECT FROM claimed) FROM locked
";

const LOCKED_TO_EDIT: &str = "
    WITH locked AS MATERIALIZED (
        SELECT tenant, lifecycle, statuses FROM crm_tenants WHERE name = $1 FOR UPDATE
    ), claimed AS (
        INSERT INTO crm_commits (tenant, id, fingerprint, outcome)
        SELECT tenant, $2, $3, $4 FROM locked
        ON CONFLICT (tenant, id) DO NOTHING
        RETURNING id
    )
    SELECT tenant, lifecycle, statuses, EXISTS (SELECT FROM claimed) FROM locked
";

/// What a commit did.
pub(super) async fn outcome(
    connection: &mut PgConnection,
    tenant: i64,
    commit: CommitId,
) -> Result<Option<Committed>> {
    let sql = "SELECT fingerprint, outcome FROM crm_commits WHERE tenant = $1 AND id = $2";
    let found = sqlx::query(sql)
        .bind(tenant)
        .bind(commit.as_uuid().as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let done = about::committed(commit, found.try_get(0)?, found.try_get(1)?)?;
    Ok(Some(done))
}

/// Everything that the checks of a change set ask for. What it changes is locked.
pub(super) async fn stored(
    connection: &mut PgConnection,
    tenant: Tenant,
    changes: &ChangeSet,
) -> Result<Stored> {
    let About {
        mut created,
        changed,
        documents,
    } = About::of(changes);
    let mut leads = HashMap::new();
    if !changed.is_empty() {
        for lead in locked_leads(connection, tenant.number, &changed).await? {
            leads.insert(lead.id, lead);
        }
    }
    let missing = changed.iter().filter(|id| !leads.contains_key(id));
    created.extend(missing.copied());
    let mut known = HashSet::new();
    if !created.is_empty() {
        known = with_history(connection, tenant.number, &created).await?;
    }
    if !known.is_empty() {
        // Some were to be created that are there already: these are all that is looked at.
        let known: Vec<LeadId> = known.iter().copied().collect();
        for lead in locked_leads(connection, tenant.number, &known).await? {
            leads.insert(lead.id, lead);
        }
    }
    let mut versions = HashMap::new();
    if !documents.is_empty() {
        versions = document_versions(connection, tenant.number, &documents).await?;
    }
    let removed: Vec<LeadStatus> = removed(&tenant.statuses, changes).cloned().collect();
    let mut in_use = HashMap::new();
    if !removed.is_empty() {
        in_use = leads_in(connection, tenant.number, &removed).await?;
    }
    Ok(Stored {
        lifecycle: tenant.lifecycle,
        statuses: tenant.statuses,
        in_use,
        leads,
        known,
        documents: versions,
    })
}

/// In the order of their ids, so that two that lock the same leads never wait for each other.
async fn locked_leads(
    connection: &mut PgConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    let mut sql = Sql::about(tenant);
    sql.push("SELECT ").push(LEAD);
    sql.push(" FROM crm_leads WHERE tenant = $1 AND id");
    sql.is_among(ids).push(" ORDER BY id FOR UPDATE");
    let rows = sql.fetch_all(connection).await?;
    rows.iter().map(|row| Ok(lead_from_row!(row))).collect()
}

/// Those of the leads that have a first event: they are there, or were.
async fn with_history(
    connection: &mut PgConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<HashSet<LeadId>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let mut sql = Sql::about(tenant);
    sql.push("SELECT new.id FROM ");
    sql.rows(ids, 1, |id, _| Value::bytes(Some(id.as_bytes())));
    // One by one: see the commit in one statement.
    sql.push(
        " AS new (id), LATERAL (
            SELECT FROM crm_events
            WHERE tenant = $1 AND lead = new.id AND version = 1
            OFFSET 0
        ) AS known",
    );
    let rows = sql.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(LeadId::from_bytes(id(row.try_get(0)?)?)))
        .collect()
}

/// Those of the leads that are there.
pub(super) async fn there(
    connection: &mut PgConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<HashSet<LeadId>> {
    let mut sql = Sql::about(tenant);
    sql.push("SELECT id FROM crm_leads WHERE tenant = $1 AND id");
    sql.is_among(ids);
    let rows = sql.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(LeadId::from_bytes(id(row.try_get(0)?)?)))
        .collect()
}

async fn document_versions(
    connection: &mut PgConnection,
    tenant: i64,
    keys: &[&DocumentKey],
) -> Result<HashMap<DocumentKey, Version>> {
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = "
        SELECT key, version
        FROM crm_documents
        WHERE tenant = $1 AND key = ANY($2)
        ORDER BY key
        FOR UPDATE
    ";
    let rows = sqlx::query(sql).bind(tenant).bind(keys);
    let mut found = HashMap::new();
    for row in rows.fetch_all(connection).await? {
        let key: &str = row.try_get(0)?;
        let key = key
            .parse()
            .map_err(|_| Error::Damaged("a document's key"))?;
        found.insert(key, Version::new(read(row.try_get(1)?)?));
    }
    Ok(found)
}

/// How many leads are in each of these statuses, archived ones included. Nobody else commits
/// meanwhile, as the tenant is locked to edit.
async fn leads_in(
    connection: &mut PgConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<HashMap<LeadStatus, u64>> {
    let keys = counters_of(statuses);
    let keys: Vec<&[u8]> = keys.iter().map(IndexKey::as_bytes).collect();
    let sql = "
        SELECT key, sum(low)::bigint
        FROM (
            SELECT key, low FROM crm_counters WHERE tenant = $1 AND key = ANY($2)
            UNION ALL
            SELECT key, low FROM crm_deltas WHERE tenant = $1 AND key = ANY($2)
        ) AS counted
        GROUP BY key
    ";
    let rows = sqlx::query(sql).bind(tenant).bind(keys);
    let mut found = HashMap::new();
    for row in rows.fetch_all(connection).await? {
        let counter = Counter::from_key(row.try_get(0)?);
        if let Some(status) = counter.and_then(|counter| counter.status) {
            *found.entry(status).or_default() += read(row.try_get(1)?)?;
        }
    }
    Ok(found)
}
