//! The bytes of a key, and which indexes there are.

use crate::query::SortBy;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A key of an index or of a counter: bytes, compared as bytes.
///
/// Most keys are short and sit in the value itself, so that making and comparing them neither
/// allocates nor follows pointers.
#[derive(Clone)]
pub struct IndexKey(Repr);

/// With its tag and the length, as long as six words.
const INLINE: usize = 46;
/// With its tag and the pointer, as long as six words.
const START: usize = 31;

#[derive(Clone)]
enum Repr {
    /// What follows the bytes is zero.
    Inline { len: u8, bytes: [u8; INLINE] },
    /// Long ones have their start beside the pointer: it nearly always decides, and what is behind
    /// the pointer is elsewhere in memory.
    Heap {
        start: [u8; START],
        bytes: Box<[u8]>,
    },
}

impl IndexKey {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Heap { bytes, .. } => bytes,
        }
    }

    fn start(&self) -> &[u8; START] {
        match &self.0 {
            Repr::Inline { bytes, .. } => bytes.first_chunk().unwrap_or(&[0; START]),
            Repr::Heap { start, .. } => start,
        }
    }
}

impl From<&[u8]> for IndexKey {
    fn from(from: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..from.len()), u8::try_from(from.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(from);
                Self(Repr::Inline { len, bytes })
            }
            _ => Self(Repr::Heap {
                start: *from.first_chunk().unwrap_or(&[0; START]),
                bytes: from.into(),
            }),
        }
    }
}

impl Deref for IndexKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for IndexKey {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for IndexKey {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for IndexKey {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for IndexKey {}

impl PartialOrd for IndexKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As slices compare.
impl Ord for IndexKey {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Repr::Inline { len, bytes }, Repr::Inline { len: n, bytes: b }) =
            (&self.0, &other.0)
        {
            // Of two that are the same but for zeros, the shorter comes first.
            return bytes.cmp(b).then(len.cmp(n));
        }
        let order = self.start().cmp(other.start());
        order.then_with(|| (**self).cmp(&**other))
    }
}

/// As a slice's, so that a map can be asked by a slice.
impl Hash for IndexKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// Keys hold names and e-mail addresses: only the index and the length are shown.
impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.first().copied().unwrap_or_default();
        write!(f, "IndexKey({index}, {} bytes)", self.len())
    }
}

/// Ends a text in a key; no text holds it.
pub(super) const END: u8 = 0;
/// Stands before a value.
pub(super) const VALUE: u8 = 1;
/// Stands for a value that is not there, and sorts after those that are.
pub(super) const NULL: u8 = 2;

/// The end of the range of all keys that begin with this, which does not end with the largest byte.
pub(super) fn end_of_range(start: &[u8]) -> Vec<u8> {
    let mut end = start.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// An index: a number that its keys begin with, what they are filtered by, what they are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) code: u8,
    pub(super) prefix: Prefix,
    /// `None`: the id follows directly.
    pub(super) by: Option<SortBy>,
}

/// What stands between an index's number and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Nothing,
    Status,
    Assignee,
    AssigneeAndStatus,
    Source,
    Tag,
    Email,
    Word,
}

const fn index(code: u8, prefix: Prefix, by: SortBy) -> Index {
    Index {
        code,
        prefix,
        by: Some(by),
    }
}

impl Index {
    /// In the order of the statuses, which the lead does not know: one range for each.
    pub(super) const STATUS: Self = Self {
        code: 0x50,
        prefix: Prefix::Status,
        by: None,
    };

    pub(super) const WORD: Self = Self {
        code: 0x60,
        prefix: Prefix::Word,
        by: None,
    };

    pub(super) const TAG: Self = index(0x15, Prefix::Tag, SortBy::CreatedAt);

    /// Those of which a lead has at most one key. Their numbers are stored, so they are never
    /// changed or used again.
    pub(super) const SINGLE: [Self; 17] = [
        index(0x10, Prefix::Nothing, SortBy::CreatedAt),
        index(0x11, Prefix::Status, SortBy::CreatedAt),
        index(0x12, Prefix::Assignee, SortBy::CreatedAt),
        index(0x13, Prefix::AssigneeAndStatus, SortBy::CreatedAt),
        index(0x14, Prefix::Source, SortBy::CreatedAt),
        index(0x16, Prefix::Email, SortBy::CreatedAt),
        index(0x20, Prefix::Nothing, SortBy::UpdatedAt),
        index(0x21, Prefix::Status, SortBy::UpdatedAt),
        index(0x22, Prefix::Assignee, SortBy::UpdatedAt),
        index(0x23, Prefix::AssigneeAndStatus, SortBy::UpdatedAt),
        index(0x30, Prefix::Nothing, SortBy::StatusChangedAt),
        index(0x31, Prefix::Status, SortBy::StatusChangedAt),
        index(0x40, Prefix::Nothing, SortBy::Name),
        index(0x41, Prefix::Nothing, SortBy::Company),
        index(0x42, Prefix::Nothing, SortBy::Email),
        index(0x43, Prefix::Nothing, SortBy::Value),
        Self::STATUS,
    ];

    /// The index filtered by this and sorted by that, if there is one.
    pub(super) fn find(prefix: Prefix, by: SortBy) -> Option<Self> {
        Self::SINGLE
            .into_iter()
            .chain([Self::TAG])
            .find(|index| index.prefix == prefix && index.by == Some(by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_index_has_its_own_number() {
        let mut indexes = Index::SINGLE.to_vec();
        indexes.extend([Index::TAG, Index::WORD]);
        let codes: BTreeSet<u8> = indexes.iter().map(|index| index.code).collect();
        assert_eq!(codes.len(), indexes.len());
    }

    #[test]
    fn a_key_is_as_long_as_six_words() {
        assert_eq!(size_of::<IndexKey>(), 6 * size_of::<u64>());
    }

    proptest! {
        #[test]
        fn keys_compare_like_their_bytes(a in prop::collection::vec(0u8..3, 40..50), b in prop::collection::vec(0u8..3, 40..50)) {
            let (one, other) = (IndexKey::from(&a[..]), IndexKey::from(&b[..]));
            prop_assert_eq!(one.as_bytes(), &a[..]);
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
        }
    }
}
