//! Reading beside writers: nothing is lost, skipped, or seen twice.

use super::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn begin(setup: &Setup) -> Desk {
    setup.block_on(setup.desk())
}

pub(crate) fn totals_and_indexes_keep_up_with_many_writers(setup: &Setup) {
    let desk = begin(setup);
    let kept = setup.in_threads(8, |place| {
        let desk = desk.clone();
        async move {
            let place = u64::try_from(place).unwrap();
            let mut dice = Dice::new(place);
            let templates = village();
            let mut mine: Vec<Lead> = Vec::new();
            for step in 0..60 {
                let number = 1_000 * (place + 1) + step;
                if mine.len() < 5 || dice.one_in(4) {
                    let new = lead_with(number, |lead| lead.value = usd(7));
                    desk.create([&new]).await;
                    mine.push(new);
                    continue;
                }
                let length = mine.len().try_into().unwrap();
                let chosen = usize::try_from(dice.below(length)).unwrap();
                if dice.one_in(5) {
                    desk.delete(&mine.swap_remove(chosen)).await;
                    continue;
                }
                let template = dice.pick(&templates).clone();
                let after = changed(&mine[chosen], |lead| {
                    lead.status = template.status;
                    lead.value = template.value;
                    lead.assigned_to = template.assigned_to;
                    lead.archived_at = template.archived_at;
                    lead.company = template.company;
                });
                desk.commit(&Draft::new().checked(1).update(&mine[chosen], &after))
                    .await;
                mine[chosen] = after;
            }
            mine
        }
    });
    let leads: Vec<Lead> = kept.into_iter().flatten().collect();
    setup.block_on(desk.holds(&leads));
}

pub(crate) fn a_feed_read_beside_writers_skips_and_repeats_nothing(setup: &Setup) {
    let desk = begin(setup);
    let writing = AtomicU64::new(4);
    let rounds = scaled(400);
    let mut read = setup.in_threads(5, |place| {
        let (desk, writing) = (desk.clone(), &writing);
        async move {
            let mut reader = FeedReader::default();
            if place == 4 {
                while writing.load(Ordering::SeqCst) > 0 {
                    reader.read_on(&desk, 3).await;
                }
                return reader;
            }
            let mut mine: Vec<Lead> = (0..4)
                .map(|n| lead(u64::try_from(place * 10 + n).unwrap()))
                .collect();
            desk.create(&mine).await;
            for round in 0..rounds {
                // Sets of several leads, so that their events meet those of the others.
                let (one, other) = (round % 4, (round + 1) % 4);
                let after = [one, other].map(|at| changed(&mine[at], |lead| lead.value = usd(9)));
                let draft = Draft::new()
                    .update(&mine[one], &after[0])
                    .update(&mine[other], &after[1]);
                desk.commit(&draft).await;
                [mine[one], mine[other]] = after;
            }
            writing.fetch_sub(1, Ordering::SeqCst);
            reader
        }
    });
    let whole = setup.block_on(desk.feed());
    assert_eq!(whole.len(), 4 * (4 + 2 * rounds));
    let mut reader = read.pop().unwrap();
    setup.block_on(reader.read_on(&desk, 3));
    assert_eq!(
        whole, reader.events,
        "who reads beside writers reads the same"
    );
    let mut last: HashMap<u64, u64> = HashMap::new();
    for event in &whole {
        let before = last
            .insert(number(event.lead), event.version.get())
            .unwrap_or(0);
        assert_eq!(
            event.version.get(),
            before + 1,
            "a lead's events in the order of its versions"
        );
    }
}

pub(crate) fn totals_are_of_one_moment(setup: &Setup) {
    let desk = begin(setup);
    let pairs: Vec<[Lead; 2]> = (0..3)
        .map(|pair| {
            let first = lead_with(pair * 2 + 1, |lead| lead.value = usd(100));
            let second = lead_with(pair * 2 + 2, |lead| {
                (lead.value, lead.status) = (usd(100), LeadStatus::WON);
            });
            [first, second]
        })
        .collect();
    setup.block_on(desk.create(pairs.iter().flatten()));
    let writing = AtomicU64::new(3);
    setup.in_threads(4, |place| {
        let (desk, writing) = (desk.clone(), &writing);
        let pair = pairs.get(place).cloned();
        async move {
            let Some(mut pair) = pair else {
                while writing.load(Ordering::SeqCst) > 0 {
                    let totals = desk.totals(None).await;
                    let told: Vec<_> = totals
                        .iter()
                        .map(|total| (total.leads, total.values[0].1))
                        .collect();
                    assert_eq!(told, [(3, 300), (3, 300)], "between two states");
                }
                return;
            };
            for _ in 0..60 {
                // Each takes the other's place.
                let after = [
                    changed(&pair[0], |lead| lead.status = pair[1].status.clone()),
                    changed(&pair[1], |lead| lead.status = pair[0].status.clone()),
                ];
                let draft = Draft::new().checked(1);
                desk.commit(
                    &draft
                        .update(&pair[0], &after[0])
                        .update(&pair[1], &after[1]),
                )
                .await;
                pair = after;
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }
    });
}

pub(crate) fn who_stays_is_seen_once_beside_writers(setup: &Setup) {
    let desk = begin(setup);
    let staying: Vec<Lead> = (1..=40).map(|number| lead(number * 10)).collect();
    setup.block_on(desk.create(&staying));
    let reading = AtomicBool::new(true);
    setup.in_threads(3, |place| {
        let (desk, reading) = (desk.clone(), &reading);
        async move {
            if place == 0 {
                for sort in all_sorts() {
                    let query = LeadQuery::new().sort(sort);
                    let seen = numbers(&desk.pages(&query, 7, async |_| {}).await);
                    let stayed: BTreeSet<u64> =
                        seen.iter().filter(|n| **n % 10 == 0).copied().collect();
                    assert_eq!(stayed.len(), 40, "{sort}: a lead was missed");
                    let once: BTreeSet<u64> = seen.iter().copied().collect();
                    assert_eq!(once.len(), seen.len(), "{sort}: a lead was shown twice");
                }
                reading.store(false, Ordering::SeqCst);
                return;
            }
            let mut number = u64::try_from(place).unwrap();
            while reading.load(Ordering::SeqCst) {
                number += 10;
                let passing = lead_with(number, |lead| {
                    lead.created_at = at(i64::try_from(number % 400).unwrap());
                });
                desk.create([&passing]).await;
                desk.delete(&passing).await;
            }
        }
    });
}
