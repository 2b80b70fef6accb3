//! What is read by its id: leads, commits, documents.

use crate::error::Result;
use crate::lead_row::{LEAD, lead_from_row};
use crate::reading::Reading as _;
use crate::statement::Statement;
use crate::value::{id, read};
use crm_core::event::CommitId;
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::repository::{Committed, Document, DocumentKey, Fingerprint};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::collections::HashMap;

/// How many ids go into one statement.
const IDS: usize = 1_000;

pub(super) async fn get(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    if let [id] = ids {
        return Ok(get_one(connection, tenant, *id)
            .await?
            .into_iter()
            .collect());
    }
    if ids.len() <= IDS {
        return get_all(connection, tenant, ids).await;
    }
    // All of them as of one moment.
    let mut moment = connection.begin_with("BEGIN").await?;
    let found = get_all(&mut moment, tenant, ids).await?;
    moment.commit().await?;
    Ok(found)
}

async fn get_all(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let mut sql = Statement::of(SqliteConnection::DIALECT, tenant);
        sql.push("SELECT ").push(LEAD);
        sql.push(" FROM crm_leads WHERE tenant = ").tenant();
        sql.push(" AND id").is_among_ids(ids);
        for row in connection.rows(sql).await? {
            let lead = lead_from_row!(&row);
            found.insert(lead.id, lead);
        }
    }
    Ok(ids.iter().filter_map(|id| found.get(id)).cloned().collect())
}

async fn get_one(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    lead: LeadId,
) -> Result<Option<Lead>> {
    let sql = "
        SELECT id, version, status, assigned_to, source, created_at, updated_at,
            status_changed_at, archived_at, value_currency, value_minor, first_name, last_name,
            email, company, phone, tags, status_reason, notes, custom
        FROM crm_leads
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND id = ?
    ";
    let row = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(lead.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(lead_from_row!(&row))).transpose()
}

pub(super) async fn committed(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    commit: CommitId,
) -> Result<Option<Committed>> {
    let sql = "
        SELECT commits.fingerprint, events.lead, events.version
        FROM crm_commits AS commits
        LEFT JOIN crm_events AS events
            ON events.tenant = commits.tenant
            AND events.number BETWEEN commits.first_event AND commits.last_event
        WHERE commits.tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND commits.id = ?
        ORDER BY events.number
    ";
    let rows = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(commit.as_uuid().as_bytes().to_vec())
        .fetch_all(connection)
        .await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let fingerprint: Option<&[u8]> = first.try_get(0)?;
    let fingerprint = fingerprint.map(id).transpose()?;
    let mut leads = Vec::with_capacity(rows.len());
    for row in &rows {
        let lead: Option<&[u8]> = row.try_get(1)?;
        // A commit of documents has no events.
        if let Some(lead) = lead {
            let version = Version::new(read(row.try_get(2)?)?);
            leads.push((LeadId::from_bytes(id(lead)?), version));
        }
    }
    let fingerprint = fingerprint.map(Fingerprint::from_bytes);
    Ok(Some(Committed::new(commit, fingerprint, leads)))
}

pub(super) async fn document(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    key: &DocumentKey,
) -> Result<Option<Document>> {
    let sql = "
        SELECT version, bytes
        FROM crm_documents
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND key = ?
    ";
    let found = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(key.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let version = Version::new(read(row.try_get(0)?)?);
    Ok(Some(Document::new(key.clone(), version, row.try_get(1)?)?))
}
