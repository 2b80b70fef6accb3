//! Ranges of keys, and the place of a lead in a list made of them.

use super::key::{END, end_of_range};
use crate::lead::LeadStatus;
use crate::query::{Direction, Position, Sort, SortBy, ValueKind};

/// Ranges of keys to be merged by what follows their prefixes. Segments follow one another.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) holds: Holds,
    pub(super) ranges: Vec<KeyRange>,
}

/// What follows the prefix in the keys of a segment, before the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    /// A value.
    Values,
    /// Nothing: the leads have no value.
    Nulls,
    /// Nothing: the leads are in this status.
    Status(LeadStatus),
    /// The rest of a word.
    Words,
}

/// A range of keys, not empty.
#[derive(Debug)]
pub(super) struct KeyRange {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
    /// The length of the prefix that all its keys begin with.
    pub(super) prefix: usize,
}

impl KeyRange {
    /// The keys that begin with a prefix, and go on at or above `lower` and below `upper`. `None`
    /// if there can be none.
    pub(super) fn new(
        prefix: &[u8],
        lower: Option<[u8; 8]>,
        upper: Option<[u8; 8]>,
    ) -> Option<Self> {
        let with = |rest: [u8; 8]| [prefix, &rest].concat();
        let range = Self {
            from: lower.map_or_else(|| prefix.to_vec(), with),
            to: upper.map_or_else(|| end_of_range(prefix), with),
            prefix: prefix.len(),
        };
        (range.from < range.to).then_some(range)
    }

    fn begin_after(&mut self, suffix: &[u8], direction: Direction) {
        let mut key = self.from.get(..self.prefix).unwrap_or_default().to_vec();
        key.extend_from_slice(suffix);
        match direction {
            Direction::Ascending => {
                // The least that is above the key itself.
                key.push(0);
                if self.from < key {
                    self.from = key;
                }
            }
            Direction::Descending => {
                if self.to > key {
                    self.to = key;
                }
            }
        }
    }
}

impl Segment {
    /// Leaves only what follows the lead at a position.
    pub(super) fn begin_after(&mut self, suffix: &[u8], direction: Direction) {
        for range in &mut self.ranges {
            range.begin_after(suffix, direction);
        }
        self.ranges.retain(|range| range.from < range.to);
    }
}

/// The order asked for, and where to begin.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) sort: Sort,
    /// The statuses in the direction of the sort, each once; empty unless sorted by status.
    pub(super) statuses: Vec<&'a LeadStatus>,
    pub(super) after: Option<&'a Position>,
}

/// Where a lead stands in a list: places compare in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    segment: usize,
    suffix: Vec<u8>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(sort: Sort, order: &'a [LeadStatus], after: Option<&'a Position>) -> Self {
        let mut statuses: Vec<&LeadStatus> = Vec::new();
        if sort.by == SortBy::Status {
            for status in order {
                if !statuses.contains(&status) {
                    statuses.push(status);
                }
            }
            if sort.direction == Direction::Descending {
                statuses.reverse();
            }
        }
        Self {
            sort,
            statuses,
            after,
        }
    }

    /// What follows the prefix in the key of the lead at a position.
    pub(super) fn suffix(&self, position: &Position) -> Vec<u8> {
        let mut suffix = Vec::with_capacity(64);
        if let Some(value) = &position.key {
            match self.sort.by.kind() {
                ValueKind::Time | ValueKind::Money => suffix.extend_from_slice(value),
                ValueKind::Text => {
                    suffix.extend_from_slice(value);
                    suffix.push(END);
                }
                // It is in the prefix.
                ValueKind::Status => {}
            }
        }
        suffix.extend_from_slice(position.id.as_bytes());
        suffix
    }

    /// The place of the lead at a position; `None` if its status is not among those listed.
    pub(super) fn place(&self, position: &Position) -> Option<Place> {
        let segment = match (self.sort.by.kind(), &position.key) {
            (ValueKind::Status, _) => {
                let slug = position.text()?;
                self.statuses.iter().position(|status| **status == slug)?
            }
            (_, Some(_)) => 0,
            (_, None) => 1,
        };
        let mut suffix = self.suffix(position);
        if self.sort.direction == Direction::Descending {
            // No suffix is the beginning of another, so their complements compare the other way.
            for byte in &mut suffix {
                *byte = !*byte;
            }
        }
        Some(Place { segment, suffix })
    }
}
