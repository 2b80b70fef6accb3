//! Which commits are made in one transaction, though each could be refused alone.
//!
//! A transaction has costs of its own: a write of sled's log, the tenant's head, the counters that
//! every commit changes. Commits that wait at the same time share them. They are only taken together
//! where none can see what another does: they create and change different leads of one tenant, so
//! each is checked against what is stored. If anything speaks against one of them, nothing is
//! written, and they are made one by one.

use super::Commit;
use crate::error::Result;
use crate::flush::Ticket;
use crate::store::Store;
use crm_core::event::CommitId;
use crm_core::lead::{LeadId, TenantId};
use crm_core::repository::{Change, ChangeSet, check};
use std::collections::HashSet;

/// Changes in one transaction of several commits. While it is applied, some milliseconds, readers
/// wait; more would save little.
const MOST: usize = 16;

/// Commits that can share a transaction.
#[derive(Debug, Default)]
pub(crate) struct Together {
    leads: HashSet<LeadId>,
    commits: HashSet<CommitId>,
}

impl Together {
    /// Takes in one more, if it goes with those that are in.
    pub(crate) fn take_in(&mut self, changes: &ChangeSet) -> bool {
        let is_more = self.leads.len() + changes.changes().len() <= MOST;
        let leads: Option<Vec<LeadId>> = changes.changes().iter().map(lead_of).collect();
        let Some(leads) = leads.filter(|_| is_more) else {
            return false;
        };
        let is_new = |lead| !self.leads.contains(lead);
        if !leads.iter().all(is_new) || self.commits.contains(&changes.commit()) {
            return false;
        }
        self.leads.extend(leads);
        self.commits.insert(changes.commit())
    }
}

/// The lead that is created or changed; `None` of anything else.
const fn lead_of(change: &Change) -> Option<LeadId> {
    match change {
        Change::Create { lead, .. } | Change::Update { lead, .. } => Some(lead.id),
        _ => None,
    }
}

impl Store {
    /// Applies change sets that were taken [`Together`], and returns the ticket to wait with before
    /// telling anybody. `None` if they have to be applied one by one; nothing is written then.
    pub(crate) fn commit_together(
        &self,
        tenant: &TenantId,
        sets: &[&ChangeSet],
    ) -> Result<Option<Ticket>> {
        let _alone = self.change();
        // Under the lock, so that a failure is noted before anybody can see what is half there.
        self.attempted(|store| {
            store.check_finished()?;
            store.check_indexes()?;
            let Some(known) = store.tenant(tenant)? else {
                return Ok(None);
            };
            let mut commits = Vec::with_capacity(sets.len());
            for set in sets {
                let mut commit = Commit::new(store, Some(known.clone()), set);
                check(&mut commit, set)?;
                commits.push(commit);
            }
            store.make(tenant, &commits)
        })
    }
}
