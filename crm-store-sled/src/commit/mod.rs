//! Applying a change set: core's checks, then one transaction.

mod apply;
mod check;

pub(crate) use apply::{document_from, reindex};

use crate::draft::{Before, Draft, Write};
use crate::error::{Error, Result, disagrees};
use crate::flush::Ticket;
use crate::key::TenantNumber;
use crate::meta::Tenants;
use crate::store::{Known, Store};
use crate::table::Table;
use crate::transaction::{Ending, transact};
use crm_core::lead::{Lead, LeadId, TenantId};
use crm_core::lifecycle::Lifecycle;
use crm_core::record;
use crm_core::repository::{Change, ChangeSet, Committed, DocumentKey, check, repeated};
use sled::IVec;
use std::collections::HashMap;
use std::sync::Arc;

/// How often a commit is computed anew because something changed under it. Nothing does while the
/// lock is held, so the second time is one too many.
const ATTEMPTS: usize = 2;

impl Store {
    /// Applies a change set, and returns the ticket to wait with before telling anybody.
    pub(crate) fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<(Committed, Ticket)> {
        let _alone = self.change();
        // Under the lock, so that a failure is noted before anybody can see what is half there.
        self.attempted(|store| store.commit_alone(tenant, changes))
    }

    fn commit_alone(&self, tenant: &TenantId, changes: &ChangeSet) -> Result<(Committed, Ticket)> {
        self.check_finished()?;
        self.check_indexes()?;
        for _ in 0..ATTEMPTS {
            let known = self.tenant(tenant)?;
            let commit = Commit::new(self, known, changes);
            if let Some(done) = commit.repeated()? {
                // It may have been made a moment ago, and not be on disk yet.
                return Ok((done, self.flusher.take()));
            }
            if let Some(ticket) = commit.make(tenant)? {
                return Ok((changes.outcome(), ticket));
            }
            self.remember(tenant, None);
        }
        Err(disagrees(Table::Heads))
    }
}

struct Commit<'a> {
    store: &'a Store,
    known: Option<Known>,
    changes: &'a ChangeSet,
    /// The leads that are changed, as they are stored.
    before: HashMap<LeadId, (IVec, Lead)>,
    /// The documents that are changed, as they are stored.
    documents: HashMap<DocumentKey, IVec>,
}

impl<'a> Commit<'a> {
    fn new(store: &'a Store, known: Option<Known>, changes: &'a ChangeSet) -> Self {
        Self {
            store,
            known,
            changes,
            before: HashMap::new(),
            documents: HashMap::new(),
        }
    }

    /// The number in keys that are read; nobody's if the tenant is new.
    fn number(&self) -> TenantNumber {
        let known = self.known.as_ref();
        known.map_or(TenantNumber::NONE, |known| known.number)
    }

    fn in_force(&self) -> Option<&Lifecycle> {
        self.known.as_ref()?.lifecycle.as_deref()
    }

    /// The outcome, if the commit was made before.
    fn repeated(&self) -> Result<Option<Committed>> {
        let commit = self.changes.commit();
        let number = self.number();
        let Some(bytes) = self.store.value(Table::Commits, &number.commit(commit))? else {
            return Ok(None);
        };
        let done = record::decode_commit(&bytes)?;
        let is_there = |lead| Ok(self.entry(Table::Leads, &number.lead(lead))?.is_some());
        repeated(done, self.changes, is_there).map(Some)
    }

    fn entry(&self, table: Table, key: &[u8]) -> Result<Option<IVec>> {
        Ok(self.store.tables.get(table, key)?)
    }

    /// Checks and writes. `None` if the tenant was changed meanwhile.
    fn make(mut self, tenant: &TenantId) -> Result<Option<Ticket>> {
        let changes = self.changes;
        check(&mut self, changes)?;
        let mut new = Vec::new();
        let number = match &self.known {
            Some(known) => known.number,
            None => {
                let (number, counted) = Tenants::add(&self.store.tables)?;
                new.push(counted);
                new.push(Write {
                    table: Table::Tenants,
                    key: tenant.as_str().into(),
                    before: Before::Absent,
                    after: Some(number.key(&[]).into()),
                });
                number
            }
        };
        let mut draft = Draft::new(number, self.known.as_ref().map(|known| known.head));
        for write in new {
            draft.write(write);
        }
        self.draft_changes(&mut draft)?;
        draft.head.made += 1;
        let head = draft.head;
        match transact(&self.store.tables, draft.finish()) {
            Ok(Ending::Made) => self.store.flusher.count_one(),
            Ok(Ending::Changed) => return Ok(None),
            Err(failed) if failed.is_doubtful => {
                // At once, before anybody can see what was written of it.
                return Err(self.doubtful(self.store.flusher.fail(failed.error)));
            }
            Err(failed) => return Err(failed.error),
        }
        let lifecycle = match self.changes.lifecycle() {
            Some(replaced) => Some(Arc::new(replaced.clone())),
            None => self.known.take().and_then(|known| known.lifecycle),
        };
        let now = Known {
            number,
            head,
            lifecycle,
        };
        self.store.remember(tenant, Some(now));
        // Before the steps that follow, which may fail: the commit can be seen all the same.
        let _made = self.store.flusher.take();
        self.erase_deleted(tenant, number)
            .map_err(|error| self.doubtful(self.store.note(error)))?;
        Ok(Some(self.store.flusher.take()))
    }

    fn doubtful(&self, cause: Error) -> Error {
        Error::Doubtful {
            commit: self.changes.commit(),
            cause: Box::new(cause),
        }
    }

    fn erase_deleted(&self, tenant: &TenantId, number: TenantNumber) -> Result<()> {
        for change in self.changes.changes() {
            if let Change::Delete { lead, .. } = change {
                let head = self.store.erase_lead(number, *lead)?;
                if let Some(mut known) = self.store.remembered(tenant) {
                    known.head = head;
                    self.store.remember(tenant, Some(known));
                }
            }
        }
        Ok(())
    }
}
