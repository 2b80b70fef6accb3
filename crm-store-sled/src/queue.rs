//! Commits one after another, on one thread.
//!
//! sled makes one transaction at a time, so commits that arrive together would only have threads
//! wait for each other. Here they wait in a queue, and one thread of the pool makes all of them and
//! then flushes for all of them; whoever comes meanwhile finds another thread. A commit in the
//! queue is made even if nobody waits for its answer any more.

use crate::error::{Error, Result};
use crate::flush::Ticket;
use crate::store::Store;
use crm_core::event::CommitId;
use crm_core::lead::TenantId;
use crm_core::repository::{ChangeSet, Committed};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_running: bool,
}

struct Job {
    tenant: TenantId,
    changes: ChangeSet,
    answer: async_channel::Sender<Result<Committed>>,
}

impl Queue {
    /// Makes a commit after those in the queue, and waits until it is as durable as was asked for.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        store: &Arc<Store>,
        tenant: TenantId,
        changes: ChangeSet,
    ) -> Result<Committed> {
        let (answer, answered) = async_channel::bounded(1);
        let commit = changes.commit();
        let job = Job {
            tenant,
            changes,
            answer,
        };
        let is_first = {
            let mut waiting = self.0.lock();
            waiting.jobs.push_back(job);
            !std::mem::replace(&mut waiting.is_running, true)
        };
        if is_first {
            let (queue, store) = (Arc::clone(self), Arc::clone(store));
            blocking::unblock(move || queue.work_off(&store)).detach();
        }
        let answer = answered.recv().await;
        answer.unwrap_or_else(|_| Err(doubtful(commit, Error::Panicked)))
    }

    fn work_off(&self, store: &Store) {
        while let Some(job) = self.next() {
            job.run(store);
            // Those in the queue share the flush, unless there is no end to them.
            store.flusher.flush_if_late();
        }
        store.flusher.flush();
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.0.lock();
        let next = waiting.jobs.pop_front();
        waiting.is_running = next.is_some();
        next
    }
}

impl Job {
    fn run(self, store: &Store) {
        let commit = self.changes.commit();
        let made = store.commit(&self.tenant, &self.changes);
        let tell = move |answer: Result<Committed>| {
            // Nobody may be waiting any more.
            let _ = self.answer.try_send(answer);
        };
        let (committed, ticket): (Committed, Ticket) = match made {
            Ok(made) => made,
            // Where in the commit it panicked is not known.
            Err(Error::Panicked) => return tell(Err(doubtful(commit, Error::Panicked))),
            Err(error) => return tell(Err(error)),
        };
        store.flusher.when_done(ticket, move |flushed| {
            let flushed = flushed.map_err(|error| doubtful(commit, error));
            tell(flushed.map(|()| committed));
        });
    }
}

fn doubtful(commit: CommitId, cause: Error) -> Error {
    Error::Doubtful {
        commit,
        cause: Box::new(cause),
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
