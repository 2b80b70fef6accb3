//! A storage of one's own: an ordered map or two behind a lock, and the one trait.
//!
//! ```text
//! cargo run --example own_backend
//! cargo test --example own_backend
//! ```
//!
//! What a backend adds is where bytes are kept and how a change set is applied as a whole. What to
//! keep, in which order lists come and what a search finds is core's. The last lines of this file
//! are the proof that the storage can stand in for any other.
//!
//! `tenant` holds what is kept and how it is read, `commit` how it is written.

mod commit;
mod tenant;

use async_trait::async_trait;
use crm_kit::event::{CommitId, EventCursor};
use crm_kit::index::{self, IndexReader};
use crm_kit::prelude::*;
use crm_kit::query::{LeadFilter, Limit};
use crm_kit::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, RepositoryError,
    RepositoryErrorKind as Kind, TENANTS_PER_PAGE,
};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenant::Tenant;

type Answer<T> = Result<T, RepositoryError>;

/// The storage. What one call changes, the next one sees, because each holds the lock.
#[derive(Clone, Default)]
struct OwnRepository(Arc<Mutex<BTreeMap<TenantId, Tenant>>>);

impl OwnRepository {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TenantId, Tenant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a tenant; one that does not exist reads as an empty one.
    fn read<T>(&self, tenant: &TenantId, read: impl FnOnce(&Tenant) -> T) -> T {
        let tenants = self.lock();
        match tenants.get(tenant) {
            Some(found) => read(found),
            None => read(&Tenant::default()),
        }
    }
}

/// What is stored is nobody's business in a log.
impl fmt::Debug for OwnRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRepository")
    }
}

#[async_trait]
impl Repository for OwnRepository {
    async fn commit(&self, tenant: &TenantId, changes: &ChangeSet) -> Answer<Committed> {
        let mut tenants = self.lock();
        let existed = tenants.contains_key(tenant);
        let done = tenants.entry(tenant.clone()).or_default().commit(changes);
        if done.is_err() && !existed {
            tenants.remove(tenant);
        }
        done
    }

    async fn committed(&self, tenant: &TenantId, commit: CommitId) -> Answer<Option<Committed>> {
        self.read(tenant, |tenant| tenant.committed(commit))
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Answer<Vec<Lead>> {
        self.read(tenant, |tenant| {
            ids.iter()
                .filter_map(|id| tenant.lead(*id).transpose())
                .collect()
        })
    }

    async fn find(&self, tenant: &TenantId, query: &LeadQuery) -> Answer<Page<Lead>> {
        self.read(tenant, |found| found.find(tenant, query))
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Answer<u64> {
        self.read(tenant, |tenant| {
            Ok(index::count(tenant, filter, None)?.count())
        })
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Answer<Page<LeadEvent>> {
        self.read(tenant, |found| found.history(tenant, lead, query))
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Answer<EventPage> {
        self.read(tenant, |found| found.events(tenant, after, limit))
    }

    async fn aggregate(&self, tenant: &TenantId, what: &Aggregate) -> Answer<Aggregated> {
        match what {
            Aggregate::StatusTotals { assigned_to } => {
                let totals = self.read(tenant, |tenant| tenant.status_totals(assigned_to.as_ref()));
                Ok(Aggregated::StatusTotals(totals))
            }
            _ => Err(Kind::Unsupported {
                what: "a total of this kind",
            }
            .into()),
        }
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Answer<Option<Lifecycle>> {
        Ok(self.read(tenant, |tenant| tenant.lifecycle().cloned()))
    }

    async fn lifecycle_at(&self, tenant: &TenantId, version: Version) -> Answer<Option<Lifecycle>> {
        Ok(self.read(tenant, |tenant| tenant.lifecycles.get(&version).cloned()))
    }

    async fn document(&self, tenant: &TenantId, key: &DocumentKey) -> Answer<Option<Document>> {
        Ok(self.read(tenant, |tenant| tenant.documents.get(key).cloned()))
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Answer<Vec<TenantId>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tenants = self.lock();
        let names = tenants
            .range::<TenantId, _>((from, Bound::Unbounded))
            .map(|(name, _)| name);
        Ok(names.take(TENANTS_PER_PAGE).cloned().collect())
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Answer<()> {
        self.lock().remove(tenant);
        Ok(())
    }
}

fn main() -> Result<(), CrmError> {
    pollster::block_on(async {
        let crm = Crm::open(OwnRepository::default()).await?.as_user("anna");
        let john = NewLead::new("John", "Doe", "john@example.com")?.company("Acme Corp");
        let john = crm.create(john).await?;
        crm.create(NewLead::new("Zoë", "Ärzte", "zoe@example.com")?)
            .await?;
        crm.transition(john.id, LeadStatus::CONTACTED).await?;
        let page = crm
            .list(LeadQuery::new().search("acme").total(Total::Exact))
            .await?;
        for lead in &page.items {
            println!("{} is {}", lead.display_name(), lead.status);
        }
        for event in crm.history(john.id, &HistoryQuery::new()).await?.items {
            let who = event.actor.as_ref().map_or("somebody", UserId::as_str);
            println!(
                "  version {}: {} by {who}",
                event.version,
                event.kind.name()
            );
        }
        println!("{} leads in all", crm.count(&LeadQuery::new()).await?);
        Ok(())
    })
}

// One test for each rule of the contract. It is a storage in memory, so a function that makes one is
// all they need; see `testing::Harness` for a storage that outlives its process or needs a runtime.
#[cfg(test)]
mod conformance {
    crm_kit::testing::repository_tests!(super::OwnRepository::default);
}
