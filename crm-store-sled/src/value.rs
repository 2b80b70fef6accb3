//! Values of any size in pieces of a bounded one.
//!
//! sled keeps up to sixteen entries in a node, writes nodes as a whole, and moves those beyond
//! 128 KiB into files of their own, which it neither syncs nor always removes. So a value that is
//! not small is cut: its entry says into how many pieces, and these are entries of another tree.
//! No node ever comes near that size.

use crate::error::{Result, disagrees};
use crate::key;
use crate::table::{Table, Tables};
use sled::IVec;
use std::ops::Deref;

/// The largest value kept whole, and the size of a piece: bytes.
pub(crate) const PIECE: usize = 4 * 1024;

/// Stands before the number of pieces. No record, JSON or version begins with it.
const CUT: u8 = 0xff;

/// What is stored under the value's own key, and the pieces, of which there are none if it is small.
pub(crate) fn cut(value: &[u8]) -> (IVec, Vec<&[u8]>) {
    if value.len() <= PIECE {
        return (value.into(), Vec::new());
    }
    let pieces: Vec<&[u8]> = value.chunks(PIECE).collect();
    // 65,535 pieces are 256 MiB, thousands of times what a lead, an event, a lifecycle or a
    // document can hold.
    let number = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    (IVec::from(&[CUT, high, low]), pieces)
}

/// Into how many pieces the value is cut whose entry this is.
pub(crate) fn pieces_of(entry: &[u8]) -> u16 {
    match entry {
        [CUT, high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// A value as it was before it was cut.
pub(crate) enum Value {
    Whole(IVec),
    Joined(Vec<u8>),
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }
}

/// Joins the value whose entry this is. Nobody may write to it meanwhile.
pub(crate) fn join(tables: &Tables, table: Table, key: &[u8], entry: IVec) -> Result<Value> {
    let pieces = pieces_of(&entry);
    if pieces == 0 {
        return Ok(Value::Whole(entry));
    }
    let mut joined = Vec::with_capacity(usize::from(pieces) * PIECE);
    for number in 0..pieces {
        let piece = tables.get(Table::Pieces, &key::piece(table, key, number))?;
        let piece = piece.ok_or_else(|| disagrees(table))?;
        joined.extend_from_slice(&piece);
    }
    Ok(Value::Joined(joined))
}

/// Reads a value. Nobody may write to it meanwhile.
pub(crate) fn read(tables: &Tables, table: Table, key: &[u8]) -> Result<Option<Value>> {
    match tables.get(table, key)? {
        Some(entry) => join(tables, table, key, entry).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_not_small_is_cut() {
        assert_eq!(cut(&vec![1; PIECE]).1.len(), 0);
        assert_eq!(cut(&vec![1; PIECE + 1]).1.len(), 2);
        assert_eq!(cut(&[]).1.len(), 0);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_value(length in 0..5 * PIECE, first in 0u8..CUT) {
            let value: Vec<u8> = std::iter::successors(Some(first), |last| Some(last.wrapping_add(7)))
                .take(length)
                .collect();
            let (entry, pieces) = cut(&value);
            prop_assert_eq!(usize::from(pieces_of(&entry)), pieces.len());
            prop_assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
            if pieces.is_empty() {
                prop_assert_eq!(&*entry, &value[..]);
            } else {
                prop_assert_eq!(pieces.concat(), value);
            }
        }
    }
}
