//! Folding what commits have added to the counters, so that these stay short to sum.

use super::commit::BEGIN;
use crate::error::Result;
use crm_core::lead::TenantId;
use sqlx::{Connection as _, PgConnection};

/// One commit of so many looks after the deltas.
const EVERY: u32 = 32;

/// The most deltas of one fold.
const MOST: i64 = 10_000;

/// Whether it is this commit's turn.
pub(super) fn is_due() -> bool {
    fastrand::u32(..EVERY) == 0
}

/// Moves deltas into the counters, unless somebody else is doing so: then there is nothing to wait
/// for. A total is the same before and after, and whoever sums sees one of the two.
pub(super) async fn fold(connection: &mut PgConnection, tenant: &TenantId) -> Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    fold_once(&mut transaction, tenant).await?;
    transaction.commit().await?;
    Ok(())
}

/// The same in a transaction of the application's, for those who commit in no other. Nobody else
/// folds until it ends, which delays totals by nothing. If it fails, it is as if never tried.
pub(super) async fn fold_in(connection: &mut PgConnection, tenant: &TenantId) -> Result<()> {
    let mut savepoint = connection.begin().await?;
    match fold_once(&mut savepoint, tenant).await {
        Ok(()) => savepoint.commit().await?,
        Err(_) => savepoint.rollback().await?,
    }
    Ok(())
}

async fn fold_once(connection: &mut PgConnection, tenant: &TenantId) -> Result<()> {
    let sql = "
        SELECT tenant FROM crm_folds
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1)
        FOR UPDATE SKIP LOCKED
    ";
    let mine: Option<i64> = sqlx::query_scalar(sql)
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(tenant) = mine {
        sqlx::query(FOLD)
            .bind(tenant)
            .bind(MOST)
            .execute(&mut *connection)
            .await?;
        let sql = "DELETE FROM crm_counters WHERE tenant = $1 AND high = 0 AND low = 0";
        let zeros = sqlx::query(sql).bind(tenant);
        zeros.execute(connection).await?;
    }
    Ok(())
}

// Both halves of a sum have its sign.
const FOLD: &str = "
    WITH gone AS (
        DELETE FROM crm_deltas
        WHERE tenant = $1 AND (key, entry) IN (
            SELECT key, entry FROM crm_deltas WHERE tenant = $1 LIMIT $2
        )
        RETURNING key, high, low
    ), sums AS (
        SELECT key, sum(high) * 1000000000000000000 + sum(low) AS by FROM gone GROUP BY key
    ), totals AS (
        SELECT
            sums.key,
            sums.by + coalesce(counters.high, 0) * 1000000000000000000::numeric
                + coalesce(counters.low, 0) AS total
        FROM sums
        LEFT JOIN crm_counters AS counters ON counters.tenant = $1 AND counters.key = sums.key
    )
    INSERT INTO crm_counters (tenant, key, high, low)
    SELECT
        $1,
        key,
        div(total, 1000000000000000000)::bigint,
        mod(total, 1000000000000000000)::bigint
    FROM totals
    ON CONFLICT (tenant, key) DO UPDATE SET high = excluded.high, low = excluded.low
";
