//! What a status asks of a lead, held by every way of changing one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, blamed, john, refusal, slug, wait};
use crm_kit::crm::CrmError;
use crm_kit::lifecycle::RefusedRule;
use crm_kit::prelude::*;

/// New → Demo (company and custom.budget) → Won, or Lost with a reason and a company.
fn team() -> Lifecycle {
    Lifecycle::builder()
        .status("New")
        .status(
            StatusDraft::new("Demo held")
                .require(Field::Company)
                .require(Field::custom("budget").unwrap()),
        )
        .status("Offer")
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .status(
            StatusDraft::new("Lost")
                .kind(StatusKind::Lost)
                .reason_required(),
        )
        .build()
        .unwrap()
}

fn bare() -> NewLead {
    NewLead::unnamed().phone("+263 77 123 4567")
}

/// The rule's word and the message.
fn told<T: std::fmt::Debug>(answer: Result<T, CrmError>) -> (&'static str, String) {
    let refused = answer.unwrap_err();
    let message = refused.to_string();
    (refusal::<Lead>(Err(refused)), message)
}

#[test]
fn a_refused_move_says_which_rule_failed_and_what_is_allowed() {
    let office = Office::with(team());
    let lead = office.create(bare());
    let before = office.snapshot();
    let crm = &office.crm;
    let to = |to: &str| told(wait(crm.transition(lead.id, to)));
    let missing = "cannot move from \"new\" to \"demo_held\": \
                   company and custom.budget are required first";
    assert_eq!(to("demo_held"), ("missing_fields", missing.to_owned()));
    let reason = "cannot move from \"new\" to \"lost\": a reason is required";
    assert_eq!(to("lost"), ("reason_required", reason.to_owned()));
    let there = "the lead is already in \"new\": allowed next are demo_held, offer, won, lost";
    assert_eq!(to("new"), ("already_there", there.to_owned()));
    assert_eq!(office.snapshot(), before);

    wait(crm.transition(lead.id, "won")).unwrap();
    let before = office.snapshot();
    let refused = wait(crm.transition(lead.id, "lost")).unwrap_err();
    let CrmError::Refused(refused) = refused else {
        panic!("{refused}");
    };
    assert_eq!(
        (refused.from(), refused.to()),
        (Some(&LeadStatus::WON), &LeadStatus::LOST)
    );
    assert_eq!(refused.rule(), &RefusedRule::NotAllowed);
    assert!(refused.allowed().is_empty());
    let again = "cannot move from \"won\" to \"offer\": nothing is allowed next, it is final";
    assert_eq!(to("offer"), ("not_allowed", again.to_owned()));
    assert_eq!(office.snapshot(), before);
}

#[test]
fn every_way_into_a_status_asks_the_same() {
    let office = Office::with(team());
    let lead = office.create(bare());
    let before = office.snapshot();
    let crm = &office.crm;
    let patch = || LeadPatch::new().status("demo_held").company("Acme");
    let message = "cannot move from \"new\" to \"demo_held\": custom.budget is required first";
    for answer in [
        wait(crm.update(lead.id, patch())).map(drop),
        wait(crm.plan_update(lead.id, patch())).map(drop),
    ] {
        assert_eq!(told(answer), ("missing_fields", message.to_owned()));
    }
    let new = || bare().status("demo_held").company("Acme");
    for answer in [
        wait(crm.create(new())).map(drop),
        wait(crm.plan_create(new())).map(drop),
        wait(crm.create_many(&[new()])).unwrap().remove(0).map(drop),
    ] {
        let refused = answer.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "custom.budget: is required in status \"demo_held\""
        );
    }
    let refused = wait(crm.create(bare().status("lost"))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "status_reason: is required in status \"lost\""
    );
    assert_eq!(office.snapshot(), before);

    let patch = patch().custom("budget", 0);
    assert_eq!(
        wait(crm.update(lead.id, patch)).unwrap().status,
        "demo_held"
    );
    let lost = wait(crm.create(bare().status("lost").status_reason("wrong number"))).unwrap();
    assert_eq!(lost.status_reason.as_deref(), Some("wrong number"));
}

#[test]
fn what_a_status_requires_cannot_be_taken_away() {
    let office = Office::with(team());
    let new = bare()
        .status("demo_held")
        .company("Acme")
        .custom("budget", 5)
        .custom("other", 1);
    let lead = office.create(new);
    let before = office.snapshot();
    let budget = || Field::custom("budget").unwrap();
    for (patch, fields) in [
        (LeadPatch::new().clear(Field::Company), vec!["company"]),
        (LeadPatch::new().clear(budget()), vec!["custom.budget"]),
        (
            LeadPatch::new().custom("budget", crm_kit::serde_json::Value::Null),
            vec!["custom.budget"],
        ),
        (
            LeadPatch::new().clear(Field::Company).clear(budget()),
            vec!["company", "custom.budget"],
        ),
        (
            crm_kit::serde_json::from_str(r#"{"custom": null}"#).unwrap(),
            vec!["custom.budget"],
        ),
    ] {
        let refused = wait(office.crm.update(lead.id, patch.clone())).unwrap_err();
        assert_eq!(blamed(&refused), fields);
        assert!(wait(office.crm.plan_update(lead.id, patch)).is_err());
    }
    assert_eq!(office.snapshot(), before);
    let changed = LeadPatch::new()
        .company("Umbra")
        .custom("budget", 6)
        .custom("other", 2);
    wait(office.crm.update(lead.id, changed)).unwrap();
    let cleared = LeadPatch::new()
        .clear(Field::custom("other").unwrap())
        .clear(Field::Notes);
    wait(office.crm.update(lead.id, cleared)).unwrap();
    let leaving = LeadPatch::new().status("offer").clear(Field::Company);
    assert_eq!(
        wait(office.crm.update(lead.id, leaving)).unwrap().company,
        None
    );
}

#[test]
fn the_presets_ask_for_a_name_and_an_address() {
    for lifecycle in [Lifecycle::standard(), Lifecycle::sales()] {
        let office = Office::with(lifecycle);
        let refused = wait(office.crm.create(bare())).unwrap_err();
        assert_eq!(blamed(&refused), ["first_name", "last_name", "email"]);
        let lead = office.john();
        let refused = wait(
            office
                .crm
                .update(lead.id, LeadPatch::new().clear(Field::Email)),
        );
        assert_eq!(blamed(&refused.unwrap_err()), ["email"]);
    }
}

#[test]
fn forward_skips_ahead_steps_back_reopens_what_was_lost_and_not_what_was_won() {
    let office = Office::with(Lifecycle::sales());
    let lead = office.john();
    for to in [
        "proposal",
        "new",
        "lost",
        "qualified",
        "contacted",
        "lost",
        "new",
        "won",
    ] {
        assert_eq!(wait(office.crm.transition(lead.id, to)).unwrap().status, to);
    }
    for to in ["new", "contacted", "qualified", "proposal", "lost"] {
        assert_eq!(
            refusal(wait(office.crm.transition(lead.id, to))),
            "not_allowed"
        );
    }
    let other = office.create(john().status("lost"));
    assert_eq!(
        refusal(wait(office.crm.transition(other.id, "won"))),
        "not_allowed"
    );
    office.audit();
}

#[test]
fn an_explicit_policy_allows_what_it_lists() {
    let lifecycle = Lifecycle::builder()
        .status("New")
        .status("Demo")
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .allow("new", "demo")
        .allow("demo", "won");
    let office = Office::with(lifecycle.build().unwrap());
    let lead = office.create(bare());
    assert_eq!(
        told(wait(office.crm.transition(lead.id, "won"))),
        (
            "not_allowed",
            "cannot move from \"new\" to \"won\": allowed next are demo".to_owned()
        )
    );
    wait(office.crm.transition(lead.id, "demo")).unwrap();
    assert_eq!(
        refusal(wait(office.crm.transition(lead.id, "new"))),
        "not_allowed"
    );
    // A status that is added copies the moves of the one before it.
    wait(office.crm.edit_lifecycle(|edit| edit.add("Offer"))).unwrap();
    wait(office.crm.transition(lead.id, "offer")).unwrap();
    wait(office.crm.transition(lead.id, "won")).unwrap();
    office.audit();
}

#[test]
fn nothing_enters_a_status_that_is_being_removed_and_everything_may_leave_it() {
    let office = Office::with(team());
    let inside = office.create(bare().status("offer"));
    let outside = office.create(bare());
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.retire("offer", "new")),
    )
    .unwrap();
    let before = office.snapshot();
    for answer in [
        wait(office.crm.transition(outside.id, "offer")).map(drop),
        wait(
            office
                .crm
                .update(outside.id, LeadPatch::new().status("offer")),
        )
        .map(drop),
        wait(office.crm.plan_transition(outside.id, "offer")).map(drop),
    ] {
        let message =
            "cannot move from \"new\" to \"offer\": it is being retired, use \"new\" instead";
        assert_eq!(told(answer), ("retiring", message.to_owned()));
    }
    let refused = wait(office.crm.create(bare().status("offer"))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "status: is being retired: use \"new\" instead"
    );
    assert_eq!(office.snapshot(), before);

    wait(
        office
            .crm
            .update(inside.id, LeadPatch::new().notes("still works")),
    )
    .unwrap();
    wait(office.crm.transition(inside.id, "won")).unwrap();
    wait(office.crm.edit_lifecycle(|edit| edit.unretire("offer"))).unwrap();
    wait(office.crm.transition(outside.id, "offer")).unwrap();
    office.audit();
}

#[test]
fn a_rule_that_came_later_holds_from_the_next_move_on() {
    let office = Office::with(team());
    let lead = office.create(bare());
    let rule = |edit: crm_kit::lifecycle::LifecycleEdit| {
        edit.set_required("new", [Field::Company])
            .set_required("offer", [Field::Email])
    };
    wait(office.crm.edit_lifecycle(rule)).unwrap();
    let noted = wait(office.crm.update(lead.id, LeadPatch::new().notes("n"))).unwrap();
    assert_eq!(
        noted.company, None,
        "what was missing before does not block other changes"
    );
    assert_eq!(
        blamed(&wait(office.crm.create(bare())).unwrap_err()),
        ["company"]
    );
    assert_eq!(
        refusal(wait(office.crm.transition(lead.id, "offer"))),
        "missing_fields"
    );
    let filled = wait(office.crm.update(lead.id, LeadPatch::new().company("Acme"))).unwrap();
    let refused = wait(
        office
            .crm
            .update(filled.id, LeadPatch::new().clear(Field::Company)),
    );
    assert_eq!(blamed(&refused.unwrap_err()), ["company"]);
    assert_eq!(office.get(lead.id).status, slug("new"));
}
