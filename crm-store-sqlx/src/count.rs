//! How many leads a filter finds, and the counters that tell without looking at any.

use crate::effect::whole_of_sums;
use crate::error::Result;
use crate::plan::{Keys, Parts, WIDE, Way, ways};
use crate::reading::{Columns as _, Reading, row};
use crate::statement::{Dialect, Statement};
use crate::value::{Value, read};
use crm_core::index::{Counter, IndexKey, Measure, Shelf, counters_for};
use crm_core::lead::TenantId;
use crm_core::query::{Assignee, LeadFilter, Total, TotalCount};
use crm_core::repository::StatusTotals;
use std::collections::BTreeMap;

/// All that pass a filter, or up to a number of them.
pub(crate) async fn total<C: Reading>(
    connection: &mut C,
    tenant: &TenantId,
    filter: &LeadFilter,
    wanted: Total,
) -> Result<TotalCount> {
    let mut sql = Statement::of(C::DIALECT, tenant);
    if let Some(counters) = counters_for(filter) {
        push_counters(sql.push("SELECT "), &counters);
    } else {
        let way = narrowest(connection, tenant, filter).await?;
        match wanted {
            Total::UpTo(number) => {
                sql.push("SELECT count(*) FROM (SELECT 1 ");
                sql.leads_of(way, filter);
                sql.limit(number.saturating_add(1));
                sql.push(") AS matching");
            }
            _ => drop(sql.push("SELECT count(*) ").leads_of(way, filter)),
        }
    }
    let row = row(connection, sql).await?;
    Ok(bounded(wanted, read(row.some_number(0)?)?))
}

/// A number as it was asked for.
pub(crate) const fn bounded(wanted: Total, count: u64) -> TotalCount {
    match wanted {
        Total::UpTo(number) if count > number => TotalCount::more_than(number),
        _ => TotalCount::exact(count),
    }
}

/// The way with the fewest keys. There is one for every filter that the counters do not know.
async fn narrowest<C: Reading>(
    connection: &mut C,
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
pub(crate) async fn widths<C: Reading>(
    connection: &mut C,
    tenant: &TenantId,
    filter: &LeadFilter,
    own: Option<Way>,
    ways: &[Way],
) -> Result<(u64, Vec<u64>)> {
    let sql = widths_sql(C::DIALECT, tenant, filter, own, ways);
    let row = row(connection, sql).await?;
    let widths = (1..=ways.len()).map(|column| read(row.some_number(column)?));
    Ok((read(row.some_number(0)?)?, widths.collect::<Result<_>>()?))
}

pub(crate) fn widths_sql<'a>(
    dialect: &'static Dialect,
    tenant: &'a TenantId,
    filter: &'a LeadFilter,
    own: Option<Way>,
    ways: &[Way],
) -> Statement<'a> {
    let mut sql = Statement::of(dialect, tenant);
    let covers = own.map_or(Parts::NONE, |own| own.covers);
    push_counters(sql.push("SELECT "), &walked(filter, covers));
    for way in ways {
        sql.push(",\n(SELECT count(*) FROM (SELECT 1 ");
        sql.keys_of(*way, filter).limit(WIDE);
        sql.push(") AS keyed)");
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

/// The sum of counters of leads.
pub(crate) fn push_counters(sql: &mut Statement<'_>, counters: &[Counter]) {
    let keys = || {
        let keys = counters
            .iter()
            .map(|counter| counter.key().as_bytes().to_vec());
        keys.map(|key| Value::Bytes(Some(key.into())))
    };
    let Dialect {
        counters, number, ..
    } = *sql.dialect;
    sql.push("CAST(");
    for (place, table) in counters.iter().enumerate() {
        sql.push(if place > 0 { " + " } else { "" });
        sql.push("(SELECT coalesce(sum(low), 0) FROM ").push(table);
        sql.push(" WHERE tenant = ").tenant();
        sql.push(" AND ").push(table).push(".key").is_among(keys());
        sql.push(")");
    }
    sql.push(" AS ").push(number).push(")");
}

/// How many leads there are per status and what they are worth.
pub(crate) async fn per_status<C: Reading>(
    connection: &mut C,
    tenant: &TenantId,
    assignee: Option<&Assignee>,
) -> Result<Vec<StatusTotals>> {
    let (from, to) = Counter::per_status(Shelf::Active, assignee);
    let sql = sums_sql(Statement::of(C::DIALECT, tenant), |sql, table| {
        for (beyond, key) in [(" >= ", &from), (" < ", &to)] {
            sql.push(" AND ").push(table).push(".key").push(beyond);
            sql.bytes(key.as_bytes().to_vec());
        }
    });
    let sums = sums(connection, sql).await?;
    let sums = sums.into_iter();
    Ok(totals(sums.filter_map(|(key, sum)| {
        Some((Counter::from_key(key.as_bytes())?, sum))
    })))
}

/// All counters of a tenant that do not stand at zero.
pub(crate) async fn all<C: Reading>(
    connection: &mut C,
    tenant: i64,
) -> Result<BTreeMap<IndexKey, i128>> {
    let sql = sums_sql(Statement::about(C::DIALECT, tenant), |_, _| {});
    sums(connection, sql).await
}

/// What counters stand at, of all tables that hold a part of it.
fn sums_sql<'a>(
    mut sql: Statement<'a>,
    and_keys: impl Fn(&mut Statement<'a>, &str),
) -> Statement<'a> {
    let Dialect { counters, text, .. } = *sql.dialect;
    sql.push("SELECT counted.key");
    for half in ["high", "low"] {
        sql.push(", CAST(sum(").push(half).push(") AS ");
        sql.push(text).push(")");
    }
    sql.push("\nFROM (");
    for (place, table) in counters.iter().enumerate() {
        sql.push(if place > 0 { "\nUNION ALL\n" } else { "" });
        sql.push("SELECT ")
            .push(table)
            .push(".key, high, low FROM ");
        sql.push(table).push(" WHERE tenant = ").tenant();
        and_keys(&mut sql, table);
    }
    sql.push(") AS counted\nGROUP BY counted.key");
    sql
}

/// Those that do not stand at zero.
async fn sums<C: Reading>(
    connection: &mut C,
    sql: Statement<'_>,
) -> Result<BTreeMap<IndexKey, i128>> {
    let mut sums = BTreeMap::new();
    for row in connection.rows(sql).await? {
        let sum = whole_of_sums(row.some_text(1)?, row.some_text(2)?)?;
        if sum != 0 {
            sums.insert(IndexKey::from(row.some_bytes(0)?), sum);
        }
    }
    Ok(sums)
}

/// Totals of the statuses, from their counters.
fn totals(sums: impl Iterator<Item = (Counter, i128)>) -> Vec<StatusTotals> {
    let mut totals: BTreeMap<_, (u64, Vec<_>)> = BTreeMap::new();
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
        .map(|(status, (leads, values))| StatusTotals::new(status, leads, values))
        .collect()
}
