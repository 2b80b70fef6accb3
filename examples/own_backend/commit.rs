//! How a change set is applied: everything is checked before anything is written, so one that is
//! refused leaves nothing behind.

use crate::Answer;
use crate::tenant::Tenant;
use crm_kit::index::{self, Counter, IndexReader, Measure, Shelf};
use crm_kit::prelude::*;
use crm_kit::record;
use crm_kit::repository::{Change, ChangeSet, Committed, DocumentKey, RepositoryErrorKind as Kind};

impl Tenant {
    pub(crate) fn commit(&mut self, set: &ChangeSet) -> Answer<Committed> {
        if let Some(done) = self.committed(set.commit())? {
            return self.repeat(done, set);
        }
        let stored = self.lifecycle().map(Lifecycle::version);
        for change in set.changes() {
            if let Change::ReplaceLifecycle {
                expected,
                lifecycle,
            } = change
            {
                if *expected != stored {
                    return Err(Kind::StaleLifecycle { found: stored }.into());
                }
                self.check_statuses_in_use(lifecycle, set)?;
            }
        }
        let in_force = set.lifecycle().or(self.lifecycle());
        let is_stale = |checked| Some(checked) != in_force.map(Lifecycle::version);
        if set.checked_against().is_some_and(is_stale) {
            return Err(Kind::StaleLifecycle { found: stored }.into());
        }
        for change in set.changes() {
            self.check(change, in_force)?;
        }
        for change in set.changes() {
            self.apply(change)?;
        }
        let done = set.outcome();
        self.commits
            .insert(set.commit(), record::encode_commit(&done));
        Ok(done)
    }

    /// A set under a commit id that was used before is not applied again.
    fn repeat(&self, done: Committed, set: &ChangeSet) -> Answer<Committed> {
        if !done.is_of(set.fingerprint()) {
            let commit = set.commit();
            return Err(Kind::CommitReused { commit }.into());
        }
        let mut created = done
            .leads
            .iter()
            .filter(|(_, version)| *version == Version::FIRST);
        match created.find(|(lead, _)| !self.leads.contains_key(lead)) {
            Some((lead, _)) => Err(Kind::Gone { lead: *lead }.into()),
            None => Ok(done.repeated()),
        }
    }

    /// No lead may be left in a status that goes.
    fn check_statuses_in_use(&self, after: &Lifecycle, set: &ChangeSet) -> Answer<()> {
        let removed = self
            .lifecycle()
            .map_or_else(Vec::new, |before| before.removed_in(after));
        for status in removed.into_iter().map(|definition| &definition.slug) {
            let here: i128 = [Shelf::Active, Shelf::Archived]
                .into_iter()
                .map(|shelf| {
                    let counter = Counter {
                        shelf,
                        assignee: None,
                        status: Some(status.clone()),
                        measure: Measure::Leads,
                    };
                    self.counters.get(&counter.key()).copied().unwrap_or(0)
                })
                .sum();
            let mut leads = u64::try_from(here).unwrap_or(0);
            for change in set.changes() {
                let leaving = match change {
                    Change::Update { lead, .. } => lead.id,
                    Change::Delete { lead, .. } => *lead,
                    _ => continue,
                };
                let lead = self.lead(leaving)?;
                leads -= u64::from(lead.is_some_and(|lead| lead.status == *status));
            }
            if leads > 0 {
                let status = status.clone();
                return Err(Kind::StatusInUse { status, leads }.into());
            }
        }
        Ok(())
    }

    fn check(&self, change: &Change, in_force: Option<&Lifecycle>) -> Answer<()> {
        let status_exists = |lead: &Lead| {
            let is_known = in_force.is_some_and(|known| known.get(&lead.status).is_some());
            let status = lead.status.clone();
            is_known.then_some(()).ok_or(Kind::UnknownStatus { status })
        };
        match change {
            Change::Create { lead, .. } => {
                self.check_new(lead.id)?;
                status_exists(lead)?;
            }
            Change::Update { lead, .. } => {
                // The version it was made from is the one before its own.
                self.check_version(lead.id, Version::new(lead.version.get() - 1))?;
                status_exists(lead)?;
            }
            Change::Delete { lead, expected, .. } => self.check_version(*lead, *expected)?,
            Change::PutDocument { expected, document } => {
                self.check_document(&document.key, *expected)?;
            }
            Change::RemoveDocument { key, expected } => {
                self.check_document(key, Some(*expected))?;
            }
            Change::ReplaceLifecycle { .. } => {}
            _ => {
                let what = "a change of this kind";
                return Err(Kind::Unsupported { what }.into());
            }
        }
        Ok(())
    }

    fn check_new(&self, lead: LeadId) -> Answer<()> {
        if self.leads.contains_key(&lead) {
            return Err(Kind::AlreadyExists { lead }.into());
        }
        if self.histories.contains_key(&lead) {
            return Err(Kind::Gone { lead }.into());
        }
        Ok(())
    }

    fn check_version(&self, lead: LeadId, expected: Version) -> Answer<()> {
        let kind = match self.lead(lead)?.map(|stored| stored.version) {
            Some(found) if found == expected => return Ok(()),
            Some(found) => Kind::Conflict {
                lead,
                expected,
                found,
            },
            None if self.histories.contains_key(&lead) => Kind::Gone { lead },
            None => Kind::NotFound { lead },
        };
        Err(kind.into())
    }

    fn check_document(&self, key: &DocumentKey, expected: Option<Version>) -> Answer<()> {
        let found = self.documents.get(key).map(|document| document.version);
        if found == expected {
            return Ok(());
        }
        let key = key.clone();
        Err(Kind::DocumentConflict { key, found }.into())
    }

    fn apply(&mut self, change: &Change) -> Answer<()> {
        match change {
            Change::Create { lead, event } | Change::Update { lead, event } => {
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
