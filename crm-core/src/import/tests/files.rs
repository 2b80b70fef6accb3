//! Files that are wrong as a whole: each gives a reason, and changes nothing.

use super::*;

/// Why the file was refused; nothing was imported.
fn refused(import: &CsvImport, file: impl AsRef<[u8]>) -> ImportErrorKind {
    let crm = crm();
    let error = broken(import, &crm, file);
    assert!(leads(&crm).is_empty());
    assert_eq!(error.report().rows(), 0);
    error.into_kind()
}

#[test]
fn an_empty_file_is_refused() {
    for file in ["", "\n\r\n", "\u{feff}", "\u{feff}\n"] {
        let kind = refused(&CsvImport::new(), file);
        assert!(matches!(kind, ImportErrorKind::Empty), "{file:?}: {kind}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let sheet = b"PK\x03\x04\x14\x00\x06\x00\x08";
    let kind = refused(&CsvImport::new(), sheet);
    assert!(
        matches!(kind, ImportErrorKind::Binary { line: 1 }),
        "{kind}"
    );
    let utf16: Vec<u8> = "\u{feff}Name\nAnn"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let kind = refused(&CsvImport::new().encoding(Encoding::Latin1), utf16);
    assert!(kind.to_string().contains("CSV UTF-8"), "{kind}");
}

#[test]
fn a_file_without_header_is_refused_without_repeating_it() {
    let kind = refused(
        &CsvImport::new(),
        "Ann,Lee,ann@example.com\nBob,Day,bob@example.com\n",
    );
    assert!(
        matches!(kind, ImportErrorKind::NoHeader { line: 1 }),
        "{kind}"
    );
    assert!(!kind.to_string().contains("Ann") && kind.to_string().contains("First Name"));
}

#[test]
fn a_header_in_another_form_says_what_to_do() {
    let semicolons = "Name;E-mail\nAnn Lee;ann@example.com\n";
    let kind = refused(&CsvImport::new(), semicolons);
    assert!(
        matches!(kind, ImportErrorKind::NoUsableColumn { .. }),
        "{kind}"
    );
    let crm = crm();
    assert_eq!(
        imported(&CsvImport::new().delimiter(b';'), &crm, semicolons).imported(),
        1
    );

    let kind = refused(&CsvImport::new(), b"E-mail,Pr\xe9nom\na@example.com,Ann\n");
    assert!(
        matches!(kind, ImportErrorKind::HeaderEncoding { line: 1 }),
        "{kind}"
    );
}

#[test]
fn a_file_of_nothing_but_a_header_has_no_rows() {
    let report = imported(&CsvImport::new(), &crm(), "Name,E-mail\r\n\r\n");
    assert_eq!((report.rows(), report.last_line()), (0, 0));
    assert_eq!(report.columns().len(), 2);
}

#[test]
fn an_unclosed_quote_is_refused_with_its_line_and_changes_nothing() {
    let file = "First Name,Last Name,E-mail\n\
                Ann,Lee,ann@example.com\n\
                Bob,\"Day,bob@example.com\n\
                Cid,Fox,cid@example.com\n";
    let kind = refused(&CsvImport::new(), file);
    assert!(
        matches!(kind, ImportErrorKind::UnclosedQuote { line: 3 }),
        "{kind}"
    );
}

#[test]
fn batches_before_a_broken_row_stay_and_are_accounted_for() {
    let file = "First Name,Last Name,E-mail\n\
                Ann,Lee,ann@example.com\n\
                Bob,,bob@example.com\n\
                Cid,Fox,cid@example.com\n\
                Dan,\"May,dan@example.com\n";
    let crm = crm();
    let error = broken(&CsvImport::new().batch(2), &crm, file);
    assert!(matches!(
        error.kind(),
        ImportErrorKind::UnclosedQuote { line: 5 }
    ));
    let report = error.report();
    assert_eq!(
        (report.imported(), report.rejected(), report.last_line()),
        (1, 1, 3)
    );
    let told = error.to_string();
    assert!(told.ends_with(" (imported before: 1)"), "{told}");
    assert_eq!(only_lead(&crm).first_name.as_deref(), Some("Ann"));
}

#[test]
fn every_wrong_option_is_told_before_anything_is_read() {
    struct Unread;
    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("read");
        }
    }
    let import = CsvImport::new()
        .delimiter(b'"')
        .batch(0)
        .map("Mobile", Field::Phone)
        .map("Phone", Field::Phone)
        .currency("ZZZ")
        .date_formats(["%H:%M"])
        .status("Hot", "hot".parse().unwrap())
        .fallback(Field::Email, "nobody")
        .fallback(Field::Status, "hot!")
        .fallback(Field::Value, "lots");
    let error = block_on(import.run(&crm(), Unread)).unwrap_err();
    let ImportErrorKind::Options(invalid) = error.kind() else {
        panic!("{error}")
    };
    let fields: Vec<_> = invalid
        .problems()
        .iter()
        .map(|problem| problem.field())
        .collect();
    assert_eq!(
        fields,
        [
            "delimiter",
            "batch",
            "map",
            "currency",
            "date_formats",
            "status",
            "fallback.email",
            "fallback.status",
        ]
    );
    let import = CsvImport::new()
        .currency("USD")
        .fallback(Field::Value, "lots");
    let error = block_on(import.run(&crm(), Unread)).unwrap_err();
    assert!(
        error.to_string().contains("fallback.value.amount"),
        "{error}"
    );
    let twice = CsvImport::new()
        .map("Mobile", Field::Phone)
        .map("mobile", Target::Ignore);
    let error = block_on(twice.run(&crm(), Unread)).unwrap_err();
    assert!(
        error.to_string().contains("map: is given more than once"),
        "{error}"
    );
    for batch in [1, MAX_BATCH] {
        assert!(block_on(CsvImport::new().batch(batch).run(&crm(), &b"Name\n"[..])).is_ok());
    }
}

#[test]
fn a_first_row_of_people_is_not_shown() {
    let kind = refused(
        &CsvImport::new(),
        "Johanna,Doe,Acme Corp\nBob,Day,Umbrella\n",
    );
    assert!(
        matches!(kind, ImportErrorKind::NoHeader { line: 1 }),
        "{kind}"
    );
    assert!(!kind.to_string().contains("Johanna"));
}
