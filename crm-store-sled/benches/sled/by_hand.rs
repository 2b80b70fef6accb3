//! What somebody would write who needs just this from sled: the same indexes and counters, the same
//! events, one transaction, the same durability, the same thread for what blocks. No tenants, no
//! rules, no idempotency, no counts, no snapshot.
//!
//! The entries that one operation on the leads of this benchmark writes or removes, in each tree:
//!
//! | tree | create: by hand | ours | transition: by hand | ours |
//! | --- | --- | --- | --- | --- |
//! | leads | 1 | 1 | 1 | 1 |
//! | keys | about 29 | about 29 | 18 | 18 |
//! | counters | 4, with a value 6 | 2 | 4, with a value 8 | 2 |
//! | events | 1 | 1 | 1 | 1 |
//! | history | 1 | 1 | 1 | 1 |
//! | commits: the outcome, so that a retry is recognised | | 1 | | 1 |
//! | heads: counts of all entries, by which losses are noticed | | 1 | | 1 |
//!
//! Here a counter is an entry, as its key suggests; ours keeps those of one assignee in one. The
//! last two trees are what the contract asks for, and this code does without.

use crm_core::event::LeadEvent;
use crm_core::index::{counter_changes, index_changes};
use crm_core::lead::{Lead, LeadId};
use crm_core::record::{decode_lead, encode_event, encode_lead};
use crm_store_sled::Durability;
use sled::transaction::{ConflictableTransactionError, Transactional as _};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct ByHand(Arc<Trees>);

struct Trees {
    db: sled::Db,
    file: File,
    durability: Durability,
    leads: sled::Tree,
    keys: sled::Tree,
    counters: sled::Tree,
    events: sled::Tree,
    history: sled::Tree,
    position: AtomicU64,
}

/// How the index by time of creation begins.
const NEWEST: [u8; 2] = [0x10, 0];

type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl ByHand {
    pub(crate) fn open(path: &Path, durability: Durability) -> Answer<Self> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(256 << 20)
            .open()?;
        Ok(Self(Arc::new(Trees {
            file: File::options().write(true).open(path.join("db"))?,
            durability,
            leads: db.open_tree("leads")?,
            keys: db.open_tree("keys")?,
            counters: db.open_tree("counters")?,
            events: db.open_tree("events")?,
            history: db.open_tree("history")?,
            position: AtomicU64::new(1),
            db,
        })))
    }

    pub(crate) fn get(&self, id: LeadId) -> Answer<Option<Lead>> {
        let record = self.0.leads.get(id.as_bytes())?;
        Ok(record.map(|record| decode_lead(&record)).transpose()?)
    }

    pub(crate) async fn create(&self, lead: Lead, event: LeadEvent) -> Answer<()> {
        let trees = Arc::clone(&self.0);
        blocking::unblock(move || trees.write(None, &lead, &event)).await
    }

    /// Reads the lead, changes it, writes it.
    pub(crate) async fn update(
        &self,
        id: LeadId,
        change: impl FnOnce(&Lead) -> (Lead, LeadEvent) + Send + 'static,
    ) -> Answer<()> {
        let trees = Arc::clone(&self.0);
        blocking::unblock(move || {
            let record = trees.leads.get(id.as_bytes())?.ok_or("no such lead")?;
            let before = decode_lead(&record)?;
            let (after, event) = change(&before);
            trees.write(Some(&before), &after, &event)
        })
        .await
    }

    /// The newest leads that are not archived.
    pub(crate) async fn page(&self, limit: usize) -> Answer<Vec<Lead>> {
        let trees = Arc::clone(&self.0);
        blocking::unblock(move || {
            let mut page = Vec::with_capacity(limit);
            for key in trees.keys.scan_prefix(NEWEST).keys().rev().take(limit) {
                let key = key?;
                let (_, id) = key.split_last_chunk::<16>().ok_or("no key")?;
                if let Some(record) = trees.leads.get(id)? {
                    page.push(decode_lead(&record)?);
                }
            }
            Ok(page)
        })
        .await
    }
}

impl Trees {
    fn write(&self, before: Option<&Lead>, after: &Lead, event: &LeadEvent) -> Answer<()> {
        let record = encode_lead(after);
        let keys = index_changes(before, after.into());
        let sums = counter_changes(before, after.into());
        let happened = encode_event(event);
        let position = self.position.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let place = [&after.id.as_bytes()[..], &after.version.get().to_be_bytes()].concat();
        let trees = (
            &self.leads,
            &self.keys,
            &self.counters,
            &self.events,
            &self.history,
        );
        trees
            .transaction(|(leads, index, counters, events, history)| {
                let old = leads.insert(after.id.as_bytes(), &record[..])?;
                // Optimistic concurrency, as far as it goes here.
                if old.is_some() != before.is_some() {
                    return Err(ConflictableTransactionError::Abort(()));
                }
                for key in &keys.delete {
                    index.remove(key.as_bytes())?;
                }
                for key in &keys.put {
                    index.insert(key.as_bytes(), b"")?;
                }
                for sum in &sums {
                    let old = counters.get(sum.key.as_bytes())?;
                    let old = old.and_then(|old| <[u8; 16]>::try_from(&*old).ok());
                    let new = old.map_or(0, i128::from_be_bytes) + sum.delta;
                    counters.insert(sum.key.as_bytes(), &new.to_be_bytes())?;
                }
                events.insert(&position, &happened[..])?;
                history.insert(&place[..], &position)?;
                Ok(())
            })
            .map_err(|_| "refused")?;
        match self.durability {
            Durability::Buffered => {}
            Durability::Flushed => drop(self.db.flush()?),
            _ => {
                self.db.flush()?;
                self.file.sync_data()?;
            }
        }
        Ok(())
    }
}
