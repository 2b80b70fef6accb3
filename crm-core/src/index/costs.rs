//! What queries cost, in keys and leads read: the promises of the module's documentation.

use super::find;
use super::testing::{ORDER, Shelves};
use crate::lead::{Lead, LeadSource, Money, TenantId};
use crate::query::testing::{at, lead};
use crate::query::{Archived, Cursor, LeadQuery, Sort, SortBy, Total};

const FIRST: [&str; 7] = ["Anna", "Bob", "Chipo", "Dai", "Eva", "Farai", "Gus"];
const LAST: [&str; 11] = [
    "Adams", "Banda", "Chen", "Doe", "Evans", "Fox", "Gomez", "Hill", "Ito", "Jones", "Khan",
];

/// Leads of ordinary make; one in a hundred is rare in all that a filter can ask for.
fn leads(number: u32) -> Vec<Lead> {
    let pick =
        |texts: &[&str], at: u32| texts[usize::try_from(at).unwrap() % texts.len()].to_owned();
    let make = |n: u32| {
        let mut lead = lead((u128::from(n) * 0x9E37_79B9_7F4A_7C15) << 7);
        lead.first_name = Some(pick(&FIRST, n));
        lead.last_name = Some(pick(&LAST, n / 3));
        lead.email = Some(format!("lead{n}@example.com").parse().unwrap());
        lead.company = (n % 5 != 1).then(|| format!("Company {}", n % 97));
        lead.status = ORDER[usize::try_from(n % 4).unwrap()].clone();
        lead.assigned_to = (n % 9 != 1).then(|| format!("user_{}", n % 3).parse().unwrap());
        lead.source = Some(LeadSource::WEBSITE);
        lead.value = (n % 2 == 1).then(|| Money::new(i64::from(n % 50), "USD").unwrap());
        lead.created_at = at(i64::from(n / 2));
        lead.updated_at = at(i64::from(n));
        lead.status_changed_at = at(i64::from(n));
        if n % 100 == 7 {
            lead.company = Some("Rarity".into());
            lead.source = Some("fair".parse().unwrap());
            lead.tags = vec!["VIP".parse().unwrap()];
        }
        lead.tags.push("one".parse().unwrap());
        lead.tags.push("two".parse().unwrap());
        lead.archived_at = (n % 10 == 4).then(|| at(i64::from(n)));
        lead
    };
    (0..number).map(make).collect()
}

/// Every shape that is promised to read its page and no more, with the number of ranges it reads.
fn indexed_shapes() -> Vec<(LeadQuery, usize)> {
    let query = LeadQuery::new;
    let mut shapes = Vec::new();
    for by in SortBy::ALL {
        let sort: Sort = by.as_str().parse().unwrap();
        for sort in [sort, sort.descending()] {
            shapes.push((query().sort(sort), 1));
            shapes.push((query().sort(sort).archived(Archived::Only), 1));
            shapes.push((query().sort(sort).archived(Archived::Include), 2));
        }
    }
    for sort in [
        Sort::created(),
        Sort::created().descending(),
        Sort::updated(),
        Sort::updated().descending(),
    ] {
        shapes.extend(
            [
                (query().sort(sort).status("new"), 1),
                (query().sort(sort).status("new").status("lost"), 2),
                (query().sort(sort).assigned_to("user_1"), 1),
                (query().sort(sort).unassigned(), 1),
                (
                    query()
                        .sort(sort)
                        .status("new")
                        .status("lost")
                        .assigned_to("user_1"),
                    2,
                ),
                (
                    query()
                        .sort(sort)
                        .created_from(at(10))
                        .created_before(at(400)),
                    1,
                ),
            ]
            .into_iter()
            .filter(|(query, _)| {
                sort.by == SortBy::CreatedAt || query.filter().created.is_unbounded()
            }),
        );
    }
    shapes.extend([
        (
            query()
                .sort(Sort::updated())
                .updated_from(at(10))
                .status("new"),
            1,
        ),
        (query().sort(Sort::status_changed()).status("new"), 1),
        (
            query()
                .sort(Sort::status_changed())
                .status("new")
                .in_status_since(at(400)),
            1,
        ),
        (
            query()
                .sort(Sort::status())
                .status("new")
                .status("qualified"),
            1,
        ),
        (query().source("website"), 1),
        (query().source("website").source("fair"), 2),
    ]);
    shapes
}

#[test]
fn a_page_of_an_indexed_shape_reads_itself_and_one_key_more() {
    const LIMIT: usize = 20;
    let tenant = TenantId::DEFAULT;
    for number in [1_000, 10_000] {
        let shelves = Shelves::of(&leads(number));
        for (query, ranges) in indexed_shapes() {
            let mut query = query.limit(u32::try_from(LIMIT).unwrap());
            shelves.reads();
            for page in 1..=3 {
                let found = find(&shelves, &tenant, &query, &ORDER).unwrap();
                let (keys, leads, counters) = shelves.reads();
                assert_eq!(found.items.len(), LIMIT, "{query:?}");
                assert!(
                    keys <= LIMIT + ranges,
                    "page {page}: {keys} keys for {query:?}"
                );
                assert_eq!((leads, counters), (LIMIT, 0), "page {page} of {query:?}");
                let next: Cursor = found.next.unwrap();
                query = query.after(next);
            }
        }
    }
}

/// A query, the number of its ways (one for each filter and word, and one in the order of the
/// list), and what the narrowest of these finds.
type Narrow = (LeadQuery, usize, fn(&Lead) -> bool);

fn narrow_queries() -> Vec<Narrow> {
    let query = LeadQuery::new;
    let is_rare: fn(&Lead) -> bool = |lead| lead.company.as_deref() == Some("Rarity");
    let is_one: fn(&Lead) -> bool = |lead| *lead.email.as_ref().unwrap() == "lead4321@example.com";
    let is_late: fn(&Lead) -> bool = |lead| lead.created_at >= at(4_900);
    let address = "LEAD4321@example.com";
    let by_name = || query().sort(Sort::name());
    vec![
        (query().email(address), 1, is_one),
        (by_name().email(address), 2, is_one),
        (query().search("lead4321"), 2, is_one),
        (query().search("rarity"), 2, is_rare),
        (query().search("example com rari ann"), 5, is_rare),
        (by_name().tag("vip"), 2, is_rare),
        (by_name().source("fair"), 2, is_rare),
        (by_name().created_from(at(4_900)), 2, is_late),
        (
            by_name().search("com rari").source("website").status("new"),
            5,
            is_rare,
        ),
        (
            by_name().tag("vip").source("website").updated_from(at(0)),
            4,
            is_rare,
        ),
        (
            by_name()
                .tag("one")
                .tag("two")
                .created_from(at(0))
                .search("rarity"),
            5,
            is_rare,
        ),
        (
            by_name()
                .status("new")
                .status("lost")
                .unassigned()
                .tag("vip"),
            3,
            is_rare,
        ),
    ]
}

#[test]
fn what_is_rare_costs_what_there_is_of_it() {
    let everything = leads(10_000);
    let shelves = Shelves::of(&everything);
    for (query, ways, is_found) in narrow_queries() {
        let active = everything.iter().filter(|lead| !lead.is_archived());
        let rarest = active.filter(|lead| is_found(lead)).count();
        assert!((1..210).contains(&rarest), "{rarest}");
        shelves.reads();
        find(&shelves, &TenantId::DEFAULT, &query, &ORDER).unwrap();
        let (keys, leads, _) = shelves.reads();
        let what = format!("{keys} keys, {leads} leads for {rarest} by {query:?}");
        assert!(keys <= (ways + 1) * (rarest + 1), "{what}");
        assert!(leads <= 2 * (rarest + 1), "{what}");

        shelves.reads();
        super::count(&shelves, query.filter(), None).unwrap();
        let (keys, leads, _) = shelves.reads();
        let what = format!("{keys} keys, {leads} leads to count {rarest} by {query:?}");
        assert!(keys <= (ways + 1) * (rarest + 1), "{what}");
        assert!(leads <= rarest + 1, "{what}");
    }
}

#[test]
fn what_is_common_costs_a_page() {
    let shelves = Shelves::of(&leads(10_000));
    // A third of all leads, and a word of every one of them.
    let query = LeadQuery::new().search("com").assigned_to("user_1");
    shelves.reads();
    find(&shelves, &TenantId::DEFAULT, &query.limit(20), &ORDER).unwrap();
    let (keys, leads, _) = shelves.reads();
    assert!(keys < 100 && leads < 100, "{keys} keys, {leads} leads");
}

#[test]
fn totals_by_status_and_assignee_read_counters_only() {
    let shelves = Shelves::of(&leads(1_000));
    let query = LeadQuery::new;
    for (filter, counters) in [
        (query(), 1),
        (query().status("new"), 1),
        (query().status("new").status("lost"), 2),
        (query().assigned_to("user_1"), 1),
        (query().unassigned().status("new"), 1),
        (query().archived(Archived::Include).status("new"), 2),
    ] {
        let filter = filter.into_filter();
        shelves.reads();
        super::count(&shelves, &filter, None).unwrap();
        assert_eq!(shelves.reads(), (0, 0, counters), "{filter:?}");
    }
}

#[test]
fn a_total_by_one_filter_reads_its_keys_only_and_stops_when_told() {
    let everything = leads(1_000);
    let shelves = Shelves::of(&everything);
    for query in [
        LeadQuery::new().source("website"),
        LeadQuery::new().tag("vip"),
        LeadQuery::new().status("new").in_status_since(at(500)),
        LeadQuery::new().assigned_to("user_1").updated_from(at(500)),
    ] {
        let filter = query.into_filter();
        let matching = everything.iter().filter(|lead| filter.matches(lead));
        let matching = matching.count();
        shelves.reads();
        super::count(&shelves, &filter, None).unwrap();
        assert_eq!(shelves.reads(), (matching, 0, 0), "{filter:?}");
        super::count(&shelves, &filter, Some(3)).unwrap();
        assert_eq!(shelves.reads(), (4, 0, 0), "{filter:?}");
    }
    let query = LeadQuery::new()
        .search("com")
        .total(Total::UpTo(3))
        .limit(3);
    find(&shelves, &TenantId::DEFAULT, &query, &ORDER).unwrap();
    let (keys, leads, _) = shelves.reads();
    assert!(keys < 50 && leads < 50, "{keys} keys, {leads} leads");
}
