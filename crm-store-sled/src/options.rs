//! How a store is opened.

use crate::SledRepository;
use crm_core::repository::RepositoryError;
use std::path::PathBuf;
use std::time::Duration;

/// What an acknowledged commit survives.
///
/// Whatever is chosen, a commit is applied as a whole or not at all, commits are lost from the end
/// only, and what is lost was never half there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Power loss, as far as sled allows: every commit waits until sled has written its log and the
    /// operating system has written the file (`fsync`). Commits that wait at the same time share
    /// one flush. The default.
    #[default]
    Fsynced,
    /// The end of the process, `SIGKILL` included, but not that of the machine: every commit waits
    /// until the operating system has the log. It may lose the last commits at a power loss.
    Flushed,
    /// A regular end only: a commit waits for nothing. At a crash the commits of the last half
    /// second or so are lost. For tests and for data that can be loaded again.
    Buffered,
}

/// What is looked at when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OpenCheck {
    /// Every entry is counted, and the counts compared with those that the store keeps of itself,
    /// on all processors: 258 s for a million leads on a machine with two. sled can lose entries
    /// without noticing; this notices. The default.
    #[default]
    Counts,
    /// The same without indexes and counters, which can be rebuilt: a fifth of the time. Leads that
    /// an index lost are then missing from lists until somebody runs
    /// [`verify`](SledRepository::verify).
    Records,
    /// Nothing. Also lets a store be opened that is known to be damaged, as far as sled can open it,
    /// to [`verify`](SledRepository::verify), [`export`](SledRepository::export) or
    /// [rebuild](SledRepository::rebuild_indexes) it. If damage keeps the opening from doing its own
    /// part, commits are refused.
    Nothing,
}

/// How a [`SledRepository`] is opened: [`SledRepository::builder`].
#[derive(Debug, Clone)]
pub struct SledBuilder {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) check: OpenCheck,
    pub(crate) cache_bytes: u64,
    /// How long a flush is put off while further commits are being made.
    pub(crate) longest_wait: Duration,
    /// How much longer the disk is made to take for each sync.
    pub(crate) sync_delay: Duration,
}

/// 256 MiB.
const CACHE: u64 = 256 * 1024 * 1024;
/// Short beside the flush of a disk that is slow, so that one flush follows on the other there; long
/// beside that of a quick one, so that it is worth its cost.
const LONGEST_WAIT: Duration = Duration::from_millis(5);

impl SledBuilder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::Fsynced,
            check: OpenCheck::Counts,
            cache_bytes: CACHE,
            longest_wait: LONGEST_WAIT,
            sync_delay: Duration::ZERO,
        }
    }

    /// What an acknowledged commit survives. Default: [`Durability::Fsynced`].
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// What is looked at first. Default: [`OpenCheck::Counts`].
    #[must_use]
    pub const fn check(mut self, check: OpenCheck) -> Self {
        self.check = check;
        self
    }

    /// How much of the data sled keeps in memory: bytes, at least 1 MiB. Default: 256 MiB. It is a
    /// goal, not a limit.
    #[must_use]
    pub const fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = if bytes < 1024 * 1024 {
            1024 * 1024
        } else {
            bytes
        };
        self
    }

    /// For benchmarks: each sync takes so much longer, as on a slower disk.
    #[doc(hidden)]
    #[must_use]
    pub const fn sync_delay(mut self, delay: Duration) -> Self {
        self.sync_delay = delay;
        self
    }

    /// Opens the store, and makes it if the directory is missing or empty.
    ///
    /// # Errors
    ///
    /// As [`SledRepository::open`].
    pub async fn open(self) -> Result<SledRepository, RepositoryError> {
        SledRepository::open_as(self).await
    }
}
