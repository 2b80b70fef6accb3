//! Where a page ends, as a short text that travels through URLs and comes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The place in a list where the next page begins.
///
/// Opaque: it is shown as text of letters, digits, `-` and `_`, given back as it was, and good for
/// the list that made it, whatever the limit of the next page. It holds a place, not a right: what a
/// caller may see is decided by the query it comes with.
///
/// Lists, histories and reports seal their own positions in it:
///
/// ```
/// use crm_core::query::{Binding, Cursor, InvalidCursor};
///
/// let history = Binding::new("history", &[b"acme", b"lead_01h455vb4pex5vsknk084sn02q"]);
/// let cursor = Cursor::seal(history, &42u64.to_be_bytes());
///
/// let returned: Cursor = cursor.to_string().parse()?;
/// assert_eq!(returned.open(history)?, 42u64.to_be_bytes());
///
/// let other = Binding::new("history", &[b"acme", b"lead_01h455vb4pex5vsknk084sn02r"]);
/// assert_eq!(returned.open(other), Err(InvalidCursor::OtherQuery));
/// # Ok::<(), InvalidCursor>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Box<[u8]>);

/// What a cursor belongs to: two cursors of one list have the same binding, those of different
/// lists have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding([u8; BINDING]);

/// Why a cursor was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCursor {
    /// It was cut, changed, or made by a version that is not understood.
    #[error("the cursor is damaged: start again from the first page, without a cursor")]
    Malformed,
    /// It was made by a query with another filter, sort or tenant, or the statuses have been put
    /// into another order since.
    #[error(
        "the cursor belongs to another query: send it with the filter and sort that made it, or \
         start again from the first page, without a cursor"
    )]
    OtherQuery,
}

const VERSION: u8 = 1;
const BINDING: usize = 8;
const CHECKSUM: usize = 8;

impl Binding {
    /// A binding to a kind of list (`history`) and whatever tells one list of this kind from
    /// another: the tenant above all.
    #[must_use]
    pub fn new(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        // Lengths first, so that no two lists of parts run into the same bytes.
        for part in [kind.as_bytes()].iter().chain(parts) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(first_bytes(&hash.finalize()))
    }
}

impl Cursor {
    /// The longest text that is looked at, in bytes.
    pub const MAX_TEXT: usize = 1_024;

    /// The longest position, in bytes. A cursor with a longer one is refused when it returns.
    pub const MAX_POSITION: usize = Self::MAX_TEXT / 4 * 3 - 1 - BINDING - CHECKSUM;

    /// A cursor that holds a position in the list that it is bound to.
    #[must_use]
    pub fn seal(binding: Binding, position: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1 + BINDING + position.len() + CHECKSUM);
        bytes.push(VERSION);
        bytes.extend_from_slice(&binding.0);
        bytes.extend_from_slice(position);
        bytes.extend_from_slice(&checksum(&bytes));
        Self(bytes.into_boxed_slice())
    }

    /// The position, if the cursor belongs to this list.
    ///
    /// # Errors
    ///
    /// [`InvalidCursor::OtherQuery`] if it belongs to another.
    pub fn open(&self, binding: Binding) -> Result<&[u8], InvalidCursor> {
        let (sealed, position) = self.parts().ok_or(InvalidCursor::Malformed)?;
        if *sealed == binding.0 {
            Ok(position)
        } else {
            Err(InvalidCursor::OtherQuery)
        }
    }

    fn parts(&self) -> Option<(&[u8; BINDING], &[u8])> {
        let (&VERSION, body) = self.0.split_first()? else {
            return None;
        };
        let (body, _) = body.split_last_chunk::<CHECKSUM>()?;
        let (binding, position) = body.split_first_chunk()?;
        (position.len() <= Self::MAX_POSITION).then_some((binding, position))
    }

    fn is_intact(&self) -> bool {
        self.0
            .split_last_chunk()
            .is_some_and(|(body, sum)| *sum == checksum(body))
            && self.parts().is_some()
    }
}

/// Catches accidents and tinkering; it is no secret, as a position gives no rights.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    first_bytes(
        &Sha256::new()
            .chain_update(b"cursor")
            .chain_update(bytes)
            .finalize(),
    )
}

fn first_bytes(hash: &[u8]) -> [u8; 8] {
    hash.first_chunk().copied().unwrap_or_default()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// A position may hold a name or an e-mail address: it is not shown.
impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(…)")
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > Self::MAX_TEXT {
            return Err(InvalidCursor::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidCursor::Malformed)?;
        let cursor = Self(bytes.into_boxed_slice());
        if cursor.is_intact() {
            Ok(cursor)
        } else {
            Err(InvalidCursor::Malformed)
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::lead::label::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binding() -> Binding {
        Binding::new("test", &[b"acme"])
    }

    #[test]
    fn parts_of_a_binding_do_not_run_together() {
        let of = |parts: &[&[u8]]| Binding::new("test", parts);
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ab", b""]));
        assert_ne!(of(&[]), Binding::new("other", &[]));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let cursor = Cursor::seal(binding(), b"position").to_string();
        let long = "A".repeat(10 << 20);
        let padded = format!("{cursor}=");
        let spaced = format!(" {cursor}");
        for wrong in [
            "",
            "A",
            "AAAA",
            "é",
            "not a cursor",
            &long,
            &padded,
            &spaced,
        ] {
            assert_eq!(wrong.parse::<Cursor>(), Err(InvalidCursor::Malformed));
        }
    }

    #[test]
    fn a_cursor_of_another_version_is_refused() {
        let mut bytes = vec![VERSION + 1];
        bytes.extend_from_slice(&binding().0);
        bytes.extend_from_slice(&checksum(&bytes));
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor::Malformed));
    }

    #[test]
    fn positions_are_bounded() {
        let longest = Cursor::seal(binding(), &[7; Cursor::MAX_POSITION]);
        assert!(longest.to_string().len() <= Cursor::MAX_TEXT);
        assert_eq!(longest.to_string().parse(), Ok(longest));
        let over = Cursor::seal(binding(), &[7; Cursor::MAX_POSITION + 1]);
        assert_eq!(over.open(binding()), Err(InvalidCursor::Malformed));
    }

    #[test]
    fn errors_say_what_to_do() {
        for error in [InvalidCursor::Malformed, InvalidCursor::OtherQuery] {
            assert!(
                error
                    .to_string()
                    .contains("start again from the first page")
            );
        }
    }

    proptest! {
        #[test]
        fn a_cursor_is_what_it_shows(position: Vec<u8>) {
            let cursor = Cursor::seal(binding(), &position);
            let returned: Cursor = cursor.to_string().parse().unwrap();
            prop_assert_eq!(returned.open(binding()).unwrap(), &position[..]);
            let json = serde_json::to_string(&cursor).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }

        #[test]
        fn a_cut_or_changed_cursor_is_refused(position: Vec<u8>, place: prop::sample::Index, bit in 0u8..6) {
            let text = Cursor::seal(binding(), &position).to_string();
            let cut = &text[..place.index(text.len())];
            prop_assert_eq!(cut.parse::<Cursor>(), Err(InvalidCursor::Malformed));

            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(changed.parse::<Cursor>(), Err(InvalidCursor::Malformed));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,60}|[A-Za-z0-9_-]{0,60}") {
            prop_assert!(text.parse::<Cursor>().is_err());
        }
    }
}
