//! Who and what: ids of leads, users and tenants.

use super::label::{Label, label_type};
use super::limits::MAX_ID;
use super::{Invalid, ProblemKind};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The id of a lead: a UUIDv7, so ids made later sort later, to the millisecond.
///
/// It is shown as a [TypeID](https://github.com/jetify-com/typeid), and parsed from one or from a
/// plain UUID:
///
/// ```
/// use crm_core::lead::LeadId;
///
/// let id: LeadId = "lead_01h455vb4pex5vsknk084sn02q".parse()?;
/// assert_eq!(id, "01890a5d-ac96-774b-bcce-b302099a8057".parse()?);
/// assert_eq!(id.to_string(), "lead_01h455vb4pex5vsknk084sn02q");
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeadId(Uuid);

const PREFIX: &str = "lead_";
/// Crockford's base 32, in lower case (TypeID specification 0.3).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX: usize = 26;

impl LeadId {
    /// A new id for a lead created at this time.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
        let timestamp =
            uuid::Timestamp::from_unix(uuid::NoContext, seconds, at.timestamp_subsec_nanos());
        Self(Uuid::new_v7(timestamp))
    }

    /// An id that the application already has.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// As a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// The 16 bytes, whose order is the ids' order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.as_u128();
        let mut text = String::with_capacity(PREFIX.len() + SUFFIX);
        text.push_str(PREFIX);
        for place in (0..SUFFIX).rev() {
            // Five bits select one of 32 letters, so the index is always inside.
            let digit = usize::try_from((bits >> (place * 5)) & 31).unwrap_or(0);
            text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'0')));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LeadId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = match text.strip_prefix(PREFIX) {
            Some(suffix) => decode(suffix).map(Uuid::from_u128),
            // Only the hyphenated form: the others that the parser takes are not ids people have.
            None if text.len() == 36 => Uuid::try_parse(text).ok(),
            None => None,
        };
        parsed.map(Self).ok_or_else(|| {
            Invalid::one(
                "id",
                ProblemKind::Malformed {
                    expected: "a lead id such as lead_01h455vb4pex5vsknk084sn02q, or a UUID",
                },
            )
        })
    }
}

fn decode(suffix: &str) -> Option<u128> {
    // The first of 26 × 5 bits holds only three: more would not fit into 128.
    if suffix.len() != SUFFIX || !matches!(suffix.as_bytes().first(), Some(b'0'..=b'7')) {
        return None;
    }
    suffix.bytes().try_fold(0u128, |bits, letter| {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        Some((bits << 5) | u128::try_from(digit).ok()?)
    })
}

impl Serialize for LeadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::label::parsed(deserializer)
    }
}

/// A user of the application, by the application's own id: opaque here, 1 to 128 bytes without
/// control characters or white space at the ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Label);

label_type!(UserId, user_id);

/// A tenant of the application: leads, events and lifecycles of different tenants never meet.
///
/// The same syntax as [`UserId`]. An application without tenants never names one and works in
/// [`TenantId::DEFAULT`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Label);

label_type!(TenantId, tenant_id);

impl TenantId {
    /// `default`, the tenant of applications that have no tenants.
    pub const DEFAULT: Self = Self(Label::Static("default"));
}

impl Default for TenantId {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn user_id(text: &str) -> Result<Label, Invalid> {
    opaque("user", text)
}

fn tenant_id(text: &str) -> Result<Label, Invalid> {
    opaque("tenant", text)
}

fn opaque(field: &'static str, text: &str) -> Result<Label, Invalid> {
    let kind = if text.len() > MAX_ID {
        ProblemKind::TooLong {
            max: MAX_ID,
            unit: "bytes",
        }
    } else if text.trim().is_empty() {
        ProblemKind::Blank
    } else if text.contains('\0') {
        ProblemKind::Nul
    } else if text.chars().any(char::is_control) {
        ProblemKind::ControlCharacter
    } else if text.trim() != text {
        ProblemKind::Malformed {
            expected: "an id without white space around it",
        }
    } else {
        return Ok(Label::from(text));
    };
    Err(Invalid::one(field, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // https://github.com/jetify-com/typeid/tree/main/spec: valid.json and invalid.json, with our
    // prefix.
    #[test]
    fn the_specification_s_examples_hold() {
        for (suffix, uuid) in [
            (
                "00000000000000000000000000",
                "00000000-0000-0000-0000-000000000000",
            ),
            (
                "0000000000000000000000000g",
                "00000000-0000-0000-0000-000000000010",
            ),
            (
                "00000000000000000000000010",
                "00000000-0000-0000-0000-000000000020",
            ),
            (
                "7zzzzzzzzzzzzzzzzzzzzzzzzz",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ),
            (
                "0123456789abcdefghjkmnpqrs",
                "0110c853-1d09-52d8-d73e-1194e95b5f19",
            ),
        ] {
            let id: LeadId = format!("lead_{suffix}").parse().unwrap();
            assert_eq!(id.as_uuid().to_string(), uuid);
            assert_eq!(id.to_string(), format!("lead_{suffix}"));
        }
        for wrong in [
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "1234567890123456789012345",
            "0123456789ABCDEFGHJKMNPQRS",
            "0123456789abcdefghjkmnpqri",
            "01h455vb4pex5vsknk084sn0é",
            "",
        ] {
            assert!(
                format!("lead_{wrong}").parse::<LeadId>().is_err(),
                "{wrong}"
            );
        }
        assert!("user_01h455vb4pex5vsknk084sn02q".parse::<LeadId>().is_err());
    }

    #[test]
    fn ids_made_later_sort_later() {
        let at = |text: &str| LeadId::new(text.parse().unwrap());
        assert!(at("2026-01-01T00:00:00Z") < at("2026-01-01T00:00:00.002Z"));
        assert!(at("1950-01-01T00:00:00Z") < at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn a_user_is_named_without_surprises() {
        for wrong in ["", "  ", " u", "u\n", "u\0", &"u".repeat(MAX_ID + 1)] {
            assert!(wrong.parse::<UserId>().is_err(), "{wrong:?}");
        }
        assert_eq!("user_456".parse::<UserId>().unwrap(), "user_456");
    }

    proptest! {
        #[test]
        fn every_id_is_parsed_from_what_it_shows(bits: u128) {
            let id = LeadId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id, id.to_string().parse::<LeadId>().unwrap());
            prop_assert_eq!(id, id.as_uuid().to_string().parse::<LeadId>().unwrap());
        }

        #[test]
        fn ids_sort_like_what_they_show(a: u128, b: u128) {
            let id = |bits| LeadId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id(a).cmp(&id(b)), id(a).to_string().cmp(&id(b).to_string()));
        }
    }
}
