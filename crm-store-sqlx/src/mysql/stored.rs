//! What a commit locks and reads before it writes.

use super::is_twice;
use super::sql::{IDS_AT_ONCE, Sql};
use crate::about::{self, About, counters_of, outcome_bytes};
use crate::check::{Stored, removed};
use crate::error::{Error, Result};
use crate::lead_row::{LEAD, lead_from_row};
use crate::value::{id, read};
use crm_core::event::CommitId;
use crm_core::index::Counter;
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId, Version};
use crm_core::repository::{ChangeSet, Committed, DocumentKey};
use sqlx::{MySqlConnection, Row as _};
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

impl Tenant {
    /// What its checks ask for, if these are the leads that are there, and no others were.
    pub(super) fn with(self, leads: HashMap<LeadId, Lead>) -> Stored {
        Stored {
            lifecycle: self.lifecycle,
            statuses: self.statuses,
            leads,
            ..Stored::default()
        }
    }
}

/// Locks the tenant, and claims the id of the commit: who brings the same id waits here until this
/// transaction ends. An edit of the lifecycle waits for all commits that are checked against it,
/// and they for it.
pub(super) async fn tenant(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Option<Tenant>> {
    let sql = match changes.lifecycle() {
        Some(_) => LOCKED_TO_EDIT,
        None => LOCKED,
    };
    let found = sqlx::query(sql)
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let number = found.try_get(0)?;
    let lifecycle: Option<i64> = found.try_get(1)?;
    let statuses: Vec<String> = serde_json::from_str(found.try_get(2)?)?;
    Ok(Some(Tenant {
        number,
        lifecycle: lifecycle.map(read).transpose()?.map(Version::new),
        statuses: about::statuses(&statuses)?,
        is_new_commit: claim(connection, number, changes).await?,
    }))
}

const LOCKED: &str = "
    SELECT tenant, lifecycle, statuses FROM crm_tenants WHERE name = ? LOCK IN SHARE MODE
";

const LOCKED_TO_EDIT: &str = "
    SELECT tenant, lifecycle, statuses FROM crm_tenants WHERE name = ? FOR UPDATE
";

async fn claim(connection: &mut MySqlConnection, tenant: i64, changes: &ChangeSet) -> Result<bool> {
    let sql = "INSERT INTO crm_commits (tenant, id, fingerprint, outcome) VALUES (?, ?, ?, ?)";
    let claimed = sqlx::query(sql)
        .bind(tenant)
        .bind(changes.commit().as_uuid().as_bytes().as_slice())
        .bind(changes.fingerprint().as_bytes().as_slice())
        .bind(outcome_bytes(changes))
        .execute(connection)
        .await;
    match claimed {
        Ok(_) => Ok(true),
        // Only the statement fails: the transaction goes on.
        Err(error) if is_twice(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a commit did. Under a lock, as what is read here and below is to be current in whatever
/// transaction the application began.
pub(super) async fn outcome(
    connection: &mut MySqlConnection,
    tenant: i64,
    commit: CommitId,
) -> Result<Option<Committed>> {
    let sql = "
        SELECT fingerprint, outcome FROM crm_commits WHERE tenant = ? AND id = ? LOCK IN SHARE MODE
    ";
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
    connection: &mut MySqlConnection,
    tenant: Tenant,
    changes: &ChangeSet,
) -> Result<Stored> {
    let About {
        created,
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
    let missing: Vec<LeadId> = missing.copied().collect();
    // In `REPEATABLE READ`, a lock on a lead that is not there is one on the gap where it would be,
    // and two that create leads would wait for each other. If somebody else has created one
    // meanwhile, its key is twice, and the transaction to be made again.
    let mut known = with_history(connection, tenant.number, &created, "").await?;
    known.extend(with_history(connection, tenant.number, &missing, " LOCK IN SHARE MODE").await?);
    if !known.is_empty() {
        // Some were to be created that are there already: these are all that is looked at.
        let known: Vec<LeadId> = known.iter().copied().collect();
        for lead in locked_leads(connection, tenant.number, &known).await? {
            leads.insert(lead.id, lead);
        }
    }
    let mut versions = HashMap::new();
    if !documents.is_empty() {
        versions = document_versions(connection, tenant.number, documents).await?;
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

/// In the order of their ids, in which the primary key is walked, so that two that lock the same
/// leads never wait for each other. Another index would lock what it passes by.
async fn locked_leads(
    connection: &mut MySqlConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut leads = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new("SELECT ");
        sql.push(LEAD);
        sql.push(" FROM crm_leads FORCE INDEX (PRIMARY) WHERE tenant = ")
            .bind(tenant);
        sql.push(" AND id IN (").bind_ids(ids);
        sql.push(") ORDER BY id FOR UPDATE");
        for row in sql.fetch_all(connection).await? {
            leads.push(lead_from_row!(&row));
        }
    }
    Ok(leads)
}

/// Those of the leads that have a first event: they are there, or were.
async fn with_history(
    connection: &mut MySqlConnection,
    tenant: i64,
    ids: &[LeadId],
    lock: &str,
) -> Result<HashSet<LeadId>> {
    let mut found = HashSet::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut sql =
            Sql::new("SELECT `lead` FROM crm_events FORCE INDEX (PRIMARY) WHERE tenant = ");
        sql.bind(tenant).push(" AND version = 1 AND `lead` IN (");
        sql.bind_ids(ids).push(")").push(lock);
        for row in sql.fetch_all(connection).await? {
            found.insert(LeadId::from_bytes(id(row.try_get(0)?)?));
        }
    }
    Ok(found)
}

/// Those of the leads that are there.
pub(super) async fn there(
    connection: &mut MySqlConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<HashSet<LeadId>> {
    let mut found = HashSet::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new("SELECT id FROM crm_leads FORCE INDEX (PRIMARY) WHERE tenant = ");
        sql.bind(tenant).push(" AND id IN (");
        sql.bind_ids(ids).push(") LOCK IN SHARE MODE");
        for row in sql.fetch_all(connection).await? {
            found.insert(LeadId::from_bytes(id(row.try_get(0)?)?));
        }
    }
    Ok(found)
}

async fn document_versions(
    connection: &mut MySqlConnection,
    tenant: i64,
    mut keys: Vec<&DocumentKey>,
) -> Result<HashMap<DocumentKey, Version>> {
    keys.sort_unstable();
    let mut found = HashMap::new();
    for keys in keys.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new(
            "SELECT `key`, version FROM crm_documents FORCE INDEX (PRIMARY) WHERE tenant = ",
        );
        sql.bind(tenant).push(" AND `key` IN (");
        sql.bind_list(keys.iter().map(|key| key.as_str()));
        sql.push(") ORDER BY `key` FOR UPDATE");
        for row in sql.fetch_all(connection).await? {
            let key: &str = row.try_get(0)?;
            let key = key
                .parse()
                .map_err(|_| Error::Damaged("a document's key"))?;
            found.insert(key, Version::new(read(row.try_get(1)?)?));
        }
    }
    Ok(found)
}

/// How many leads are in each of these statuses, archived ones included. Nobody else commits
/// meanwhile, as the tenant is locked to edit.
async fn leads_in(
    connection: &mut MySqlConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<HashMap<LeadStatus, u64>> {
    let keys = counters_of(statuses);
    let mut sql = Sql::new("SELECT `key`, CAST(SUM(low) AS SIGNED) FROM (");
    for (table, union) in [("crm_counters", " UNION ALL "), ("crm_deltas", "")] {
        sql.push("(SELECT `key`, low FROM ").push(table);
        sql.push(" WHERE tenant = ").bind(tenant);
        sql.push(" AND `key` IN (");
        sql.bind_list(keys.iter().map(|key| key.as_bytes()));
        sql.push(") LOCK IN SHARE MODE)").push(union);
    }
    sql.push(") AS counted GROUP BY `key`");
    let mut found = HashMap::new();
    for row in sql.fetch_all(connection).await? {
        let counter = Counter::from_key(row.try_get(0)?);
        if let Some(status) = counter.and_then(|counter| counter.status) {
            *found.entry(status).or_default() += read(row.try_get(1)?)?;
        }
    }
    Ok(found)
}
