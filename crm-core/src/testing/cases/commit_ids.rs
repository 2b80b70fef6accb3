//! One commit id, one commit: what makes a repeated write safe.

use super::prelude::*;

async fn committed(desk: &Desk, commit: CommitId) -> Option<Committed> {
    let read = desk.repository.committed(&desk.tenant, commit);
    read.await.unwrap()
}

pub(crate) async fn a_set_applied_twice_is_applied_once(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new()
        .checked(1)
        .create(&lead(1))
        .put(KEY, None, b"x");
    let first = desk.commit(&draft).await;
    let before = desk.snapshot().await;
    let again = desk.commit(&draft).await;
    assert_eq!(
        (first.applied, again.applied),
        (Applied::Now, Applied::Before)
    );
    assert_eq!(again.leads, first.leads);
    assert_eq!(desk.snapshot().await, before);
}

pub(crate) async fn a_repeated_update_reports_the_first_outcome(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let second = changed(&lead(1), |lead| lead.company = Some("Acme".into()));
    let draft = Draft::new().update(&lead(1), &second);
    desk.commit(&draft).await;
    desk.update(&second, |lead| lead.company = Some("Ltd".into()))
        .await;
    let again = desk.commit(&draft).await;
    assert_eq!(again.applied, Applied::Before);
    assert_eq!(again.leads, [(id(1), Version::new(2))]);
    assert_eq!(desk.get(1).await.unwrap().version, Version::new(3));
}

pub(crate) async fn a_repetition_is_known_before_anything_else_is_checked(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let draft = Draft::new().checked(1).move_to(&lead(1), &LeadStatus::WON);
    desk.commit(&draft).await;
    desk.edit(|edit| edit.add("Demo")).await;
    // By now the rules, the version and the lead are all others.
    assert_eq!(desk.commit(&draft).await.applied, Applied::Before);
}

pub(crate) async fn a_repeated_edit_of_the_lifecycle_is_known(setup: &Setup) {
    let desk = setup.desk().await;
    let sales = Lifecycle::sales();
    let edited = sales.edit().add("Demo").apply().unwrap();
    let draft = Draft::new().lifecycle(Some(&sales), &edited);
    assert_eq!(desk.commit(&draft).await.applied, Applied::Now);
    assert_eq!(desk.commit(&draft).await.applied, Applied::Before);
}

pub(crate) async fn a_repeated_document_is_known(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().put(KEY, None, b"one");
    assert_eq!(desk.commit(&draft).await.applied, Applied::Now);
    desk.commit(&Draft::new().put(KEY, Some(1), b"two")).await;
    assert_eq!(desk.commit(&draft).await.applied, Applied::Before);
    assert_eq!(desk.document(KEY).await.unwrap().bytes, b"two");
}

pub(crate) async fn an_id_with_another_payload_is_refused(setup: &Setup) {
    let desk = setup.desk().await;
    let commit = CommitId::random();
    desk.commit(&Draft::under(commit).create(&lead(1))).await;
    let kind = desk.refused(&Draft::under(commit).create(&lead(2))).await;
    assert_eq!(kind, Kind::CommitReused { commit });
    let kind = desk
        .refused(&Draft::under(commit).put(KEY, None, b"x"))
        .await;
    assert_eq!(kind, Kind::CommitReused { commit });
}

pub(crate) async fn payloads_are_told_apart_by_fingerprint_alone(setup: &Setup) {
    let desk = setup.desk().await;
    let commit = CommitId::random();
    let first = Draft::under(commit)
        .create(&lead(1))
        .told_apart_by("request");
    desk.commit(&first).await;
    // The same request made a new id, as it does when it is repeated by a client.
    let again = Draft::under(commit)
        .create(&lead(2))
        .told_apart_by("request");
    let done = desk.commit(&again).await;
    assert_eq!(done.applied, Applied::Before);
    assert_eq!(done.leads, [(id(1), Version::FIRST)]);
    let other = Draft::under(commit)
        .create(&lead(1))
        .told_apart_by("another");
    assert_eq!(desk.refused(&other).await, Kind::CommitReused { commit });
    desk.holds(&[lead(1)]).await;
}

pub(crate) async fn what_was_committed_can_be_asked(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().create(&lead(1)).create(&lead(2));
    let commit = draft.set().commit();
    assert_eq!(committed(&desk, commit).await, None);
    desk.commit(&draft).await;
    let told = committed(&desk, commit).await.unwrap();
    assert_eq!(told.commit, commit);
    assert_eq!(
        told.leads,
        [(id(1), Version::FIRST), (id(2), Version::FIRST)]
    );
    assert_eq!(told.fingerprint, Some(draft.set().fingerprint()));
    assert_eq!(committed(&desk, CommitId::random()).await, None);
}

pub(crate) async fn a_commit_without_leads_can_be_asked(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().put(KEY, None, b"x");
    desk.commit(&draft).await;
    let told = committed(&desk, draft.set().commit()).await.unwrap();
    assert_eq!(told.leads, []);
}

pub(crate) async fn repeating_a_create_whose_lead_was_deleted_is_gone(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().create(&lead(1)).create(&lead(2));
    desk.commit(&draft).await;
    desk.delete(&lead(2)).await;
    assert_eq!(desk.refused(&draft).await, Kind::Gone { lead: id(2) });
}

pub(crate) async fn repeating_an_update_whose_lead_was_deleted_is_reported(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let second = changed(&lead(1), |lead| lead.company = Some("Acme".into()));
    let draft = Draft::new().update(&lead(1), &second);
    desk.commit(&draft).await;
    desk.delete(&second).await;
    let again = desk.commit(&draft).await;
    assert_eq!(again.applied, Applied::Before);
    assert_eq!(again.leads, [(id(1), Version::new(2))]);
}

pub(crate) async fn repeating_a_delete_is_reported(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    let draft = Draft::new().delete(&lead(1));
    desk.commit(&draft).await;
    let again = desk.commit(&draft).await;
    assert_eq!(again.applied, Applied::Before);
    assert_eq!(again.leads, [(id(1), Version::new(2))]);
    assert_eq!(desk.history(1).await.len(), 2);
}

pub(crate) async fn an_id_belongs_to_its_tenant(setup: &Setup) {
    let (acme, other) = (setup.desk().await, setup.desk_of("other").await);
    let commit = CommitId::random();
    acme.commit(&Draft::under(commit).create(&lead(1))).await;
    assert_eq!(committed(&other, commit).await, None);
    let done = other.commit(&Draft::under(commit).create(&lead(2))).await;
    assert_eq!(done.applied, Applied::Now);
    other.holds(&[lead(2)]).await;
}

pub(crate) async fn ids_that_differ_in_one_bit_are_two(setup: &Setup) {
    let desk = setup.desk().await;
    let numbers = [0u128, 1, 1 << 64, 1 << 127, u128::MAX];
    for (place, number) in numbers.into_iter().enumerate() {
        let commit = CommitId::from_uuid(uuid::Uuid::from_u128(number));
        let place = u64::try_from(place).unwrap();
        let done = desk
            .commit(&Draft::under(commit).create(&lead(place)))
            .await;
        assert_eq!(done.applied, Applied::Now, "{number:x}");
    }
    assert_eq!(desk.count(&LeadQuery::new()).await, 5);
}
