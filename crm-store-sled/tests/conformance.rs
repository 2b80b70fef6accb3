//! Every rule of the contract, in the fast durability: what survives what is tested elsewhere.

#![cfg(test)]

mod common;

use async_trait::async_trait;
use crm_core::repository::Repository;
use crm_core::testing::Harness;
use crm_store_sled::{Durability, SledRepository};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Stores in a directory that goes with it.
struct Directory {
    directory: TempDir,
    opened: AtomicU32,
    /// Those that are open, by where the caller's reference points.
    open: Mutex<HashMap<usize, Opened>>,
}

struct Opened {
    path: PathBuf,
    repository: SledRepository,
}

fn address(repository: &Arc<dyn Repository>) -> usize {
    Arc::as_ptr(repository).addr()
}

impl Directory {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            opened: AtomicU32::new(0),
            open: Mutex::default(),
        }
    }

    async fn open_at(&self, path: PathBuf) -> Arc<dyn Repository> {
        let repository = common::open(&path, Durability::Buffered).await;
        let shared: Arc<dyn Repository> = Arc::new(repository.clone());
        let opened = Opened { path, repository };
        self.open.lock().unwrap().insert(address(&shared), opened);
        shared
    }

    /// Whatever a case did, records, indexes, counters and counts agree after it.
    async fn verified(&self, repository: Arc<dyn Repository>) -> PathBuf {
        let opened = self.open.lock().unwrap().remove(&address(&repository));
        let Opened { path, repository } = opened.unwrap();
        let found = repository.verify().await.unwrap();
        assert!(found.is_clean(), "{:?}", found.faults);
        path
    }
}

#[async_trait]
impl Harness for Directory {
    async fn open(&self) -> Arc<dyn Repository> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        self.open_at(self.directory.path().join(number.to_string()))
            .await
    }

    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        let path = self.verified(repository).await;
        Some(self.open_at(path).await)
    }

    async fn close(&self, repository: Arc<dyn Repository>) {
        self.verified(repository).await;
    }
}

crm_core::testing::repository_tests!(Directory::new());
