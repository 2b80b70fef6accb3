//! Events: the history of a lead, and the feed of a tenant.

use crate::error::Result;
use crate::event_row::event_from_row;
use crate::value::{read, stored};
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::{LeadId, TenantId};
use crm_core::query::{Direction, Limit, Page};
use crm_core::repository::{EventPage, HistoryQuery, RepositoryError};
use sqlx::{Row as _, SqliteConnection};

pub(super) async fn history(
    connection: &mut SqliteConnection,
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

// A limit that is nothing but a parameter makes SQLite plan anew whenever it is bound.
const OLDEST_FIRST: &str = "
    SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND lead = ? AND version > ?
    ORDER BY version
    LIMIT ? + 0
";

const NEWEST_FIRST: &str = "
    SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user, to_user,
        reason, fields, changes
    FROM crm_events
    WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND lead = ? AND version < ?
    ORDER BY version DESC
    LIMIT ? + 0
";

/// There is one writer, so events are numbered in the order of their commits.
pub(super) async fn feed(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    after: Option<&EventCursor>,
    limit: Limit,
) -> Result<EventPage> {
    let done = after.map_or(Ok(0), |cursor| cursor.position(tenant));
    let done = done.map_err(RepositoryError::from)?;
    let sql = "
        SELECT lead, version, at, actor, commit_id, kind, from_status, to_status, from_user,
            to_user, reason, fields, changes, number
        FROM crm_events INDEXED BY crm_events_feed
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND number > ?
        ORDER BY number
        LIMIT ? + 0
    ";
    let rows = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(stored(done))
        .bind(i64::from(limit.get()))
        .fetch_all(connection)
        .await?;
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
