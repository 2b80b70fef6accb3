//! Storage that moves no lead out of a removed status until it is let, or holds up another step of
//! the removal.

use async_trait::async_trait;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::memory::MemoryRepository;
use crm_core::query::{LeadFilter, LeadQuery, Limit, Page};
use crm_core::repository::{
    Aggregate, Aggregated, Change, ChangeSet, Committed, Document, DocumentKey, EventPage,
    HistoryQuery, Repository, RepositoryError,
};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

#[derive(Debug, Clone)]
pub(crate) struct GatedRepository {
    inner: MemoryRepository,
    step: Step,
    /// Each permit lets one commit through.
    pub(crate) open: Arc<Semaphore>,
    /// Told when a commit is held up.
    pub(crate) reached: Arc<Notify>,
}

/// What is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The answer to the mark, which is stored.
    Mark,
    /// Moving leads.
    Move,
    /// The end of this status.
    End(&'static str),
    /// The answer to a change of documents, which is stored.
    Document,
}

impl GatedRepository {
    pub(crate) fn shut() -> Self {
        Self::shut_at(Step::Move)
    }

    pub(crate) fn shut_at(step: Step) -> Self {
        Self {
            inner: MemoryRepository::new(),
            step,
            open: Arc::new(Semaphore::new(0)),
            reached: Arc::default(),
        }
    }

    async fn wait(&self) {
        self.reached.notify_one();
        self.open.acquire().await.unwrap().forget();
    }
}

fn edited(changes: &ChangeSet) -> Option<&Lifecycle> {
    changes.changes().iter().find_map(|change| match change {
        Change::ReplaceLifecycle { lifecycle, .. } => Some(lifecycle),
        _ => None,
    })
}

fn is_a_removal(change: &Change) -> bool {
    let Change::Update { lead, .. } = change else {
        return false;
    };
    let reason = lead.status_reason.as_deref();
    reason.is_some_and(|reason| reason.ends_with("was removed"))
}

#[async_trait]
impl Repository for GatedRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        let is_held_up = match (self.step, edited(changes)) {
            (Step::Move, _) => changes.changes().iter().any(is_a_removal),
            (Step::End(status), Some(lifecycle)) => !lifecycle
                .statuses()
                .iter()
                .any(|known| known.slug == *status),
            (Step::Document, _) => {
                let committed = self.inner.commit(tenant, changes).await;
                let is_of_documents = |change: &Change| {
                    matches!(
                        change,
                        Change::PutDocument { .. } | Change::RemoveDocument { .. }
                    )
                };
                if changes.changes().iter().any(is_of_documents) {
                    self.wait().await;
                }
                return committed;
            }
            (Step::Mark, Some(lifecycle)) => {
                let committed = self.inner.commit(tenant, changes).await;
                if lifecycle
                    .statuses()
                    .iter()
                    .any(|status| status.is_retiring())
                {
                    self.wait().await;
                }
                return committed;
            }
            _ => false,
        };
        if is_held_up {
            self.wait().await;
        }
        self.inner.commit(tenant, changes).await
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        self.inner.committed(tenant, commit).await
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        self.inner.get(tenant, ids).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        self.inner.find(tenant, query).await
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        self.inner.count(tenant, filter).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        self.inner.history(tenant, lead, query).await
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        self.inner.events(tenant, after, limit).await
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> Result<Aggregated, RepositoryError> {
        self.inner.aggregate(tenant, what).await
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError> {
        self.inner.lifecycle(tenant).await
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError> {
        self.inner.lifecycle_at(tenant, version).await
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        self.inner.document(tenant, key).await
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        self.inner.tenants(after).await
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        self.inner.erase_tenant(tenant).await
    }
}
