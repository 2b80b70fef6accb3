//! How many leads a filter finds.

use super::sql::{Sql, TENANT};
use crate::effect::WHOLE;
use crate::error::{Error, Result};
use crate::plan::{Keys, Parts, WIDE, Way, ways};
use crate::value::read;
use crm_core::index::{Counter, Measure, Shelf, counters_for};
use crm_core::lead::TenantId;
use crm_core::query::{Assignee, LeadFilter, Total, TotalCount};
use sqlx::{PgConnection, Row as _};

/// All that pass a filter, or up to a number of them.
pub(super) async fn total(
    connection: &mut PgConnection,
    tenant: &TenantId,
    filter: &LeadFilter,
    wanted: Total,
) -> Result<TotalCount> {
    let mut sql = Sql::of(tenant);
    if let Some(counters) = counters_for(filter) {
        sql.push("SELECT ");
        push_counters(&mut sql, &counters);
    } else {
        let way = narrowest(connection, tenant, filter).await?;
        match wanted {
            Total::UpTo(number) => {
                sql.push("SELECT count(*) FROM (SELECT 1 ")
                    .push_leads(way, filter);
                let most = number.saturating_add(1).min(MOST);
                sql.push(" LIMIT ").push(&most.to_string());
                sql.push(") AS matching");
            }
            _ => {
                sql.push("SELECT count(*) ").push_leads(way, filter);
            }
        }
    }
    let row = sql.fetch_one(connection).await?;
    Ok(bounded(wanted, read(row.try_get(0)?)?))
}

/// The largest number that PostgreSQL takes for a limit.
const MOST: u64 = i64::MAX.unsigned_abs();

/// A number as it was asked for.
pub(super) const fn bounded(wanted: Total, count: u64) -> TotalCount {
    match wanted {
        Total::UpTo(number) if count > number => TotalCount::more_than(number),
        _ => TotalCount::exact(count),
    }
}

/// The way with the fewest keys. There is one for every filter that the counters do not know.
async fn narrowest(
    connection: &mut PgConnection,
    tenant: &TenantId,
    filter: &LeadFilter,
) -> Result<Way> {
    let parts = Parts::of(filter);
    let ways = ways(filter, parts);
    let all = Way {
        keys: Keys::Index("crm_leads_created"),
        covers: Parts::NONE,
    };
    match ways.iter().find(|way| way.covers.contains(parts)) {
        Some(exact) => Ok(*exact),
        None => {
            let (_, widths) = widths(connection, tenant, filter, None, &ways).await?;
            let narrowest = ways.iter().zip(widths).min_by_key(|(_, width)| *width);
            Ok(narrowest.map_or(all, |(way, _)| *way))
        }
    }
}

/// How many leads a list walks through at most, and how many keys each way has, up to [`WIDE`].
pub(super) async fn widths(
    connection: &mut PgConnection,
    tenant: &TenantId,
    filter: &LeadFilter,
    own: Option<Way>,
    ways: &[Way],
) -> Result<(u64, Vec<u64>)> {
    let sql = widths_sql(tenant, filter, own, ways);
    let row = sql.fetch_one(connection).await?;
    let widths = (1..=ways.len()).map(|column| read(row.try_get(column)?));
    Ok((read(row.try_get(0)?)?, widths.collect::<Result<_>>()?))
}

pub(super) fn widths_sql(
    tenant: &TenantId,
    filter: &LeadFilter,
    own: Option<Way>,
    ways: &[Way],
) -> Sql {
    let mut sql = Sql::of(tenant);
    sql.push("SELECT ");
    let covers = own.map_or(Parts::NONE, |own| own.covers);
    push_counters(&mut sql, &walked(filter, covers));
    for way in ways {
        sql.push(",\n(SELECT count(*) FROM (SELECT 1 ")
            .push_keys(*way, filter);
        sql.push(" LIMIT ")
            .push(&WIDE.to_string())
            .push(") AS keys)");
    }
    sql
}

/// The counters of all the leads that an index holds.
fn walked(filter: &LeadFilter, covers: Parts) -> Vec<Counter> {
    let mut counted = LeadFilter::default();
    counted.archived = filter.archived;
    if covers.contains(Parts::STATUS) {
        counted.statuses.clone_from(&filter.statuses);
    }
    if covers.contains(Parts::ASSIGNEE) {
        counted.assignee.clone_from(&filter.assignee);
    }
    counters_for(&counted).unwrap_or_default()
}

/// The sum of counters of leads, in brackets: of what was folded and what was not yet.
pub(super) fn push_counters(sql: &mut Sql, counters: &[Counter]) {
    let keys: Vec<Vec<u8>> = counters
        .iter()
        .map(|counter| counter.key().as_bytes().to_vec())
        .collect();
    sql.push("(SELECT coalesce(sum(low), 0)::bigint FROM (");
    for (place, table) in ["crm_counters", "crm_deltas"].iter().enumerate() {
        sql.push(if place > 0 { " UNION ALL " } else { "" });
        sql.push("SELECT low FROM ").push(table);
        sql.push(" WHERE tenant = ").push(TENANT);
        sql.push(" AND key = ANY(").bind(keys.clone()).push(")");
    }
    sql.push(") AS counted)");
}

/// How many leads there are per status and what they are worth: the counters' keys, and their
/// halves.
pub(super) async fn per_status(
    connection: &mut PgConnection,
    tenant: &TenantId,
    assignee: Option<&Assignee>,
) -> Result<Vec<(Counter, i128)>> {
    let sql = "
        SELECT key, sum(high)::text, sum(low)::text
        FROM (
            SELECT key, high, low FROM crm_counters
            WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1)
                AND key >= $2 AND key < $3
            UNION ALL
            SELECT key, high, low FROM crm_deltas
            WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1)
                AND key >= $2 AND key < $3
        ) AS counted
        GROUP BY key
        ORDER BY key
    ";
    let (from, to) = Counter::per_status(Shelf::Active, assignee);
    let rows = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(from.as_bytes())
        .bind(to.as_bytes())
        .fetch_all(connection)
        .await?;
    let mut sums = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(counter) = Counter::from_key(row.try_get(0)?) {
            let sum = whole(row.try_get(1)?, row.try_get(2)?)?;
            if sum != 0 {
                sums.push((counter, sum));
            }
        }
    }
    Ok(sums)
}

/// The number that two sums of halves stand for, which may each be more than fits a column.
pub(super) fn whole(high: &str, low: &str) -> Result<i128> {
    let parsed = |half: &str| half.parse().map_err(|_| Error::Damaged("a counter"));
    let (high, low): (i128, i128) = (parsed(high)?, parsed(low)?);
    let whole = high
        .checked_mul(WHOLE)
        .and_then(|high| high.checked_add(low));
    whole.ok_or(Error::Damaged("a counter"))
}

/// Totals of the statuses, from their counters.
pub(super) fn totals(sums: Vec<(Counter, i128)>) -> Vec<crm_core::repository::StatusTotals> {
    let mut totals: std::collections::BTreeMap<_, (u64, Vec<_>)> =
        std::collections::BTreeMap::new();
    for (counter, sum) in sums {
        let Some(status) = counter.status else {
            continue;
        };
        let (leads, values) = totals.entry(status).or_default();
        match counter.measure {
            Measure::Leads => *leads = u64::try_from(sum).unwrap_or(0),
            Measure::Value(currency) => values.push((currency, sum)),
            _ => {}
        }
    }
    totals
        .into_iter()
        .map(|(status, (leads, values))| {
            crm_core::repository::StatusTotals::new(status, leads, values)
        })
        .collect()
}
