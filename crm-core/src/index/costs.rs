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
        lead.company = (!n.is_multiple_of(5)).then(|| format!("Company {}", n % 97));
        lead.status = ORDER[usize::try_from(n % 4).unwrap()].clone();
        lead.assigned_to =
            (!n.is_multiple_of(9)).then(|| format!("user_{}", n % 3).parse().unwrap());
        lead.source = Some(LeadSource::WEBSITE);
        lead.value = (!n.is_multiple_of(2)).then(|| Money::new(i64::from(n % 50), "USD").unwrap());
        lead.created_at = at(i64::from(n / 2));
        lead.updated_at = at(i64::from(n));
        lead.status_changed_at = at(i64::from(n));
        if n % 100 == 7 {
            lead.company = Some("Rarity".into());
            lead.source = Some("fair".parse().unwrap());
            lead.tags = vec!["VIP".parse().unwrap()];
        }
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

#[test]
fn what_is_rare_costs_what_there_is_of_it() {
    let tenant = TenantId::DEFAULT;
    let everything = leads(10_000);
    let shelves = Shelves::of(&everything);
    for (query, ways) in [
        (LeadQuery::new().email("LEAD4321@example.com"), 1),
        (
            LeadQuery::new()
                .email("lead4321@example.com")
                .sort(Sort::name()),
            2,
        ),
        (LeadQuery::new().search("lead4321"), 2),
        (LeadQuery::new().tag("vip").sort(Sort::value()), 2),
        (LeadQuery::new().source("fair").sort(Sort::company()), 2),
        (LeadQuery::new().search("rarity"), 2),
        (LeadQuery::new().search("example com rari ann"), 5),
        (
            LeadQuery::new()
                .search("com rari")
                .source("website")
                .status("new")
                .sort(Sort::name()),
            5,
        ),
        (
            LeadQuery::new()
                .tag("vip")
                .source("website")
                .updated_from(at(0))
                .sort(Sort::email()),
            4,
        ),
        (
            LeadQuery::new().created_from(at(4_900)).sort(Sort::email()),
            2,
        ),
    ] {
        let rarest = everything.iter().filter(|lead| {
            // The rarest part of each of these filters.
            let company = lead.company.as_deref() == Some("Rarity");
            let email = lead
                .email
                .as_ref()
                .is_some_and(|email| *email == "lead4321@example.com");
            let late = lead.created_at >= at(4_900);
            let filter = query.filter();
            let parts = [
                (
                    !filter.tags.is_empty()
                        || !filter.sources.is_empty()
                        || filter.words.iter().any(|word| "rarity".starts_with(word)),
                    company,
                ),
                (
                    filter.email.is_some() || filter.words.iter().any(|word| word == "lead4321"),
                    email,
                ),
                (filter.created.from.is_some(), late),
            ];
            !lead.is_archived() && parts.iter().any(|(asked, is)| *asked && *is)
        });
        let rarest = rarest.count();
        assert!(rarest > 0 && rarest < 210, "{rarest}");
        shelves.reads();
        find(&shelves, &tenant, &query, &ORDER).unwrap();
        let (keys, leads, _) = shelves.reads();
        assert!(
            keys <= (ways + 1) * (rarest + 1),
            "{keys} keys for {rarest} by {query:?}"
        );
        assert!(
            leads <= 2 * (rarest + 1),
            "{leads} leads for {rarest} by {query:?}"
        );
    }
}

#[test]
fn what_is_common_costs_a_page() {
    let shelves = Shelves::of(&leads(10_000));
    // Half of all leads, three quarters of them: far fewer are looked at than match.
    let query = LeadQuery::new()
        .search("com")
        .assigned_to("user_1")
        .limit(20);
    shelves.reads();
    find(&shelves, &TenantId::DEFAULT, &query, &ORDER).unwrap();
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
