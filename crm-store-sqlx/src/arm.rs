//! The arms of a list: pieces of an index in which the keys stand in the list's order.

use crate::plan::{Parts, Way, shelves};
use crm_core::lead::LeadStatus;
use crm_core::query::{Direction, LeadQuery, Position, SortBy};

/// A piece of an index in which the keys stand in the order of the list.
pub(crate) struct Arm<'a> {
    /// Arms of a lower rank come first; those of one rank are merged.
    pub(crate) rank: usize,
    pub(crate) status: Option<&'a str>,
    pub(crate) source: Option<&'a str>,
    /// Of the leads without a value to sort by.
    pub(crate) is_without: bool,
    pub(crate) archived: bool,
}

impl<'a> Arm<'a> {
    /// The arms of a way, from a rank on, in the order of their ranks.
    pub(crate) fn all(
        query: &'a LeadQuery,
        order: &'a [LeadStatus],
        way: Way,
        first: usize,
    ) -> Vec<Self> {
        let filter = query.filter();
        let sources: Vec<Option<&str>> = match way.covers.contains(Parts::SOURCE) {
            true => filter
                .sources
                .iter()
                .map(|slug| Some(slug.as_str()))
                .collect(),
            false => vec![None],
        };
        let withouts: &[bool] = match is_nullable(query.sorting().by) {
            true => &[false, true],
            false => &[false],
        };
        let mut arms = Vec::new();
        for (rank, status) in statuses(query, order, way) {
            for &source in &sources {
                for &archived in shelves(filter.archived) {
                    for &is_without in withouts {
                        arms.push(Arm {
                            rank: rank + usize::from(is_without),
                            archived,
                            status,
                            source,
                            is_without,
                        });
                    }
                }
            }
        }
        arms.retain(|arm| arm.rank >= first);
        arms.sort_by_key(|arm| arm.rank);
        arms
    }
}

/// The statuses of which a way has arms, with the ranks of these.
fn statuses<'a>(
    query: &'a LeadQuery,
    order: &'a [LeadStatus],
    way: Way,
) -> Vec<(usize, Option<&'a str>)> {
    let statuses = &query.filter().statuses;
    if query.sorting().by == SortBy::Status {
        let in_order = order.iter();
        let passing = in_order.filter(|slug| statuses.is_empty() || statuses.contains(*slug));
        return passing
            .map(LeadStatus::as_str)
            .map(|slug| (rank_of_status(query, order, slug), Some(slug)))
            .collect();
    }
    if way.covers.contains(Parts::STATUS) {
        return statuses
            .iter()
            .map(|slug| (0, Some(slug.as_str())))
            .collect();
    }
    vec![(0, None)]
}

pub(crate) fn rank_of_status(query: &LeadQuery, order: &[LeadStatus], slug: &str) -> usize {
    let place = order.iter().position(|known| known == slug);
    let place = place.unwrap_or(order.len());
    match query.sorting().direction {
        Direction::Descending => order.len() - place,
        Direction::Ascending => place,
    }
}

/// The rank of the arms in which a position is.
pub(crate) fn rank_of(query: &LeadQuery, order: &[LeadStatus], position: &Position) -> usize {
    match query.sorting().by {
        SortBy::Status => rank_of_status(query, order, position.text().unwrap_or_default()),
        _ => usize::from(position.key.is_none()),
    }
}

/// The columns that a list is sorted by. A list by status has its order from the statuses.
pub(crate) const fn sort_columns(by: SortBy) -> &'static [&'static str] {
    match by {
        SortBy::CreatedAt => &["created_at"],
        SortBy::UpdatedAt => &["updated_at"],
        SortBy::StatusChangedAt => &["status_changed_at"],
        SortBy::Name => &["name_sort"],
        SortBy::Company => &["company_sort"],
        SortBy::Email => &["email_sort"],
        SortBy::Value => &["value_currency", "value_minor"],
        _ => &[],
    }
}

/// Whether a lead may be without the value.
pub(crate) const fn is_nullable(by: SortBy) -> bool {
    matches!(
        by,
        SortBy::Name | SortBy::Company | SortBy::Email | SortBy::Value
    )
}
