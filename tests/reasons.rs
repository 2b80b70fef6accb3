//! The reason of a status: given with the move, corrected later, and never lost in silence.
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use common::{Office, wait};
use crm_kit::lifecycle::ReasonRule;
use crm_kit::prelude::*;

fn lost() -> (Office, Lead) {
    let office = Office::new();
    let lead = office.john();
    let lost = wait(
        office
            .crm
            .transition_because(lead.id, LeadStatus::LOST, "too deer"),
    )
    .unwrap();
    (office, lost)
}

#[test]
fn a_reason_is_corrected_by_naming_the_status_again() {
    let (office, lead) = lost();
    let patch = LeadPatch::new()
        .status(LeadStatus::LOST)
        .status_reason("too dear");
    let after = wait(office.crm.update(lead.id, patch)).unwrap();
    assert_eq!(after.status_reason.as_deref(), Some("too dear"));
    assert_eq!(after.version, lead.version.next());
    assert_eq!(
        after.status_changed_at, lead.status_changed_at,
        "it did not move"
    );
    let timeline = wait(office.crm.history(lead.id, &HistoryQuery::new()))
        .unwrap()
        .items;
    let last = timeline.last().unwrap();
    assert_eq!(last.kind.name(), "updated");
    assert_eq!(last.changes.first().unwrap().field, Field::StatusReason);
}

#[test]
fn null_clears_a_reason_unless_the_status_requires_one() {
    let (office, lead) = lost();
    let clear = || {
        LeadPatch::new()
            .status(LeadStatus::LOST)
            .clear(Field::StatusReason)
    };
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.set_reason("lost", ReasonRule::Required)),
    )
    .unwrap();
    let refused = wait(office.crm.update(lead.id, clear())).unwrap_err();
    assert!(refused.to_string().contains("status_reason"), "{refused}");
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.set_reason("lost", ReasonRule::Optional)),
    )
    .unwrap();
    assert_eq!(
        wait(office.crm.update(lead.id, clear()))
            .unwrap()
            .status_reason,
        None
    );
}

#[test]
fn a_reason_without_a_status_is_refused_whether_set_or_cleared() {
    let (office, lead) = lost();
    for patch in [
        LeadPatch::new().status_reason("why"),
        LeadPatch::new().clear(Field::StatusReason),
    ] {
        let refused = wait(office.crm.update(lead.id, patch)).unwrap_err();
        assert!(
            refused.to_string().starts_with("status_reason"),
            "{refused}"
        );
    }
    assert_eq!(wait(office.crm.get(lead.id)).unwrap(), lead);
}
