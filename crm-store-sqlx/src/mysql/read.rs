//! What is read by its id: leads, commits, documents.

use super::sql::IDS_AT_ONCE;
use crate::about;
use crate::error::Result;
use crate::lead_row::{LEAD, lead_from_row};
use crate::reading::Reading as _;
use crate::statement::Statement;
use crate::value::read;
use crm_core::event::CommitId;
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::repository::{Committed, Document, DocumentKey};
use sqlx::{MySqlConnection, Row as _};
use std::collections::HashMap;

pub(super) async fn get(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    ids: &[LeadId],
) -> Result<Vec<Lead>> {
    if let [id] = ids {
        return Ok(get_one(connection, tenant, *id)
            .await?
            .into_iter()
            .collect());
    }
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut sql = Statement::of(MySqlConnection::DIALECT, tenant);
        sql.push("SELECT ").push(LEAD).push(" FROM ");
        sql.by_index("crm_leads", "PRIMARY");
        sql.push(" WHERE tenant = ").tenant();
        sql.push(" AND id").is_among_ids(ids);
        for row in connection.rows(sql).await? {
            let lead = lead_from_row!(&row);
            found.insert(lead.id, lead);
        }
    }
    Ok(ids.iter().filter_map(|id| found.get(id)).cloned().collect())
}

async fn get_one(
    connection: &mut MySqlConnection,
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
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    commit: CommitId,
) -> Result<Option<Committed>> {
    let sql = "
        SELECT fingerprint, outcome
        FROM crm_commits
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND id = ?
    ";
    let found = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(commit.as_uuid().as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let done = about::committed(commit, row.try_get(0)?, row.try_get(1)?)?;
    Ok(Some(done))
}

pub(super) async fn document(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    key: &DocumentKey,
) -> Result<Option<Document>> {
    let sql = "
        SELECT version, bytes
        FROM crm_documents
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND `key` = ?
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
