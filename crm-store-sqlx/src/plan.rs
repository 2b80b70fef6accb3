//! Which index answers a question: the same for all databases, as all have the same indexes.
//!
//! Most lists are answered by one index that holds what they filter by and comes in their order.
//! Any other walks the index of its order, or gathers and sorts the matches of its narrowest
//! filter: whichever is expected to look at fewer leads.

use crm_core::query::{Archived, LeadFilter, Sort, SortBy};

/// A set of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts(u16);

impl Parts {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const STATUS: Self = Self(1);
    pub(crate) const ASSIGNEE: Self = Self(1 << 1);
    pub(crate) const SOURCE: Self = Self(1 << 2);
    pub(crate) const TAGS: Self = Self(1 << 3);
    pub(crate) const CREATED: Self = Self(1 << 4);
    pub(crate) const UPDATED: Self = Self(1 << 5);
    pub(crate) const SINCE: Self = Self(1 << 6);
    pub(crate) const EMAIL: Self = Self(1 << 7);
    pub(crate) const WORDS: Self = Self(1 << 8);

    pub(crate) fn of(filter: &LeadFilter) -> Self {
        Self::NONE
            .and_if(!filter.statuses.is_empty(), Self::STATUS)
            .and_if(filter.assignee.is_some(), Self::ASSIGNEE)
            .and_if(!filter.sources.is_empty(), Self::SOURCE)
            .and_if(!filter.tags.is_empty(), Self::TAGS)
            .and_if(!filter.created.is_unbounded(), Self::CREATED)
            .and_if(!filter.updated.is_unbounded(), Self::UPDATED)
            .and_if(filter.in_status_since.is_some(), Self::SINCE)
            .and_if(filter.email.is_some(), Self::EMAIL)
            .and_if(!filter.words.is_empty(), Self::WORDS)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn and_if(self, is_set: bool, other: Self) -> Self {
        if is_set { self.and(other) } else { self }
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The keys among which those of all leads are that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Of an index of `crm_leads`.
    Index(&'static str),
    /// Of the tag at this place among those of the filter.
    Tag(usize),
    /// Of the words that begin with the one at this place among those of the filter.
    Word(usize),
}

/// A way to the leads that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) keys: Keys,
    /// The filters that the keys keep. The others are checked lead by lead.
    pub(crate) covers: Parts,
}

/// How to find a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// These keys are the list.
    Exact(Way),
    /// The keys in the order of the list, and all the ways that find the leads in another.
    Either(Way, Vec<Way>),
}

impl Plan {
    pub(crate) fn list(filter: &LeadFilter, sort: Sort) -> Self {
        let parts = Parts::of(filter);
        let own = in_order(parts, sort.by);
        let single = singles(filter, parts);
        let in_created_order = || single.iter().filter(|_| sort.by == SortBy::CreatedAt);
        let exact = std::iter::once(&own).chain(in_created_order());
        match exact.copied().find(|way| way.covers.contains(parts)) {
            Some(way) => Self::Exact(way),
            None => Self::Either(own, ways(filter, parts)),
        }
    }
}

/// The index that comes in an order, and keeps as much of the filter as there is one for.
fn in_order(parts: Parts, by: SortBy) -> Way {
    let has = |part| parts.contains(part);
    let (index, covers) = match by {
        SortBy::CreatedAt => {
            let (index, covers) = created(parts);
            (index, covers.and(Parts::CREATED))
        }
        SortBy::UpdatedAt => {
            let (index, covers) = updated(parts);
            (index, covers.and(Parts::UPDATED))
        }
        SortBy::StatusChangedAt if has(Parts::STATUS) => {
            ("crm_leads_changed_status", Parts::STATUS.and(Parts::SINCE))
        }
        SortBy::StatusChangedAt => ("crm_leads_changed", Parts::SINCE),
        SortBy::Name => ("crm_leads_name", Parts::NONE),
        SortBy::Company => ("crm_leads_company", Parts::NONE),
        SortBy::Email => ("crm_leads_email", Parts::NONE),
        SortBy::Value => ("crm_leads_value", Parts::NONE),
        _ => ("crm_leads_status", Parts::STATUS),
    };
    let covers = covers.within(parts);
    let keys = Keys::Index(index);
    Way { keys, covers }
}

const fn created(parts: Parts) -> (&'static str, Parts) {
    match (
        parts.contains(Parts::ASSIGNEE),
        parts.contains(Parts::STATUS),
    ) {
        (false, false) => ("crm_leads_created", Parts::NONE),
        (false, true) => ("crm_leads_created_status", Parts::STATUS),
        (true, false) => ("crm_leads_created_assignee", Parts::ASSIGNEE),
        (true, true) => ("crm_leads_created_both", Parts::ASSIGNEE.and(Parts::STATUS)),
    }
}

const fn updated(parts: Parts) -> (&'static str, Parts) {
    match (
        parts.contains(Parts::ASSIGNEE),
        parts.contains(Parts::STATUS),
    ) {
        (false, false) => ("crm_leads_updated", Parts::NONE),
        (false, true) => ("crm_leads_updated_status", Parts::STATUS),
        (true, false) => ("crm_leads_updated_assignee", Parts::ASSIGNEE),
        (true, true) => ("crm_leads_updated_both", Parts::ASSIGNEE.and(Parts::STATUS)),
    }
}

/// The ways of filters that have keys of their own in created order.
fn singles(filter: &LeadFilter, parts: Parts) -> Vec<Way> {
    let created = Parts::CREATED.within(parts);
    let mut ways = Vec::new();
    if parts.contains(Parts::EMAIL) {
        let keys = Keys::Index("crm_leads_created_email");
        let covers = Parts::EMAIL.and(created);
        ways.push(Way { keys, covers });
    }
    if parts.contains(Parts::SOURCE) {
        let keys = Keys::Index("crm_leads_created_source");
        let covers = Parts::SOURCE.and(created);
        ways.push(Way { keys, covers });
    }
    for place in 0..filter.tags.len() {
        let keys = Keys::Tag(place);
        // One of several is not enough.
        let covers = match filter.tags.len() {
            1 => Parts::TAGS.and(created),
            _ => created,
        };
        ways.push(Way { keys, covers });
    }
    ways
}

/// All the ways that a filter narrows what has to be looked at. None if nothing is filtered.
pub(crate) fn ways(filter: &LeadFilter, parts: Parts) -> Vec<Way> {
    let mut ways = singles(filter, parts);
    let words = filter.words.iter().count();
    for place in 0..words {
        let keys = Keys::Word(place);
        let covers = match words {
            1 => Parts::WORDS,
            _ => Parts::NONE,
        };
        ways.push(Way { keys, covers });
    }
    let mut by_index = |(index, covers): (_, Parts), range: Parts| {
        let covers = covers.and(range).within(parts);
        let keys = Keys::Index(index);
        ways.push(Way { keys, covers });
    };
    if parts.contains(Parts::UPDATED) {
        by_index(updated(parts), Parts::UPDATED);
    }
    if parts.contains(Parts::SINCE) {
        let index = match parts.contains(Parts::STATUS) {
            true => ("crm_leads_changed_status", Parts::STATUS),
            false => ("crm_leads_changed", Parts::NONE),
        };
        by_index(index, Parts::SINCE);
    }
    let own = Parts::STATUS.and(Parts::ASSIGNEE).and(Parts::CREATED);
    if parts.within(own) != Parts::NONE {
        by_index(created(parts), Parts::CREATED);
    }
    ways
}

/// The values of the column `archived` that pass.
pub(crate) const fn shelves(archived: Archived) -> &'static [bool] {
    match archived {
        Archived::Exclude => &[false],
        Archived::Only => &[true],
        Archived::Include => &[false, true],
    }
}

/// How many keys of a way are counted before it is taken for a wide one.
pub(crate) const WIDE: u64 = 10_000;

/// Whether gathering all the matches of a filter looks at fewer leads than walking the list until
/// the page is full, if those that match stand anywhere in it.
pub(crate) fn gathers(matches: u64, page: u64, leads: u64) -> bool {
    matches < WIDE && matches.saturating_mul(matches) <= page.saturating_mul(leads)
}
