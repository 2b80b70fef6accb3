//! The sample file of the examples, whose faults are known one by one.

use crm_kit::import::{ImportReport, Original, RowProblemKind};
use crm_kit::prelude::*;
use pollster::block_on;
use std::fs::File;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/leads.csv");

/// Row, field and kind of everything that is wrong in the file.
const FAULTS: [(u64, &str, &str); 20] = [
    (12, "", "ragged"),
    (24, "last_name", "missing"),
    (28, "email", "duplicate"),
    (42, "value.amount", "malformed"),
    (58, "email", "missing"),
    (73, "created_at", "malformed"),
    (77, "email", "duplicate"),
    (92, "first_name", "missing"),
    (106, "email", "duplicate"),
    (115, "email", "malformed"),
    (122, "email", "duplicate"),
    (123, "email", "duplicate"),
    (126, "value.amount", "out_of_range"),
    (137, "", "ragged"),
    (155, "value.currency", "malformed"),
    (156, "email", "duplicate"),
    (175, "status", "unknown"),
    (192, "email", "malformed"),
    (197, "email", "duplicate"),
    (200, "email", "duplicate"),
];

fn faults(report: &ImportReport) -> Vec<(u64, &str, &str)> {
    let rows = report.rejected_rows().iter();
    let problems = rows.flat_map(|row| row.problems().iter().map(|found| (row.record(), found)));
    problems
        .map(|(row, found)| (row, found.field().unwrap_or_default(), found.kind().name()))
        .collect()
}

#[test]
fn every_row_of_the_sample_is_imported_or_rejected_for_its_known_fault() {
    let opening = Crm::builder(MemoryRepository::new()).lifecycle(Lifecycle::sales());
    let crm = block_on(opening.open()).unwrap();
    let import = CsvImport::new()
        .date_formats(["%d %b, %Y %H:%M:%S"])
        .keep_extra_columns();
    let run = |import: &CsvImport| block_on(import.run(&crm, File::open(SAMPLE).unwrap())).unwrap();

    let preview = run(&import.clone().dry_run().batch(7));
    assert_eq!(block_on(crm.count(&LeadQuery::new())).unwrap(), 0);
    let report = run(&import);
    for report in [&preview, &report] {
        assert_eq!(
            (report.rows(), report.imported(), report.rejected()),
            (200, 180, 20)
        );
        assert_eq!(faults(report), FAULTS);
    }
    assert_eq!(block_on(crm.count(&LeadQuery::new())).unwrap(), 180);

    // Whoever was imported is known by then.
    let again = run(&import);
    assert_eq!((again.imported(), again.rejected()), (0, 200));
    let known = again.rejected_rows().iter().filter(|row| {
        let kind = row.problems()[0].kind();
        matches!(kind, RowProblemKind::Duplicate(Original::Lead(_)))
    });
    assert_eq!(known.count(), 188);

    // Cells hold line breaks, so a row's number does not give its line.
    let ragged = &report.rejected_rows()[13];
    assert_eq!((ragged.record(), ragged.line()), (137, 142));
    let by_address = LeadQuery::new().email("shane@wattlebird.example");
    let lead = &block_on(crm.list(by_address)).unwrap().items[0];
    assert_eq!(lead.status, LeadStatus::CONTACTED);
    assert_eq!(lead.tags.len(), 4);
    assert_eq!(lead.custom.get("industry").unwrap(), "Construction");
}
