//! Everything of one tenant: records, keys, counters, events; and how a change set is applied.

use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::index::{
    self, Counter, FindError, IndexKey, IndexReader, Measure, Shelf, counter_changes, index_changes,
};
use crate::lead::{Currency, Lead, LeadId, LeadStatus, TenantId, UserId, Version};
use crate::lifecycle::Lifecycle;
use crate::query::{Assignee, Direction, LeadFilter, LeadQuery, Limit, Page, SortBy};
use crate::repository::{
    Change, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery, RepositoryError,
    StatusTotals, Stored, StoredLead, check, repeated,
};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, btree_set};
use std::convert::Infallible;
use std::ops::Bound;

#[derive(Default)]
pub(super) struct Tenant {
    /// Boxed, so that a table that grows moves pointers and not leads.
    leads: HashMap<LeadId, Box<Lead>>,
    keys: BTreeSet<IndexKey>,
    counters: BTreeMap<IndexKey, i128>,
    /// All events in the order they were committed: the feed. A cursor is a number of events.
    feed: Vec<LeadEvent>,
    /// Where in the feed the events of a lead are, in version order. Deleted leads are here still.
    histories: HashMap<LeadId, Vec<usize>>,
    commits: HashMap<CommitId, Committed>,
    lifecycles: BTreeMap<Version, Lifecycle>,
    documents: HashMap<DocumentKey, Document>,
}

impl Tenant {
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    pub(super) fn committed(&self, commit: CommitId) -> Option<Committed> {
        self.commits.get(&commit).cloned()
    }

    pub(super) fn get(&self, ids: &[LeadId]) -> Vec<Lead> {
        ids.iter()
            .filter_map(|id| self.leads.get(id))
            .map(|lead| Lead::clone(lead))
            .collect()
    }

    pub(super) fn lifecycle(&self) -> Option<&Lifecycle> {
        self.lifecycles
            .last_key_value()
            .map(|(_, lifecycle)| lifecycle)
    }

    pub(super) fn lifecycle_at(&self, version: Version) -> Option<&Lifecycle> {
        self.lifecycles.get(&version)
    }

    pub(super) fn document(&self, key: &DocumentKey) -> Option<&Document> {
        self.documents.get(key)
    }

    pub(super) fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        // Only a list by status needs the order of the statuses.
        let order: Vec<LeadStatus> = self
            .lifecycle()
            .filter(|_| query.sorting().by == SortBy::Status)
            .map(|known| known.order().cloned().collect())
            .unwrap_or_default();
        index::find(self, tenant, query, &order).map_err(|error| match error {
            FindError::Invalid(invalid) => invalid.into(),
            FindError::Cursor(invalid) => invalid.into(),
            FindError::Reader(never) => match never {},
        })
    }

    pub(super) fn count(&self, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        match index::count(self, filter, None) {
            Ok(total) => Ok(total.count()),
            Err(never) => match never {},
        }
    }

    pub(super) fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        let limit = query.page_limit()?;
        let after = query.position(tenant, lead)?;
        let places = self
            .histories
            .get(&lead)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // The event of version n is the n-th.
        let done = after.map_or(0, |version| {
            usize::try_from(version.get()).unwrap_or(usize::MAX)
        });
        let events = |places: &mut dyn Iterator<Item = &usize>| {
            let events = places.filter_map(|place| self.feed.get(*place));
            events
                .take(limit.as_usize() + 1)
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut events = match (query.direction(), after) {
            (Direction::Ascending, _) => events(&mut places.iter().skip(done)),
            (Direction::Descending, None) => events(&mut places.iter().rev()),
            (Direction::Descending, Some(_)) => {
                events(&mut places.iter().take(done.saturating_sub(1)).rev())
            }
        };
        let more = events.len() > limit.as_usize();
        events.truncate(limit.as_usize());
        let last = events.last().filter(|_| more);
        let next = last.map(|last| query.cursor_after(tenant, lead, last.version));
        Ok(Page::new(events, next))
    }

    pub(super) fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        let done = after.map_or(Ok(0), |cursor| cursor.position(tenant))?;
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        let events: Vec<_> = self
            .feed
            .iter()
            .skip(done)
            .take(limit.as_usize())
            .cloned()
            .collect();
        let cursor = match u64::try_from(done.saturating_add(events.len())) {
            Ok(read) if !events.is_empty() => Some(EventCursor::at(tenant, read)),
            _ => after.copied(),
        };
        Ok(EventPage::new(events, cursor))
    }

    pub(super) fn status_totals(&self, assigned_to: Option<&UserId>) -> Vec<StatusTotals> {
        let assignee = assigned_to.cloned().map(Assignee::User);
        let (from, to) = Counter::per_status(Shelf::Active, assignee.as_ref());
        let mut totals: BTreeMap<LeadStatus, (u64, Vec<(Currency, i128)>)> = BTreeMap::new();
        let range = (Bound::Included(from), Bound::Excluded(to));
        for (key, sum) in self.counters.range(range) {
            let Some(Counter {
                status: Some(status),
                measure,
                ..
            }) = Counter::from_key(key)
            else {
                continue;
            };
            let (leads, values) = totals.entry(status).or_default();
            match measure {
                Measure::Leads => *leads = u64::try_from(*sum).unwrap_or(0),
                Measure::Value(currency) => values.push((currency, *sum)),
            }
        }
        totals
            .into_iter()
            .map(|(status, (leads, values))| StatusTotals::new(status, leads, values))
            .collect()
    }

    pub(super) fn commit(&mut self, changes: &ChangeSet) -> Result<Committed, RepositoryError> {
        if let Some(done) = self.commits.get(&changes.commit()) {
            return repeated(done.clone(), changes, |lead| {
                Ok(self.leads.contains_key(&lead))
            });
        }
        check(&mut &*self, changes)?;
        // Nothing fails from here on.
        for change in changes.changes() {
            self.apply(change);
        }
        let outcome = changes.outcome();
        self.commits.insert(changes.commit(), outcome.clone());
        Ok(outcome)
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { lead, event } | Change::Update { lead, event, .. } => {
                let before = self.leads.insert(lead.id, Box::new(lead.clone()));
                self.reindex(before.as_deref(), Some(lead));
                self.append(event.clone());
            }
            Change::Delete { lead, event, .. } => {
                let before = self.leads.remove(lead);
                self.reindex(before.as_deref(), None);
                self.erase(*lead);
                self.append(event.clone());
            }
            Change::ReplaceLifecycle { lifecycle, .. } => {
                self.lifecycles
                    .insert(lifecycle.version(), lifecycle.clone());
            }
            Change::PutDocument { document, .. } => {
                self.documents
                    .insert(document.key.clone(), document.clone());
            }
            Change::RemoveDocument { key, .. } => {
                self.documents.remove(key);
            }
        }
    }

    fn reindex(&mut self, before: Option<&Lead>, after: Option<&Lead>) {
        let changes = index_changes(before, after);
        for key in &changes.delete {
            self.keys.remove(key);
        }
        self.keys.extend(changes.put);
        for change in counter_changes(before, after) {
            match self.counters.entry(change.key) {
                Entry::Vacant(vacant) => drop(vacant.insert(change.delta)),
                Entry::Occupied(mut sum) => {
                    *sum.get_mut() += change.delta;
                    if *sum.get() == 0 {
                        sum.remove();
                    }
                }
            }
        }
    }

    fn append(&mut self, event: LeadEvent) {
        self.histories
            .entry(event.lead)
            .or_default()
            .push(self.feed.len());
        self.feed.push(event);
    }

    fn erase(&mut self, lead: LeadId) {
        for place in self
            .histories
            .get(&lead)
            .map(Vec::as_slice)
            .unwrap_or_default()
        {
            if let Some(event) = self.feed.get_mut(*place) {
                event.erase();
                // A digest of what was typed could be guessed back.
                if let Some(commit) = self.commits.get_mut(&event.commit) {
                    commit.fingerprint = None;
                }
            }
        }
    }
}

impl Stored for &Tenant {
    type Error = RepositoryError;

    fn knows(&self, change: &Change) -> bool {
        match change {
            Change::Create { .. }
            | Change::Update { .. }
            | Change::Delete { .. }
            | Change::ReplaceLifecycle { .. }
            | Change::PutDocument { .. }
            | Change::RemoveDocument { .. } => true,
        }
    }

    fn lifecycle(&mut self) -> Result<Option<Version>, RepositoryError> {
        Ok(Tenant::lifecycle(self).map(Lifecycle::version))
    }

    fn statuses(&mut self) -> Result<Vec<LeadStatus>, RepositoryError> {
        let known = Tenant::lifecycle(self).map(|known| known.order().cloned().collect());
        Ok(known.unwrap_or_default())
    }

    fn has_status(&mut self, status: &LeadStatus) -> Result<bool, RepositoryError> {
        Ok(Tenant::lifecycle(self).is_some_and(|known| known.get(status).is_some()))
    }

    fn leads_in(&mut self, status: &LeadStatus) -> Result<u64, RepositoryError> {
        let count = |shelf| {
            let counter = Counter {
                shelf,
                assignee: None,
                status: Some(status.clone()),
                measure: Measure::Leads,
            };
            self.counters.get(&counter.key()).copied().unwrap_or(0)
        };
        let leads: i128 = [Shelf::Active, Shelf::Archived].map(count).iter().sum();
        Ok(u64::try_from(leads).unwrap_or(0))
    }

    fn lead(&mut self, id: LeadId) -> Result<StoredLead, RepositoryError> {
        Ok(match self.leads.get(&id) {
            Some(lead) => StoredLead::There {
                version: lead.version,
                status: lead.status.clone(),
            },
            None if self.histories.contains_key(&id) => StoredLead::Deleted,
            None => StoredLead::Never,
        })
    }

    fn document(&mut self, key: &DocumentKey) -> Result<Option<Version>, RepositoryError> {
        Ok(self.documents.get(key).map(|document| document.version))
    }
}

impl IndexReader for Tenant {
    type Error = Infallible;
    type Key<'a> = &'a IndexKey;
    type Keys<'a> = std::iter::Map<
        btree_set::Range<'a, IndexKey>,
        fn(&'a IndexKey) -> Result<&'a IndexKey, Infallible>,
    >;

    fn keys(&self, from: &[u8], to: &[u8]) -> Self::Keys<'_> {
        self.keys
            .range((
                Bound::Included(IndexKey::from(from)),
                Bound::Excluded(IndexKey::from(to)),
            ))
            .map(Ok)
    }

    type Record<'a> = &'a Lead;

    // The tenant's lock is held for the whole of a read.
    const IS_SNAPSHOT: bool = true;

    fn lead(&self, id: LeadId) -> Result<Option<&Lead>, Infallible> {
        Ok(self.leads.get(&id).map(|lead| &**lead))
    }

    fn into_lead(record: &Lead) -> Lead {
        record.clone()
    }

    fn counter(&self, key: &IndexKey) -> Result<i128, Infallible> {
        Ok(self.counters.get(key).copied().unwrap_or(0))
    }
}
