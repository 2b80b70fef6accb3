//! What the benchmarks share: two arms timed in turn, and the leads they work on.

pub(crate) mod leads;
pub(crate) mod rounds;
