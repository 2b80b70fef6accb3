//! What is kept of one tenant, and how it is read.
//!
//! `record` makes the bytes. Beside the leads stand the keys that find them and the numbers that
//! count them; core reads these through the few methods of `IndexReader`.

use crate::Answer;
use crm_kit::event::{CommitId, EventCursor};
use crm_kit::index::{self, Counter, FindError, IndexKey, IndexReader, Measure, Shelf};
use crm_kit::lead::Currency;
use crm_kit::prelude::*;
use crm_kit::query::{Assignee, Direction, Limit};
use crm_kit::record::{self, RecordError};
use crm_kit::repository::{
    Committed, Document, DocumentKey, EventPage, RepositoryError, RepositoryErrorKind as Kind,
    StatusTotals,
};
use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::ops::Bound;

/// Everything of one tenant.
#[derive(Default)]
pub(crate) struct Tenant {
    pub(crate) leads: BTreeMap<LeadId, Vec<u8>>,
    pub(crate) keys: BTreeSet<IndexKey>,
    pub(crate) counters: BTreeMap<IndexKey, i128>,
    /// Every event by its place, in the order of the commits, from 1: a cursor is a place.
    pub(crate) feed: BTreeMap<u64, Vec<u8>>,
    /// Where in the feed the events of a lead are. Deleted leads stay here.
    pub(crate) histories: BTreeMap<LeadId, Vec<u64>>,
    pub(crate) commits: BTreeMap<CommitId, Vec<u8>>,
    pub(crate) lifecycles: BTreeMap<Version, Lifecycle>,
    pub(crate) documents: BTreeMap<DocumentKey, Document>,
}

/// A storage converts its own errors once.
fn damaged(error: RecordError) -> RepositoryError {
    RepositoryError::with_source(Kind::Corrupt { what: "a record" }, error)
}

impl Tenant {
    pub(crate) fn committed(&self, commit: CommitId) -> Answer<Option<Committed>> {
        let bytes = self.commits.get(&commit);
        bytes
            .map(|bytes| record::decode_commit(bytes).map_err(damaged))
            .transpose()
    }

    pub(crate) fn event(&self, place: u64) -> Answer<LeadEvent> {
        let bytes = self
            .feed
            .get(&place)
            .ok_or(Kind::Corrupt { what: "the feed" })?;
        record::decode_event(bytes).map_err(damaged)
    }

    pub(crate) fn lifecycle(&self) -> Option<&Lifecycle> {
        self.lifecycles.values().next_back()
    }

    pub(crate) fn find(&self, tenant: &TenantId, query: &LeadQuery) -> Answer<Page<Lead>> {
        let statuses = self.lifecycle().into_iter().flat_map(Lifecycle::order);
        let order: Vec<LeadStatus> = statuses.cloned().collect();
        index::find(self, tenant, query, &order).map_err(|error| match error {
            FindError::Invalid(invalid) => invalid.into(),
            FindError::Cursor(invalid) => invalid.into(),
            FindError::Reader(error) => error,
            _ => Kind::Other.into(),
        })
    }

    pub(crate) fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Answer<Page<LeadEvent>> {
        let limit = query.page_limit()?.as_usize();
        let last = query.position(tenant, lead)?.map(Version::get);
        let places = self.histories.get(&lead).map_or(&[][..], Vec::as_slice);
        // The event of version n is the n-th.
        let mut rest: Vec<(u64, u64)> = (1..).zip(places.iter().copied()).collect();
        if query.direction() == Direction::Descending {
            rest.reverse();
        }
        rest.retain(|(version, _)| match query.direction() {
            Direction::Ascending => last.is_none_or(|last| *version > last),
            Direction::Descending => last.is_none_or(|last| *version < last),
        });
        let more = rest.len() > limit;
        rest.truncate(limit);
        let events = rest.into_iter().map(|(_, place)| self.event(place));
        let events = events.collect::<Answer<Vec<_>>>()?;
        let last = events.last().filter(|_| more).map(|event| event.version);
        let next = last.map(|version| query.cursor_after(tenant, lead, version));
        Ok(Page::new(events, next))
    }

    pub(crate) fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Answer<EventPage> {
        let last = after.map_or(Ok(0), |cursor| cursor.position(tenant))?;
        let rest = self.feed.range((Bound::Excluded(last), Bound::Unbounded));
        let places: Vec<u64> = rest
            .map(|(place, _)| *place)
            .take(limit.as_usize())
            .collect();
        let cursor = places
            .last()
            .copied()
            .map(|place| EventCursor::at(tenant, place))
            .or(after.copied());
        let events = places.into_iter().map(|place| self.event(place));
        Ok(EventPage::new(events.collect::<Answer<_>>()?, cursor))
    }

    pub(crate) fn status_totals(&self, assigned_to: Option<&UserId>) -> Vec<StatusTotals> {
        let assignee = assigned_to.cloned().map(Assignee::User);
        let range = Counter::per_status(Shelf::Active, assignee.as_ref());
        let mut totals: BTreeMap<LeadStatus, (u64, Vec<(Currency, i128)>)> = BTreeMap::new();
        for (key, sum) in self.counters.range(range.0..range.1) {
            let Some(counter) = Counter::from_key(key) else {
                continue;
            };
            let Some(status) = counter.status else {
                continue;
            };
            let (leads, values) = totals.entry(status).or_default();
            match counter.measure {
                Measure::Leads => *leads = u64::try_from(*sum).unwrap_or(0),
                Measure::Value(currency) => values.push((currency, *sum)),
                _ => {}
            }
        }
        let totals = totals.into_iter();
        totals
            .map(|(status, (leads, values))| StatusTotals::new(status, leads, values))
            .collect()
    }
}

/// What core needs to answer queries: a range of keys, a lead, a number.
impl IndexReader for Tenant {
    type Error = RepositoryError;
    type Key<'a> = &'a IndexKey;
    type Keys<'a> =
        std::iter::Map<btree_set::Range<'a, IndexKey>, fn(&'a IndexKey) -> Answer<&'a IndexKey>>;
    type Record<'a> = Lead;

    fn keys(&self, from: &[u8], to: &[u8]) -> Self::Keys<'_> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        self.keys.range::<[u8], _>(range).map(Ok)
    }

    fn lead(&self, id: LeadId) -> Answer<Option<Lead>> {
        let bytes = self.leads.get(&id);
        bytes
            .map(|bytes| record::decode_lead(bytes).map_err(damaged))
            .transpose()
    }

    fn into_lead(record: Lead) -> Lead {
        record
    }

    fn counter(&self, key: &IndexKey) -> Answer<i128> {
        Ok(self.counters.get(key).copied().unwrap_or(0))
    }
}
