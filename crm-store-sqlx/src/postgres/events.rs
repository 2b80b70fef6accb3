//! Events: the history of a lead, and the feed of a tenant.

use super::commit::BEGIN;
use crate::error::Result;
use crate::event_row::event_from_row;
use crate::value::{read, stored};
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::{LeadId, TenantId};
use crm_core::query::{Direction, Limit, Page};
use crm_core::repository::{EventPage, HistoryQuery, RepositoryError};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row as _};

pub(super) async fn history(
    connection: &mut PgConnection,
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
    SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND lead = $2 AND version > $3
    ORDER BY version
    LIMIT $4
";

const NEWEST_FIRST: &str = "
    SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND lead = $2 AND version < $3
    ORDER BY version DESC
    LIMIT $4
";

/// The events after a cursor. Those that were committed since somebody read last are numbered
/// first: in the order of their numbers, which only grow, none that was committed late is ever
/// before one that was read.
pub(super) async fn feed(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    tenant: &TenantId,
    after: u64,
    limit: Limit,
) -> Result<Vec<PgRow>> {
    let sql = "
        SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user,
            to_user, reason, fields, changes, number
        FROM crm_events
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND number > $2
        ORDER BY number
        LIMIT $3
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
async fn number(connection: &mut PgConnection, tenant: &TenantId) -> Result<bool> {
    let sql = "
        SELECT EXISTS (
            SELECT FROM crm_events
            WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND number IS NULL
        )
    ";
    let is_new = sqlx::query_scalar(sql).bind(tenant.as_str());
    if !is_new.fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    let sql = "
        SELECT tenant, last FROM crm_feeds
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1)
        FOR UPDATE
    ";
    let feed = sqlx::query(sql).bind(tenant.as_str());
    if let Some(feed) = feed.fetch_optional(&mut *transaction).await? {
        // A statement of its own: it sees what others numbered and committed before.
        sqlx::query(NUMBER)
            .bind(feed.try_get::<i64, _>(0)?)
            .bind(feed.try_get::<i64, _>(1)?)
            .bind(NUMBERED_AT_ONCE)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// As many as a page can hold.
const NUMBERED_AT_ONCE: i64 = 1_000;

const NUMBER: &str = "
    WITH free AS MATERIALIZED (
        SELECT lead, version, entry
        FROM crm_events
        WHERE tenant = $1 AND number IS NULL
        ORDER BY entry
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ), held AS (
        SELECT lead, min(entry) AS entry
        FROM crm_events
        WHERE tenant = $1 AND number IS NULL
            AND entry < (SELECT max(entry) FROM free)
            AND entry NOT IN (SELECT entry FROM free)
        GROUP BY lead
    ), new AS (
        SELECT lead, version, row_number() OVER (ORDER BY free.entry) AS place
        FROM free
        LEFT JOIN held USING (lead)
        WHERE held.entry IS NULL OR free.entry < held.entry
    ), numbered AS (
        UPDATE crm_events SET number = $2 + new.place
        FROM new
        WHERE crm_events.tenant = $1
            AND crm_events.lead = new.lead
            AND crm_events.version = new.version
        RETURNING 1
    )
    UPDATE crm_feeds SET last = $2 + (SELECT count(*) FROM numbered) WHERE tenant = $1
";
