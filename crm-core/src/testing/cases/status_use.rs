//! A status does not go while leads are in it.

use super::prelude::*;

/// A tenant whose lifecycle has a demo status, with so many leads in it.
async fn with_demos(setup: &Setup, count: u64) -> (Desk, Lifecycle, Vec<Lead>) {
    let desk = setup.desk().await;
    let lifecycle = desk.edit(|edit| edit.add("Demo")).await;
    let leads: Vec<Lead> = (1..=count)
        .map(|number| lead_with(number, |lead| lead.status = "demo".parse().unwrap()))
        .collect();
    if count > 0 {
        desk.create(&leads).await;
    }
    (desk, lifecycle, leads)
}

fn without_demo(before: &Lifecycle) -> (Draft, Lifecycle) {
    let after = before.edit().remove("demo").apply().unwrap();
    (Draft::new().lifecycle(Some(before), &after), after)
}

fn in_use(leads: u64) -> Kind {
    let status = "demo".parse().unwrap();
    Kind::StatusInUse { status, leads }
}

pub(crate) async fn a_status_that_nobody_is_in_goes(setup: &Setup) {
    let (desk, lifecycle, _) = with_demos(setup, 0).await;
    let (draft, after) = without_demo(&lifecycle);
    desk.commit(&draft).await;
    assert_eq!(desk.lifecycle().await, Some(after));
}

pub(crate) async fn a_status_in_use_stays_and_says_by_how_many(setup: &Setup) {
    let (desk, lifecycle, _) = with_demos(setup, 3).await;
    desk.create([&lead(9)]).await;
    assert_eq!(desk.refused(&without_demo(&lifecycle).0).await, in_use(3));
}

pub(crate) async fn archived_leads_keep_their_status_in_use(setup: &Setup) {
    let (desk, lifecycle, leads) = with_demos(setup, 2).await;
    desk.update(&leads[0], |lead| lead.archived_at = Some(at(99)))
        .await;
    assert_eq!(desk.refused(&without_demo(&lifecycle).0).await, in_use(2));
}

pub(crate) async fn a_status_goes_in_the_set_that_moves_its_last_leads(setup: &Setup) {
    let (desk, lifecycle, leads) = with_demos(setup, 2).await;
    let (draft, after) = without_demo(&lifecycle);
    let draft = draft.move_to(&leads[0], &LeadStatus::NEW).delete(&leads[1]);
    desk.commit(&draft).await;
    assert_eq!(desk.lifecycle().await, Some(after));
    assert_eq!(desk.all().await.len(), 1);
}

pub(crate) async fn a_set_that_moves_some_of_its_leads_leaves_the_others(setup: &Setup) {
    let (desk, lifecycle, leads) = with_demos(setup, 3).await;
    let (draft, _) = without_demo(&lifecycle);
    let draft = draft.move_to(&leads[0], &LeadStatus::NEW);
    assert_eq!(desk.refused(&draft).await, in_use(2));
}

pub(crate) async fn a_lead_that_is_only_touched_is_in_its_status_still(setup: &Setup) {
    let (desk, lifecycle, leads) = with_demos(setup, 1).await;
    let (draft, _) = without_demo(&lifecycle);
    let touched = changed(&leads[0], |lead| lead.company = Some("Acme".into()));
    let kind = desk.refused(&draft.update(&leads[0], &touched)).await;
    let refused = matches!(kind, Kind::StatusInUse { .. } | Kind::UnknownStatus { .. });
    assert!(refused, "{kind:?}");
}

// A storage that took every lead of the set for one that leaves would have let the status go, had
// the creation not been wrong as well.
pub(crate) async fn a_lead_that_is_created_again_is_in_its_status_still(setup: &Setup) {
    let (desk, lifecycle, _) = with_demos(setup, 1).await;
    let (draft, _) = without_demo(&lifecycle);
    assert_eq!(desk.refused(&draft.create(&lead(1))).await, in_use(1));
}

pub(crate) async fn no_lead_enters_a_status_that_the_same_set_removes(setup: &Setup) {
    let (desk, lifecycle, _) = with_demos(setup, 0).await;
    let (draft, _) = without_demo(&lifecycle);
    let late = lead_with(1, |lead| lead.status = "demo".parse().unwrap());
    let kind = desk.refused(&draft.create(&late)).await;
    assert_eq!(
        kind,
        Kind::UnknownStatus {
            status: "demo".parse().unwrap()
        }
    );
}

pub(crate) async fn a_status_is_in_use_until_its_last_lead_has_left(setup: &Setup) {
    let (desk, lifecycle, leads) = with_demos(setup, 4).await;
    desk.update(&leads[0], |lead| lead.status = LeadStatus::LOST)
        .await;
    assert_eq!(desk.refused(&without_demo(&lifecycle).0).await, in_use(3));
    desk.delete(&leads[1]).await;
    assert_eq!(desk.refused(&without_demo(&lifecycle).0).await, in_use(2));
    desk.update(&leads[2], |lead| lead.status = LeadStatus::NEW)
        .await;
    assert_eq!(desk.refused(&without_demo(&lifecycle).0).await, in_use(1));
    desk.delete(&leads[3]).await;
    desk.commit(&without_demo(&lifecycle).0).await;
}

pub(crate) async fn another_tenant_s_leads_keep_no_status_in_use(setup: &Setup) {
    let other = setup.desk_of("other").await;
    other.edit(|edit| edit.add("Demo")).await;
    other
        .create([&lead_with(1, |lead| lead.status = "demo".parse().unwrap())])
        .await;
    let (desk, lifecycle, _) = with_demos(setup, 0).await;
    desk.commit(&without_demo(&lifecycle).0).await;
    assert_eq!(other.get(1).await.unwrap().status, "demo");
}

pub(crate) async fn a_removed_status_can_come_back(setup: &Setup) {
    let (desk, lifecycle, _) = with_demos(setup, 0).await;
    desk.commit(&without_demo(&lifecycle).0).await;
    desk.edit(|edit| edit.add("Demo")).await;
    let late = lead_with(1, |lead| lead.status = "demo".parse().unwrap());
    desk.create([&late]).await;
    desk.holds(&[late]).await;
}
