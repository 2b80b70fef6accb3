//! Commits one after another, on one thread.
//!
//! sled makes one transaction at a time, so commits that arrive together would only have threads
//! wait for each other. Here they wait in a queue, and one thread of the pool makes all of them,
//! several in one transaction where that is the same, and then flushes for all of them; whoever
//! comes meanwhile finds another thread. A commit in the queue is made even if nobody waits for its
//! answer any more.

use crate::commit::Together;
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
        loop {
            let jobs = self.next();
            if jobs.is_empty() {
                break;
            }
            run(jobs, store);
            // Those in the queue share the flush, unless there is no end to them.
            store.flusher.flush_if_late();
        }
        store.flusher.flush();
    }

    /// The next one, with those after it that can be made together with it; none if nobody waits.
    fn next(&self) -> Vec<Job> {
        let mut waiting = self.0.lock();
        let first = waiting.jobs.pop_front();
        waiting.is_running = first.is_some();
        let mut jobs: Vec<Job> = first.into_iter().collect();
        let mut together = Together::default();
        if !jobs
            .first()
            .is_some_and(|first| together.take_in(&first.changes))
        {
            return jobs;
        }
        while let (Some(first), Some(next)) = (jobs.first(), waiting.jobs.front())
            && next.tenant == first.tenant
            && together.take_in(&next.changes)
        {
            jobs.extend(waiting.jobs.pop_front());
        }
        jobs
    }
}

/// Makes commits in one transaction; one by one if that cannot be.
fn run(jobs: Vec<Job>, store: &Store) {
    let made = match &jobs[..] {
        [first, _, ..] => {
            let sets: Vec<_> = jobs.iter().map(|job| &job.changes).collect();
            store.commit_together(&first.tenant, &sets)
        }
        _ => Ok(None),
    };
    for job in jobs {
        let commit = job.changes.commit();
        match &made {
            Ok(Some(ticket)) => {
                let committed = job.changes.outcome();
                job.tell_when_done(committed, *ticket, store);
            }
            // Where in the transaction it failed is not known.
            Err(Error::Panicked | Error::Doubtful { .. }) => {
                let cause = store.flusher.failure().unwrap_or(Error::Panicked);
                job.tell(Err(doubtful(commit, cause)));
            }
            // What speaks against one of them does not speak against all; each hears its own.
            Ok(None) | Err(_) => job.run(store),
        }
    }
}

impl Job {
    fn run(self, store: &Store) {
        match store.commit(&self.tenant, &self.changes) {
            Ok((committed, ticket)) => self.tell_when_done(committed, ticket, store),
            // Where in the commit it panicked is not known.
            Err(Error::Panicked) => {
                let commit = self.changes.commit();
                self.tell(Err(doubtful(commit, Error::Panicked)));
            }
            Err(error) => self.tell(Err(error)),
        }
    }

    fn tell_when_done(self, committed: Committed, ticket: Ticket, store: &Store) {
        let commit = self.changes.commit();
        store.flusher.when_done(ticket, move |flushed| {
            let flushed = flushed.map_err(|error| doubtful(commit, error));
            self.tell(flushed.map(|()| committed));
        });
    }

    fn tell(self, answer: Result<Committed>) {
        // Nobody may be waiting any more.
        let _ = self.answer.try_send(answer);
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
