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
    RepositoryErrorKind, StatusTotals,
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
            return self.repeated(done, changes);
        }
        self.check_lifecycle(changes)?;
        for change in changes.changes() {
            self.check(change, changes.lifecycle())?;
        }
        // Nothing fails from here on.
        for change in changes.changes() {
            self.apply(change);
        }
        let outcome = changes.outcome();
        self.commits.insert(changes.commit(), outcome.clone());
        Ok(outcome)
    }

    fn repeated(&self, done: &Committed, again: &ChangeSet) -> Result<Committed, RepositoryError> {
        if !done.is_of(again.fingerprint()) {
            return Err(RepositoryErrorKind::CommitReused {
                commit: again.commit(),
            }
            .into());
        }
        let created = done
            .leads
            .iter()
            .filter(|(_, version)| *version == Version::FIRST);
        match created
            .map(|(lead, _)| *lead)
            .find(|lead| !self.leads.contains_key(lead))
        {
            Some(lead) => Err(RepositoryErrorKind::Gone { lead }.into()),
            None => Ok(done.clone().repeated()),
        }
    }

    fn check_lifecycle(&self, changes: &ChangeSet) -> Result<(), RepositoryError> {
        let found = self.lifecycle().map(Lifecycle::version);
        for change in changes.changes() {
            if let Change::ReplaceLifecycle {
                expected,
                lifecycle,
            } = change
            {
                if *expected != found {
                    return Err(RepositoryErrorKind::StaleLifecycle { found }.into());
                }
                self.check_statuses_in_use(lifecycle, changes)?;
            }
        }
        let in_force = changes.lifecycle().map(Lifecycle::version).or(found);
        match changes.checked_against() {
            Some(checked) if Some(checked) != in_force => {
                Err(RepositoryErrorKind::StaleLifecycle { found }.into())
            }
            _ => Ok(()),
        }
    }

    /// Every status that leads are in must be there still, unless this set moves them all.
    fn check_statuses_in_use(
        &self,
        after: &Lifecycle,
        changes: &ChangeSet,
    ) -> Result<(), RepositoryError> {
        let Some(before) = self.lifecycle() else {
            return Ok(());
        };
        for removed in before.removed_in(after) {
            let status = &removed.slug;
            let here: u64 = [Shelf::Active, Shelf::Archived]
                .map(|shelf| self.leads_in(shelf, status))
                .into_iter()
                .sum();
            let leaving = changes.changes().iter().filter(|change| {
                let lead = match change {
                    Change::Update { lead, .. } => lead.id,
                    Change::Delete { lead, .. } => *lead,
                    _ => return false,
                };
                self.leads
                    .get(&lead)
                    .is_some_and(|lead| lead.status == *status)
            });
            let leads = here.saturating_sub(u64::try_from(leaving.count()).unwrap_or(u64::MAX));
            if leads > 0 {
                let status = status.clone();
                return Err(RepositoryErrorKind::StatusInUse { status, leads }.into());
            }
        }
        Ok(())
    }

    fn leads_in(&self, shelf: Shelf, status: &LeadStatus) -> u64 {
        let counter = Counter {
            shelf,
            assignee: None,
            status: Some(status.clone()),
            measure: Measure::Leads,
        };
        let count = self.counters.get(&counter.key()).copied().unwrap_or(0);
        u64::try_from(count).unwrap_or(0)
    }

    fn check(&self, change: &Change, replaced: Option<&Lifecycle>) -> Result<(), RepositoryError> {
        match change {
            Change::Create { lead, .. } => {
                if self.leads.contains_key(&lead.id) {
                    return Err(RepositoryErrorKind::AlreadyExists { lead: lead.id }.into());
                }
                if self.histories.contains_key(&lead.id) {
                    return Err(RepositoryErrorKind::Gone { lead: lead.id }.into());
                }
                self.check_status(lead, replaced)
            }
            Change::Update { lead, .. } => {
                let expected = Version::new(lead.version.get().saturating_sub(1));
                self.check_version(lead.id, expected)?;
                self.check_status(lead, replaced)
            }
            Change::Delete { lead, expected, .. } => self.check_version(*lead, *expected),
            Change::PutDocument { expected, document } => {
                self.check_document(&document.key, *expected)
            }
            Change::RemoveDocument { key, expected } => self.check_document(key, Some(*expected)),
            Change::ReplaceLifecycle { .. } => Ok(()),
        }
    }

    fn check_version(&self, id: LeadId, expected: Version) -> Result<(), RepositoryError> {
        let kind = match self.leads.get(&id) {
            Some(lead) if lead.version == expected => return Ok(()),
            Some(lead) => RepositoryErrorKind::Conflict {
                lead: id,
                expected,
                found: lead.version,
            },
            None if self.histories.contains_key(&id) => RepositoryErrorKind::Gone { lead: id },
            None => RepositoryErrorKind::NotFound { lead: id },
        };
        Err(kind.into())
    }

    fn check_status(
        &self,
        lead: &Lead,
        replaced: Option<&Lifecycle>,
    ) -> Result<(), RepositoryError> {
        let in_force = replaced.or_else(|| self.lifecycle());
        if in_force.is_some_and(|known| known.get(&lead.status).is_some()) {
            return Ok(());
        }
        Err(RepositoryErrorKind::UnknownStatus {
            status: lead.status.clone(),
        }
        .into())
    }

    fn check_document(
        &self,
        key: &DocumentKey,
        expected: Option<Version>,
    ) -> Result<(), RepositoryError> {
        let found = self.documents.get(key).map(|document| document.version);
        if found == expected {
            return Ok(());
        }
        Err(RepositoryErrorKind::DocumentConflict {
            key: key.clone(),
            found,
        }
        .into())
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { lead, event } | Change::Update { lead, event } => {
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
