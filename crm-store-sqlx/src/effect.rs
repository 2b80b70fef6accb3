//! What a change set does to the tables: the rows that come, change and go.

use crate::error::{Error, Result};
use crate::event_row::EventRow;
use crate::lead_row::{Column, LeadRow};
use crm_core::index::{IndexKey, counter_changes};
use crm_core::lead::{Lead, LeadId};
use crm_core::query::{TagKey, search_words};
use crm_core::repository::{Change, ChangeSet};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A row of `crm_words`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WordRow {
    pub(crate) archived: bool,
    pub(crate) word: String,
    pub(crate) id: LeadId,
}

/// A row of `crm_tags`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagRow {
    pub(crate) archived: bool,
    pub(crate) tag: TagKey,
    pub(crate) created_at: i64,
    pub(crate) id: LeadId,
}

/// Rows to put and to remove. None is in both.
pub(crate) struct Difference<T> {
    pub(crate) put: Vec<T>,
    pub(crate) remove: Vec<T>,
}

/// All that a set of changes does to the tables of leads.
pub(crate) struct Effects<'a> {
    pub(crate) created: Vec<LeadRow<'a>>,
    pub(crate) updated: Vec<LeadRow<'a>>,
    /// The columns in which an updated lead differs from what was stored.
    pub(crate) touched: Vec<Column>,
    pub(crate) deleted: Vec<LeadId>,
    pub(crate) words: Difference<WordRow>,
    pub(crate) tags: Difference<TagRow>,
    pub(crate) counters: BTreeMap<IndexKey, i128>,
    pub(crate) events: Vec<EventRow<'a>>,
}

impl<T> Difference<T> {
    pub(crate) const fn none() -> Self {
        Self {
            put: Vec::new(),
            remove: Vec::new(),
        }
    }
}

impl<T: Ord> Difference<T> {
    fn add(&mut self, before: BTreeSet<T>, after: BTreeSet<T>) {
        let mut after = after;
        for row in before {
            if !after.remove(&row) {
                self.remove.push(row);
            }
        }
        self.put.extend(after);
    }

    /// In the order of the table's key, in which rows are written fastest.
    pub(crate) fn sort(&mut self) {
        self.put.sort_unstable();
        self.remove.sort_unstable();
    }
}

impl<'a> Effects<'a> {
    /// `before` are the leads that are stored, among them all that the set changes.
    pub(crate) fn of(changes: &'a ChangeSet, before: &HashMap<LeadId, Lead>) -> Result<Self> {
        let mut effects = Self {
            created: Vec::new(),
            updated: Vec::new(),
            touched: Vec::new(),
            deleted: Vec::new(),
            words: Difference::none(),
            tags: Difference::none(),
            counters: BTreeMap::new(),
            events: Vec::new(),
        };
        for change in changes.changes() {
            match change {
                Change::Create { lead, .. } => effects.put(None, lead),
                Change::Update { lead, .. } => effects.put(before.get(&lead.id), lead),
                Change::Delete { lead, .. } => effects.delete(*lead, before.get(lead)),
                _ => {}
            }
        }
        effects.words.sort();
        effects.tags.sort();
        effects.counters.retain(|_, delta| *delta != 0);
        for event in changes.events() {
            effects.events.push(EventRow::of(event)?);
        }
        Ok(effects)
    }

    fn put(&mut self, before: Option<&Lead>, after: &'a Lead) {
        let row = LeadRow::of(after);
        let had = before.map(LeadRow::of);
        let stays = before.is_some_and(|before| before.is_archived() == after.is_archived());
        if !(stays && had.as_ref().is_some_and(|had| had.has_words_of(&row))) {
            let words = had.as_ref().map(LeadRow::words).unwrap_or_default();
            self.words.add(
                word_rows(before, words),
                word_rows(Some(after), row.words()),
            );
        }
        let has_tags =
            |before: &Lead| before.tags == after.tags && before.created_at == after.created_at;
        if !(stays && before.is_some_and(has_tags)) {
            self.tags.add(tag_rows(before), tag_rows(Some(after)));
        }
        self.count(before, Some(after));
        match had {
            None => self.created.push(row),
            Some(had) => {
                self.touch(&had, &row);
                self.updated.push(row);
            }
        }
    }

    fn delete(&mut self, id: LeadId, before: Option<&Lead>) {
        self.deleted.push(id);
        let words = before.map(search_words).unwrap_or_default();
        self.words.add(word_rows(before, &words), BTreeSet::new());
        self.tags.add(tag_rows(before), BTreeSet::new());
        self.count(before, None);
    }

    fn touch(&mut self, before: &LeadRow<'_>, after: &LeadRow<'_>) {
        for &column in Column::ALL {
            if !self.touched.contains(&column) && !before.is_same(after, column) {
                self.touched.push(column);
            }
        }
    }

    fn count(&mut self, before: Option<&Lead>, after: Option<&Lead>) {
        for change in counter_changes(before, after) {
            *self.counters.entry(change.key).or_default() += change.delta;
        }
    }
}

pub(crate) fn word_rows(lead: Option<&Lead>, words: &[String]) -> BTreeSet<WordRow> {
    let Some(lead) = lead else {
        return BTreeSet::new();
    };
    let row = |word: &String| WordRow {
        archived: lead.is_archived(),
        word: word.clone(),
        id: lead.id,
    };
    words.iter().map(row).collect()
}

pub(crate) fn tag_rows(lead: Option<&Lead>) -> BTreeSet<TagRow> {
    let Some(lead) = lead else {
        return BTreeSet::new();
    };
    let row = |tag| TagRow {
        archived: lead.is_archived(),
        tag: TagKey::from(tag),
        created_at: lead.created_at.timestamp_micros(),
        id: lead.id,
    };
    lead.tags.iter().map(row).collect()
}

/// What a counter is stored as: `high` times 10^18 and `low`, both of the same sign.
pub(crate) fn halves(number: i128) -> (i64, i64) {
    let half = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
    (half(number / WHOLE), half(number % WHOLE))
}

/// The number that two halves stand for.
#[cfg(feature = "mysql")]
pub(crate) fn whole(high: i64, low: i64) -> i128 {
    i128::from(high) * WHOLE + i128::from(low)
}

/// What sums of halves stand for, which may each be more than fits a column.
pub(crate) fn whole_of_sums(high: &str, low: &str) -> Result<i128> {
    let parsed = |half: &str| half.parse().map_err(|_| Error::Damaged("a counter"));
    let (high, low): (i128, i128) = (parsed(high)?, parsed(low)?);
    let whole = high
        .checked_mul(WHOLE)
        .and_then(|high| high.checked_add(low));
    whole.ok_or(Error::Damaged("a counter"))
}

const WHOLE: i128 = 1_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_sum_of_its_halves() {
        for number in [
            0,
            1,
            -1,
            WHOLE - 1,
            WHOLE,
            -WHOLE - 1,
            i128::from(i64::MAX) * 1_000_000,
        ] {
            let (high, low) = halves(number);
            let whole = whole_of_sums(&high.to_string(), &low.to_string());
            assert_eq!(whole.unwrap(), number);
            assert!(i128::from(low).abs() < WHOLE);
        }
    }
}
