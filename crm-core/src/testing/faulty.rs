//! A repository that fails when it is told to.

use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId, TenantId, Version};
use crate::lifecycle::Lifecycle;
use crate::query::{LeadFilter, LeadQuery, Limit, Page};
use crate::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError, RepositoryErrorKind,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Before it took effect: the storage could not be reached.
    Before,
    /// After it took effect: the answer was lost. A commit is then `OutcomeUnknown`, a read
    /// `Unavailable`.
    After,
}

/// Passes every call on to another repository, and fails those it was told to fail.
///
/// Clones share their faults and their count of calls.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::lead::NewLead;
/// use crm_core::memory::MemoryRepository;
/// use crm_core::testing::{Fault, FaultyRepository};
///
/// # pollster::block_on(async {
/// let storage = FaultyRepository::new(MemoryRepository::new());
/// let crm = Crm::open(storage.clone()).await?;
///
/// // The answer to the next commit is lost. `Crm` repeats it under its id: one lead, no error.
/// storage.fail_commit(1, Fault::After);
/// crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// assert_eq!(crm.count(&Default::default()).await?, 1);
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct FaultyRepository<R> {
    inner: R,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    commits: u64,
    faults: Vec<(Which, Fault)>,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Call(u64),
    Commit(u64),
    /// Every call from this one on.
    From(u64),
    /// Every call that follows this commit.
    AfterCommit(u64),
}

impl<R> FaultyRepository<R> {
    /// A repository that fails nothing yet.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            plan: Arc::default(),
        }
    }

    /// Fails the `nth` call from now on, the next one being the first.
    pub fn fail(&self, nth: u64, fault: Fault) {
        self.add(|plan| (Which::Call(plan.calls.saturating_add(nth)), fault));
    }

    /// Fails the `nth` commit from now on, the next one being the first.
    pub fn fail_commit(&self, nth: u64, fault: Fault) {
        self.add(|plan| (Which::Commit(plan.commits.saturating_add(nth)), fault));
    }

    /// Fails the `nth` call from now on and all that follow: the storage is gone.
    pub fn fail_from(&self, nth: u64) {
        self.add(|plan| (Which::From(plan.calls.saturating_add(nth)), Fault::Before));
    }

    /// Fails every call that follows the `nth` commit from now on: the process was killed right
    /// after it.
    pub fn die_after_commit(&self, nth: u64) {
        self.add(|plan| {
            let last = plan.commits.saturating_add(nth);
            (Which::AfterCommit(last), Fault::Before)
        });
    }

    /// Fails nothing any more.
    pub fn heal(&self) {
        self.with(|plan| plan.faults.clear());
    }

    /// How many calls there were, commits included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.with(|plan| plan.calls)
    }

    /// How many commits there were, failed ones included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.with(|plan| plan.commits)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, fault: impl FnOnce(&Plan) -> (Which, Fault)) {
        self.with(|plan| {
            let fault = fault(plan);
            plan.faults.push(fault);
        });
    }

    fn next(&self, is_commit: bool) -> Option<Fault> {
        self.with(|plan| {
            let commits_before = plan.commits;
            plan.calls = plan.calls.saturating_add(1);
            plan.commits = plan.commits.saturating_add(u64::from(is_commit));
            let (calls, commits) = (plan.calls, plan.commits);
            let is_due = |which: Which| match which {
                Which::Call(nth) => nth == calls,
                Which::Commit(nth) => is_commit && nth == commits,
                Which::From(nth) => nth <= calls,
                Which::AfterCommit(last) => last <= commits_before,
            };
            let due = plan.faults.iter().find(|(which, _)| is_due(*which));
            due.map(|(_, fault)| *fault)
        })
    }

    async fn read<T>(
        &self,
        answer: impl Future<Output = Result<T, RepositoryError>>,
    ) -> Result<T, RepositoryError> {
        match self.next(false) {
            None => answer.await,
            Some(Fault::Before) => Err(RepositoryErrorKind::Unavailable.into()),
            Some(Fault::After) => {
                answer.await?;
                Err(RepositoryErrorKind::Unavailable.into())
            }
        }
    }
}

#[async_trait]
impl<R: Repository> Repository for FaultyRepository<R> {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        match self.next(true) {
            None => self.inner.commit(tenant, changes).await,
            Some(Fault::Before) => Err(RepositoryErrorKind::Unavailable.into()),
            Some(Fault::After) => {
                self.inner.commit(tenant, changes).await?;
                let commit = changes.commit();
                Err(RepositoryErrorKind::OutcomeUnknown { commit }.into())
            }
        }
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        self.read(self.inner.committed(tenant, commit)).await
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        self.read(self.inner.get(tenant, ids)).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        self.read(self.inner.find(tenant, query)).await
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        self.read(self.inner.count(tenant, filter)).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        self.read(self.inner.history(tenant, lead, query)).await
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        self.read(self.inner.events(tenant, after, limit)).await
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> Result<Aggregated, RepositoryError> {
        self.read(self.inner.aggregate(tenant, what)).await
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError> {
        self.read(self.inner.lifecycle(tenant)).await
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError> {
        self.read(self.inner.lifecycle_at(tenant, version)).await
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        self.read(self.inner.document(tenant, key)).await
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        self.read(self.inner.tenants(after)).await
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        self.read(self.inner.erase_tenant(tenant)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryRepository;

    #[test]
    fn the_nth_call_fails_and_no_other() {
        let storage = FaultyRepository::new(MemoryRepository::new());
        storage.fail(2, Fault::Before);
        let tenant = TenantId::DEFAULT;
        let works = || pollster::block_on(storage.lifecycle(&tenant)).is_ok();
        assert_eq!([works(), works(), works()], [true, false, true]);
        storage.fail_from(2);
        assert_eq!([works(), works(), works()], [true, false, false]);
        storage.heal();
        assert!(works());
        assert_eq!(storage.calls(), 7);
    }
}
