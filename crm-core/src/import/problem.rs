//! A rejected row, and what is wrong with it.

use crate::lead::{LeadId, Problem, ProblemKind};
use std::fmt;
use std::sync::Arc;

/// A row that was not imported, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedRow {
    record: u64,
    line: u64,
    problems: Vec<RowProblem>,
}

/// The most problems told of one row: a row of thousands of cells may have one in each.
const MAX_PROBLEMS: usize = 30;

impl RejectedRow {
    pub(super) fn new(record: u64, line: u64, mut problems: Vec<RowProblem>) -> Self {
        problems.truncate(MAX_PROBLEMS);
        Self {
            record,
            line,
            problems,
        }
    }

    /// Which row it is, the first after the header being 1, blank rows not counted.
    #[must_use]
    pub const fn record(&self) -> u64 {
        self.record
    }

    /// The line of the file in which it starts, the first being 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// What is wrong with it: at least one problem, at most 30.
    #[must_use]
    pub fn problems(&self) -> &[RowProblem] {
        &self.problems
    }
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (row {}): ", self.line, self.record)?;
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing wrong with a row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowProblem {
    pub(super) column: Option<Arc<str>>,
    pub(super) kind: RowProblemKind,
}

/// What may be wrong with a row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RowProblemKind {
    /// It has more or fewer cells than the header.
    Ragged {
        /// The cells of the row.
        cells: usize,
        /// The cells of the header.
        expected: usize,
    },
    /// A cell is not text in the file's encoding.
    Encoding,
    /// A field holds what it may not, or lacks what it must have.
    Field(Problem),
    /// A lead with this e-mail address is there already.
    Duplicate(Original),
    /// The lifecycle, a guard or the scope of the handle does not allow it; the message says why.
    Refused(String),
}

/// Whose e-mail address a duplicate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Original {
    /// A lead that was there before.
    Lead(LeadId),
    /// The row of the same file that starts in this line.
    Line(u64),
}

impl RowProblem {
    pub(super) const fn of_row(kind: RowProblemKind) -> Self {
        Self { column: None, kind }
    }

    /// The name of the column whose cell is wrong; for a field that is missing, of the column it
    /// would be read from, if there is one.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The field of the lead.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match &self.kind {
            RowProblemKind::Field(problem) => Some(problem.field()),
            RowProblemKind::Duplicate(_) => Some("email"),
            _ => None,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &RowProblemKind {
        &self.kind
    }
}

impl RowProblemKind {
    /// A stable name of the kind of problem: `ragged`, `encoding`, `missing`, `blank`, `too_long`,
    /// `malformed`, `unknown`, `out_of_range`, `duplicate`, `refused`, or `invalid` for any other.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ragged { .. } => "ragged",
            Self::Encoding => "encoding",
            Self::Duplicate(_) => "duplicate",
            Self::Refused(_) => "refused",
            Self::Field(problem) => match problem.kind() {
                ProblemKind::Missing
                | ProblemKind::RequiredByStatus { .. }
                | ProblemKind::Unidentified => "missing",
                ProblemKind::Blank => "blank",
                ProblemKind::TooLong { .. } => "too_long",
                ProblemKind::Malformed { .. } => "malformed",
                ProblemKind::OutOfRange { .. } => "out_of_range",
                ProblemKind::Unknown { .. } => "unknown",
                _ => "invalid",
            },
        }
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(f, "column \"{column}\", ")?;
        }
        match &self.kind {
            RowProblemKind::Ragged { cells, expected } => {
                write!(
                    f,
                    "{cells} cells where the header has {expected}: is a quote missing?"
                )
            }
            RowProblemKind::Encoding => {
                f.write_str("not UTF-8: set the encoding the file is written in")
            }
            RowProblemKind::Field(problem) => problem.fmt(f),
            RowProblemKind::Duplicate(Original::Lead(id)) => {
                write!(f, "email: is that of lead {id}")
            }
            RowProblemKind::Duplicate(Original::Line(line)) => {
                write!(f, "email: is that of the row in line {line}")
            }
            RowProblemKind::Refused(message) => f.write_str(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_row_with_thousands_of_problems_the_first_are_told() {
        let problems = vec![RowProblem::of_row(RowProblemKind::Encoding); 10_000];
        assert_eq!(
            RejectedRow::new(1, 2, problems).problems().len(),
            MAX_PROBLEMS
        );
    }
}
