//! Every rule of the contract, in the fast durability: what survives what is tested elsewhere.

#![cfg(test)]

mod common;

use async_trait::async_trait;
use crm_core::repository::Repository;
use crm_core::testing::Harness;
use crm_store_sled::Durability;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Stores in a directory that goes with it.
struct Directory {
    directory: TempDir,
    opened: AtomicU32,
    /// Where a repository is kept that is open.
    paths: Mutex<HashMap<usize, PathBuf>>,
}

impl Directory {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            opened: AtomicU32::new(0),
            paths: Mutex::default(),
        }
    }

    async fn open_at(&self, path: PathBuf) -> Arc<dyn Repository> {
        let repository: Arc<dyn Repository> =
            Arc::new(common::open(&path, Durability::Buffered).await);
        self.paths
            .lock()
            .unwrap()
            .insert(address(&repository), path);
        repository
    }
}

fn address(repository: &Arc<dyn Repository>) -> usize {
    Arc::as_ptr(repository).addr()
}

#[async_trait]
impl Harness for Directory {
    async fn open(&self) -> Arc<dyn Repository> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        self.open_at(self.directory.path().join(number.to_string()))
            .await
    }

    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        let path = self
            .paths
            .lock()
            .unwrap()
            .remove(&address(&repository))
            .unwrap();
        drop(repository);
        Some(self.open_at(path).await)
    }
}

crm_core::testing::repository_tests!(Directory::new());
