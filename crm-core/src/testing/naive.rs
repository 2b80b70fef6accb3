//! What a repository has to answer, worked out from a plain list of leads: no index, no key, no
//! counter.

use crate::lead::{Currency, Lead, LeadStatus, UserId};
use crate::query::{Direction, LeadFilter, LeadQuery, Sort, SortBy};
use crate::repository::StatusTotals;
use crate::text;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The leads that a query finds, in its order, all of them. `order` is that of the statuses.
pub(crate) fn found<'a>(
    leads: impl IntoIterator<Item = &'a Lead>,
    query: &LeadQuery,
    order: &[LeadStatus],
) -> Vec<&'a Lead> {
    let mut found: Vec<&Lead> = matching(leads, query.filter()).collect();
    found.sort_by(|a, b| compare(query.sorting(), order, a, b));
    found
}

/// How many leads pass a filter.
pub(crate) fn count<'a>(leads: impl IntoIterator<Item = &'a Lead>, filter: &LeadFilter) -> u64 {
    u64::try_from(matching(leads, filter).count()).unwrap()
}

fn matching<'a>(
    leads: impl IntoIterator<Item = &'a Lead>,
    filter: &LeadFilter,
) -> impl Iterator<Item = &'a Lead> {
    leads.into_iter().filter(|lead| filter.matches(lead))
}

/// The totals of active leads per status.
pub(crate) fn totals<'a>(
    leads: impl IntoIterator<Item = &'a Lead>,
    assigned_to: Option<&UserId>,
) -> Vec<StatusTotals> {
    let mut totals: BTreeMap<LeadStatus, (u64, BTreeMap<Currency, i128>)> = BTreeMap::new();
    for lead in leads {
        let is_other = assigned_to.is_some_and(|user| lead.assigned_to.as_ref() != Some(user));
        if lead.is_archived() || is_other {
            continue;
        }
        let (count, values) = totals.entry(lead.status.clone()).or_default();
        *count += 1;
        if let Some(value) = lead.value {
            *values.entry(value.currency()).or_default() += i128::from(value.minor_units());
        }
    }
    totals
        .into_iter()
        .map(|(status, (leads, mut values))| {
            // What is worth nothing has no entry.
            values.retain(|_, sum| *sum != 0);
            StatusTotals::new(status, leads, values.into_iter().collect())
        })
        .collect()
}

fn compare(sort: Sort, order: &[LeadStatus], a: &Lead, b: &Lead) -> Ordering {
    fn directed(sort: Sort, order: Ordering) -> Ordering {
        match sort.direction {
            Direction::Ascending => order,
            Direction::Descending => order.reverse(),
        }
    }
    fn nulls_last<T: Ord>(sort: Sort, a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => directed(sort, a.cmp(&b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
    let both = (a, b);
    fn by<T: Ord>(
        sort: Sort,
        (a, b): (&Lead, &Lead),
        value: impl Fn(&Lead) -> Option<T>,
    ) -> Ordering {
        nulls_last(sort, value(a), value(b))
    }
    let name = |lead: &Lead| text::name_key(lead.first_name.as_deref(), lead.last_name.as_deref());
    let company = |lead: &Lead| lead.company.as_deref().map(text::sort_key);
    let email = |lead: &Lead| {
        let email = lead.email.as_ref();
        email.map(|email| text::sort_key(email.as_str()))
    };
    let status = |lead: &Lead| order.iter().position(|status| *status == lead.status);
    let value = |lead: &Lead| {
        lead.value
            .map(|value| (value.currency(), value.minor_units()))
    };
    let ordering = match sort.by {
        SortBy::CreatedAt => by(sort, both, |lead| Some(lead.created_at)),
        SortBy::UpdatedAt => by(sort, both, |lead| Some(lead.updated_at)),
        SortBy::StatusChangedAt => by(sort, both, |lead| Some(lead.status_changed_at)),
        SortBy::Name => by(sort, both, name),
        SortBy::Company => by(sort, both, company),
        SortBy::Email => by(sort, both, email),
        SortBy::Status => by(sort, both, status),
        SortBy::Value => by(sort, both, value),
    };
    ordering.then_with(|| directed(sort, a.id.cmp(&b.id)))
}
