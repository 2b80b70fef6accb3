//! Whole imports, from bytes to leads.

mod duplicates;
mod files;
mod large;
mod rows;
mod storage;

use super::*;
use crate::lead::Lead;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::{StatusDraft, StatusKind};
use crate::memory::MemoryRepository;
use crate::query::{Archived, LeadQuery};
use pollster::block_on;

fn crm_with(lifecycle: Lifecycle) -> Crm {
    block_on(
        Crm::builder(MemoryRepository::new())
            .lifecycle(lifecycle)
            .open(),
    )
    .unwrap()
}

/// Over the preset of sales teams.
fn crm() -> Crm {
    crm_with(Lifecycle::sales())
}

/// Over a lifecycle that requires nothing.
fn open_crm() -> Crm {
    let lifecycle = Lifecycle::builder()
        .status("New")
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .build();
    crm_with(lifecycle.unwrap())
}

fn imported(import: &CsvImport, crm: &Crm, file: impl AsRef<[u8]>) -> ImportReport {
    let report = block_on(import.run(crm, file.as_ref())).unwrap();
    assert_eq!(report.rows(), report.imported() + report.rejected());
    report
}

fn broken(import: &CsvImport, crm: &Crm, file: impl AsRef<[u8]>) -> ImportError {
    block_on(import.run(crm, file.as_ref())).unwrap_err()
}

/// The leads, in the order of their rows if those have times.
fn leads(crm: &Crm) -> Vec<Lead> {
    let query = LeadQuery::new()
        .archived(Archived::Include)
        .sort(crate::query::Sort::created().ascending())
        .limit(1_000);
    block_on(crm.list(query)).unwrap().items
}

fn only_lead(crm: &Crm) -> Lead {
    let mut leads = leads(crm);
    assert_eq!(leads.len(), 1);
    leads.remove(0)
}

/// Each rejected row as `line: message`.
fn told(report: &ImportReport) -> Vec<String> {
    let rows = report.rejected_rows().iter();
    rows.map(|row| {
        let problems: Vec<_> = row.problems().iter().map(ToString::to_string).collect();
        format!("{}: {}", row.line(), problems.join("; "))
    })
    .collect()
}
