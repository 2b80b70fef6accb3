//! The lock for changes: a reader waits for one writer at most, and a writer for the readers that
//! were there before it.
//!
//! In a plain queue a reader waits for all the writers before it, and a lock that lets whoever is
//! quickest go first can let it wait for good. Here writers queue for a turn of their own first, so
//! no more than one of them is ever at the lock itself.

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Keeps changes out until it is dropped.
pub(crate) type Held<'a> = RwLockReadGuard<'a, ()>;

#[derive(Debug, Default)]
pub(crate) struct Changing {
    turn: Mutex<()>,
    lock: RwLock<()>,
}

/// The lock held for changes.
pub(crate) struct Alone<'a>(Option<(MutexGuard<'a, ()>, RwLockWriteGuard<'a, ()>)>);

impl Changing {
    pub(crate) fn hold(&self) -> Held<'_> {
        self.lock.read()
    }

    /// The same, if nobody has to be waited for.
    pub(crate) fn try_hold(&self) -> Option<Held<'_>> {
        self.lock.try_read()
    }

    pub(crate) fn change(&self) -> Alone<'_> {
        let turn = self.turn.lock();
        Alone(Some((turn, self.lock.write())))
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        if let Some((turn, lock)) = self.0.take() {
            // Handed over rather than let go: whoever waits is next, and not whoever comes.
            RwLockWriteGuard::unlock_fair(lock);
            MutexGuard::unlock_fair(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
    use std::thread;

    const WRITERS: usize = 12;
    const ROUNDS: usize = 101;

    /// How many of the writers that came before it a reader waited for.
    fn waited() -> u32 {
        let lock = Changing::default();
        let (arrived, written) = (AtomicUsize::new(0), AtomicU32::new(0));
        let arrive = || arrived.fetch_add(1, Ordering::SeqCst);
        let until = |count| {
            while arrived.load(Ordering::SeqCst) < count {
                thread::yield_now();
            }
            // From having arrived to waiting is a few steps more.
            (0..20).for_each(|_| thread::yield_now());
        };
        thread::scope(|scope| {
            let first = lock.lock.write();
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    arrive();
                    let _alone = lock.change();
                    written.fetch_add(1, Ordering::SeqCst);
                });
            }
            until(WRITERS);
            let reader = scope.spawn(|| {
                arrive();
                let _held = lock.hold();
                written.load(Ordering::SeqCst)
            });
            until(WRITERS + 1);
            RwLockWriteGuard::unlock_fair(first);
            reader.join().unwrap()
        })
    }

    // In one round or another a thread may not have been waiting yet. A reader in a queue with all
    // of them would wait for twelve.
    #[test]
    fn a_reader_waits_for_one_writer_however_many_wait() {
        let mut rounds: Vec<u32> = (0..ROUNDS).map(|_| waited()).collect();
        rounds.sort_unstable();
        assert!(rounds[ROUNDS / 2] <= 1, "{rounds:?}");
    }

    #[test]
    fn nobody_is_waited_for_by_whoever_only_tries() {
        let lock = Changing::default();
        let alone = lock.change();
        assert!(lock.try_hold().is_none());
        drop(alone);
        let held = lock.try_hold();
        assert!(held.is_some() && lock.try_hold().is_some());
    }
}
