//! What was typed about people is in no message and in no debug output.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, user, wait};
use crm_kit::crm::{Attempt, CommitNotice};
use crm_kit::memory::MemoryRepository;
use crm_kit::prelude::*;
use crm_kit::query::Limit;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

/// Parts of everything that is typed below.
const TYPED: [&str; 8] = [
    "Zora", "Quill", "zora@", "umbraqq", "5550199", "whisper", "vipqq", "xyzzy",
];

fn zora() -> NewLead {
    NewLead::new("Zora", "Quill", "zora@umbraqq.example")
        .unwrap()
        .company("Umbraqq")
        .phone("+1 5550199")
        .notes("whisper")
        .tag("vipqq")
        .custom("note", "xyzzy")
}

fn patch() -> LeadPatch {
    LeadPatch::new()
        .first_name("Zora-Mae")
        .email("zora@umbraqq.example")
        .notes("whispered")
}

fn holds_nothing(what: &str, shown: &str) {
    for typed in TYPED {
        let found = shown.to_lowercase().contains(&typed.to_lowercase());
        assert!(!found, "{what} shows {typed}: {shown}");
    }
}

fn quiet(what: &str, value: &dyn Debug) {
    holds_nothing(what, &format!("{value:?}"));
    holds_nothing(what, &format!("{value:#?}"));
}

#[test]
fn debug_output_of_everything_a_caller_holds_is_free_of_it() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (guarded, observed) = (seen.clone(), seen.clone());
    let builder = Crm::builder(MemoryRepository::new())
        .guard("log", move |attempt: &Attempt<'_>| {
            guarded
                .lock()
                .unwrap()
                .push(format!("{attempt:?} {attempt:#?}"));
            Ok(())
        })
        .observer(move |happened: &CommitNotice<'_>| {
            observed
                .lock()
                .unwrap()
                .push(format!("{happened:?} {happened:#?}"));
        });
    quiet("builder", &builder);
    let crm = wait(builder.open()).unwrap();
    quiet("new lead", &zora());
    quiet("patch", &patch());
    let lead = wait(crm.create(zora())).unwrap();
    quiet("lead", &lead);
    wait(crm.update(lead.id, patch())).unwrap();
    quiet("planned creation", &wait(crm.plan_create(zora())).unwrap());
    let other = patch()
        .company("Umbraqq Ltd")
        .status("lost")
        .status_reason("whisper");
    quiet(
        "planned update",
        &wait(crm.plan_update(lead.id, other.clone())).unwrap(),
    );
    wait(crm.update(lead.id, other)).unwrap();
    wait(crm.transition(lead.id, "new")).unwrap();
    let query = LeadQuery::new()
        .search("zora")
        .email("zora@umbraqq.example")
        .tag("other");
    quiet(
        "query",
        &LeadQuery::new()
            .search("zora")
            .email("zora@umbraqq.example"),
    );
    quiet("page", &wait(crm.list(query)).unwrap());
    quiet(
        "page",
        &wait(crm.list(LeadQuery::new().sort(Sort::email()))).unwrap(),
    );
    let history = wait(crm.history(lead.id, &HistoryQuery::new())).unwrap();
    quiet("history", &history);
    for event in &history.items {
        quiet("changes", &event.changes);
        quiet("kind", &event.kind);
    }
    quiet("feed", &wait(crm.events(None, Limit::MAX)).unwrap());
    quiet("stuck", &wait(crm.stuck(StuckQuery::new())).unwrap());
    quiet("pipeline", &wait(crm.pipeline()).unwrap());
    quiet(
        "crm",
        &crm.as_user("agent")
            .scoped(Scope::AssignedTo(user("agent"))),
    );
    quiet("crm", &crm.with_idempotency_key("whisper"));
    quiet("storage", crm.repository().unwrap());
    wait(crm.delete(lead.id)).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 6, "guard and observer were called");
    for shown in &*seen {
        holds_nothing("hook", shown);
    }
}

#[test]
fn cursors_do_not_show_it_in_clear() {
    let office = Office::new();
    for _ in 0..3 {
        office.create(zora());
    }
    for sort in [Sort::name(), Sort::email(), Sort::company()] {
        let page = wait(office.crm.list(LeadQuery::new().sort(sort).limit(1))).unwrap();
        let cursor = page.next.unwrap();
        quiet("cursor", &cursor);
        holds_nothing("cursor", &cursor.to_string());
    }
}

#[test]
fn no_error_repeats_what_was_typed() {
    let office = Office::new();
    let lead = office.create(zora());
    let id = lead.id;
    let archived = office.create(zora()).id;
    wait(office.crm.archive(archived)).unwrap();
    let crm = &office.crm;
    let keyed = crm.with_idempotency_key("whisper");
    wait(keyed.create(zora())).unwrap();
    let anna = crm.scoped(Scope::AssignedTo(user("anna")));
    let bad = LeadPatch::new()
        .first_name("Zora\0")
        .last_name("Quill\nx")
        .email("zora@umbraqq")
        .company("Umbraqq".repeat(100))
        .phone("5550199x".repeat(20))
        .notes("whisper\0")
        .source("Whisper it")
        .tags(["vipqq\n"])
        .custom("note", "xyzzy\0")
        .status("zora quill")
        .status_reason("whisper\n");
    let errors: Vec<CrmError> = [
        wait(crm.update(id, bad)).map(drop),
        wait(crm.create(zora().email("zora@umbraqq").custom("k", "xyzzy\0"))).map(drop),
        wait(crm.create(zora().status("whisper"))).map(drop),
        wait(crm.create(zora().custom("xyzzy\n", 1))).map(drop),
        wait(crm.transition(id, "whisper")).map(drop),
        wait(crm.transition(id, "new")).map(drop),
        wait(crm.transition_because(id, "lost", "whisper\0")).map(drop),
        wait(crm.update(id, LeadPatch::new().clear(Field::Email))).map(drop),
        wait(crm.update(archived, patch())).map(drop),
        wait(
            crm.if_version(crm_kit::lead::Version::new(7))
                .update(id, patch()),
        )
        .map(drop),
        wait(keyed.create(zora().notes("whisper more"))).map(drop),
        wait(anna.update(id, patch())).map(drop),
        wait(anna.create(zora().assigned_to("bob"))).map(drop),
        wait(
            crm.list(
                LeadQuery::new()
                    .email("zora@umbraqq")
                    .search("whisper".repeat(99)),
            ),
        )
        .map(drop),
        wait(crm.list(LeadQuery::new().status("Zora Quill").tag("vipqq\0"))).map(drop),
        wait(crm.edit_lifecycle(|edit| edit.retire("new", "new"))).map(drop),
    ]
    .into_iter()
    .map(Result::unwrap_err)
    .collect();
    for error in errors {
        holds_nothing("message", &error.to_string());
        quiet("error", &error);
    }
}
