//! The checks of the contract, in its order, against what is stored.

use super::{Commit, document_from};
use crate::error::Result;
use crate::table::Table;
use crate::value::{self, sum_of};
use crm_core::index::{Counter, Measure, Shelf};
use crm_core::lead::{Lead, LeadId, LeadStatus, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::record;
use crm_core::repository::{Change, DocumentKey, RepositoryErrorKind};
use sled::IVec;

impl<'a> Commit<'a> {
    pub(super) fn check_lifecycle(&self) -> Result<()> {
        let found = self.lifecycle().map(Lifecycle::version);
        for change in self.changes.changes() {
            if let Change::ReplaceLifecycle {
                expected,
                lifecycle,
            } = change
            {
                if *expected != found {
                    return Err(RepositoryErrorKind::StaleLifecycle { found }.into());
                }
                self.check_statuses_in_use(lifecycle)?;
            }
        }
        let in_force = self.changes.lifecycle().map(Lifecycle::version).or(found);
        match self.changes.checked_against() {
            Some(checked) if Some(checked) != in_force => {
                Err(RepositoryErrorKind::StaleLifecycle { found }.into())
            }
            _ => Ok(()),
        }
    }

    /// Every status that leads are in must be there still, unless this set moves them all.
    fn check_statuses_in_use(&self, after: &Lifecycle) -> Result<()> {
        let Some(before) = self.lifecycle() else {
            return Ok(());
        };
        for removed in before.removed_in(after) {
            let status = &removed.slug;
            let mut leads = 0u64;
            for shelf in [Shelf::Active, Shelf::Archived] {
                leads = leads.saturating_add(self.leads_in(shelf, status)?);
            }
            for change in self.changes.changes() {
                let id = match change {
                    Change::Update { lead, .. } => lead.id,
                    Change::Delete { lead, .. } => *lead,
                    _ => continue,
                };
                if let Some((_, lead)) = self.stored(id)?
                    && lead.status == *status
                {
                    leads = leads.saturating_sub(1);
                }
            }
            if leads > 0 {
                let status = status.clone();
                return Err(RepositoryErrorKind::StatusInUse { status, leads }.into());
            }
        }
        Ok(())
    }

    fn leads_in(&self, shelf: Shelf, status: &LeadStatus) -> Result<u64> {
        let counter = Counter {
            shelf,
            assignee: None,
            status: Some(status.clone()),
            measure: Measure::Leads,
        };
        let key = self.number().key(&[&counter.key()]);
        let count = self.entry(Table::Counters, &key)?;
        let count = count.map_or(Ok(0), |bytes| sum_of(&bytes))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// A lead, as its bytes and decoded.
    fn stored(&self, id: LeadId) -> Result<Option<(IVec, Lead)>> {
        let key = self.number().lead(id);
        let Some(entry) = self.entry(Table::Leads, &key)? else {
            return Ok(None);
        };
        let bytes = value::join(&self.store.tables, Table::Leads, &key, entry.clone())?;
        Ok(Some((entry, record::decode_lead(&bytes)?)))
    }

    /// Whether there ever was such a lead, from its first event.
    fn existed(&self, id: LeadId) -> Result<bool> {
        let first = self.number().history(id, Version::FIRST);
        Ok(self.entry(Table::History, &first)?.is_some())
    }

    pub(super) fn check(&mut self, change: &'a Change) -> Result<()> {
        match change {
            Change::Create { lead, .. } => {
                let id = lead.id;
                if self.entry(Table::Leads, &self.number().lead(id))?.is_some() {
                    return Err(RepositoryErrorKind::AlreadyExists { lead: id }.into());
                }
                if self.existed(id)? {
                    return Err(RepositoryErrorKind::Gone { lead: id }.into());
                }
                self.check_status(lead)
            }
            Change::Update { lead, .. } => {
                let expected = Version::new(lead.version.get().saturating_sub(1));
                self.check_version(lead.id, expected)?;
                self.check_status(lead)
            }
            Change::Delete { lead, expected, .. } => self.check_version(*lead, *expected),
            Change::PutDocument { expected, document } => {
                self.check_document(&document.key, *expected)
            }
            Change::RemoveDocument { key, expected } => self.check_document(key, Some(*expected)),
            Change::ReplaceLifecycle { .. } => Ok(()),
            _ => Err(RepositoryErrorKind::Unsupported {
                what: "a change of this kind",
            }
            .into()),
        }
    }

    fn check_version(&mut self, id: LeadId, expected: Version) -> Result<()> {
        let kind = match self.stored(id)? {
            Some((entry, lead)) if lead.version == expected => {
                self.before.insert(id, (entry, lead));
                return Ok(());
            }
            Some((_, lead)) => RepositoryErrorKind::Conflict {
                lead: id,
                expected,
                found: lead.version,
            },
            None if self.existed(id)? => RepositoryErrorKind::Gone { lead: id },
            None => RepositoryErrorKind::NotFound { lead: id },
        };
        Err(kind.into())
    }

    fn check_status(&self, lead: &Lead) -> Result<()> {
        let in_force = self.changes.lifecycle().or(self.lifecycle());
        if in_force.is_some_and(|known| known.get(&lead.status).is_some()) {
            return Ok(());
        }
        let status = lead.status.clone();
        Err(RepositoryErrorKind::UnknownStatus { status }.into())
    }

    fn check_document(&mut self, key: &'a DocumentKey, expected: Option<Version>) -> Result<()> {
        let stored_key = self.number().document(key);
        let entry = self.entry(Table::Documents, &stored_key)?;
        let found = match &entry {
            Some(entry) => {
                let tables = &self.store.tables;
                let value = value::join(tables, Table::Documents, &stored_key, entry.clone())?;
                Some(document_from(key, &value)?.version)
            }
            None => None,
        };
        if found == expected {
            self.documents.extend(entry.map(|entry| (key, entry)));
            return Ok(());
        }
        let key = key.clone();
        Err(RepositoryErrorKind::DocumentConflict { key, found }.into())
    }
}
