//! A storage with a bug, to show that the suite finds it.

use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId, TenantId, Version};
use crate::lifecycle::Lifecycle;
use crate::memory::MemoryRepository;
use crate::query::{Archived, LeadFilter, LeadQuery, Limit, Page};
use crate::repository::{
    Aggregate, Aggregated, Change, ChangeSet, Committed, Document, DocumentKey, EventPage,
    HistoryQuery, Repository, RepositoryError,
};
use crate::testing::draft::Draft;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, Mutex};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// Counts leads in the archive as well.
    CountsTheArchive,
    /// Loses the last lead of a page that others follow.
    LosesTheLastOfAPage,
    /// Does not remember what was committed.
    ForgetsCommits,
    /// Answers every version of a lifecycle with the one in force.
    KeepsOneLifecycle,
    /// Lists a history oldest first, however it is asked for.
    IgnoresTheOrderOfAHistory,
    /// Shows the feed of another tenant.
    MixesFeeds,
    /// Leaves the events of a tenant that is erased.
    ErasesNothing,
    /// Panics when asked for a document that is not there.
    PanicsWithoutDocument,
    /// Reads leads as they were when they were first read.
    ReadsAreStale,
    /// Nothing, but it waits before and after what it does.
    Waits,
    /// Applies a change set change by change, and waits in between.
    CommitsChangeByChange,
    /// Compares the version of an update, and writes it later: of two updates that come at the
    /// same time, as it waits for, both are made.
    ChecksBeforeItWrites,
}

/// The storage in memory with a bug planted in it.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    inner: MemoryRepository,
    bug: Bug,
    both_checked: Arc<Barrier>,
    remembered: Arc<Mutex<BTreeMap<(TenantId, LeadId), Lead>>>,
    /// What commits were answered with, by the name of the answer.
    pub(crate) answers: Arc<Mutex<BTreeSet<String>>>,
}

impl Planted {
    pub(crate) fn new(bug: Bug) -> Self {
        Self {
            inner: MemoryRepository::new(),
            bug,
            both_checked: Arc::new(Barrier::new(2)),
            remembered: Arc::default(),
            answers: Arc::default(),
        }
    }

    async fn wait(&self) {
        if self.bug != Bug::Waits {
            return;
        }
        for _ in 0..3 {
            yielded().await;
        }
    }

    async fn commit_by_change(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        for change in changes.changes() {
            let (commit, change) = (CommitId::random(), vec![change.clone()]);
            let set = ChangeSet::new(commit, changes.checked_against(), change).unwrap();
            self.inner.commit(tenant, &set).await?;
            yielded().await;
        }
        Ok(changes.outcome())
    }

    async fn update_late(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
        wanted: &Lead,
    ) -> Result<Committed, RepositoryError> {
        let read = async || self.inner.get(tenant, &[wanted.id]).await.unwrap().pop();
        assert_eq!(read().await.unwrap().version.next(), wanted.version);
        self.both_checked.wait();
        // Whoever comes second writes over what the first wrote.
        loop {
            let before = read().await.unwrap();
            let mut after = wanted.clone();
            after.version = before.version.next();
            let set = Draft::new().checked(1).update(&before, &after).set();
            if self.inner.commit(tenant, &set).await.is_ok() {
                return Ok(changes.outcome());
            }
        }
    }

    fn answered<T: std::fmt::Debug>(&self, answer: &Result<T, RepositoryError>) {
        let told = match answer {
            Ok(done) => format!("{done:?}"),
            Err(error) => format!("{:?}", error.kind()),
        };
        let name = told.split(|c: char| !c.is_alphanumeric()).next();
        let mut answers = self.answers.lock().unwrap();
        answers.insert(name.unwrap().to_owned());
    }
}

#[async_trait]
impl Repository for Planted {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        if let (Bug::ChecksBeforeItWrites, [Change::Update { lead, .. }]) =
            (self.bug, changes.changes())
        {
            return self.update_late(tenant, changes, lead).await;
        }
        if self.bug == Bug::CommitsChangeByChange {
            return self.commit_by_change(tenant, changes).await;
        }
        self.wait().await;
        let answer = self.inner.commit(tenant, changes).await;
        self.wait().await;
        self.answered(
            &answer
                .as_ref()
                .map(|done| done.applied)
                .map_err(|error| RepositoryError::from(error.kind().clone())),
        );
        answer
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        let known = self.inner.committed(tenant, commit).await?;
        Ok(known.filter(|_| self.bug != Bug::ForgetsCommits))
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        self.wait().await;
        let mut leads = self.inner.get(tenant, ids).await?;
        self.wait().await;
        if self.bug == Bug::ReadsAreStale {
            let mut remembered = self.remembered.lock().unwrap();
            for lead in &mut leads {
                let first = remembered.entry((tenant.clone(), lead.id));
                *lead = first.or_insert_with(|| lead.clone()).clone();
            }
        }
        Ok(leads)
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        self.wait().await;
        let mut page = self.inner.find(tenant, query).await?;
        self.wait().await;
        if self.bug == Bug::LosesTheLastOfAPage && page.next.is_some() {
            page.items.pop();
        }
        Ok(page)
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError> {
        let mut filter = filter.clone();
        if self.bug == Bug::CountsTheArchive {
            filter.archived = Archived::Include;
        }
        self.inner.count(tenant, &filter).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        let mut page = self.inner.history(tenant, lead, query).await?;
        if self.bug == Bug::IgnoresTheOrderOfAHistory {
            page.items.sort_by_key(|event| event.version);
        }
        Ok(page)
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError> {
        let page = self.inner.events(tenant, after, limit).await?;
        let tenants = self.inner.tenants(None).await?;
        match tenants.iter().find(|other| *other != tenant) {
            Some(other) if self.bug == Bug::MixesFeeds && page.events.is_empty() => {
                self.inner.events(other, after, limit).await
            }
            _ => Ok(page),
        }
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
        if self.bug == Bug::KeepsOneLifecycle {
            return self.inner.lifecycle(tenant).await;
        }
        self.inner.lifecycle_at(tenant, version).await
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        let document = self.inner.document(tenant, key).await?;
        assert!(
            document.is_some() || self.bug != Bug::PanicsWithoutDocument,
            "planted"
        );
        Ok(document)
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        self.inner.tenants(after).await
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        if self.bug == Bug::ErasesNothing {
            return Ok(());
        }
        self.wait().await;
        self.inner.erase_tenant(tenant).await?;
        self.wait().await;
        Ok(())
    }
}

/// Lets others go first, once.
async fn yielded() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
