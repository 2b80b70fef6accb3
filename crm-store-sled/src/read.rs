//! Answering: lists, totals, histories and the feed of one tenant.

use crate::counters::row_of;
use crate::error::{Error, Result, disagrees};
use crate::key::last_number;
use crate::reader::Reader;
use crate::store::Store;
use crate::table::Table;
use crate::value;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::index::{self, Counter, FindError, Measure, Shelf};
use crm_core::lead::{Currency, Lead, LeadId, LeadStatus, TenantId, UserId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::query::{Assignee, Direction, LeadFilter, LeadQuery, Limit, Page, SortBy};
use crm_core::record;
use crm_core::repository::{
    Committed, EventPage, HistoryQuery, RepositoryError, StatusTotals, TENANTS_PER_PAGE,
};
use sled::IVec;
use std::collections::BTreeMap;

impl Store {
    pub(crate) fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>> {
        let _held = self.hold();
        // The least that is above it.
        let from = after.map_or_else(Vec::new, |after| [after.as_str().as_bytes(), &[0]].concat());
        let names = self.tables.tree(Table::Tenants).range(from..).keys();
        names
            .take(TENANTS_PER_PAGE)
            .map(|name| {
                let name = name?;
                let name = std::str::from_utf8(&name)
                    .ok()
                    .and_then(|name| name.parse().ok());
                name.ok_or_else(|| disagrees(Table::Tenants))
            })
            .collect()
    }
}

impl Reader<'_> {
    fn lifecycle(&self) -> Option<&Lifecycle> {
        self.known.as_ref()?.lifecycle.as_deref()
    }

    pub(crate) fn lifecycle_at(&self, version: Version) -> Result<Option<Lifecycle>> {
        self.store.lifecycle_at(self.number, version)
    }

    pub(crate) fn committed(&self, commit: CommitId) -> Result<Option<Committed>> {
        let record = self
            .store
            .value(Table::Commits, &self.number.commit(commit))?;
        Ok(record
            .map(|record| record::decode_commit(&record))
            .transpose()?)
    }

    pub(crate) fn get(&self, ids: &[LeadId]) -> Result<Vec<Lead>> {
        let mut leads = Vec::with_capacity(ids.len());
        for id in ids {
            let key = self.number.lead(*id);
            if let Some(record) = value::read(&self.store.tables, Table::Leads, &key)? {
                leads.push(record::decode_lead(&record)?);
            }
        }
        Ok(leads)
    }

    pub(crate) fn find(&self, tenant: &TenantId, query: &LeadQuery) -> Result<Page<Lead>> {
        self.store.check_indexes()?;
        let order: Vec<LeadStatus> = match self.lifecycle() {
            Some(lifecycle) if query.sorting().by == SortBy::Status => {
                lifecycle.order().cloned().collect()
            }
            _ => Vec::new(),
        };
        index::find(self, tenant, query, &order).map_err(|error| match error {
            FindError::Invalid(invalid) => RepositoryError::from(invalid).into(),
            FindError::Cursor(invalid) => RepositoryError::from(invalid).into(),
            FindError::Reader(error) => error,
            _ => Error::Damaged("an answer of the index"),
        })
    }

    pub(crate) fn count(&self, filter: &LeadFilter) -> Result<u64> {
        self.store.check_indexes()?;
        Ok(index::count(self, filter, None)?.count())
    }

    pub(crate) fn status_totals(&self, assigned_to: Option<&UserId>) -> Result<Vec<StatusTotals>> {
        self.store.check_indexes()?;
        let row = row_of(Counter {
            shelf: Shelf::Active,
            assignee: assigned_to.cloned().map(Assignee::User),
            status: None,
            measure: Measure::Leads,
        });
        let mut totals: BTreeMap<LeadStatus, (u64, Vec<(Currency, i128)>)> = BTreeMap::new();
        for (key, sum) in self.store.row(self.number, &row)?.iter() {
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
                Measure::Leads => *leads = u64::try_from(sum).unwrap_or(0),
                Measure::Value(currency) => values.push((currency, sum)),
                _ => {}
            }
        }
        Ok(totals
            .into_iter()
            .map(|(status, (leads, values))| StatusTotals::new(status, leads, values))
            .collect())
    }

    pub(crate) fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>> {
        let limit = query
            .page_limit()
            .map_err(RepositoryError::from)?
            .as_usize();
        let after = query
            .position(tenant, lead)
            .map_err(RepositoryError::from)?
            .map(Version::get);
        let place = |version| self.number.history(lead, Version::new(version));
        let end = place(u64::MAX);
        let range = match (query.direction(), after) {
            (Direction::Ascending, after) => (place(after.map_or(0, |v| v.saturating_add(1))), end),
            (Direction::Descending, None) => (place(0), end),
            (Direction::Descending, Some(after)) => (place(0), place(after)),
        };
        let places = self.store.tables.range(Table::History, range).values();
        let positions: Box<dyn Iterator<Item = sled::Result<IVec>>> = match query.direction() {
            Direction::Ascending => Box::new(places),
            Direction::Descending => Box::new(places.rev()),
        };
        let mut events = Vec::new();
        for position in positions.take(limit + 1) {
            let position = last_number(&position?).ok_or_else(|| disagrees(Table::History))?;
            let key = self.number.event(position);
            let record = value::read(&self.store.tables, Table::Events, &key)?;
            let record = record.ok_or_else(|| disagrees(Table::Events))?;
            events.push(record::decode_event(&record)?);
        }
        let more = events.len() > limit;
        events.truncate(limit);
        let last = events.last().filter(|_| more);
        let next = last.map(|last| query.cursor_after(tenant, lead, last.version));
        Ok(Page::new(events, next))
    }

    pub(crate) fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage> {
        let done = after.map_or(Ok(0), |cursor| cursor.position(tenant));
        let done = done.map_err(RepositoryError::from)?;
        let (_, end) = self.number.range();
        let mut events = Vec::new();
        let mut cursor = after.copied();
        if let Some(first) = done.checked_add(1) {
            let range = (self.number.event(first), end);
            for entry in self
                .store
                .tables
                .range(Table::Events, range)
                .take(limit.as_usize())
            {
                let (key, entry) = entry?;
                let record = value::join(&self.store.tables, Table::Events, &key, entry)?;
                events.push(record::decode_event(&record)?);
                let position = last_number(&key).ok_or_else(|| disagrees(Table::Events))?;
                cursor = Some(EventCursor::at(tenant, position));
            }
        }
        Ok(EventPage::new(events, cursor))
    }
}
