//! Leads that have been in their status for too long.
//!
//! Each status has its own threshold, and its leads are indexed by when they entered it. So the
//! leads of all statuses, most overdue first, are a merge of one short range for each status, and
//! the next page goes on in each range where this one ended.

use crate::lead::{Invalid, Lead, LeadId, LeadStatus, Problems, TenantId, UserId};
use crate::lifecycle::Lifecycle;
use crate::query::{
    Assignee, Binding, Cursor, InvalidCursor, LeadFilter, LeadQuery, Limit, Page, Position, Sort,
    micros_key,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Which stuck leads, and which page of them.
///
/// ```
/// use crm_core::report::StuckQuery;
///
/// let query = StuckQuery::new().assigned_to("user_456").limit(20);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct StuckQuery {
    status: Option<String>,
    assigned_to: Option<String>,
    limit: Option<u32>,
    after: Option<Cursor>,
}

impl StuckQuery {
    /// All stuck leads, 50 a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those in this status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Only those of this user.
    #[must_use]
    pub fn assigned_to(mut self, user: impl Into<String>) -> Self {
        self.assigned_to = Some(user.into());
        self
    }

    /// How many a page: 1 to 1,000.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The page after the one that gave this cursor. All pages are as of the time of the first.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Begins a search within what `narrow` leaves of the leads asked for; `None` if that is
    /// nothing.
    pub(crate) fn start(
        &self,
        tenant: &TenantId,
        lifecycle: &Lifecycle,
        now: DateTime<Utc>,
        narrow: impl FnOnce(&LeadFilter) -> Option<LeadFilter>,
    ) -> Result<Option<StuckSearch>, StuckError> {
        let mut problems = Problems::default();
        let limit = problems.keep(self.limit.map_or(Ok(Limit::DEFAULT), Limit::new));
        let user = self.assigned_to.as_deref().and_then(|user| {
            let user = user.parse::<UserId>();
            problems.keep(user.map_err(|invalid| invalid.renamed("assigned_to")))
        });
        let status = self.status.as_deref().and_then(|status| {
            problems
                .keep(lifecycle.status(status))
                .map(|known| known.slug.clone())
        });
        problems.finish()?;
        let filter = LeadFilter {
            statuses: status.into_iter().collect(),
            assignee: user.map(Assignee::User),
            ..LeadFilter::default()
        };
        let Some(filter) = narrow(&filter) else {
            return Ok(None);
        };
        let assignee = match &filter.assignee {
            Some(Assignee::User(user)) => user.as_str(),
            _ => "",
        };
        let binding = Binding::new(
            "stuck",
            &[
                tenant.as_str().as_bytes(),
                &lifecycle.version().get().to_be_bytes(),
                self.status.as_deref().unwrap_or_default().as_bytes(),
                assignee.as_bytes(),
            ],
        );
        let place = match &self.after {
            None => None,
            Some(cursor) => Some(Place::read(cursor, binding)?),
        };
        Ok(Some(StuckSearch {
            tenant: tenant.clone(),
            lifecycle: lifecycle.clone(),
            as_of: place.as_ref().map_or(now, |place| place.as_of),
            limit: limit.unwrap_or_default(),
            filter,
            binding,
            place,
            found: Vec::new(),
            more: More::No,
        }))
    }
}

/// What was typed may be anything: it is not shown.
impl fmt::Debug for StuckQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StuckQuery")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A lead that has been in its status for as long as the status's threshold, or longer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StuckLead {
    /// The lead.
    pub lead: Lead,
    /// When it reached the threshold: when it entered its status, and the threshold later.
    pub due_at: DateTime<Utc>,
    /// For how long it has been overdue, in whole seconds.
    pub overdue_seconds: i64,
}

impl StuckLead {
    /// For how long the lead has been overdue.
    #[must_use]
    pub fn overdue(&self) -> TimeDelta {
        TimeDelta::seconds(self.overdue_seconds)
    }
}

/// Why a search could not start.
#[derive(Debug)]
pub(crate) enum StuckError {
    Invalid(Invalid),
    Cursor(InvalidCursor),
}

impl From<Invalid> for StuckError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<InvalidCursor> for StuckError {
    fn from(invalid: InvalidCursor) -> Self {
        Self::Cursor(invalid)
    }
}

/// The last lead of a page: as of when, due when, which one.
#[derive(Debug, Clone)]
struct Place {
    as_of: DateTime<Utc>,
    due_at: DateTime<Utc>,
    id: LeadId,
}

impl Place {
    fn read(cursor: &Cursor, binding: Binding) -> Result<Self, InvalidCursor> {
        let bytes = cursor.open(binding)?;
        let read = || {
            let (as_of, rest) = bytes.split_first_chunk::<8>()?;
            let (due_at, id) = rest.split_first_chunk::<8>()?;
            let time =
                |bytes: &[u8; 8]| DateTime::from_timestamp_micros(i64::from_be_bytes(*bytes));
            let id = LeadId::from_bytes(id.try_into().ok()?);
            Some(Self {
                as_of: time(as_of)?,
                due_at: time(due_at)?,
                id,
            })
        };
        read().ok_or(InvalidCursor::Malformed)
    }

    fn write(&self, binding: Binding) -> Cursor {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend(self.as_of.timestamp_micros().to_be_bytes());
        bytes.extend(self.due_at.timestamp_micros().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        Cursor::seal(binding, &bytes)
    }
}

/// A page of stuck leads being put together.
#[derive(Debug)]
pub(crate) struct StuckSearch {
    tenant: TenantId,
    lifecycle: Lifecycle,
    as_of: DateTime<Utc>,
    limit: Limit,
    filter: LeadFilter,
    binding: Binding,
    place: Option<Place>,
    found: Vec<StuckLead>,
    more: More,
}

/// Whether a range has more leads than were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

/// The stuck leads of one status.
#[derive(Debug)]
pub(crate) struct StuckPart {
    pub(crate) query: LeadQuery,
    threshold: TimeDelta,
}

impl StuckSearch {
    /// One query for each status that has a threshold.
    pub(crate) fn parts(&self) -> Vec<StuckPart> {
        let wanted = &self.filter.statuses;
        let statuses = self.lifecycle.statuses().iter();
        statuses
            .filter(|status| wanted.is_empty() || wanted.contains(&status.slug))
            .filter_map(|status| self.part(&status.slug, status.stuck_after?))
            .collect()
    }

    fn part(&self, status: &LeadStatus, threshold: TimeDelta) -> Option<StuckPart> {
        let mut filter = self.filter.clone();
        filter.statuses = BTreeSet::from([status.clone()]);
        filter.in_status_since = Some(self.as_of.checked_sub_signed(threshold)?);
        let sort = Sort::status_changed().ascending();
        let mut query = LeadQuery::from(filter).sort(sort).limit(self.limit.get());
        if let Some(place) = &self.place {
            let entered = place.due_at.checked_sub_signed(threshold)?;
            let key = Some(micros_key(entered.timestamp_micros()).to_vec());
            let position = Position { key, id: place.id };
            let cursor = query.cursor_at(&self.tenant, &[], &position);
            query = query.after(cursor);
        }
        Some(StuckPart { query, threshold })
    }

    pub(crate) fn take(&mut self, part: &StuckPart, page: Page<Lead>) {
        if page.next.is_some() {
            self.more = More::Yes;
        }
        for lead in page.items {
            let Some(due_at) = lead.status_changed_at.checked_add_signed(part.threshold) else {
                continue;
            };
            let overdue_seconds = (self.as_of - due_at).num_seconds();
            self.found.push(StuckLead {
                lead,
                due_at,
                overdue_seconds,
            });
        }
    }

    pub(crate) fn finish(mut self) -> Page<StuckLead> {
        self.found
            .sort_by_key(|stuck| (stuck.due_at, stuck.lead.id));
        let limit = self.limit.as_usize();
        if self.found.len() > limit {
            self.more = More::Yes;
        }
        self.found.truncate(limit);
        let next = match (self.more, self.found.last()) {
            (More::Yes, Some(last)) => {
                let place = Place {
                    as_of: self.as_of,
                    due_at: last.due_at,
                    id: last.lead.id,
                };
                Some(place.write(self.binding))
            }
            _ => None,
        };
        Page::new(self.found, next)
    }
}
