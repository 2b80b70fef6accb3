//! The text of an access token: what is needed to find it, and what only its owner knows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_core::lead::TenantId;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Begins every token, so that people and scanners for leaked secrets recognise one.
const PREFIX: &str = "crm_";
const VERSION: u8 = 1;
const ID: usize = 16;
const SECRET: usize = 32;

/// A token as its owner presents it: tenant, id and 256 random bits.
pub(super) struct Secret {
    pub(super) tenant: TenantId,
    pub(super) id: [u8; ID],
    secret: [u8; SECRET],
}

/// What is kept of a token. The secret has 256 random bits, so that a plain hash cannot be guessed
/// back.
#[derive(Clone, Copy)]
pub(super) struct SecretHash([u8; 32]);

impl Secret {
    /// A new one.
    pub(super) fn generate(tenant: TenantId) -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        Ok(Self { tenant, id, secret })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        // Longer than any: not worth decoding.
        const LONGEST: usize = 300;
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (&VERSION, rest) = bytes.split_first()? else {
            return None;
        };
        let (id, rest) = rest.split_first_chunk()?;
        let (secret, tenant) = rest.split_first_chunk()?;
        let tenant = std::str::from_utf8(tenant).ok()?.parse().ok()?;
        let (id, secret) = (*id, *secret);
        Some(Self { tenant, id, secret })
    }

    /// What its owner is shown, once.
    pub(super) fn expose(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(self.tenant.as_str().as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn hash(&self) -> SecretHash {
        let mut hash = Sha256::new();
        hash.update(b"crm-http access token");
        hash.update(self.id);
        hash.update(self.secret);
        hash.update(self.tenant.as_str().as_bytes());
        SecretHash(hash.finalize().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SecretHash {
    /// Of a token that was given as any text, such as by an environment variable.
    pub(super) fn of_text(text: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"crm-http given token");
        hash.update(text.as_bytes());
        Self(hash.finalize().into())
    }

    /// Whether they are the same, in a time that does not tell how far they agree.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub(super) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_parses_from_what_it_shows_and_hides_its_tenant() {
        for tenant in ["default", "Käse & Söhne", &"t".repeat(128)] {
            let secret = Secret::generate(tenant.parse().unwrap()).unwrap();
            let shown = secret.expose();
            assert!(!shown.contains(tenant) && shown.starts_with("crm_"));
            let parsed = Secret::parse(&shown).unwrap();
            assert_eq!((parsed.id, parsed.tenant.as_str()), (secret.id, tenant));
            assert!(parsed.hash().is(&secret.hash()));
            assert!(!format!("{parsed:?}").contains(&shown));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let shown = Secret::generate(TenantId::DEFAULT).unwrap().expose();
        let long = format!("crm_{}", "A".repeat(10 << 20));
        let padded = format!("{shown}=");
        for wrong in [
            "",
            "crm_",
            "crm_AA",
            "x",
            &shown[4..],
            &shown[..60],
            &padded,
            &long,
        ] {
            assert!(Secret::parse(wrong).is_none(), "{wrong:.20}");
        }
    }

    #[test]
    fn two_tokens_have_nothing_in_common() {
        let one = Secret::generate(TenantId::DEFAULT).unwrap();
        let other = Secret::generate(TenantId::DEFAULT).unwrap();
        assert!(one.id != other.id && !one.hash().is(&other.hash()));
    }

    #[test]
    fn a_hash_parses_from_its_text() {
        let hash = SecretHash::of_text("secret");
        assert!(SecretHash::parse(&hash.to_text()).unwrap().is(&hash));
        assert!(SecretHash::parse("AAAA").is_none());
    }
}
