//! Storage by URL, for applications whose configuration names it.

use crm_core::memory::MemoryRepository;
use crm_core::repository::Repository;
use std::fmt;
use std::sync::Arc;

/// Opens the storage that a URL names: `memory:`.
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
/// A URL that names no storage this build knows.
pub async fn connect(url: &str) -> Result<Arc<dyn Repository>, ConnectError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryRepository::new())),
        _ => Err(ConnectError {
            known: &["memory:"],
        }),
    }
}

/// A URL that names no storage this build knows. The URL is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectError {
    known: &'static [&'static str],
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no storage of this build has such a URL: it must be {}",
            self.known.join(" or ")
        )
    }
}

impl std::error::Error for ConnectError {}
