//! The stored lifecycle and its earlier versions.

use super::prelude::*;
use crate::lead::Field;
use crate::lifecycle::{Policy, ReasonRule};
use chrono::TimeDelta;

async fn at_version(desk: &Desk, version: u64) -> Option<Lifecycle> {
    let read = desk
        .repository
        .lifecycle_at(&desk.tenant, Version::new(version));
    read.await.unwrap()
}

pub(crate) async fn a_lifecycle_comes_back_as_it_was_stored(setup: &Setup) {
    let desk = setup.empty("acme");
    let rich = Lifecycle::builder()
        .status(
            StatusDraft::new("Neu — 新")
                .colour("#28B8DA")
                .stuck_after_days(3),
        )
        .status(
            StatusDraft::new("Vorführung")
                .probability(37)
                .stuck_after(TimeDelta::seconds(90))
                .require(Field::Company)
                .require(Field::custom("größe").unwrap()),
        )
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .status(
            StatusDraft::new("Lost")
                .kind(StatusKind::Lost)
                .reason_required(),
        )
        .allow("neu", "vorfuhrung")
        .allow("vorfuhrung", "won")
        .allow("vorfuhrung", "lost")
        .build()
        .unwrap();
    desk.commit(&Draft::new().lifecycle(None, &rich)).await;
    assert_eq!(desk.lifecycle().await, Some(rich.clone()));
    assert_eq!(at_version(&desk, 1).await, Some(rich));
}

pub(crate) async fn a_retiring_status_is_stored_as_one(setup: &Setup) {
    let desk = setup.desk().await;
    let retiring = desk.edit(|edit| edit.retire("proposal", "qualified")).await;
    let stored = desk.lifecycle().await.unwrap();
    assert_eq!(stored, retiring);
    assert!(stored.get(&LeadStatus::PROPOSAL).unwrap().is_retiring());
}

pub(crate) async fn the_largest_lifecycle_is_stored(setup: &Setup) {
    let desk = setup.empty("acme");
    let name = |number: usize| format!("{} {number:03}", "ﷺ".repeat(46));
    let slug = |number: usize| format!("{}{number:03}", "s".repeat(37));
    let last = crate::lifecycle::MAX_STATUSES - 1;
    let mut builder = Lifecycle::builder();
    for number in 0..last {
        builder = builder.status(StatusDraft::new(name(number)).slug(slug(number)));
    }
    let won = StatusDraft::new(name(last))
        .slug(slug(last))
        .kind(StatusKind::Won);
    builder = builder.status(won);
    for number in 0..last {
        builder = builder
            .allow(slug(number), slug(number + 1))
            .allow(slug(number), slug(last));
    }
    let largest = builder.build().unwrap();
    desk.commit(&Draft::new().lifecycle(None, &largest)).await;
    assert_eq!(desk.lifecycle().await, Some(largest));
    let here = lead_with(1, |lead| lead.status = slug(77).parse().unwrap());
    desk.create([&here]).await;
    desk.holds(&[here]).await;
}

pub(crate) async fn every_version_is_kept(setup: &Setup) {
    let desk = setup.desk().await;
    let mut versions = vec![Lifecycle::sales()];
    for number in 2..=12 {
        versions.push(
            desk.edit(|edit| edit.rename("new", format!("Fresh {number}")))
                .await,
        );
    }
    assert_eq!(
        desk.lifecycle().await.as_ref(),
        versions.last(),
        "the twelfth comes after the ninth"
    );
    for (number, expected) in (1..).zip(&versions) {
        assert_eq!(
            at_version(&desk, number).await.as_ref(),
            Some(expected),
            "{number}"
        );
    }
}

pub(crate) async fn a_version_that_never_was_is_none(setup: &Setup) {
    let desk = setup.desk().await;
    for version in [0, 2, u64::MAX] {
        assert_eq!(at_version(&desk, version).await, None, "{version}");
    }
}

pub(crate) async fn a_refused_edit_leaves_no_version(setup: &Setup) {
    let desk = setup.desk().await;
    let sales = Lifecycle::sales();
    let edited = sales.edit().add("Demo").apply().unwrap();
    desk.create([&lead(1)]).await;
    desk.refused(
        &Draft::new()
            .lifecycle(Some(&sales), &edited)
            .create(&lead(1)),
    )
    .await;
    assert_eq!(at_version(&desk, 2).await, None);
    let other = desk.edit(|edit| edit.add("Other")).await;
    assert_eq!(at_version(&desk, 2).await, Some(other));
}

pub(crate) async fn an_edit_moves_no_lead(setup: &Setup) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    desk.edit(|edit| {
        edit.rename("new", "Fresh")
            .recolour("won", "#000000")
            .set_required("qualified", [Field::Company])
            .set_reason("lost", ReasonRule::Required)
            .set_policy(Policy::Forward)
            .move_to("lost", 0)
    })
    .await;
    desk.holds(&leads).await;
}

pub(crate) async fn leads_in_a_new_status_are_listed_and_counted(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create(&[lead(1), lead(2)]).await;
    desk.edit(|edit| edit.add("Demo").move_to("demo", 0)).await;
    let moved = desk
        .update(&lead(2), |lead| lead.status = "demo".parse().unwrap())
        .await;
    desk.holds(&[lead(1), moved]).await;
    assert_eq!(
        desk.numbers(&LeadQuery::new().sort(Sort::status())).await,
        [2, 1]
    );
}
