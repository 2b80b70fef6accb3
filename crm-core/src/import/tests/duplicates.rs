//! Rows whose e-mail address is known.

use super::*;

const HEADER: &str = "First Name,Last Name,E-mail";

fn file(rows: &[(&str, &str)]) -> String {
    let rows = rows
        .iter()
        .map(|(name, email)| format!("\n{name},Lee,{email}"));
    format!("{HEADER}{}", rows.collect::<String>())
}

#[test]
fn a_known_address_is_rejected_naming_the_lead_or_the_line() {
    let crm = crm();
    let known =
        block_on(crm.create(crate::lead::NewLead::new("Ann", "Lee", "Ann@Example.com").unwrap()))
            .unwrap();
    block_on(crm.archive(known.id)).unwrap();
    let file = file(&[
        ("Ann", "ann@example.COM"),
        ("Bob", "bob@example.com"),
        ("Rob", "BOB@example.com"),
    ]);
    for batch in [1, 2, 500] {
        let import = CsvImport::new().batch(batch).dry_run();
        let report = imported(&import, &crm, &file);
        assert_eq!(
            told(&report),
            [
                format!("2: column \"E-mail\", email: is that of lead {}", known.id),
                "4: column \"E-mail\", email: is that of the row in line 3".to_owned(),
            ]
        );
    }
    assert_eq!(imported(&CsvImport::new(), &crm, &file).imported(), 1);
    assert_eq!(
        imported(&CsvImport::new(), &crm, &file).imported(),
        0,
        "nothing comes twice"
    );
    let all = CsvImport::new().duplicates(Duplicates::Create);
    assert_eq!(imported(&all, &crm, &file).imported(), 3);
}

#[test]
fn a_row_that_was_rejected_takes_no_address() {
    let rows = [
        ("", "ann@example.com"),
        ("\u{7}", "ann@example.com"),
        ("Ann", "ann@example.com"),
        ("Amy", "ann@example.com"),
    ];
    for batch in [1, 2, 3, 500] {
        let crm = crm();
        let preview = imported(&CsvImport::new().batch(batch).dry_run(), &crm, file(&rows));
        let report = imported(&CsvImport::new().batch(batch), &crm, file(&rows));
        assert_eq!(told(&preview), told(&report));
        assert_eq!(only_lead(&crm).first_name.as_deref(), Some("Ann"));
        let lines: Vec<_> = report
            .rejected_rows()
            .iter()
            .map(RejectedRow::line)
            .collect();
        assert_eq!(lines, [2, 3, 5]);
        assert_eq!(
            told(&report)[2],
            "5: column \"E-mail\", email: is that of the row in line 4"
        );
    }
}

#[test]
fn a_dry_run_writes_nothing_and_tells_the_same() {
    let file = "Name,E-mail,Status\nAnn Lee,ann@example.com,won\nBob Day,,new\n\
                Cid Fox,ANN@example.com,new\nDan May,dan@example.com,?\nEve Poe,eve@example.com\n";
    let crm = crm();
    let preview = imported(&CsvImport::new().dry_run(), &crm, file);
    assert!(preview.is_dry_run() && leads(&crm).is_empty());
    assert!(
        block_on(crm.repository().unwrap().lifecycle(crm.tenant_id()))
            .unwrap()
            .is_none()
    );
    let report = imported(&CsvImport::new(), &crm, file);
    assert!(!report.is_dry_run());
    assert_eq!(told(&preview), told(&report));
    assert_eq!((preview.imported(), preview.rejected()), (1, 4));
    assert!(
        preview
            .to_string()
            .starts_with("1 of 5 rows can be imported, 4 cannot\n")
    );
    assert_eq!(preview.problems().count(), report.problems().count());
}
