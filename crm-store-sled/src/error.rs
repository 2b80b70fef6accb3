//! What goes wrong here, and what it is called in the contract.

use crate::table::Table;
use crm_core::event::CommitId;
use crm_core::record::RecordError;
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use std::io;
use std::sync::Arc;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure before it is converted, once, into [`RepositoryError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An answer that the contract names: a conflict, a wrong query.
    #[error(transparent)]
    Answer(#[from] RepositoryError),
    #[error("sled failed")]
    Sled(#[from] sled::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is stored contradicts itself.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// sled panicked, which it does where it meets bytes that it did not write.
    #[error("sled panicked")]
    Panicked,
    #[error("the directory cannot be used")]
    Directory(#[source] io::Error),
    #[error("the store is open already, in this process or in another one")]
    InUse,
    /// Whatever is asked for after a failure: what is in memory may be more than is on disk.
    #[error("the store failed: open it again to find out what it holds")]
    Failed(#[source] Arc<Error>),
    /// A commit whose fate is decided when the store is opened again.
    #[error("commit {commit} may have been made")]
    Doubtful {
        commit: CommitId,
        #[source]
        cause: Box<Error>,
    },
}

/// Shown as the source of an error that a full disk caused.
#[derive(Debug, thiserror::Error)]
#[error("the disk is full: free some space and open the store again")]
struct DiskFull(#[source] Error);

impl From<RepositoryErrorKind> for Error {
    fn from(kind: RepositoryErrorKind) -> Self {
        Self::Answer(kind.into())
    }
}

impl From<Error> for RepositoryError {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        match error {
            Error::Answer(answer) => answer,
            Error::Doubtful { cause, .. } => Self::with_source(kind, Self::from(*cause)),
            full if full.is_full_disk() => Self::with_source(kind, DiskFull(full)),
            Error::Sled(cause) => Self::with_source(kind, cause),
            other => Self::with_source(kind, other),
        }
    }
}

impl Error {
    fn kind(&self) -> RepositoryErrorKind {
        use RepositoryErrorKind as Kind;
        match self {
            Self::Answer(_) | Self::Directory(_) => Kind::Other,
            Self::Sled(sled::Error::Corruption { .. }) | Self::Panicked => Kind::Corrupt {
                what: "the database file",
            },
            Self::Record(RecordError::Damaged(what)) | Self::Damaged(what) => {
                Kind::Corrupt { what }
            }
            Self::Record(_) | Self::Sled(_) => Kind::Other,
            Self::Failed(cause) => cause.kind(),
            Self::InUse => Kind::Unavailable,
            Self::Doubtful { commit, .. } => Kind::OutcomeUnknown { commit: *commit },
        }
    }

    /// Whether something stored is wrong, where sled itself works.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::Record(RecordError::Damaged(_))
        )
    }

    fn is_full_disk(&self) -> bool {
        match self {
            Self::Sled(sled::Error::Io(error)) | Self::Directory(error) => matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            Self::Failed(cause) => cause.is_full_disk(),
            _ => false,
        }
    }
}

/// What a table holds, as [`Corrupt`](RepositoryErrorKind::Corrupt) calls it.
pub(crate) const fn disagrees(table: Table) -> Error {
    Error::Damaged(match table {
        Table::Meta => "its description",
        Table::Tenants | Table::Heads | Table::Erasing => "the tenants",
        Table::Leads => "the leads",
        Table::Keys => "the indexes",
        Table::Counters => "the counters",
        Table::Events => "the events",
        Table::History => "the histories",
        Table::Commits => "the commits",
        Table::Lifecycles => "the lifecycles",
        Table::Documents => "the documents",
        Table::Pieces => "the large values",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_full_disk_is_called_one() {
        let full = || Error::Sled(sled::Error::Io(io::ErrorKind::StorageFull.into()));
        for error in [full(), Error::Failed(Arc::new(full()))] {
            let source = RepositoryError::from(error).source().unwrap().to_string();
            assert!(source.starts_with("the disk is full"), "{source}");
        }
    }

    #[test]
    fn a_doubtful_commit_names_itself_and_keeps_its_cause() {
        let commit = CommitId::random();
        let cause = Box::new(Error::Sled(sled::Error::Io(
            io::ErrorKind::StorageFull.into(),
        )));
        let told = RepositoryError::from(Error::Doubtful { commit, cause });
        assert!(told.is_retryable());
        assert_eq!(*told.kind(), RepositoryErrorKind::OutcomeUnknown { commit });
        let reason = told.source().unwrap().source().unwrap().to_string();
        assert!(reason.starts_with("the disk is full"), "{reason}");
    }
}
