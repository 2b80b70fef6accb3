//! How far a reader of the change feed has come.

use super::digest;
use crate::lead::{Invalid, ProblemKind, TenantId};
use crate::query::InvalidCursor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How far a reader of the change feed has come in one tenant's events.
///
/// It is shown and parsed as a short text, to be kept between runs of the reader, and good for the
/// tenant whose events were read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EventCursor {
    position: u64,
    tenant: u32,
}

const EVENT_CURSOR: &str = "evt_";

impl EventCursor {
    /// The cursor after the event at this position: what a repository numbers a tenant's events by.
    #[must_use]
    pub fn at(tenant: &TenantId, position: u64) -> Self {
        let tenant = first_four(&digest(&[b"feed of", tenant.as_str().as_bytes()]));
        Self { position, tenant }
    }

    /// The position of the last event read.
    ///
    /// # Errors
    ///
    /// [`InvalidCursor::OtherQuery`] if it is a cursor of another tenant's feed.
    pub fn position(&self, tenant: &TenantId) -> Result<u64, InvalidCursor> {
        if *self == Self::at(tenant, self.position) {
            Ok(self.position)
        } else {
            Err(InvalidCursor::OtherQuery)
        }
    }

    /// Catches accidents: a cursor that was cut or changed would skip events.
    fn checksum(self) -> u32 {
        let (position, tenant) = (self.position.to_be_bytes(), self.tenant.to_be_bytes());
        first_four(&digest(&[b"event cursor", &position, &tenant]))
    }
}

fn first_four(digest: &[u8]) -> u32 {
    u32::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = self.checksum();
        write!(
            f,
            "{EVENT_CURSOR}{:x}_{:08x}{checksum:08x}",
            self.position, self.tenant
        )
    }
}

impl FromStr for EventCursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let hex = |text: &str| {
            let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        let parsed = || {
            let (position, seal) = text.strip_prefix(EVENT_CURSOR)?.split_once('_')?;
            let (tenant, checksum) = seal.split_at_checked(8)?;
            let tenant = u32::try_from(hex(tenant)?).ok()?;
            let cursor = Self {
                position: hex(position)?,
                tenant,
            };
            (checksum.len() == 8 && hex(checksum)? == u64::from(cursor.checksum()))
                .then_some(cursor)
        };
        parsed().ok_or_else(|| {
            let expected = "an event cursor as it was given";
            Invalid::one("cursor", ProblemKind::Malformed { expected })
        })
    }
}

impl Serialize for EventCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::lead::label::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_cursors_parse_from_what_they_show() {
        let tenant: TenantId = "acme".parse().unwrap();
        for position in [0, 1, 31, u64::MAX] {
            let cursor = EventCursor::at(&tenant, position);
            assert_eq!(cursor.to_string().parse::<EventCursor>().unwrap(), cursor);
            assert_eq!(cursor.position(&tenant), Ok(position));
            assert_eq!(
                cursor.position(&TenantId::DEFAULT),
                Err(InvalidCursor::OtherQuery)
            );
        }
        for wrong in [
            "",
            "evt_",
            "evt_+1",
            "evt_-1",
            "1f",
            "evt_1ffffffffffffffff",
            "evt_G",
        ] {
            assert!(wrong.parse::<EventCursor>().is_err(), "{wrong}");
        }
    }
}
