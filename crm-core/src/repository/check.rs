//! Whether a change set may be applied to what is stored: the checks of the contract, in its order.
//!
//! They are made once, here, for every repository: a backend says what it has stored, under the
//! lock that its commit holds.

use super::{Change, ChangeSet, Committed, DocumentKey, RepositoryError, RepositoryErrorKind};
use crate::lead::{Lead, LeadId, LeadStatus, Version};

/// What a repository has stored of the things that a change set is about.
///
/// It is asked while a commit holds its lock, so that the answers are still true when the set is
/// applied. What was read for an answer may be kept for that, which is why the methods take it
/// mutably.
pub trait Stored {
    /// What can go wrong while reading.
    type Error: From<RepositoryError>;

    /// Whether this repository can apply such a change. [`Change`] grows, and what is not known is
    /// refused rather than left out.
    fn knows(&self, change: &Change) -> bool;

    /// The version of the lifecycle in force.
    ///
    /// # Errors
    ///
    /// The backend's, as of all that follow.
    fn lifecycle(&mut self) -> Result<Option<Version>, Self::Error>;

    /// The statuses of the lifecycle in force. Asked only when it is about to be replaced.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn statuses(&mut self) -> Result<Vec<LeadStatus>, Self::Error>;

    /// Whether the lifecycle in force has this status.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn has_status(&mut self, status: &LeadStatus) -> Result<bool, Self::Error>;

    /// How many leads are in a status, archived ones included.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn leads_in(&mut self, status: &LeadStatus) -> Result<u64, Self::Error>;

    /// What there is of a lead.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn lead(&mut self, id: LeadId) -> Result<StoredLead, Self::Error>;

    /// The version of a document.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn document(&mut self, key: &DocumentKey) -> Result<Option<Version>, Self::Error>;
}

/// What there is of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredLead {
    /// There never was one with this id.
    Never,
    /// There was one, of which the erased events are left.
    Deleted,
    /// It is there.
    There {
        /// Its version.
        version: Version,
        /// Its status.
        status: LeadStatus,
    },
}

/// Checks a change set whose commit id was not used before, as
/// [`Repository::commit`](super::Repository::commit) says.
///
/// # Errors
///
/// The first check that fails: see there. And what the backend cannot read.
pub fn check<S: Stored>(stored: &mut S, changes: &ChangeSet) -> Result<(), S::Error> {
    for change in changes.changes() {
        if !stored.knows(change) {
            let what = "a change of this kind";
            return refuse(RepositoryErrorKind::Unsupported { what });
        }
    }
    check_lifecycle(stored, changes)?;
    for change in changes.changes() {
        match change {
            Change::Create { lead, .. } => {
                check_new(stored, lead.id)?;
                check_status(stored, lead, changes)?;
            }
            Change::Update { lead, .. } => {
                // The version it was made from is the one before its own.
                let expected = Version::new(lead.version.get().saturating_sub(1));
                check_version(stored, lead.id, expected)?;
                check_status(stored, lead, changes)?;
            }
            Change::Delete { lead, expected, .. } => check_version(stored, *lead, *expected)?,
            Change::PutDocument { expected, document } => {
                check_document(stored, &document.key, *expected)?;
            }
            Change::RemoveDocument { key, expected } => {
                check_document(stored, key, Some(*expected))?;
            }
            Change::ReplaceLifecycle { .. } => {}
        }
    }
    Ok(())
}

/// The answer to a change set whose commit id was used before. `is_there` tells whether a lead is
/// stored still.
///
/// # Errors
///
/// `CommitReused` for another payload, `Gone` if a lead that was created has been deleted since;
/// and what `is_there` says.
pub fn repeated<E: From<RepositoryError>>(
    done: Committed,
    again: &ChangeSet,
    mut is_there: impl FnMut(LeadId) -> Result<bool, E>,
) -> Result<Committed, E> {
    if !done.is_of(again.fingerprint()) {
        let commit = again.commit();
        return refuse(RepositoryErrorKind::CommitReused { commit });
    }
    for &(lead, version) in &done.leads {
        if version == Version::FIRST && !is_there(lead)? {
            return refuse(RepositoryErrorKind::Gone { lead });
        }
    }
    Ok(done.repeated())
}

fn refuse<T, E: From<RepositoryError>>(kind: RepositoryErrorKind) -> Result<T, E> {
    Err(RepositoryError::from(kind).into())
}

fn check_lifecycle<S: Stored>(stored: &mut S, changes: &ChangeSet) -> Result<(), S::Error> {
    let found = stored.lifecycle()?;
    let mut in_force = found;
    for change in changes.changes() {
        if let Change::ReplaceLifecycle {
            expected,
            lifecycle,
        } = change
        {
            if *expected != found {
                return refuse(RepositoryErrorKind::StaleLifecycle { found });
            }
            for status in stored.statuses()? {
                if lifecycle.get(&status).is_none() {
                    check_unused(stored, status, changes)?;
                }
            }
            in_force = Some(lifecycle.version());
        }
    }
    match changes.checked_against() {
        Some(checked) if Some(checked) != in_force => {
            refuse(RepositoryErrorKind::StaleLifecycle { found })
        }
        _ => Ok(()),
    }
}

/// A status that leads are in does not go, unless this set moves them all.
fn check_unused<S: Stored>(
    stored: &mut S,
    status: LeadStatus,
    changes: &ChangeSet,
) -> Result<(), S::Error> {
    let mut leads = stored.leads_in(&status)?;
    for change in changes.changes() {
        let id = match change {
            Change::Update { lead, .. } => lead.id,
            Change::Delete { lead, .. } => *lead,
            _ => continue,
        };
        if matches!(stored.lead(id)?, StoredLead::There { status: of, .. } if of == status) {
            leads = leads.saturating_sub(1);
        }
    }
    if leads > 0 {
        return refuse(RepositoryErrorKind::StatusInUse { status, leads });
    }
    Ok(())
}

fn check_new<S: Stored>(stored: &mut S, lead: LeadId) -> Result<(), S::Error> {
    match stored.lead(lead)? {
        StoredLead::Never => Ok(()),
        StoredLead::Deleted => refuse(RepositoryErrorKind::Gone { lead }),
        StoredLead::There { .. } => refuse(RepositoryErrorKind::AlreadyExists { lead }),
    }
}

fn check_version<S: Stored>(
    stored: &mut S,
    lead: LeadId,
    expected: Version,
) -> Result<(), S::Error> {
    match stored.lead(lead)? {
        StoredLead::There { version, .. } if version == expected => Ok(()),
        StoredLead::There { version: found, .. } => refuse(RepositoryErrorKind::Conflict {
            lead,
            expected,
            found,
        }),
        StoredLead::Deleted => refuse(RepositoryErrorKind::Gone { lead }),
        StoredLead::Never => refuse(RepositoryErrorKind::NotFound { lead }),
    }
}

fn check_status<S: Stored>(
    stored: &mut S,
    lead: &Lead,
    changes: &ChangeSet,
) -> Result<(), S::Error> {
    let is_known = match changes.lifecycle() {
        Some(replaced) => replaced.get(&lead.status).is_some(),
        None => stored.has_status(&lead.status)?,
    };
    if is_known {
        return Ok(());
    }
    let status = lead.status.clone();
    refuse(RepositoryErrorKind::UnknownStatus { status })
}

fn check_document<S: Stored>(
    stored: &mut S,
    key: &DocumentKey,
    expected: Option<Version>,
) -> Result<(), S::Error> {
    let found = stored.document(key)?;
    if found == expected {
        return Ok(());
    }
    let key = key.clone();
    refuse(RepositoryErrorKind::DocumentConflict { key, found })
}
