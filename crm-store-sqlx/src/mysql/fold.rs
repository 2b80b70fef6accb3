//! Folding what commits have added to the counters, so that these stay short to sum.

use super::commit::BEGIN;
use super::sql::Sql;
use super::tenant;
use super::write::insert;
use crate::effect::{halves, whole};
use crate::error::Result;
use crate::value::Value;
use crm_core::lead::TenantId;
use sqlx::{Connection as _, MySqlConnection, Row as _};
use std::collections::BTreeMap;

/// One call of so many looks after the deltas, be it a commit, a reading of totals or of the feed.
///
/// None does so in a transaction of the application's. In `REPEATABLE READ` it would fold deltas of
/// an old snapshot, which somebody else has folded since, or lock the gaps that all others append
/// to until that transaction ends; and nothing tells which level a transaction has. Those who commit
/// in no other have their deltas folded by who reads.
const EVERY: u32 = 32;

/// The most deltas of one fold.
const MOST: i64 = 10_000;

/// How many deltas or counters a statement names.
const AT_ONCE: usize = 500;

/// Whether it is this call's turn.
pub(super) fn is_due() -> bool {
    fastrand::u32(..EVERY) == 0
}

/// Moves deltas into the counters, unless somebody else is doing so: then there is nothing to wait
/// for. A total is the same before and after, and whoever sums sees one of the two.
pub(super) async fn fold(connection: &mut MySqlConnection, tenant: &TenantId) -> Result<()> {
    let Some(number) = tenant::number(connection, tenant).await? else {
        return Ok(());
    };
    let mut transaction = connection.begin_with(BEGIN).await?;
    let sql = "SELECT tenant FROM crm_folds WHERE tenant = ? FOR UPDATE SKIP LOCKED";
    let mine = sqlx::query(sql).bind(number);
    if !mine.fetch_all(&mut *transaction).await?.is_empty() {
        fold_some(&mut transaction, number).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Deltas are read without a lock, and only those are removed that were read: what others have
/// appended and not committed is neither seen nor waited for.
async fn fold_some(connection: &mut MySqlConnection, tenant: i64) -> Result<()> {
    let sql = "SELECT entry, `key`, high, low FROM crm_deltas WHERE tenant = ? LIMIT ?";
    let deltas = sqlx::query(sql).bind(tenant).bind(MOST);
    let mut entries: Vec<i64> = Vec::new();
    let mut totals: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
    for row in deltas.fetch_all(&mut *connection).await? {
        entries.push(row.try_get(0)?);
        *totals.entry(row.try_get(1)?).or_default() += whole(row.try_get(2)?, row.try_get(3)?);
    }
    entries.sort_unstable();

    let keys: Vec<Vec<u8>> = totals.keys().cloned().collect();
    for keys in keys.chunks(AT_ONCE) {
        let mut sql = Sql::new("SELECT `key`, high, low FROM crm_counters WHERE tenant = ");
        sql.bind(tenant).push(" AND `key` IN (");
        sql.bind_list(keys.iter().map(Vec::as_slice)).push(")");
        for row in sql.fetch_all(connection).await? {
            *totals.entry(row.try_get(0)?).or_default() += whole(row.try_get(1)?, row.try_get(2)?);
        }
    }

    let (zeros, totals): (Vec<_>, Vec<_>) = totals.into_iter().partition(|(_, total)| *total == 0);
    let rows = totals.iter().map(|(key, total)| {
        let (high, low) = halves(*total);
        [
            Value::Number(Some(tenant)),
            Value::bytes(Some(key)),
            Value::Number(Some(high)),
            Value::Number(Some(low)),
        ]
    });
    let before = "INSERT INTO crm_counters (tenant, `key`, high, low) VALUES ";
    let after = " ON DUPLICATE KEY UPDATE high = VALUES(high), low = VALUES(low)";
    insert(before, rows, after).execute(connection).await?;
    for zeros in zeros.chunks(AT_ONCE) {
        let mut sql =
            Sql::new("DELETE crm_counters FROM crm_counters FORCE INDEX (PRIMARY) WHERE tenant = ");
        sql.bind(tenant).push(" AND `key` IN (");
        sql.bind_list(zeros.iter().map(|(key, _)| key.as_slice()))
            .push(")");
        sql.execute(connection).await?;
    }
    for entries in entries.chunks(AT_ONCE) {
        let mut sql = Sql::new(
            "DELETE crm_deltas FROM crm_deltas FORCE INDEX (crm_deltas_entry) WHERE entry IN (",
        );
        sql.bind_list(entries.iter().copied()).push(")");
        sql.execute(connection).await?;
    }
    Ok(())
}
