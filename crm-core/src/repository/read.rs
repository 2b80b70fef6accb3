//! What is read beside leads: history, feed, totals.

use crate::event::{EventCursor, LeadEvent};
use crate::lead::{Currency, Invalid, LeadId, LeadStatus, TenantId, UserId, Version};
use crate::query::{Binding, Cursor, Direction, InvalidCursor, Limit};
use serde::Serialize;

/// Which events of one lead: a page of its timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery {
    direction: Direction,
    limit: Option<u32>,
    after: Option<Cursor>,
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self {
            direction: Direction::Ascending,
            limit: None,
            after: None,
        }
    }
}

impl HistoryQuery {
    /// The first events of a lead, oldest first, 50 a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Newest first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.direction = Direction::Descending;
        self
    }

    /// How many a page: 1 to 1,000.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The page after the one that gave this cursor.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Oldest first is ascending.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// How many a page.
    ///
    /// # Errors
    ///
    /// A limit that is not between 1 and 1,000.
    pub fn page_limit(&self) -> Result<Limit, Invalid> {
        self.limit.map_or(Ok(Limit::DEFAULT), Limit::new)
    }

    /// The version of the last event of the page before, if this is not the first page.
    ///
    /// # Errors
    ///
    /// A cursor that is damaged, or of another lead, tenant or direction.
    pub fn position(
        &self,
        tenant: &TenantId,
        lead: LeadId,
    ) -> Result<Option<Version>, InvalidCursor> {
        let Some(cursor) = &self.after else {
            return Ok(None);
        };
        let bytes = cursor.open(self.binding(tenant, lead))?;
        let number = <[u8; 8]>::try_from(bytes).map_err(|_| InvalidCursor::Malformed)?;
        Ok(Some(Version::new(u64::from_be_bytes(number))))
    }

    /// The cursor of the page that follows the event of this version.
    #[must_use]
    pub fn cursor_after(&self, tenant: &TenantId, lead: LeadId, last: Version) -> Cursor {
        Cursor::seal(self.binding(tenant, lead), &last.get().to_be_bytes())
    }

    fn binding(&self, tenant: &TenantId, lead: LeadId) -> Binding {
        let direction: &[u8] = match self.direction {
            Direction::Ascending => b"ascending",
            Direction::Descending => b"descending",
        };
        Binding::new(
            "history",
            &[tenant.as_str().as_bytes(), lead.as_bytes(), direction],
        )
    }
}

/// A piece of the change feed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventPage {
    /// The events, in the feed's order.
    pub events: Vec<LeadEvent>,
    /// Where to go on from: after the last of these events, or the cursor asked with if there are
    /// none. `None` only if nothing has ever happened.
    pub cursor: Option<EventCursor>,
}

impl EventPage {
    /// A piece of the feed.
    #[must_use]
    pub const fn new(events: Vec<LeadEvent>, cursor: Option<EventCursor>) -> Self {
        Self { events, cursor }
    }
}

/// A question whose answer is numbers.
///
/// Growing: a backend answers [`Unsupported`](crate::repository::RepositoryErrorKind::Unsupported)
/// to one that it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aggregate {
    /// How many active leads are in each status, and what they are worth.
    StatusTotals {
        /// Only the leads of this user.
        assigned_to: Option<UserId>,
    },
}

/// The answer to an [`Aggregate`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aggregated {
    /// One entry for each status that has leads, by slug.
    StatusTotals(Vec<StatusTotals>),
}

/// The active leads of one status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusTotals {
    /// The status.
    pub status: LeadStatus,
    /// How many leads.
    pub leads: u64,
    /// What they are worth, in minor units, one entry for each currency, by code.
    pub values: Vec<(Currency, i128)>,
}

impl StatusTotals {
    /// The totals of a status.
    #[must_use]
    pub const fn new(status: LeadStatus, leads: u64, values: Vec<(Currency, i128)>) -> Self {
        Self {
            status,
            leads,
            values,
        }
    }
}

/// How many tenants [`Repository::tenants`](crate::repository::Repository::tenants) gives at once.
pub const TENANTS_PER_PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_cursor_belongs_to_its_lead_tenant_and_direction() {
        let lead = LeadId::from_bytes([1; 16]);
        let other = LeadId::from_bytes([2; 16]);
        let tenant = TenantId::DEFAULT;
        let acme: TenantId = "acme".parse().unwrap();
        let cursor = HistoryQuery::new().cursor_after(&tenant, lead, Version::new(3));
        let query = HistoryQuery::new().after(cursor);
        assert_eq!(
            query.position(&tenant, lead).unwrap(),
            Some(Version::new(3))
        );
        assert!(query.position(&tenant, other).is_err());
        assert!(query.position(&acme, lead).is_err());
        assert!(query.newest_first().position(&tenant, lead).is_err());
    }
}
