//! Whether a change set may be applied to what is stored: the checks of the contract, in its order.

use crate::error::{Error, Result};
use crm_core::lead::{Lead, LeadId, LeadStatus, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::repository::{
    Change, ChangeSet, Committed, DocumentKey, RepositoryErrorKind as Kind,
};
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
    if !done.is_of(again.fingerprint()) {
        let commit = again.commit();
        return Err(Kind::CommitReused { commit }.into());
    }
    let mut created = done
        .leads
        .iter()
        .filter(|(_, version)| *version == Version::FIRST);
    match created.find(|(lead, _)| !are_there.contains(lead)) {
        Some((lead, _)) => Err(Kind::Gone { lead: *lead }.into()),
        None => Ok(done.repeated()),
    }
}

impl Stored {
    pub(crate) fn check(&self, changes: &ChangeSet) -> Result<()> {
        self.check_lifecycle(changes)?;
        for change in changes.changes() {
            self.check_change(change, changes.lifecycle())?;
        }
        Ok(())
    }

    fn check_lifecycle(&self, changes: &ChangeSet) -> Result<()> {
        let found = self.lifecycle;
        for change in changes.changes() {
            if let Change::ReplaceLifecycle { expected, .. } = change {
                if *expected != found {
                    return Err(Kind::StaleLifecycle { found }.into());
                }
                self.check_statuses_in_use(changes)?;
            }
        }
        let in_force = changes.lifecycle().map(Lifecycle::version).or(found);
        match changes.checked_against() {
            Some(checked) if Some(checked) != in_force => {
                Err(Kind::StaleLifecycle { found }.into())
            }
            _ => Ok(()),
        }
    }

    /// Every status that leads are in must be there still, unless this set moves them all.
    fn check_statuses_in_use(&self, changes: &ChangeSet) -> Result<()> {
        for status in removed(&self.statuses, changes) {
            let here = self.in_use.get(status).copied().unwrap_or_default();
            let leaving = changes.changes().iter().filter(|change| {
                let lead = match change {
                    Change::Update { lead, .. } => lead.id,
                    Change::Delete { lead, .. } => *lead,
                    _ => return false,
                };
                let lead = self.leads.get(&lead);
                lead.is_some_and(|lead| lead.status == *status)
            });
            let leads = here.saturating_sub(u64::try_from(leaving.count()).unwrap_or(u64::MAX));
            if leads > 0 {
                let status = status.clone();
                return Err(Kind::StatusInUse { status, leads }.into());
            }
        }
        Ok(())
    }

    fn check_change(&self, change: &Change, replaced: Option<&Lifecycle>) -> Result<()> {
        match change {
            Change::Create { lead, .. } => {
                let id = lead.id;
                if self.known.contains(&id) {
                    let kind = match self.leads.contains_key(&id) {
                        true => Kind::AlreadyExists { lead: id },
                        false => Kind::Gone { lead: id },
                    };
                    return Err(kind.into());
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
            _ => Err(Error::Unsupported("this change")),
        }
    }

    fn check_version(&self, id: LeadId, expected: Version) -> Result<()> {
        let kind = match self.leads.get(&id) {
            Some(lead) if lead.version == expected => return Ok(()),
            Some(lead) => Kind::Conflict {
                lead: id,
                expected,
                found: lead.version,
            },
            None if self.known.contains(&id) => Kind::Gone { lead: id },
            None => Kind::NotFound { lead: id },
        };
        Err(kind.into())
    }

    fn check_status(&self, lead: &Lead, replaced: Option<&Lifecycle>) -> Result<()> {
        let is_known = match replaced {
            Some(replaced) => replaced.get(&lead.status).is_some(),
            None => self.statuses.contains(&lead.status),
        };
        if is_known {
            return Ok(());
        }
        let status = lead.status.clone();
        Err(Kind::UnknownStatus { status }.into())
    }

    fn check_document(&self, key: &DocumentKey, expected: Option<Version>) -> Result<()> {
        let found = self.documents.get(key).copied();
        if found == expected {
            return Ok(());
        }
        let key = key.clone();
        Err(Kind::DocumentConflict { key, found }.into())
    }
}
