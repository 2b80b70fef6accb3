//! For tests: of applications that embed this crate, and of other backends.
//!
//! - [`ManualClock`] stands still until it is told to move.
//! - [`FaultyRepository`] fails the calls it is told to fail.
//! - [`repository_tests!`] makes a test of every rule that a [`Repository`](crate::repository)
//!   must keep. A new backend is a struct, one trait and one macro call.

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
