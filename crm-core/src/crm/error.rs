//! What an application is told when something did not happen.

use crate::lead::{Invalid, LeadId, Version};
use crate::lifecycle::{LifecycleInvalid, TransitionRefused};
use crate::report::StuckError;
use crate::repository::{RepositoryError, RepositoryErrorKind};

/// Why [`Crm`](crate::crm::Crm) did not do what it was asked. Nothing was changed, unless
/// [`outcome_is_unknown`](Self::outcome_is_unknown) says otherwise.
///
/// Messages name fields, ids and statuses, never personal data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrmError {
    /// The input is wrong; every problem of it is listed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The lifecycle does not allow the move; it says which rule failed and what is allowed.
    #[error(transparent)]
    Refused(#[from] TransitionRefused),
    /// An edit would leave the lifecycle broken; every fault is listed.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleInvalid),
    /// There is no such lead, or not within the handle's scope.
    #[error("lead {0} does not exist")]
    NotFound(LeadId),
    /// The lead was deleted.
    #[error("lead {0} was deleted")]
    Gone(LeadId),
    /// The lead is archived, and only restoring or deleting it is possible.
    #[error("lead {0} is archived: restore it first")]
    Archived(LeadId),
    /// The lead is not at the version that the caller wanted to change.
    #[error("lead {lead} is at version {found}, not {expected}: read it again")]
    Conflict {
        /// The lead.
        lead: LeadId,
        /// The version the caller named.
        expected: Version,
        /// The version it is at.
        found: Version,
    },
    /// The handle may not do this: it is restricted to one user's leads.
    #[error("not within the leads of this user")]
    OutOfScope,
    /// The idempotency key was used before, for another request.
    #[error("the idempotency key was already used for another request")]
    KeyReused,
    /// The storage failed.
    #[error(transparent)]
    Repository(RepositoryError),
}

impl CrmError {
    /// Whether the change may have been made although this error was returned. Repeating the call
    /// with the same idempotency key is safe.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        let Self::Repository(error) = self else {
            return false;
        };
        matches!(error.kind(), RepositoryErrorKind::OutcomeUnknown { .. })
    }

    /// Whether this may be owed to rules that are out of date, so that they must be read again
    /// before anybody is told.
    pub(crate) const fn depends_on_rules(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Lifecycle(_) | Self::Invalid(_)
        )
    }
}

impl From<RepositoryError> for CrmError {
    fn from(error: RepositoryError) -> Self {
        match error.kind() {
            RepositoryErrorKind::NotFound { lead } => Self::NotFound(*lead),
            RepositoryErrorKind::Gone { lead } => Self::Gone(*lead),
            RepositoryErrorKind::Conflict {
                lead,
                expected,
                found,
            } => Self::Conflict {
                lead: *lead,
                expected: *expected,
                found: *found,
            },
            RepositoryErrorKind::CommitReused { .. } => Self::KeyReused,
            RepositoryErrorKind::InvalidQuery(invalid) => Self::Invalid(invalid.clone()),
            _ => Self::Repository(error),
        }
    }
}

impl From<StuckError> for CrmError {
    fn from(error: StuckError) -> Self {
        match error {
            StuckError::Invalid(invalid) => Self::Invalid(invalid),
            StuckError::Cursor(invalid) => RepositoryError::from(invalid).into(),
        }
    }
}

impl From<RepositoryErrorKind> for CrmError {
    fn from(kind: RepositoryErrorKind) -> Self {
        RepositoryError::from(kind).into()
    }
}
