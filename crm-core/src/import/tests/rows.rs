//! What rows become, and what is told of those that become nothing.

use super::*;
use crate::lead::{Money, ProblemKind};
use serde_json::json;

#[test]
fn every_field_is_read() {
    let file = "\u{feff}First Name,Last Name,E-mail,Company,Mobile,Lead Source,Lead Status,Reason,\
                Owner,Created Time,Deal Value,Currency,Tags,Notes,Zip Code\r\n\
                 José , Núñez ,jose@example.com,Łódź Sp. z o.o.,+48 22 555 01 23,Cold Call,LOST,\
                No budget,David Love,\"15 Apr, 2026 10:30:00\",\"1,250.50\",eur,\"vip; hot,VIP\",\
                \"line 1\r\nline 2\",00-123\r\n";
    let import = CsvImport::new()
        .keep_extra_columns()
        .date_formats(["%d %b, %Y %H:%M:%S"]);
    let crm = crm();
    let report = imported(&import, &crm, file);
    assert_eq!(report.imported(), 1, "{report}");
    let lead = only_lead(&crm);
    assert_eq!(lead.first_name.as_deref(), Some("José"));
    assert_eq!(lead.last_name.as_deref(), Some("Núñez"));
    assert_eq!(lead.email.as_ref().unwrap(), "jose@example.com");
    assert_eq!(lead.company.as_deref(), Some("Łódź Sp. z o.o."));
    assert_eq!(lead.phone.as_ref().unwrap(), "+48 22 555 01 23");
    assert_eq!(lead.source, Some(LeadSource::COLD_CALL));
    assert_eq!(lead.status, LeadStatus::LOST);
    assert_eq!(lead.status_reason.as_deref(), Some("No budget"));
    assert_eq!(lead.assigned_to.as_ref().unwrap(), &"David Love");
    assert_eq!(lead.created_at.to_rfc3339(), "2026-04-15T10:30:00+00:00");
    assert_eq!(lead.value, Some(Money::new(125_050, "EUR").unwrap()));
    assert_eq!(lead.tags, ["vip", "hot"]);
    assert_eq!(lead.notes.as_deref(), Some("line 1\r\nline 2"));
    assert_eq!(lead.custom.get("zip_code"), Some(&json!("00-123")));
}

#[test]
fn a_rejected_row_tells_everything_that_is_wrong_and_rejects_itself_only() {
    let file = "First Name,Last Name,Email,Phone,Lead Source,Status,Created,Value,Currency,Notes\n\
                Ann,Lee,ann@example.com,,,,,,,\n\
                \"\",   ,ann@,12,飛び込み,Hot!!,31/31/2026,call me,USD,ok\n\
                Bob,Day,bob@example.com,,,,2026-01-02,-5,USD,\n\
                Cid,Fox,cid@example.com,,,,,10,,\n\
                Dan,May,dan@example.com,,,,,10,ZZZ,\n\
                Eve,\"O\nR\",eve@example.com,,,,,,ZZZ,\n\
                Fay,Poe,fay@example.com,,,,,,ZZZ,\n";
    let crm = crm();
    let report = imported(&CsvImport::new(), &crm, file);
    assert_eq!(report.imported(), 2);
    assert_eq!(
        told(&report),
        [
            "3: column \"Created\", created_at: is malformed: expected a date such as 2026-01-31, or \
             in one of the date formats given; \
             column \"Value\", value.amount: is malformed: expected an amount such as 1250 or \
             1250.50; \
             column \"Status\", status: is unknown: must be one of new, contacted, qualified, \
             proposal, won, lost; \
             column \"Email\", email: is malformed: expected an e-mail address such as \
             name@example.com; \
             column \"Phone\", phone: is malformed: expected a phone number with at least 3 digits; \
             column \"Lead Source\", source: is malformed: expected a slug of a-z, 0-9 and _, not \
             beginning with _, such as cold_call; \
             column \"First Name\", first_name: is required in status \"new\"; \
             column \"Last Name\", last_name: is required in status \"new\"",
            "4: column \"Value\", value.amount: is out of range: must be between 0 and \
             9007199254740991",
            "5: column \"Currency\", value.currency: is required",
            "6: column \"Currency\", value.currency: is malformed: expected a currency code of ISO \
             4217 such as USD",
            "7: column \"Last Name\", last_name: must not contain control characters",
        ]
    );
    let problem = &report.rejected_rows()[0].problems()[3];
    assert_eq!(
        (problem.column(), problem.field()),
        (Some("Email"), Some("email"))
    );
    assert!(matches!(
        problem.kind(),
        RowProblemKind::Field(problem) if matches!(problem.kind(), ProblemKind::Malformed { .. })
    ));
    assert_eq!(report.rejected_rows()[4].record(), 6);
}

#[test]
fn ragged_rows_reject_themselves_only() {
    let file = "Name,E-mail\nAnn Lee\n,,\nBob Day,bob@example.com\nCid Fox,cid@example.com,x\n";
    let report = imported(&CsvImport::new(), &crm(), file);
    assert_eq!((report.imported(), report.blank()), (1, 1));
    assert_eq!(
        told(&report),
        [
            "2: 1 cells where the header has 2: is a quote missing?",
            "5: 3 cells where the header has 2: is a quote missing?",
        ]
    );
}

#[test]
fn too_much_text_and_nul_bytes_reject_their_row() {
    let file = format!(
        "Company,Notes\nA,{}\nB\0,\n{},\nC,\n",
        "x".repeat(20_000),
        "y".repeat(1 << 19),
    );
    // Beyond the head, where a NUL byte makes a file binary.
    let file = format!("{}{file}", "\n".repeat(10_000));
    let report = imported(&CsvImport::new(), &open_crm(), &file);
    assert_eq!(report.imported(), 1);
    assert_eq!(
        told(&report),
        [
            "10002: column \"Notes\", notes: is too long: at most 16384 bytes",
            "10003: column \"Company\", company: must not contain U+0000",
            "10004: column \"Company\", company: is too long: at most 200 characters",
        ]
    );
}

#[test]
fn a_single_name_column_is_split_unless_the_row_has_its_own() {
    let file = "Lead Name,First Name,Last Name,E-mail\n\
                Mary Ann Lee,,,a@example.com\n\
                \"Day, Bob\",,,b@example.com\n\
                Ignored Name,Cid,Fox,c@example.com\n\
                Plato,,,d@example.com\n\
                \u{7}x Lee,,,e@example.com\n";
    let crm = crm();
    let report = imported(&CsvImport::new(), &crm, file);
    let mut names: Vec<_> = leads(&crm).iter().map(Lead::display_name).collect();
    names.sort();
    assert_eq!(names, ["Bob Day", "Cid Fox", "Mary Ann Lee"]);
    assert_eq!(
        told(&report),
        [
            "5: column \"Lead Name\", first_name: is required in status \"new\"",
            "6: column \"Lead Name\", first_name: must not contain control characters",
        ]
    );
}

#[test]
fn of_two_columns_for_one_field_the_first_filled_one_wins_and_is_blamed() {
    let file = "Company,Mobile,Phone\nA,111,222\nB,333, \nC,x,\n";
    let crm = open_crm();
    let report = imported(&CsvImport::new(), &crm, file);
    let mut phones: Vec<_> = leads(&crm)
        .iter()
        .map(|lead| lead.phone.as_ref().unwrap().to_string())
        .collect();
    phones.sort();
    assert_eq!(phones, ["222", "333"]);
    assert!(
        told(&report)[0].starts_with("4: column \"Mobile\", phone: "),
        "{report}"
    );
}

#[test]
fn fallbacks_stand_in_for_what_is_missing_only() {
    let file = "Last Name,E-mail,Status,Value,Phone\n\
                Lee,a@example.com,,,\nDay,b@example.com,won,7,x\n";
    let import = CsvImport::new()
        .fallback(Field::FirstName, "Unknown")
        .fallback(Field::FirstName, "Friend")
        .fallback(Field::Status, "Qualified")
        .fallback(Field::Source, "Trade Fair")
        .fallback(Field::Value, "100")
        .fallback(Field::Tags, "imported;2026")
        .fallback(Field::Phone, "555 0100")
        .currency("USD");
    let crm = crm();
    let report = imported(&import, &crm, file);
    let lead = only_lead(&crm);
    assert_eq!(lead.first_name.as_deref(), Some("Friend"));
    assert_eq!(lead.status, LeadStatus::QUALIFIED);
    assert_eq!(lead.source.as_ref().unwrap(), "trade_fair");
    assert_eq!(lead.value, Some(Money::new(10_000, "USD").unwrap()));
    assert_eq!(lead.tags.len(), 2);
    assert!(
        told(&report)[0].contains("phone"),
        "a wrong cell is not a missing one"
    );
}

#[test]
fn statuses_and_sources_are_found_by_slug_name_or_mapping() {
    let file = "Company,Status,Source\nA,qualified,Cold Call\nB, PROPOSAL ,cold-call\n\
                C,Junk  Lead,Mund-zu-Mund\nD,,\n";
    let crm = crm();
    let import = CsvImport::new()
        .status("junk lead", LeadStatus::LOST)
        .source("mund-ZU-mund", LeadSource::REFERRAL)
        .fallback(Field::FirstName, "-")
        .fallback(Field::LastName, "-")
        .fallback(Field::Email, "info@example.com")
        .duplicates(Duplicates::Create);
    let report = imported(&import, &crm, file);
    assert_eq!(report.imported(), 4, "{report}");
    let mut found: Vec<_> = leads(&crm)
        .iter()
        .map(|lead| {
            let source = lead.source.as_ref().map_or("", LeadSource::as_str);
            format!(
                "{} {} {source}",
                lead.company.as_deref().unwrap(),
                lead.status
            )
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "A qualified cold_call",
            "B proposal cold_call",
            "C lost referral",
            "D new "
        ]
    );
    let long = "Company,Source\nA,Word of mouth at the annual garden party in June\n";
    let report = imported(&import, &crm, long);
    assert_eq!(
        told(&report),
        ["2: column \"Source\", source: is too long: at most 40 bytes"]
    );
}

#[test]
fn latin_1_is_read_if_said_so_and_a_mark_of_utf_8_wins() {
    let latin1 = b"Company\nCaf\xe9 \x80\nBar\n";
    let companies = |import: CsvImport, file: &[u8]| {
        let crm = open_crm();
        let report = imported(&import, &crm, file);
        let mut names: Vec<_> = leads(&crm)
            .iter()
            .map(|lead| lead.company.clone().unwrap())
            .collect();
        names.sort();
        (names, told(&report))
    };
    let (names, problems) = companies(CsvImport::new(), latin1);
    assert_eq!(names, ["Bar"]);
    let expected = "2: column \"Company\", not UTF-8: set the encoding the file is written in";
    assert_eq!(problems, [expected]);
    for encoding in [Encoding::Latin1, Encoding::Utf8OrLatin1] {
        let (names, problems) = companies(CsvImport::new().encoding(encoding), latin1);
        assert_eq!(
            (names.join("|"), problems.len()),
            ("Bar|Café €".to_owned(), 0)
        );
        let marked = "\u{feff}Company\nCafé\n".as_bytes();
        assert_eq!(
            companies(CsvImport::new().encoding(encoding), marked).0,
            ["Café"]
        );
    }
    let ignored = b"Company,Note\nBar,Caf\xe9\n";
    let import = CsvImport::new().map("Note", Target::Ignore);
    assert_eq!(
        companies(import, ignored).0,
        ["Bar"],
        "what is not read need not be text"
    );
    let name = b"Name,E-mail\nJos\xe9 Lee,a@example.com\n";
    let report = imported(&CsvImport::new(), &crm(), name);
    let expected = "2: column \"Name\", not UTF-8: set the encoding the file is written in";
    assert_eq!(
        told(&report),
        [expected],
        "a name that cannot be read is not missing as well"
    );
}

#[test]
fn every_rule_holds_for_imported_leads() {
    let lifecycle = Lifecycle::builder()
        .status("New")
        .status(
            StatusDraft::new("Won")
                .kind(StatusKind::Won)
                .require(Field::Value),
        )
        .build()
        .unwrap();
    let crm = Crm::builder(MemoryRepository::new())
        .lifecycle(lifecycle)
        .guard("no_acme", |attempt: &crate::crm::Attempt<'_>| {
            let is_acme = attempt.lead.company.as_deref() == Some("Acme");
            if is_acme {
                Err("they are ours already".to_owned())
            } else {
                Ok(())
            }
        });
    let crm = block_on(crm.open()).unwrap();
    let file = "Company,Status,Owner\nAcme,New,anna\nBest,Won,anna\nCore,New,bob\nDuo,New,\n";
    let scope = crate::crm::Scope::AssignedTo("anna".parse().unwrap());
    let scoped = crm.scoped(scope).as_user("anna");
    for import in [CsvImport::new().dry_run(), CsvImport::new()] {
        let report = imported(&import, &scoped, file);
        let told = told(&report);
        assert!(
            told[0].starts_with("2: ") && told[0].contains("they are ours already"),
            "{report}"
        );
        assert_eq!(told[1], "3: value: is required in status \"won\"");
        assert!(told[2].starts_with("4: "), "{report}");
        assert_eq!((told.len(), report.imported()), (3, 1));
    }
    assert_eq!(only_lead(&crm).assigned_to.as_ref().unwrap(), &"anna");
}

#[test]
fn what_was_typed_is_never_told() {
    let file = "First Name,Last Name,Email,Phone,Source,Status,Created,Value,Currency,Tags,Owner\n\
                se\u{7}cret,secret\0,secret@,secret,секрет,secret,secret,secret,secret,se\u{7}cret,\
                se\u{7}cret\n";
    let file = format!("{}{file}", "\n".repeat(10_000));
    let report = imported(&CsvImport::new(), &crm(), file);
    assert_eq!(
        (
            report.rejected(),
            report.rejected_rows()[0].problems().len()
        ),
        (1, 10)
    );
    for text in [report.to_string(), format!("{report:?}")] {
        assert!(
            !text.contains("secret") && !text.contains("секрет"),
            "{text}"
        );
    }
}
