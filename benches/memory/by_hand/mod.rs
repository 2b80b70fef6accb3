//! The same job without our crate, as one would write it for one application: a map of leads, a
//! sorted set for each list, counters and history, all behind one lock.
//!
//! Statuses and sources are numbers into a list of names, users are shared texts, keys are tuples.
//! It has what is compared and nothing else: no tenants, no plans, no guards, no retries, no opaque
//! cursors, no storage but this one.

mod check;
mod index;
mod lead;

pub(crate) use lead::{Lead, Status};

use crate::common::leads::Typed;
use check::{Problem, checked};
use crm_kit::chrono::{DateTime, SubsecRound as _, Utc};
use crm_kit::uuid::Uuid;
use index::{Counters, Last, Shelves};
use lead::{Change, Event, FieldValue, Kind};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

/// Leads in memory, written by hand.
#[derive(Default)]
pub(crate) struct Leads(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    leads: HashMap<Uuid, Lead>,
    shelves: Shelves,
    counters: Counters,
    feed: Vec<Event>,
    histories: HashMap<Uuid, Vec<usize>>,
    commits: HashMap<Uuid, (Uuid, u64)>,
}

/// Why a lead was not moved.
#[derive(Debug)]
#[expect(dead_code, reason = "what an application would show")]
pub(crate) enum Refused {
    NotFound,
    UnknownStatus,
    Archived,
    AlreadyThere,
    NotAllowed { allowed: Vec<&'static str> },
    Missing { field: &'static str },
}

/// A page, and the position of its last lead if there are more.
pub(crate) type Page<K> = (Vec<Lead>, Option<K>);

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl Leads {
    pub(crate) fn create(&self, typed: Typed) -> Result<Lead, Vec<Problem>> {
        let at = now();
        let lead = checked(typed, new_id(at), at)?;
        let event = Event {
            lead: lead.id,
            version: 1,
            at,
            actor: None,
            commit: Uuid::new_v4(),
            kind: Kind::Created {
                status: lead.status,
                assigned_to: lead.assigned_to.clone(),
            },
            changes: Vec::new(),
        };
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .put(lead.clone(), event);
        Ok(lead)
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Lead> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.leads.get(&id).cloned()
    }

    pub(crate) fn transition(&self, id: Uuid, to: &str) -> Result<Lead, Refused> {
        let to = Status::named(to).ok_or(Refused::UnknownStatus)?;
        let at = now();
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = inner.leads.get(&id).ok_or(Refused::NotFound)?;
        if before.archived_at.is_some() {
            return Err(Refused::Archived);
        }
        if before.status == to {
            return Err(Refused::AlreadyThere);
        }
        if !before.status.may_move_to(to) {
            let allowed = before.status.next().map(Status::name).collect();
            return Err(Refused::NotAllowed { allowed });
        }
        if let Some(field) = before.lacks() {
            return Err(Refused::Missing { field });
        }
        let mut after = before.clone();
        after.status = to;
        after.status_reason = None;
        after.status_changed_at = at;
        after.updated_at = at;
        after.version += 1;
        let mut changes = vec![Change {
            field: "status",
            from: FieldValue::Status(before.status),
            to: FieldValue::Status(to),
        }];
        if let Some(reason) = &before.status_reason {
            changes.push(Change {
                field: "status_reason",
                from: FieldValue::Text(reason.clone()),
                to: FieldValue::Empty,
            });
        }
        let event = Event {
            lead: id,
            version: after.version,
            at,
            actor: None,
            commit: Uuid::new_v4(),
            kind: Kind::StatusChanged {
                from: before.status,
                to,
                reason: None,
            },
            changes,
        };
        inner.put(after.clone(), event);
        Ok(after)
    }

    /// Newest first.
    pub(crate) fn newest(&self, after: Option<(i64, Uuid)>, limit: usize) -> Page<(i64, Uuid)> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = inner.shelves.active.created.range((Bound::Unbounded, end));
        inner.page(keys.rev().copied(), |(_, id)| id, limit)
    }

    /// In a status, last changed first.
    pub(crate) fn in_status(
        &self,
        status: Status,
        after: Option<(i64, Uuid)>,
        limit: usize,
    ) -> Page<(i64, Uuid)> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (at, id) = after.unwrap_or((i64::MAX, Uuid::max()));
        let range = (status, i64::MIN, Uuid::nil())..(status, at, id);
        let keys = inner.shelves.active.updated_by_status.range(range);
        let keys = keys.rev().map(|(_, at, id)| (*at, *id));
        inner.page(keys, |(_, id)| id, limit)
    }

    /// Of a user in a status, newest first.
    pub(crate) fn of_user_in_status(
        &self,
        user: &Arc<str>,
        status: Status,
        after: Option<(i64, Uuid)>,
        limit: usize,
    ) -> Page<(i64, Uuid)> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (at, id) = after.unwrap_or((i64::MAX, Uuid::max()));
        let key = |at, id| (Some(Arc::clone(user)), status, at, id);
        let range = key(i64::MIN, Uuid::nil())..key(at, id);
        let keys = inner.shelves.active.created_by_both.range(range);
        let keys = keys.rev().map(|(_, _, at, id)| (*at, *id));
        inner.page(keys, |(_, id)| id, limit)
    }

    /// By name, A before Z.
    pub(crate) fn by_name(
        &self,
        after: Option<(Last<String>, Uuid)>,
        limit: usize,
    ) -> Page<(Last<String>, Uuid)> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = inner.shelves.active.name.range((start, Bound::Unbounded));
        let (items, last) = inner.page(keys, |(_, id)| id, limit);
        (items, last.cloned())
    }
}

fn new_id(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    let at = crm_kit::uuid::Timestamp::from_unix(
        crm_kit::uuid::NoContext,
        seconds,
        at.timestamp_subsec_nanos(),
    );
    Uuid::new_v7(at)
}

impl Inner {
    fn put(&mut self, lead: Lead, event: Event) {
        self.commits.insert(event.commit, (lead.id, lead.version));
        let places = self.histories.entry(lead.id).or_default();
        places.push(self.feed.len());
        self.feed.push(event);
        if let Some(before) = self.leads.get(&lead.id) {
            if before.archived_at.is_some() == lead.archived_at.is_some() {
                let shelf = self.shelves.of(&lead);
                shelf.change(before, &lead);
            } else {
                self.shelves.of(before).remove(before);
                self.shelves.of(&lead).insert(&lead);
            }
            self.counters.add(before, -1);
        } else {
            self.shelves.of(&lead).insert(&lead);
        }
        self.counters.add(&lead, 1);
        self.leads.insert(lead.id, lead);
    }

    /// One more than the page tells whether there are more.
    fn page<K>(
        &self,
        keys: impl Iterator<Item = K>,
        id: impl Fn(&K) -> &Uuid,
        limit: usize,
    ) -> (Vec<Lead>, Option<K>) {
        let mut items = Vec::with_capacity(limit);
        let mut last = None;
        for key in keys {
            if items.len() == limit {
                return (items, last);
            }
            if let Some(lead) = self.leads.get(id(&key)) {
                items.push(lead.clone());
                last = Some(key);
            }
        }
        (items, None)
    }
}
