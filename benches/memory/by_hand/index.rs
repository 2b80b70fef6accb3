//! The sorted sets and counters of the hand-written arm: one for each list that ours has an index
//! for, with typed keys.

use super::lead::{Lead, Money, Source, Status};
use crm_kit::uuid::Uuid;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Absent values come last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Last<T> {
    Value(T),
    Absent,
}

impl<T> From<Option<T>> for Last<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

type User = Option<Arc<str>>;

/// Active leads and archived ones are kept apart.
#[derive(Default)]
pub(super) struct Shelves {
    pub(super) active: Shelf,
    archived: Shelf,
}

impl Shelves {
    pub(super) fn of(&mut self, lead: &Lead) -> &mut Shelf {
        if lead.archived_at.is_some() {
            &mut self.archived
        } else {
            &mut self.active
        }
    }
}

#[derive(Default)]
pub(super) struct Shelf {
    pub(super) created: BTreeSet<(i64, Uuid)>,
    created_by_status: BTreeSet<(Status, i64, Uuid)>,
    created_by_user: BTreeSet<(User, i64, Uuid)>,
    pub(super) created_by_both: BTreeSet<(User, Status, i64, Uuid)>,
    created_by_source: BTreeSet<(Source, i64, Uuid)>,
    created_by_tag: BTreeSet<(String, i64, Uuid)>,
    created_by_email: BTreeSet<(String, i64, Uuid)>,
    updated: BTreeSet<(i64, Uuid)>,
    pub(super) updated_by_status: BTreeSet<(Status, i64, Uuid)>,
    updated_by_user: BTreeSet<(User, i64, Uuid)>,
    updated_by_both: BTreeSet<(User, Status, i64, Uuid)>,
    changed: BTreeSet<(i64, Uuid)>,
    changed_by_status: BTreeSet<(Status, i64, Uuid)>,
    pub(super) name: BTreeSet<(Last<String>, Uuid)>,
    company: BTreeSet<(Last<String>, Uuid)>,
    email: BTreeSet<(Last<String>, Uuid)>,
    value: BTreeSet<(Last<Money>, Uuid)>,
    status: BTreeSet<(Status, Uuid)>,
    words: BTreeSet<(String, Uuid)>,
}

/// Puts or takes the keys of a lead.
macro_rules! each_key {
    ($self:ident, $lead:ident, $insert:ident) => {{
        let id = $lead.id;
        let created = $lead.created_at.timestamp_micros();
        let user = || $lead.assigned_to.clone();
        $self.created.$insert(key!($insert, (created, id)));
        $self
            .created_by_user
            .$insert(key!($insert, (user(), created, id)));
        if let Some(source) = $lead.source.clone() {
            $self
                .created_by_source
                .$insert(key!($insert, (source, created, id)));
        }
        for tag in &$lead.tags {
            let tag = tag.to_lowercase();
            $self
                .created_by_tag
                .$insert(key!($insert, (tag, created, id)));
        }
        if let Some(email) = &$lead.email {
            let email = email.to_lowercase();
            $self
                .created_by_email
                .$insert(key!($insert, (email, created, id)));
        }
        $self
            .name
            .$insert(key!($insert, (name_key($lead).into(), id)));
        $self
            .company
            .$insert(key!($insert, (lower(&$lead.company), id)));
        $self
            .email
            .$insert(key!($insert, (lower(&$lead.email), id)));
        $self.value.$insert(key!($insert, ($lead.value.into(), id)));
        for word in words($lead) {
            $self.words.$insert(key!($insert, (word, id)));
        }
    }};
}

/// The keys that a transition changes.
macro_rules! each_moving_key {
    ($self:ident, $lead:ident, $insert:ident) => {{
        let id = $lead.id;
        let status = $lead.status;
        let created = $lead.created_at.timestamp_micros();
        let updated = $lead.updated_at.timestamp_micros();
        let changed = $lead.status_changed_at.timestamp_micros();
        let user = || $lead.assigned_to.clone();
        $self
            .created_by_status
            .$insert(key!($insert, (status, created, id)));
        $self
            .created_by_both
            .$insert(key!($insert, (user(), status, created, id)));
        $self.updated.$insert(key!($insert, (updated, id)));
        $self
            .updated_by_status
            .$insert(key!($insert, (status, updated, id)));
        $self
            .updated_by_user
            .$insert(key!($insert, (user(), updated, id)));
        $self
            .updated_by_both
            .$insert(key!($insert, (user(), status, updated, id)));
        $self.changed.$insert(key!($insert, (changed, id)));
        $self
            .changed_by_status
            .$insert(key!($insert, (status, changed, id)));
        $self.status.$insert(key!($insert, (status, id)));
    }};
}

macro_rules! key {
    (insert, $key:expr) => {
        $key
    };
    (remove, $key:expr) => {
        &$key
    };
}

impl Shelf {
    pub(super) fn insert(&mut self, lead: &Lead) {
        each_key!(self, lead, insert);
        each_moving_key!(self, lead, insert);
    }

    pub(super) fn remove(&mut self, lead: &Lead) {
        each_key!(self, lead, remove);
        each_moving_key!(self, lead, remove);
    }

    /// What is written here changes nothing but a status, so no other key is looked at.
    pub(super) fn change(&mut self, before: &Lead, after: &Lead) {
        each_moving_key!(self, before, remove);
        each_moving_key!(self, after, insert);
    }
}

fn lower(text: &Option<String>) -> Last<String> {
    text.as_ref().map(|text| text.to_lowercase()).into()
}

fn name_key(lead: &Lead) -> Option<String> {
    match (&lead.last_name, &lead.first_name) {
        (Some(last), Some(first)) => Some(format!(
            "{}\u{1}{}",
            last.to_lowercase(),
            first.to_lowercase()
        )),
        (Some(only), None) | (None, Some(only)) => Some(only.to_lowercase()),
        (None, None) => None,
    }
}

/// Names, e-mail and company in words, the phone by its end.
fn words(lead: &Lead) -> Vec<String> {
    let texts = [
        &lead.first_name,
        &lead.last_name,
        &lead.email,
        &lead.company,
    ];
    let mut words = Vec::with_capacity(16);
    for text in texts.into_iter().flatten() {
        let text = text.to_lowercase();
        let split = text.split(|c: char| !c.is_alphanumeric());
        words.extend(split.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    if let Some(phone) = &lead.phone {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        for start in 0..=digits.len().saturating_sub(6) {
            words.extend(digits.get(start..).map(str::to_owned));
        }
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// How many leads there are and what they are worth: in all, by status, by user, by both; active
/// and archived ones apart.
#[derive(Default)]
pub(super) struct Counters {
    leads: HashMap<(bool, Option<User>, Option<Status>), i64>,
    values: HashMap<(bool, Option<User>, Status, [u8; 3]), i128>,
}

impl Counters {
    pub(super) fn add(&mut self, lead: &Lead, sign: i64) {
        let is_archived = lead.archived_at.is_some();
        for user in [None, Some(lead.assigned_to.clone())] {
            for status in [None, Some(lead.status)] {
                *self
                    .leads
                    .entry((is_archived, user.clone(), status))
                    .or_default() += sign;
            }
            if let Some(value) = lead.value {
                let key = (is_archived, user, lead.status, value.currency);
                let amount = i128::from(value.minor_units) * i128::from(sign);
                *self.values.entry(key).or_default() += amount;
            }
        }
    }
}
