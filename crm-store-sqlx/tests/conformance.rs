//! Every rule of the contract.

#![cfg(test)]

use async_trait::async_trait;
use crm_core::repository::Repository;
use crm_core::testing::{BoxedTask, Harness};
use crm_store_sqlx::{SqliteDurability, SqliteRepository};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Databases in a directory that goes with it.
struct Files {
    runtime: Runtime,
    directory: TempDir,
    opened: AtomicU32,
    /// Where a repository is kept that is open.
    paths: Mutex<HashMap<usize, String>>,
}

impl Files {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            directory: tempfile::tempdir().unwrap(),
            opened: AtomicU32::new(0),
            paths: Mutex::default(),
        }
    }

    async fn open_at(&self, path: String) -> Arc<dyn Repository> {
        let repository = SqliteRepository::builder(&path).durability(SqliteDurability::Normal);
        let repository: Arc<dyn Repository> = Arc::new(repository.open().await.unwrap());
        let address = Arc::as_ptr(&repository).addr();
        self.paths.lock().unwrap().insert(address, path);
        repository
    }
}

fn path(directory: &Path, number: u32) -> String {
    directory.join(format!("{number}.db")).display().to_string()
}

#[async_trait]
impl Harness for Files {
    async fn open(&self) -> Arc<dyn Repository> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        self.open_at(path(self.directory.path(), number)).await
    }

    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        let address = Arc::as_ptr(&repository).addr();
        let path = self.paths.lock().unwrap().remove(&address).unwrap();
        drop(repository);
        Some(self.open_at(path).await)
    }

    fn block_on(&self, task: BoxedTask<'_>) {
        self.runtime.block_on(task);
    }
}

crm_core::testing::repository_tests!(Files::new());
