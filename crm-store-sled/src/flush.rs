//! Group commit: everybody who waits for the disk at the same time waits for one flush.
//!
//! A commit takes a ticket after its transaction. When no further commit is about to follow, or one
//! has waited long enough, a flush is begun that serves all tickets taken so far; what is asked for
//! while it runs is served by the next one, which begins as soon as it ends. Nobody who waits does
//! any of the work, so a commit that is dropped while waiting is nobody's loss.

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::guard;
use crate::options::{Durability, SledBuilder};
use parking_lot::{Mutex, MutexGuard};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Flushes on behalf of all who hold tickets.
#[derive(Debug)]
pub(crate) struct Flusher(Arc<Shared>);

/// The number of a transaction, in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Shared {
    durability: Durability,
    longest_wait: Duration,
    sync_delay: Duration,
    disk: Disk,
    state: Mutex<State>,
    /// Why nothing is promised any more: after a failure nobody knows what is on disk. Set while the
    /// state is locked, so that nobody begins to wait between it and the answers.
    failed: OnceLock<Arc<Error>>,
}

#[derive(Default)]
struct State {
    /// The last ticket taken.
    taken: u64,
    /// The last ticket for which a flush was asked.
    wanted: u64,
    /// The last ticket whose transaction is on disk.
    done: u64,
    /// When the first ticket was taken for which no flush was asked.
    waiting_since: Option<Instant>,
    is_running: bool,
    /// Who is to be told once a ticket is done.
    waiting: Vec<(Ticket, Told)>,
    /// How many commits there should be, on disk or not yet.
    made: u64,
    /// How often it was flushed.
    flushes: u64,
}

type Told = Box<dyn FnOnce(Result<()>) + Send>;

impl Flusher {
    /// Of a database that should hold so many commits, all of them on disk.
    pub(crate) fn new(disk: Disk, options: &SledBuilder, made: u64) -> Self {
        Self(Arc::new(Shared {
            durability: options.durability,
            longest_wait: options.longest_wait,
            sync_delay: options.sync_delay,
            disk,
            state: Mutex::new(State {
                made,
                ..State::default()
            }),
            failed: OnceLock::new(),
        }))
    }

    /// What every call is answered with once something failed.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.0.failure()
    }

    /// Notes that nothing can be relied upon until the store is opened again, and tells those who
    /// wait: no flush is begun for them any more.
    pub(crate) fn fail(&self, error: Error) -> Error {
        let state = self.0.state.lock();
        let failed = Arc::clone(self.0.failed.get_or_init(|| Arc::new(error)));
        // A flush that is running may still be what some of them wait for.
        if !state.is_running {
            self.0.tell(state);
        }
        Error::Failed(failed)
    }

    /// Notes that more commits were made.
    pub(crate) fn count(&self, commits: u64) {
        self.0.state.lock().made += commits;
    }

    /// How many commits there should be.
    pub(crate) fn made(&self) -> u64 {
        self.0.state.lock().made
    }

    /// A ticket for everything written so far. Called after each transaction, before any reader can
    /// see it: so whatever a reader sees has a ticket.
    pub(crate) fn take(&self) -> Ticket {
        let mut state = self.0.state.lock();
        if self.0.durability == Durability::Buffered {
            return Ticket(state.done);
        }
        state.taken += 1;
        state.waiting_since.get_or_insert_with(Instant::now);
        Ticket(state.taken)
    }

    /// The last ticket taken.
    pub(crate) fn last(&self) -> Ticket {
        Ticket(self.0.state.lock().taken)
    }

    /// How many tickets were taken.
    #[cfg(test)]
    pub(crate) fn tickets(&self) -> u64 {
        self.0.state.lock().taken
    }

    /// How often it was flushed.
    pub(crate) fn flushes(&self) -> u64 {
        self.0.state.lock().flushes
    }

    /// Flushes all tickets taken so far, on this thread; or leaves it to the one that is flushing.
    pub(crate) fn flush(&self) {
        if self.0.begin() {
            self.0.run();
        }
    }

    /// The same on another thread, if somebody has waited long enough for others to come along.
    /// Those who come later go with the next flush, so that commits are made while one runs.
    pub(crate) fn flush_if_late(&self) {
        let since = self.0.state.lock().waiting_since;
        if since.is_some_and(|since| since.elapsed() > self.0.longest_wait) && self.0.begin() {
            let shared = Arc::clone(&self.0);
            blocking::unblock(move || shared.run()).detach();
        }
    }

    /// Syncs all that was written, whatever durability was asked for.
    pub(crate) fn sync_now(&self) -> Result<()> {
        let made = self.0.state.lock().made;
        self.0.disk.sync(made)
    }

    /// Tells when what the ticket stands for is as durable as was asked for.
    pub(crate) fn when_done(&self, ticket: Ticket, tell: impl FnOnce(Result<()>) + Send + 'static) {
        let mut state = self.0.state.lock();
        if let Some(answer) = self.0.answer(&state, ticket) {
            drop(state);
            tell(answer);
        } else {
            state.waiting.push((ticket, Box::new(tell)));
        }
    }

    /// Waits until what the ticket stands for is as durable as was asked for.
    pub(crate) async fn wait(&self, ticket: Ticket) -> Result<()> {
        let now = self.0.answer(&self.0.state.lock(), ticket);
        if let Some(answer) = now {
            return answer;
        }
        let (tell, told) = async_channel::bounded(1);
        self.when_done(ticket, move |answer| {
            // Nobody may be waiting any more.
            let _ = tell.try_send(answer);
        });
        told.recv().await.unwrap_or(Err(Error::Panicked))
    }
}

impl Shared {
    fn failure(&self) -> Option<Error> {
        let failed = self.failed.get()?;
        Some(Error::Failed(Arc::clone(failed)))
    }

    fn answer(&self, state: &State, Ticket(number): Ticket) -> Option<Result<()>> {
        if state.done >= number {
            return Some(Ok(()));
        }
        self.failure().map(Err)
    }

    /// Asks for a flush. True if whoever asks is to run it.
    fn begin(&self) -> bool {
        let mut state = self.state.lock();
        state.wanted = state.taken;
        state.waiting_since = None;
        let is_needed =
            state.wanted > state.done && self.failed.get().is_none() && !state.is_running;
        state.is_running |= is_needed;
        is_needed
    }

    /// Flushes until nobody waits.
    fn run(&self) {
        loop {
            let (target, made) = {
                let state = self.state.lock();
                (state.taken, state.made)
            };
            let flushed = guard::caught(|| match self.durability {
                Durability::Fsynced => {
                    let synced = self.disk.sync(made);
                    if !self.sync_delay.is_zero() {
                        std::thread::sleep(self.sync_delay);
                    }
                    synced
                }
                Durability::Flushed | Durability::Buffered => self.disk.flush(),
            });
            let mut state = self.state.lock();
            state.flushes += 1;
            match flushed {
                Ok(()) => state.done = target,
                Err(error) => drop(self.failed.set(Arc::new(error))),
            }
            state.is_running = state.wanted > target && self.failed.get().is_none();
            let is_last = !state.is_running;
            self.tell(state);
            if is_last {
                return;
            }
        }
    }

    /// Tells those who wait and can be answered, once the state is let go of.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let mut answers = Vec::new();
        for (ticket, tell) in std::mem::take(&mut state.waiting) {
            match self.answer(&state, ticket) {
                Some(answer) => answers.push((tell, answer)),
                None => state.waiting.push((ticket, tell)),
            }
        }
        drop(state);
        for (tell, answer) in answers {
            tell(answer);
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("taken", &self.taken)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn flusher(durability: Durability) -> (tempfile::TempDir, sled::Db, Flusher) {
        let directory = tempfile::tempdir().unwrap();
        let db = sled::open(directory.path()).unwrap();
        let disk = Disk::new(db.clone(), directory.path()).unwrap();
        let options = SledBuilder::new(directory.path().into()).durability(durability);
        (directory, db, Flusher::new(disk, &options, 0))
    }

    #[test]
    fn every_ticket_is_served_though_waiters_are_dropped() {
        for durability in [Durability::Fsynced, Durability::Flushed] {
            let (_directory, db, flusher) = flusher(durability);
            let flusher = &flusher;
            std::thread::scope(|scope| {
                for writer in 0u32..8 {
                    let db = db.clone();
                    scope.spawn(move || {
                        for number in 0u32..20 {
                            db.insert(writer.to_be_bytes(), &number.to_be_bytes())
                                .unwrap();
                            let ticket = flusher.take();
                            let mut waits = pin!(flusher.wait(ticket));
                            let mut context = Context::from_waker(Waker::noop());
                            // Another's flush may have served it already.
                            let is_served = waits.as_mut().poll(&mut context).is_ready();
                            flusher.flush();
                            if number % 3 > 0 && !is_served {
                                pollster::block_on(waits).unwrap();
                            }
                        }
                    });
                }
            });
            pollster::block_on(flusher.wait(flusher.last())).unwrap();
            assert_eq!(flusher.last(), Ticket(160));
            let state = flusher.0.state.lock();
            assert!(state.flushes <= 160 && state.waiting.is_empty());
        }
    }

    #[test]
    fn tickets_taken_before_a_flush_share_it() {
        let (_directory, _db, flusher) = flusher(Durability::Fsynced);
        let tickets: Vec<_> = (0..64).map(|_| flusher.take()).collect();
        flusher.flush();
        for ticket in tickets {
            pollster::block_on(flusher.wait(ticket)).unwrap();
        }
        assert_eq!(flusher.flushes(), 1);
        flusher.flush();
        assert_eq!(flusher.flushes(), 1, "nobody waits");
    }

    #[test]
    fn buffered_waits_for_nothing() {
        let (_directory, _db, flusher) = flusher(Durability::Buffered);
        let ticket = flusher.take();
        pollster::block_on(flusher.wait(ticket)).unwrap();
        flusher.flush();
        assert_eq!(flusher.flushes(), 0);
    }

    #[test]
    fn after_a_failed_flush_nothing_is_promised_any_more() {
        let (directory, _db, flusher) = flusher(Durability::Fsynced);
        let before = flusher.take();
        flusher.flush();
        std::fs::remove_dir_all(directory.path().join("blobs")).unwrap();
        for _ in 0..2 {
            let ticket = flusher.take();
            flusher.flush();
            let refused = pollster::block_on(flusher.wait(ticket)).unwrap_err();
            assert!(matches!(refused, Error::Failed(_)), "{refused}");
        }
        pollster::block_on(flusher.wait(before)).unwrap();
    }
    /// They waited for good: no flush is begun after a failure, and only flushes told anybody.
    #[test]
    fn whoever_waits_when_something_else_fails_is_told() {
        let (_directory, _db, flusher) = flusher(Durability::Fsynced);
        let mut context = Context::from_waker(Waker::noop());
        let tickets = [flusher.take(), flusher.take()];
        let mut waiting = tickets.map(|ticket| Box::pin(flusher.wait(ticket)));
        for wait in &mut waiting {
            assert!(wait.as_mut().poll(&mut context).is_pending());
        }
        let _ = flusher.fail(Error::Panicked);
        for wait in &mut waiting {
            let told = wait.as_mut().poll(&mut context);
            assert!(matches!(told, Poll::Ready(Err(Error::Failed(_)))));
        }
    }
}
