//! A reader over ordered sets that counts what it is asked for, and random leads and queries.

use super::{CounterChange, IndexKey, IndexReader, counter_changes, index_changes};
use crate::lead::{Lead, LeadId, LeadSource, LeadStatus, Money, UserId};
use crate::query::testing::{at, lead};
use crate::query::{Archived, LeadQuery, Sort, SortBy};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::convert::Infallible;
use std::ops::Bound;

#[derive(Debug, Default)]
pub(crate) struct Shelves {
    pub(crate) keys: BTreeSet<IndexKey>,
    pub(crate) leads: BTreeMap<LeadId, Lead>,
    pub(crate) counters: BTreeMap<IndexKey, i128>,
    pub(crate) keys_read: Cell<usize>,
    pub(crate) leads_read: Cell<usize>,
    pub(crate) counters_read: Cell<usize>,
}

impl Shelves {
    pub(crate) fn of(leads: &[Lead]) -> Self {
        let mut shelves = Self::default();
        for lead in leads {
            shelves.put(lead.clone());
        }
        shelves
    }

    pub(crate) fn put(&mut self, lead: Lead) {
        let before = self.leads.remove(&lead.id);
        self.change(before.as_ref(), Some(&lead));
        self.leads.insert(lead.id, lead);
    }

    pub(crate) fn remove(&mut self, id: LeadId) {
        let before = self.leads.remove(&id);
        self.change(before.as_ref(), None);
    }

    fn change(&mut self, before: Option<&Lead>, after: Option<&Lead>) {
        let changes = index_changes(before, after);
        for key in changes.delete {
            assert!(self.keys.remove(&key), "only what is there is deleted");
        }
        for key in changes.put {
            assert!(self.keys.insert(key), "only what is not there is put");
        }
        for CounterChange { key, delta } in counter_changes(before, after) {
            *self.counters.entry(key).or_default() += delta;
        }
        self.counters.retain(|_, count| *count != 0);
    }

    /// Keys, leads and counters read since this was last asked.
    pub(crate) fn reads(&self) -> (usize, usize, usize) {
        (
            self.keys_read.take(),
            self.leads_read.take(),
            self.counters_read.take(),
        )
    }
}

#[derive(Debug)]
pub(crate) struct Counted<'a> {
    range: btree_set::Range<'a, IndexKey>,
    read: &'a Cell<usize>,
}

impl<'a> Counted<'a> {
    fn noted(&self, key: Option<&'a IndexKey>) -> Option<Result<&'a IndexKey, Infallible>> {
        self.read.update(|read| read + usize::from(key.is_some()));
        key.map(Ok)
    }
}

impl<'a> Iterator for Counted<'a> {
    type Item = Result<&'a IndexKey, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.range.next();
        self.noted(key)
    }
}

impl DoubleEndedIterator for Counted<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let key = self.range.next_back();
        self.noted(key)
    }
}

impl IndexReader for Shelves {
    type Error = Infallible;
    type Key<'a> = &'a IndexKey;
    type Keys<'a> = Counted<'a>;
    type Record<'a> = &'a Lead;

    fn keys(&self, from: &[u8], to: &[u8]) -> Counted<'_> {
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        Counted {
            range: self.keys.range::<[u8], _>(bounds),
            read: &self.keys_read,
        }
    }

    fn lead(&self, id: LeadId) -> Result<Option<&Lead>, Infallible> {
        self.leads_read.update(|read| read + 1);
        Ok(self.leads.get(&id))
    }

    fn into_lead(lead: &Lead) -> Lead {
        lead.clone()
    }

    fn counter(&self, key: &IndexKey) -> Result<i128, Infallible> {
        self.counters_read.update(|read| read + 1);
        Ok(self.counters.get(key).copied().unwrap_or(0))
    }
}

pub(crate) const ORDER: [LeadStatus; 4] = [
    LeadStatus::NEW,
    LeadStatus::QUALIFIED,
    LeadStatus::CONTACTED,
    LeadStatus::LOST,
];

fn text(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    option::of(prop::sample::select(texts).prop_map(str::to_owned))
}

fn status() -> impl Strategy<Value = LeadStatus> {
    prop::sample::select(&ORDER[..])
}

fn user() -> impl Strategy<Value = UserId> {
    prop::sample::select(
        &[
            "u",
            "u2",
            "user_456 with a rather long id beyond what sits in a key",
        ][..],
    )
    .prop_map(|id| id.parse().unwrap())
}

fn source() -> impl Strategy<Value = LeadSource> {
    prop::sample::select(&[LeadSource::EVENT, LeadSource::WEBSITE][..])
}

const TAGS: [&str; 3] = ["VIP", "vip 2", "Renewal"];

prop_compose! {
    /// A lead of which nearly everything is also true of others.
    pub(crate) fn any_lead()(
        (id, first, last, email) in (
            any::<u128>(),
            text(&["Anna", "Ánna", "Annabel", "Bob", "\u{301}"]),
            text(&["Doe", "doe", "Do", "Anna"]),
            text(&["anna@example.com", "Anna@Example.com", "bob@example.org"]),
        ),
        (company, phone) in (
            text(&["Acme", "ACME", "Ac", "Bobs & Sons"]),
            text(&["+263 77 123 4567", "771234567"]),
        ),
        (status, user, source) in (status(), option::of(user()), option::of(source())),
        tags in prop::sample::subsequence(&TAGS[..], 0..=3),
        value in option::of((0i64..3, "USD|EUR")),
        (created, updated, changed) in (-2i64..3, 0i64..3, 0i64..3),
        archived in prop::bool::weighted(0.3),
    ) -> Lead {
        let mut lead = lead(id);
        lead.first_name = first;
        lead.last_name = last;
        lead.email = email.map(|email| email.parse().unwrap());
        lead.company = company;
        lead.phone = phone.map(|phone| phone.parse().unwrap());
        lead.status = status;
        lead.assigned_to = user;
        lead.source = source;
        lead.tags = tags.into_iter().map(|tag| tag.parse().unwrap()).collect();
        lead.value = value.map(|(minor, code)| Money::new(minor, &code).unwrap());
        lead.created_at = at(created);
        lead.updated_at = at(updated);
        lead.status_changed_at = at(changed);
        lead.archived_at = archived.then(|| at(9));
        lead
    }
}

pub(crate) fn any_sort() -> impl Strategy<Value = Sort> {
    (prop::sample::select(&SortBy::ALL[..]), any::<bool>()).prop_map(|(by, descending)| {
        let sort: Sort = by.as_str().parse().unwrap();
        if descending { sort.descending() } else { sort }
    })
}

/// One filter in four or so is set.
fn rarely<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    option::weighted(0.2, value)
}

prop_compose! {
    /// Any combination of filters.
    pub(crate) fn any_filter()(
        archived in prop::sample::select(&[Archived::Exclude, Archived::Only, Archived::Include][..]),
        statuses in rarely(vec(status(), 1..3)),
        user in rarely(option::of(user())),
        sources in rarely(vec(source(), 1..3)),
        tags in rarely(prop::sample::subsequence(&TAGS[..], 1..=2)),
        created in rarely((-2i64..3, -2i64..3)),
        updated in rarely((0i64..3, 0i64..3)),
        since in rarely(0i64..3),
        email in rarely(prop::sample::select(&["anna@EXAMPLE.com", "bob@example.org", "x@example.com"][..])),
        words in rarely(prop::sample::select(
            &["ann", "a", "anna do", "acme", "771234", "1234567", "example an", "zzz"][..],
        )),
    ) -> LeadQuery {
        let mut query = LeadQuery::new().archived(archived);
        if let Some(statuses) = statuses {
            query = query.statuses(statuses);
        }
        query = match user {
            Some(Some(user)) => query.assigned_to(user),
            Some(None) => query.unassigned(),
            None => query,
        };
        query = sources.into_iter().flatten().fold(query, LeadQuery::source);
        query = tags.into_iter().flatten().fold(query, LeadQuery::tag);
        if let Some((one, other)) = created {
            query = query.created_from(at(one.min(other))).created_before(at(one.max(other)));
        }
        if let Some((from, before)) = updated {
            query = query.updated_from(at(from));
            if before > from {
                query = query.updated_before(at(before));
            }
        }
        if let Some(since) = since {
            query = query.in_status_since(at(since));
        }
        if let Some(email) = email {
            query = query.email(email);
        }
        if let Some(words) = words {
            query = query.search(words);
        }
        query.check().unwrap();
        query
    }
}
