//! Why an import broke off.

use super::ImportReport;
use super::rows::{Broken, MAX_CELL, MAX_CELLS, MAX_ROW};
use crate::crm::CrmError;
use crate::lead::Invalid;
use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

/// Why an import broke off, and what had been done by then.
///
/// Batches that were committed before stay, and [`report`](Self::report) accounts for them; if
/// there were none, nothing was changed. The one exception is a [`Crm`](ImportErrorKind::Crm) error
/// whose [outcome is unknown](CrmError::outcome_is_unknown): its batch may have been committed.
///
/// Running the corrected file again is safe for rows with an e-mail address: those already
/// imported are rejected as duplicates.
#[derive(Debug)]
pub struct ImportError {
    kind: Box<ImportErrorKind>,
    report: Box<ImportReport>,
}

/// Why an import broke off.
///
/// Messages may repeat names of columns, never what is in a cell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportErrorKind {
    /// The options of the import are wrong: every problem of them. Nothing was read.
    #[error("the options of the import are wrong: {0}")]
    Options(Invalid),
    /// There is nothing in the file.
    #[error("the file is empty: it needs a first row that names the columns")]
    Empty,
    /// The file is UTF-16.
    #[error("the file is UTF-16: save it as UTF-8, in Excel \"CSV UTF-8\"")]
    Utf16,
    /// The file is no text.
    #[error("the file is not text (U+0000 in line {line}): export the table as CSV, in UTF-8")]
    Binary {
        /// Where that shows first.
        line: u64,
    },
    /// The first row seems to hold values, not the names of columns.
    #[error(
        "line {line} has no column names: the first row must name the columns, such as \
         First Name,Last Name,E-mail"
    )]
    NoHeader {
        /// Where the first row starts.
        line: u64,
    },
    /// The names of the columns are not text in the file's encoding.
    #[error("the column names in line {line} are not UTF-8: set the encoding, such as Latin1")]
    HeaderEncoding {
        /// Where the first row starts.
        line: u64,
    },
    /// No column was recognised by which a lead could be known.
    #[error(
        "no column is recognised as a name, an e-mail, a phone or a company: map one of {}, or set \
         the delimiter if it is not how the file is divided",
        listed(columns)
    )]
    NoUsableColumn {
        /// The columns of the file.
        columns: Vec<String>,
    },
    /// A column that was mapped is not in the file.
    #[error(
        "there is no column \"{column}\" to map; the columns are {}",
        listed(columns)
    )]
    UnknownColumn {
        /// The column that was mapped.
        column: String,
        /// The columns of the file.
        columns: Vec<String>,
    },
    /// A column that was mapped is in the file more than once.
    #[error("the column \"{column}\" is in the file more than once: rename one of them there")]
    AmbiguousColumn {
        /// The column that was mapped.
        column: String,
    },
    /// A quote is not closed before the end of the file, or within 1 MiB.
    #[error(
        "the quote that opens a cell in line {line} is not closed: close it, and write each quote \
         within the cell twice"
    )]
    UnclosedQuote {
        /// Where the quote is.
        line: u64,
    },
    /// A row is longer than any row can be.
    #[error(
        "the row that reaches line {line} is too long, over {} MiB a cell, {} MiB or {} cells in all: \
         is the delimiter or the line ending another one?",
        MAX_CELL >> 20,
        MAX_ROW >> 20,
        MAX_CELLS
    )]
    TooLong {
        /// Where the cell that is too much starts.
        line: u64,
    },
    /// The input failed.
    #[error("reading failed after line {line}: {source}")]
    Read {
        /// The line that was being read.
        line: u64,
        /// What the input said.
        source: std::io::Error,
    },
    /// The storage failed.
    #[error("{}: {source}", of_lines(lines.as_ref()))]
    Crm {
        /// The lines in which the first and the last row of the batch start; `None` before the
        /// first batch.
        lines: Option<RangeInclusive<u64>>,
        /// What happened.
        source: CrmError,
    },
}

fn of_lines(lines: Option<&RangeInclusive<u64>>) -> String {
    match lines {
        Some(lines) => {
            let (first, last) = (lines.start(), lines.end());
            format!("the rows in lines {first} to {last} could not be imported")
        }
        None => "the import could not begin".to_owned(),
    }
}

impl ImportError {
    pub(super) fn new(kind: ImportErrorKind, report: ImportReport) -> Self {
        Self {
            kind: Box::new(kind),
            report: Box::new(report),
        }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> &ImportErrorKind {
        &self.kind
    }

    /// Why, to keep it.
    #[must_use]
    pub fn into_kind(self) -> ImportErrorKind {
        *self.kind
    }

    /// What had been done by then.
    #[must_use]
    pub const fn report(&self) -> &ImportReport {
        &self.report
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.report.imported() {
            0 => Ok(()),
            _ if self.report.is_dry_run() => Ok(()),
            imported => write!(f, " (imported before: {imported})"),
        }
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

impl From<Broken> for ImportErrorKind {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Empty => Self::Empty,
            Broken::Utf16 => Self::Utf16,
            Broken::Binary { line } => Self::Binary { line },
            Broken::UnclosedQuote { line } => Self::UnclosedQuote { line },
            Broken::TooLong { line } => Self::TooLong { line },
            Broken::Read { line, source } => Self::Read { line, source },
        }
    }
}

/// The names of columns, quoted, not all of a thousand.
fn listed(columns: &[String]) -> String {
    const MAX_LISTED: usize = 30;
    let names: Vec<_> = columns
        .iter()
        .take(MAX_LISTED)
        .map(|name| format!("\"{name}\""))
        .collect();
    let more = if columns.len() > MAX_LISTED {
        ", …"
    } else {
        ""
    };
    names.join(", ") + more
}
