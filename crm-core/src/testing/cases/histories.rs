//! What happened to a lead: at once, in the order of its versions, without gaps.

use super::prelude::*;
use crate::lead::ProblemKind;

/// A lead with this many events, each with another value.
async fn with_events(setup: &Setup, count: i64) -> (Desk, Lead) {
    let desk = setup.desk().await;
    let mut known = lead(1);
    desk.create(&[known.clone(), lead(2)]).await;
    for round in 1..count {
        known = desk.update(&known, |lead| lead.value = usd(round)).await;
    }
    (desk, known)
}

fn versions(events: &[LeadEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version.get()).collect()
}

pub(crate) async fn an_event_is_there_as_soon_as_its_commit(setup: &Setup) {
    let (desk, mut known) = with_events(setup, 1).await;
    for version in 2..20 {
        known = desk.update(&known, |lead| lead.value = usd(version)).await;
        let newest = desk
            .history_page(1, &HistoryQuery::new().newest_first().limit(1))
            .await;
        assert_eq!(newest.items[0].version, known.version);
    }
}

pub(crate) async fn events_come_in_the_order_of_versions(setup: &Setup) {
    let (desk, _) = with_events(setup, 12).await;
    let all = desk.history_page(1, &HistoryQuery::new()).await;
    assert_eq!(versions(&all.items), (1..=12).collect::<Vec<_>>());
    let newest = desk
        .history_page(1, &HistoryQuery::new().newest_first())
        .await;
    assert_eq!(versions(&newest.items), (1..=12).rev().collect::<Vec<_>>());
}

pub(crate) async fn pages_of_a_history_join_without_gap(setup: &Setup) {
    let (desk, _) = with_events(setup, 12).await;
    for (start, expected) in [
        (HistoryQuery::new(), (1..=12).collect::<Vec<_>>()),
        (HistoryQuery::new().newest_first(), (1..=12).rev().collect()),
    ] {
        for limit in [1, 2, 5, 11, 12, 13] {
            let mut query = start.clone().limit(limit);
            let mut seen = Vec::new();
            loop {
                let page = desk.history_page(1, &query).await;
                assert!(page.items.len() <= usize::try_from(limit).unwrap());
                seen.extend(versions(&page.items));
                let Some(next) = page.next else { break };
                let following = query.clone().after(next.to_string().parse().unwrap());
                assert_ne!(following, query, "a page ends where it began");
                query = following;
            }
            assert_eq!(seen, expected, "by {limit}");
        }
    }
}

pub(crate) async fn a_further_page_of_a_history_is_announced_only_if_there_is_one(setup: &Setup) {
    let (desk, _) = with_events(setup, 4).await;
    for (limit, expected) in [(3, true), (4, false), (5, false)] {
        let up = desk
            .history_page(1, &HistoryQuery::new().limit(limit))
            .await;
        let down = desk
            .history_page(1, &HistoryQuery::new().newest_first().limit(limit))
            .await;
        assert_eq!(
            [up.next.is_some(), down.next.is_some()],
            [expected; 2],
            "by {limit}"
        );
    }
}

pub(crate) async fn a_history_goes_on_while_it_is_read(setup: &Setup) {
    let (desk, known) = with_events(setup, 4).await;
    let up = HistoryQuery::new().limit(2);
    let down = HistoryQuery::new().newest_first().limit(2);
    let up_next = desk.history_page(1, &up).await.next.unwrap();
    let down_next = desk.history_page(1, &down).await.next.unwrap();
    desk.update(&known, |lead| lead.value = usd(99)).await;
    let up = desk.history_page(1, &up.limit(10).after(up_next)).await;
    let down = desk.history_page(1, &down.limit(10).after(down_next)).await;
    assert_eq!(versions(&up.items), [3, 4, 5]);
    assert_eq!(versions(&down.items), [2, 1]);
}

pub(crate) async fn a_history_is_of_one_lead(setup: &Setup) {
    let (desk, _) = with_events(setup, 3).await;
    assert_eq!(versions(&desk.history(2).await), [1]);
    assert_eq!(desk.history(3).await, [], "a lead that never existed");
}

pub(crate) async fn a_wrong_page_of_a_history_is_refused(setup: &Setup) {
    let (desk, _) = with_events(setup, 3).await;
    let error = async |number, query: &HistoryQuery| {
        let read = desk.repository.history(&desk.tenant, id(number), query);
        read.await.unwrap_err().kind().clone()
    };
    for limit in [0, 1_001] {
        match error(1, &HistoryQuery::new().limit(limit)).await {
            Kind::InvalidQuery(invalid) => {
                let kind = invalid.problems()[0].kind();
                assert!(matches!(kind, ProblemKind::OutOfRange { .. }));
            }
            other => panic!("{other:?}"),
        }
    }
    let next = desk
        .history_page(1, &HistoryQuery::new().limit(1))
        .await
        .next
        .unwrap();
    let other = Kind::InvalidCursor(InvalidCursor::OtherQuery);
    let after = HistoryQuery::new().after(next.clone());
    assert_eq!(error(2, &after).await, other, "of another lead");
    assert_eq!(
        error(1, &after.newest_first()).await,
        other,
        "of the other direction"
    );
    let list = desk.page(&LeadQuery::new().limit(1)).await.next.unwrap();
    assert_eq!(
        error(1, &HistoryQuery::new().after(list)).await,
        other,
        "of a list"
    );
}

pub(crate) async fn an_event_comes_back_as_it_was_written(setup: &Setup) {
    let desk = setup.desk().await;
    let first = lead_with(1, |lead| lead.assigned_to = "anna".parse().ok());
    let second = changed(&first, |lead| {
        lead.status = LeadStatus::LOST;
        lead.status_reason = Some("zu teuer — 太贵了 🤷".into());
        lead.first_name = None;
        lead.last_name = Some("O’Brien".into());
        lead.email = "Anna@Example.com".parse().ok();
        lead.phone = "+263 77 123 4567".parse().ok();
        lead.company = Some("Ärzte GmbH".into());
        lead.source = "event".parse().ok();
        lead.assigned_to = None;
        lead.notes = Some("one\n\ttwo".into());
        lead.value = usd(i64::from(u32::MAX));
        lead.tags = vec!["VIP".parse().unwrap(), "Ω".parse().unwrap()];
        let fields = [(
            "note".to_owned(),
            serde_json::json!({"a": [1, "x", null, 1.5]}),
        )];
        lead.custom = crate::lead::CustomFields::new(fields).unwrap();
    });
    let time = at(77) + chrono::TimeDelta::microseconds(123_457);
    let created = Draft::new().create(&first).at(time);
    let moved = Draft::new().at(time).by("user 456").update(&first, &second);
    desk.commit(&created).await;
    desk.commit(&moved).await;
    let written: Vec<LeadEvent> = [created.set(), moved.set()]
        .iter()
        .flat_map(|set| set.events().cloned().collect::<Vec<_>>())
        .collect();
    assert!(written[1].changes.len() >= 12);
    assert_eq!(desk.history(1).await, written);
    assert_eq!(desk.feed().await, written);
}

pub(crate) async fn every_kind_of_event_comes_back(setup: &Setup) {
    let desk = setup.desk().await;
    let steps: [fn(&mut Lead); 6] = [
        |lead| lead.status = LeadStatus::CONTACTED,
        |lead| lead.assigned_to = "anna".parse().ok(),
        |lead| lead.assigned_to = None,
        |lead| lead.company = Some("Acme".into()),
        |lead| lead.archived_at = Some(at(60)),
        |lead| lead.archived_at = None,
    ];
    let mut known = lead(1);
    desk.create([&known]).await;
    for step in steps {
        known = desk.update(&known, step).await;
    }
    let kinds: Vec<EventKind> = desk
        .history(1)
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    let names: Vec<_> = kinds.iter().map(EventKind::name).collect();
    let expected = [
        "created",
        "status_changed",
        "assigned",
        "assigned",
        "updated",
        "archived",
        "restored",
    ];
    assert_eq!(names, expected);
    let anna = Some("anna".parse().unwrap());
    assert_eq!(
        kinds[0],
        EventKind::Created {
            status: LeadStatus::NEW,
            assigned_to: None
        }
    );
    let (from, to) = (LeadStatus::NEW, LeadStatus::CONTACTED);
    assert_eq!(
        kinds[1],
        EventKind::StatusChanged {
            from,
            to,
            reason: None
        }
    );
    assert_eq!(
        kinds[2],
        EventKind::Assigned {
            from: None,
            to: anna.clone()
        }
    );
    assert_eq!(
        kinds[3],
        EventKind::Assigned {
            from: anna,
            to: None
        }
    );
}

pub(crate) async fn an_event_names_its_commit(setup: &Setup) {
    let desk = setup.desk().await;
    let draft = Draft::new().create(&lead(1)).create(&lead(2));
    desk.commit(&draft).await;
    let commit = draft.set().commit();
    assert_eq!(desk.history(1).await[0].commit, commit);
    assert_eq!(desk.history(2).await[0].commit, commit);
}
