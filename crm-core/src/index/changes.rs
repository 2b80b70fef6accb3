//! The keys that a change of a lead puts and deletes.

use super::entries::{write_key, write_tag_keys, write_word_keys};
use super::key::{Index, Prefix};
use super::{IndexKey, index_entries};
use crate::lead::Lead;
use crate::query::SortBy;

/// The keys to put and to delete when a lead changes. No key is in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexChanges {
    /// Keys that the lead has now and had not before.
    pub put: Vec<IndexKey>,
    /// Keys that the lead had before and has not now.
    pub delete: Vec<IndexKey>,
}

/// The difference between the keys of a lead before a change and after it. Without `before` it is
/// created, without `after` deleted.
///
/// Only keys made of what changed are looked at: a transition makes a dozen keys, whatever the lead
/// holds.
#[must_use]
pub fn index_changes(before: Option<&Lead>, after: Option<&Lead>) -> IndexChanges {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (before, after) => {
            return IndexChanges {
                put: after.map(index_entries).unwrap_or_default(),
                delete: before.map(index_entries).unwrap_or_default(),
            };
        }
    };
    let all = before.id != after.id || before.is_archived() != after.is_archived();
    let mut changes = IndexChanges::default();
    let (mut old, mut new) = (Vec::with_capacity(128), Vec::with_capacity(128));
    for index in Index::SINGLE {
        if all || is_touched(index, before, after) {
            let had = write_key(index, before, &mut old);
            let has = write_key(index, after, &mut new);
            if had && !(has && old == new) {
                changes.delete.push(IndexKey::from(&old[..]));
            }
            if has && !(had && old == new) {
                changes.put.push(IndexKey::from(&new[..]));
            }
        }
    }
    if all || before.tags != after.tags || before.created_at != after.created_at {
        changes.add_difference(before, after, write_tag_keys);
    }
    if all || words_are_touched(before, after) {
        changes.add_difference(before, after, write_word_keys);
    }
    changes
}

impl IndexChanges {
    fn add_difference(
        &mut self,
        before: &Lead,
        after: &Lead,
        write: impl Fn(&Lead, &mut Vec<IndexKey>),
    ) {
        let keys = |lead| {
            let mut keys = Vec::new();
            write(lead, &mut keys);
            keys.sort_unstable();
            keys
        };
        let (old, new) = (keys(before), keys(after));
        let only = |these: &[IndexKey], those: &[IndexKey]| -> Vec<IndexKey> {
            let missing = |key: &&IndexKey| those.binary_search(key).is_err();
            these.iter().filter(missing).cloned().collect()
        };
        self.delete.extend(only(&old, &new));
        self.put.extend(only(&new, &old));
    }
}

/// Whether anything differs that the keys of an index are made of.
fn is_touched(index: Index, before: &Lead, after: &Lead) -> bool {
    let prefix = match index.prefix {
        Prefix::Nothing => false,
        Prefix::Status => before.status != after.status,
        Prefix::Assignee => before.assigned_to != after.assigned_to,
        Prefix::AssigneeAndStatus => {
            before.status != after.status || before.assigned_to != after.assigned_to
        }
        Prefix::Source => before.source != after.source,
        Prefix::Email => before.email != after.email,
        Prefix::Tag | Prefix::Word => true,
    };
    let value = || match index.by {
        None | Some(SortBy::Status) => false,
        Some(SortBy::CreatedAt) => before.created_at != after.created_at,
        Some(SortBy::UpdatedAt) => before.updated_at != after.updated_at,
        Some(SortBy::StatusChangedAt) => before.status_changed_at != after.status_changed_at,
        Some(SortBy::Name) => {
            before.first_name != after.first_name || before.last_name != after.last_name
        }
        Some(SortBy::Company) => before.company != after.company,
        Some(SortBy::Email) => before.email != after.email,
        Some(SortBy::Value) => before.value != after.value,
    };
    prefix || value()
}

fn words_are_touched(before: &Lead, after: &Lead) -> bool {
    before.first_name != after.first_name
        || before.last_name != after.last_name
        || before.email != after.email
        || before.company != after.company
        || before.phone != after.phone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::any_lead;
    use crate::lead::LeadStatus;
    use crate::query::testing::at;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The second lead, with the first one's value in every field that the mask does not name.
    fn mixed(from: &Lead, to: &Lead, mask: u16) -> Lead {
        let mut lead = from.clone();
        let mut take = |bit: u16, change: &dyn Fn(&mut Lead)| {
            if mask & (1 << bit) != 0 {
                change(&mut lead);
            }
        };
        take(0, &|lead| lead.first_name.clone_from(&to.first_name));
        take(1, &|lead| lead.last_name.clone_from(&to.last_name));
        take(2, &|lead| lead.email.clone_from(&to.email));
        take(3, &|lead| lead.company.clone_from(&to.company));
        take(4, &|lead| lead.phone.clone_from(&to.phone));
        take(5, &|lead| lead.status = to.status.clone());
        take(6, &|lead| lead.assigned_to.clone_from(&to.assigned_to));
        take(7, &|lead| lead.source.clone_from(&to.source));
        take(8, &|lead| lead.tags.clone_from(&to.tags));
        take(9, &|lead| lead.value = to.value);
        take(10, &|lead| lead.created_at = to.created_at);
        take(11, &|lead| lead.updated_at = to.updated_at);
        take(12, &|lead| lead.status_changed_at = to.status_changed_at);
        take(13, &|lead| lead.archived_at = to.archived_at);
        take(14, &|lead| lead.id = to.id);
        lead
    }

    fn set(keys: Vec<IndexKey>) -> BTreeSet<IndexKey> {
        let number = keys.len();
        let set: BTreeSet<_> = keys.into_iter().collect();
        assert_eq!(set.len(), number, "each key once");
        set
    }

    proptest! {
        #[test]
        fn a_change_is_the_difference_of_all_keys(from in any_lead(), to in any_lead(), mask: u16) {
            let to = mixed(&from, &to, mask);
            let (old, new) = (set(index_entries(&from)), set(index_entries(&to)));
            let changes = index_changes(Some(&from), Some(&to));
            prop_assert_eq!(set(changes.put), &new - &old);
            prop_assert_eq!(set(changes.delete), &old - &new);
        }

        #[test]
        fn to_create_puts_all_and_to_delete_deletes_all(lead in any_lead()) {
            let all = set(index_entries(&lead));
            let created = index_changes(None, Some(&lead));
            prop_assert_eq!((set(created.put), created.delete), (all.clone(), Vec::new()));
            let deleted = index_changes(Some(&lead), None);
            prop_assert_eq!((deleted.put, set(deleted.delete)), (Vec::new(), all));
        }

        #[test]
        fn a_transition_changes_a_dozen_keys_at_most(before in any_lead()) {
            let mut after = before.clone();
            after.status = LeadStatus::WON;
            after.status_changed_at = at(100);
            after.updated_at = at(100);
            let changes = index_changes(Some(&before), Some(&after));
            prop_assert_eq!(changes.put.len(), changes.delete.len());
            prop_assert!(changes.put.len() <= 12, "{}", changes.put.len());
        }
    }
}
