//! A storage that does what a test's script says: fail, before or after it did its work, or let
//! something else happen first. Each call gives way once before its work and once after it, as
//! calls over a network do.

use async_trait::async_trait;
use crm_kit::event::{CommitId, EventCursor, LeadEvent};
use crm_kit::lead::{Lead, LeadId, TenantId, Version};
use crm_kit::lifecycle::Lifecycle;
use crm_kit::memory::MemoryRepository;
use crm_kit::query::{LeadFilter, LeadQuery, Limit, Page};
use crm_kit::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError, RepositoryErrorKind,
};
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// One call of the storage, as the script sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// `commit`, `get`, `find` …
    pub(crate) name: &'static str,
    /// The first call of all is 0.
    pub(crate) number: usize,
}

impl Call {
    pub(crate) fn is_commit(&self) -> bool {
        self.name == "commit"
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Unavailable,
    OutcomeUnknown,
    Other,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Pass,
    /// It fails and does nothing.
    FailBefore(Fault),
    /// It does its work, and its answer is lost.
    FailAfter(Fault),
}

type Script = dyn Fn(Call) -> Deed + Send + Sync;

/// A storage in memory that follows a script. Clones share leads, script and numbers.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryRepository,
    script: Arc<Mutex<Arc<Script>>>,
    calls: Arc<AtomicUsize>,
}

impl Faulty {
    /// One that does not fail.
    pub(crate) fn over(inner: MemoryRepository) -> Self {
        Self {
            inner,
            script: Arc::new(Mutex::new(Arc::new(|_| Deed::Pass))),
            calls: Arc::default(),
        }
    }

    /// From now on follows this script, and numbers calls from 0.
    pub(crate) fn follow(&self, script: impl Fn(Call) -> Deed + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
        self.calls.store(0, Ordering::SeqCst);
    }

    /// From now on does not fail.
    pub(crate) fn heal(&self) {
        self.follow(|_| Deed::Pass);
    }

    /// How many calls there were since the script began.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn around<T>(
        &self,
        name: &'static str,
        commit: Option<CommitId>,
        call: impl Future<Output = Result<T, RepositoryError>> + Send,
    ) -> Result<T, RepositoryError> {
        give_way().await;
        let script = Arc::clone(&self.script.lock().unwrap());
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let deed = script(Call { name, number });
        if let Deed::FailBefore(fault) = deed {
            return Err(fault.error(commit));
        }
        let done = call.await;
        give_way().await;
        match deed {
            Deed::FailAfter(fault) => Err(fault.error(commit)),
            _ => done,
        }
    }
}

impl Fault {
    fn error(self, commit: Option<CommitId>) -> RepositoryError {
        let commit = commit.unwrap_or_else(CommitId::random);
        match self {
            Self::Unavailable => RepositoryErrorKind::Unavailable.into(),
            Self::OutcomeUnknown => RepositoryErrorKind::OutcomeUnknown { commit }.into(),
            Self::Other => {
                RepositoryError::with_source(RepositoryErrorKind::Other, "the disk is on fire")
            }
        }
    }
}

/// Lets whoever else is there go on first.
pub(crate) async fn give_way() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").finish_non_exhaustive()
    }
}

#[async_trait]
impl Repository for Faulty {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        let call = self.inner.commit(tenant, changes);
        self.around("commit", Some(changes.commit()), call).await
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        let call = self.inner.committed(tenant, commit);
        self.around("committed", Some(commit), call).await
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        self.around("get", None, self.inner.get(tenant, ids)).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        self.around("find", None, self.inner.find(tenant, query))
            .await
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        self.around("count", None, self.inner.count(tenant, filter))
            .await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        let call = self.inner.history(tenant, lead, query);
        self.around("history", None, call).await
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        let call = self.inner.events(tenant, after, limit);
        self.around("events", None, call).await
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> Result<Aggregated, RepositoryError> {
        self.around("aggregate", None, self.inner.aggregate(tenant, what))
            .await
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError> {
        self.around("lifecycle", None, self.inner.lifecycle(tenant))
            .await
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError> {
        let call = self.inner.lifecycle_at(tenant, version);
        self.around("lifecycle_at", None, call).await
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        self.around("document", None, self.inner.document(tenant, key))
            .await
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        self.around("tenants", None, self.inner.tenants(after))
            .await
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        self.around("erase_tenant", None, self.inner.erase_tenant(tenant))
            .await
    }
}
