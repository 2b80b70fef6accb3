//! How a change set is applied: everything is checked before anything is written, so one that is
//! refused leaves nothing behind.

use crate::Answer;
use crate::tenant::Tenant;
use crm_kit::index::{self, Counter, IndexReader, Measure, Shelf};
use crm_kit::prelude::*;
use crm_kit::record;
use crm_kit::repository::{
    Change, ChangeSet, Committed, DocumentKey, RepositoryError, Stored, StoredLead, check, repeated,
};

impl Tenant {
    pub(crate) fn commit(&mut self, set: &ChangeSet) -> Answer<Committed> {
        if let Some(done) = self.committed(set.commit())? {
            return repeated(done, set, |lead| Ok(self.leads.contains_key(&lead)));
        }
        check(&mut &*self, set)?;
        for change in set.changes() {
            self.apply(change)?;
        }
        let done = set.outcome();
        self.commits
            .insert(set.commit(), record::encode_commit(&done));
        Ok(done)
    }

    fn apply(&mut self, change: &Change) -> Answer<()> {
        match change {
            Change::Create { lead, event } | Change::Update { lead, event, .. } => {
                self.write(lead.id, Some(lead))?;
                self.append(event);
            }
            Change::Delete { lead, event, .. } => {
                self.write(*lead, None)?;
                self.erase(*lead)?;
                self.append(event);
            }
            Change::ReplaceLifecycle { lifecycle, .. } => {
                self.lifecycles
                    .insert(lifecycle.version(), lifecycle.clone());
            }
            Change::PutDocument { document, .. } => {
                self.documents
                    .insert(document.key.clone(), document.clone());
            }
            Change::RemoveDocument { key, .. } => drop(self.documents.remove(key)),
            _ => {}
        }
        Ok(())
    }

    /// A lead's record, and with it the keys and numbers that find and count it.
    fn write(&mut self, id: LeadId, after: Option<&Lead>) -> Answer<()> {
        let before = self.lead(id)?;
        let changes = index::index_changes(before.as_ref(), after);
        for key in &changes.delete {
            self.keys.remove(key);
        }
        self.keys.extend(changes.put);
        for change in index::counter_changes(before.as_ref(), after) {
            match self.counters.get(&change.key).unwrap_or(&0) + change.delta {
                0 => self.counters.remove(&change.key),
                sum => self.counters.insert(change.key, sum),
            };
        }
        match after {
            Some(lead) => drop(self.leads.insert(id, record::encode_lead(lead))),
            None => drop(self.leads.remove(&id)),
        }
        Ok(())
    }

    fn append(&mut self, event: &LeadEvent) {
        let place = self.feed.keys().next_back().map_or(1, |last| last + 1);
        self.histories.entry(event.lead).or_default().push(place);
        self.feed.insert(place, record::encode_event(event));
    }

    /// Takes what was typed out of the events of a lead, and what it could be guessed from out of
    /// its commits.
    fn erase(&mut self, lead: LeadId) -> Answer<()> {
        for place in self.histories.get(&lead).cloned().unwrap_or_default() {
            let mut event = self.event(place)?;
            event.erase();
            self.feed.insert(place, record::encode_event(&event));
            if let Some(mut done) = self.committed(event.commit)? {
                done.fingerprint = None;
                self.commits
                    .insert(event.commit, record::encode_commit(&done));
            }
        }
        Ok(())
    }
}

/// The rules are core's: it asks what is stored, and decides.
impl Stored for &Tenant {
    type Error = RepositoryError;

    fn knows(&self, change: &Change) -> bool {
        matches!(
            change,
            Change::Create { .. }
                | Change::Update { .. }
                | Change::Delete { .. }
                | Change::ReplaceLifecycle { .. }
                | Change::PutDocument { .. }
                | Change::RemoveDocument { .. }
        )
    }

    fn lifecycle(&mut self) -> Answer<Option<Version>> {
        Ok(Tenant::lifecycle(self).map(Lifecycle::version))
    }

    fn statuses(&mut self) -> Answer<Vec<LeadStatus>> {
        let known = Tenant::lifecycle(self).map(|known| known.order().cloned().collect());
        Ok(known.unwrap_or_default())
    }

    fn has_status(&mut self, status: &LeadStatus) -> Answer<bool> {
        Ok(Tenant::lifecycle(self).is_some_and(|known| known.get(status).is_some()))
    }

    fn leads_in(&mut self, status: &LeadStatus) -> Answer<u64> {
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

    fn lead(&mut self, id: LeadId) -> Answer<StoredLead> {
        Ok(match IndexReader::lead(*self, id)? {
            Some(lead) => StoredLead::There {
                version: lead.version,
                status: lead.status,
            },
            None if self.histories.contains_key(&id) => StoredLead::Deleted,
            None => StoredLead::Never,
        })
    }

    fn document(&mut self, key: &DocumentKey) -> Answer<Option<Version>> {
        Ok(self.documents.get(key).map(|document| document.version))
    }
}
