//! sled panics where it meets bytes that it did not write. Here that becomes an error.

use crate::error::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what may panic. Nothing it leaves half-done is used again: the store answers nothing but
/// errors from then on, and a commit's transaction is whole or was never there.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the panic said is not repeated: sled puts keys into it, and these hold names.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Panicked))
}
