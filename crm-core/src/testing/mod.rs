//! For tests: of applications that embed this crate, and of other backends.
//!
//! - [`ManualClock`] stands still until it is told to move.
//! - [`FaultyRepository`] fails the calls it is told to fail.
//! - [`repository_tests!`] makes a test of every rule that a [`Repository`](crate::repository)
//!   must keep.
//!
//! # Testing a backend
//!
//! A new backend is a struct, one trait and one macro call. `tests/conformance.rs` of a backend in
//! memory is this:
//!
//! ```
//! # mod conformance {
//! # use crm_core as crm_kit;
//! # use crm_core::memory::MemoryRepository as MyRepository;
//! crm_kit::testing::repository_tests!(MyRepository::new);
//! # }
//! ```
//!
//! with `crm-kit = { version = "…", features = ["testing"] }` among its dev-dependencies. A backend
//! that outlives its process, or needs a runtime, gives a [`Harness`] instead of a function: it says
//! how a storage is opened, closed and opened again, and how futures are run. Here one keeps its
//! storages in a directory, which goes when the test ends:
//!
//! ```
//! # use crm_core as crm_kit;
//! use crm_kit::repository::Repository;
//! use crm_kit::testing::Harness;
//! use std::path::PathBuf;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! # fn main() {}
//! # struct MyRepository;
//! # impl MyRepository {
//! #     fn open(_: PathBuf) -> crm_kit::memory::MemoryRepository { Default::default() }
//! # }
//! # struct TempDir;
//! # impl TempDir {
//! #     fn new() -> Self { Self }
//! #     fn path(&self) -> PathBuf { PathBuf::new() }
//! # }
//! struct OnDisk {
//!     directory: TempDir,
//!     opened: AtomicU64,
//! }
//!
//! impl OnDisk {
//!     fn new() -> Self {
//!         Self { directory: TempDir::new(), opened: AtomicU64::new(0) }
//!     }
//!
//!     fn at(&self, number: u64) -> Arc<dyn Repository> {
//!         Arc::new(MyRepository::open(self.directory.path().join(number.to_string())))
//!     }
//! }
//!
//! #[async_trait::async_trait]
//! impl Harness for OnDisk {
//!     async fn open(&self) -> Arc<dyn Repository> {
//!         self.at(self.opened.fetch_add(1, Ordering::SeqCst) + 1)
//!     }
//!
//!     async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
//!         drop(repository);
//!         Some(self.at(self.opened.load(Ordering::SeqCst)))
//!     }
//! }
//!
//! # mod conformance {
//! #     use super::OnDisk;
//! #     use crm_core as crm_kit;
//! crm_kit::testing::repository_tests!(OnDisk::new());
//! # }
//! ```
//!
//! The tests are named as sentences, by subject, and each can be run alone:
//! `cargo test feed::every_event_is_in_the_feed_once`. Beside single rules there are
//! [`sequences`] of random operations compared with the storage in memory, clients at work at the
//! same time whose recorded histories are checked for linearizability, and every write of
//! [`Crm`](crate::crm::Crm) on a storage that fails at every call.
//!
//! Durability is the backend's own to test: run these in its fastest mode.
//!
//! | environment variable | asks for |
//! | --- | --- |
//! | `CRM_TEST_LONG=1` | the stated counts: 1,000 sequences, 500 histories, 10,000 leads in a status that is removed; otherwise a tenth of them |
//! | `CRM_TEST_SEED=7` | other sequences than those of every run |
//!
//! `examples/own_backend` is a small backend that passes.

mod clock;
mod faulty;
mod harness;
#[macro_use]
mod list;

// What follows is made of tests: a panic is how they tell that a rule does not hold.
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
mod cases;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
mod desk;
#[allow(clippy::unwrap_used)]
mod draft;
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod leads;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
mod linearizability;
#[allow(clippy::unwrap_used)]
pub(crate) mod naive;
#[cfg(test)]
mod planted;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
pub mod sequences;
#[allow(clippy::expect_used)]
mod setup;
#[allow(clippy::expect_used)]
mod suite;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
mod trouble;

pub use clock::ManualClock;
pub use faulty::{Fault, FaultyRepository};
pub use harness::{BoxedTask, Harness};
#[doc(hidden)]
pub use suite::run_case;

#[doc(inline)]
pub use crate::repository_tests;
