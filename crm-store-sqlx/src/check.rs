//! What is stored of the things that a change set is about: core asks, and decides.

use crate::error::{Error, Result};
use crm_core::lead::{Lead, LeadId, LeadStatus, Version};
use crm_core::repository::{self, Change, ChangeSet, Committed, DocumentKey, StoredLead};
use std::collections::{HashMap, HashSet};

/// What is stored of the things that a change set is about, read under the lock that its commit
/// holds.
#[derive(Default)]
pub(crate) struct Stored {
    /// The version of the lifecycle in force.
    pub(crate) lifecycle: Option<Version>,
    /// Its statuses, in order.
    pub(crate) statuses: Vec<LeadStatus>,
    /// How many leads are in those that the set removes.
    pub(crate) in_use: HashMap<LeadStatus, u64>,
    /// The leads that are there.
    pub(crate) leads: HashMap<LeadId, Lead>,
    /// The leads that are there or were.
    pub(crate) known: HashSet<LeadId>,
    /// The versions of the documents.
    pub(crate) documents: HashMap<DocumentKey, Version>,
}

/// The statuses that a set removes, in order.
pub(crate) fn removed<'a>(
    statuses: &'a [LeadStatus],
    changes: &'a ChangeSet,
) -> impl Iterator<Item = &'a LeadStatus> {
    let after = changes.lifecycle();
    statuses
        .iter()
        .filter(move |status| after.is_some_and(|after| after.get(status).is_none()))
}

/// The answer to a set whose commit id was used before. `are_there` are those of its leads that
/// were not deleted since.
pub(crate) fn repeated(
    done: Committed,
    again: &ChangeSet,
    are_there: &HashSet<LeadId>,
) -> Result<Committed> {
    repository::repeated(done, again, |lead| Ok(are_there.contains(&lead)))
}

impl Stored {
    pub(crate) fn check(&self, changes: &ChangeSet) -> Result<()> {
        repository::check(&mut &*self, changes)
    }
}

impl repository::Stored for &Stored {
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
        Ok(self.lifecycle)
    }

    fn statuses(&mut self) -> Result<Vec<LeadStatus>> {
        Ok(self.statuses.clone())
    }

    fn has_status(&mut self, status: &LeadStatus) -> Result<bool> {
        Ok(self.statuses.contains(status))
    }

    fn leads_in(&mut self, status: &LeadStatus) -> Result<u64> {
        Ok(self.in_use.get(status).copied().unwrap_or_default())
    }

    fn lead(&mut self, id: LeadId) -> Result<StoredLead> {
        Ok(match self.leads.get(&id) {
            Some(lead) => StoredLead::There {
                version: lead.version,
                status: lead.status.clone(),
            },
            None if self.known.contains(&id) => StoredLead::Deleted,
            None => StoredLead::Never,
        })
    }

    fn document(&mut self, key: &DocumentKey) -> Result<Option<Version>> {
        Ok(self.documents.get(key).copied())
    }
}
