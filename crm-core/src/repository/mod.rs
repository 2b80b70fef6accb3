//! The contract between core and storage: [`Repository`].
//!
//! Core decides, backends remember. What arrives in [`commit`](Repository::commit) has passed
//! every rule; a backend compares versions, stores records and index keys, and answers queries in
//! the order that core's keys give. It never looks into a lead to decide something.
//!
//! # Writing a backend
//!
//! Whether a change set may be applied is decided by [`check`], which asks the backend what it has
//! [`Stored`]; what a repeated one is answered, by [`repeated`].
//!
//! A key-value store needs [`record`](crate::record) for the bytes it stores,
//! [`index_changes`](crate::index::index_changes) and
//! [`counter_changes`](crate::index::counter_changes) for what to put and delete beside them, and
//! [`index::find`](crate::index::find) and [`index::count`](crate::index::count), which answer
//! queries by ranging over these keys. [`memory`](crate::memory) is the example to read, and the
//! reference that every other backend is held against.

mod change;
mod check;
mod document;
mod error;
mod read;

pub use change::{Applied, Change, ChangeSet, Committed, Fingerprint, MAX_CHANGES};
pub use check::{Stored, StoredLead, check, repeated};
pub use document::{Document, DocumentChange, DocumentKey, MAX_DOCUMENT, MAX_DOCUMENT_KEY};
pub use error::{RepositoryError, RepositoryErrorKind};
pub use read::{Aggregate, Aggregated, EventPage, HistoryQuery, StatusTotals, TENANTS_PER_PAGE};

use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId, TenantId, Version};
use crate::lifecycle::Lifecycle;
use crate::query::{LeadFilter, LeadQuery, Limit, Page};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// Where leads are kept.
///
/// Each rule below is part of the contract.
///
/// # Every call
///
/// - names its tenant, and neither sees nor touches anything of another one. A tenant exists as
///   soon as something was committed for it; reading one that does not is reading an empty one.
/// - may be dropped at any await: a change set is then applied as a whole or not at all, and no
///   later call is disturbed.
/// - sees every commit that was acknowledged before the call began.
///
/// # Order and equality
///
/// Texts compare by the bytes that core's keys have, never by a collation of the storage. Times
/// come back to the microsecond, texts as the same Unicode scalar values.
#[async_trait]
pub trait Repository: Debug + Send + Sync + 'static {
    /// Applies all of a change set, or nothing of it.
    ///
    /// The checks, in this order:
    ///
    /// - The commit id was used before: nothing changes. If the fingerprint is the same (or was
    ///   erased), the first outcome is reported as [`Applied::Before`]; otherwise the error is
    ///   `CommitReused`. If the set creates a lead that was deleted since, the error is `Gone`.
    /// - A [`ReplaceLifecycle`](Change::ReplaceLifecycle) whose `expected` is not the stored
    ///   version: `StaleLifecycle`. One that drops a status in which leads are, archived ones
    ///   included, and which this set does not move: `StatusInUse`.
    /// - A set whose [`checked_against`](ChangeSet::checked_against) is not the version stored
    ///   (or stored by this very set): `StaleLifecycle`. The comparison conflicts with a
    ///   concurrent edit of the lifecycle: no change passes under rules that were replaced.
    /// - A lead to be created that exists: `AlreadyExists`; that was deleted: `Gone`.
    /// - A lead to be updated or deleted that never existed: `NotFound`; that was deleted: `Gone`;
    ///   that is at another version: `Conflict`.
    /// - A lead in a status that the stored lifecycle (after this set) does not have:
    ///   `UnknownStatus`.
    /// - A document at another version than expected: `DocumentConflict`.
    /// - A change that the backend does not know: `Unsupported`.
    ///
    /// Once it returns `Ok`, the changes, their events, every index and every total show them.
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError>;

    /// The outcome of a commit, if one was made under this id.
    ///
    /// Tells whether a commit whose outcome was unknown was made.
    async fn committed(
        &self,
        tenant: &TenantId,
        commit: CommitId,
    ) -> Result<Option<Committed>, RepositoryError>;

    /// The leads with these ids, archived ones included, in the order asked. Ids of leads that do
    /// not exist are left out; an id asked twice is answered twice.
    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Result<Vec<Lead>, RepositoryError>;

    /// A page of the leads that match, in the order asked, by [`LeadFilter::matches`] and the
    /// query's sort.
    ///
    /// - Every matching lead whose sort value and match do not change meanwhile appears exactly
    ///   once over all pages, whatever others insert and delete between them.
    /// - Leads without a value come last, in either direction; equal ones are ordered by id, in
    ///   the direction of the sort.
    /// - `next` is there if and only if a further matching lead was there when the page was read.
    /// - A cursor of another query, tenant, sort or order of statuses, or a damaged one, is
    ///   `InvalidCursor`.
    /// - The total is that of all pages, at the time of this one.
    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError>;

    /// How many leads match. For no filter, statuses, an assignee, or both, this costs the same
    /// however many leads there are.
    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Result<u64, RepositoryError>;

    /// The events of a lead, in the order of its versions, without gaps.
    ///
    /// They show a commit as soon as it is acknowledged. A deleted lead has its events still,
    /// erased, and the tombstone last. A lead that never existed has none.
    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError>;

    /// The events of a tenant after a cursor, or from the first one.
    ///
    /// They may lag behind commits, but none is ever skipped or repeated, one lead's events come
    /// in version order, and the order across leads is the same for every reader. A cursor of
    /// another tenant's events is `InvalidCursor`.
    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, RepositoryError>;

    /// Totals, as of one moment, equal to what counting the leads one by one would give.
    async fn aggregate(
        &self,
        tenant: &TenantId,
        what: &Aggregate,
    ) -> Result<Aggregated, RepositoryError>;

    /// The lifecycle that is in force, if one was stored.
    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError>;

    /// The lifecycle as it was at a version, which may no longer be in force.
    async fn lifecycle_at(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError>;

    /// A document.
    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError>;

    /// The tenants after this one, or from the first, in byte order: at most
    /// [`TENANTS_PER_PAGE`], and fewer only at the end.
    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError>;

    /// Removes a tenant and everything of it, events and lifecycles included. Erasing a tenant
    /// that does not exist does nothing.
    ///
    /// A change of a lead that was planned before, and comes when another lead has its id and
    /// version, is refused as a conflict or replaces that one whole; keys and totals agree.
    async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError>;
}

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        impl<T: Repository + ?Sized> Repository for $pointer<T> {
            async fn commit(
                &self,
                tenant: &TenantId,
                changes: &ChangeSet,
            ) -> Result<Committed, RepositoryError> {
                (**self).commit(tenant, changes).await
            }

            async fn committed(
                &self,
                tenant: &TenantId,
                commit: CommitId,
            ) -> Result<Option<Committed>, RepositoryError> {
                (**self).committed(tenant, commit).await
            }

            async fn get(
                &self,
                tenant: &TenantId,
                ids: &[LeadId],
            ) -> Result<Vec<Lead>, RepositoryError> {
                (**self).get(tenant, ids).await
            }

            async fn find(
                &self,
                tenant: &TenantId,
                query: &LeadQuery,
            ) -> Result<Page<Lead>, RepositoryError> {
                (**self).find(tenant, query).await
            }

            async fn count(
                &self,
                tenant: &TenantId,
                filter: &LeadFilter,
            ) -> Result<u64, RepositoryError> {
                (**self).count(tenant, filter).await
            }

            async fn history(
                &self,
                tenant: &TenantId,
                lead: LeadId,
                query: &HistoryQuery,
            ) -> Result<Page<LeadEvent>, RepositoryError> {
                (**self).history(tenant, lead, query).await
            }

            async fn events(
                &self,
                tenant: &TenantId,
                after: Option<&EventCursor>,
                limit: Limit,
            ) -> Result<EventPage, RepositoryError> {
                (**self).events(tenant, after, limit).await
            }

            async fn aggregate(
                &self,
                tenant: &TenantId,
                what: &Aggregate,
            ) -> Result<Aggregated, RepositoryError> {
                (**self).aggregate(tenant, what).await
            }

            async fn lifecycle(
                &self,
                tenant: &TenantId,
            ) -> Result<Option<Lifecycle>, RepositoryError> {
                (**self).lifecycle(tenant).await
            }

            async fn lifecycle_at(
                &self,
                tenant: &TenantId,
                version: Version,
            ) -> Result<Option<Lifecycle>, RepositoryError> {
                (**self).lifecycle_at(tenant, version).await
            }

            async fn document(
                &self,
                tenant: &TenantId,
                key: &DocumentKey,
            ) -> Result<Option<Document>, RepositoryError> {
                (**self).document(tenant, key).await
            }

            async fn tenants(
                &self,
                after: Option<&TenantId>,
            ) -> Result<Vec<TenantId>, RepositoryError> {
                (**self).tenants(after).await
            }

            async fn erase_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
                (**self).erase_tenant(tenant).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
