//! What may go wrong in a repository.

use crate::event::CommitId;
use crate::lead::{Invalid, LeadId, LeadStatus, Version};
use crate::query::InvalidCursor;
use crate::repository::DocumentKey;
use std::error::Error;
use std::fmt;

/// Why a repository did not do what it was asked.
///
/// A backend keeps its own errors private and converts them once, into this.
#[derive(Debug)]
pub struct RepositoryError {
    kind: RepositoryErrorKind,
    source: Option<Box<dyn Error + Send + Sync + 'static>>,
}

/// What kind of failure it is: decided by the backend by code, never by message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryErrorKind {
    /// A lead to be changed does not exist.
    #[error("lead {lead} does not exist")]
    NotFound {
        /// The lead.
        lead: LeadId,
    },
    /// A lead to be changed, or once created by this commit, was deleted.
    #[error("lead {lead} was deleted")]
    Gone {
        /// The lead.
        lead: LeadId,
    },
    /// A lead to be created exists, or existed.
    #[error("lead {lead} exists already")]
    AlreadyExists {
        /// The lead.
        lead: LeadId,
    },
    /// A lead was changed by somebody else since it was read.
    #[error("lead {lead} was changed meanwhile: expected version {expected}, found {found}")]
    Conflict {
        /// The lead.
        lead: LeadId,
        /// The version the change was made for.
        expected: Version,
        /// The version that is stored.
        found: Version,
    },
    /// The change was checked against a lifecycle that is not the stored one.
    #[error("the lifecycle was edited meanwhile")]
    StaleLifecycle {
        /// The version that is stored, if any is.
        found: Option<Version>,
    },
    /// A document was changed by somebody else since it was read.
    #[error("document {key} was changed meanwhile")]
    DocumentConflict {
        /// The document.
        key: DocumentKey,
        /// The version that is stored, if any is.
        found: Option<Version>,
    },
    /// A lead would be in a status that the stored lifecycle does not have.
    #[error("status \"{status}\" does not exist")]
    UnknownStatus {
        /// The status.
        status: LeadStatus,
    },
    /// A lifecycle would lose a status that leads are in.
    #[error(
        "status \"{status}\" is in use by {leads} {}",
        if *leads == 1 { "lead: say where it goes" } else { "leads: say where they go" }
    )]
    StatusInUse {
        /// The status.
        status: LeadStatus,
        /// How many leads are in it, archived ones included.
        leads: u64,
    },
    /// The commit id was used before, for other changes.
    #[error("commit {commit} was already used for other changes")]
    CommitReused {
        /// The id.
        commit: CommitId,
    },
    /// The query is wrong: every problem of it.
    #[error(transparent)]
    InvalidQuery(Invalid),
    /// The cursor is not one of this query.
    #[error(transparent)]
    InvalidCursor(InvalidCursor),
    /// This backend does not know how to do it.
    #[error("this storage does not support {what}")]
    Unsupported {
        /// What it does not support.
        what: &'static str,
    },
    /// The storage cannot be reached or is too busy; nothing was changed.
    #[error("the storage is not available at the moment")]
    Unavailable,
    /// The connection broke while committing: the change may have been made or not. Repeating it
    /// under the same commit id is safe.
    #[error("it is not known whether commit {commit} was made: repeat it under the same id")]
    OutcomeUnknown {
        /// The commit.
        commit: CommitId,
    },
    /// What is stored cannot be read.
    #[error("the storage is damaged: {what}")]
    Corrupt {
        /// What cannot be read; never its content.
        what: &'static str,
    },
    /// The storage was written with other folding rules, or by an interrupted rebuild: its indexes
    /// must be rebuilt first.
    #[error("the indexes are out of date: rebuild them first")]
    OutdatedIndexes,
    /// The storage was written by a newer version.
    #[error("the storage has format {found}, this version reads up to {supported}")]
    NewerFormat {
        /// The format stored.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Anything else; see the source.
    #[error("the storage failed")]
    Other,
}

impl RepositoryError {
    /// An error with its cause.
    #[must_use]
    pub fn with_source(
        kind: RepositoryErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync + 'static>>,
    ) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> &RepositoryErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed if it is made again as it is: the storage was busy, or
    /// the outcome is unknown and the commit id makes repeating safe.
    ///
    /// A conflict is not retryable in this sense: the change must be made anew, from what is
    /// stored now, as [`Crm`](crate::crm::Crm) does.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            RepositoryErrorKind::Unavailable | RepositoryErrorKind::OutcomeUnknown { .. }
        )
    }

    /// Whether the change may have been made although it failed.
    pub(crate) const fn is_outcome_unknown(&self) -> bool {
        matches!(self.kind, RepositoryErrorKind::OutcomeUnknown { .. })
    }

    /// Whether this answer to a commit tells that no earlier try of it was made: whoever gives it
    /// has looked for the commit's id first.
    pub(crate) const fn rules_out_earlier_tries(&self) -> bool {
        matches!(
            self.kind,
            RepositoryErrorKind::CommitReused { .. }
                | RepositoryErrorKind::NotFound { .. }
                | RepositoryErrorKind::Gone { .. }
                | RepositoryErrorKind::AlreadyExists { .. }
                | RepositoryErrorKind::Conflict { .. }
                | RepositoryErrorKind::StaleLifecycle { .. }
                | RepositoryErrorKind::DocumentConflict { .. }
                | RepositoryErrorKind::UnknownStatus { .. }
                | RepositoryErrorKind::StatusInUse { .. }
        )
    }

    /// Whether somebody else changed what this change was made from.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(
            self.kind,
            RepositoryErrorKind::Conflict { .. }
                | RepositoryErrorKind::StaleLifecycle { .. }
                | RepositoryErrorKind::DocumentConflict { .. }
        )
    }
}

impl From<RepositoryErrorKind> for RepositoryError {
    fn from(kind: RepositoryErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<Invalid> for RepositoryError {
    fn from(invalid: Invalid) -> Self {
        RepositoryErrorKind::InvalidQuery(invalid).into()
    }
}

impl From<InvalidCursor> for RepositoryError {
    fn from(invalid: InvalidCursor) -> Self {
        RepositoryErrorKind::InvalidCursor(invalid).into()
    }
}

impl fmt::Display for RepositoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for RepositoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_succeed_unchanged_is_retryable() {
        let error = |kind: RepositoryErrorKind| RepositoryError::from(kind);
        let lead = LeadId::from_bytes([1; 16]);
        let conflict = RepositoryErrorKind::Conflict {
            lead,
            expected: Version::FIRST,
            found: Version::new(2),
        };
        assert!(error(RepositoryErrorKind::Unavailable).is_retryable());
        assert!(!error(conflict.clone()).is_retryable());
        assert!(error(conflict).is_conflict());
        assert!(!error(RepositoryErrorKind::NotFound { lead }).is_conflict());
    }

    #[test]
    fn one_lead_is_not_several() {
        let told = |leads| {
            let status = LeadStatus::NEW;
            RepositoryErrorKind::StatusInUse { status, leads }.to_string()
        };
        let one = "status \"new\" is in use by 1 lead: say where it goes";
        let two = "status \"new\" is in use by 2 leads: say where they go";
        assert_eq!((told(1).as_str(), told(2).as_str()), (one, two));
    }

    #[test]
    fn the_cause_is_kept() {
        let cause = std::io::Error::other("disk full");
        let error = RepositoryError::with_source(RepositoryErrorKind::Unavailable, cause);
        assert_eq!(error.source().unwrap().to_string(), "disk full");
    }
}
