//! For tests: of applications that embed this crate, and of other backends.

mod clock;

pub use clock::ManualClock;
