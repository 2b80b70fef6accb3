//! Applying a change set: core's checks, then one transaction.

mod apply;
mod check;
mod together;

pub(crate) use apply::{document_from, reindex};
pub(crate) use together::Together;

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
use std::collections::{BTreeMap, HashMap};
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
            let mut commit = Commit::new(self, known, changes);
            // Nearly all commits are new. One that was made before is in its own way: then, and only
            // then, it is looked for.
            let refused = check(&mut commit, changes).err();
            if refused.is_none()
                && let Some(ticket) = self.make(tenant, std::slice::from_ref(&commit))?
            {
                return Ok((changes.outcome(), ticket));
            }
            if let Some(done) = commit.repeated()? {
                // It may have been made a moment ago, and not be on disk yet.
                return Ok((done, self.flusher.take()));
            }
            if let Some(refused) = refused {
                return Err(refused);
            }
            self.remember(tenant, None);
        }
        Err(disagrees(Table::Heads))
    }

    /// Writes what was checked, in one transaction. `None` if the tenant was changed meanwhile, or
    /// one of the commits is there.
    fn make(&self, tenant: &TenantId, commits: &[Commit<'_>]) -> Result<Option<Ticket>> {
        let Some(first) = commits.first() else {
            return Ok(None);
        };
        let mut new = Vec::new();
        let number = match &first.known {
            Some(known) => known.number,
            None => {
                let (number, counted) = Tenants::add(&self.tables)?;
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
        let mut draft = Draft::new(number, first.known.as_ref().map(|known| known.head));
        for write in new {
            draft.write(write);
        }
        let mut sums = BTreeMap::new();
        for commit in commits {
            commit.draft_changes(&mut draft, &mut sums)?;
            draft.head.made += 1;
        }
        self.draft_sums(sums, &mut draft)?;
        let head = draft.head;
        match transact(&self.tables, draft.finish()) {
            Ok(Ending::Made) => self.flusher.count(commits.len() as u64),
            Ok(Ending::Changed) => return Ok(None),
            Err(failed) if failed.is_doubtful => {
                // At once, before anybody can see what was written of it.
                return Err(first.doubtful(self.flusher.fail(failed.error)));
            }
            Err(failed) => return Err(failed.error),
        }
        let replaced = commits.iter().find_map(|commit| commit.changes.lifecycle());
        let lifecycle = match replaced {
            Some(replaced) => Some(Arc::new(replaced.clone())),
            None => first
                .known
                .as_ref()
                .and_then(|known| known.lifecycle.clone()),
        };
        let now = Known {
            number,
            head,
            lifecycle,
        };
        self.remember(tenant, Some(now));
        // Before the steps that follow, which may fail: the commit can be seen all the same.
        let made = self.flusher.take();
        let mut is_erased = false;
        for commit in commits {
            is_erased |= commit
                .erase_deleted(tenant, number)
                .map_err(|error| commit.doubtful(self.note(error)))?;
        }
        Ok(Some(if is_erased { self.flusher.take() } else { made }))
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

    fn doubtful(&self, cause: Error) -> Error {
        Error::Doubtful {
            commit: self.changes.commit(),
            cause: Box::new(cause),
        }
    }

    /// Whether there was anything to erase.
    fn erase_deleted(&self, tenant: &TenantId, number: TenantNumber) -> Result<bool> {
        let mut is_erased = false;
        for change in self.changes.changes() {
            if let Change::Delete { lead, .. } = change {
                is_erased = true;
                let head = self.store.erase_lead(number, *lead)?;
                if let Some(mut known) = self.store.remembered(tenant) {
                    known.head = head;
                    self.store.remember(tenant, Some(known));
                }
            }
        }
        Ok(is_erased)
    }
}
