//! What the benchmarks share: two arms timed in turn, and the leads they work on.
#![allow(dead_code, reason = "each benchmark uses its own part of this")]

pub(crate) mod leads;
pub(crate) mod rounds;
