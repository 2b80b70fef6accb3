//! What a change set comes to: records, keys, counters, events.

use super::Commit;
use crate::draft::{Before, Draft, Write};
use crate::error::{Error, Result};
use crate::key::PREFIX;
use crate::table::Table;
use crm_core::event::LeadEvent;
use crm_core::index::{IndexKey, counter_changes, index_changes};
use crm_core::lead::{Lead, Version};
use crm_core::record;
use crm_core::repository::{Change, Document, DocumentKey};
use crm_core::serde_json;
use sled::IVec;
use std::collections::BTreeMap;

impl Commit<'_> {
    /// Writes down what the changes come to, and adds up what they add to counters. Nothing is
    /// refused from here on.
    pub(super) fn draft_changes(
        &self,
        draft: &mut Draft,
        sums: &mut BTreeMap<IndexKey, i128>,
    ) -> Result<()> {
        for change in self.changes.changes() {
            self.draft_change(change, draft, sums)?;
        }
        let commit = draft.tenant.commit(self.changes.commit());
        let outcome = record::encode_commit(&self.changes.outcome());
        draft.put_value(Table::Commits, commit, None, &outcome);
        Ok(())
    }

    fn draft_change(
        &self,
        change: &Change,
        draft: &mut Draft,
        sums: &mut BTreeMap<IndexKey, i128>,
    ) -> Result<()> {
        let number = draft.tenant;
        match change {
            Change::Create { lead, event } | Change::Update { lead, event, .. } => {
                let before = self.before.get(&lead.id);
                let old = before.map(|(entry, _)| &**entry);
                let record = record::encode_lead(lead);
                draft.put_value(Table::Leads, number.lead(lead.id), old, &record);
                reindex(before.map(|(_, lead)| lead), Some(lead), draft, sums);
                self.append(event, draft);
            }
            Change::Delete { lead, event, .. } => {
                if let Some((entry, before)) = self.before.get(lead) {
                    draft.remove_value(Table::Leads, number.lead(*lead), entry);
                    reindex(Some(before), None, draft, sums);
                }
                // Its events are erased in steps of their own: there may be many.
                draft.write(Write {
                    table: Table::Erasing,
                    key: number.lead(*lead).into(),
                    before: Before::Absent,
                    after: Some(IVec::default()),
                });
                self.append(event, draft);
            }
            Change::ReplaceLifecycle { lifecycle, .. } => {
                let version = lifecycle.version();
                let json = serde_json::to_vec(lifecycle);
                let json = json.map_err(|_| Error::Damaged("a lifecycle to be stored"))?;
                draft.put_value(Table::Lifecycles, number.lifecycle(version), None, &json);
                draft.head.lifecycle = version.get();
            }
            Change::PutDocument { document, .. } => {
                let old = self.documents.get(&document.key).map(|entry| &**entry);
                let value = document_to_bytes(document);
                draft.put_value(
                    Table::Documents,
                    number.document(&document.key),
                    old,
                    &value,
                );
            }
            Change::RemoveDocument { key, .. } => {
                if let Some(entry) = self.documents.get(key) {
                    draft.remove_value(Table::Documents, number.document(key), entry);
                }
            }
            // Refused before.
            _ => {}
        }
        Ok(())
    }

    fn append(&self, event: &LeadEvent, draft: &mut Draft) {
        let position = draft.head.last.max(self.store.first_position) + 1;
        draft.head.last = position;
        let number = draft.tenant;
        let record = record::encode_event(event);
        draft.put_value(Table::Events, number.event(position), None, &record);
        let place = number.history(event.lead, event.version);
        draft.insert(Table::History, place, &position.to_be_bytes());
    }
}

/// Writes down how the indexes change with a lead, and adds up how the counters do.
pub(crate) fn reindex(
    before: Option<&Lead>,
    after: Option<&Lead>,
    draft: &mut Draft,
    sums: &mut BTreeMap<IndexKey, i128>,
) {
    let changes = index_changes(before, after);
    // One for all of them, and each is copied once, into what sled keeps.
    let mut stored = draft.tenant.key(&[]);
    let mut stored_key = |key: &IndexKey| {
        stored.truncate(PREFIX);
        stored.extend_from_slice(key);
        IVec::from(&*stored)
    };
    for key in &changes.delete {
        draft.remove(Table::Keys, stored_key(key));
    }
    for key in &changes.put {
        draft.insert(Table::Keys, stored_key(key), IVec::default());
    }
    for change in counter_changes(before, after) {
        *sums.entry(change.key).or_default() += change.delta;
    }
}

fn document_to_bytes(document: &Document) -> Vec<u8> {
    let version = document.version.get().to_be_bytes();
    [&version[..], &document.bytes].concat()
}

/// A document from its value.
pub(crate) fn document_from(key: &DocumentKey, value: &[u8]) -> Result<Document> {
    const DAMAGED: Error = Error::Damaged("a stored document");
    let (version, bytes) = value.split_first_chunk().ok_or(DAMAGED)?;
    let version = Version::new(u64::from_be_bytes(*version));
    Document::new(key.clone(), version, bytes.to_vec()).map_err(|_| DAMAGED)
}
