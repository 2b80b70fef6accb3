//! An access token as it is stored: one document each.

use super::secret::SecretHash;
use super::{Permission, Principal};
use crm_core::chrono::{DateTime, Utc};
use crm_core::lead::{Invalid, TenantId, UserId};
use crm_core::repository::DocumentKey;
use serde::{Deserialize, Serialize};

/// The number of the format below.
const FORMAT: u32 = 1;

/// What is stored of a token: everything but its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredToken {
    format: u32,
    pub(super) hash: String,
    pub(super) name: Option<String>,
    pub(super) user: UserId,
    pub(super) permissions: Vec<Permission>,
    pub(super) own_leads_only: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) created_by: Option<UserId>,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl StoredToken {
    pub(super) fn new(hash: SecretHash, user: UserId, created_at: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT,
            hash: hash.to_text(),
            name: None,
            user,
            permissions: Vec::new(),
            own_leads_only: false,
            created_at,
            created_by: None,
            expires_at: None,
        }
    }

    /// `None` for what was written by a newer version, or is damaged: a token that is not
    /// understood opens nothing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let token: Self = serde_json::from_slice(bytes).ok()?;
        (token.format == FORMAT).then_some(token)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        // A plain struct: serde_json has no way to fail on it.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn belongs_to(&self, hash: &SecretHash) -> bool {
        SecretHash::parse(&self.hash).is_some_and(|known| known.is(hash))
    }

    pub(super) fn principal(&self, tenant: TenantId) -> Principal {
        let user = Principal::new(tenant, self.user.clone());
        let principal = self
            .permissions
            .iter()
            .copied()
            .fold(user, Principal::allow);
        if self.own_leads_only {
            principal.own_leads_only()
        } else {
            principal
        }
    }
}

/// Where a token is stored.
pub(super) fn key(id: &[u8; 16]) -> Result<DocumentKey, Invalid> {
    format!("http/token/{}", hex(id)).parse()
}

pub(super) fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}

pub(super) fn unhex(text: &str) -> Option<[u8; 16]> {
    let plain = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == 32 && text.bytes().all(plain))
        .then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_token_reads_back_and_a_newer_one_opens_nothing() {
        let hash = SecretHash::of_text("x");
        let token = StoredToken::new(hash, "u".parse().unwrap(), DateTime::UNIX_EPOCH);
        let written = token.write();
        assert_eq!(StoredToken::read(&written), Some(token));
        let newer = String::from_utf8(written)
            .unwrap()
            .replace("\"format\":1", "\"format\":2");
        assert_eq!(StoredToken::read(newer.as_bytes()), None);
        assert_eq!(StoredToken::read(b"\xff"), None);
    }

    #[test]
    fn ids_are_32_lower_case_digits() {
        let id = [0xab; 16];
        assert_eq!(unhex(&hex(&id)), Some(id));
        for wrong in ["", "+1", &"A".repeat(32), &"0".repeat(31), &"é".repeat(16)] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
