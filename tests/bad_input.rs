//! Input that is wrong: a typed error that names the field and says what to do, and nothing that
//! is stored changes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, blamed, hour, john, numbered, slug, wait};
use crm_kit::prelude::*;
use crm_kit::query::Limit;

const TEN_MEGABYTES: usize = 10 << 20;

/// What is wrong, the field it is wrong with, and a part of the message that says what to do.
fn wrong_fields() -> Vec<(LeadPatch, NewLead, &'static str, &'static str)> {
    let mut cases = Vec::new();
    let mut case = |patch, new, field, hint| cases.push((patch, new, field, hint));
    let (patch, new) = (LeadPatch::new, || john().assigned_to("anna"));
    let long = || "x".repeat(TEN_MEGABYTES);
    for (text, hint) in [
        (String::new(), "must not be blank"),
        (" \t\u{a0}".into(), "must not be blank"),
        ("a\0b".into(), "U+0000"),
        ("a\nb".into(), "control characters"),
        (long(), "is too long: at most"),
    ] {
        let text = || text.clone();
        case(
            patch().first_name(text()),
            new().first_name(text()),
            "first_name",
            hint,
        );
        case(
            patch().last_name(text()),
            new().last_name(text()),
            "last_name",
            hint,
        );
        case(
            patch().company(text()),
            new().company(text()),
            "company",
            hint,
        );
        case(patch().tags([text()]), new().tag(text()), "tags", hint);
        case(
            patch().assigned_to(text()),
            new().assigned_to(text()),
            "assigned_to",
            hint,
        );
    }
    for (email, hint) in [
        (
            "john".to_owned(),
            "expected an e-mail address such as name@example.com",
        ),
        (
            "john@".into(),
            "expected an e-mail address such as name@example.com",
        ),
        (
            "john@localhost".into(),
            "expected an e-mail address such as name@example.com",
        ),
        ("john\0@example.com".into(), "U+0000"),
        (" ".into(), "must not be blank"),
        (long(), "is too long: at most 254 bytes"),
    ] {
        case(patch().email(&email), new().email(&email), "email", hint);
    }
    for (notes, hint) in [
        (long(), "is too long: at most 16384 bytes"),
        ("a\0".into(), "U+0000"),
        (" \n".into(), "must not be blank"),
    ] {
        case(patch().notes(&notes), new().notes(&notes), "notes", hint);
    }
    case(
        patch().phone("call me"),
        new().phone("call me"),
        "phone",
        "at least 3 digits",
    );
    case(
        patch().phone(long()),
        new().phone(long()),
        "phone",
        "is too long",
    );
    case(
        patch().source("Cold Call"),
        new().source("Cold Call"),
        "source",
        "cold_call",
    );
    let many = || (0..51).map(|n| n.to_string());
    case(
        patch().tags(many()),
        many().fold(new(), NewLead::tag),
        "tags",
        "at most 50 tags",
    );
    let nul = crm_kit::serde_json::json!({"deep": ["\0"]});
    let case_of_nul = (patch().custom("k", nul.clone()), new().custom("k", nul));
    case(case_of_nul.0, case_of_nul.1, "custom.k", "U+0000");
    let big = || long();
    case(
        patch().custom("k", big()),
        new().custom("k", big()),
        "custom",
        "is too long",
    );
    case(
        patch().custom(big(), 1),
        new().custom(big(), 1),
        "custom",
        "characters in a key",
    );
    let mut deep = crm_kit::serde_json::Value::from(1);
    for _ in 0..32 {
        deep = crm_kit::serde_json::json!([deep]);
    }
    let nested = (patch().custom("k", deep.clone()), new().custom("k", deep));
    case(nested.0, nested.1, "custom.k", "at most 32 levels");
    let unknown = "must be one of new, contacted, qualified, converted, lost";
    case(
        patch().status("archived"),
        new().status("archived"),
        "status",
        unknown,
    );
    case(patch().status("\0"), new().status("\0"), "status", unknown);
    case(
        patch().status(long()),
        new().status(long()),
        "status",
        unknown,
    );
    let why = |text: &str| {
        let patch = patch().status(LeadStatus::LOST).status_reason(text);
        (patch, new().status(LeadStatus::LOST).status_reason(text))
    };
    for (text, hint) in [(" ", "must not be blank"), ("a\nb", "control characters")] {
        let (patch, new) = why(text);
        case(patch, new, "status_reason", hint);
    }
    let (too_long, too_long_new) = why(&"x".repeat(501));
    case(
        too_long,
        too_long_new,
        "status_reason",
        "at most 500 characters",
    );
    cases
}

#[test]
fn a_wrong_field_is_named_everywhere_and_changes_nothing() {
    let office = Office::new();
    let lead = office.create(numbered(1).assigned_to("anna"));
    let before = office.snapshot();
    let crm = &office.crm;
    for (patch, new, field, hint) in wrong_fields() {
        let refusals = [
            wait(crm.create_many(std::slice::from_ref(&new)))
                .unwrap()
                .remove(0)
                .map(drop),
            wait(crm.create(new)).map(drop),
            wait(crm.update(lead.id, patch)).map(drop),
        ];
        for (index, refused) in refusals.into_iter().enumerate() {
            let refused = refused.expect_err(field);
            let told = refused.to_string();
            assert_eq!(blamed(&refused), [field], "{index}: {told}");
            assert!(told.contains(hint), "{index}: {told}");
            assert!(told.len() < 300, "the message does not repeat the input");
        }
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn every_problem_of_a_lead_is_told_at_once() {
    let office = Office::new();
    let new = NewLead::unnamed()
        .last_name(" ")
        .email("john@")
        .status("cold")
        .tag("")
        .notes("\0");
    let refused = wait(office.crm.create(new)).unwrap_err();
    let expected = [
        "status",
        "last_name",
        "email",
        "notes",
        "tags",
        "first_name",
    ];
    assert_eq!(blamed(&refused), expected, "and none is told twice");
    assert_eq!(
        blamed(&wait(office.crm.create(NewLead::unnamed())).unwrap_err()),
        ["lead", "first_name", "last_name", "email"]
    );
    let lead = office.john();
    let patch = LeadPatch::new()
        .first_name("")
        .email("x")
        .phone("-")
        .status("cold")
        .source("?");
    let refused = wait(office.crm.update(lead.id, patch)).unwrap_err();
    assert_eq!(
        blamed(&refused),
        ["first_name", "email", "phone", "source", "status"]
    );
}

#[test]
fn a_lead_must_stay_known_by_something() {
    let lifecycle = Lifecycle::builder()
        .status("New")
        .status(StatusDraft::new("Won").kind(StatusKind::Won));
    let office = Office::with(lifecycle.build().unwrap());
    let lead = office.create(NewLead::unnamed().company("Acme"));
    let before = office.snapshot();
    let refused = wait(
        office
            .crm
            .update(lead.id, LeadPatch::new().clear(Field::Company)),
    );
    assert_eq!(blamed(&refused.unwrap_err()), ["lead"]);
    let status = wait(
        office
            .crm
            .update(lead.id, LeadPatch::new().clear(Field::Status)),
    );
    assert_eq!(blamed(&status.unwrap_err()), ["status"]);
    let nothing = wait(office.crm.create(NewLead::unnamed().notes("who?"))).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "lead: must have a name, an e-mail, a phone or a company"
    );
    assert_eq!(office.snapshot(), before);
}

#[test]
fn a_move_to_nowhere_lists_what_there_is() {
    let office = Office::new();
    let lead = office.john();
    let before = office.snapshot();
    for to in ["", "Contacted", "won", "\0", &"x".repeat(TEN_MEGABYTES)] {
        let refused = wait(office.crm.transition(lead.id, to)).unwrap_err();
        let told = "status: is unknown: must be one of new, contacted, qualified, converted, lost";
        assert_eq!(
            (blamed(&refused), refused.to_string().as_str()),
            (vec!["status"], told)
        );
        let planned = wait(office.crm.plan_transition(lead.id, to)).unwrap_err();
        assert_eq!(planned.to_string(), told);
    }
    for reason in ["", " ", "a\0", &"x".repeat(501)] {
        let refused = wait(office.crm.transition_because(lead.id, "lost", reason)).unwrap_err();
        assert_eq!(blamed(&refused), ["status_reason"]);
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn a_handle_made_from_wrong_arguments_does_nothing() {
    let office = Office::new();
    let lead = office.john();
    let before = office.snapshot();
    for (crm, field) in [
        (office.crm.as_user(""), "user"),
        (office.crm.as_user("a\0"), "user"),
        (office.crm.tenant("x".repeat(129)), "tenant"),
        (office.crm.tenant(" acme").as_user("anna"), "tenant"),
    ] {
        let status = slug("contacted");
        let refusals = [
            wait(crm.create(john())).map(drop),
            wait(crm.create_many(&[john()])).map(drop),
            wait(crm.get(lead.id)).map(drop),
            wait(crm.update(lead.id, LeadPatch::new().notes("n"))).map(drop),
            wait(crm.transition(lead.id, "contacted")).map(drop),
            wait(crm.transition_because(lead.id, "contacted", "why")).map(drop),
            wait(crm.assign(lead.id, "bob")).map(drop),
            wait(crm.unassign(lead.id)).map(drop),
            wait(crm.archive(lead.id)).map(drop),
            wait(crm.restore(lead.id)).map(drop),
            wait(crm.delete(lead.id)).map(drop),
            wait(crm.list(LeadQuery::new())).map(drop),
            wait(crm.count(&LeadQuery::new())).map(drop),
            wait(crm.history(lead.id, &HistoryQuery::new())).map(drop),
            wait(crm.events(None, Limit::DEFAULT)).map(drop),
            wait(crm.stuck(StuckQuery::new())).map(drop),
            wait(crm.pipeline()).map(drop),
            wait(crm.lifecycle()).map(drop),
            wait(crm.lifecycle_at(crm_kit::lead::Version::FIRST)).map(drop),
            wait(crm.edit_lifecycle(|edit| edit.add("Demo"))).map(drop),
            wait(crm.remove_status(&status)).map(drop),
            wait(crm.remove_status_into(&status, &LeadStatus::NEW)).map(drop),
            wait(crm.resume_removals()).map(drop),
            wait(crm.plan_create(john())).map(drop),
            wait(crm.plan_delete(lead.id)).map(drop),
        ];
        for (index, refused) in refusals.into_iter().enumerate() {
            assert_eq!(blamed(&refused.unwrap_err()), [field], "call {index}");
        }
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn too_many_leads_at_once_are_refused_and_none_is_created() {
    let office = Office::new();
    let many: Vec<NewLead> = (0..1_001).map(numbered).collect();
    let refused = wait(office.crm.create_many(&many)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "leads: is too long: at most 1000 leads"
    );
    assert_eq!(office.snapshot().leads.len(), 0);
    let created = wait(office.crm.create_many(&many[1..])).unwrap();
    assert!(created.iter().all(Result::is_ok));
    assert!(wait(office.crm.create_many(&[])).unwrap().is_empty());
    office.audit();
}

#[test]
fn those_of_many_that_are_right_are_created() {
    let office = Office::new();
    let new = [
        numbered(0),
        numbered(1).email("no"),
        numbered(2).status("cold"),
        numbered(3),
    ];
    let answers = wait(office.crm.create_many(&new)).unwrap();
    let told: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().err().map(blamed).unwrap_or_default())
        .collect();
    assert_eq!(told, [vec![], vec!["email"], vec!["status"], vec![]]);
    let names: Vec<_> = answers.into_iter().flatten().collect();
    let mut stored = office.snapshot().leads;
    stored.sort_by_key(|lead| lead.first_name.clone());
    assert_eq!(names, stored);
    assert_eq!(
        office.snapshot().events[0].commit,
        office.snapshot().events[1].commit
    );
}

#[test]
fn a_lead_is_not_created_in_the_future() {
    let office = Office::new();
    let refused = wait(office.crm.create(john().created_at(hour(25)))).unwrap_err();
    assert!(refused.to_string().starts_with("created_at"), "{refused}");
    // Ahead by less than a day, as a time written in another zone: it counts as now.
    let lead = wait(office.crm.create(john().created_at(hour(12)))).unwrap();
    assert_eq!(lead.created_at, lead.updated_at);
}

#[test]
fn an_event_cursor_that_was_cut_or_changed_is_refused() {
    let whole = crm_kit::event::EventCursor::at(&TenantId::DEFAULT, 0x1f2e).to_string();
    for cut in 0..whole.len() {
        assert!(
            whole[..cut].parse::<crm_kit::event::EventCursor>().is_err(),
            "{cut}"
        );
    }
    let changed = whole.replacen("1f2e", "1f3e", 1);
    assert!(changed.parse::<crm_kit::event::EventCursor>().is_err());
}
