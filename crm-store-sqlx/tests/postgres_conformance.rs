//! Every rule of the contract, on the PostgreSQL server of `CRM_TEST_POSTGRES_URL`.

#![cfg(test)]

mod servers;

use async_trait::async_trait;
use crm_core::memory::MemoryRepository;
use crm_core::repository::Repository;
use crm_core::testing::{BoxedTask, Harness};
use servers::Schema;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// Storages in schemas of their own. Without a server, in memory: then these tests say nothing
/// about PostgreSQL, and a line tells so.
struct Server {
    runtime: Runtime,
    url: Option<String>,
    /// Where a repository is kept that is open.
    schemas: Mutex<HashMap<usize, Schema>>,
    opened: Mutex<Vec<String>>,
}

impl Server {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            url: servers::url(),
            schemas: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    async fn open_in(&self, schema: Schema) -> Arc<dyn Repository> {
        // Cases run side by side, and a server takes a hundred connections.
        let repository = schema.builder().connections(5).open().await.unwrap();
        let repository: Arc<dyn Repository> = Arc::new(repository);
        let address = Arc::as_ptr(&repository).addr();
        self.schemas.lock().unwrap().insert(address, schema);
        repository
    }
}

#[async_trait]
impl Harness for Server {
    async fn open(&self) -> Arc<dyn Repository> {
        let Some(url) = &self.url else {
            return Arc::new(MemoryRepository::new());
        };
        let schema = Schema::new(url).await;
        self.opened.lock().unwrap().push(schema.name.clone());
        self.open_in(schema).await
    }

    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        let address = Arc::as_ptr(&repository).addr();
        let schema = self.schemas.lock().unwrap().remove(&address)?;
        drop(repository);
        Some(self.open_in(schema).await)
    }

    fn block_on(&self, task: BoxedTask<'_>) {
        self.runtime.block_on(task);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(url) = &self.url {
            for name in self.opened.lock().unwrap().drain(..) {
                self.runtime.block_on(servers::drop_schema(url, &name));
            }
        }
    }
}

crm_core::testing::repository_tests!(Server::new());
