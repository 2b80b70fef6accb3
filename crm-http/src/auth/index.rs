//! Which access tokens a tenant has: documents of ids, since documents cannot be listed.
//!
//! The ids are spread over sixteen documents by their first digit, so that each stays small and
//! two people who make tokens at the same time seldom meet.

use super::document::{hex, unhex};
use crm_core::lead::Invalid;
use crm_core::repository::DocumentKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many index documents there are.
pub(super) const SHARDS: u8 = 16;

/// The most ids in one: 1,500 of 35 bytes stay below the 64 KiB of a document.
pub(super) const PER_SHARD: usize = 1_500;

/// The ids of one index document, in order.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Shard(BTreeSet<String>);

impl Shard {
    /// `None` for what is damaged: nobody must write over it.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn insert(&mut self, id: &[u8; 16]) {
        self.0.insert(hex(id));
    }

    pub(super) fn remove(&mut self, id: &[u8; 16]) -> bool {
        self.0.remove(&hex(id))
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= PER_SHARD
    }

    /// The ids after this one, in order.
    pub(super) fn after(&self, id: Option<&[u8; 16]>) -> impl Iterator<Item = [u8; 16]> {
        let after = id.map(hex);
        let later = move |known: &&String| after.as_ref().is_none_or(|id| *known > id);
        self.0.iter().filter(later).filter_map(|id| unhex(id))
    }
}

/// The index document that an id belongs to: documents in order hold ids in order.
pub(super) const fn shard_of(id: &[u8; 16]) -> u8 {
    let [first, ..] = *id;
    first >> 4
}

pub(super) fn key(shard: u8) -> Result<DocumentKey, Invalid> {
    format!("http/tokens/{shard:x}").parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::repository::MAX_DOCUMENT;

    #[test]
    fn a_full_index_document_is_not_too_large() {
        let mut shard = Shard::default();
        for number in 0..u128::try_from(PER_SHARD).unwrap() {
            assert!(!shard.is_full());
            shard.insert(&number.to_be_bytes());
        }
        assert!(shard.is_full() && shard.write().len() <= MAX_DOCUMENT);
        assert_eq!(Shard::read(&shard.write()), Some(shard));
        assert_eq!(Shard::read(b"["), None);
    }

    #[test]
    fn ids_are_listed_in_order_from_anywhere() {
        let mut shard = Shard::default();
        for number in [7u128, 3, 5] {
            shard.insert(&number.to_be_bytes());
        }
        let numbers = |after: Option<u128>| -> Vec<u128> {
            let after = after.map(u128::to_be_bytes);
            shard
                .after(after.as_ref())
                .map(u128::from_be_bytes)
                .collect()
        };
        assert_eq!(numbers(None), [3, 5, 7]);
        assert_eq!(numbers(Some(3)), [5, 7]);
        assert_eq!(shard_of(&[0xf1; 16]), 15);
    }
}
