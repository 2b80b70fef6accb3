//! A storage to test, and the threads to test it with.

use super::Harness;
use super::desk::Desk;
use crate::repository::Repository;
use std::panic::resume_unwind;
use std::sync::{Arc, Barrier, Mutex, PoisonError};

/// The storage under test.
pub(crate) struct Setup {
    harness: Box<dyn Harness>,
    repository: Mutex<Option<Arc<dyn Repository>>>,
}

impl Setup {
    pub(crate) fn new(harness: impl Harness) -> Self {
        let setup = Self {
            harness: Box::new(harness),
            repository: Mutex::default(),
        };
        let repository = setup.block_on(setup.harness.open());
        setup.put(repository);
        setup
    }

    fn put(&self, repository: Arc<dyn Repository>) {
        let mut place = self
            .repository
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(repository);
    }

    fn take(&self) -> Arc<dyn Repository> {
        let mut place = self
            .repository
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        place.take().expect("a storage that is open")
    }

    pub(crate) fn repository(&self) -> Arc<dyn Repository> {
        let place = self
            .repository
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        place.clone().expect("a storage that is open")
    }

    /// A tenant with nothing in it.
    pub(crate) fn empty(&self, tenant: &str) -> Desk {
        Desk::new(self.repository(), tenant)
    }

    /// A tenant with a lifecycle and no leads.
    pub(crate) async fn desk(&self) -> Desk {
        self.desk_of("acme").await
    }

    /// Another tenant with a lifecycle and no leads.
    pub(crate) async fn desk_of(&self, tenant: &str) -> Desk {
        self.empty(tenant).begin().await
    }

    /// Closes the storage and opens it again. `None` if it does not outlive its process; then there
    /// is nothing more to test, and nothing to test it with.
    pub(crate) async fn reopened(&self, desk: Desk) -> Option<Desk> {
        // What is left of the old one would keep it open.
        let nowhere: Arc<dyn Repository> = Arc::new(crate::memory::MemoryRepository::new());
        let waiting = desk.moved_to(nowhere);
        drop(desk);
        let is_there = self.reopen().await;
        is_there.then(|| waiting.moved_to(self.repository()))
    }

    /// Closes the storage, to which nobody may have a reference, and opens it again. Tells whether
    /// it outlived its process.
    pub(crate) async fn reopen(&self) -> bool {
        let repository = self.take();
        assert_eq!(Arc::strong_count(&repository), 1, "the last reference");
        let repository = self.harness.reopen(repository).await;
        let is_there = repository.is_some();
        if let Some(repository) = repository {
            self.put(repository);
        }
        is_there
    }

    pub(crate) fn close(self) {
        let repository = self.repository.into_inner();
        if let Some(repository) = repository.unwrap_or_else(PoisonError::into_inner) {
            let harness = &self.harness;
            harness.block_on(Box::pin(harness.close(repository)));
        }
    }

    pub(crate) fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        let mut answer = None;
        self.harness.block_on(Box::pin(async {
            answer = Some(task.await);
        }));
        answer.expect("a harness runs a task to its end")
    }

    /// Runs a task in each of so many threads, all of which begin at once.
    pub(crate) fn in_threads<T: Send, F: Future<Output = T>>(
        &self,
        count: usize,
        task: impl Fn(usize) -> F + Sync,
    ) -> Vec<T> {
        let barrier = Barrier::new(count);
        std::thread::scope(|scope| {
            let (task, barrier) = (&task, &barrier);
            let start = |place| {
                scope.spawn(move || {
                    barrier.wait();
                    self.block_on(task(place))
                })
            };
            let threads: Vec<_> = (0..count).map(start).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }
}
