//! The options of an import, checked: how the text of a row is read.

use super::columns::{Columns, Target};
use super::names::plain;
use super::row::Draft;
use super::values::Dates;
use super::{CsvImport, MAX_BATCH};
use crate::lead::{
    Currency, Field, Invalid, LeadSource, LeadStatus, ProblemKind, Problems, slug_of,
};
use crate::lifecycle::Lifecycle;
use crate::text;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) dates: Dates,
    pub(super) currency: Option<Currency>,
    pub(super) fallbacks: Vec<(Field, String)>,
    pub(super) tag_separators: Vec<char>,
    statuses: HashMap<String, LeadStatus>,
    sources: HashMap<String, LeadSource>,
    lifecycle: Lifecycle,
}

impl Rules {
    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Every problem, each under the name of the option.
    pub(super) fn new(options: &CsvImport, lifecycle: Lifecycle) -> Result<Self, Invalid> {
        let mut problems = Problems::default();
        check_reading(options, &mut problems);
        check_mapping(&options.wanted, &mut problems);
        let currency = options.currency.as_ref();
        let currency = currency.and_then(|code| problems.keep(code.trim().parse()));
        let dates = problems.keep(Dates::new(&options.date_formats));
        for (_, status) in &options.statuses {
            problems.keep(lifecycle.status(status.as_str()));
        }
        // Of broken formats nothing is left but the problem; the others are still checked.
        let dates = match dates {
            Some(dates) => dates,
            None => Dates::new(&[])?,
        };
        let key = |text: &String| text::sort_key(text);
        let statuses = options.statuses.iter();
        let sources = options.sources.iter();
        let rules = Self {
            dates,
            currency,
            fallbacks: options.fallbacks.clone(),
            tag_separators: options.tag_separators.clone(),
            statuses: statuses
                .map(|(text, status)| (key(text), status.clone()))
                .collect(),
            sources: sources
                .map(|(text, source)| (key(text), source.clone()))
                .collect(),
            lifecycle,
        };
        problems.keep(rules.check_fallbacks());
        problems.finish()?;
        Ok(rules)
    }

    /// A lead of nothing but fallbacks has nothing wrong in it.
    fn check_fallbacks(&self) -> Result<(), Invalid> {
        let mut problems = Problems::default();
        let draft = Draft::new(&[], &Columns::default(), self);
        let mut told: Vec<_> = draft.own_problems().cloned().collect();
        if let Err(invalid) = draft.new.check() {
            let about_fields = invalid
                .problems()
                .iter()
                .filter(|problem| problem.field() != "lead");
            told.extend(about_fields.cloned());
        }
        if let Some(wanted) = draft.new.wanted_status()
            && let Err(invalid) = self.lifecycle.status(wanted)
        {
            told.extend_from_slice(invalid.problems());
        }
        // The currency of an amount may be in the file.
        told.retain(|problem| *problem.kind() != ProblemKind::Missing);
        for problem in told {
            problems.add(
                format!("fallback.{}", problem.field()),
                problem.kind().clone(),
            );
        }
        problems.finish()
    }

    /// The status that a cell means, or the text as it is if it means none.
    pub(super) fn status(&self, text: &str) -> String {
        let mapped = || self.statuses.get(&text::sort_key(text));
        let found = || self.lifecycle.find(text).map(|status| &status.slug);
        mapped()
            .or_else(found)
            .map_or_else(|| text.to_owned(), ToString::to_string)
    }

    /// The source that a cell means, or the text as it is if it means none.
    pub(super) fn source(&self, text: &str) -> String {
        let mapped = self
            .sources
            .get(&text::sort_key(text))
            .map(ToString::to_string);
        // A slug cut from a longer text could be that of two sources.
        let is_short = text.len() <= crate::lead::limits::MAX_SLUG;
        let slug = || slug_of(text).filter(|_| is_short);
        mapped.or_else(slug).unwrap_or_else(|| text.to_owned())
    }
}

fn check_reading(options: &CsvImport, problems: &mut Problems) {
    let delimiter = char::from(options.delimiter);
    if !delimiter.is_ascii()
        || delimiter.is_ascii_alphanumeric()
        || matches!(delimiter, '"' | '\r' | '\n' | '\0')
    {
        let expected = "an ASCII character that is no letter, digit, quote or line break";
        problems.add("delimiter", ProblemKind::Malformed { expected });
    }
    if !(1..=MAX_BATCH).contains(&options.batch) {
        let max = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
        problems.add("batch", ProblemKind::OutOfRange { min: 1, max });
    }
}

fn check_mapping(wanted: &[(String, Target)], problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for (index, (name, target)) in wanted.iter().enumerate() {
        let plain = plain(name);
        let name = if plain.is_empty() {
            name.trim()
        } else {
            &plain
        };
        let others = wanted.iter().take(index);
        let is_twice = others.into_iter().any(|(_, other)| other == target);
        if !names.insert(name.to_owned()) || (is_twice && *target != Target::Ignore) {
            problems.add("map", ProblemKind::Duplicate);
            break;
        }
    }
}
