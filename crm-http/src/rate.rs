//! How often one token may call.

use crm_core::clock::Clock as CoreClock;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A token, as the limiter knows it: never the token itself.
pub(crate) type Key = [u8; 16];

type Limiter = RateLimiter<Key, DashMapStateStore<Key>, Time, NoOpMiddleware<Nanos>>;

/// Whether a token has called too often.
pub(crate) struct RateLimit {
    limiter: Option<Limiter>,
    calls: AtomicU64,
}

/// How often tokens that have not called for a while are forgotten: after so many calls.
const SWEEP: u64 = 4_096;

impl RateLimit {
    pub(crate) fn new(per_second: Option<NonZeroU32>, clock: Arc<dyn CoreClock>) -> Self {
        let limiter = per_second.map(|requests| {
            let quota = Quota::per_second(requests);
            RateLimiter::new(quota, DashMapStateStore::default(), Time::new(clock))
        });
        Self {
            limiter,
            calls: AtomicU64::new(0),
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    ///
    /// One call too many: how long to wait.
    pub(crate) fn check(&self, token: &str) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
        }
        let refused = match limiter.check_key(&key(token)) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        Err(refused.wait_time_from(limiter.clock().now()))
    }
}

pub(crate) fn key(token: &str) -> Key {
    let digest = Sha256::digest(token.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("is_limited", &self.limiter.is_some())
            .finish_non_exhaustive()
    }
}

/// The application's clock, as a limiter reads it: it never goes back. While the clock is set back,
/// time goes on from where it was, or every caller would wait until the clock is there again.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    clock: Arc<dyn CoreClock>,
    last: Arc<Mutex<Last>>,
}

#[derive(Debug, Default)]
struct Last {
    /// What the clock said, in nanoseconds since 1970.
    clock: u64,
    /// What was made of it.
    time: u64,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn CoreClock>) -> Self {
        Self {
            clock,
            last: Arc::default(),
        }
    }
}

impl Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let mut last = self.last.lock();
        let since_1970 = self.clock.now().timestamp_nanos_opt().unwrap_or(0);
        let clock = u64::try_from(since_1970).unwrap_or(0);
        let passed = clock.saturating_sub(last.clock);
        let time = last.time.saturating_add(passed);
        *last = Last { clock, time };
        Nanos::new(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::chrono::TimeDelta;
    use crm_core::testing::ManualClock;

    #[test]
    fn a_token_that_calls_too_often_is_told_how_long_to_wait() {
        let clock = ManualClock::at("2026-01-15T10:30:00Z".parse().unwrap());
        let rate = RateLimit::new(NonZeroU32::new(2), Arc::new(clock.clone()));
        rate.check("a").unwrap();
        rate.check("a").unwrap();
        assert_eq!(rate.check("a"), Err(Duration::from_millis(500)));
        rate.check("b").unwrap();
        clock.advance(TimeDelta::milliseconds(500));
        rate.check("a").unwrap();
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let clock = ManualClock::at("2026-01-15T10:30:00Z".parse().unwrap());
        let rate = RateLimit::new(NonZeroU32::new(2), Arc::new(clock.clone()));
        rate.check("a").unwrap();
        rate.check("a").unwrap();
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(rate.check("a"), Err(Duration::from_millis(500)));
        for _ in 0..10 {
            clock.advance(TimeDelta::milliseconds(500));
            rate.check("a").unwrap();
        }
    }

    #[test]
    fn without_a_limit_nobody_is_refused() {
        let rate = RateLimit::new(None, Arc::new(crm_core::clock::SystemClock));
        assert!((0..10_000).all(|_| rate.check("a").is_ok()));
    }

    #[test]
    fn tokens_that_no_longer_call_are_forgotten() {
        let clock = ManualClock::at("2026-01-15T10:30:00Z".parse().unwrap());
        let rate = RateLimit::new(NonZeroU32::new(2), Arc::new(clock.clone()));
        for number in 0..SWEEP - 1 {
            rate.check(&number.to_string()).unwrap();
        }
        clock.advance(TimeDelta::seconds(10));
        rate.check("last").unwrap();
        assert!(rate.limiter.unwrap().len() <= 1);
    }
}
