//! Erasing in bounded steps: the events of a lead that was deleted, and all of a tenant.
//!
//! What is to be erased is noted in the transaction that decides it, and the note goes with the
//! last step. Whatever a crash leaves is finished when the store is opened again, before anybody
//! reads it.

use crate::draft::{Before, Draft, Write};
use crate::error::{Error, Result, disagrees};
use crate::flush::Ticket;
use crate::key::{PREFIX, TenantNumber, last_number, lead_of};
use crate::meta::Tenants;
use crate::store::Store;
use crate::table::{Head, Table};
use crate::transaction::transact_alone;
use crate::value;
use crm_core::event::{CommitId, EventKind};
use crm_core::lead::{LeadId, TenantId};
use crm_core::record;
use std::collections::BTreeSet;

/// The most entries that one step removes or rewrites: enough to be quick, few enough that nobody
/// waits long for the lock.
const STEP: usize = 500;

impl Store {
    /// Erases the events of a deleted lead, and what could tell what they held. The lock is held
    /// for changes. Returns the tenant's head as it is then.
    pub(crate) fn erase_lead(&self, number: TenantNumber, lead: LeadId) -> Result<Head> {
        let note = number.lead(lead);
        let mut positions = Vec::new();
        for entry in self.tables.tree(Table::History).scan_prefix(&note) {
            let (_, position) = entry?;
            positions.push(last_number(&position).ok_or_else(|| disagrees(Table::History))?);
        }
        let mut steps = positions.chunks(STEP).peekable();
        while let Some(step) = steps.next() {
            let mut draft = self.draft(number)?;
            self.erase_events(step, &mut draft)?;
            if steps.peek().is_none() {
                draft.write(Write {
                    table: Table::Erasing,
                    key: note.as_slice().into(),
                    before: Before::Present,
                    after: None,
                });
            }
            transact_alone(&self.tables, draft.finish())?;
        }
        self.head(number)?.ok_or_else(|| disagrees(Table::Heads))
    }

    fn draft(&self, number: TenantNumber) -> Result<Draft> {
        let head = self.head(number)?.ok_or_else(|| disagrees(Table::Heads))?;
        Ok(Draft::new(number, Some(head)))
    }

    fn erase_events(&self, positions: &[u64], draft: &mut Draft) -> Result<()> {
        let number = draft.tenant;
        let mut commits: BTreeSet<CommitId> = BTreeSet::new();
        for position in positions {
            let key = number.event(*position);
            let entry = self.tables.get(Table::Events, &key)?;
            let entry = entry.ok_or_else(|| disagrees(Table::Events))?;
            let bytes = value::join(&self.tables, Table::Events, &key, entry.clone())?;
            let mut event = record::decode_event(&bytes)?;
            // The tombstone holds nothing that was typed, nor does the commit it belongs to.
            if matches!(event.kind, EventKind::Deleted { .. }) {
                continue;
            }
            commits.insert(event.commit);
            event.erase();
            let erased = record::encode_event(&event);
            if *bytes != erased[..] {
                draft.put_value(Table::Events, key, Some(&entry), &erased);
            }
        }
        for commit in commits {
            let key = number.commit(commit);
            let entry = self.tables.get(Table::Commits, &key)?;
            let entry = entry.ok_or_else(|| disagrees(Table::Commits))?;
            let bytes = value::join(&self.tables, Table::Commits, &key, entry.clone())?;
            let mut outcome = record::decode_commit(&bytes)?;
            // A digest of what was typed could be guessed back.
            if outcome.fingerprint.take().is_some() {
                let erased = record::encode_commit(&outcome);
                draft.put_value(Table::Commits, key, Some(&entry), &erased);
            }
        }
        Ok(())
    }

    /// Makes a tenant one that never was, and removes what it had. From the first step on nobody
    /// sees anything of it; what is committed under its name then is a new tenant's.
    pub(crate) fn erase_tenant(&self, tenant: &TenantId) -> Result<Ticket> {
        self.check_finished()?;
        let alone = self.change();
        if let Some(known) = self.tenant(tenant)? {
            let writes = vec![
                Write {
                    table: Table::Tenants,
                    key: tenant.as_str().into(),
                    before: Before::Present,
                    after: None,
                },
                Write {
                    table: Table::Erasing,
                    key: known.number.key(&[]).into(),
                    before: Before::Absent,
                    after: Some(sled::IVec::default()),
                },
            ];
            transact_alone(&self.tables, writes)?;
            self.remember(tenant, None);
            // From here on it can be seen that it is gone.
            let _gone = self.flusher.take();
            drop(alone);
            self.flusher.flush();
            self.remove_all(known.number)?;
        } else {
            drop(alone);
        }
        let _alone = self.change();
        Ok(self.flusher.take())
    }

    /// Removes all that an erased tenant had, step by step.
    fn remove_all(&self, number: TenantNumber) -> Result<()> {
        for table in Table::COUNTED {
            while self.remove_some(number, table)? {}
        }
        let _alone = self.change();
        let (from, to) = number.range();
        let head = self.head(number)?.ok_or_else(|| disagrees(Table::Heads))?;
        let mut writes = vec![Tenants::subtract(&self.tables, &head)?];
        // The tenant's own note, and those of leads whose events went with it.
        for note in self.tables.range(Table::Erasing, (from, to)).keys() {
            writes.push(Write {
                table: Table::Erasing,
                key: note?,
                before: Before::Present,
                after: None,
            });
        }
        writes.push(Write {
            table: Table::Heads,
            key: number.key(&[]).into(),
            before: Before::Exactly(head.to_bytes().into()),
            after: None,
        });
        transact_alone(&self.tables, writes)?;
        self.flusher.count(1);
        Ok(())
    }

    /// Removes some entries of a tenant; false once there are none.
    pub(crate) fn remove_some(&self, number: TenantNumber, table: Table) -> Result<bool> {
        let _alone = self.change();
        // Somebody else may have removed all of it meanwhile.
        let Some(head) = self.head(number)? else {
            return Ok(false);
        };
        let mut draft = Draft::new(number, Some(head));
        for key in self.tables.range(table, number.range()).keys().take(STEP) {
            draft.remove(table, key?);
        }
        if draft.len() == 0 {
            return Ok(false);
        }
        transact_alone(&self.tables, draft.finish())?;
        Ok(true)
    }

    /// Finishes what a crash interrupted.
    pub(crate) fn finish_erasing(&self) -> Result<()> {
        let mut leads = Vec::new();
        let mut tenants = Vec::new();
        for note in self.tables.tree(Table::Erasing).iter().keys() {
            let note = note?;
            let number = TenantNumber::of(&note).ok_or_else(|| disagrees(Table::Erasing))?;
            if note.len() == PREFIX {
                tenants.push(number);
            } else {
                let lead = lead_of(&note).ok_or(Error::Damaged("a note of what to erase"))?;
                leads.push((number, lead));
            }
        }
        for (number, lead) in leads {
            // Its tenant may go as a whole.
            if !tenants.contains(&number) {
                let _alone = self.change();
                self.erase_lead(number, lead)?;
            }
        }
        for number in tenants {
            self.remove_all(number)?;
        }
        Ok(())
    }
}
