//! Storage by URL, for applications whose configuration names it.

use crm_core::memory::MemoryRepository;
use crm_core::repository::{Repository, RepositoryError};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The URLs that this build knows.
const KNOWN: &[&str] = &[
    "memory:",
    #[cfg(feature = "sled")]
    "sled:PATH",
    #[cfg(feature = "sqlite")]
    "sqlite:PATH",
    #[cfg(feature = "postgres")]
    "postgres://…",
    #[cfg(feature = "mysql")]
    "mysql://…",
];

/// Opens the storage that a URL names, with its defaults:
///
/// | URL | storage | feature |
/// | --- | --- | --- |
/// | `memory:` | [`MemoryRepository`], empty | |
/// | `sled:PATH` | `SledRepository`, in the directory `PATH`, which is made if it is missing | `sled` |
/// | `sqlite:PATH` | `SqliteRepository`, in the file `PATH`, which is made if it is missing | `sqlite` |
/// | `postgres://…`, `postgresql://…` | `PostgresRepository`, in the database of a server; its tables are made if they are missing | `postgres` |
/// | `mysql://…`, `mariadb://…` | `MySqlRepository`, likewise | `mysql` |
///
/// A path is all that follows the colon, as it is: `sled:leads.sled`, `sled:/var/lib/crm/leads`. One
/// that begins with `//` is refused: `sled://leads.sled` would be in the root directory.
/// That of SQLite is written as in a URL, where `%` and `?` mean something: `sqlite:leads.db?mode=rw`
/// does not make the file. `sqlite::memory:` is a database in memory.
///
/// ```
/// # pollster::block_on(async {
/// let crm = crm_kit::crm::Crm::open(crm_kit::connect("memory:").await?).await?;
/// assert!(crm_kit::connect("mongodb://localhost").await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// A URL that names no storage this build knows, or no path; a storage that cannot be opened, with the reason
/// as its source.
pub async fn connect(url: &str) -> Result<Arc<dyn Repository>, ConnectError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryRepository::new())),
        #[cfg(feature = "sled")]
        // Else `sled://leads.sled` would be a directory at the root of all.
        Some(("sled", path)) if path.starts_with("//") => Err(ConnectError::NoPath),
        #[cfg(feature = "sled")]
        Some(("sled", path)) if !path.is_empty() => {
            let opened = crm_store_sled::SledRepository::open(path).await;
            Ok(Arc::new(opened.map_err(ConnectError::Storage)?))
        }
        #[cfg(feature = "sqlite")]
        Some(("sqlite", path)) if !path.is_empty() => {
            let opened = crm_store_sqlx::SqliteRepository::open(url).await;
            Ok(Arc::new(opened.map_err(ConnectError::Storage)?))
        }
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
            let opened = crm_store_sqlx::PostgresRepository::open(url).await;
            Ok(Arc::new(opened.map_err(ConnectError::Storage)?))
        }
        #[cfg(feature = "mysql")]
        Some(("mysql" | "mariadb", rest)) if rest.starts_with("//") => {
            let opened = crm_store_sqlx::MySqlRepository::open(url).await;
            Ok(Arc::new(opened.map_err(ConnectError::Storage)?))
        }
        _ => Err(ConnectError::UnknownUrl),
    }
}

/// Why [`connect`] opened nothing. The URL is never repeated: it may hold a password.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL names no storage that this build knows.
    UnknownUrl,
    /// What follows `sled:` begins with `//`, and so is not meant as a path.
    NoPath,
    /// The storage is known and cannot be opened.
    Storage(RepositoryError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUrl => write!(
                f,
                "no storage of this build has such a URL: it must be {}",
                KNOWN.join(" or ")
            ),
            Self::NoPath => f.write_str(
                "what follows sled: is a path and cannot begin with //: write sled:leads.sled or \
                 sled:/var/lib/crm/leads",
            ),
            Self::Storage(_) => f.write_str("the storage that the URL names cannot be opened"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::UnknownUrl | Self::NoPath => None,
            Self::Storage(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    #[test]
    fn an_unknown_url_is_told_which_are_known_and_not_repeated() {
        for url in [
            "",
            "memory",
            "memory:x",
            "mongodb://me:secret@host",
            "mysql:leads",
            "postgres:leads",
            "sled",
            "sled:",
            "sqlite",
            "sqlite:",
        ] {
            let error = block_on(connect(url)).unwrap_err();
            assert!(matches!(error, ConnectError::UnknownUrl), "{url}");
            let told = error.to_string();
            assert!(told.contains("must be memory:"), "{told}");
            assert_eq!(told.contains("sled:PATH"), cfg!(feature = "sled"), "{told}");
            assert_eq!(
                told.contains("sqlite:PATH"),
                cfg!(feature = "sqlite"),
                "{told}"
            );
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[cfg(feature = "sled")]
    #[test]
    fn a_path_of_sled_is_opened_and_keeps_what_is_written() {
        use crm_core::crm::Crm;
        use crm_core::lead::NewLead;

        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sled:{}", directory.path().join("a:b").display());
            let crm = Crm::open(connect(&url).await.unwrap()).await.unwrap();
            let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
            let lead = crm.create(new).await.unwrap();
            drop(crm);
            let crm = Crm::open(connect(&url).await.unwrap()).await.unwrap();
            assert_eq!(crm.get(lead.id).await.unwrap(), lead);
        });
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_path_of_sqlite_is_opened_and_keeps_what_is_written() {
        use crm_core::crm::Crm;
        use crm_core::lead::NewLead;

        let directory = tempfile::tempdir().unwrap();
        for path in ["leads.db", "a:b c.db"] {
            let url = format!("sqlite:{}", directory.path().join(path).display());
            let crm = Crm::open(connect(&url).await.unwrap()).await.unwrap();
            let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
            let lead = crm.create(new).await.unwrap();
            drop(crm);
            let crm = Crm::open(connect(&url).await.unwrap()).await.unwrap();
            assert_eq!(crm.get(lead.id).await.unwrap(), lead);
        }
    }

    /// It was opened in the root directory.
    #[cfg(feature = "sled")]
    #[test]
    fn a_url_of_sled_with_two_slashes_is_refused_and_told_how_to_write_it() {
        for url in ["sled://leads.sled", "sled:///var/lib/crm/leads", "sled://"] {
            let error = block_on(connect(url)).unwrap_err();
            assert!(matches!(error, ConnectError::NoPath), "{url}");
            assert!(
                error.to_string().contains("write sled:leads.sled"),
                "{error}"
            );
        }
    }

    #[cfg(feature = "sled")]
    #[test]
    fn a_storage_that_cannot_be_opened_tells_why() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = block_on(connect(&format!("sled:{}", file.path().display()))).unwrap_err();
        let causes = std::iter::successors(error.source(), |error| (*error).source());
        assert!(causes.count() >= 2, "{error:?}");
    }
}
