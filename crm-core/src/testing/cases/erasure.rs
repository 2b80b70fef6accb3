//! Deleting a lead takes what was typed about it; who did what and when stays.

use super::prelude::*;

/// A lead with a past, deleted.
async fn deleted(setup: &Setup) -> (Desk, Vec<LeadEvent>, Vec<CommitId>) {
    let desk = setup.desk().await;
    let first = lead_with(1, |lead| {
        lead.first_name = Some("Zacharias".into());
        lead.phone = "+263 77 123 4567".parse().ok();
        lead.notes = Some("private".into());
    });
    desk.commit(&Draft::new().by("anna").create(&first).create(&lead(2)))
        .await;
    let second = changed(&first, |lead| {
        lead.status = LeadStatus::LOST;
        lead.status_reason = Some("private".into());
        lead.last_name = Some("Quartermaine".into());
    });
    desk.commit(&Draft::new().by("bob").update(&first, &second))
        .await;
    let third = changed(&second, |lead| lead.assigned_to = "anna".parse().ok());
    desk.commit(&Draft::new().by("bob").update(&second, &third))
        .await;
    let before = desk.history(1).await;
    desk.commit(&Draft::new().by("carol").delete(&third)).await;
    let commits = before.iter().map(|event| event.commit).collect();
    (desk, before, commits)
}

pub(crate) async fn a_history_keeps_who_when_and_where_and_no_values(setup: &Setup) {
    let (desk, mut expected, _) = deleted(setup).await;
    for event in &mut expected {
        event.erase();
    }
    let mut history = desk.history(1).await;
    let tombstone = history.pop().unwrap();
    assert_eq!(history, expected);
    assert_eq!(history[1].actor.as_ref().unwrap(), "bob");
    assert_eq!(
        history[1].status_change(),
        Some((&LeadStatus::NEW, &LeadStatus::LOST))
    );
    assert!(
        history
            .iter()
            .flat_map(|event| &event.changes)
            .all(|change| change.values.is_none())
    );
    assert_eq!(
        tombstone.kind,
        EventKind::Deleted {
            status: LeadStatus::LOST
        }
    );
    assert_eq!(tombstone.actor.unwrap(), "carol");
}

pub(crate) async fn a_feed_keeps_the_events_without_values(setup: &Setup) {
    let (desk, _, _) = deleted(setup).await;
    let feed = desk.feed().await;
    let of_lead: Vec<_> = feed
        .into_iter()
        .filter(|event| event.lead == id(1))
        .collect();
    assert_eq!(of_lead, desk.history(1).await);
    let json = serde_json::to_string(&of_lead).unwrap();
    assert!(
        !json.contains("private") && !json.contains("Quartermaine"),
        "{json}"
    );
}

pub(crate) async fn nothing_finds_a_deleted_lead(setup: &Setup) {
    let (desk, _, _) = deleted(setup).await;
    let all = LeadQuery::new().archived(Archived::Include);
    for query in [
        all.clone().email("lead1@example.com"),
        all.clone().search("zach"),
        all.clone().search("quarter"),
        all.clone().search("1234567"),
        all.clone().assigned_to("anna"),
        all.clone().status("lost"),
    ] {
        assert_eq!(desk.numbers(&query).await, NOBODY, "{query:?}");
        assert_eq!(desk.count(&query).await, 0, "{query:?}");
    }
    desk.holds(&[lead(2)]).await;
}

pub(crate) async fn fingerprints_of_its_commits_are_erased(setup: &Setup) {
    let (desk, _, commits) = deleted(setup).await;
    for commit in commits {
        let read = desk.repository.committed(&desk.tenant, commit);
        let told = read.await.unwrap().unwrap();
        assert_eq!(told.fingerprint, None);
        assert!(
            told.leads.iter().any(|(lead, _)| *lead == id(1)),
            "the outcome stays"
        );
    }
}

pub(crate) async fn an_erased_commit_can_be_repeated_by_id_alone(setup: &Setup) {
    let (desk, _, commits) = deleted(setup).await;
    let last = Draft::under(commits[2]).put(KEY, None, b"another payload");
    let done = desk.commit(&last).await;
    assert_eq!(done.applied, Applied::Before);
    assert_eq!(desk.document(KEY).await, None);
}

pub(crate) async fn other_leads_keep_their_past(setup: &Setup) {
    let desk = setup.desk().await;
    let both = [lead(1), lead(2)];
    desk.create(&both).await;
    let named: Vec<Lead> = both
        .iter()
        .map(|before| changed(before, |lead| lead.company = Some("Acme".into())))
        .collect();
    let draft = Draft::new()
        .update(&both[0], &named[0])
        .update(&both[1], &named[1]);
    desk.commit(&draft).await;
    let before = desk.history(2).await;
    desk.delete(&named[0]).await;
    assert_eq!(desk.history(2).await, before);
    assert!(desk.history(1).await[1].changes[0].values.is_none());
}

pub(crate) async fn a_lead_in_the_archive_can_be_deleted(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create(&[lead(1), lead(2)]).await;
    let archived = desk
        .update(&lead(1), |lead| lead.archived_at = Some(at(9)))
        .await;
    desk.delete(&archived).await;
    desk.holds(&[lead(2)]).await;
    assert_eq!(desk.history(1).await.last().unwrap().kind.name(), "deleted");
}

pub(crate) async fn the_past_of_a_deleted_lead_is_paged(setup: &Setup) {
    let (desk, _, _) = deleted(setup).await;
    let newest = HistoryQuery::new().newest_first().limit(1);
    let page = desk.history_page(1, &newest).await;
    assert_eq!(page.items[0].kind.name(), "deleted");
    let rest = desk
        .history_page(1, &newest.limit(9).after(page.next.unwrap()))
        .await;
    assert_eq!(rest.items.len(), 3);
}

pub(crate) async fn a_long_past_is_erased_to_its_beginning(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known = lead_with(1, |lead| lead.notes = Some("private 0".into()));
    desk.create(&[known.clone(), lead(2)]).await;
    let count = scaled(3_000);
    for round in 1..count {
        let text = format!("private {round}");
        known = desk.update(&known, |lead| lead.notes = Some(text)).await;
    }
    let untouched = desk.history(2).await;
    desk.delete(&known).await;
    let history = desk.history(1).await;
    assert_eq!(history.len(), count + 1);
    let values = |event: &LeadEvent| event.changes.iter().any(|change| change.values.is_some());
    assert!(!history.iter().any(values), "a value is left");
    let feed = desk.feed().await;
    assert!(!feed.iter().filter(|event| event.lead == id(1)).any(values));
    assert_eq!(desk.history(2).await, untouched);
    desk.holds(&[lead(2)]).await;
}
