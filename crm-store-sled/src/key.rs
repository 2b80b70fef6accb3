//! The bytes of keys: which tenant, then what, in an order that sled's byte order keeps.
//!
//! ```text
//! tenants     name                            → number
//! heads       tenant                          → head
//! erasing     tenant [lead]                   →
//! leads       tenant lead                     → record
//! keys        tenant index key                →
//! counters    tenant row [part]               → counters of one assignee
//! events      tenant position                 → record
//! history     tenant lead version             → position
//! commits     tenant commit                   → record
//! lifecycles  tenant version                  → JSON
//! documents   tenant name                     → version, bytes
//! pieces      tenant table rest 0x00 number   → part of a large value
//! ```
//!
//! A tenant is a number of four bytes, so that its keys are short and no tenant's keys begin like
//! another's. Numbers are big-endian; ids are their 16 bytes.

use crate::table::Table;
use crm_core::event::CommitId;
use crm_core::lead::{LeadId, Version};
use crm_core::repository::DocumentKey;

/// What a tenant is called in keys. Never used again once the tenant is erased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TenantNumber(u32);

impl TenantNumber {
    /// Nobody's: what is read of a tenant that does not exist.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// From the beginning of a key.
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let (number, _) = key.split_first_chunk()?;
        Some(Self(u32::from_be_bytes(*number)))
    }

    /// The key of this tenant that goes on with these parts.
    pub(crate) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut key = Vec::with_capacity(PREFIX + length);
        key.extend(self.0.to_be_bytes());
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    /// From where to where the keys of this tenant are: up to but not including the second.
    pub(crate) fn range(self) -> (Vec<u8>, Vec<u8>) {
        let next = Self(self.0.saturating_add(1));
        (self.key(&[]), next.key(&[]))
    }

    pub(crate) fn lead(self, lead: LeadId) -> Vec<u8> {
        self.key(&[lead.as_bytes()])
    }

    pub(crate) fn event(self, position: u64) -> Vec<u8> {
        self.key(&[&position.to_be_bytes()])
    }

    pub(crate) fn history(self, lead: LeadId, version: Version) -> Vec<u8> {
        self.key(&[lead.as_bytes(), &version.get().to_be_bytes()])
    }

    pub(crate) fn commit(self, commit: CommitId) -> Vec<u8> {
        self.key(&[commit.as_uuid().as_bytes()])
    }

    pub(crate) fn lifecycle(self, version: Version) -> Vec<u8> {
        self.key(&[&version.get().to_be_bytes()])
    }

    pub(crate) fn document(self, key: &DocumentKey) -> Vec<u8> {
        self.key(&[key.as_str().as_bytes()])
    }
}

/// The bytes of a key that name the tenant.
pub(crate) const PREFIX: usize = 4;

/// What follows the tenant in a key.
pub(crate) fn rest(key: &[u8]) -> &[u8] {
    key.get(PREFIX..).unwrap_or_default()
}

/// The key of a piece of the value that a table has under a key.
///
/// Within a table, keys have one length or hold no 0x00, so no two values share a piece.
pub(crate) fn piece(table: Table, key: &[u8], number: u16) -> Vec<u8> {
    let mut piece = Vec::with_capacity(key.len() + 4);
    piece.extend_from_slice(key.get(..PREFIX).unwrap_or_default());
    piece.push(table.code());
    piece.extend_from_slice(rest(key));
    piece.push(0);
    piece.extend(number.to_be_bytes());
    piece
}

/// The number at the end of a key or a value, big-endian.
pub(crate) fn last_number(bytes: &[u8]) -> Option<u64> {
    let (_, number) = bytes.split_last_chunk()?;
    Some(u64::from_be_bytes(*number))
}

/// The lead in a key that goes on with one.
pub(crate) fn lead_of(key: &[u8]) -> Option<LeadId> {
    let (id, _) = rest(key).split_first_chunk()?;
    Some(LeadId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ops::Range;

    fn tenant() -> impl Strategy<Value = TenantNumber> {
        // Mostly neighbours, also across a byte's end.
        prop_oneof![0u32..3, 254u32..258, 65_534u32..65_538, any::<u32>()]
            .prop_map(TenantNumber::new)
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..3, 254u64..258, any::<u64>()]
    }

    fn id() -> impl Strategy<Value = [u8; 16]> {
        (any::<[u8; 2]>(), 0usize..15).prop_map(|(bytes, at)| {
            let mut id = [0; 16];
            id[at..at + 2].copy_from_slice(&bytes);
            id
        })
    }

    fn within((from, to): (Vec<u8>, Vec<u8>), key: &[u8]) -> bool {
        Range {
            start: &from[..],
            end: &to[..],
        }
        .contains(&key)
    }

    proptest! {
        #[test]
        fn events_sort_by_tenant_then_position(a in (tenant(), number()), b in (tenant(), number())) {
            let key = |(tenant, position): (TenantNumber, u64)| tenant.event(position);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(last_number(&key(a)), Some(a.1));
        }

        #[test]
        fn histories_sort_by_tenant_then_lead_then_version(
            a in (tenant(), id(), number()),
            b in (tenant(), id(), number()),
        ) {
            let key = |(tenant, id, version): (TenantNumber, [u8; 16], u64)| {
                tenant.history(LeadId::from_bytes(id), Version::new(version))
            };
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(lead_of(&key(a)), Some(LeadId::from_bytes(a.1)));
        }

        #[test]
        fn what_follows_the_tenant_sorts_as_it_is(
            tenant in tenant(),
            a in prop::collection::vec(any::<u8>(), 0..6),
            b in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            let (one, other) = (tenant.key(&[&a]), tenant.key(&[&b]));
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
            prop_assert_eq!(rest(&one), &a[..]);
        }

        #[test]
        fn a_range_holds_one_tenant_and_no_other(
            a in tenant(),
            b in tenant(),
            rest in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            prop_assume!(a.0 < u32::MAX);
            prop_assert!(within(a.range(), &a.key(&[&rest])));
            prop_assert_eq!(within(a.range(), &b.key(&[&rest])), a == b);
            prop_assert_eq!(TenantNumber::of(&b.key(&[&rest])), Some(b));
        }

        #[test]
        fn no_two_values_share_a_piece(
            a in (tenant(), "[a-c/]{1,3}", 0u16..3),
            b in (tenant(), "[a-c/]{1,3}", 0u16..3),
        ) {
            let key = |(tenant, name, number): &(TenantNumber, String, u16)| {
                piece(Table::Documents, &tenant.key(&[name.as_bytes()]), *number)
            };
            prop_assert_eq!(key(&a) == key(&b), a == b);
            let other = piece(Table::Leads, &a.0.key(&[a.1.as_bytes()]), a.2);
            prop_assert_ne!(key(&a), other);
        }
    }
}
