//! Planning without committing: everything is checked, nothing is written, and a plan that is out
//! of date is refused where it is committed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, john, numbered, wait};
use crm_kit::lead::TenantId;
use crm_kit::prelude::*;
use crm_kit::repository::{Applied, ChangeSet, Committed, RepositoryError, RepositoryErrorKind};

fn commit(office: &Office, planned: &ChangeSet) -> Result<Committed, RepositoryError> {
    wait(office.storage.commit(&TenantId::DEFAULT, planned))
}

fn refused(office: &Office, planned: &ChangeSet) -> RepositoryErrorKind {
    let before = office.snapshot();
    let refused = commit(office, planned).unwrap_err();
    assert_eq!(
        office.snapshot(),
        before,
        "a plan that is refused changes nothing"
    );
    refused.kind().clone()
}

#[test]
fn planning_commits_nothing() {
    let office = Office::new();
    let planned = wait(office.crm.plan_create(john())).unwrap();
    assert!(office.snapshot().lifecycle.is_none() && office.snapshot().leads.is_empty());
    assert_eq!(planned.changes().len(), 2, "the lifecycle and the lead");
    let lead = office.john();
    let archived = wait(office.crm.archive(office.john().id)).unwrap();
    let before = office.snapshot();
    let (crm, id) = (&office.crm, lead.id);
    for planned in [
        wait(crm.plan_create(john())).map(Some),
        wait(crm.plan_update(id, LeadPatch::new().notes("n"))),
        wait(crm.plan_transition(id, "contacted")).map(Some),
        wait(crm.plan_assign(id, "anna")),
        wait(crm.plan_archive(id)),
        wait(crm.plan_restore(archived.id)),
        wait(crm.plan_delete(id)).map(Some),
    ] {
        assert_eq!(planned.unwrap().unwrap().changes().len(), 1);
    }
    for planned in [
        wait(crm.plan_update(id, LeadPatch::new().status("new"))),
        wait(crm.plan_archive(archived.id)),
        wait(crm.plan_restore(id)),
    ] {
        assert!(planned.unwrap().is_none(), "nothing to do");
    }
    assert_eq!(office.snapshot(), before);
}

#[test]
fn the_first_plan_of_a_tenant_brings_its_lifecycle_along() {
    let office = Office::with(Lifecycle::sales());
    let planned = wait(office.crm.plan_create(john())).unwrap();
    let late = wait(office.crm.plan_create(numbered(1))).unwrap();
    let done = commit(&office, &planned).unwrap();
    assert_eq!(done.applied, Applied::Now);
    assert_eq!(office.snapshot().lifecycle, Some(Lifecycle::sales()));
    let lead = office.get(done.leads[0].0);
    assert_eq!(lead.first_name.as_deref(), Some("John"));
    assert!(matches!(
        refused(&office, &late),
        RepositoryErrorKind::StaleLifecycle { .. }
    ));
    office.audit();
}

#[test]
fn what_was_planned_is_what_becomes_of_it() {
    let office = Office::new();
    let lead = office.john();
    let crm = office.crm.as_user("anna");
    let patch = LeadPatch::new()
        .status("qualified")
        .notes("n")
        .assigned_to("bob");
    let planned = wait(crm.plan_update(lead.id, patch)).unwrap().unwrap();
    office.pass_hours(1);
    commit(&office, &planned).unwrap();
    let after = office.get(lead.id);
    assert_eq!(planned.leads().collect::<Vec<_>>(), [&after]);
    assert_eq!(
        (after.status.as_str(), after.updated_at),
        ("qualified", common::hour(0))
    );
    let event = common::audit::history(&office.storage, lead.id)
        .pop()
        .unwrap();
    assert_eq!(planned.events().collect::<Vec<_>>(), [&event]);
    assert_eq!(event.actor, Some(common::user("anna")));

    let planned = wait(crm.plan_delete(lead.id)).unwrap();
    commit(&office, &planned).unwrap();
    assert!(wait(crm.get(lead.id)).is_err());
    office.audit();
}

#[test]
fn a_plan_is_committed_once() {
    let office = Office::new();
    office.john();
    let planned = wait(office.crm.plan_create(numbered(1))).unwrap();
    let first = commit(&office, &planned).unwrap();
    let before = office.snapshot();
    let again = commit(&office, &planned).unwrap();
    assert_eq!(
        (again.applied, &again.leads),
        (Applied::Before, &first.leads)
    );
    assert_eq!(office.snapshot(), before);
    wait(office.crm.delete(first.leads[0].0)).unwrap();
    let gone = refused(&office, &planned);
    assert!(
        matches!(gone, RepositoryErrorKind::Gone { .. }),
        "deleted leads do not come back"
    );
}

#[test]
fn a_plan_is_refused_after_the_lead_was_changed() {
    let office = Office::new();
    let lead = office.john();
    let id = lead.id;
    let plan_all = || {
        let crm = &office.crm;
        [
            wait(crm.plan_update(id, LeadPatch::new().company("Umbra")))
                .unwrap()
                .unwrap(),
            wait(crm.plan_transition(id, "contacted")).unwrap(),
            wait(crm.plan_assign(id, "anna")).unwrap().unwrap(),
            wait(crm.plan_archive(id)).unwrap().unwrap(),
            wait(crm.plan_delete(id)).unwrap(),
        ]
    };
    let plans = plan_all();
    wait(office.crm.update(id, LeadPatch::new().notes("n"))).unwrap();
    for planned in plans {
        let kind = refused(&office, &planned);
        assert!(
            matches!(kind, RepositoryErrorKind::Conflict { lead, .. } if lead == id),
            "{kind}"
        );
    }
    let plans = plan_all();
    wait(office.crm.delete(id)).unwrap();
    for planned in plans {
        let kind = refused(&office, &planned);
        assert!(matches!(kind, RepositoryErrorKind::Gone { .. }), "{kind}");
    }
}

#[test]
fn a_plan_that_rules_were_read_for_is_refused_after_an_edit() {
    let office = Office::new();
    let id = office.john().id;
    let crm = &office.crm;
    let read = [
        wait(crm.plan_create(john())).unwrap(),
        wait(crm.plan_transition(id, "contacted")).unwrap(),
        wait(crm.plan_update(id, LeadPatch::new().clear(Field::Company)))
            .unwrap()
            .unwrap(),
    ];
    let free = wait(crm.plan_assign(id, "anna")).unwrap().unwrap();
    wait(crm.edit_lifecycle(|edit| edit.add("Demo"))).unwrap();
    for planned in read {
        assert_eq!(
            planned.checked_against(),
            Some(crm_kit::lead::Version::FIRST)
        );
        let kind = refused(&office, &planned);
        assert!(
            matches!(kind, RepositoryErrorKind::StaleLifecycle { .. }),
            "{kind}"
        );
    }
    assert_eq!(free.checked_against(), None);
    commit(&office, &free).unwrap();
    office.audit();
}

#[test]
fn a_plan_is_checked_against_the_rules_of_now() {
    let office = Office::new();
    let id = office.john().id;
    let other = office.another();
    wait(other.plan_transition(id, "contacted")).unwrap();
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.add("Demo").forbid("new", "contacted")),
    )
    .unwrap();
    assert!(wait(other.plan_transition(id, "contacted")).is_err());
    let planned = wait(other.plan_transition(id, "demo")).unwrap();
    commit(&office, &planned).unwrap();
    assert_eq!(office.get(id).status, "demo");
}
