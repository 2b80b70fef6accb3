//! What goes wrong here, and what it is called in the contract.

use crm_core::event::CommitId;
use crm_core::record::RecordError;
use crm_core::repository::{RepositoryError, RepositoryErrorKind};

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure before it is converted, once, into [`RepositoryError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An answer that the contract names: a conflict, a wrong query.
    #[error(transparent)]
    Answer(#[from] RepositoryError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the tables could not be made")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is stored contradicts itself.
    #[error("the storage is damaged: {0}")]
    Damaged(&'static str),
    #[error("this storage does not support {0}")]
    Unsupported(&'static str),
    /// The connection failed while it committed.
    #[error("commit {commit} may have been made")]
    Doubtful {
        commit: CommitId,
        #[source]
        cause: Box<Error>,
    },
    /// Somebody else did the same at the same time.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    #[error("others were faster")]
    Overtaken,
    #[error("the database lacks tables of crm-kit: run `migrate` first")]
    NoTables,
    /// The server ended the application's transaction, as others were in its way.
    #[cfg(feature = "mysql")]
    #[error("the server rolled the whole transaction back: give it up, and make it again")]
    RolledBack(#[source] Box<Error>),
    /// The application's transaction read before others wrote.
    #[cfg(feature = "sqlite")]
    #[error(
        "others wrote since this transaction read: roll it back, and begin with `BEGIN IMMEDIATE`"
    )]
    Outdated(#[source] sqlx::Error),
}

/// What a failure of the database means, told by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Others are working; nothing was done, and the same may succeed in a moment.
    Busy,
    /// The server cannot be reached, or no more. What was not committed was not done.
    Lost,
    /// What is stored cannot be read.
    Corrupt,
    /// Anything else.
    Failed,
}

impl From<RepositoryErrorKind> for Error {
    fn from(kind: RepositoryErrorKind) -> Self {
        Self::Answer(kind.into())
    }
}

impl From<crm_core::lead::Invalid> for Error {
    fn from(invalid: crm_core::lead::Invalid) -> Self {
        Self::Answer(invalid.into())
    }
}

impl From<crm_core::query::InvalidCursor> for Error {
    fn from(invalid: crm_core::query::InvalidCursor) -> Self {
        Self::Answer(invalid.into())
    }
}

/// JSON that does not parse.
impl From<serde_json::Error> for Error {
    fn from(_: serde_json::Error) -> Self {
        // The error's text may quote what is stored, so it is not kept.
        Self::Damaged("a JSON text")
    }
}

impl Error {
    pub(crate) fn meaning(&self) -> Meaning {
        let database = match self {
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            Self::Overtaken => return Meaning::Busy,
            Self::Database(error) => error,
            Self::Migrate(
                sqlx::migrate::MigrateError::Execute(error)
                | sqlx::migrate::MigrateError::ExecuteMigration(error, _),
            ) => error,
            _ => return Meaning::Failed,
        };
        match database {
            sqlx::Error::Database(error) => meaning_of(error.as_ref()),
            sqlx::Error::PoolTimedOut => Meaning::Busy,
            sqlx::Error::Io(_) => Meaning::Lost,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Meaning::Corrupt,
            _ => Meaning::Failed,
        }
    }

    /// Whether this is an answer to the caller, after which the connection is as good as before.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Unsupported(_))
    }
}

fn meaning_of(error: &dyn sqlx::error::DatabaseError) -> Meaning {
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        return crate::sqlite::meaning_of(error);
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return crate::mysql::meaning_of(error);
    }
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return crate::postgres::meaning_of(error);
    }
    let _ = error;
    Meaning::Failed
}

impl From<Error> for RepositoryError {
    fn from(error: Error) -> Self {
        use RepositoryErrorKind as Kind;
        let kind = match &error {
            Error::Answer(_) | Error::NoTables => Kind::Other,
            #[cfg(feature = "sqlite")]
            Error::Outdated(_) => Kind::Other,
            Error::Database(_) | Error::Migrate(_) => match error.meaning() {
                Meaning::Busy | Meaning::Lost => Kind::Unavailable,
                Meaning::Corrupt => Kind::Corrupt {
                    what: "the database",
                },
                Meaning::Failed => Kind::Other,
            },
            Error::Record(RecordError::Damaged(what)) => Kind::Corrupt { what },
            Error::Record(_) => Kind::Other,
            Error::Damaged(what) => Kind::Corrupt { what },
            Error::Unsupported(what) => Kind::Unsupported { what },
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            Error::Overtaken => Kind::Unavailable,
            #[cfg(feature = "mysql")]
            Error::RolledBack(_) => Kind::Unavailable,
            Error::Doubtful { commit, .. } => Kind::OutcomeUnknown { commit: *commit },
        };
        match error {
            Error::Answer(answer) => answer,
            Error::Doubtful { cause, .. } => Self::with_source(kind, Self::from(*cause)),
            Error::Database(cause) => Self::with_source(kind, cause),
            other => Self::with_source(kind, other),
        }
    }
}
