//! Tenants: their numbers, their list, and their end.

use crate::error::{Error, Result};
use crm_core::lead::TenantId;
use crm_core::repository::TENANTS_PER_PAGE;
use sqlx::{Connection as _, Row as _, SqliteConnection};

pub(super) async fn insert(connection: &mut SqliteConnection, tenant: &TenantId) -> Result<i64> {
    let sql = "INSERT INTO crm_tenants (name) VALUES (?) RETURNING tenant";
    let number = sqlx::query_scalar(sql).bind(tenant.as_str());
    Ok(number.fetch_one(connection).await?)
}

pub(super) async fn number(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<Option<i64>> {
    let sql = "SELECT tenant FROM crm_tenants WHERE name = ?";
    let number = sqlx::query_scalar(sql).bind(tenant.as_str());
    Ok(number.fetch_optional(connection).await?)
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    after: Option<&TenantId>,
) -> Result<Vec<TenantId>> {
    let sql = "SELECT name FROM crm_tenants WHERE name > ? ORDER BY name LIMIT ? + 0";
    let rows = sqlx::query(sql)
        .bind(after.map_or("", TenantId::as_str))
        .bind(i64::try_from(TENANTS_PER_PAGE).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let name: &str = row.try_get(0)?;
            name.parse().map_err(|_| Error::Damaged("a tenant's name"))
        })
        .collect()
}

/// Removes everything of a tenant. Leads go before the statuses they are in, the tenant last.
pub(super) async fn erase(connection: &mut SqliteConnection, tenant: &TenantId) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    super::schema::check_versions(&mut transaction).await?;
    if let Some(number) = number(&mut transaction, tenant).await? {
        let sql = "
            DELETE FROM crm_words       WHERE tenant = ?1;
            DELETE FROM crm_tags        WHERE tenant = ?1;
            DELETE FROM crm_leads       WHERE tenant = ?1;
            DELETE FROM crm_counters    WHERE tenant = ?1;
            DELETE FROM crm_events      WHERE tenant = ?1;
            DELETE FROM crm_commits     WHERE tenant = ?1;
            DELETE FROM crm_documents   WHERE tenant = ?1;
            DELETE FROM crm_transitions WHERE tenant = ?1;
            DELETE FROM crm_statuses    WHERE tenant = ?1;
            DELETE FROM crm_lifecycles  WHERE tenant = ?1;
            DELETE FROM crm_tenants     WHERE tenant = ?1;
        ";
        sqlx::query(sql)
            .bind(number)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}
