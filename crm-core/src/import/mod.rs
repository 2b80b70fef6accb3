//! Leads from CSV files.
//!
//! A [`CsvImport`] says how a file is read; [`run`](CsvImport::run) reads it row by row, creates
//! the leads in batches through a [`Crm`], under all of its rules, and returns an [`ImportReport`]
//! that accounts for every row: imported, or rejected with what is wrong, where. A row that is
//! rejected rejects itself only; what is wrong with the file as a whole is an [`ImportError`].
//!
//! Files have columns of their own, so nothing of their form is fixed: names are recognised in the
//! forms that other programs export, and the rest is said by the caller.
//!
//! Left to others: which fields a lead must have ([`lifecycle`](crate::lifecycle)), what a field
//! may hold ([`lead`](crate::lead)), how CSV is written (RFC 4180; a quote is doubled within
//! quotes, rows end in CRLF, LF or CR).

mod columns;
mod decode;
mod duplicates;
mod error;
mod names;
mod problem;
mod report;
mod row;
mod rows;
mod rules;
mod run;
#[cfg(test)]
mod tests;
mod values;

pub use columns::{Column, Target};
pub use decode::Encoding;
pub use duplicates::Duplicates;
pub use error::{ImportError, ImportErrorKind};
pub use problem::{Original, RejectedRow, RowProblem, RowProblemKind};
pub use report::{ImportReport, Progress};

use crate::crm::Crm;
use crate::lead::{Field, LeadSource, LeadStatus};
use crate::repository::MAX_CHANGES;
use columns::Extra;
use report::Run;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex};

/// The most rows of a batch.
pub const MAX_BATCH: usize = MAX_CHANGES;

const DEFAULT_BATCH: usize = 500;
const DEFAULT_REJECTED: usize = 10_000;

/// Who is told of the progress. Shared, so that an import can be cloned.
type Tell = Arc<Mutex<dyn FnMut(&Progress) + Send>>;

/// How a CSV file becomes leads.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::import::CsvImport;
/// use crm_core::lead::{Field, LeadSource};
/// use crm_core::lifecycle::Lifecycle;
/// use crm_core::memory::MemoryRepository;
///
/// let file = "\
/// First Name,Last Name,E-mail,Lead Status,Origin,Created Time,Budget
/// John,Doe,john@example.com,Qualified,Fair,\"15 Apr, 2026 10:30:00\",5000
/// Jane,,jane@example.com,New,Fair,2026-04-16,
/// ";
/// # pollster::block_on(async {
/// let crm = Crm::builder(MemoryRepository::new()).lifecycle(Lifecycle::sales()).open().await?;
/// let import = CsvImport::new()
///     .map("Origin", Field::Source)
///     .map("Budget", Field::Value)
///     .currency("USD")
///     .source("Fair", LeadSource::EVENT)
///     .date_formats(["%d %b, %Y %H:%M:%S"]);
///
/// let preview = import.clone().dry_run().run(&crm, file.as_bytes()).await?;
/// assert_eq!((preview.imported(), preview.rejected()), (1, 1));
///
/// let report = import.run(&crm, file.as_bytes()).await?;
/// assert_eq!(
///     report.to_string(),
///     "1 of 2 rows imported, 1 rejected\n\
///      line 3 (row 2): column \"Last Name\", last_name: is required in status \"new\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What a row must be
///
/// Each row has as many cells as the header. A cell of nothing but white space is one that is
/// missing; white space around others is dropped, except in notes. A row without anything in it is
/// skipped. Amounts are `1250`, `1250.50` or `1,250.50`; a currency without an amount is no value.
///
/// # Limits
///
/// A cell is at most 1 MiB, a row 4 MiB and 16,384 cells. Memory holds one batch at a time, at most
/// about 8 MiB of cells, whatever the size of the file; beside it, where duplicates are rejected,
/// about 50 bytes for each row with an e-mail address, and the rejected rows that are kept.
#[derive(Clone)]
pub struct CsvImport {
    wanted: Vec<(String, Target)>,
    extra: Extra,
    fallbacks: Vec<(Field, String)>,
    date_formats: Vec<String>,
    statuses: Vec<(String, LeadStatus)>,
    sources: Vec<(String, LeadSource)>,
    currency: Option<String>,
    tag_separators: Vec<char>,
    delimiter: u8,
    encoding: Encoding,
    duplicates: Duplicates,
    batch: usize,
    max_rejected: usize,
    run: Run,
    progress: Option<Tell>,
}

impl Default for CsvImport {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            extra: Extra::Drop,
            fallbacks: Vec::new(),
            date_formats: Vec::new(),
            statuses: Vec::new(),
            sources: Vec::new(),
            currency: None,
            tag_separators: vec![';', ','],
            delimiter: b',',
            encoding: Encoding::default(),
            duplicates: Duplicates::default(),
            batch: DEFAULT_BATCH,
            max_rejected: DEFAULT_REJECTED,
            run: Run::Real,
            progress: None,
        }
    }
}

impl CsvImport {
    /// UTF-8, divided by commas, columns by their names, duplicates rejected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what a column is: a [`Field`], or another [`Target`]. The column is named as in the
    /// file; case, spaces and punctuation do not matter if no other column is named alike.
    ///
    /// A target that is said is not recognised in other columns as well. A column that the file
    /// does not have is an error, and so is a target said twice.
    #[must_use]
    pub fn map(mut self, column: impl Into<String>, target: impl Into<Target>) -> Self {
        self.wanted.push((column.into(), target.into()));
        self
    }

    /// Keeps columns that are neither recognised nor mapped as custom fields, with their text. The
    /// key is the slug of the column's name: `Zip Code` becomes `zip_code`, a second one
    /// `zip_code_2`; a name without slug, in another script, is the key itself.
    #[must_use]
    pub fn keep_extra_columns(mut self) -> Self {
        self.extra = Extra::Keep;
        self
    }

    /// What a field is where its cell is missing or the file has no such column, written as a cell
    /// would be.
    #[must_use]
    pub fn fallback(mut self, field: Field, value: impl Into<String>) -> Self {
        self.fallbacks.retain(|(known, _)| *known != field);
        self.fallbacks.push((field, value.into()));
        self
    }

    /// How dates are written, as in [`chrono::format::strftime`]; tried in this order. Without an
    /// offset they are UTC, without a time they are midnight.
    ///
    /// RFC 3339, `%Y-%m-%d` and `%Y-%m-%d %H:%M:%S` are understood anyway, after these.
    #[must_use]
    pub fn date_formats<S: Into<String>>(mut self, formats: impl IntoIterator<Item = S>) -> Self {
        self.date_formats = formats.into_iter().map(Into::into).collect();
        self
    }

    /// Which status a text means. Others mean the status with that slug or name
    /// ([`Lifecycle::find`](crate::lifecycle::Lifecycle::find)); case and accents do not matter.
    #[must_use]
    pub fn status(mut self, text: impl Into<String>, status: LeadStatus) -> Self {
        self.statuses.push((text.into(), status));
        self
    }

    /// Which source a text means; case and accents do not matter. Others mean the source with their
    /// slug: `Cold Call` is `cold_call`. A text that has none, or is longer than 40 bytes, rejects
    /// its row.
    #[must_use]
    pub fn source(mut self, text: impl Into<String>, source: LeadSource) -> Self {
        self.sources.push((text.into(), source));
        self
    }

    /// The currency of amounts that name none, such as `USD`. Without it such a row is rejected.
    #[must_use]
    pub fn currency(mut self, code: impl Into<String>) -> Self {
        self.currency = Some(code.into());
        self
    }

    /// What divides the tags in a cell. Default: `;` and `,`. None at all: a cell is one tag.
    #[must_use]
    pub fn tag_separators(mut self, separators: impl IntoIterator<Item = char>) -> Self {
        self.tag_separators = separators.into_iter().collect();
        self
    }

    /// What divides the cells: an ASCII character such as `b';'` or `b'\t'`. Default: a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// In which encoding the file is written. Default: UTF-8.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// What happens to a row whose e-mail address a lead has already. Default: it is rejected.
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// How many rows are committed at once, 1 to [`MAX_BATCH`]. Default: 500.
    #[must_use]
    pub fn batch(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }

    /// How many rejected rows the report keeps; all are counted. Default: 10,000.
    #[must_use]
    pub fn keep_rejected(mut self, rows: usize) -> Self {
        self.max_rejected = rows;
        self
    }

    /// Checks everything and writes nothing. The report is that of a real run, as long as nothing
    /// is changed in between.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.run = Run::Dry;
        self
    }

    /// Is told after each batch how far the import is, and once more at its end.
    #[must_use]
    pub fn on_progress(mut self, tell: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.progress = Some(Arc::new(Mutex::new(tell)));
        self
    }

    /// Reads a file and creates its leads.
    ///
    /// The input is read in this task, 64 KiB at a time: where files are slow and other tasks share
    /// the thread, run it where blocking is allowed. It needs no buffer of its own.
    ///
    /// Dropping the future stops the import between two batches: those committed stay, and are
    /// found as duplicates when the file is imported again.
    ///
    /// # Errors
    ///
    /// Wrong options; a file that is empty, no text, without a usable header or broken, such as by
    /// a quote that is never closed; a failing input; a failing storage. The error says what had
    /// been imported by then: whole batches.
    pub async fn run(
        &self,
        crm: &Crm,
        input: impl Read + Send,
    ) -> Result<ImportReport, ImportError> {
        run::run(self, crm, input).await
    }
}

impl fmt::Debug for CsvImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvImport")
            .field("map", &self.wanted)
            .field("encoding", &self.encoding)
            .field("duplicates", &self.duplicates)
            .field("batch", &self.batch)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}
