//! Applying a change set: the checks of the contract in their order, then one transaction.

use crate::draft::{Before, Draft, Ending, Write, transact};
use crate::error::{Error, Result, disagrees};
use crate::flush::Ticket;
use crate::key::TenantNumber;
use crate::meta::Tenants;
use crate::store::{Known, Store};
use crate::table::Table;
use crate::value::{self, sum_of};
use crm_core::event::LeadEvent;
use crm_core::index::{Counter, IndexKey, Measure, Shelf, counter_changes, index_changes};
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::record;
use crm_core::repository::{
    Change, ChangeSet, Committed, Document, DocumentKey, RepositoryErrorKind,
};
use crm_core::serde_json;
use sled::IVec;
use std::collections::{BTreeMap, HashMap};

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
    documents: HashMap<&'a DocumentKey, IVec>,
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

    fn lifecycle(&self) -> Option<&Lifecycle> {
        self.known.as_ref()?.lifecycle.as_ref()
    }

    /// The outcome, if the commit was made before.
    fn repeated(&self) -> Result<Option<Committed>> {
        let commit = self.changes.commit();
        let number = self.number();
        let Some(bytes) = self.store.value(Table::Commits, &number.commit(commit))? else {
            return Ok(None);
        };
        let done = record::decode_commit(&bytes)?;
        if !done.is_of(self.changes.fingerprint()) {
            return Err(RepositoryErrorKind::CommitReused { commit }.into());
        }
        for (lead, version) in &done.leads {
            let lead = *lead;
            if *version == Version::FIRST && self.entry(Table::Leads, &number.lead(lead))?.is_none()
            {
                return Err(RepositoryErrorKind::Gone { lead }.into());
            }
        }
        Ok(Some(done.repeated()))
    }

    fn entry(&self, table: Table, key: &[u8]) -> Result<Option<IVec>> {
        Ok(self.store.tables.get(table, key)?)
    }

    /// Checks and writes. `None` if the tenant was changed meanwhile.
    fn make(mut self, tenant: &TenantId) -> Result<Option<Ticket>> {
        self.check_lifecycle()?;
        for change in self.changes.changes() {
            self.check(change)?;
        }
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
            Err(failed) if failed.is_doubtful => return Err(self.doubtful(failed.error)),
            Err(failed) => return Err(failed.error),
        }
        let lifecycle = self.changes.lifecycle().or(self.lifecycle()).cloned();
        let now = Known {
            number,
            head,
            lifecycle,
        };
        self.store.remember(tenant, Some(now));
        self.erase_deleted(tenant, number)
            .map_err(|error| self.doubtful(error))?;
        Ok(Some(self.store.flusher.take()))
    }

    fn doubtful(&self, cause: Error) -> Error {
        Error::Doubtful {
            commit: self.changes.commit(),
            cause: Box::new(cause),
        }
    }

    fn check_lifecycle(&self) -> Result<()> {
        let found = self.lifecycle().map(Lifecycle::version);
        for change in self.changes.changes() {
            if let Change::ReplaceLifecycle {
                expected,
                lifecycle,
            } = change
            {
                if *expected != found {
                    return Err(RepositoryErrorKind::StaleLifecycle { found }.into());
                }
                self.check_statuses_in_use(lifecycle)?;
            }
        }
        let in_force = self.changes.lifecycle().map(Lifecycle::version).or(found);
        match self.changes.checked_against() {
            Some(checked) if Some(checked) != in_force => {
                Err(RepositoryErrorKind::StaleLifecycle { found }.into())
            }
            _ => Ok(()),
        }
    }

    /// Every status that leads are in must be there still, unless this set moves them all.
    fn check_statuses_in_use(&self, after: &Lifecycle) -> Result<()> {
        let Some(before) = self.lifecycle() else {
            return Ok(());
        };
        for removed in before.removed_in(after) {
            let status = &removed.slug;
            let mut leads = 0u64;
            for shelf in [Shelf::Active, Shelf::Archived] {
                leads = leads.saturating_add(self.leads_in(shelf, status)?);
            }
            for change in self.changes.changes() {
                let id = match change {
                    Change::Update { lead, .. } => lead.id,
                    Change::Delete { lead, .. } => *lead,
                    _ => continue,
                };
                if let Some((_, lead)) = self.stored(id)?
                    && lead.status == *status
                {
                    leads = leads.saturating_sub(1);
                }
            }
            if leads > 0 {
                let status = status.clone();
                return Err(RepositoryErrorKind::StatusInUse { status, leads }.into());
            }
        }
        Ok(())
    }

    fn leads_in(&self, shelf: Shelf, status: &LeadStatus) -> Result<u64> {
        let counter = Counter {
            shelf,
            assignee: None,
            status: Some(status.clone()),
            measure: Measure::Leads,
        };
        let key = self.number().key(&[&counter.key()]);
        let count = self.entry(Table::Counters, &key)?;
        let count = count.map_or(Ok(0), |bytes| sum_of(&bytes))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// A lead, as its bytes and decoded.
    fn stored(&self, id: LeadId) -> Result<Option<(IVec, Lead)>> {
        let key = self.number().lead(id);
        let Some(entry) = self.entry(Table::Leads, &key)? else {
            return Ok(None);
        };
        let bytes = value::join(&self.store.tables, Table::Leads, &key, entry.clone())?;
        Ok(Some((entry, record::decode_lead(&bytes)?)))
    }

    /// Whether there ever was such a lead, from its first event.
    fn existed(&self, id: LeadId) -> Result<bool> {
        let first = self.number().history(id, Version::FIRST);
        Ok(self.entry(Table::History, &first)?.is_some())
    }

    fn check(&mut self, change: &'a Change) -> Result<()> {
        match change {
            Change::Create { lead, .. } => {
                let id = lead.id;
                if self.entry(Table::Leads, &self.number().lead(id))?.is_some() {
                    return Err(RepositoryErrorKind::AlreadyExists { lead: id }.into());
                }
                if self.existed(id)? {
                    return Err(RepositoryErrorKind::Gone { lead: id }.into());
                }
                self.check_status(lead)
            }
            Change::Update { lead, .. } => {
                let expected = Version::new(lead.version.get().saturating_sub(1));
                self.check_version(lead.id, expected)?;
                self.check_status(lead)
            }
            Change::Delete { lead, expected, .. } => self.check_version(*lead, *expected),
            Change::PutDocument { expected, document } => {
                self.check_document(&document.key, *expected)
            }
            Change::RemoveDocument { key, expected } => self.check_document(key, Some(*expected)),
            Change::ReplaceLifecycle { .. } => Ok(()),
            _ => Err(RepositoryErrorKind::Unsupported {
                what: "a change of this kind",
            }
            .into()),
        }
    }

    fn check_version(&mut self, id: LeadId, expected: Version) -> Result<()> {
        let kind = match self.stored(id)? {
            Some((entry, lead)) if lead.version == expected => {
                self.before.insert(id, (entry, lead));
                return Ok(());
            }
            Some((_, lead)) => RepositoryErrorKind::Conflict {
                lead: id,
                expected,
                found: lead.version,
            },
            None if self.existed(id)? => RepositoryErrorKind::Gone { lead: id },
            None => RepositoryErrorKind::NotFound { lead: id },
        };
        Err(kind.into())
    }

    fn check_status(&self, lead: &Lead) -> Result<()> {
        let in_force = self.changes.lifecycle().or(self.lifecycle());
        if in_force.is_some_and(|known| known.get(&lead.status).is_some()) {
            return Ok(());
        }
        let status = lead.status.clone();
        Err(RepositoryErrorKind::UnknownStatus { status }.into())
    }

    fn check_document(&mut self, key: &'a DocumentKey, expected: Option<Version>) -> Result<()> {
        let stored_key = self.number().document(key);
        let entry = self.entry(Table::Documents, &stored_key)?;
        let found = match &entry {
            Some(entry) => {
                let tables = &self.store.tables;
                let value = value::join(tables, Table::Documents, &stored_key, entry.clone())?;
                Some(document_from(key, &value)?.version)
            }
            None => None,
        };
        if found == expected {
            self.documents.extend(entry.map(|entry| (key, entry)));
            return Ok(());
        }
        let key = key.clone();
        Err(RepositoryErrorKind::DocumentConflict { key, found }.into())
    }

    /// Writes down what the changes come to. Nothing is refused from here on.
    fn draft_changes(&self, draft: &mut Draft) -> Result<()> {
        let mut sums: BTreeMap<IndexKey, i128> = BTreeMap::new();
        for change in self.changes.changes() {
            self.draft_change(change, draft, &mut sums)?;
        }
        self.store.draft_sums(sums, draft)?;
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
            Change::Create { lead, event } | Change::Update { lead, event } => {
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

/// Writes down how the indexes change with a lead, and adds up how the counters do.
pub(crate) fn reindex(
    before: Option<&Lead>,
    after: Option<&Lead>,
    draft: &mut Draft,
    sums: &mut BTreeMap<IndexKey, i128>,
) {
    let number = draft.tenant;
    let changes = index_changes(before, after);
    for key in &changes.delete {
        draft.remove(Table::Keys, number.key(&[key]));
    }
    for key in &changes.put {
        draft.insert(Table::Keys, number.key(&[key]), IVec::default());
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
