//! Files larger than memory should hold, and files that are noise.

use super::*;
use crate::import::rows::{RawRow, Rows};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is made while it is read. Every tenth row is wrong.
struct Made {
    rows: u64,
    next: u64,
    left: Vec<u8>,
    given: Arc<AtomicU64>,
}

impl Read for Made {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left.is_empty() && self.next <= self.rows {
            let number = self.next;
            self.left = match number {
                0 => b"Company,Phone\n".to_vec(),
                _ if number.is_multiple_of(10) => format!("Company {number},none\n").into_bytes(),
                _ => format!("Company {number},\n").into_bytes(),
            };
            self.given.store(number, Ordering::Relaxed);
            self.next += 1;
        }
        let count = self.left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.left[..count]);
        self.left.drain(..count);
        Ok(count)
    }
}

#[test]
fn rows_in_flight_never_exceed_the_batch() {
    const ROWS: u64 = 200_000;
    const BATCH: u64 = 400;
    let given = Arc::new(AtomicU64::new(0));
    let file = Made {
        rows: ROWS,
        next: 0,
        left: Vec::new(),
        given: Arc::clone(&given),
    };
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let mut settled = 0;
    let import = CsvImport::new()
        .dry_run()
        .batch(400)
        .keep_rejected(50)
        .on_progress(move |now| {
            assert!(
                now.rows - settled <= BATCH,
                "{} rows in one batch",
                now.rows - settled
            );
            settled = now.rows;
            assert_eq!(now.rows, now.imported + now.rejected);
            assert!(now.bytes >= now.rows * 10);
            // Beyond the batch, no more is read than the head of the file.
            assert!(given.load(Ordering::Relaxed) <= now.rows + (8 << 10) / 10);
            counted.fetch_add(1, Ordering::Relaxed);
        });
    let report = block_on(import.run(&open_crm(), file)).unwrap();
    assert_eq!((report.rows(), report.rejected()), (ROWS, ROWS / 10));
    assert_eq!(report.rejected_rows().len(), 50);
    assert_eq!(report.last_line(), ROWS + 1);
    assert_eq!(calls.load(Ordering::Relaxed), ROWS / BATCH + 1);
    assert_eq!(
        report.problems().collect::<Vec<_>>(),
        [("phone", "malformed", ROWS / 10)]
    );
}

#[test]
fn a_batch_of_long_rows_is_closed_early() {
    let row = format!("A,{}\n", "x".repeat(1 << 20));
    let file = format!("Company,Ignored\n{}", row.repeat(20));
    let largest = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&largest);
    let mut settled = 0;
    let import = CsvImport::new().dry_run().on_progress(move |now| {
        seen.fetch_max(now.rows - settled, Ordering::Relaxed);
        settled = now.rows;
    });
    assert_eq!(imported(&import, &open_crm(), file).imported(), 20);
    assert_eq!(largest.load(Ordering::Relaxed), 8);
}

#[test]
fn an_import_runs_on_any_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let crm = open_crm();
    let import = CsvImport::new();
    let running = sent(import.run(&crm, &b"Company\nA\n"[..]));
    assert_eq!(block_on(running).unwrap().imported(), 1);
}

/// How many rows there are, counted without looking at them; `None` if the file breaks.
fn count(file: &[u8]) -> Option<u64> {
    let mut rows = Rows::open(file, b',').ok()?;
    let mut row = RawRow::default();
    let mut count = 0;
    rows.read(&mut row).ok()?;
    while rows.read(&mut row).ok()? {
        count += u64::from(!row.is_blank());
    }
    Some(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_under_a_header_are_imported_or_rejected(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b'"'), Just(b'a')],
            0..300,
        ),
        batch in 1_usize..20,
        encoding in prop_oneof![
            Just(Encoding::Utf8), Just(Encoding::Latin1), Just(Encoding::Utf8OrLatin1),
        ],
    ) {
        let mut file = b"Name,Email\n".to_vec();
        file.extend(&bytes);
        let import = CsvImport::new().batch(batch).encoding(encoding);
        let crm = open_crm();
        match block_on(import.run(&crm, &file[..])) {
            Ok(report) => {
                prop_assert_eq!(Some(report.imported() + report.rejected()), count(&file));
                prop_assert_eq!(report.imported(), u64::try_from(leads(&crm).len()).unwrap());
                prop_assert!(report.rejected_rows().iter().all(|row| !row.problems().is_empty()));
            }
            Err(error) => {
                prop_assert_eq!(count(&file), None, "{}", error);
                let report = error.report();
                prop_assert_eq!(report.imported(), u64::try_from(leads(&crm).len()).unwrap());
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_a_report_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match block_on(CsvImport::new().keep_extra_columns().run(&open_crm(), &bytes[..])) {
            Ok(report) => prop_assert_eq!(Some(report.rows()), count(&bytes)),
            Err(error) => prop_assert_eq!(error.report().rows(), 0),
        }
    }
}
