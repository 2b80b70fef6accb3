//! From the cells of a row to a new lead, remembering which cell each field came from.

use super::columns::{Columns, Slot, Target};
use super::decode::Cell;
use super::problem::{RowProblem, RowProblemKind};
use super::rules::Rules;
use super::values;
use crate::crm::CrmError;
use crate::lead::{Field, NewLead, Problem, ProblemKind, limits};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More tags than this in a cell are not even looked at.
const MAX_TAGS_READ: usize = 20 * limits::MAX_TAGS;

/// What a row says.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) new: NewLead,
    /// What the fields of a lead cannot tell, because they never got the value.
    problems: Vec<RowProblem>,
    /// The fields of these problems.
    blamed: BTreeSet<Field>,
    /// The fields that have a value, or a problem.
    given: BTreeSet<Field>,
    /// The columns of targets that were not read from their first one.
    moved: Vec<(Target, Arc<str>)>,
}

/// A cell that holds something.
struct Filled<'a> {
    target: &'a Target,
    text: &'a str,
}

impl Draft {
    pub(super) fn new(cells: &[Cell<'_>], columns: &Columns, rules: &Rules) -> Self {
        let mut draft = Self {
            new: NewLead::unnamed(),
            problems: Vec::new(),
            blamed: BTreeSet::new(),
            given: BTreeSet::new(),
            moved: Vec::new(),
        };
        let filled: Vec<Filled<'_>> = columns
            .slots
            .iter()
            .filter_map(|slot| draft.choose(slot, cells, columns))
            .collect();
        let of = |target: &Target| {
            let found = filled.iter().find(|cell| cell.target == target);
            found.map(|cell| cell.text)
        };
        for Filled { target, text } in &filled {
            match target {
                // Money is made of two cells.
                Target::Field(Field::Value) => {}
                Target::Field(field) => draft.fill(field, text, columns, rules),
                Target::CreatedAt => draft.date(text, columns, rules),
                Target::FullName | Target::Currency | Target::Ignore => {}
            }
        }
        if let Some(name) = of(&Target::FullName) {
            draft.full_name(name, columns, rules);
        }
        let fallback = |field: &Field| {
            let found = rules.fallbacks.iter().find(|(known, _)| known == field);
            found.map(|(_, text)| text.as_str())
        };
        for (field, text) in &rules.fallbacks {
            if !draft.given.contains(field) && *field != Field::Value {
                draft.fill(field, text, columns, rules);
            }
        }
        let amount = of(&Field::Value.into()).or_else(|| fallback(&Field::Value));
        if let Some(amount) = amount {
            draft.money(amount, of(&Target::Currency), columns, rules);
        }
        draft
    }

    /// The first column of a target with something in it.
    fn choose<'a>(
        &mut self,
        slot: &'a Slot,
        cells: &'a [Cell<'_>],
        columns: &Columns,
    ) -> Option<Filled<'a>> {
        for (rank, index) in slot.columns.iter().enumerate() {
            let text = match cells.get(*index) {
                Some(Ok(text)) if text.trim().is_empty() => continue,
                None => continue,
                Some(Ok(text)) => Some(text),
                Some(Err(_)) => None,
            };
            let column = columns.all.get(*index)?.shared_name();
            if rank > 0 {
                self.moved.push((slot.target.clone(), Arc::clone(&column)));
            }
            if let Some(text) = text {
                return Some(Filled {
                    target: &slot.target,
                    text,
                });
            }
            self.problems.push(RowProblem {
                column: Some(column),
                kind: RowProblemKind::Encoding,
            });
            match &slot.target {
                Target::Field(field) => self.blame(field.clone()),
                Target::Currency => self.blame(Field::Value),
                Target::FullName => {
                    self.blame(Field::FirstName);
                    self.blame(Field::LastName);
                }
                Target::CreatedAt | Target::Ignore => {}
            }
            return None;
        }
        None
    }

    fn fill(&mut self, field: &Field, text: &str, columns: &Columns, rules: &Rules) {
        let new = std::mem::take(&mut self.new);
        let line = text.trim();
        self.new = match field {
            Field::FirstName => new.first_name(line),
            Field::LastName => new.last_name(line),
            Field::Email => new.email(line),
            Field::Company => new.company(line),
            Field::Phone => new.phone(line),
            Field::Source => new.source(rules.source(line)),
            Field::AssignedTo => new.assigned_to(line),
            // Kept as it was typed.
            Field::Notes => new.notes(text),
            Field::Status => new.status(rules.status(line)),
            Field::StatusReason => new.status_reason(line),
            Field::Custom(key) => new.custom(key.as_str(), line),
            Field::Tags => {
                let mut tags = values::tags(text, &rules.tag_separators);
                let new = tags.by_ref().take(MAX_TAGS_READ).fold(new, NewLead::tag);
                if tags.next().is_some() {
                    let (max, unit) = (limits::MAX_TAGS, "tags");
                    self.complain("tags", ProblemKind::TooLong { max, unit }, columns);
                }
                new
            }
            Field::Value => new,
        };
        self.given.insert(field.clone());
    }

    fn full_name(&mut self, name: &str, columns: &Columns, rules: &Rules) {
        let own = [Field::FirstName, Field::LastName];
        if own.iter().any(|field| self.given.contains(field)) {
            return;
        }
        let column = self.column(&Target::FullName, columns);
        let (first, last) = values::split_name(name);
        for (field, part) in own.into_iter().zip([first, last]) {
            if let Some(column) = &column {
                self.moved.push((field.clone().into(), Arc::clone(column)));
            }
            if let Some(part) = part {
                self.fill(&field, part, columns, rules);
            }
        }
    }

    fn date(&mut self, text: &str, columns: &Columns, rules: &Rules) {
        match rules.dates.parse(text.trim()) {
            Some(time) => self.new = std::mem::take(&mut self.new).created_at(time),
            None => {
                let expected = "a date such as 2026-01-31, or in one of the date formats given";
                self.complain("created_at", ProblemKind::Malformed { expected }, columns);
            }
        }
    }

    fn money(&mut self, text: &str, currency: Option<&str>, columns: &Columns, rules: &Rules) {
        if !self.given.insert(Field::Value) {
            return;
        }
        let default = || rules.currency.map(crate::lead::Currency::code);
        let Some(currency) = currency.or_else(default) else {
            self.complain("value.currency", ProblemKind::Missing, columns);
            self.blame(Field::Value);
            return;
        };
        match values::amount(text, currency) {
            Ok(money) => self.new = std::mem::take(&mut self.new).value(money),
            Err(invalid) => {
                for problem in invalid.within("value").problems() {
                    self.complain(problem.field().to_owned(), problem.kind().clone(), columns);
                }
                self.blame(Field::Value);
            }
        }
    }

    fn complain(
        &mut self,
        field: impl Into<std::borrow::Cow<'static, str>>,
        kind: ProblemKind,
        columns: &Columns,
    ) {
        let problem = self.located(Problem::new(field, kind), columns);
        self.problems.push(problem);
    }

    fn blame(&mut self, field: Field) {
        self.given.insert(field.clone());
        self.blamed.insert(field);
    }

    /// Whether the row cannot be imported, whatever the lifecycle says.
    pub(super) fn is_wrong(&self) -> bool {
        !self.problems.is_empty()
    }

    /// What was wrong with fields before the lead's own checks.
    pub(super) fn own_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter_map(|problem| match &problem.kind {
                RowProblemKind::Field(problem) => Some(problem),
                _ => None,
            })
    }

    /// Everything that is wrong with the row, each with its column.
    pub(super) fn problems(self, refused: Option<&CrmError>, columns: &Columns) -> Vec<RowProblem> {
        let more = match refused {
            None => Vec::new(),
            Some(CrmError::Invalid(invalid)) => invalid
                .problems()
                .iter()
                .filter(|problem| !self.is_blamed(problem.field()))
                .map(|problem| self.located(problem.clone(), columns))
                .collect(),
            // Of a lead that is not what the row says, no more can be said.
            Some(_) if self.is_wrong() => Vec::new(),
            Some(error) => vec![RowProblem::of_row(RowProblemKind::Refused(
                error.to_string(),
            ))],
        };
        let mut problems = self.problems;
        problems.extend(more);
        problems
    }

    /// A field that never got its value is not missing as well.
    fn is_blamed(&self, field: &str) -> bool {
        let told = |blamed: &Field| blamed.to_string() == field;
        self.blamed.iter().any(told) || (field == "lead" && !self.blamed.is_empty())
    }

    fn located(&self, problem: Problem, columns: &Columns) -> RowProblem {
        RowProblem {
            column: self.column_of_field(problem.field(), columns),
            kind: RowProblemKind::Field(problem),
        }
    }

    /// The column of a duplicate's address.
    pub(super) fn duplicate(&self, kind: RowProblemKind, columns: &Columns) -> RowProblem {
        let column = self.column(&Field::Email.into(), columns);
        RowProblem { column, kind }
    }

    fn column_of_field(&self, field: &str, columns: &Columns) -> Option<Arc<str>> {
        let of = |target: Target| self.column(&target, columns);
        match field {
            "created_at" => of(Target::CreatedAt),
            "value.currency" => of(Target::Currency).or_else(|| of(Field::Value.into())),
            "value.amount" | "value.minor_units" => of(Field::Value.into()),
            "first_name" => of(Field::FirstName.into()).or_else(|| of(Target::FullName)),
            "last_name" => of(Field::LastName.into()).or_else(|| of(Target::FullName)),
            other => of(other.parse::<Field>().ok()?.into()),
        }
    }

    fn column(&self, target: &Target, columns: &Columns) -> Option<Arc<str>> {
        if let Some((_, column)) = self.moved.iter().find(|(moved, _)| moved == target) {
            return Some(Arc::clone(column));
        }
        let first = columns.slot(target)?.columns.first()?;
        Some(columns.all.get(*first)?.shared_name())
    }
}
