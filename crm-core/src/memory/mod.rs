//! The storage in memory: the reference that every other backend is held against, and what tests
//! of an application use.
//!
//! Everything of a tenant is behind one lock, held for the time of one commit or one read and never
//! across an await, and handed over fairly: a reader waits for the commits that were waiting before
//! it, not for those that come after. Nothing outlives the process.
//!
//! Leads are found as a key-value store finds them: by ranges over the keys of
//! [`index`](crate::index), so this module has no rule of its own about filters or order.

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
use parking_lot::{RwLock, RwLockWriteGuard};
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
    tenants: Arc<RwLock<BTreeMap<TenantId, Arc<RwLock<Tenant>>>>>,
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

    fn tenant(&self, tenant: &TenantId) -> Arc<RwLock<Tenant>> {
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
        let found = self.tenant(tenant);
        let mut found = found.write();
        let done = found.commit(changes);
        // Hands the lock to those who wait already: readers must not starve behind many writers.
        RwLockWriteGuard::unlock_fair(found);
        done
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
        let empty = EventPage::new(Vec::new(), after.copied());
        Ok(self.read(tenant, empty, |tenant| tenant.events(after, limit)))
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
        let tenants = self.tenants.read();
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let exists = |tenant: &RwLock<Tenant>| !tenant.read().is_empty();
        Ok(tenants
            .range((from, Bound::Unbounded))
            .filter(|(_, tenant)| exists(tenant))
            .map(|(id, _)| id.clone())
            .take(TENANTS_PER_PAGE)
            .collect())
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        let mut tenants = self.tenants.write();
        if let Some(erased) = tenants.get(tenant).cloned() {
            *erased.write() = Tenant::default();
            // A commit that is about to begin may hold it already: then it must stay, or what it
            // writes would be nowhere. Two references are the one in the map and ours.
            if Arc::strong_count(&erased) == 2 {
                tenants.remove(tenant);
            }
        }
        Ok(())
    }
}
