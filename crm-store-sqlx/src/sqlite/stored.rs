//! What a commit reads, under the lock that it holds, before it writes.

use super::schema::{Versions, versions_sql};
use crate::about::{self, About, counters_of};
use crate::check::{Stored, removed};
use crate::error::Result;
use crate::lead_row::{LEAD, LEAD_COLUMNS, lead_from_row};
use crate::value::{id, read};
use crm_core::event::CommitId;
use crm_core::index::Counter;
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId, Version};
use crm_core::repository::{ChangeSet, Committed, DocumentKey, Fingerprint};
use futures_util::TryStreamExt as _;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use std::collections::{HashMap, HashSet};

/// A tenant at the moment of a commit.
pub(super) struct Tenant {
    /// Its number in all tables.
    pub(super) number: i64,
    pub(super) lifecycle: Option<Version>,
    /// The statuses in force, in order.
    pub(super) statuses: Vec<LeadStatus>,
    /// The outcome of the commit, if it was made before: its fingerprint, and its events.
    pub(super) done: Option<(Option<Fingerprint>, i64, i64)>,
    /// Those of the leads that the set changes that are there.
    leads: HashMap<LeadId, Lead>,
    /// Those of the leads that it creates that have a first event: they are there, or were.
    known: HashSet<LeadId>,
}

/// All that most commits ask for, asked at once.
pub(super) async fn tenant(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    changes: &ChangeSet,
) -> Result<Option<Tenant>> {
    let About {
        created, changed, ..
    } = About::of(changes);
    let mut query = QueryBuilder::<Sqlite>::new(concat!(
        "SELECT ",
        versions_sql!(),
        ",
            tenants.tenant,
            (SELECT max(version) FROM crm_lifecycles WHERE tenant = tenants.tenant),
            (
                SELECT json_group_array(slug)
                FROM (
                    SELECT slug FROM crm_statuses WHERE tenant = tenants.tenant ORDER BY position
                )
            ),
            commits.fingerprint,
            commits.first_event,
            commits.last_event
        FROM (SELECT 1)
        LEFT JOIN crm_tenants AS tenants ON tenants.name = ",
    ));
    query.push_bind(tenant.as_str()).push(
        " LEFT JOIN crm_commits AS commits ON commits.tenant = tenants.tenant AND commits.id = ",
    );
    query.push_bind(changes.commit().as_uuid().as_bytes().as_slice());
    if !changed.is_empty() {
        query.push(";\nSELECT ").push(LEAD);
        query.push(" FROM crm_leads WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ");
        query.push_bind(tenant.as_str()).push(") AND id IN (");
        push_ids(&mut query, &changed);
    }
    if !created.is_empty() {
        query.push(";\nSELECT lead FROM crm_events WHERE version = 1 AND tenant = ");
        query.push("(SELECT tenant FROM crm_tenants WHERE name = ");
        query.push_bind(tenant.as_str()).push(") AND lead IN (");
        push_ids(&mut query, &created);
    }
    let query = query.build().persistent(created.len() + changed.len() <= 1);
    let mut rows = query.fetch(connection);

    let found = rows.try_next().await?.ok_or(sqlx::Error::RowNotFound)?;
    Versions::read(&found)?.check()?;
    let Some(number) = found.try_get(3)? else {
        return Ok(None);
    };
    let lifecycle: Option<i64> = found.try_get(4)?;
    let statuses: Vec<String> = serde_json::from_str(found.try_get(5)?)?;
    let first: Option<i64> = found.try_get(7)?;
    let last: Option<i64> = found.try_get(8)?;
    let done = match first.zip(last) {
        Some((first, last)) => {
            let fingerprint: Option<&[u8]> = found.try_get(6)?;
            let fingerprint = fingerprint.map(id).transpose()?;
            Some((fingerprint.map(Fingerprint::from_bytes), first, last))
        }
        None => None,
    };
    let (mut leads, mut known) = (HashMap::new(), HashSet::new());
    while let Some(row) = rows.try_next().await? {
        if row.len() == LEAD_COLUMNS {
            let lead = lead_from_row!(&row);
            leads.insert(lead.id, lead);
        } else {
            known.insert(LeadId::from_bytes(id(row.try_get(0)?)?));
        }
    }
    Ok(Some(Tenant {
        number,
        lifecycle: lifecycle.map(read).transpose()?.map(Version::new),
        statuses: about::statuses(&statuses)?,
        done,
        leads,
        known,
    }))
}

/// What a commit did, by the numbers of its events.
pub(super) async fn outcome(
    connection: &mut SqliteConnection,
    tenant: i64,
    commit: CommitId,
    (fingerprint, first, last): (Option<Fingerprint>, i64, i64),
) -> Result<Committed> {
    let sql = "
        SELECT lead, version
        FROM crm_events
        WHERE tenant = ? AND number BETWEEN ? AND ?
        ORDER BY number
    ";
    let events = sqlx::query(sql)
        .bind(tenant)
        .bind(first)
        .bind(last)
        .fetch_all(connection)
        .await?;
    let mut leads = Vec::with_capacity(events.len());
    for event in events {
        let lead = LeadId::from_bytes(id(event.try_get(0)?)?);
        leads.push((lead, Version::new(read(event.try_get(1)?)?)));
    }
    Ok(Committed::new(commit, fingerprint, leads))
}

/// Everything else that the checks of a change set ask for.
pub(super) async fn stored(
    connection: &mut SqliteConnection,
    tenant: Tenant,
    changes: &ChangeSet,
) -> Result<Stored> {
    let About {
        changed, documents, ..
    } = About::of(changes);
    let Tenant {
        mut leads,
        mut known,
        ..
    } = tenant;
    let missing = changed.iter().filter(|id| !leads.contains_key(id));
    let missing: Vec<LeadId> = missing.copied().collect();
    if !missing.is_empty() {
        known.extend(with_history(connection, tenant.number, &missing).await?);
    }
    if !known.is_empty() {
        // Some were to be created that are there already: these are all that is looked at.
        let known: Vec<LeadId> = known.iter().copied().collect();
        for lead in leads_by_id(connection, tenant.number, &known).await? {
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

pub(super) async fn leads_by_id(
    connection: &mut SqliteConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    let mut query =
        QueryBuilder::<Sqlite>::new(format!("SELECT {LEAD} FROM crm_leads WHERE tenant = "));
    query.push_bind(tenant).push(" AND id IN (");
    push_ids(&mut query, ids);
    let rows = query.build().persistent(ids.len() == 1);
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok(lead_from_row!(row))).collect()
}

/// Those of the leads that have a first event: they are there, or were.
async fn with_history(
    connection: &mut SqliteConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<HashSet<LeadId>> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT lead FROM crm_events WHERE version = 1 AND tenant = ");
    query.push_bind(tenant).push(" AND lead IN (");
    push_ids(&mut query, ids);
    let rows = query.build().persistent(ids.len() == 1);
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(LeadId::from_bytes(id(row.try_get(0)?)?)))
        .collect()
}

/// Those of the leads that are there.
pub(super) async fn there(
    connection: &mut SqliteConnection,
    tenant: i64,
    ids: &[LeadId],
) -> Result<HashSet<LeadId>> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM crm_leads WHERE tenant = ");
    query.push_bind(tenant).push(" AND id IN (");
    push_ids(&mut query, ids);
    let rows = query.build().persistent(ids.len() == 1);
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(LeadId::from_bytes(id(row.try_get(0)?)?)))
        .collect()
}

pub(super) fn push_ids(query: &mut QueryBuilder<Sqlite>, ids: &[LeadId]) {
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.as_bytes().to_vec());
    }
    list.push_unseparated(")");
}

async fn document_versions(
    connection: &mut SqliteConnection,
    tenant: i64,
    keys: &[&DocumentKey],
) -> Result<HashMap<DocumentKey, Version>> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT key, version FROM crm_documents WHERE tenant = ");
    query.push_bind(tenant).push(" AND key IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind(key.as_str().to_owned());
    }
    list.push_unseparated(")");
    let rows = query.build().persistent(keys.len() == 1);
    let mut found = HashMap::new();
    for row in rows.fetch_all(connection).await? {
        let key: &str = row.try_get(0)?;
        let key = key
            .parse()
            .map_err(|_| crate::error::Error::Damaged("a document's key"))?;
        found.insert(key, Version::new(read(row.try_get(1)?)?));
    }
    Ok(found)
}

/// How many leads are in each of these statuses, archived ones included.
async fn leads_in(
    connection: &mut SqliteConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<HashMap<LeadStatus, u64>> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT key, low FROM crm_counters WHERE tenant = ");
    query.push_bind(tenant).push(" AND key IN (");
    let mut list = query.separated(", ");
    for key in counters_of(statuses) {
        list.push_bind(key.as_bytes().to_vec());
    }
    list.push_unseparated(")");
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut found = HashMap::new();
    for row in rows {
        let counter = Counter::from_key(row.try_get(0)?);
        if let Some(status) = counter.and_then(|counter| counter.status) {
            *found.entry(status).or_default() += read(row.try_get(1)?)?;
        }
    }
    Ok(found)
}
