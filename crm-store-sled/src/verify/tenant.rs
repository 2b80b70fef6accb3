//! One tenant: its records against its indexes, counters, histories and counts.

use super::Verified;
use crate::commit::document_from;
use crate::counters::row_of;
use crate::error::Result;
use crate::key::{TenantNumber, last_number, lead_of, piece, rest};
use crate::store::Store;
use crate::table::{Head, Table};
use crate::value::{self, pieces_of};
use crm_core::index::{Counter, IndexKey, counter_changes, index_entries};
use crm_core::lead::{LeadId, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::record;
use crm_core::serde_json;
use std::collections::BTreeMap;

pub(super) struct Check<'a> {
    store: &'a Store,
    tenant: &'a TenantId,
    number: TenantNumber,
    found: &'a mut Verified,
    /// Into how many pieces the values are cut that were read.
    pieces: u64,
}

impl<'a> Check<'a> {
    pub(super) const fn new(
        store: &'a Store,
        tenant: &'a TenantId,
        number: TenantNumber,
        found: &'a mut Verified,
    ) -> Self {
        Self {
            store,
            tenant,
            number,
            found,
            pieces: 0,
        }
    }

    fn fault(&mut self, lead: Option<LeadId>, what: &'static str) {
        self.found.add(Some(self.tenant), lead, what);
    }

    pub(super) fn all(mut self) -> Result<()> {
        let head = match self.store.head(self.number) {
            Ok(head) => head,
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error),
        };
        if head.is_none() {
            self.fault(None, "what it says of itself is lost or cannot be read");
        }
        let lifecycle = self.lifecycles(head.as_ref())?;
        let sums = self.leads(lifecycle.as_ref())?;
        self.counters(sums)?;
        self.histories()?;
        self.commits_and_documents()?;
        head.map_or(Ok(()), |head| self.counts(&head))
    }

    fn lifecycles(&mut self, head: Option<&Head>) -> Result<Option<Lifecycle>> {
        let mut in_force = None;
        let mut last = 0;
        let range = self.number.range();
        for key in self.store.tables.range(Table::Lifecycles, range).keys() {
            let key = key?;
            let json = self.value(Table::Lifecycles, &key)?;
            let read = serde_json::from_slice::<Lifecycle>(&json).ok();
            last = last_number(&key).unwrap_or_default();
            match read {
                Some(lifecycle) if lifecycle.version() == Version::new(last) => {
                    in_force = Some(lifecycle);
                }
                _ => self.fault(None, "a lifecycle cannot be read"),
            }
        }
        if head.is_some_and(|head| head.lifecycle != last) {
            self.fault(None, "the lifecycle in force is not the last one");
        }
        Ok(in_force)
    }

    /// A value, joined; empty if a piece is missing, which then is no record.
    fn value(&mut self, table: Table, key: &[u8]) -> Result<Vec<u8>> {
        let Some(entry) = self.store.tables.get(table, key)? else {
            return Ok(Vec::new());
        };
        self.pieces += u64::from(pieces_of(&entry));
        for number in 0..pieces_of(&entry) {
            if self
                .store
                .tables
                .get(Table::Pieces, &piece(table, key, number))?
                .is_none()
            {
                return Ok(Vec::new());
            }
        }
        Ok(value::join(&self.store.tables, table, key, entry)?.to_vec())
    }

    /// Checks the leads with their keys, and adds up what the counters should be.
    fn leads(&mut self, lifecycle: Option<&Lifecycle>) -> Result<BTreeMap<IndexKey, i128>> {
        let tables = &self.store.tables;
        let mut sums: BTreeMap<IndexKey, i128> = BTreeMap::new();
        let mut keys = 0u64;
        for key in tables.range(Table::Leads, self.number.range()).keys() {
            let key = key?;
            let id = lead_of(&key);
            let Ok(lead) = record::decode_lead(&self.value(Table::Leads, &key)?) else {
                self.fault(id, "the record cannot be read");
                continue;
            };
            self.found.leads += 1;
            if Some(lead.id) != id {
                self.fault(id, "the record is another lead's");
            }
            if lifecycle.is_none_or(|known| known.get(&lead.status).is_none()) {
                self.fault(id, "its status does not exist");
            }
            for entry in index_entries(&lead) {
                keys += 1;
                if tables
                    .get(Table::Keys, &self.number.key(&[&entry]))?
                    .is_none()
                {
                    self.fault(id, "an index lacks it");
                }
            }
            for change in counter_changes(None, Some(&lead)) {
                *sums.entry(change.key).or_default() += change.delta;
            }
            let last = self.number.history(lead.id, lead.version);
            let next = self.number.history(lead.id, lead.version.next());
            if tables.get(Table::History, &last)?.is_none()
                || tables.get(Table::History, &next)?.is_some()
            {
                self.fault(id, "its last event is not that of its version");
            }
        }
        let mut stored = 0u64;
        for key in tables.range(Table::Keys, self.number.range()).keys() {
            key?;
            stored += 1;
        }
        self.found.keys += stored;
        if stored > keys {
            self.fault(None, "the indexes have keys of no lead");
        }
        Ok(sums)
    }

    fn counters(&mut self, mut sums: BTreeMap<IndexKey, i128>) -> Result<()> {
        sums.retain(|_, sum| *sum != 0);
        let mut rows: BTreeMap<IndexKey, Vec<(IndexKey, i128)>> = BTreeMap::new();
        for (key, sum) in sums {
            if let Some(counter) = Counter::from_key(&key) {
                rows.entry(row_of(counter)).or_default().push((key, sum));
            }
        }
        let mut known = 0;
        for (key, expected) in rows {
            let Some((row, entries)) = self.store.row_to_check(self.number, &key)? else {
                self.fault(None, "a counter is wrong");
                continue;
            };
            known += entries;
            for (counter, sum) in &expected {
                match row.sum(counter) {
                    0 => self.fault(None, "a counter is missing"),
                    found if found != *sum => self.fault(None, "a counter is wrong"),
                    _ => {}
                }
            }
            let is_expected = |key| {
                expected
                    .binary_search_by(|(known, _)| known.cmp(key))
                    .is_ok()
            };
            if !row.iter().all(|(key, _)| is_expected(key)) {
                self.fault(None, "a counter is wrong");
            }
        }
        let range = self.number.range();
        let mut stored = 0u64;
        for key in self.store.tables.range(Table::Counters, range).keys() {
            key?;
            stored += 1;
        }
        if stored > known {
            self.fault(None, "there are counters of nothing");
        }
        Ok(())
    }

    /// Checks that every lead's events are there, numbered without gaps, each of a known commit.
    fn histories(&mut self) -> Result<()> {
        let tables = &self.store.tables;
        let mut last: (Option<LeadId>, u64) = (None, 0);
        for entry in tables.range(Table::History, self.number.range()) {
            let (key, position) = entry?;
            let lead = lead_of(&key);
            let version = last_number(&key).unwrap_or_default();
            let expected = if last.0 == lead { last.1 + 1 } else { 1 };
            if version != expected {
                self.fault(lead, "its history has a gap");
            }
            last = (lead, version);
            let position = last_number(&position).unwrap_or_default();
            let event = self.value(Table::Events, &self.number.event(position))?;
            let Ok(event) = record::decode_event(&event) else {
                self.fault(lead, "an event cannot be read");
                continue;
            };
            self.found.events += 1;
            if Some(event.lead) != lead || event.version.get() != version {
                self.fault(lead, "an event is not where its history says");
            }
            let commit = self.number.commit(event.commit);
            if tables.get(Table::Commits, &commit)?.is_none() {
                self.fault(lead, "the commit of an event is not known");
            }
        }
        Ok(())
    }

    fn commits_and_documents(&mut self) -> Result<()> {
        let tables = &self.store.tables;
        for key in tables.range(Table::Commits, self.number.range()).keys() {
            if record::decode_commit(&self.value(Table::Commits, &key?)?).is_err() {
                self.fault(None, "a commit cannot be read");
            }
        }
        for key in tables.range(Table::Documents, self.number.range()).keys() {
            let key = key?;
            let name = std::str::from_utf8(rest(&key))
                .ok()
                .and_then(|name| name.parse().ok());
            let value = self.value(Table::Documents, &key)?;
            if name.is_none_or(|name| document_from(&name, &value).is_err()) {
                self.fault(None, "a document cannot be read");
            }
        }
        Ok(())
    }

    fn counts(&mut self, head: &Head) -> Result<()> {
        for table in Table::COUNTED {
            let mut entries = 0u64;
            for key in self.store.tables.range(table, self.number.range()).keys() {
                key?;
                entries += 1;
            }
            if entries != head.count(table) {
                self.fault(None, "entries were lost or are too many");
            }
        }
        let mut events = self.store.tables.range(Table::Events, self.number.range());
        if let Some(last) = events.next_back() {
            // The next one would be written over it, or before it in the feed.
            if last_number(&last?.0).is_none_or(|position| position > head.last) {
                self.fault(None, "the feed goes on after its last event");
            }
        }
        if head.count(Table::Events) != head.count(Table::History) {
            self.fault(None, "the feed has events of no history");
        }
        if head.count(Table::Pieces) != self.pieces {
            self.fault(None, "there are pieces of no value");
        }
        Ok(())
    }
}
