//! What was acknowledged is there after closing and opening. These rules concern only storages
//! that outlive their process.

use super::prelude::*;

/// A tenant with a past: leads in all states, a lifecycle edited, documents.
async fn lived(setup: &Setup) -> (Desk, Vec<Lead>) {
    let desk = setup.desk().await;
    let mut leads = village();
    desk.create(&leads).await;
    desk.edit(|edit| edit.add("Demo").move_to("lost", 0)).await;
    for place in [3, 30, 31] {
        leads[place] = desk
            .update(&leads[place], |lead| lead.company = Some("Moved".into()))
            .await;
    }
    desk.delete(&leads.pop().unwrap()).await;
    desk.commit(&Draft::new().put(KEY, None, b"checkpoint"))
        .await;
    (desk, leads)
}

pub(crate) async fn everything_is_there_again(setup: &Setup) {
    let (desk, leads) = lived(setup).await;
    let before = desk.snapshot().await;
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    assert_eq!(desk.snapshot().await, before);
    desk.holds(&leads).await;
    let again = setup.reopened(desk).await.unwrap();
    assert_eq!(again.snapshot().await, before, "and again");
}

pub(crate) async fn records_and_indexes_go_on_together(setup: &Setup) {
    let (desk, mut leads) = lived(setup).await;
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    for place in [0, 3, 12] {
        leads[place] = desk
            .update(&leads[place], |lead| lead.status = LeadStatus::WON)
            .await;
    }
    desk.delete(&leads.swap_remove(20)).await;
    let late = lead(500);
    desk.create([&late]).await;
    leads.push(late);
    desk.holds(&leads).await;
    let desk = setup.reopened(desk).await.unwrap();
    desk.holds(&leads).await;
}

pub(crate) async fn cursors_are_good_for_the_next_process(setup: &Setup) {
    let (desk, leads) = lived(setup).await;
    let order = desk.order().await;
    let mut half = Vec::new();
    for sort in all_sorts() {
        let query = LeadQuery::new().sort(sort).limit(20);
        let next = desk.page(&query).await.next.unwrap();
        half.push((query.clone(), query.after(next).limit(1_000)));
    }
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    for (query, rest) in half {
        let expected = naive::found(&leads, &query, &order).split_off(20);
        assert_eq!(desk.numbers(&rest).await, numbers(expected), "{rest:?}");
    }
}

pub(crate) async fn a_reader_of_the_feed_goes_on(setup: &Setup) {
    let (desk, leads) = lived(setup).await;
    desk.feed().await;
    let mut reader = FeedReader::default();
    reader.read_on(&desk, 7).await;
    let read = reader.events.len();
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    reader.read_on(&desk, 7).await;
    assert_eq!(reader.events.len(), read, "nothing comes twice");
    desk.update(&leads[0], |lead| lead.value = usd(1)).await;
    assert_eq!(desk.feed().await.len(), read + 1);
    reader.read_on(&desk, 7).await;
    assert_eq!(reader.events, desk.feed().await);
}

pub(crate) async fn commits_are_remembered(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().create(&lead(1)).put(KEY, None, b"x");
    desk.commit(&draft).await;
    let commit = draft.set().commit();
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    assert_eq!(desk.commit(&draft).await.applied, Applied::Before);
    let kind = desk.refused(&Draft::under(commit).create(&lead(2))).await;
    assert_eq!(kind, Kind::CommitReused { commit });
}

pub(crate) async fn what_was_deleted_stays_deleted(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().create(&lead(1));
    desk.commit(&draft).await;
    desk.delete(&lead(1)).await;
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    assert_eq!(desk.get(1).await, None);
    assert_eq!(
        desk.refused(&Draft::new().create(&lead(1))).await,
        Kind::Gone { lead: id(1) }
    );
    assert_eq!(desk.refused(&draft).await, Kind::Gone { lead: id(1) });
    assert_eq!(desk.history(1).await.len(), 2);
}

pub(crate) async fn tenants_stay_and_erased_ones_do_not(setup: &Setup) {
    let (desk, _) = lived(setup).await;
    let gone = setup.desk_of("gone").await;
    gone.create([&lead(1)]).await;
    gone.repository.erase_tenant(&gone.tenant).await.unwrap();
    drop(gone);
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    let tenants = desk.repository.tenants(None).await.unwrap();
    assert_eq!(tenants, std::slice::from_ref(&desk.tenant));
    assert_eq!(setup.empty("gone").history(1).await, []);
}

pub(crate) async fn every_version_of_the_lifecycle_is_kept(setup: &Setup) {
    let desk = setup.desk().await;
    let mut versions = vec![Lifecycle::sales()];
    for number in 2..=4 {
        versions.push(
            desk.edit(|edit| edit.rename("new", format!("Fresh {number}")))
                .await,
        );
    }
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    for lifecycle in versions {
        let read = desk
            .repository
            .lifecycle_at(&desk.tenant, lifecycle.version());
        assert_eq!(read.await.unwrap(), Some(lifecycle));
    }
}
