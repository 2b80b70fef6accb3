//! Events: the history of a lead, and the feed of a tenant.

use super::commit::BEGIN;
use super::sql::{IDS_AT_ONCE, Sql};
use super::tenant;
use crate::error::Result;
use crate::event_row::event_from_row;
use crate::value::{read, stored};
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::{LeadId, TenantId};
use crm_core::query::{Direction, Limit, Page};
use crm_core::repository::{EventPage, HistoryQuery, RepositoryError};
use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, MySqlConnection, Row as _};
use std::collections::{HashMap, HashSet};

pub(super) async fn history(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    lead: LeadId,
    query: &HistoryQuery,
) -> Result<Page<LeadEvent>> {
    let limit = query.page_limit()?;
    let after = query.position(tenant, lead)?;
    let (sql, from) = match query.direction() {
        Direction::Ascending => (
            OLDEST_FIRST,
            after.map_or(0, |version| stored(version.get())),
        ),
        Direction::Descending => (
            NEWEST_FIRST,
            after.map_or(i64::MAX, |version| stored(version.get())),
        ),
    };
    let rows = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(lead.as_bytes().to_vec())
        .bind(from)
        .bind(i64::from(limit.get()) + 1)
        .fetch_all(connection)
        .await?;
    let events = rows.iter().take(limit.as_usize());
    let events: Vec<LeadEvent> = events
        .map(|row| Ok(event_from_row!(row)))
        .collect::<Result<_>>()?;
    let last = events.last().filter(|_| rows.len() > limit.as_usize());
    let next = last.map(|last| query.cursor_after(tenant, lead, last.version));
    Ok(Page::new(events, next))
}

const OLDEST_FIRST: &str = "
    SELECT `lead`, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND `lead` = ? AND version > ?
    ORDER BY version
    LIMIT ?
";

const NEWEST_FIRST: &str = "
    SELECT `lead`, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND `lead` = ? AND version < ?
    ORDER BY version DESC
    LIMIT ?
";

/// The events after a cursor. Those that were committed since somebody read last are numbered
/// first: in the order of their numbers, which only grow, none that was committed late is ever
/// before one that was read.
pub(super) async fn feed(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    after: Option<&EventCursor>,
    limit: Limit,
) -> Result<EventPage> {
    let done = after.map_or(Ok(0), |cursor| cursor.position(tenant));
    let done = done.map_err(RepositoryError::from)?;
    let mut rows = numbered(connection, tenant, done, limit).await?;
    if rows.len() < limit.as_usize() && number(connection, tenant).await? {
        rows = numbered(connection, tenant, done, limit).await?;
    }
    let cursor = match rows.last() {
        Some(last) => Some(EventCursor::at(tenant, read(last.try_get(13)?)?)),
        None => after.copied(),
    };
    let events: Vec<LeadEvent> = rows
        .iter()
        .map(|row| Ok(event_from_row!(row)))
        .collect::<Result<_>>()?;
    Ok(EventPage::new(events, cursor))
}

async fn numbered(
    connection: &mut MySqlConnection,
    tenant: &TenantId,
    after: u64,
    limit: Limit,
) -> Result<Vec<MySqlRow>> {
    let sql = "
        SELECT `lead`, version, at, actor, commit_id, kind, from_status, to_status, from_user,
            to_user, reason, fields, changes, number
        FROM crm_events FORCE INDEX (crm_events_feed)
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND number > ?
        ORDER BY number
        LIMIT ?
    ";
    let rows = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(stored(after))
        .bind(i64::from(limit.get()))
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Numbers what was committed, and tells whether there was anything. Whoever does so holds the
/// feed's row to the end, so the numbers of one are all seen before any of the next.
///
/// Events are taken by their entries. Those of one lead were drawn while it was locked, so they are
/// in the order of its versions, and a later version is not there without the earlier.
///
/// Who deletes a lead holds its events until it commits. They are left for later, with whatever else
/// of that lead comes after one that is left; nothing else waits.
async fn number(connection: &mut MySqlConnection, tenant: &TenantId) -> Result<bool> {
    let Some(tenant) = tenant::number(connection, tenant).await? else {
        return Ok(false);
    };
    let sql = "
        SELECT entry FROM crm_events FORCE INDEX (crm_events_feed)
        WHERE tenant = ? AND number IS NULL
        LIMIT 1
    ";
    let new = sqlx::query(sql).bind(tenant);
    if new.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(false);
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    let sql = "SELECT last FROM crm_feeds WHERE tenant = ? FOR UPDATE";
    let last = sqlx::query_scalar::<_, i64>(sql).bind(tenant);
    if let Some(mut last) = last.fetch_optional(&mut *transaction).await? {
        // A statement of its own: it sees what others numbered and committed before.
        let entries = unnumbered(&mut transaction, tenant).await?;
        for entries in entries.chunks(IDS_AT_ONCE) {
            // `INTERVAL(entry, first, second, …)` is the place of the entry among them.
            let mut sql =
                Sql::new("UPDATE crm_events FORCE INDEX (crm_events_entry) SET number = ");
            sql.bind(last).push(" + INTERVAL(entry, ");
            sql.bind_list(entries.iter().copied());
            sql.push(") WHERE entry IN (");
            sql.bind_list(entries.iter().copied()).push(")");
            sql.execute(&mut transaction).await?;
            last += i64::try_from(entries.len()).unwrap_or(i64::MAX);
        }
        let sql = "UPDATE crm_feeds SET last = ? WHERE tenant = ?";
        let query = sqlx::query(sql).bind(last).bind(tenant);
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// As many as a page can hold.
const NUMBERED_AT_ONCE: i64 = 1_000;

/// The first entries without a number, in their order: those that nobody else holds, locked.
async fn unnumbered(connection: &mut MySqlConnection, tenant: i64) -> Result<Vec<i64>> {
    let sql = "
        SELECT entry, `lead` FROM crm_events FORCE INDEX (crm_events_feed)
        WHERE tenant = ? AND number IS NULL
        ORDER BY entry
        LIMIT ?
        FOR UPDATE SKIP LOCKED
    ";
    let free = sqlx::query(sql).bind(tenant).bind(NUMBERED_AT_ONCE);
    let free = entries(&free.fetch_all(&mut *connection).await?)?;
    let Some((last, _)) = free.last() else {
        return Ok(Vec::new());
    };
    // Without a lock. What is held comes before what is locked now in the order of commits, so it
    // is seen.
    let sql = "
        SELECT entry, `lead` FROM crm_events FORCE INDEX (crm_events_feed)
        WHERE tenant = ? AND number IS NULL AND entry < ?
        ORDER BY entry
    ";
    let known = sqlx::query(sql).bind(tenant).bind(last);
    let known = entries(&known.fetch_all(connection).await?)?;
    let taken: HashSet<i64> = free.iter().map(|(entry, _)| *entry).collect();
    let mut held: HashMap<Vec<u8>, i64> = HashMap::new();
    for (entry, lead) in known {
        if !taken.contains(&entry) {
            held.entry(lead).or_insert(entry);
        }
    }
    let is_first = |(entry, lead): &(i64, Vec<u8>)| held.get(lead).is_none_or(|held| entry < held);
    let free = free.into_iter().filter(is_first);
    Ok(free.map(|(entry, _)| entry).collect())
}

fn entries(rows: &[MySqlRow]) -> Result<Vec<(i64, Vec<u8>)>> {
    let entries = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    entries.collect()
}
