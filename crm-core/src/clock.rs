//! Time, passed in: core never asks the operating system behind the caller's back, so tests set
//! the time they need and never wait.

use async_trait::async_trait;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use std::fmt::Debug;
use std::time::Duration;

/// Where [`Crm`](crate::crm::Crm) gets the time from, and how it waits between retries.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current time. `Crm` truncates it to microseconds.
    fn now(&self) -> DateTime<Utc>;

    /// Waits for at least this long.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        futures_timer::Delay::new(duration).await;
    }
}

/// Cuts a time to whole microseconds, the precision every backend stores.
#[must_use]
pub fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    // Fails only beyond the years that nanoseconds in an i64 reach; such a time keeps its digits
    // here and is refused where leads are checked.
    time.duration_trunc(TimeDelta::microseconds(1))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_not_rounded() {
        let time: DateTime<Utc> = "2026-01-15T10:30:00.123456789Z".parse().unwrap();
        assert_eq!(
            to_micros(time).to_rfc3339(),
            "2026-01-15T10:30:00.123456+00:00"
        );
        let before_1970: DateTime<Utc> = "1969-12-31T23:59:59.999999999Z".parse().unwrap();
        assert_eq!(
            to_micros(before_1970).to_rfc3339(),
            "1969-12-31T23:59:59.999999+00:00"
        );
    }

    #[test]
    fn the_system_clock_wakes_its_sleeper() {
        pollster::block_on(SystemClock.sleep(Duration::ZERO));
    }
}
