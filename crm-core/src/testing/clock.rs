//! A clock that a test sets.

use crate::clock::Clock;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that stands still until it is told to move. Clones show the same time.
///
/// Whoever sleeps by it wakes at once, and the clock has moved by as much: tests do not wait.
///
/// ```
/// use chrono::TimeDelta;
/// use crm_core::clock::Clock;
/// use crm_core::testing::ManualClock;
///
/// let clock = ManualClock::at("2026-01-15T10:30:00Z".parse()?);
/// clock.advance(TimeDelta::days(3));
/// assert_eq!(clock.now().to_rfc3339(), "2026-01-18T10:30:00+00:00");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    micros: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows this time, to the microsecond.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self {
            micros: Arc::new(AtomicI64::new(time.timestamp_micros())),
        }
    }

    /// Moves the clock, back if the duration is negative.
    pub fn advance(&self, by: TimeDelta) {
        let by = by.num_microseconds().unwrap_or(i64::MAX);
        self.micros.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, time: DateTime<Utc>) {
        self.micros.store(time.timestamp_micros(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        let micros = self.micros.load(Ordering::SeqCst);
        DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_moves_the_clock_and_does_not_wait() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        pollster::block_on(clock.sleep(Duration::from_secs(3_600)));
        assert_eq!(clock.clone().now().timestamp(), 3_600);
        clock.advance(TimeDelta::MAX);
        let _ = clock.now();
    }
}
