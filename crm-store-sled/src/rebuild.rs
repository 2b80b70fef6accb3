//! Making the indexes anew from the leads, in bounded steps.

use crate::SledRepository;
use crate::commit::reindex;
use crate::draft::Draft;
use crate::error::{Result, disagrees};
use crate::flush::Ticket;
use crate::key::TenantNumber;
use crate::meta;
use crate::store::Store;
use crate::table::{Head, Table};
use crate::transaction::{Ending, transact, transact_alone};
use crate::value;
use crm_core::record;
use crm_core::repository::RepositoryError;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Leads indexed in one step.
const STEP: usize = 100;

impl SledRepository {
    /// Makes all indexes and counters anew from the leads.
    ///
    /// It is asked for by `OutdatedIndexes`, after a version of this crate that folds text or lays
    /// out keys in another way; and it repairs indexes that [`verify`](Self::verify) finds wrong.
    /// Until it ends, lists, totals and commits answer `OutdatedIndexes`; leads, histories and the
    /// feed can be read. If it is interrupted, the store says `OutdatedIndexes` when it is opened
    /// again, and this begins anew.
    ///
    /// # Errors
    ///
    /// A damaged record, a failing storage.
    pub async fn rebuild_indexes(&self) -> std::result::Result<(), RepositoryError> {
        Ok(self.write(Store::rebuild_indexes).await?)
    }
}

impl Store {
    fn rebuild_indexes(&self) -> Result<Ticket> {
        let _only_one = self.rebuilding.lock();
        {
            let _alone = self.change();
            self.set_outdated(true);
            transact_alone(&self.tables, meta::begin_rebuild(&self.tables)?)?;
        }
        let mut numbers = Vec::new();
        for key in self.tables.tree(Table::Heads).iter().keys() {
            numbers.push(TenantNumber::of(&key?).ok_or_else(|| disagrees(Table::Heads))?);
        }
        for number in numbers {
            // A tenant may be erased meanwhile, which takes its head.
            if self.head(number)?.is_some() {
                self.recount(number)?;
                for table in [Table::Keys, Table::Counters] {
                    while self.remove_some(number, table)? {}
                }
                self.index_leads(number)?;
            }
        }
        let _alone = self.change();
        transact_alone(&self.tables, meta::end_rebuild())?;
        self.forget_all();
        self.set_outdated(false);
        Ok(self.flusher.take())
    }

    /// Counts what there is of keys and counters, where damage made the head's counts wrong.
    fn recount(&self, number: TenantNumber) -> Result<()> {
        let _alone = self.change();
        let Some(before) = self.head(number)? else {
            return Ok(());
        };
        let mut after = before;
        for table in [Table::Keys, Table::Counters] {
            let mut entries = 0i64;
            for key in self.tables.range(table, number.range()).keys() {
                key?;
                entries += 1;
            }
            let known = i64::try_from(before.count(table)).unwrap_or(i64::MAX);
            after.add(table, entries - known);
        }
        self.replace_head(number, before, after)
    }

    fn replace_head(&self, number: TenantNumber, before: Head, after: Head) -> Result<()> {
        let mut draft = Draft::new(number, Some(before));
        draft.head = after;
        transact_alone(&self.tables, draft.finish())
    }

    fn index_leads(&self, number: TenantNumber) -> Result<()> {
        let (from, to) = number.range();
        let mut after = Bound::Included(from);
        loop {
            let _alone = self.change();
            let Some(head) = self.head(number)? else {
                return Ok(());
            };
            let mut draft = Draft::new(number, Some(head));
            let mut sums = BTreeMap::new();
            let range = (after.clone(), Bound::Excluded(to.clone()));
            let mut last = None;
            let leads = self.tables.tree(Table::Leads);
            for entry in leads.range::<Vec<u8>, _>(range).take(STEP) {
                let (key, entry) = entry?;
                let record = value::join(&self.tables, Table::Leads, &key, entry)?;
                let lead = record::decode_lead(&record)?;
                reindex(None, Some(&lead), &mut draft, &mut sums);
                last = Some(key.to_vec());
            }
            let Some(last) = last else {
                return Ok(());
            };
            self.draft_sums(sums, &mut draft)?;
            if transact(&self.tables, draft.finish())? == Ending::Changed {
                return Err(disagrees(Table::Heads));
            }
            after = Bound::Excluded(last);
        }
    }
}
