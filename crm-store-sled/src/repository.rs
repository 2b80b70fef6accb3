//! [`SledRepository`]: each call of the contract, and on which thread it runs.

use crate::commit::document_from;
use crate::error::{Error, Result};
use crate::flush::Ticket;
use crate::key::TenantNumber;
use crate::open;
use crate::options::SledBuilder;
use crate::queue::Queue;
use crate::store::{AtOnce, Known, Store};
use crate::table::Table;
use crate::value::Value;
use async_trait::async_trait;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::query::{LeadFilter, LeadQuery, Limit, Page};
use crm_core::record;
use crm_core::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError, RepositoryErrorKind,
};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Leads in a directory, kept by [sled](https://docs.rs/sled/0.34).
///
/// Cheap to clone; clones share the same store, which is closed when the last one is dropped. One
/// process at a time can have it open.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::lead::NewLead;
/// use crm_store_sled::SledRepository;
///
/// # pollster::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("leads");
/// let crm = Crm::open(SledRepository::open(&path).await?).await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// drop(crm);
///
/// let crm = Crm::open(SledRepository::open(&path).await?).await?;
/// assert_eq!(crm.get(lead.id).await?, lead);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SledRepository {
    pub(crate) store: Arc<Store>,
    queue: Arc<Queue>,
}

impl SledRepository {
    /// Opens the store in a directory, and makes it if the directory is missing or empty. Every
    /// commit is synced to disk; for anything else there is the [`builder`](Self::builder).
    ///
    /// All entries are counted first, see [`OpenCheck`](crate::OpenCheck).
    ///
    /// # Errors
    ///
    /// - `Unavailable`: the store is open already, here or in another process. One that has just
    ///   been dropped is waited for, up to two seconds.
    /// - `Corrupt`: what is there is damaged, or no store of this crate.
    /// - `NewerFormat`: a newer version of this crate wrote it.
    /// - `Other`: the directory cannot be used; see the source.
    ///
    /// A store whose indexes were made by other rules is opened, and answers `OutdatedIndexes` to
    /// whatever needs them until [`rebuild_indexes`](Self::rebuild_indexes).
    pub async fn open(path: impl AsRef<Path>) -> std::result::Result<Self, RepositoryError> {
        Self::builder(path).open().await
    }

    /// Opens a store with other options.
    ///
    /// ```
    /// use crm_store_sled::{Durability, SledRepository};
    ///
    /// # pollster::block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let quick = SledRepository::builder(path).durability(Durability::Buffered).open().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn builder(path: impl AsRef<Path>) -> SledBuilder {
        SledBuilder::new(path.as_ref().to_owned())
    }

    /// How often the store was flushed for commits since it was opened: fewer times than there were
    /// commits if these shared flushes. For metrics.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.store.flusher.flushes()
    }

    pub(crate) async fn open_as(
        options: SledBuilder,
    ) -> std::result::Result<Self, RepositoryError> {
        let store = blocking::unblock(move || open::open(&options)).await?;
        Ok(Self {
            store: Arc::new(store),
            queue: Arc::default(),
        })
    }

    /// Runs what may block on a thread for that.
    pub(crate) async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        blocking::unblock(move || store.guarded(work)).await
    }

    /// The same for what writes beside the queue: flushes it at once.
    pub(crate) async fn write(
        &self,
        work: impl FnOnce(&Store) -> Result<Ticket> + Send + 'static,
    ) -> Result<()> {
        let done = move |store: &Store| {
            let ticket = work(store);
            // Also what was made of it before it failed.
            store.flusher.flush();
            ticket
        };
        let ticket = self.off(done).await?;
        self.wait(ticket).await
    }

    async fn wait(&self, ticket: Ticket) -> Result<()> {
        self.store.flusher.wait(ticket).await
    }

    /// A tenant, as it is after every commit that was acknowledged.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Known>> {
        if let Some(known) = self.store.guarded(|store| Ok(store.remembered(tenant)))? {
            return Ok(Some(known));
        }
        let tenant = tenant.clone();
        self.off(move |store| {
            let _held = store.hold();
            store.tenant(&tenant)
        })
        .await
    }

    /// A value by itself: at once, or on a thread for that if others have to be waited for.
    async fn value(&self, table: Table, key: Vec<u8>) -> Result<Option<Value>> {
        let at_once = self.store.guarded(|store| store.value_at_once(table, &key));
        match at_once? {
            AtOnce::Read(value) => Ok(value),
            AtOnce::Busy => {
                self.off(move |store| store.value_unlocked(table, &key))
                    .await
            }
        }
    }

    /// What a tenant is called in keys.
    async fn number(&self, tenant: &TenantId) -> Result<Option<TenantNumber>> {
        match self.store.remembered_number(tenant) {
            Some(number) => Ok(Some(number)),
            None => Ok(self.tenant(tenant).await?.map(|known| known.number)),
        }
    }
}

impl fmt::Debug for SledRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledRepository").finish_non_exhaustive()
    }
}

#[async_trait]
impl Repository for SledRepository {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> std::result::Result<Committed, RepositoryError> {
        let (tenant, changes) = (tenant.clone(), changes.clone());
        Ok(self.queue.commit(&self.store, tenant, changes).await?)
    }

    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> std::result::Result<Option<Committed>, RepositoryError> {
        let tenant = tenant.clone();
        let (committed, ticket) = self
            .off(move |store| {
                let committed = store.reader(&tenant)?.committed(commit)?;
                Ok((committed, store.flusher.last()))
            })
            .await?;
        if committed.is_some() {
            // It may have been made a moment ago, and not be on disk yet.
            self.wait(ticket).await?;
        }
        Ok(committed)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        ids: &[LeadId],
    ) -> std::result::Result<Vec<Lead>, RepositoryError> {
        if let [id] = ids {
            let Some(number) = self.number(tenant).await? else {
                return Ok(Vec::new());
            };
            let record = self.value(Table::Leads, number.lead(*id)).await?;
            let lead = record.map(|record| record::decode_lead(&record));
            return Ok(lead.transpose().map_err(Error::from)?.into_iter().collect());
        }
        let (tenant, ids) = (tenant.clone(), ids.to_vec());
        Ok(self
            .off(move |store| store.reader(&tenant)?.get(&ids))
            .await?)
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> std::result::Result<Page<Lead>, RepositoryError> {
        let (tenant, query) = (tenant.clone(), query.clone());
        let find = move |store: &Store| store.reader(&tenant)?.find(&tenant, &query);
        Ok(self.off(find).await?)
    }

    async fn count(
        &self,
        tenant: &TenantId,
        filter: &LeadFilter,
    ) -> std::result::Result<u64, RepositoryError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        let count = move |store: &Store| store.reader(&tenant)?.count(&filter);
        Ok(self.off(count).await?)
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> std::result::Result<Page<LeadEvent>, RepositoryError> {
        let (tenant, query) = (tenant.clone(), query.clone());
        let history = move |store: &Store| store.reader(&tenant)?.history(&tenant, lead, &query);
        Ok(self.off(history).await?)
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> std::result::Result<EventPage, RepositoryError> {
        let (tenant, after) = (tenant.clone(), after.copied());
        let (page, ticket) = self
            .off(move |store| {
                let reader = store.reader(&tenant)?;
                let page = reader.events(&tenant, after.as_ref(), limit)?;
                Ok((page, store.flusher.last()))
            })
            .await?;
        // What a reader of the feed acts upon must not be taken back by a crash.
        self.wait(ticket).await?;
        Ok(page)
    }

    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> std::result::Result<Aggregated, RepositoryError> {
        match what {
            Aggregate::StatusTotals { assigned_to } => {
                let (tenant, user) = (tenant.clone(), assigned_to.clone());
                let totals = self
                    .off(move |store| store.reader(&tenant)?.status_totals(user.as_ref()))
                    .await?;
                Ok(Aggregated::StatusTotals(totals))
            }
            _ => Err(RepositoryErrorKind::Unsupported {
                what: "this aggregate",
            }
            .into()),
        }
    }

    async fn lifecycle(
        &self,
        tenant: &TenantId,
    ) -> std::result::Result<Option<Lifecycle>, RepositoryError> {
        let known = self.tenant(tenant).await?;
        let lifecycle = known.and_then(|known| known.lifecycle);
        Ok(lifecycle.map(Arc::unwrap_or_clone))
    }

    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> std::result::Result<Option<Lifecycle>, RepositoryError> {
        let tenant = tenant.clone();
        let read = move |store: &Store| store.reader(&tenant)?.lifecycle_at(version);
        Ok(self.off(read).await?)
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> std::result::Result<Option<Document>, RepositoryError> {
        let Some(number) = self.number(tenant).await? else {
            return Ok(None);
        };
        let value = self.value(Table::Documents, number.document(key)).await?;
        let document = value.map(|value| document_from(key, &value));
        Ok(document.transpose()?)
    }

    async fn tenants(
        &self,
        after: Option<&TenantId>,
    ) -> std::result::Result<Vec<TenantId>, RepositoryError> {
        let after = after.cloned();
        Ok(self.off(move |store| store.tenants(after.as_ref())).await?)
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> std::result::Result<(), RepositoryError> {
        let tenant = tenant.clone();
        Ok(self.write(move |store| store.erase_tenant(&tenant)).await?)
    }
}
