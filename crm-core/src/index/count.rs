//! How many leads a filter finds.

use super::plan::{Plan, Way};
use super::walk::{Step, Walk, race};
use super::{IndexReader, counters_for};
use crate::query::{Direction, LeadFilter, TotalCount, first_with_prefix, search_words};
use std::borrow::Borrow as _;

/// Counts the leads that pass a filter: all of them, or up to a number, beyond which it only tells
/// that there are more.
///
/// Statuses, assignee and archived leads are counted by the counters alone; a filter that an index
/// is kept for, by its keys; any other by looking at the leads of its narrowest part.
///
/// # Errors
///
/// What the reader says.
pub fn count<R: IndexReader>(
    reader: &R,
    filter: &LeadFilter,
    up_to: Option<u64>,
) -> Result<TotalCount, R::Error> {
    // One more than asked for tells whether there are more.
    let enough = up_to.map_or(u64::MAX, |number| number.saturating_add(1));
    let counter = Count {
        reader,
        filter,
        enough,
    };
    let count = match counters_for(filter) {
        Some(counters) => {
            let mut sum = 0i128;
            for counter in counters {
                sum = sum.saturating_add(reader.counter(&counter.key())?);
            }
            u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
        }
        None => match Plan::count(filter) {
            Plan::Exact(way) => counter.keys(&way)?,
            Plan::Race(ways) => counter.race(&ways)?,
        },
    };
    Ok(match up_to {
        Some(number) if count > number => TotalCount::more_than(number),
        _ => TotalCount::exact(count),
    })
}

struct Count<'a, R> {
    reader: &'a R,
    filter: &'a LeadFilter,
    enough: u64,
}

struct Runner<'w, 'r, R: IndexReader> {
    way: &'w Way,
    walk: Walk<'w, 'r, R>,
    count: u64,
}

impl<R: IndexReader> Count<'_, R> {
    fn start<'w>(&self, way: &'w Way) -> Runner<'w, '_, R> {
        Runner {
            way,
            walk: Walk::new(self.reader, &way.segments, Direction::Ascending),
            count: 0,
        }
    }

    /// Every key is one of a lead that matches.
    fn keys(&self, way: &Way) -> Result<u64, R::Error> {
        let mut runner = self.start(way);
        while runner.count < self.enough && runner.walk.step()?.is_some() {
            runner.count += 1;
        }
        Ok(runner.count)
    }

    fn race(&self, ways: &[Way]) -> Result<u64, R::Error> {
        let runners = ways.iter().map(|way| self.start(way)).collect();
        if self.enough < u64::MAX {
            let winner = race(runners, |runner| self.advance(runner))?;
            return Ok(winner.map_or(0, |winner| winner.count));
        }
        // All will be counted, so only the narrowest way is worth looking at leads.
        let narrowest = race(runners, |runner| Ok(runner.walk.step()?.is_none()))?;
        let Some(narrowest) = narrowest else {
            return Ok(0);
        };
        let mut runner = self.start(narrowest.way);
        while !self.advance(&mut runner)? {}
        Ok(runner.count)
    }

    /// One key further. Done when there are enough, or at the end.
    fn advance(&self, runner: &mut Runner<'_, '_, R>) -> Result<bool, R::Error> {
        let Some(step) = runner.walk.step()? else {
            return Ok(true);
        };
        if self.counts(runner.way, &step)? {
            runner.count += 1;
        }
        Ok(runner.count >= self.enough)
    }

    fn counts(&self, way: &Way, step: &Step<'_, '_, R>) -> Result<bool, R::Error> {
        let Some(record) = self.reader.lead(step.id())? else {
            return Ok(false);
        };
        let lead = record.borrow();
        if !self.filter.matches(lead) {
            return Ok(false);
        }
        // A lead comes once for each of its words that begins so; the first of them stands for it.
        let Some(prefix) = &way.word else {
            return Ok(true);
        };
        let words = search_words(lead);
        let first = first_with_prefix(&words, prefix);
        Ok(first.is_some_and(|word| word.as_bytes() == step.word()))
    }
}
