//! The keys that leads are sorted, found and counted by, made anew.

use crate::effect::{Difference, TagRow, WordRow, tag_rows, word_rows};
use crate::lead_row::{Column, LeadRow};
use crm_core::index::{IndexKey, counter_changes};
use crm_core::lead::Lead;
use std::collections::BTreeMap;

/// The columns that are made of others.
pub(crate) const MADE: [Column; 5] = [
    Column::NameSort,
    Column::CompanySort,
    Column::EmailSort,
    Column::EmailKey,
    Column::Words,
];

/// What is made of some leads.
pub(crate) struct Remade<'a> {
    pub(crate) leads: Vec<LeadRow<'a>>,
    pub(crate) words: Difference<WordRow>,
    pub(crate) tags: Difference<TagRow>,
}

impl<'a> Remade<'a> {
    /// Adds what the leads count for to the sums.
    pub(crate) fn of(leads: &'a [Lead], sums: &mut BTreeMap<IndexKey, i128>) -> Self {
        let mut made = Self {
            leads: Vec::with_capacity(leads.len()),
            words: Difference::none(),
            tags: Difference::none(),
        };
        for lead in leads {
            let row = LeadRow::of(lead);
            made.words.put.extend(word_rows(Some(lead), row.words()));
            made.leads.push(row);
            made.tags.put.extend(tag_rows(Some(lead)));
            for change in counter_changes(None, Some(lead)) {
                *sums.entry(change.key).or_default() += change.delta;
            }
        }
        made.words.sort();
        made.tags.sort();
        made
    }
}
