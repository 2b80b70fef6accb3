//! Tenants: their numbers, their list, and their end.

use super::commit::BEGIN;
use super::is_twice;
use crate::error::{Error, Result};
use crm_core::lead::TenantId;
use crm_core::repository::TENANTS_PER_PAGE;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _};

/// Makes a tenant, unless somebody else just did.
///
/// Its feed begins where the feeds of erased tenants ended, so a reader of a tenant that was erased
/// and began anew misses nothing.
pub(super) async fn insert(connection: &mut MySqlConnection, tenant: &TenantId) -> Result<()> {
    let sql = "INSERT INTO crm_tenants (name, statuses) VALUES (?, '[]')";
    let made = sqlx::query(sql)
        .bind(tenant.as_str())
        .execute(&mut *connection)
        .await;
    let number = match made {
        Ok(made) => made.last_insert_id(),
        Err(error) if is_twice(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let sql = "
        INSERT INTO crm_feeds (tenant, last)
        SELECT ?, COALESCE(MAX(value), 0) FROM crm_meta WHERE name = 'feeds'
    ";
    let query = sqlx::query(sql).bind(number);
    query.execute(&mut *connection).await?;
    let sql = "INSERT INTO crm_folds (tenant) VALUES (?)";
    let query = sqlx::query(sql).bind(number);
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn number(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
) -> Result<Option<i64>> {
    let sql = "SELECT tenant FROM crm_tenants WHERE name = ?";
    let number = sqlx::query_scalar(sql).bind(tenant.as_str());
    Ok(number.fetch_optional(connection).await?)
}

pub(super) async fn list(
    connection: &mut MySqlConnection,
    after: Option<&TenantId>,
) -> Result<Vec<TenantId>> {
    let sql = "SELECT name FROM crm_tenants WHERE name > ? ORDER BY name LIMIT ?";
    let rows = sqlx::query(sql)
        .bind(after.map_or("", TenantId::as_str))
        .bind(i64::try_from(TENANTS_PER_PAGE).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let name: &str = row.try_get_unchecked(0)?;
            name.parse().map_err(|_| Error::Damaged("a tenant's name"))
        })
        .collect()
}

/// Removes everything of a tenant. Leads go before the statuses they are in, the tenant last.
/// Commits, the feed's readers and whoever folds are waited for, in the order in which they lock.
pub(super) async fn erase(connection: &mut MySqlConnection, tenant: &TenantId) -> Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let sql = "SELECT tenant FROM crm_tenants WHERE name = ? FOR UPDATE";
    let number = sqlx::query_scalar::<_, i64>(sql).bind(tenant.as_str());
    if let Some(number) = number.fetch_optional(&mut *transaction).await? {
        let sql = "SELECT last FROM crm_feeds WHERE tenant = ? FOR UPDATE";
        let last = sqlx::query_scalar::<_, i64>(sql).bind(number);
        let last = last.fetch_optional(&mut *transaction).await?;
        let sql = "
            INSERT INTO crm_meta (name, value) VALUES ('feeds', ?)
            ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))
        ";
        let query = sqlx::query(sql).bind(last.unwrap_or_default());
        query.execute(&mut *transaction).await?;
        for table in TABLES {
            // By the key: a walk over all rows would wait for other tenants.
            let sql = format!(
                "DELETE {table} FROM {table} FORCE INDEX (PRIMARY) WHERE {table}.tenant = ?"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(number);
            query.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

const TABLES: &[&str] = &[
    "crm_feeds",
    "crm_folds",
    "crm_words",
    "crm_tags",
    "crm_leads",
    "crm_counters",
    "crm_deltas",
    "crm_events",
    "crm_commits",
    "crm_documents",
    "crm_transitions",
    "crm_statuses",
    "crm_lifecycles",
    "crm_tenants",
];
