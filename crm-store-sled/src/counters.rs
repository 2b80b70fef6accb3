//! The counters of one assignee, or of everybody, in one entry.
//!
//! A lead that moves changes up to four counters of its assignee and four of everybody's. sled takes
//! as long for each entry as for any other, so those that change together stand together: a row,
//! under the key that the number of all leads in it would have.
//!
//! ```text
//! entry  number of further parts (2 bytes), the first bytes of the row
//! part   those that follow, where a row is larger than an entry should be
//! row    for each counter: how much its key begins like the one before, how much follows, that;
//!        the sum
//! ```
//!
//! Numbers in a row are LEB128, sums after a zigzag: nearly all of them take a byte or two.

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::key::TenantNumber;
use crate::store::Store;
use crate::table::Table;
use crate::value::PIECE;
use crm_core::index::{Counter, IndexKey, Measure, Shelf};
use crm_core::lead::LeadStatus;
use std::collections::BTreeMap;

const DAMAGED: Error = Error::Damaged("a counter");

/// Counters, in the order of their keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    sums: Vec<(IndexKey, i128)>,
}

/// The key of the row that a counter stands in.
pub(crate) fn row_of(counter: Counter) -> IndexKey {
    let whole = Counter {
        status: None,
        measure: Measure::Leads,
        ..counter
    };
    whole.key()
}

/// The keys of what follows the first entry of a row. No row's key begins another's.
fn part(number: TenantNumber, row: &[u8], part: u16) -> Vec<u8> {
    match part {
        0 => number.key(&[row]),
        part => number.key(&[row, &part.to_be_bytes()]),
    }
}

impl Row {
    pub(crate) fn sum(&self, key: &[u8]) -> i128 {
        let found = self.place(key).ok().and_then(|place| self.sums.get(place));
        found.map_or(0, |(_, sum)| *sum)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IndexKey, i128)> {
        self.sums.iter().map(|(key, sum)| (key, *sum))
    }

    pub(crate) fn add(&mut self, key: IndexKey, delta: i128) {
        match self.place(&key) {
            Ok(place) => {
                if let Some((_, sum)) = self.sums.get_mut(place) {
                    *sum = sum.saturating_add(delta);
                    if *sum == 0 {
                        self.sums.remove(place);
                    }
                }
            }
            Err(place) => self.sums.insert(place, (key, delta)),
        }
    }

    fn place(&self, key: &[u8]) -> std::result::Result<usize, usize> {
        self.sums.binary_search_by(|(known, _)| (**known).cmp(key))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.sums.len() * 16);
        let mut last: &[u8] = &[];
        for (key, sum) in &self.sums {
            let shared = last.iter().zip(&**key).take_while(|(a, b)| a == b).count();
            let follows = key.get(shared..).unwrap_or_default();
            write_number(shared as u128, &mut bytes);
            write_number(follows.len() as u128, &mut bytes);
            bytes.extend_from_slice(follows);
            write_number(zigzag(*sum), &mut bytes);
            last = key;
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut row = Self::default();
        let mut key = Vec::with_capacity(64);
        while !bytes.is_empty() {
            let shared = usize::try_from(read_number(&mut bytes)?).ok()?;
            let length = usize::try_from(read_number(&mut bytes)?).ok()?;
            let (follows, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            if shared > key.len() {
                return None;
            }
            key.truncate(shared);
            key.extend_from_slice(follows);
            let sum = unzigzag(read_number(&mut bytes)?);
            row.sums.push((IndexKey::from(&key[..]), sum));
        }
        // One out of order would not be found again.
        row.sums.is_sorted_by(|(a, _), (b, _)| a < b).then_some(row)
    }
}

const fn zigzag(sum: i128) -> u128 {
    ((sum << 1) ^ (sum >> 127)).cast_unsigned()
}

const fn unzigzag(number: u128) -> i128 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn write_number(mut number: u128, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return to.push(low & 0x7f);
        }
        to.push(low | 0x80);
    }
}

fn read_number(from: &mut &[u8]) -> Option<u128> {
    let mut number = 0u128;
    let mut shift = 0;
    loop {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let seven = u128::from(byte & 0x7f);
        // Bits that are lost are damage.
        if shift >= u128::BITS || (seven << shift) >> shift != seven {
            return None;
        }
        number |= seven << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

impl Store {
    /// A row, empty if there is none, and how many entries it takes.
    fn stored_row(&self, number: TenantNumber, row: &[u8]) -> Result<(Row, u16)> {
        let Some(first) = self.tables.get(Table::Counters, &part(number, row, 0))? else {
            return Ok((Row::default(), 0));
        };
        let (further, start) = first.split_first_chunk().ok_or(DAMAGED)?;
        let further = u16::from_be_bytes(*further);
        let read = match further {
            0 => Row::from_bytes(start),
            _ => {
                let mut bytes = start.to_vec();
                for next in 1..=further {
                    let next = part(number, row, next);
                    let next = self.tables.get(Table::Counters, &next)?.ok_or(DAMAGED)?;
                    bytes.extend_from_slice(&next);
                }
                Row::from_bytes(&bytes)
            }
        };
        Ok((read.ok_or(DAMAGED)?, further.saturating_add(1)))
    }

    /// A row; empty if there is none. The lock is held, in whatever way.
    pub(crate) fn row(&self, number: TenantNumber, row: &IndexKey) -> Result<Row> {
        Ok(self.stored_row(number, row)?.0)
    }

    /// A row, and how many entries it takes, of which damaged ones are none.
    pub(crate) fn row_to_check(
        &self,
        number: TenantNumber,
        row: &IndexKey,
    ) -> Result<Option<(Row, u64)>> {
        match self.stored_row(number, row) {
            Ok((row, entries)) => Ok(Some((row, entries.into()))),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sum of a counter. The lock is held, in whatever way.
    pub(crate) fn counter(&self, number: TenantNumber, key: &IndexKey) -> Result<i128> {
        let counter = Counter::from_key(key).ok_or(DAMAGED)?;
        Ok(self.row(number, &row_of(counter))?.sum(key))
    }

    /// Writes down what is added to counters.
    pub(crate) fn draft_sums(
        &self,
        sums: BTreeMap<IndexKey, i128>,
        draft: &mut Draft,
    ) -> Result<()> {
        let mut rows: BTreeMap<IndexKey, Vec<(IndexKey, i128)>> = BTreeMap::new();
        for (key, delta) in sums {
            if delta != 0 {
                let row = row_of(Counter::from_key(&key).ok_or(DAMAGED)?);
                rows.entry(row).or_default().push((key, delta));
            }
        }
        for (key, changes) in rows {
            let (mut row, had) = self.stored_row(draft.tenant, &key)?;
            for (counter, delta) in changes {
                row.add(counter, delta);
            }
            put_row(&key, &row, had, draft);
        }
        Ok(())
    }
}

fn put_row(key: &[u8], row: &Row, had: u16, draft: &mut Draft) {
    let bytes = row.to_bytes();
    let parts = bytes.len().div_ceil(PIECE);
    // 65,535 parts are hundreds of times what all currencies in all statuses can take.
    let parts = u16::try_from(parts).unwrap_or(u16::MAX);
    for (number, bytes) in (0..parts).zip(bytes.chunks(PIECE)) {
        let place = part(draft.tenant, key, number);
        let entry = match number {
            0 => [&(parts - 1).to_be_bytes(), bytes].concat(),
            _ => bytes.to_vec(),
        };
        if number < had {
            draft.replace(Table::Counters, place, entry);
        } else {
            draft.insert(Table::Counters, place, entry);
        }
    }
    for number in parts..had {
        draft.remove(Table::Counters, part(draft.tenant, key, number));
    }
}

/// How many leads there are in a status, of everybody.
pub(crate) fn leads_in(shelf: Shelf, status: LeadStatus) -> IndexKey {
    let counter = Counter {
        shelf,
        assignee: None,
        status: Some(status),
        measure: Measure::Leads,
    };
    counter.key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SledRepository;
    use crate::transaction::transact_alone;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn sums() -> impl Strategy<Value = Vec<(Vec<u8>, i128)>> {
        let sum = prop_oneof![-3i128..3, any::<i128>()];
        vec((vec(0u8..3, 0..60), sum), 0..30)
    }

    proptest! {
        #[test]
        fn a_row_holds_the_sums_that_are_not_zero(changes in sums()) {
            let mut naive: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
            let mut row = Row::default();
            for (key, delta) in changes.into_iter().filter(|(_, delta)| *delta != 0) {
                row.add(IndexKey::from(&key[..]), delta);
                let sum = naive.entry(key).or_default();
                *sum = sum.saturating_add(delta);
                naive.retain(|_, sum| *sum != 0);
            }
            prop_assert!(row.iter().map(|(key, sum)| (&**key, sum)).eq(naive.iter().map(|(key, sum)| (&**key, *sum))));
            for (key, sum) in &naive {
                prop_assert_eq!(row.sum(key), *sum);
            }
            prop_assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row));
        }

        #[test]
        fn bytes_that_are_no_row_are_none(bytes in vec(any::<u8>(), 0..40)) {
            if let Some(row) = Row::from_bytes(&bytes) {
                prop_assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row));
            }
        }
    }

    #[test]
    fn a_row_grows_over_several_entries_and_shrinks_to_none() {
        let directory = tempfile::tempdir().unwrap();
        let repository = SledRepository::builder(directory.path());
        let repository = pollster::block_on(repository.open()).unwrap();
        let store = &repository.store;
        let number = TenantNumber::new(1);
        let counters: Vec<IndexKey> = (0..400)
            .map(|status| leads_in(Shelf::Active, format!("status_{status}").parse().unwrap()))
            .collect();
        let row = row_of(Counter::from_key(&counters[0]).unwrap());
        let mut head = None;
        for (upto, delta, more) in [(10, 1, 0), (400, i128::MAX / 2, 2), (400, -1, 2)] {
            let mut draft = Draft::new(number, head);
            let sums = counters[..upto].iter().map(|key| (key.clone(), delta));
            store.draft_sums(sums.collect(), &mut draft).unwrap();
            head = Some(draft.head);
            transact_alone(&store.tables, draft.finish()).unwrap();
            let entries = store.tables.tree(Table::Counters).len() as u64;
            assert!(entries > more && head.unwrap().count(Table::Counters) == entries);
        }
        let stored = store.row(number, &row).unwrap();
        assert_eq!(stored.sum(&counters[5]), i128::MAX / 2);
        assert_eq!(stored.sum(&counters[399]), i128::MAX / 2 - 1);
        let mut draft = Draft::new(number, head);
        let sums = stored.iter().map(|(key, sum)| (key.clone(), -sum));
        store.draft_sums(sums.collect(), &mut draft).unwrap();
        transact_alone(&store.tables, draft.finish()).unwrap();
        assert!(store.tables.tree(Table::Counters).is_empty());
        assert_eq!(store.row(number, &row).unwrap(), Row::default());
    }

    #[test]
    fn the_counters_of_one_assignee_stand_in_one_row() {
        let everybody = leads_in(Shelf::Active, LeadStatus::NEW);
        let row = row_of(Counter::from_key(&everybody).unwrap());
        assert_eq!(row_of(Counter::from_key(&row).unwrap()), row);
        assert_ne!(row, everybody);
    }
}
