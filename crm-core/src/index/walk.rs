//! Reading ranges of keys in order, several as if they were one.

use super::IndexReader;
use super::key::END;
use super::range::{Holds, KeyRange, Segment};
use crate::lead::LeadId;
use crate::query::{Direction, Position, SortBy, ValueKind};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// Walks segments one after another, the ranges of each merged. Of several ranges it reads one key each
/// to begin with, and then one for each key it gives.
pub(super) struct Walk<'w, 'r, R: IndexReader> {
    reader: &'r R,
    segments: std::slice::Iter<'w, Segment>,
    direction: Direction,
    holds: &'w Holds,
    /// The only range of the segment: most have but one, and nothing to merge.
    alone: Option<Head<'r, R>>,
    heads: BinaryHeap<Head<'r, R>>,
}

/// A range with its next key.
struct Head<'r, R: IndexReader + 'r> {
    /// `None` once it has been given: the range is read on only when another is asked for.
    key: Option<R::Key<'r>>,
    keys: R::Keys<'r>,
    prefix: usize,
    direction: Direction,
}

/// A key that was read.
pub(super) struct Step<'w, 'r, R: IndexReader + 'r> {
    key: R::Key<'r>,
    prefix: usize,
    holds: &'w Holds,
}

const ID: usize = 16;

impl<'w, 'r, R: IndexReader> Walk<'w, 'r, R> {
    pub(super) fn new(reader: &'r R, segments: &'w [Segment], direction: Direction) -> Self {
        Self {
            reader,
            segments: segments.iter(),
            direction,
            holds: &Holds::Words,
            alone: None,
            heads: BinaryHeap::new(),
        }
    }

    /// The next key.
    #[inline]
    pub(super) fn step(&mut self) -> Result<Option<Step<'w, 'r, R>>, R::Error> {
        loop {
            let (key, prefix) = if let Some(alone) = &mut self.alone {
                alone.read()?;
                (alone.key.take(), alone.prefix)
            } else {
                self.merged()?
            };
            match key {
                Some(key) => {
                    // A key without an id is none of ours.
                    if key.as_ref().len() >= ID {
                        return Ok(Some(Step {
                            key,
                            prefix,
                            holds: self.holds,
                        }));
                    }
                }
                None => {
                    self.alone = None;
                    let Some(segment) = self.segments.next() else {
                        return Ok(None);
                    };
                    self.begin(segment)?;
                }
            }
        }
    }

    /// The next key of several ranges, and where its value begins.
    fn merged(&mut self) -> Result<(Option<R::Key<'r>>, usize), R::Error> {
        if let Some(mut given) = self.heads.peek_mut()
            && given.key.is_none()
            && !given.read()?
        {
            PeekMut::pop(given);
        }
        Ok(match self.heads.peek_mut() {
            Some(mut next) => (next.key.take(), next.prefix),
            None => (None, 0),
        })
    }

    fn begin(&mut self, segment: &'w Segment) -> Result<(), R::Error> {
        self.holds = &segment.holds;
        let head = |range: &KeyRange| Head {
            key: None,
            keys: self.reader.keys(&range.from, &range.to),
            prefix: range.prefix,
            direction: self.direction,
        };
        if let [range] = &segment.ranges[..] {
            self.alone = Some(head(range));
            return Ok(());
        }
        for range in &segment.ranges {
            let mut head = head(range);
            if head.read()? {
                self.heads.push(head);
            }
        }
        Ok(())
    }
}

impl<R: IndexReader> Head<'_, R> {
    /// Reads the next key; false at the end.
    fn read(&mut self) -> Result<bool, R::Error> {
        let key = match self.direction {
            Direction::Ascending => self.keys.next(),
            Direction::Descending => self.keys.next_back(),
        };
        self.key = key.transpose()?;
        Ok(self.key.is_some())
    }

    fn suffix(&self) -> Option<&[u8]> {
        let key = self.key.as_ref()?.as_ref();
        Some(key.get(self.prefix..).unwrap_or_default())
    }
}

impl<R: IndexReader> Step<'_, '_, R> {
    /// The lead's id, which every key ends with.
    #[inline]
    pub(super) fn id(&self) -> LeadId {
        let id = self.key.as_ref().last_chunk::<ID>();
        LeadId::from_bytes(id.copied().unwrap_or_default())
    }

    /// The word, of a walk through words.
    pub(super) fn word(&self) -> &[u8] {
        // Index and shelf stand before it.
        let key = self.key.as_ref().get(2..).unwrap_or_default();
        key.split(|byte| *byte == END).next().unwrap_or_default()
    }

    /// The lead's position in a list sorted by this, as its key has it.
    pub(super) fn position(&self, by: SortBy) -> Position {
        let key = match self.holds {
            Holds::Nulls | Holds::Words => None,
            Holds::Status(status) => Some(status.as_str().as_bytes().to_vec()),
            Holds::Values => {
                let end = match by.kind() {
                    ValueKind::Text => ID + 1,
                    ValueKind::Time | ValueKind::Money | ValueKind::Status => ID,
                };
                let key = self.key.as_ref();
                let value = key.get(self.prefix..key.len().saturating_sub(end));
                Some(value.unwrap_or_default().to_vec())
            }
        };
        Position { key, id: self.id() }
    }
}

/// The greatest is the next: one that was given, to be read on, then by the direction.
impl<R: IndexReader> Ord for Head<'_, R> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.suffix(), other.suffix()) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => match self.direction {
                Direction::Ascending => other.cmp(one),
                Direction::Descending => one.cmp(other),
            },
        }
    }
}

impl<R: IndexReader> PartialOrd for Head<'_, R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: IndexReader> PartialEq for Head<'_, R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<R: IndexReader> Eq for Head<'_, R> {}

/// Lets each runner take a step in turn until one is done, and returns that one. `None` if there
/// are none.
pub(super) fn race<T, E>(
    mut runners: Vec<T>,
    mut is_done: impl FnMut(&mut T) -> Result<bool, E>,
) -> Result<Option<T>, E> {
    while !runners.is_empty() {
        for index in 0..runners.len() {
            if let Some(runner) = runners.get_mut(index)
                && is_done(runner)?
            {
                return Ok(Some(runners.swap_remove(index)));
            }
        }
    }
    Ok(None)
}
