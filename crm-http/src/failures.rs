//! How often one peer may present a token that is nobody's.
//!
//! Guessing a stored token is hopeless, but a given one may be short, and every guess costs a
//! look-up. A peer that goes on is refused before its tokens are looked at, the right ones too.

use crate::rate::Time;
use axum::extract::ConnectInfo;
use axum::http::Extensions;
use crm_core::clock::Clock as CoreClock;
use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, Time, NoOpMiddleware<Nanos>>;

/// How many refused peers are remembered before those are looked for that no longer are.
const ROOM: usize = 4_096;

/// Which peers have failed too often.
pub(crate) struct FailureLimit {
    limiter: Option<Limiter>,
    /// Until when a peer is refused.
    refused: Mutex<HashMap<IpAddr, Nanos>>,
}

impl FailureLimit {
    pub(crate) fn new(per_second: Option<NonZeroU32>, clock: Arc<dyn CoreClock>) -> Self {
        let limiter = per_second.map(|failures| {
            let quota = Quota::per_second(failures);
            RateLimiter::new(quota, DashMapStateStore::default(), Time::new(clock))
        });
        Self {
            limiter,
            refused: Mutex::default(),
        }
    }

    /// Whether a peer may be heard.
    ///
    /// # Errors
    ///
    /// It has failed too often: how long to wait.
    pub(crate) fn check(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        let (Some(limiter), Some(peer)) = (&self.limiter, peer) else {
            return Ok(());
        };
        let mut refused = self.refused.lock();
        let Some(until) = refused.get(&peer).copied() else {
            return Ok(());
        };
        let wait = Duration::from(until.duration_since(limiter.clock().now()));
        if wait.is_zero() {
            refused.remove(&peer);
            return Ok(());
        }
        Err(wait)
    }

    /// Counts a failure.
    pub(crate) fn count(&self, peer: Option<IpAddr>) {
        let (Some(limiter), Some(peer)) = (&self.limiter, peer) else {
            return;
        };
        if let Err(failed) = limiter.check_key(&peer) {
            let now = limiter.clock().now();
            let mut refused = self.refused.lock();
            if refused.len() >= ROOM {
                refused.retain(|_, until| *until > now);
                limiter.retain_recent();
            }
            refused.insert(peer, now + Nanos::from(failed.wait_time_from(now)));
        }
        if limiter.len() >= ROOM {
            limiter.retain_recent();
        }
    }
}

/// Who sent a request, if whoever serves the router says so. Of an IPv6 address the network: its
/// owner has all the others in it, too.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(match address.ip().to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    })
}

impl fmt::Debug for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureLimit")
            .field("is_limited", &self.limiter.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::chrono::TimeDelta;
    use crm_core::testing::ManualClock;

    fn limit(clock: &ManualClock) -> FailureLimit {
        FailureLimit::new(NonZeroU32::new(2), Arc::new(clock.clone()))
    }

    fn clock() -> ManualClock {
        ManualClock::at("2026-01-15T10:30:00Z".parse().unwrap())
    }

    #[test]
    fn a_peer_that_fails_too_often_is_refused_for_a_while() {
        let (clock, one, other) = (clock(), "192.0.2.1", "192.0.2.2");
        let limit = limit(&clock);
        let (one, other) = (one.parse().ok(), other.parse().ok());
        for _ in 0..2 {
            limit.count(one);
            limit.check(one).unwrap();
        }
        limit.count(one);
        assert_eq!(limit.check(one), Err(Duration::from_millis(500)));
        limit.check(other).unwrap();
        clock.advance(TimeDelta::milliseconds(500));
        limit.check(one).unwrap();
    }

    #[test]
    fn whoever_is_not_named_is_not_limited() {
        let limit = limit(&clock());
        for _ in 0..10 {
            limit.count(None);
        }
        limit.check(None).unwrap();
    }

    #[test]
    fn peers_that_no_longer_fail_are_forgotten() {
        let clock = clock();
        let limit = limit(&clock);
        for number in 0..2 * u32::try_from(ROOM).unwrap() {
            let peer = Some(IpAddr::from(number.to_be_bytes()));
            for _ in 0..3 {
                limit.count(peer);
            }
            clock.advance(TimeDelta::seconds(1));
        }
        assert!(limit.refused.lock().len() <= ROOM);
        assert!(limit.limiter.unwrap().len() <= ROOM);
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let mut extensions = Extensions::new();
        let mut of = |address: &str| {
            let address = SocketAddr::new(address.parse().unwrap(), 1);
            extensions.insert(ConnectInfo(address));
            peer(&extensions).unwrap()
        };
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
