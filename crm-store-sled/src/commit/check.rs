//! What is stored of the things that a change set is about: core asks, and decides.

use super::{Commit, document_from};
use crate::counters;
use crate::error::{Error, Result};
use crate::table::Table;
use crate::value;
use crm_core::index::Shelf;
use crm_core::lead::{LeadId, LeadStatus, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::record;
use crm_core::repository::{Change, DocumentKey, Stored, StoredLead};

impl Commit<'_> {
    fn count(&self, shelf: Shelf, status: &LeadStatus) -> Result<u64> {
        let key = counters::leads_in(shelf, status.clone());
        let count = self.store.counter(self.number(), &key)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Whether there ever was such a lead, from its first event.
    fn existed(&self, id: LeadId) -> Result<bool> {
        let first = self.number().history(id, Version::FIRST);
        Ok(self.entry(Table::History, &first)?.is_some())
    }
}

/// The leads and documents that are looked at are kept, to be replaced.
impl Stored for Commit<'_> {
    type Error = Error;

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

    fn lifecycle(&mut self) -> Result<Option<Version>> {
        Ok(self.in_force().map(Lifecycle::version))
    }

    fn statuses(&mut self) -> Result<Vec<LeadStatus>> {
        let known = self
            .in_force()
            .map(|known| known.order().cloned().collect());
        Ok(known.unwrap_or_default())
    }

    fn has_status(&mut self, status: &LeadStatus) -> Result<bool> {
        let known = self.in_force();
        Ok(known.is_some_and(|known| known.get(status).is_some()))
    }

    fn leads_in(&mut self, status: &LeadStatus) -> Result<u64> {
        let active = self.count(Shelf::Active, status)?;
        Ok(active.saturating_add(self.count(Shelf::Archived, status)?))
    }

    fn lead(&mut self, id: LeadId) -> Result<StoredLead> {
        if !self.before.contains_key(&id) {
            let key = self.number().lead(id);
            if let Some(entry) = self.entry(Table::Leads, &key)? {
                let tables = &self.store.tables;
                let bytes = value::join(tables, Table::Leads, &key, entry.clone())?;
                self.before
                    .insert(id, (entry, record::decode_lead(&bytes)?));
            }
        }
        Ok(match self.before.get(&id) {
            Some((_, lead)) => StoredLead::There {
                version: lead.version,
                status: lead.status.clone(),
            },
            None if self.existed(id)? => StoredLead::Deleted,
            None => StoredLead::Never,
        })
    }

    fn document(&mut self, key: &DocumentKey) -> Result<Option<Version>> {
        let stored_key = self.number().document(key);
        let Some(entry) = self.entry(Table::Documents, &stored_key)? else {
            return Ok(None);
        };
        let tables = &self.store.tables;
        let value = value::join(tables, Table::Documents, &stored_key, entry.clone())?;
        let document = document_from(key, &value)?;
        self.documents.insert(key.clone(), entry);
        Ok(Some(document.version))
    }
}
