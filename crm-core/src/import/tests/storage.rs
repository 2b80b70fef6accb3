//! A storage or an input that fails half-way.

use super::*;
use crate::event::{CommitId, EventCursor, LeadEvent};
use crate::lead::{LeadId, TenantId, Version};
use crate::query::{LeadFilter, Limit, Page};
use crate::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError, RepositoryErrorKind,
};
use async_trait::async_trait;
use std::sync::atomic::{AtomicI64, Ordering};

/// Commits as often as it is told, then fails for good.
#[derive(Debug)]
struct Tired {
    inner: MemoryRepository,
    commits: AtomicI64,
}

fn unsupported<T>() -> Result<T, RepositoryError> {
    Err(RepositoryErrorKind::Unsupported { what: "this" }.into())
}

#[async_trait]
impl Repository for Tired {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &ChangeSet,
    ) -> Result<Committed, RepositoryError> {
        if self.commits.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(RepositoryErrorKind::Other.into());
        }
        self.inner.commit(tenant, changes).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &LeadQuery,
    ) -> Result<Page<Lead>, RepositoryError> {
        self.inner.find(tenant, query).await
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Result<Option<Lifecycle>, RepositoryError> {
        self.inner.lifecycle(tenant).await
    }

    async fn committed(
        &self,
        _: &TenantId,
        _: CommitId,
    ) -> Result<Option<Committed>, RepositoryError> {
        unsupported()
    }

    async fn get(&self, _: &TenantId, _: &[LeadId]) -> Result<Vec<Lead>, RepositoryError> {
        unsupported()
    }

    async fn count(&self, _: &TenantId, _: &LeadFilter) -> Result<u64, RepositoryError> {
        unsupported()
    }

    async fn history(
        &self,
        _: &TenantId,
        _: LeadId,
        _: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, RepositoryError> {
        unsupported()
    }

    async fn events(
        &self,
        _: &TenantId,
        _: Option<&EventCursor>,
        _: Limit,
    ) -> Result<EventPage, RepositoryError> {
        unsupported()
    }

    async fn aggregate(&self, _: &TenantId, _: &Aggregate) -> Result<Aggregated, RepositoryError> {
        unsupported()
    }

    async fn lifecycle_at(
        &self,
        _: &TenantId,
        _: Version,
    ) -> Result<Option<Lifecycle>, RepositoryError> {
        unsupported()
    }

    async fn document(
        &self,
        _: &TenantId,
        _: &DocumentKey,
    ) -> Result<Option<Document>, RepositoryError> {
        unsupported()
    }

    async fn tenants(&self, _: Option<&TenantId>) -> Result<Vec<TenantId>, RepositoryError> {
        unsupported()
    }

    async fn erase_tenant(&self, _: &TenantId) -> Result<(), RepositoryError> {
        unsupported()
    }
}

const FILE: &str = "Name,E-mail\nAnn Lee,a@example.com\nBob Day,b@example.com\n\
                    Cid,c@example.com\nDan May,d@example.com\nEve Poe,e@example.com\n";

#[test]
fn a_storage_that_fails_leaves_whole_batches_and_says_which() {
    let repository = Arc::new(Tired {
        inner: MemoryRepository::new(),
        // The lifecycle, and the first batch.
        commits: AtomicI64::new(2),
    });
    let crm = Crm::builder(Arc::clone(&repository)).lifecycle(Lifecycle::sales());
    let crm = block_on(crm.open()).unwrap();
    let error = broken(&CsvImport::new().batch(2), &crm, FILE);
    let ImportErrorKind::Crm { lines, .. } = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(lines.clone(), Some(4..=5));
    assert_eq!(
        error.to_string(),
        "the rows in lines 4 to 5 could not be imported: the storage failed (imported before: 2)"
    );
    assert_eq!((leads(&crm).len(), error.report().imported()), (2, 2));

    repository.commits.store(100, Ordering::Relaxed);
    let report = imported(&CsvImport::new().batch(2), &crm, FILE);
    assert_eq!(
        (report.imported(), leads(&crm).len()),
        (2, 4),
        "going on repeats nothing"
    );
}

#[test]
fn an_input_that_fails_leaves_whole_batches() {
    struct Unplugged;
    impl Read for Unplugged {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    // Long enough that the beginning can be read.
    let file = format!("{FILE}{}", "\n".repeat(10_000));
    let crm = crm();
    let error = block_on(
        CsvImport::new()
            .batch(3)
            .run(&crm, file.as_bytes().chain(Unplugged)),
    );
    let error = error.unwrap_err();
    assert!(
        matches!(error.kind(), ImportErrorKind::Read { line: 10_007, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("unplugged"));
    assert_eq!((error.report().rows(), leads(&crm).len()), (3, 2));
}

#[test]
fn a_handle_that_is_none_is_told_before_the_file_is_read() {
    let crm = crm().tenant(" ");
    let error = broken(&CsvImport::new(), &crm, FILE);
    assert!(
        error
            .to_string()
            .starts_with("the import could not begin: tenant: "),
        "{error}"
    );
}
