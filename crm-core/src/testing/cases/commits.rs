//! All of a change set happens, or nothing of it.

use super::prelude::*;

pub(crate) async fn a_created_lead_is_there_with_its_event(setup: &Setup) {
    let desk = setup.desk().await;
    let anna = lead(1);
    desk.commit(&Draft::new().checked(1).by("user_456").create(&anna))
        .await;
    assert_eq!(desk.get(1).await, Some(anna.clone()));
    let history = desk.history(1).await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].kind.name(), "created");
    assert_eq!(history[0].actor.as_ref().unwrap(), "user_456");
    desk.holds(&[anna]).await;
}

pub(crate) async fn an_update_replaces_the_lead_and_adds_its_event(setup: &Setup) {
    let desk = setup.desk().await;
    let before = lead(1);
    desk.create([&before]).await;
    let after = desk
        .update(&before, |lead| {
            lead.company = Some("Acme".into());
            lead.first_name = None;
        })
        .await;
    assert_eq!(desk.get(1).await, Some(after.clone()));
    let names: Vec<_> = desk
        .history(1)
        .await
        .iter()
        .map(|event| event.kind.name())
        .collect();
    assert_eq!(names, ["created", "updated"]);
    desk.holds(&[after]).await;
}

pub(crate) async fn a_deleted_lead_is_nowhere_and_its_tombstone_is_last(setup: &Setup) {
    let desk = setup.desk().await;
    let (gone, stays) = (lead(1), lead(2));
    desk.create([&gone, &stays]).await;
    desk.delete(&gone).await;
    assert_eq!(desk.get(1).await, None);
    let last = desk.history(1).await.pop().unwrap();
    assert_eq!(
        (last.kind.name(), last.version),
        ("deleted", Version::new(2))
    );
    desk.holds(&[stays]).await;
}

pub(crate) async fn a_mixed_set_happens_as_a_whole(setup: &Setup) {
    let desk = setup.desk().await;
    let (one, two) = (lead(1), lead(2));
    desk.create([&one, &two]).await;
    desk.commit(&Draft::new().put("old", None, b"old")).await;

    let sales = Lifecycle::sales();
    let edited = sales.edit().add("Demo").apply().unwrap();
    let three = lead_with(3, |lead| lead.status = "demo".parse().unwrap());
    let moved = changed(&one, |lead| lead.company = Some("Acme".into()));
    let draft = Draft::new()
        .lifecycle(Some(&sales), &edited)
        .create(&three)
        .update(&one, &moved)
        .delete(&two)
        .put(KEY, None, b"checkpoint")
        .remove("old", 1);
    let done = desk.commit(&draft).await;

    assert_eq!(done.applied, Applied::Now);
    assert_eq!(desk.lifecycle().await, Some(edited));
    assert_eq!(desk.document(KEY).await.unwrap().bytes, b"checkpoint");
    assert_eq!(desk.document("old").await, None);
    desk.holds(&[three, moved]).await;
}

pub(crate) async fn the_outcome_names_leads_and_versions_in_order(setup: &Setup) {
    let desk = setup.desk().await;
    let (one, two) = (lead(1), lead(2));
    desk.create([&one, &two]).await;
    let moved = changed(&two, |lead| lead.company = Some("Acme".into()));
    let draft = Draft::new()
        .update(&two, &moved)
        .create(&lead(9))
        .delete(&one);
    let done = desk.commit(&draft).await;
    let second = Version::new(2);
    assert_eq!(
        done.leads,
        [(id(2), second), (id(9), Version::FIRST), (id(1), second)]
    );
    assert_eq!(done.commit, draft.set().commit());
    assert!(done.is_of(draft.set().fingerprint()));
}

/// A set that would do a bit of everything, to be spoilt by one change more.
async fn almost(desk: &Desk) -> Draft {
    let (one, two, three) = (lead(1), lead(2), lead(3));
    desk.create([&one, &two, &three]).await;
    desk.commit(&Draft::new().put(KEY, None, b"first")).await;
    let moved = changed(&one, |lead| lead.status = LeadStatus::WON);
    Draft::new()
        .checked(1)
        .create(&lead(10))
        .update(&one, &moved)
        .delete(&two)
        .put(KEY, Some(1), b"second")
}

pub(crate) async fn one_stale_update_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let newer = desk
        .update(&lead(3), |lead| lead.company = Some("Acme".into()))
        .await;
    let stale = changed(&lead(3), |lead| lead.company = Some("Other".into()));
    let kind = desk.refused(&draft.update(&lead(3), &stale)).await;
    assert!(
        matches!(kind, Kind::Conflict { found, .. } if found == newer.version),
        "{kind:?}"
    );
}

pub(crate) async fn one_stale_delete_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    desk.update(&lead(3), |lead| lead.company = Some("Acme".into()))
        .await;
    let kind = desk.refused(&draft.delete(&lead(3))).await;
    assert!(matches!(kind, Kind::Conflict { .. }), "{kind:?}");
}

pub(crate) async fn one_missing_lead_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let nobody = changed(&lead(77), |lead| lead.company = Some("Acme".into()));
    let kind = desk.refused(&draft.update(&lead(77), &nobody)).await;
    assert_eq!(kind, Kind::NotFound { lead: id(77) });
}

pub(crate) async fn one_lead_that_exists_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let kind = desk.refused(&draft.create(&lead(3))).await;
    assert_eq!(kind, Kind::AlreadyExists { lead: id(3) });
}

pub(crate) async fn one_stale_document_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let kind = desk.refused(&draft.put("other", Some(4), b"")).await;
    assert!(
        matches!(kind, Kind::DocumentConflict { found: None, .. }),
        "{kind:?}"
    );
}

pub(crate) async fn one_unknown_status_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let odd = lead_with(11, |lead| lead.status = "demo".parse().unwrap());
    let kind = desk.refused(&draft.create(&odd)).await;
    assert_eq!(
        kind,
        Kind::UnknownStatus {
            status: "demo".parse().unwrap()
        }
    );
}

pub(crate) async fn a_stale_lifecycle_spoils_the_whole_set(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = almost(&desk).await;
    let edited = desk.edit(|edit| edit.add("Demo")).await;
    let kind = desk.refused(&draft).await;
    assert_eq!(
        kind,
        Kind::StaleLifecycle {
            found: Some(edited.version())
        }
    );
}

pub(crate) async fn a_refused_set_can_be_put_right_under_the_same_id(setup: &Setup) {
    let desk = setup.desk().await;
    let commit = CommitId::random();
    let odd = lead_with(1, |lead| lead.status = "demo".parse().unwrap());
    desk.refused(&Draft::under(commit).create(&odd)).await;
    assert_eq!(
        desk.repository
            .committed(&desk.tenant, commit)
            .await
            .unwrap(),
        None
    );
    let done = desk.commit(&Draft::under(commit).create(&lead(1))).await;
    assert_eq!(done.applied, Applied::Now);
    desk.holds(&[lead(1)]).await;
}

pub(crate) async fn the_largest_set_happens_as_a_whole(setup: &Setup) {
    let desk = setup.desk().await;
    let most = u64::try_from(MAX_CHANGES).unwrap();
    let leads: Vec<Lead> = (1..=most).map(plain).collect();
    let done = desk
        .commit(&Draft::new().checked(1).create_all(&leads))
        .await;
    assert_eq!(done.leads.len(), MAX_CHANGES);
    assert_eq!(desk.count(&LeadQuery::new()).await, most);
    let moved: Vec<Lead> = leads
        .iter()
        .map(|before| changed(before, |lead| lead.status = LeadStatus::LOST))
        .collect();
    let pairs = leads.iter().zip(&moved);
    let draft = pairs.fold(Draft::new().checked(1), |draft, (a, b)| draft.update(a, b));
    desk.commit(&draft).await;
    assert_eq!(desk.count(&LeadQuery::new().status("lost")).await, most);
    assert_eq!(desk.count(&LeadQuery::new().status("new")).await, 0);
    assert_eq!(
        desk.list(&LeadQuery::new().sort(Sort::created())).await,
        moved
    );
}

pub(crate) async fn the_last_change_of_the_largest_set_spoils_it(setup: &Setup) {
    let desk = setup.desk().await;
    let most = u64::try_from(MAX_CHANGES).unwrap();
    desk.create([&plain(most)]).await;
    let leads: Vec<Lead> = (1..=most).map(plain).collect();
    let kind = desk
        .refused(&Draft::new().checked(1).create_all(&leads))
        .await;
    assert_eq!(kind, Kind::AlreadyExists { lead: id(most) });
}

pub(crate) async fn a_first_set_stores_the_lifecycle_with_its_lead(setup: &Setup) {
    let desk = setup.empty("acme");
    let sales = Lifecycle::sales();
    desk.commit(&Draft::new().lifecycle(None, &sales).create(&lead(1)))
        .await;
    assert_eq!(desk.lifecycle().await, Some(sales));
    desk.holds(&[lead(1)]).await;
}

pub(crate) async fn a_commit_is_seen_by_every_read_that_follows_it(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known = lead(1);
    desk.create([&known]).await;
    for round in 0..30 {
        known = desk.update(&known, |lead| lead.value = usd(round)).await;
        assert_eq!(desk.get(1).await.as_ref(), Some(&known));
        assert_eq!(desk.list(&LeadQuery::new()).await[0].version, known.version);
        let told = desk.totals(None).await;
        assert_eq!(told, naive::totals([&known], None));
        assert_eq!(
            desk.history(1).await.len(),
            usize::try_from(round).unwrap() + 2
        );
    }
}
