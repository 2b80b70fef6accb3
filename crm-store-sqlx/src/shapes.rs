//! The lists that an index answers, for the tests of plans: in all databases the same.

use crm_core::chrono::{DateTime, Utc};
use crm_core::lead::{LeadId, LeadStatus, TenantId};
use crm_core::query::{Archived, LeadQuery, Position, Sort, SortBy};

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

pub(crate) const ORDER: [LeadStatus; 3] =
    [LeadStatus::NEW, LeadStatus::CONTACTED, LeadStatus::LOST];

pub(crate) fn sorts() -> impl Iterator<Item = Sort> {
    SortBy::ALL.into_iter().flat_map(|by| {
        let sort: Sort = by.as_str().parse().unwrap();
        [sort, sort.descending()]
    })
}

/// Every indexed shape, with the index that answers it.
fn shapes() -> Vec<(LeadQuery, &'static str)> {
    let new = LeadQuery::new;
    let mut shapes = Vec::new();
    for sort in sorts() {
        let index = match sort.by {
            SortBy::CreatedAt => "created",
            SortBy::UpdatedAt => "updated",
            SortBy::StatusChangedAt => "changed",
            SortBy::Name => "name",
            SortBy::Company => "company",
            SortBy::Email => "email",
            SortBy::Status => "status",
            _ => "value",
        };
        shapes.push((new().sort(sort), index));
    }
    for direction in [Sort::ascending, Sort::descending] {
        let created = direction(Sort::created());
        let updated = direction(Sort::updated());
        let changed = direction(Sort::status_changed());
        for status in [&["new"][..], &["new", "lost"]] {
            let of =
                |query: LeadQuery| status.iter().fold(query, |query, slug| query.status(*slug));
            shapes.extend([
                (of(new()).sort(created), "created_status"),
                (of(new()).sort(updated), "updated_status"),
                (of(new()).sort(changed), "changed_status"),
                (
                    of(new()).in_status_since(at(9)).sort(changed),
                    "changed_status",
                ),
                (
                    of(new()).assigned_to("user_1").sort(created),
                    "created_both",
                ),
                (of(new()).unassigned().sort(updated), "updated_both"),
                (of(new()).sort(direction(Sort::status())), "status"),
            ]);
        }
        shapes.extend([
            (
                new().assigned_to("user_1").sort(created),
                "created_assignee",
            ),
            (new().unassigned().sort(created), "created_assignee"),
            (
                new().assigned_to("user_1").sort(updated),
                "updated_assignee",
            ),
            (new().source("event").sort(created), "created_source"),
            (
                new().source("event").source("website").sort(created),
                "created_source",
            ),
            (
                new().email("john@example.com").sort(created),
                "created_email",
            ),
            (new().tag("vip").sort(created), "tags"),
            (
                new()
                    .created_from(at(1))
                    .created_before(at(9))
                    .sort(created),
                "created",
            ),
            (
                new()
                    .updated_from(at(1))
                    .updated_before(at(9))
                    .sort(updated),
                "updated",
            ),
            (new().in_status_since(at(9)).sort(changed), "changed"),
        ]);
    }
    shapes
}

/// The same list from its start, from the middle, and from among those without a value.
fn pages(query: &LeadQuery) -> Vec<LeadQuery> {
    let id = LeadId::from_bytes(*b"0000000000050000");
    let key = match query.sorting().by {
        SortBy::CreatedAt | SortBy::UpdatedAt | SortBy::StatusChangedAt => {
            Some((5_000_000i64 ^ i64::MIN).to_be_bytes().to_vec())
        }
        SortBy::Status => Some(b"new".to_vec()),
        SortBy::Value => Some([&b"USD"[..], &(5i64 ^ i64::MIN).to_be_bytes()].concat()),
        _ => Some(b"name 500".to_vec()),
    };
    let has_others = matches!(
        query.sorting().by,
        SortBy::Name | SortBy::Company | SortBy::Email | SortBy::Value
    );
    let after = |key| {
        let position = Position { key, id };
        let cursor = query.cursor_at(&TenantId::DEFAULT, &ORDER, &position);
        query.clone().after(cursor)
    };
    let mut pages = vec![query.clone(), after(key)];
    if has_others {
        pages.push(after(None));
    }
    pages
}

/// The pages of all indexed shapes, of active leads and of others, with the index.
pub(crate) fn all_pages() -> Vec<(LeadQuery, &'static str)> {
    let mut all = Vec::new();
    for (query, index) in shapes() {
        for archived in [Archived::Exclude, Archived::Only, Archived::Include] {
            for query in pages(&query.clone().archived(archived)) {
                query.check().unwrap();
                all.push((query, index));
            }
        }
    }
    all
}
