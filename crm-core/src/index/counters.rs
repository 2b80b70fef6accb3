//! Numbers kept beside the leads: how many there are, and what they are worth.

use super::IndexKey;
use super::entries::{write_assignee, write_part};
use super::key::{END, end_of_range};
use crate::lead::{Currency, Lead, LeadStatus};
use crate::query::{Archived, Assignee, LeadFilter};

/// What a counter counts.
///
/// Leads are counted in all, per status, per assignee, and per assignee and status; their values
/// are summed per status, and per assignee and status. Active and archived leads are counted
/// apart.
///
/// ```
/// use crm_core::index::{Counter, Measure, Shelf};
/// use crm_core::lead::LeadStatus;
///
/// let counter = Counter {
///     shelf: Shelf::Active,
///     assignee: None,
///     status: Some(LeadStatus::QUALIFIED),
///     measure: Measure::Leads,
/// };
/// let key = counter.key();
/// assert_eq!(Counter::from_key(&key), Some(counter));
///
/// // All counters per status, of everybody:
/// let (from, to) = Counter::per_status(Shelf::Active, None);
/// assert!(from < key && key < to);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// Active or archived leads.
    pub shelf: Shelf,
    /// Worked by this user, or by nobody; `None` for the leads of everybody.
    pub assignee: Option<Assignee>,
    /// In this status; `None` for all.
    pub status: Option<LeadStatus>,
    /// What is added up.
    pub measure: Measure,
}

/// Active leads and archived ones are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// Not archived.
    Active,
    /// Archived.
    Archived,
}

/// What a counter adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Leads.
    Leads,
    /// The values of leads in this currency, in minor units.
    Value(Currency),
}

/// A number to add to a counter; one that does not exist is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterChange {
    /// The counter.
    pub key: IndexKey,
    /// What to add, never zero.
    pub delta: i128,
}

impl Shelf {
    /// Where a lead stands.
    #[must_use]
    pub const fn of(lead: &Lead) -> Self {
        if lead.is_archived() {
            Self::Archived
        } else {
            Self::Active
        }
    }

    /// Where leads stand that pass this filter.
    #[must_use]
    pub const fn all_of(archived: Archived) -> &'static [Self] {
        match archived {
            Archived::Exclude => &[Self::Active],
            Archived::Only => &[Self::Archived],
            Archived::Include => &[Self::Active, Self::Archived],
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Archived => 1,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Active),
            1 => Some(Self::Archived),
            _ => None,
        }
    }
}

const ALL: u8 = 1;
const STATUS: u8 = 2;
const ASSIGNEE: u8 = 3;
const ASSIGNEE_AND_STATUS: u8 = 4;

const LEADS: u8 = 1;
const VALUE: u8 = 2;

impl Counter {
    /// The key it is stored under.
    #[must_use]
    pub fn key(&self) -> IndexKey {
        let mut key = Vec::with_capacity(128);
        self.write_key(&mut key);
        IndexKey::from(&key[..])
    }

    fn write_key(&self, key: &mut Vec<u8>) {
        self.write_scope(key);
        match self.measure {
            Measure::Leads => key.push(LEADS),
            Measure::Value(currency) => {
                key.push(VALUE);
                key.extend_from_slice(currency.code().as_bytes());
            }
        }
    }

    fn write_scope(&self, key: &mut Vec<u8>) {
        let kind = match (&self.assignee, &self.status) {
            (None, None) => ALL,
            (None, Some(_)) => STATUS,
            (Some(_), None) => ASSIGNEE,
            (Some(_), Some(_)) => ASSIGNEE_AND_STATUS,
        };
        key.extend([self.shelf.code(), kind]);
        if let Some(assignee) = &self.assignee {
            write_assignee(assignee, key);
        }
        if let Some(status) = &self.status {
            write_part(status.as_str(), key);
        }
    }

    /// What a key counts; `None` if it is not a counter's.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (&[shelf, kind], mut rest) = key.split_first_chunk()?;
        let mut part = || {
            let end = rest.iter().position(|byte| *byte == END)?;
            let text = std::str::from_utf8(rest.get(..end)?).ok()?;
            rest = rest.get(end + 1..)?;
            Some(text)
        };
        let assignee = match kind {
            ASSIGNEE | ASSIGNEE_AND_STATUS => match part()? {
                "" => Some(Assignee::Nobody),
                user => Some(Assignee::User(user.parse().ok()?)),
            },
            _ => None,
        };
        let status = match kind {
            STATUS | ASSIGNEE_AND_STATUS => Some(part()?.parse().ok()?),
            ALL | ASSIGNEE => None,
            _ => return None,
        };
        let measure = match rest {
            [LEADS] => Measure::Leads,
            [VALUE, code @ ..] => Measure::Value(std::str::from_utf8(code).ok()?.parse().ok()?),
            _ => return None,
        };
        Some(Self {
            shelf: Shelf::from_code(shelf)?,
            assignee,
            status,
            measure,
        })
    }

    /// The keys, from the first up to but not including the second, of all counters per status: of
    /// one assignee, or of everybody. A pipeline reads these and no others.
    #[must_use]
    pub fn per_status(shelf: Shelf, assignee: Option<&Assignee>) -> (IndexKey, IndexKey) {
        let mut from = Vec::with_capacity(128);
        match assignee {
            None => from.extend([shelf.code(), STATUS]),
            Some(assignee) => {
                from.extend([shelf.code(), ASSIGNEE_AND_STATUS]);
                write_assignee(assignee, &mut from);
            }
        }
        let to = end_of_range(&from);
        (IndexKey::from(&from[..]), IndexKey::from(&to[..]))
    }
}

/// What a change of a lead adds to the counters. Without `before` it is created, without `after`
/// deleted.
#[must_use]
pub fn counter_changes(before: Option<&Lead>, after: Option<&Lead>) -> Vec<CounterChange> {
    let mut changes: Vec<CounterChange> = Vec::new();
    let same = |before: &Lead, after: &Lead| {
        before.status == after.status
            && before.assigned_to == after.assigned_to
            && before.is_archived() == after.is_archived()
            && before.value == after.value
    };
    if let (Some(before), Some(after)) = (before, after)
        && same(before, after)
    {
        return changes;
    }
    let mut key = Vec::with_capacity(128);
    let mut add = |counter: &Counter, delta: i128| {
        key.clear();
        counter.write_key(&mut key);
        match changes.iter_mut().find(|change| *change.key == key[..]) {
            Some(change) => change.delta += delta,
            None => changes.push(CounterChange {
                key: IndexKey::from(&key[..]),
                delta,
            }),
        }
    };
    for (lead, sign) in [(before, -1), (after, 1)] {
        let Some(lead) = lead else { continue };
        let assignees = [None, Some(Assignee::of(lead))];
        for assignee in assignees {
            for status in [None, Some(lead.status.clone())] {
                let mut counter = Counter {
                    shelf: Shelf::of(lead),
                    assignee: assignee.clone(),
                    status,
                    measure: Measure::Leads,
                };
                add(&counter, sign);
                if let Some(value) = lead.value
                    && counter.status.is_some()
                {
                    counter.measure = Measure::Value(value.currency());
                    add(&counter, sign * i128::from(value.minor_units()));
                }
            }
        }
    }
    changes.retain(|change| change.delta != 0);
    changes
}

/// The counters that add up to the number of leads that pass a filter; `None` if it asks for
/// anything but statuses, assignee and archived leads.
#[must_use]
pub fn counters_for(filter: &LeadFilter) -> Option<Vec<Counter>> {
    // A filter that this does not know must not be left out.
    let LeadFilter {
        archived,
        statuses,
        assignee,
        sources,
        tags,
        created,
        updated,
        in_status_since,
        email,
        words,
    } = filter;
    let is_counted = sources.is_empty()
        && tags.is_empty()
        && created.is_unbounded()
        && updated.is_unbounded()
        && in_status_since.is_none()
        && email.is_none()
        && words.is_empty();
    if !is_counted {
        return None;
    }
    let mut counters = Vec::new();
    for &shelf in Shelf::all_of(*archived) {
        let counter = |status| Counter {
            shelf,
            assignee: assignee.clone(),
            status,
            measure: Measure::Leads,
        };
        if statuses.is_empty() {
            counters.push(counter(None));
        } else {
            counters.extend(statuses.iter().cloned().map(|status| counter(Some(status))));
        }
    }
    Some(counters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::{ORDER, Shelves, any_filter, any_lead};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn counters_agree_with_the_leads(leads in vec(any_lead(), 0..30), changed in vec(any_lead(), 0..10)) {
            let mut shelves = Shelves::of(&leads);
            for (lead, mut change) in leads.iter().zip(changed) {
                change.id = lead.id;
                shelves.put(change);
            }
            let mut naive: BTreeMap<IndexKey, i128> = BTreeMap::new();
            for lead in shelves.leads.values() {
                for status in [None, Some(lead.status.clone())] {
                    for assignee in [None, Some(Assignee::of(lead))] {
                        let mut counter = Counter {
                            shelf: Shelf::of(lead),
                            assignee,
                            status: status.clone(),
                            measure: Measure::Leads,
                        };
                        *naive.entry(counter.key()).or_default() += 1;
                        if let (Some(value), Some(_)) = (lead.value, &status) {
                            counter.measure = Measure::Value(value.currency());
                            *naive.entry(counter.key()).or_default() += i128::from(value.minor_units());
                        }
                    }
                }
            }
            naive.retain(|_, count| *count != 0);
            prop_assert_eq!(&shelves.counters, &naive);

            for lead in shelves.leads.clone().into_keys() {
                shelves.remove(lead);
            }
            prop_assert!(shelves.counters.is_empty() && shelves.keys.is_empty());
        }

        #[test]
        fn a_counter_is_read_back_from_its_key(lead in any_lead()) {
            for change in counter_changes(None, Some(&lead)) {
                let counter = Counter::from_key(&change.key).unwrap();
                prop_assert_eq!(counter.key(), change.key);
            }
        }

        #[test]
        fn what_is_no_counter_s_key_is_not_read(bytes in vec(0u8..5, 0..8)) {
            if let Some(counter) = Counter::from_key(&bytes) {
                prop_assert_eq!(&*counter.key(), &bytes[..]);
            }
        }

        #[test]
        fn a_range_holds_the_statuses_of_one_assignee(leads in vec(any_lead(), 0..30)) {
            let shelves = Shelves::of(&leads);
            let everybody = std::iter::once(None);
            for who in everybody.chain(leads.iter().map(|lead| Some(Assignee::of(lead)))) {
                let (from, to) = Counter::per_status(Shelf::Active, who.as_ref());
                let in_range: Vec<_> = shelves.counters.range(from..to).map(|(key, _)| key.clone()).collect();
                let wanted = shelves.counters.keys().filter(|key| {
                    let counter = Counter::from_key(key).unwrap();
                    counter.shelf == Shelf::Active && counter.status.is_some() && counter.assignee == who
                });
                prop_assert_eq!(in_range, wanted.cloned().collect::<Vec<_>>());
            }
        }

        #[test]
        fn only_what_counters_know_is_asked_of_them(query in any_filter(), leads in vec(any_lead(), 0..30)) {
            let filter = query.filter();
            let Some(counters) = counters_for(filter) else { return Ok(()) };
            let shelves = Shelves::of(&leads);
            let count = |counter: &Counter| shelves.counters.get(&counter.key()).copied().unwrap_or(0);
            let sum: i128 = counters.iter().map(count).sum();
            let matching = leads.iter().filter(|lead| filter.matches(lead)).count();
            prop_assert_eq!(usize::try_from(sum).unwrap(), matching);
            prop_assert!(counters.len() <= 2 * ORDER.len());
        }
    }

    #[test]
    fn what_does_not_count_changes_no_counter() {
        let before = crate::query::testing::lead(1);
        let mut after = before.clone();
        after.company = Some("Acme".into());
        assert!(counter_changes(Some(&before), Some(&after)).is_empty());
        after.status = LeadStatus::LOST;
        let changes = counter_changes(Some(&before), Some(&after));
        assert_eq!(changes.len(), 4, "per status and per assignee and status");
    }
}
