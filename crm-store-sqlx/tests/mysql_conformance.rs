//! Every rule of the contract, on the server of MySQL or MariaDB of `CRM_TEST_MYSQL_URL`.

#![cfg(test)]

mod servers;

use async_trait::async_trait;
use crm_core::memory::MemoryRepository;
use crm_core::repository::Repository;
use crm_core::testing::{BoxedTask, Harness};
use servers::mysql::{self, Database};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// Storages in databases of their own. Without a server, in memory: then these tests say nothing
/// about MySQL, and a line tells so.
struct Server {
    runtime: Runtime,
    url: Option<String>,
    /// Where a repository is kept that is open.
    databases: Mutex<HashMap<usize, Database>>,
    opened: Mutex<Vec<String>>,
}

impl Server {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            url: mysql::url(),
            databases: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    async fn open_in(&self, database: Database) -> Arc<dyn Repository> {
        // Cases run side by side, and a server takes a hundred and fifty connections.
        let repository = database.builder().connections(5).open().await.unwrap();
        let repository: Arc<dyn Repository> = Arc::new(repository);
        let address = Arc::as_ptr(&repository).addr();
        self.databases.lock().unwrap().insert(address, database);
        repository
    }
}

#[async_trait]
impl Harness for Server {
    async fn open(&self) -> Arc<dyn Repository> {
        let Some(url) = &self.url else {
            return Arc::new(MemoryRepository::new());
        };
        let database = Database::new(url).await;
        self.opened.lock().unwrap().push(database.name.clone());
        self.open_in(database).await
    }

    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        let address = Arc::as_ptr(&repository).addr();
        let database = self.databases.lock().unwrap().remove(&address)?;
        drop(repository);
        Some(self.open_in(database).await)
    }

    fn block_on(&self, task: BoxedTask<'_>) {
        self.runtime.block_on(task);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(url) = &self.url {
            for name in self.opened.lock().unwrap().drain(..) {
                self.runtime.block_on(mysql::drop_database(url, &name));
            }
        }
    }
}

crm_core::testing::repository_tests!(Server::new());
