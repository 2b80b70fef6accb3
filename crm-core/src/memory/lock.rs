//! A lock whose readers wait for one writer at most, and whose writers wait for the readers that
//! were there before them.
//!
//! In a plain queue a reader waits for all the writers before it, and a lock that lets whoever is
//! quickest go first can let it wait for good. Here writers queue for a turn of their own first, so
//! no more than one of them is ever at the lock itself.

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Default)]
pub(super) struct Phases<T> {
    turn: Mutex<()>,
    value: RwLock<T>,
}

impl<T> Phases<T> {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read()
    }

    pub(super) fn write<R>(&self, write: impl FnOnce(&mut T) -> R) -> R {
        let turn = self.turn.lock();
        let mut value = self.value.write();
        let written = write(&mut value);
        // Handed over rather than let go: whoever waits is next, and not whoever comes.
        RwLockWriteGuard::unlock_fair(value);
        MutexGuard::unlock_fair(turn);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const WRITERS: usize = 12;
    const ROUNDS: usize = 101;

    /// How many of the writers that came before it a reader waited for.
    fn waited() -> u32 {
        let lock = Phases::<u32>::default();
        let arrived = AtomicUsize::new(0);
        let arrive = || arrived.fetch_add(1, Ordering::SeqCst);
        let until = |count| {
            while arrived.load(Ordering::SeqCst) < count {
                thread::yield_now();
            }
            // From having arrived to waiting is a few steps more.
            (0..20).for_each(|_| thread::yield_now());
        };
        thread::scope(|scope| {
            let first = lock.value.write();
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    arrive();
                    lock.write(|written| *written += 1);
                });
            }
            until(WRITERS);
            let reader = scope.spawn(|| {
                arrive();
                *lock.read()
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
    fn writers_are_alone() {
        let lock = Phases::<(u32, u32)>::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        lock.write(|(one, other)| {
                            *one += 1;
                            *other += 1;
                        });
                        let value = lock.read();
                        assert_eq!(value.0, value.1);
                    }
                });
            }
        });
        assert_eq!(*lock.read(), (2_000, 2_000));
    }

    #[test]
    fn a_writer_that_panics_leaves_the_lock_open() {
        let lock = Phases::<u32>::default();
        let panicked = thread::scope(|scope| {
            let writer = scope.spawn(|| lock.write(|_| panic!("on purpose")));
            writer.join().is_err()
        });
        assert!(panicked);
        lock.write(|value| *value += 1);
        assert_eq!(*lock.read(), 1);
    }
}
