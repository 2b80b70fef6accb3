//! The domain of crm-kit: leads, their lifecycle, their history, and the contract between these
//! and storage. No I/O, no async runtime, no database.
//!
//! Start at [`Crm`](crm::Crm). Which module holds what:
//!
//! | floor | module | holds |
//! | --- | --- | --- |
//! | 1 | [`lead`], [`text`], [`clock`] | the lead and its values, the folding of text, time |
//! | 2 | [`lifecycle`] | statuses, transitions, their edits and diagrams |
//! | 3 | [`event`], [`query`] | what happened; what is asked |
//! | 4 | [`repository`], [`index`], [`record`] | the storage contract, and what storages share |
//! | 5 | [`memory`], [`report`] | the reference storage; pipeline and stuck leads |
//! | 6 | [`crm`] | what an application calls |
//!
//! A module imports from its own floor and those below it.

// A library does not print; its examples do.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod clock;
pub mod crm;
pub mod event;
#[cfg(feature = "csv")]
pub mod import;
pub mod index;
pub mod lead;
pub mod lifecycle;
pub mod memory;
pub mod query;
pub mod record;
pub mod report;
pub mod repository;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;

pub use chrono;
pub use serde_json;
pub use uuid;
