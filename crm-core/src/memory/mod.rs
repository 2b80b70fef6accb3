//! The storage in memory: the reference that every other backend is held against, and what tests
//! of an application use.
//!
//! Everything of a tenant is behind one lock, held for the time of one commit or one read and never
//! across an await. A reader waits for one commit at most, however many are waiting. Nothing
//! outlives the process.
//!
//! Leads are found as a key-value store finds them: by ranges over the keys of
//! [`index`](crate::index), so this module has no rule of its own about filters or order.

mod lock;
mod tenant;

use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId, TenantId, Version};
use crate::lifecycle::Lifecycle;
use crate::query::{LeadFilter, LeadQuery, Limit, Page};
use crate::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError, TENANTS_PER_PAGE,
};
use async_trait::async_trait;
use lock::Phases;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use tenant::Tenant;

/// Leads in memory.
///
/// Cheap to clone; clones share the same leads.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::memory::MemoryRepository;
///
/// # pollster::block_on(async {
/// let crm = Crm::open(MemoryRepository::new()).await?;
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryRepository {
    tenants: Arc<RwLock<BTreeMap<TenantId, Arc<Phases<Tenant>>>>>,
}

impl MemoryRepository {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a tenant; one that does not exist reads as `empty`.
    fn read<T>(&self, tenant: &TenantId, empty: T, read: impl FnOnce(&Tenant) -> T) -> T {
        let tenants = self.tenants.read();
        let Some(found) = tenants.get(tenant).cloned() else {
            return empty;
        };
        drop(tenants);
        let found = found.read();
        read(&found)
    }

    /// The tenants after this one, those that were erased or never had a commit among them. The
    /// lock on all of them is not held while one of them is read.
    fn some_tenants(&self, after: Option<&TenantId>) -> Vec<(TenantId, Arc<Phases<Tenant>>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let known = self.tenants.read();
        let range = known.range::<TenantId, _>((from, Bound::Unbounded));
        let owned = range.map(|(id, tenant)| (id.clone(), Arc::clone(tenant)));
        owned.take(TENANTS_PER_PAGE).collect()
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<Phases<Tenant>> {
        let known = self.tenants.read();
        if let Some(found) = known.get(tenant) {
            return Arc::clone(found);
        }
        drop(known);
        let mut known = self.tenants.write();
        Arc::clone(known.entry(tenant.clone()).or_default())
    }
}

impl fmt::Debug for MemoryRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRepository").finish_non_exhaustive()
    }
}

#[async_trait]
impl Repository for MemoryRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        self.tenant(tenant).write(|tenant| tenant.commit(changes))
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        Ok(self.read(tenant, None, |tenant| tenant.committed(commit)))
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        Ok(self.read(tenant, Vec::new(), |tenant| tenant.get(ids)))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        let empty = || Tenant::default().find(tenant, query);
        self.read(tenant, None, |found| Some(found.find(tenant, query)))
            .unwrap_or_else(empty)
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        self.read(tenant, Ok(0), |tenant| tenant.count(filter))
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        let empty = || Tenant::default().history(tenant, lead, query);
        self.read(tenant, None, |found| {
            Some(found.history(tenant, lead, query))
        })
        .unwrap_or_else(empty)
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        let empty = || Tenant::default().events(tenant, after, limit);
        self.read(tenant, None, |found| {
            Some(found.events(tenant, after, limit))
        })
        .unwrap_or_else(empty)
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> Result<Aggregated, RepositoryError> {
        match what {
            Aggregate::StatusTotals { assigned_to } => {
                let totals = self.read(tenant, Vec::new(), |tenant| {
                    tenant.status_totals(assigned_to.as_ref())
                });
                Ok(Aggregated::StatusTotals(totals))
            }
        }
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError> {
        Ok(self.read(tenant, None, |tenant| tenant.lifecycle().cloned()))
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError> {
        Ok(self.read(tenant, None, |tenant| tenant.lifecycle_at(version).cloned()))
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        Ok(self.read(tenant, None, |tenant| tenant.document(key).cloned()))
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        let mut found = Vec::new();
        let mut after = after.cloned();
        loop {
            let known = self.some_tenants(after.as_ref());
            let is_last = known.len() < TENANTS_PER_PAGE;
            after = known.last().map(|(id, _)| id.clone());
            let exists = known
                .into_iter()
                .filter(|(_, tenant)| !tenant.read().is_empty());
            found.extend(exists.map(|(id, _)| id));
            if is_last || found.len() >= TENANTS_PER_PAGE {
                found.truncate(TENANTS_PER_PAGE);
                return Ok(found);
            }
        }
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        let Some(erased) = self.tenants.read().get(tenant).cloned() else {
            return Ok(());
        };
        erased.write(|tenant| *tenant = Tenant::default());
        let mut tenants = self.tenants.write();
        // A commit that is about to begin may hold it already: then it must stay, or what it writes
        // would be nowhere. Two references are the one in the map and ours.
        if Arc::strong_count(&erased) == 2
            && tenants
                .get(tenant)
                .is_some_and(|known| Arc::ptr_eq(known, &erased))
            && erased.read().is_empty()
        {
            tenants.remove(tenant);
        }
        Ok(())
    }
}
