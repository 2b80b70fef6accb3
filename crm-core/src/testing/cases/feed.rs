//! The change feed: nothing skipped, nothing repeated.

use super::prelude::*;
use std::collections::HashMap;

fn places(events: &[LeadEvent]) -> Vec<(u64, u64)> {
    let place = |event: &LeadEvent| (number(event.lead), event.version.get());
    events.iter().map(place).collect()
}

pub(crate) async fn a_feed_begins_with_nothing(setup: &Setup) {
    let desk = setup.desk().await;
    let page = desk
        .repository
        .events(&desk.tenant, None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!((page.events.len(), page.cursor), (0, None));
}

pub(crate) async fn every_event_is_in_the_feed_once(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known: Vec<Lead> = (1..=10).map(lead).collect();
    desk.create(&known).await;
    let mut expected: Vec<(u64, u64)> = (1..=10).map(|number| (number, 1)).collect();
    let mut dice = Dice::new(5);
    for _ in 0..80 {
        let place = usize::try_from(dice.below(10)).unwrap();
        known[place] = desk.update(&known[place], |lead| lead.value = usd(9)).await;
        expected.push((number(known[place].id), known[place].version.get()));
    }
    let feed = desk.feed().await;
    let mut seen = places(&feed);
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let mut last: HashMap<u64, u64> = HashMap::new();
    for (lead, version) in places(&feed) {
        let before = last.insert(lead, version).unwrap_or(0);
        assert_eq!(version, before + 1, "lead {lead} out of order");
    }
}

pub(crate) async fn the_events_of_a_feed_are_those_of_the_histories(setup: &Setup) {
    let desk = setup.desk().await;
    let known = lead(1);
    desk.create(&[known.clone(), lead(2)]).await;
    let moved = desk
        .update(&known, |lead| lead.status = LeadStatus::LOST)
        .await;
    desk.delete(&lead(2)).await;
    desk.delete(&moved).await;
    let feed = desk.feed().await;
    for number in [1, 2] {
        let of_lead = feed.iter().filter(|event| event.lead == id(number));
        assert_eq!(
            of_lead.cloned().collect::<Vec<_>>(),
            desk.history(number).await
        );
    }
}

pub(crate) async fn the_order_is_the_same_for_every_reader(setup: &Setup) {
    let desk = setup.desk().await;
    for number in 1..=25 {
        desk.create([&lead(number)]).await;
    }
    let all = desk.feed_by(1_000).await;
    for limit in [1, 2, 7, 24, 25] {
        assert_eq!(desk.feed_by(limit).await, all, "by {limit}");
    }
}

pub(crate) async fn a_reader_goes_on_where_it_stopped(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create(&[lead(1), lead(2)]).await;
    let mut reader = FeedReader::default();
    while reader.events.len() < 2 {
        reader.read_on(&desk, 1).await;
    }
    let at_the_end = reader.cursor;
    reader.read_on(&desk, 10).await;
    assert_eq!((reader.events.len(), reader.cursor), (2, at_the_end));
    desk.create(&[lead(3)]).await;
    desk.update(&lead(1), |lead| lead.value = usd(1)).await;
    while reader.events.len() < 4 {
        reader.read_on(&desk, 1).await;
    }
    let mut seen = places(&reader.events[2..]);
    seen.sort_unstable();
    assert_eq!(seen, [(1, 2), (3, 1)]);
    assert_eq!(desk.feed().await, reader.events);
}

pub(crate) async fn what_was_read_stays_where_it_was(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known = lead(1);
    desk.create([&known]).await;
    let mut before: Vec<(u64, u64)> = Vec::new();
    for round in 0..15 {
        known = desk.update(&known, |lead| lead.value = usd(round)).await;
        let other = 100 + u64::try_from(round).unwrap();
        desk.create([&lead(other)]).await;
        if round % 5 == 4 {
            desk.delete(&lead(other)).await;
        }
        let now = places(&desk.feed().await);
        assert!(now.starts_with(&before), "the past changed");
        before = now;
    }
}

pub(crate) async fn the_events_of_a_set_come_in_its_order(setup: &Setup) {
    let desk = setup.desk().await;
    desk.commit(
        &Draft::new()
            .create(&lead(5))
            .create(&lead(2))
            .create(&lead(9)),
    )
    .await;
    assert_eq!(places(&desk.feed().await), [(5, 1), (2, 1), (9, 1)]);
}

pub(crate) async fn a_refused_set_is_not_in_the_feed(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.refused(&Draft::new().create(&lead(2)).create(&lead(1)))
        .await;
    desk.create([&lead(3)]).await;
    let mut seen = places(&desk.feed().await);
    seen.sort_unstable();
    assert_eq!(seen, [(1, 1), (3, 1)]);
}

pub(crate) async fn what_has_no_lead_is_not_in_the_feed(setup: &Setup) {
    let desk = setup.desk().await;
    desk.commit(&Draft::new().put(KEY, None, b"x")).await;
    desk.edit(|edit| edit.add("Demo")).await;
    desk.create([&lead(1)]).await;
    assert_eq!(places(&desk.feed().await), [(1, 1)]);
}

pub(crate) async fn beyond_the_end_there_is_nothing(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    for position in [1_000, i64::MAX.unsigned_abs(), u64::MAX] {
        let far = EventCursor::at(&desk.tenant, position);
        let read = desk.repository.events(&desk.tenant, Some(&far), Limit::MAX);
        let page = read.await.unwrap();
        assert_eq!(
            (page.events.len(), page.cursor),
            (0, Some(far)),
            "{position}"
        );
    }
}

pub(crate) async fn a_long_feed_is_read_to_its_end(setup: &Setup) {
    let desk = setup.desk().await;
    let leads: Vec<Lead> = (1..=1_500).map(plain).collect();
    desk.create(&leads).await;
    let feed = desk.feed_by(400).await;
    assert_eq!(feed.len(), 1_500);
    assert_eq!(places(&feed)[..3], [(1, 1), (2, 1), (3, 1)]);
}
