//! Questions that are wrong: every problem is named, and a cursor is good for its own query only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, blamed, numbered, wait};
use crm_kit::chrono::{DateTime, TimeDelta, Utc};
use crm_kit::event::EventCursor;
use crm_kit::prelude::*;
use crm_kit::query::{Cursor, InvalidCursor, Limit};
use crm_kit::repository::RepositoryErrorKind;

const TEN_MEGABYTES: usize = 10 << 20;

#[test]
fn a_wrong_query_is_refused_with_every_problem() {
    let office = Office::new();
    office.john();
    let early: DateTime<Utc> = DateTime::UNIX_EPOCH;
    for (query, fields) in [
        (LeadQuery::new().limit(0), vec!["limit"]),
        (LeadQuery::new().limit(10_000_000), vec!["limit"]),
        (LeadQuery::new().status("cold"), vec!["status"]),
        (
            LeadQuery::new().status("new").status("Very Cold"),
            vec!["status"],
        ),
        (
            LeadQuery::new().statuses(Vec::<String>::new()),
            vec!["status"],
        ),
        (LeadQuery::new().email("john@"), vec!["email"]),
        (LeadQuery::new().assigned_to(""), vec!["assigned_to"]),
        (
            LeadQuery::new().tag("\0").source("X"),
            vec!["source", "tag"],
        ),
        (
            LeadQuery::new().search("x".repeat(TEN_MEGABYTES)),
            vec!["q"],
        ),
        (
            LeadQuery::new()
                .created_from(early + TimeDelta::days(1))
                .created_before(early)
                .limit(0),
            vec!["limit", "created_before"],
        ),
    ] {
        let refused = wait(office.crm.list(query.clone())).unwrap_err();
        assert_eq!(blamed(&refused), fields, "{query:?}");
        assert_eq!(
            blamed(&wait(office.crm.count(&query)).unwrap_err()),
            fields,
            "{query:?}"
        );
    }
    let refused = wait(office.crm.list(LeadQuery::new().limit(10_000_000))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "limit: is out of range: must be between 1 and 1000"
    );
    let unknown = wait(office.crm.list(LeadQuery::new().status("cold"))).unwrap_err();
    let known = "must be one of new, contacted, qualified, converted, lost";
    assert!(unknown.to_string().ends_with(known), "{unknown}");
}

fn cursor_problem<T: std::fmt::Debug>(answer: Result<T, CrmError>) -> InvalidCursor {
    match answer.unwrap_err() {
        CrmError::Repository(error) => match error.kind() {
            RepositoryErrorKind::InvalidCursor(problem) => *problem,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn a_cursor_goes_with_the_query_that_made_it() {
    let office = Office::new();
    for number in 0..5 {
        office.create(numbered(number).assigned_to("anna"));
    }
    let query = || LeadQuery::new().limit(2);
    let cursor = wait(office.crm.list(query())).unwrap().next.unwrap();
    let after = |query: LeadQuery| wait(office.crm.list(query.after(cursor.clone())));
    assert_eq!(after(query()).unwrap().items.len(), 2);
    assert_eq!(
        after(query().limit(3)).unwrap().items.len(),
        3,
        "another size is no other list"
    );
    for other in [
        query().status(LeadStatus::NEW),
        query().assigned_to("anna"),
        query().sort(Sort::created().ascending()),
        query().sort(Sort::name()),
        query().archived(Archived::Include),
        query().search("last"),
    ] {
        assert_eq!(cursor_problem(after(other)), InvalidCursor::OtherQuery);
    }
    let elsewhere = wait(
        office
            .crm
            .tenant("acme")
            .list(query().after(cursor.clone())),
    );
    assert_eq!(cursor_problem(elsewhere), InvalidCursor::OtherQuery);
    let stuck = wait(office.crm.stuck(StuckQuery::new().after(cursor.clone())));
    assert_eq!(cursor_problem(stuck), InvalidCursor::OtherQuery);
    let lead = office.john();
    let history = HistoryQuery::new().after(cursor.clone());
    let history = wait(office.crm.history(lead.id, &history));
    assert_eq!(cursor_problem(history), InvalidCursor::OtherQuery);

    let text = cursor.to_string();
    assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
    for length in 0..text.len() {
        assert_eq!(
            text[..length].parse::<Cursor>(),
            Err(InvalidCursor::Malformed)
        );
    }
    for place in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap().parse::<Cursor>();
        assert_eq!(tampered, Err(InvalidCursor::Malformed), "at {place}");
    }
    let told = InvalidCursor::Malformed.to_string();
    assert!(told.contains("start again from the first page"), "{told}");
}

#[test]
fn timelines_feeds_and_stuck_leads_are_asked_rightly_or_refused() {
    let office = Office::new();
    let lead = office.john();
    for limit in [0, 1_001, 10_000_000] {
        let history = wait(
            office
                .crm
                .history(lead.id, &HistoryQuery::new().limit(limit)),
        );
        assert_eq!(blamed(&history.unwrap_err()), ["limit"]);
        let stuck = wait(office.crm.stuck(StuckQuery::new().limit(limit)));
        assert_eq!(blamed(&stuck.unwrap_err()), ["limit"]);
        assert!(Limit::new(limit).is_err());
    }
    let query = StuckQuery::new().status("cold").assigned_to("\0").limit(0);
    let refused = wait(office.crm.stuck(query)).unwrap_err();
    assert_eq!(blamed(&refused), ["limit", "assigned_to", "status"]);
    assert!(
        refused
            .to_string()
            .contains("must be one of new, contacted"),
        "{refused}"
    );
    for text in [
        "",
        "evt_",
        "evt_xyz",
        "1",
        "evt_11111111111111111",
        "lead_1",
    ] {
        assert!(text.parse::<EventCursor>().is_err(), "{text}");
    }
    for id in ["", "lead_", "john", "lead_zzzzzzzzzzzzzzzzzzzzzzzzzz"] {
        assert!(id.parse::<LeadId>().is_err(), "{id}");
    }
}
