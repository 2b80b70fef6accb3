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
