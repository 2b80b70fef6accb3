//! How the conformance suite gets at a backend.

use crate::repository::Repository;
use async_trait::async_trait;
use std::pin::Pin;
use std::sync::Arc;

/// A case of the suite, about to be run.
pub type BoxedTask<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Opens storages for the conformance suite, and drives it.
///
/// Each test makes a harness of its own by the expression given to
/// [`repository_tests!`](crate::testing::repository_tests), so a harness may own what its storages
/// need: a temporary directory, a runtime, the name of a schema. It is dropped at the end of the
/// test, whatever the outcome.
///
/// A closure, or a function without arguments, that returns a repository is a harness already: for
/// storages that need no runtime and do not outlive the process.
///
/// A durable backend that lives on a runtime of its own says so:
///
/// ```
/// use crm_core::memory::MemoryRepository;
/// use crm_core::repository::Repository;
/// use crm_core::testing::{BoxedTask, Harness};
/// use std::sync::Arc;
///
/// # struct Runtime;
/// # impl Runtime { fn block_on(&self, task: BoxedTask<'_>) { pollster::block_on(task) } }
/// # async fn connect(_: &str) -> MemoryRepository { MemoryRepository::new() }
/// struct InMyDatabase {
///     runtime: Runtime,
///     path: String,
/// }
///
/// #[async_trait::async_trait]
/// impl Harness for InMyDatabase {
///     async fn open(&self) -> Arc<dyn Repository> {
///         Arc::new(connect(&self.path).await)
///     }
///
///     async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
///         drop(repository);
///         Some(Arc::new(connect(&self.path).await))
///     }
///
///     fn block_on(&self, task: BoxedTask<'_>) {
///         self.runtime.block_on(task);
///     }
/// }
/// ```
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Opens a storage that holds nothing yet and shares nothing with those opened before, which
    /// may be open still. Fails by panicking.
    async fn open(&self) -> Arc<dyn Repository>;

    /// Closes a storage and opens it again, as after a restart of the process; `None` if the
    /// storage does not outlive its process, and the rules about reopening do not concern it.
    ///
    /// The repository is one that [`open`](Self::open) or this gave, and the last reference to it.
    async fn reopen(&self, repository: Arc<dyn Repository>) -> Option<Arc<dyn Repository>>;

    /// Closes a storage for good. Unless a backend has more to do, dropping is enough.
    async fn close(&self, repository: Arc<dyn Repository>) {
        drop(repository);
    }

    /// Runs a task to its end. Called from several threads at once; all of them must get on. The
    /// default needs no runtime, and offers none to the backend.
    fn block_on(&self, task: BoxedTask<'_>) {
        struct Wakes(std::thread::Thread);
        impl std::task::Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Wakes(std::thread::current())).into();
        let mut context = std::task::Context::from_waker(&waker);
        let mut task = task;
        while task.as_mut().poll(&mut context).is_pending() {
            std::thread::park();
        }
    }
}

#[async_trait]
impl<F, R> Harness for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Repository,
{
    async fn open(&self) -> Arc<dyn Repository> {
        Arc::new(self())
    }

    async fn reopen(&self, _: Arc<dyn Repository>) -> Option<Arc<dyn Repository>> {
        None
    }
}
