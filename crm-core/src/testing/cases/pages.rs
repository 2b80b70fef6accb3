//! Pages: each lead once, whatever happens between them; and the totals beside them.

use super::prelude::*;
use crate::lead::ProblemKind;
use std::collections::BTreeSet;

async fn with_leads(setup: &Setup, count: u64) -> Desk {
    let desk = setup.desk().await;
    desk.create(&(1..=count).map(lead).collect::<Vec<_>>())
        .await;
    desk
}

fn oldest() -> LeadQuery {
    LeadQuery::new().sort(Sort::created())
}

pub(crate) async fn a_further_page_is_announced_only_if_there_is_one(setup: &Setup) {
    let desk = with_leads(setup, 4).await;
    for query in [
        oldest(),
        oldest().status("new"),
        oldest().search("example"),
        oldest().unassigned(),
    ] {
        for (limit, expected) in [(3, true), (4, false), (5, false)] {
            let page = desk.page(&query.clone().limit(limit)).await;
            assert_eq!(page.next.is_some(), expected, "{query:?} by {limit}");
        }
        let first = desk.page(&query.clone().limit(2)).await;
        let second = desk
            .page(&query.clone().limit(2).after(first.next.unwrap()))
            .await;
        assert_eq!((numbers(&second.items), second.next), (vec![3, 4], None));
    }
}

pub(crate) async fn an_empty_list_is_one_empty_page(setup: &Setup) {
    let desk = setup.desk().await;
    for sort in all_sorts() {
        let page = desk.page(&LeadQuery::new().sort(sort)).await;
        assert_eq!((page.items.len(), page.next, page.total), (0, None, None));
    }
}

pub(crate) async fn a_page_holds_fifty_unless_asked(setup: &Setup) {
    let desk = with_leads(setup, 51).await;
    assert_eq!(desk.page(&oldest()).await.items.len(), 50);
}

pub(crate) async fn a_page_holds_up_to_a_thousand(setup: &Setup) {
    let desk = with_leads(setup, 1_001).await;
    let page = desk.page(&oldest().limit(1_000)).await;
    assert_eq!((page.items.len(), page.next.is_some()), (1_000, true));
    let rest = desk
        .page(&oldest().limit(1_000).after(page.next.unwrap()))
        .await;
    assert_eq!((numbers(&rest.items), rest.next), (vec![1_001], None));
}

pub(crate) async fn every_lead_is_shown_once_for_every_page_size_in_every_order(setup: &Setup) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    let order = desk.order().await;
    for sort in all_sorts() {
        let query = LeadQuery::new().sort(sort).archived(Archived::Include);
        let expected = numbers(naive::found(&leads, &query, &order));
        for limit in [1, 2, 13, 59, 60] {
            let paged = desk.pages(&query, limit, async |_| {}).await;
            assert_eq!(numbers(&paged), expected, "{sort} by {limit}");
        }
    }
}

pub(crate) async fn filtered_leads_are_paged_in_every_order(setup: &Setup) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    let order = desk.order().await;
    for base in [
        LeadQuery::new().statuses(["new", "lost"]),
        LeadQuery::new().assigned_to("u"),
        LeadQuery::new().tag("vip"),
        LeadQuery::new().search("an"),
        LeadQuery::new()
            .created_from(at(4))
            .source("event")
            .source("website"),
    ] {
        for sort in all_sorts() {
            let query = base.clone().sort(sort);
            let expected = numbers(naive::found(&leads, &query, &order));
            let paged = desk.pages(&query, 2, async |_| {}).await;
            assert_eq!(numbers(&paged), expected, "{query:?}");
        }
    }
}

pub(crate) async fn the_size_of_a_page_may_change_on_the_way(setup: &Setup) {
    let desk = with_leads(setup, 10).await;
    let first = desk.page(&oldest().limit(3)).await;
    let rest = oldest()
        .limit(6)
        .total(Total::Exact)
        .after(first.next.unwrap());
    let second = desk.page(&rest).await;
    assert_eq!(numbers(&second.items), [4, 5, 6, 7, 8, 9]);
    assert_eq!(
        second.total.unwrap().count(),
        10,
        "of all pages, not of the rest"
    );
}

pub(crate) async fn the_last_lead_of_a_page_may_go_before_the_next(setup: &Setup) {
    for sort in all_sorts() {
        let desk = setup.desk_of(&sort.to_string()).await;
        let leads = village();
        desk.create(&leads).await;
        let order = desk.order().await;
        let query = LeadQuery::new().sort(sort).archived(Archived::Include);
        let mut expected = naive::found(&leads, &query, &order);
        let first = desk.page(&query.clone().limit(10)).await;
        desk.delete(&first.items[9]).await;
        let rest = query.limit(1_000).after(first.next.unwrap());
        assert_eq!(
            desk.numbers(&rest).await,
            numbers(expected.split_off(10)),
            "{sort}"
        );
    }
}

pub(crate) async fn what_is_inserted_before_is_not_seen_and_after_is(setup: &Setup) {
    let desk = setup.desk().await;
    let named = |number, name: &str| lead_with(number, |lead| lead.company = Some(name.into()));
    desk.create(&[named(1, "b"), named(2, "d"), named(3, "f")])
        .await;
    let query = LeadQuery::new().sort(Sort::company());
    let first = desk.page(&query.clone().limit(2)).await;
    desk.create(&[named(4, "a"), named(5, "c"), named(6, "e"), named(7, "g")])
        .await;
    let rest = desk.numbers(&query.after(first.next.unwrap())).await;
    assert_eq!((numbers(&first.items), rest), (vec![1, 2], vec![6, 3, 7]));
}

pub(crate) async fn the_page_before_the_leads_without_value_goes_on_with_them(setup: &Setup) {
    let desk = setup.desk().await;
    let mut leads: Vec<Lead> = (1..=4)
        .map(|number| lead_with(number, |lead| lead.company = Some(format!("c{number}"))))
        .collect();
    leads.extend((5..=8).map(lead));
    desk.create(&leads).await;
    for (sort, expected) in [
        (Sort::company(), [1, 2, 3, 4, 5, 6, 7, 8]),
        (Sort::company().descending(), [4, 3, 2, 1, 8, 7, 6, 5]),
    ] {
        let query = LeadQuery::new().sort(sort);
        for limit in 1..=8 {
            let paged = desk.pages(&query, limit, async |_| {}).await;
            assert_eq!(numbers(&paged), expected, "{sort} by {limit}");
        }
    }
}

pub(crate) async fn who_stays_is_seen_once_while_others_come_and_go(setup: &Setup) {
    for (seed, sort) in (0..).zip(all_sorts()) {
        let desk = setup.desk_of(&sort.to_string()).await;
        // Two villages: one stays, one goes on the way, and a third comes.
        let renumbered = |base: u64| {
            let leads = village().into_iter();
            leads.map(move |mut lead| {
                lead.id = id(number(lead.id) * 3 + base);
                lead
            })
        };
        let staying: Vec<Lead> = renumbered(0).collect();
        let mut going: Vec<Lead> = renumbered(1).collect();
        let mut coming: Vec<Lead> = renumbered(2).collect();
        desk.create(staying.iter().chain(&going)).await;
        let mut dice = Dice::new(seed);
        let query = LeadQuery::new().sort(sort).archived(Archived::Include);
        let paged = desk
            .pages(&query, 9, async |_| {
                for _ in 0..4 {
                    let place =
                        usize::try_from(dice.below(going.len().try_into().unwrap())).unwrap();
                    desk.delete(&going.swap_remove(place)).await;
                    let place =
                        usize::try_from(dice.below(coming.len().try_into().unwrap())).unwrap();
                    desk.create([&coming.swap_remove(place)]).await;
                }
            })
            .await;
        let order = desk.order().await;
        let seen: Vec<u64> = numbers(&paged);
        let stayed = seen.iter().filter(|number| **number % 3 == 0).copied();
        let expected = numbers(naive::found(&staying, &query, &order));
        assert_eq!(stayed.collect::<Vec<_>>(), expected, "{sort}");
        let once: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "{sort}: a lead was shown twice");
    }
}

pub(crate) async fn changes_beside_the_order_disturb_no_pages(setup: &Setup) {
    let desk = with_leads(setup, 30).await;
    let query = LeadQuery::new().sort(Sort::name());
    let expected = desk.numbers(&query).await;
    let paged = desk
        .pages(&query, 4, async |page| {
            for known in desk.list(&LeadQuery::new().limit(30)).await {
                if number(known.id) % 5 == u64::try_from(page % 5).unwrap() {
                    desk.update(&known, |lead| lead.value = usd(7)).await;
                }
            }
        })
        .await;
    assert_eq!(numbers(&paged), expected);
}

pub(crate) async fn a_cursor_of_another_query_is_refused(setup: &Setup) {
    let desk = with_leads(setup, 5).await;
    let next = desk.page(&oldest().limit(2)).await.next.unwrap();
    let other = Kind::InvalidCursor(InvalidCursor::OtherQuery);
    for query in [
        LeadQuery::new().sort(Sort::created().descending()),
        LeadQuery::new().sort(Sort::updated()),
        LeadQuery::new().sort(Sort::name()),
        LeadQuery::new().sort(Sort::status()),
        oldest().status("new"),
        oldest().unassigned(),
        oldest().search("example"),
        oldest().archived(Archived::Include),
        oldest().created_from(at(0)),
    ] {
        let kind = desk.page_error(&query.clone().after(next.clone())).await;
        assert_eq!(kind, other, "{query:?}");
    }
    assert_eq!(desk.page(&oldest().after(next)).await.items.len(), 3);
}

pub(crate) async fn a_cursor_of_a_history_is_refused(setup: &Setup) {
    let desk = with_leads(setup, 1).await;
    let known = desk.get(1).await.unwrap();
    desk.update(&known, |lead| lead.value = usd(7)).await;
    let page = desk.history_page(1, &HistoryQuery::new().limit(1)).await;
    let kind = desk.page_error(&oldest().after(page.next.unwrap())).await;
    assert_eq!(kind, Kind::InvalidCursor(InvalidCursor::OtherQuery));
}

pub(crate) async fn a_new_order_of_statuses_ends_lists_by_status_and_no_others(setup: &Setup) {
    let desk = with_leads(setup, 5).await;
    let by_status = LeadQuery::new().sort(Sort::status()).limit(2);
    let by_name = LeadQuery::new().sort(Sort::name()).limit(2);
    let status_next = desk.page(&by_status).await.next.unwrap();
    let name_next = desk.page(&by_name).await.next.unwrap();
    desk.edit(|edit| edit.rename("new", "Fresh")).await;
    let still = by_status.clone().after(status_next.clone());
    assert_eq!(
        desk.page(&still).await.items.len(),
        2,
        "a new name is no new order"
    );
    desk.edit(|edit| edit.move_to("new", 1)).await;
    let kind = desk.page_error(&by_status.after(status_next)).await;
    assert_eq!(kind, Kind::InvalidCursor(InvalidCursor::OtherQuery));
    assert_eq!(desk.page(&by_name.after(name_next)).await.items.len(), 2);
}

pub(crate) async fn a_wrong_query_is_refused_with_its_problems(setup: &Setup) {
    let desk = with_leads(setup, 1).await;
    for (query, field) in [
        (oldest().limit(0), "limit"),
        (oldest().limit(10_000_000), "limit"),
        (oldest().email("nobody"), "email"),
        (oldest().search("—"), "q"),
        (oldest().status("No Slug!"), "status"),
        (
            oldest().created_from(at(2)).created_before(at(1)),
            "created_before",
        ),
    ] {
        match desk.page_error(&query).await {
            Kind::InvalidQuery(invalid) => assert_eq!(invalid.problems()[0].field(), field),
            other => panic!("{field}: {other:?}"),
        }
    }
    match desk.page_error(&oldest().limit(0)).await {
        Kind::InvalidQuery(invalid) => {
            let kind = invalid.problems()[0].kind();
            assert!(
                matches!(kind, ProblemKind::OutOfRange { min: 1, max: 1_000 }),
                "{kind:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_total_is_told_if_asked(setup: &Setup) {
    let desk = with_leads(setup, 7).await;
    for query in [
        oldest(),
        oldest().status("new"),
        oldest().search("example"),
        oldest().created_from(at(0)),
    ] {
        let query = query.limit(2);
        let total = async |total| desk.page(&query.clone().total(total)).await.total;
        assert_eq!(total(Total::Skip).await, None);
        let exact = total(Total::Exact).await.unwrap();
        assert_eq!((exact.count(), exact.is_exact()), (7, true));
        for (up_to, count, is_exact) in [(6, 6, false), (7, 7, true), (8, 7, true), (0, 0, false)] {
            let told = total(Total::UpTo(up_to)).await.unwrap();
            assert_eq!(
                (told.count(), told.is_exact()),
                (count, is_exact),
                "{query:?} to {up_to}"
            );
        }
    }
}

pub(crate) async fn a_total_is_the_same_on_every_page(setup: &Setup) {
    let desk = with_leads(setup, 9).await;
    let mut query = oldest().limit(4).total(Total::Exact);
    for _ in 0..3 {
        let page = desk.page(&query).await;
        assert_eq!(page.total.unwrap().count(), 9);
        let Some(next) = page.next else { return };
        query = query.after(next);
    }
    panic!("nine leads do not fill four pages of four");
}
