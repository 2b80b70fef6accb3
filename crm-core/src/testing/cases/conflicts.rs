//! What a change set is refused for, with what the refusal says.

use super::prelude::*;

pub(crate) async fn a_lead_that_exists_is_not_created_again(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let other = lead_with(1, |lead| lead.company = Some("Other".into()));
    let kind = desk.refused(&Draft::new().checked(1).create(&other)).await;
    assert_eq!(kind, Kind::AlreadyExists { lead: id(1) });
}

pub(crate) async fn a_lead_that_was_deleted_is_not_created_again(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.delete(&lead(1)).await;
    let kind = desk
        .refused(&Draft::new().checked(1).create(&lead(1)))
        .await;
    assert_eq!(kind, Kind::Gone { lead: id(1) });
}

pub(crate) async fn a_lead_that_never_existed_is_not_found(setup: &Setup) {
    let desk = setup.desk().await;
    let after = changed(&lead(1), |lead| lead.company = Some("Acme".into()));
    let kind = desk.refused(&Draft::new().update(&lead(1), &after)).await;
    assert_eq!(kind, Kind::NotFound { lead: id(1) });
    let kind = desk.refused(&Draft::new().delete(&lead(1))).await;
    assert_eq!(kind, Kind::NotFound { lead: id(1) });
}

pub(crate) async fn a_lead_that_was_deleted_is_gone(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.delete(&lead(1)).await;
    let after = changed(&lead(1), |lead| lead.company = Some("Acme".into()));
    let kind = desk.refused(&Draft::new().update(&lead(1), &after)).await;
    assert_eq!(kind, Kind::Gone { lead: id(1) });
    let kind = desk.refused(&Draft::new().delete(&lead(1))).await;
    assert_eq!(kind, Kind::Gone { lead: id(1) });
}

pub(crate) async fn a_stale_update_names_both_versions(setup: &Setup) {
    let desk = setup.desk().await;
    let first = lead(1);
    desk.create([&first]).await;
    let second = desk
        .update(&first, |lead| lead.company = Some("Acme".into()))
        .await;
    desk.update(&second, |lead| lead.company = Some("Ltd".into()))
        .await;
    let stale = changed(&first, |lead| lead.company = Some("Stale".into()));
    let kind = desk.refused(&Draft::new().update(&first, &stale)).await;
    let (expected, found) = (Version::FIRST, Version::new(3));
    assert_eq!(
        kind,
        Kind::Conflict {
            lead: id(1),
            expected,
            found
        }
    );
}

pub(crate) async fn an_update_from_the_future_is_a_conflict(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let ahead = lead_with(1, |lead| lead.version = Version::new(2));
    let after = changed(&ahead, |lead| lead.company = Some("Acme".into()));
    let kind = desk.refused(&Draft::new().update(&ahead, &after)).await;
    let (expected, found) = (Version::new(2), Version::FIRST);
    assert_eq!(
        kind,
        Kind::Conflict {
            lead: id(1),
            expected,
            found
        }
    );
}

pub(crate) async fn a_stale_delete_names_both_versions(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.update(&lead(1), |lead| lead.company = Some("Acme".into()))
        .await;
    let kind = desk.refused(&Draft::new().delete(&lead(1))).await;
    let (expected, found) = (Version::FIRST, Version::new(2));
    assert_eq!(
        kind,
        Kind::Conflict {
            lead: id(1),
            expected,
            found
        }
    );
}

pub(crate) async fn an_unknown_status_is_named(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let status: LeadStatus = "demo".parse().unwrap();
    let created = lead_with(2, |lead| lead.status = status.clone());
    let kind = desk
        .refused(&Draft::new().checked(1).create(&created))
        .await;
    assert_eq!(
        kind,
        Kind::UnknownStatus {
            status: status.clone()
        }
    );
    let kind = desk
        .refused(&Draft::new().checked(1).move_to(&lead(1), &status))
        .await;
    assert_eq!(kind, Kind::UnknownStatus { status });
}

pub(crate) async fn no_lead_comes_before_a_lifecycle(setup: &Setup) {
    let desk = setup.empty("acme");
    let kind = desk.error(&Draft::new().create(&lead(1))).await;
    assert_eq!(
        kind,
        Kind::UnknownStatus {
            status: LeadStatus::NEW
        }
    );
    let kind = desk.error(&Draft::new().checked(1).create(&lead(1))).await;
    assert_eq!(kind, Kind::StaleLifecycle { found: None });
    assert_eq!(desk.get(1).await, None);
    assert_eq!(desk.repository.tenants(None).await.unwrap(), NO_TENANTS);
}

pub(crate) async fn a_change_under_replaced_rules_is_stale(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.edit(|edit| edit.rename("new", "Fresh")).await;
    let found = Some(Version::new(2));
    for wrong in [0, 1, 3] {
        let kind = desk
            .refused(&Draft::new().checked(wrong).create(&lead(2)))
            .await;
        assert_eq!(
            kind,
            Kind::StaleLifecycle { found },
            "checked against {wrong}"
        );
        let moved = Draft::new()
            .checked(wrong)
            .move_to(&lead(1), &LeadStatus::WON);
        assert_eq!(desk.refused(&moved).await, Kind::StaleLifecycle { found });
    }
    desk.commit(&Draft::new().checked(2).create(&lead(2))).await;
}

pub(crate) async fn a_change_that_no_rule_reads_asks_for_no_lifecycle(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.edit(|edit| edit.add("Demo")).await;
    desk.update(&lead(1), |lead| lead.notes = Some("called".into()))
        .await;
    desk.commit(&Draft::new().put(KEY, None, b"")).await;
    assert_eq!(desk.get(1).await.unwrap().version, Version::new(2));
}

pub(crate) async fn the_first_lifecycle_is_stored_once(setup: &Setup) {
    let desk = setup.desk().await;
    let kind = desk
        .refused(&Draft::new().lifecycle(None, &Lifecycle::standard()))
        .await;
    assert_eq!(
        kind,
        Kind::StaleLifecycle {
            found: Some(Version::FIRST)
        }
    );
}

pub(crate) async fn an_edit_of_an_older_lifecycle_is_stale(setup: &Setup) {
    let desk = setup.desk().await;
    let sales = Lifecycle::sales();
    let other = sales.edit().add("Mine").apply().unwrap();
    desk.edit(|edit| edit.add("Theirs")).await;
    let kind = desk
        .refused(&Draft::new().lifecycle(Some(&sales), &other))
        .await;
    assert_eq!(
        kind,
        Kind::StaleLifecycle {
            found: Some(Version::new(2))
        }
    );
}

pub(crate) async fn an_edit_of_no_lifecycle_is_stale(setup: &Setup) {
    let desk = setup.empty("acme");
    let sales = Lifecycle::sales();
    let edited = sales.edit().add("Demo").apply().unwrap();
    let kind = desk
        .error(&Draft::new().lifecycle(Some(&sales), &edited))
        .await;
    assert_eq!(kind, Kind::StaleLifecycle { found: None });
    assert_eq!(desk.lifecycle().await, None);
}

pub(crate) async fn rules_are_compared_before_leads(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.edit(|edit| edit.add("Demo")).await;
    let draft = Draft::new().checked(1).create(&lead(1));
    assert_eq!(
        desk.refused(&draft).await,
        Kind::StaleLifecycle {
            found: Some(Version::new(2))
        }
    );
}

pub(crate) async fn a_document_is_put_at_the_version_expected(setup: &Setup) {
    let desk = setup.desk().await;
    let conflict = |found: Option<u64>| Kind::DocumentConflict {
        key: KEY.parse().unwrap(),
        found: found.map(Version::new),
    };
    let kind = desk.refused(&Draft::new().put(KEY, Some(1), b"x")).await;
    assert_eq!(kind, conflict(None), "not there yet");
    desk.commit(&Draft::new().put(KEY, None, b"one")).await;
    let kind = desk.refused(&Draft::new().put(KEY, None, b"x")).await;
    assert_eq!(kind, conflict(Some(1)), "there already");
    desk.commit(&Draft::new().put(KEY, Some(1), b"two")).await;
    let kind = desk.refused(&Draft::new().put(KEY, Some(1), b"x")).await;
    assert_eq!(kind, conflict(Some(2)), "written since");
    assert_eq!(desk.document(KEY).await.unwrap().bytes, b"two");
}

pub(crate) async fn a_document_is_removed_at_the_version_expected(setup: &Setup) {
    let desk = setup.desk().await;
    let conflict = |found: Option<u64>| Kind::DocumentConflict {
        key: KEY.parse().unwrap(),
        found: found.map(Version::new),
    };
    assert_eq!(
        desk.refused(&Draft::new().remove(KEY, 1)).await,
        conflict(None)
    );
    desk.commit(&Draft::new().put(KEY, None, b"one")).await;
    assert_eq!(
        desk.refused(&Draft::new().remove(KEY, 2)).await,
        conflict(Some(1))
    );
    desk.commit(&Draft::new().remove(KEY, 1)).await;
    assert_eq!(
        desk.refused(&Draft::new().remove(KEY, 1)).await,
        conflict(None)
    );
}
