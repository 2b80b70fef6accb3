//! What came of an import: counts, and for each rejected row what is wrong with it.

use super::columns::Column;
use super::problem::RejectedRow;
use std::collections::BTreeMap;
use std::fmt;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Rows that were imported or rejected.
    pub rows: u64,
    /// Bytes read from the input; compare them with the size of the file.
    pub bytes: u64,
    /// Rows imported; in a dry run, those that would be.
    pub imported: u64,
    /// Rows rejected.
    pub rejected: u64,
}

/// What came of an import.
///
/// Displayed, it is a list for people: the counts, then a line for each rejected row.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportReport {
    run: Run,
    imported: u64,
    rejected: u64,
    blank: u64,
    last_line: u64,
    rejected_rows: Vec<RejectedRow>,
    max_rejected_rows: usize,
    problems: BTreeMap<(String, &'static str), u64>,
    columns: Vec<Column>,
}

/// Whether an import writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Run {
    #[default]
    Real,
    Dry,
}

impl ImportReport {
    pub(super) const fn new(run: Run, max_rejected_rows: usize) -> Self {
        Self {
            run,
            imported: 0,
            rejected: 0,
            blank: 0,
            last_line: 0,
            rejected_rows: Vec::new(),
            max_rejected_rows,
            problems: BTreeMap::new(),
            columns: Vec::new(),
        }
    }

    pub(super) fn set_columns(&mut self, columns: Vec<Column>) {
        self.columns = columns;
    }

    /// Everything up to this line is settled.
    pub(super) const fn reach(&mut self, line: u64) {
        self.last_line = line;
    }

    pub(super) const fn skip_blank(&mut self) {
        self.blank += 1;
    }

    pub(super) const fn import(&mut self) {
        self.imported += 1;
    }

    pub(super) fn reject(&mut self, row: RejectedRow) {
        self.rejected += 1;
        for problem in row.problems() {
            let field = problem.field().unwrap_or("row").to_owned();
            *self
                .problems
                .entry((field, problem.kind.name()))
                .or_default() += 1;
        }
        if self.rejected_rows.len() < self.max_rejected_rows {
            self.rejected_rows.push(row);
        }
    }

    /// Whether nothing was written: what is imported here only would have been.
    #[must_use]
    pub const fn is_dry_run(&self) -> bool {
        matches!(self.run, Run::Dry)
    }

    /// Rows that were imported or rejected: all of them, unless the import broke off. Neither the
    /// header nor blank rows count.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.imported + self.rejected
    }

    /// Rows imported.
    #[must_use]
    pub const fn imported(&self) -> u64 {
        self.imported
    }

    /// Rows rejected, those included that [`rejected_rows`](Self::rejected_rows) has no room for.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Rows skipped because nothing is in any of their cells, as at the end of many exported
    /// sheets.
    #[must_use]
    pub const fn blank(&self) -> u64 {
        self.blank
    }

    /// The line in which the last row starts up to which all are imported or rejected; 0 if there
    /// is none.
    #[must_use]
    pub const fn last_line(&self) -> u64 {
        self.last_line
    }

    /// The rejected rows, in the order of the file; the first 10,000, unless another number
    /// [was asked for](super::CsvImport::keep_rejected).
    #[must_use]
    pub fn rejected_rows(&self) -> &[RejectedRow] {
        &self.rejected_rows
    }

    /// How many problems there were of each kind, over all rejected rows: the field (`row` for
    /// those of a whole row), the [name](super::RowProblemKind::name) of the problem, and their number.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.problems
            .iter()
            .map(|((field, name), count)| (field.as_str(), *name, *count))
    }

    /// The columns of the file, in its order, and what each was read as.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            imported, rejected, ..
        } = self;
        let rows = self.rows();
        if self.is_dry_run() {
            write!(
                f,
                "{imported} of {rows} rows can be imported, {rejected} cannot"
            )?;
        } else {
            write!(f, "{imported} of {rows} rows imported, {rejected} rejected")?;
        }
        for row in &self.rejected_rows {
            write!(f, "\n{row}")?;
        }
        let listed = u64::try_from(self.rejected_rows.len()).unwrap_or(u64::MAX);
        match rejected.saturating_sub(listed) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Original, RowProblem, RowProblemKind};
    use super::*;
    use crate::lead::{Problem, ProblemKind};

    fn rejected(line: u64, kind: RowProblemKind) -> RejectedRow {
        RejectedRow::new(line - 1, line, vec![RowProblem::of_row(kind)])
    }

    #[test]
    fn a_report_reads_as_a_list() {
        let mut report = ImportReport::new(Run::Real, 2);
        report.import();
        report.reject(rejected(
            3,
            RowProblemKind::Ragged {
                cells: 9,
                expected: 14,
            },
        ));
        let problem = Problem::new("email", ProblemKind::Blank);
        report.reject(RejectedRow::new(
            7,
            8,
            vec![
                RowProblem {
                    column: Some("E-mail".into()),
                    kind: RowProblemKind::Field(problem),
                },
                RowProblem::of_row(RowProblemKind::Refused("not today".into())),
            ],
        ));
        report.reject(rejected(9, RowProblemKind::Duplicate(Original::Line(2))));
        assert_eq!(
            report.to_string(),
            "1 of 4 rows imported, 3 rejected\n\
             line 3 (row 2): 9 cells where the header has 14: is a quote missing?\n\
             line 8 (row 7): column \"E-mail\", email: must not be blank: give a value, or leave it \
             out; not today\n\
             and 1 more"
        );
        let counts: Vec<_> = report.problems().collect();
        assert_eq!(
            counts,
            [
                ("email", "blank", 1),
                ("email", "duplicate", 1),
                ("row", "ragged", 1),
                ("row", "refused", 1)
            ]
        );
    }

    #[test]
    fn a_million_rejected_rows_are_counted_not_kept() {
        let mut report = ImportReport::new(Run::Dry, 10);
        for line in 2..=1_000_001 {
            report.reject(rejected(line, RowProblemKind::Encoding));
        }
        assert_eq!(
            (report.rejected(), report.rejected_rows().len()),
            (1_000_000, 10)
        );
    }
}
