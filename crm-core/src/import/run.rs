//! The import itself: rows in, batches out.

use super::columns::Columns;
use super::decode::{Cell, Encoding, decoded};
use super::duplicates::{Duplicates, Mark, Seen, address, existing};
use super::problem::{Original, RejectedRow, RowProblem, RowProblemKind};
use super::report::Run;
use super::row::Draft;
use super::rows::{RawRow, Rows};
use super::rules::Rules;
use super::{CsvImport, ImportError, ImportErrorKind, ImportReport, Progress};
use crate::crm::{Crm, CrmError};
use crate::lead::{EmailAddress, NewLead};
use std::future::poll_fn;
use std::io::Read;
use std::sync::PoisonError;
use std::task::Poll;

/// A batch is closed early when its cells come to this, so that long rows do not add up.
const MAX_PENDING: usize = 8 << 20;

pub(super) async fn run<R: Read + Send>(
    options: &CsvImport,
    crm: &Crm,
    input: R,
) -> Result<ImportReport, ImportError> {
    let report = ImportReport::new(options.run, options.max_rejected);
    let rules = match crm.lifecycle().await {
        Ok(lifecycle) => Rules::new(options, lifecycle).map_err(ImportErrorKind::Options),
        Err(source) => Err(ImportErrorKind::Crm {
            lines: None,
            source,
        }),
    };
    let rules = match rules {
        Ok(rules) => rules,
        Err(kind) => return Err(ImportError::new(kind, report)),
    };
    let mut import = Import {
        options,
        crm,
        rules,
        columns: Columns::default(),
        seen: Seen::default(),
        report,
    };
    match import.all(input).await {
        Ok(()) => Ok(import.report),
        Err(kind) => Err(ImportError::new(kind, import.report)),
    }
}

struct Import<'a> {
    options: &'a CsvImport,
    crm: &'a Crm,
    rules: Rules,
    columns: Columns,
    seen: Seen,
    report: ImportReport,
}

/// A row that is waiting for its batch.
struct Row {
    record: u64,
    line: u64,
    /// What it says, or why that cannot be known.
    draft: Result<Draft, RowProblem>,
}

/// A row on its way into a lead.
struct Candidate {
    record: u64,
    line: u64,
    draft: Draft,
    address: Option<(EmailAddress, Mark)>,
}

impl Import<'_> {
    async fn all<R: Read + Send>(&mut self, input: R) -> Result<(), ImportErrorKind> {
        let mut rows = Rows::open(input, self.options.delimiter)?;
        let encoding = if rows.has_utf8_mark() {
            Encoding::Utf8
        } else {
            self.options.encoding
        };
        let mut raw = RawRow::default();
        rows.read(&mut raw)?;
        self.columns = self.header(&raw, encoding)?;
        self.report.set_columns(self.columns.all.clone());
        let mut batch = Vec::new();
        let mut size = 0;
        let mut record = 0;
        while rows.read(&mut raw)? {
            if raw.is_blank() {
                self.report.skip_blank();
                continue;
            }
            record += 1;
            batch.push(self.row(record, &raw, encoding));
            size += raw.size();
            if batch.len() >= self.options.batch || size >= MAX_PENDING {
                self.settle(std::mem::take(&mut batch)).await?;
                size = 0;
                self.tell(rows.bytes());
                breathe().await;
            }
        }
        self.settle(batch).await?;
        self.tell(rows.bytes());
        Ok(())
    }

    fn header(&self, raw: &RawRow, encoding: Encoding) -> Result<Columns, ImportErrorKind> {
        let cells = decoded(raw, encoding);
        let names: Vec<&str> = cells.iter().flatten().map(AsRef::as_ref).collect();
        if names.len() < cells.len() {
            return Err(ImportErrorKind::HeaderEncoding { line: raw.line });
        }
        Columns::resolve(&names, &self.options.wanted, self.options.extra, raw.line)
    }

    fn row(&self, record: u64, raw: &RawRow, encoding: Encoding) -> Row {
        let expected = self.columns.all.len();
        let draft = if raw.len() == expected {
            let cells: Vec<Cell<'_>> = decoded(raw, encoding);
            Ok(Draft::new(&cells, &self.columns, &self.rules))
        } else {
            let cells = raw.len();
            Err(RowProblem::of_row(RowProblemKind::Ragged {
                cells,
                expected,
            }))
        };
        Row {
            record,
            line: raw.line,
            draft,
        }
    }

    /// Imports or rejects each row of a batch.
    async fn settle(&mut self, batch: Vec<Row>) -> Result<(), ImportErrorKind> {
        let Some((first, last)) = batch.first().zip(batch.last()) else {
            return Ok(());
        };
        let lines = first.line..=last.line;
        let mut rejected = Vec::new();
        let settled = self.import(batch, &mut rejected).await;
        rejected.sort_by_key(RejectedRow::record);
        for row in rejected {
            self.report.reject(row);
        }
        match settled {
            Ok(()) => {
                self.report.reach(*lines.end());
                Ok(())
            }
            Err(source) => Err(ImportErrorKind::Crm {
                lines: Some(lines),
                source,
            }),
        }
    }

    async fn import(
        &mut self,
        batch: Vec<Row>,
        rejected: &mut Vec<RejectedRow>,
    ) -> Result<(), CrmError> {
        let mut waiting = self.candidates(batch, rejected).await?;
        // Of several rows with one address the first that can be imported is; the others wait for
        // its outcome.
        while !waiting.is_empty() {
            let (mut now, later) = self.next_round(waiting, rejected).await?;
            let new: Vec<NewLead> = now
                .iter_mut()
                .map(|row| std::mem::take(&mut row.draft.new))
                .collect();
            let answers = match self.options.run {
                Run::Real => {
                    let created = self.crm.create_many(&new).await?;
                    created.into_iter().map(|answer| answer.map(drop)).collect()
                }
                Run::Dry => self.crm.check_many(&new).await?,
            };
            for (row, answer) in now.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {
                        self.report.import();
                        if let Some((_, mark)) = row.address {
                            self.seen.note(mark, row.line);
                        }
                    }
                    Err(error) => {
                        let problems = row.draft.problems(Some(&error), &self.columns);
                        rejected.push(RejectedRow::new(row.record, row.line, problems));
                    }
                }
            }
            waiting = later;
        }
        Ok(())
    }

    /// Rejects the rows that are wrong as they stand, with everything that is wrong with them.
    async fn candidates(
        &self,
        batch: Vec<Row>,
        rejected: &mut Vec<RejectedRow>,
    ) -> Result<Vec<Candidate>, CrmError> {
        let mut candidates = Vec::with_capacity(batch.len());
        let mut wrong = Vec::new();
        for Row {
            record,
            line,
            draft,
        } in batch
        {
            match draft {
                Err(problem) => rejected.push(RejectedRow::new(record, line, vec![problem])),
                Ok(draft) if draft.is_wrong() => wrong.push((record, line, draft)),
                Ok(draft) => {
                    let address = match self.options.duplicates {
                        Duplicates::Reject => address(&draft.new),
                        Duplicates::Create => None,
                    };
                    candidates.push(Candidate {
                        record,
                        line,
                        draft,
                        address,
                    });
                }
            }
        }
        let new: Vec<NewLead> = wrong
            .iter_mut()
            .map(|(.., draft)| std::mem::take(&mut draft.new))
            .collect();
        let answers = self.crm.check_many(&new).await?;
        for ((record, line, draft), answer) in wrong.into_iter().zip(answers) {
            let problems = draft.problems(answer.err().as_ref(), &self.columns);
            rejected.push(RejectedRow::new(record, line, problems));
        }
        Ok(candidates)
    }

    /// The rows that can be tried now, no two with the same address, and those that wait for them.
    async fn next_round(
        &self,
        waiting: Vec<Candidate>,
        rejected: &mut Vec<RejectedRow>,
    ) -> Result<(Vec<Candidate>, Vec<Candidate>), CrmError> {
        let mut marks = std::collections::HashSet::new();
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for row in waiting {
            let Some((address, mark)) = &row.address else {
                now.push(row);
                continue;
            };
            let original = match self.seen.line(*mark) {
                Some(line) => Some(Original::Line(line)),
                None if marks.contains(mark) => {
                    later.push(row);
                    continue;
                }
                None => existing(self.crm, address).await?,
            };
            if let Some(original) = original {
                let kind = RowProblemKind::Duplicate(original);
                let problem = row.draft.duplicate(kind, &self.columns);
                rejected.push(RejectedRow::new(row.record, row.line, vec![problem]));
            } else {
                marks.insert(*mark);
                now.push(row);
            }
        }
        Ok((now, later))
    }

    fn tell(&self, bytes: u64) {
        if let Some(progress) = &self.options.progress {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress(&Progress {
                rows: self.report.rows(),
                bytes,
                imported: self.report.imported(),
                rejected: self.report.rejected(),
            });
        }
    }
}

/// Lets other tasks of the executor run between two batches.
async fn breathe() {
    let mut is_back = false;
    poll_fn(|context| {
        if is_back {
            return Poll::Ready(());
        }
        is_back = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
