//! Tokens that were looked up a moment ago: so that a request costs no second read.

use super::Principal;
use crm_core::chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// How long a token that was looked up is known without another look. A token that is revoked in
/// another process is good here for as long.
pub(super) const KNOWN_FOR: TimeDelta = TimeDelta::seconds(5);

/// How many are remembered.
const ROOM: usize = 10_000;

/// A token, as the cache knows it: the digest of its text.
pub(super) type Key = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<Key, Known>>);

#[derive(Debug, Clone)]
struct Known {
    id: [u8; 16],
    principal: Principal,
    since: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

impl Known {
    fn is_good(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back must not make it last longer.
        let age = now.signed_duration_since(self.since);
        (TimeDelta::zero()..KNOWN_FOR).contains(&age) && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Cache {
    pub(super) fn key(token: &str) -> Key {
        Sha256::digest(token.as_bytes()).into()
    }

    pub(super) fn get(&self, key: &Key, now: DateTime<Utc>) -> Option<Principal> {
        let known = self.0.lock();
        let known = known.get(key).filter(|known| known.is_good(now))?;
        Some(known.principal.clone())
    }

    pub(super) fn put(
        &self,
        key: Key,
        id: [u8; 16],
        principal: Principal,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) {
        let mut all = self.0.lock();
        if all.len() >= ROOM {
            all.retain(|_, known| known.is_good(now));
        }
        if all.len() >= ROOM {
            all.clear();
        }
        let known = Known {
            id,
            principal,
            since: now,
            expires_at,
        };
        all.insert(key, known);
    }

    /// Forgets a token that was revoked here.
    pub(super) fn forget(&self, id: &[u8; 16]) {
        self.0.lock().retain(|_, known| known.id != *id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::lead::TenantId;

    fn principal() -> Principal {
        Principal::new(TenantId::DEFAULT, "u".parse().unwrap())
    }

    #[test]
    fn a_token_is_known_for_a_moment_and_not_beyond_its_end() {
        let cache = Cache::default();
        let now = DateTime::UNIX_EPOCH;
        let after = |seconds| now + TimeDelta::seconds(seconds);
        cache.put(Cache::key("a"), [1; 16], principal(), None, now);
        cache.put(Cache::key("b"), [2; 16], principal(), Some(after(2)), now);
        assert!(cache.get(&Cache::key("a"), after(4)).is_some());
        assert!(cache.get(&Cache::key("a"), after(5)).is_none());
        assert!(cache.get(&Cache::key("a"), after(-1)).is_none());
        assert!(cache.get(&Cache::key("b"), after(1)).is_some());
        assert!(cache.get(&Cache::key("b"), after(2)).is_none());
        cache.forget(&[1; 16]);
        assert!(cache.get(&Cache::key("a"), after(1)).is_none());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::default();
        for number in 0..3 * ROOM {
            let key = Cache::key(&number.to_string());
            cache.put(key, [0; 16], principal(), None, DateTime::UNIX_EPOCH);
        }
        assert!(cache.0.lock().len() <= ROOM);
    }
}
