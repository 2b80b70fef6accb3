//! Tenants: their numbers, their list, and their end.

use super::commit::BEGIN;
use crate::error::{Error, Result};
use crm_core::lead::TenantId;
use crm_core::repository::TENANTS_PER_PAGE;
use sqlx::{Connection as _, PgConnection, Row as _};

/// Makes a tenant, unless somebody else just did.
///
/// Its feed begins where the entries of all tenants are now. None has a higher number, so a reader
/// of a tenant that was erased and began anew misses nothing.
pub(super) async fn insert(connection: &mut PgConnection, tenant: &TenantId) -> Result<()> {
    let sql = "
        WITH new AS (
            INSERT INTO crm_tenants (name) VALUES ($1) ON CONFLICT (name) DO NOTHING
            RETURNING tenant
        ), feed AS (
            INSERT INTO crm_feeds (tenant, last)
            SELECT tenant, nextval(pg_get_serial_sequence('crm_events', 'entry')) FROM new
        )
        INSERT INTO crm_folds (tenant) SELECT tenant FROM new
    ";
    let query = sqlx::query(sql).bind(tenant.as_str());
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn number(
    connection: &mut PgConnection,
    tenant: &TenantId,
) -> Result<Option<i64>> {
    let sql = "SELECT tenant FROM crm_tenants WHERE name = $1";
    let number = sqlx::query_scalar(sql).bind(tenant.as_str());
    Ok(number.fetch_optional(connection).await?)
}

pub(super) async fn list(
    connection: &mut PgConnection,
    after: Option<&TenantId>,
) -> Result<Vec<TenantId>> {
    let sql = "SELECT name FROM crm_tenants WHERE name > $1 ORDER BY name LIMIT $2";
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
/// Commits, the feed's readers and whoever folds are waited for, in the order in which they lock.
pub(super) async fn erase(connection: &mut PgConnection, tenant: &TenantId) -> Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let sql = "SELECT tenant FROM crm_tenants WHERE name = $1 FOR UPDATE";
    let number: Option<i64> = sqlx::query_scalar(sql)
        .bind(tenant.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(number) = number {
        for sql in ERASE {
            let query = sqlx::query(*sql).bind(number);
            query.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

const ERASE: &[&str] = &[
    "DELETE FROM crm_feeds       WHERE tenant = $1",
    "DELETE FROM crm_folds       WHERE tenant = $1",
    "DELETE FROM crm_words       WHERE tenant = $1",
    "DELETE FROM crm_tags        WHERE tenant = $1",
    "DELETE FROM crm_leads       WHERE tenant = $1",
    "DELETE FROM crm_counters    WHERE tenant = $1",
    "DELETE FROM crm_deltas      WHERE tenant = $1",
    "DELETE FROM crm_events      WHERE tenant = $1",
    "DELETE FROM crm_commits     WHERE tenant = $1",
    "DELETE FROM crm_documents   WHERE tenant = $1",
    "DELETE FROM crm_transitions WHERE tenant = $1",
    "DELETE FROM crm_statuses    WHERE tenant = $1",
    "DELETE FROM crm_lifecycles  WHERE tenant = $1",
    "DELETE FROM crm_tenants     WHERE tenant = $1",
];
