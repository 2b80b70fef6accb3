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
pub(super) struct Cache(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    known: HashMap<Key, Known>,
    barred: HashMap<[u8; 16], Barred>,
}

/// A token that is being revoked, or was a moment ago: whoever read it before must not put it back.
#[derive(Debug)]
struct Barred {
    /// How many are at it.
    revoking: usize,
    since: DateTime<Utc>,
}

impl Barred {
    fn holds(&self, now: DateTime<Utc>) -> bool {
        self.revoking > 0 || now.signed_duration_since(self.since) < KNOWN_FOR
    }
}

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
        let all = self.0.lock();
        let known = all.known.get(key).filter(|known| known.is_good(now))?;
        Some(known.principal.clone())
    }

    /// Remembers a token, unless it is being revoked here.
    pub(super) fn put(
        &self,
        key: Key,
        id: [u8; 16],
        principal: Principal,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) {
        let mut all = self.0.lock();
        if all.barred.get(&id).is_some_and(|barred| barred.holds(now)) {
            return;
        }
        if all.known.len() >= ROOM {
            all.known.retain(|_, known| known.is_good(now));
        }
        if all.known.len() >= ROOM {
            all.known.clear();
        }
        let known = Known {
            id,
            principal,
            since: now,
            expires_at,
        };
        all.known.insert(key, known);
    }

    /// Forgets a token that is about to be revoked here, and does not remember it any more, until
    /// a while after [`revoked`](Self::revoked).
    pub(super) fn revoking(&self, id: &[u8; 16], now: DateTime<Utc>) {
        let mut all = self.0.lock();
        all.known.retain(|_, known| known.id != *id);
        all.barred.retain(|_, barred| barred.holds(now));
        let barred = all.barred.entry(*id);
        let barred = barred.or_insert(Barred {
            revoking: 0,
            since: now,
        });
        barred.revoking += 1;
    }

    /// Whoever revoked it is done, or has left.
    pub(super) fn revoked(&self, id: &[u8; 16], now: DateTime<Utc>) {
        if let Some(barred) = self.0.lock().barred.get_mut(id) {
            barred.revoking = barred.revoking.saturating_sub(1);
            barred.since = now;
        }
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
        cache.revoking(&[1; 16], now);
        assert!(cache.get(&Cache::key("a"), after(1)).is_none());
    }

    #[test]
    fn a_token_that_is_revoked_is_not_put_back_by_whoever_read_it_before() {
        let cache = Cache::default();
        let after = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let put_and_get = |now| {
            cache.put(Cache::key("a"), [1; 16], principal(), None, now);
            cache.get(&Cache::key("a"), now).is_some()
        };
        assert!(put_and_get(after(0)));
        cache.revoking(&[1; 16], after(1));
        cache.revoking(&[1; 16], after(1));
        // However long it takes.
        assert!(!put_and_get(after(0)) && !put_and_get(after(9)));
        cache.revoked(&[1; 16], after(9));
        assert!(!put_and_get(after(20)), "the other is still at it");
        cache.revoked(&[1; 16], after(20));
        assert!(!put_and_get(after(24)));
        // It may be there still, if revoking it failed.
        assert!(put_and_get(after(25)));
    }

    #[test]
    fn revoked_tokens_are_forgotten_in_time() {
        let cache = Cache::default();
        for number in 0..100 {
            let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(number);
            let id = [u8::try_from(number).unwrap(); 16];
            cache.revoking(&id, now);
            cache.revoked(&id, now);
        }
        assert!(cache.0.lock().barred.len() <= 6);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::default();
        for number in 0..3 * ROOM {
            let key = Cache::key(&number.to_string());
            cache.put(key, [0; 16], principal(), None, DateTime::UNIX_EPOCH);
        }
        assert!(cache.0.lock().known.len() <= ROOM);
    }
}
