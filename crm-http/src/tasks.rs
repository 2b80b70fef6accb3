//! What goes on when the request that began it has ended: [`serve`](crate::serve()) waits for it.

use axum::http::Extensions;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The tasks of a server. Requests carry it, so that whoever serves a router knows of what was
/// begun in it, wherever the router is mounted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Those of the server that a request came through; tasks that nobody waits for if it is
    /// another server than ours.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(task)
    }

    /// Ready when all of them have ended.
    pub(crate) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
