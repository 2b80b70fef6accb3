//! The keys of one lead.

use super::key::{END, Index, NULL, Prefix, VALUE};
use super::{IndexKey, Shelf};
use crate::lead::Lead;
use crate::query::{Assignee, EmailKey, SortBy, TagKey, ValueKind, search_words, write_sort_value};
use std::collections::BTreeSet;

/// All keys of a lead, each once, in no particular order: some two dozen for a lead with name,
/// company and e-mail.
#[must_use]
pub fn index_entries(lead: &Lead) -> Vec<IndexKey> {
    let mut keys = Vec::with_capacity(32);
    let mut key = Vec::with_capacity(128);
    for index in Index::SINGLE {
        if write_key(index, lead, &mut key) {
            keys.push(IndexKey::from(&key[..]));
        }
    }
    write_tag_keys(lead, &mut keys);
    write_word_keys(lead, &mut keys);
    keys
}

/// Writes the key that a lead has in an index, over what was there. False if it has none.
pub(super) fn write_key(index: Index, lead: &Lead, key: &mut Vec<u8>) -> bool {
    start_key(index, Shelf::of(lead), key);
    match index.prefix {
        Prefix::Nothing => {}
        Prefix::Status => write_part(lead.status.as_str(), key),
        Prefix::Assignee => write_assignee(&Assignee::of(lead), key),
        Prefix::AssigneeAndStatus => {
            write_assignee(&Assignee::of(lead), key);
            write_part(lead.status.as_str(), key);
        }
        Prefix::Source => match &lead.source {
            Some(source) => write_part(source.as_str(), key),
            None => return false,
        },
        Prefix::Email => match &lead.email {
            Some(email) => write_part(EmailKey::from(email).as_str(), key),
            None => return false,
        },
        // Of these a lead has many.
        Prefix::Tag | Prefix::Word => return false,
    }
    end_key(index.by, lead, key);
    true
}

/// Appends a key for each tag of a lead.
pub(super) fn write_tag_keys(lead: &Lead, keys: &mut Vec<IndexKey>) {
    if lead.tags.is_empty() {
        return;
    }
    let mut key = Vec::with_capacity(128);
    let tags: BTreeSet<TagKey> = lead.tags.iter().map(TagKey::from).collect();
    for tag in tags {
        start_key(Index::TAG, Shelf::of(lead), &mut key);
        write_part(tag.as_str(), &mut key);
        end_key(Index::TAG.by, lead, &mut key);
        keys.push(IndexKey::from(&key[..]));
    }
}

/// Appends a key for each word that a lead is found by.
pub(super) fn write_word_keys(lead: &Lead, keys: &mut Vec<IndexKey>) {
    let mut key = Vec::with_capacity(128);
    for word in search_words(lead) {
        start_key(Index::WORD, Shelf::of(lead), &mut key);
        write_part(&word, &mut key);
        end_key(Index::WORD.by, lead, &mut key);
        keys.push(IndexKey::from(&key[..]));
    }
}

/// Begins a key, over what was there.
pub(super) fn start_key(index: Index, shelf: Shelf, key: &mut Vec<u8>) {
    key.clear();
    key.extend([index.code, shelf.code()]);
}

/// Appends a text and its end.
pub(super) fn write_part(text: &str, key: &mut Vec<u8>) {
    key.extend_from_slice(text.as_bytes());
    key.push(END);
}

/// Appends a user, or for nobody the empty text, which is no user's id.
pub(super) fn write_assignee(assignee: &Assignee, key: &mut Vec<u8>) {
    match assignee {
        Assignee::Nobody => write_part("", key),
        Assignee::User(user) => write_part(user.as_str(), key),
    }
}

fn end_key(by: Option<SortBy>, lead: &Lead, key: &mut Vec<u8>) {
    if let Some(by) = by {
        let marker = key.len();
        key.push(VALUE);
        if write_sort_value(by, lead, key) {
            if by.kind() == ValueKind::Text {
                key.push(END);
            }
        } else {
            key.truncate(marker);
            key.push(NULL);
        }
    }
    key.extend_from_slice(lead.id.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::any_lead;
    use crate::lead::{LeadId, Tag};
    use crate::query::{Position, search_words};
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// What a key says: shelf, what it is filtered by, whether the value is missing, value, id.
    type Said = (Shelf, Vec<String>, bool, Vec<u8>, LeadId);

    /// Reads a key from its start, knowing no more than which index it is of.
    fn read(index: Index, key: &[u8]) -> Said {
        fn text(rest: &mut &[u8]) -> String {
            let end = rest.iter().position(|byte| *byte == END).unwrap();
            let text = String::from_utf8(rest[..end].to_vec()).unwrap();
            *rest = &rest[end + 1..];
            text
        }
        assert_eq!(key[0], index.code);
        let shelf = [Shelf::Active, Shelf::Archived][usize::from(key[1])];
        let mut rest = &key[2..];
        let parts = match index.prefix {
            Prefix::Nothing => 0,
            Prefix::AssigneeAndStatus => 2,
            _ => 1,
        };
        let parts = (0..parts).map(|_| text(&mut rest)).collect();
        let (mut is_null, mut value) = (false, Vec::new());
        if let Some(by) = index.by {
            is_null = rest[0] == NULL;
            rest = &rest[1..];
            if !is_null {
                let fixed = match by.kind() {
                    ValueKind::Time => 8,
                    ValueKind::Money => 11,
                    ValueKind::Text | ValueKind::Status => {
                        value = text(&mut rest).into_bytes();
                        0
                    }
                };
                value.extend_from_slice(&rest[..fixed]);
                rest = &rest[fixed..];
            }
        }
        let id = LeadId::from_bytes(rest.try_into().unwrap());
        (shelf, parts, is_null, value, id)
    }

    /// What the key of a lead should say.
    fn meant(index: Index, lead: &Lead) -> Said {
        let status = lead.status.to_string();
        let user = lead.assigned_to.as_ref().map(ToString::to_string);
        let user = user.unwrap_or_default();
        let parts = match index.prefix {
            Prefix::Nothing => vec![],
            Prefix::Status => vec![status],
            Prefix::Assignee => vec![user],
            Prefix::AssigneeAndStatus => vec![user, status],
            Prefix::Source => vec![lead.source.as_ref().unwrap().to_string()],
            Prefix::Email => vec![lead.email.as_ref().unwrap().key()],
            Prefix::Tag | Prefix::Word => unreachable!(),
        };
        let value = index.by.map(|by| Position::of(by, lead).key);
        let is_null = value == Some(None);
        let value = value.flatten().unwrap_or_default();
        (Shelf::of(lead), parts, is_null, value, lead.id)
    }

    prop_compose! {
        fn lead_with_any_text()(
            mut lead in any_lead(),
            name in "[^\\x00]{0,6}",
            company in prop::option::of("[ab\\x01]{0,3}"),
            user in "[a-c]{1,3}",
        ) -> Lead {
            lead.last_name = Some(name);
            lead.company = company;
            if lead.assigned_to.is_some() {
                lead.assigned_to = Some(user.parse().unwrap());
            }
            lead
        }
    }

    proptest! {
        #[test]
        fn keys_say_what_they_mean_and_sort_by_it(a in lead_with_any_text(), b in lead_with_any_text()) {
            for index in Index::SINGLE {
                let (mut key_a, mut key_b) = (Vec::new(), Vec::new());
                let has_a = write_key(index, &a, &mut key_a);
                let has_b = write_key(index, &b, &mut key_b);
                if has_a {
                    prop_assert_eq!(read(index, &key_a), meant(index, &a));
                }
                if has_a && has_b {
                    let order = meant(index, &a).cmp(&meant(index, &b));
                    prop_assert_eq!(key_a.cmp(&key_b), order, "{:?}", index);
                    let is_start = key_a != key_b && key_b.starts_with(&key_a);
                    prop_assert!(!is_start, "a key says where it ends");
                }
            }
        }

        #[test]
        fn a_lead_has_a_key_for_each_tag_and_word(lead in any_lead()) {
            let keys = index_entries(&lead);
            let of = |index: Index| -> Vec<Vec<String>> {
                let keys = keys.iter().filter(|key| key[0] == index.code);
                keys.map(|key| read(index, key).1).collect()
            };
            let tags: Vec<_> = of(Index::TAG).concat();
            let mut own: Vec<_> = lead.tags.iter().map(Tag::key).collect();
            own.sort();
            prop_assert_eq!(tags, own);
            prop_assert_eq!(of(Index::WORD).concat(), search_words(&lead));
        }
    }

    #[test]
    fn a_longer_text_comes_after_its_beginning_whatever_the_id() {
        let named = |number, company: &str| {
            let mut lead = crate::query::testing::lead(number);
            lead.company = Some(company.to_owned());
            let index = Index::find(Prefix::Nothing, SortBy::Company).unwrap();
            let mut key = Vec::new();
            assert!(write_key(index, &lead, &mut key));
            key
        };
        assert_eq!(
            named(u128::MAX, "Acme").cmp(&named(0, "Acme 2")),
            Ordering::Less
        );
        assert_eq!(named(u128::MAX, "").cmp(&named(0, "\u{1}")), Ordering::Less);
    }
}
