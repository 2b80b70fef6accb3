//! Connections: one that writes, several that read, and what becomes of one that failed.

use crate::error::{Error, Meaning, Result};
use futures_channel::oneshot;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Sqlite, SqlitePool};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The connections of a repository.
#[derive(Clone)]
pub(super) struct Pools {
    pub(super) writer: Lender,
    pub(super) readers: Lender,
    /// Whether the database goes with its last connection, which then must not be closed.
    pub(super) is_in_memory: bool,
}

/// Connections, each lent for one call.
#[derive(Clone)]
pub(super) struct Lender {
    pool: SqlitePool,
    /// `None` if others take connections from the pool, too.
    spare: Option<Arc<Spare>>,
}

/// Connections that nobody uses, and callers who wait for one, the first in front.
///
/// A pool asks every connection that it is given back whether it lives, which of a file takes as
/// long as reading a lead. So those whose call succeeded stay here, and the pool gets the others:
/// those that failed, and those whose call was dropped and may still be at it.
#[derive(Default)]
struct Spare(Mutex<Places>);

#[derive(Default)]
struct Places {
    idle: Vec<PoolConnection<Sqlite>>,
    waiting: VecDeque<oneshot::Sender<PoolConnection<Sqlite>>>,
    is_closed: bool,
}

impl Lender {
    /// From a pool that the application uses, or whose connections must not be kept from others.
    pub(super) const fn sharing(pool: SqlitePool) -> Self {
        Self { pool, spare: None }
    }

    /// From a pool that nobody else uses.
    pub(super) fn owning(pool: SqlitePool) -> Self {
        let spare = Some(Arc::default());
        Self { pool, spare }
    }

    /// Opens as many connections as may be. Later, one would be opened while its caller may be
    /// handed another that comes free, and then in vain.
    pub(super) async fn open_all(&self) -> Result<()> {
        let Some(spare) = &self.spare else {
            return Ok(());
        };
        for _ in 0..self.pool.options().get_max_connections() {
            let mut patience = Patience::default();
            let connection = loop {
                match acquire(&self.pool).await {
                    Err(error) if patience.allows_another(&error).await => {}
                    acquired => break acquired?,
                }
            };
            spare.put(connection);
        }
        Ok(())
    }

    pub(super) async fn lend(&self) -> Result<PoolConnection<Sqlite>> {
        let Some(spare) = &self.spare else {
            return acquire(&self.pool).await;
        };
        let turn = match spare.take() {
            Ok(connection) => return Ok(connection),
            Err(turn) => turn,
        };
        // From the pool come those that it got back, and the end of waiting.
        match select(turn, pin!(acquire(&self.pool))).await {
            Either::Left((Ok(connection), _)) => Ok(connection),
            Either::Left((Err(_), acquired)) => acquired.await,
            Either::Right((acquired, _)) => acquired,
        }
    }

    /// Takes a connection back after a call.
    ///
    /// It is given up after a failure that may have ended its transaction behind sqlx's back: full
    /// disks and failing reads do that, and such a connection could not begin another.
    pub(super) fn take_back<T>(
        &self,
        mut connection: PoolConnection<Sqlite>,
        done: &Result<T>,
        is_in_memory: bool,
    ) {
        match (done, &self.spare) {
            (Ok(_), Some(spare)) if !connection.is_in_transaction() => spare.put(connection),
            (Err(error), _)
                if !is_in_memory && !error.is_answer() && error.meaning() != Meaning::Busy =>
            {
                connection.close_on_drop();
            }
            _ => {}
        }
    }

    pub(super) async fn close(&self) {
        if let Some(spare) = &self.spare {
            // The pool closes those that it is given back.
            drop(spare.close());
        }
        self.pool.close().await;
    }
}

impl Spare {
    /// A connection, or a place in the queue.
    fn take(
        &self,
    ) -> std::result::Result<PoolConnection<Sqlite>, oneshot::Receiver<PoolConnection<Sqlite>>>
    {
        let mut places = self.places();
        places.idle.pop().ok_or_else(|| {
            let (turn, told) = oneshot::channel();
            places.waiting.push_back(turn);
            told
        })
    }

    fn put(&self, connection: PoolConnection<Sqlite>) {
        let mut places = self.places();
        if places.is_closed {
            return;
        }
        let mut connection = connection;
        while let Some(first) = places.waiting.pop_front() {
            match first.send(connection) {
                Ok(()) => return,
                // They have left, or have one from the pool.
                Err(back) => connection = back,
            }
        }
        places.idle.push(connection);
    }

    fn close(&self) -> Places {
        let mut places = self.places();
        let closed = Places {
            is_closed: true,
            ..Places::default()
        };
        std::mem::replace(&mut *places, closed)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        for connection in self.close().idle {
            // Not to the pool, which would need the runtime, and that may have ended.
            drop(connection.detach());
        }
    }
}

/// A connection without a transaction.
///
/// A full disk makes SQLite end a transaction by itself, and then sqlx, whose rollback fails,
/// believes forever that the connection has one. It gets one to roll back.
pub(super) async fn acquire(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>> {
    let mut connection = pool.acquire().await?;
    if connection.is_in_transaction() {
        // It fails if there is a transaction after all, which then is rolled back.
        let _ = sqlx::raw_sql("BEGIN").execute(&mut *connection).await;
        // sqlx refuses to begin another, and rolls back what it would have begun.
        let _ = connection.begin_with("BEGIN").await;
        connection.ping().await?;
    }
    Ok(connection)
}

/// How often a busy database is asked again. Each time SQLite itself waits for the busy timeout.
pub(super) struct Patience {
    tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 3 }
    }
}

impl Patience {
    /// Waits for a moment if another try may do, which is different for everybody who waits.
    pub(super) async fn allows_another(&mut self, error: &Error) -> bool {
        self.tries = self.tries.saturating_sub(1);
        let again = self.tries > 0
            && error.meaning() == Meaning::Busy
            && !matches!(error, Error::Database(sqlx::Error::PoolTimedOut));
        if again {
            Delay::new(Duration::from_millis(fastrand::u64(5..=50))).await;
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteRepository;
    use futures_util::FutureExt as _;
    use futures_util::future::join;

    async fn one_reader() -> (tempfile::TempDir, Lender) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db").display().to_string();
        let leads = SqliteRepository::builder(path).readers(1).open().await;
        (directory, leads.unwrap().pools.readers)
    }

    #[tokio::test]
    async fn whoever_waits_is_handed_the_connection_in_turn() {
        let (_directory, readers) = one_reader().await;
        let connection = readers.lend().await.unwrap();
        let mut waiting = [
            Box::pin(readers.lend()),
            Box::pin(readers.lend()),
            Box::pin(readers.lend()),
        ];
        for waits in &mut waiting {
            assert!(waits.as_mut().now_or_never().is_none());
        }
        let [gone, first, second] = waiting;
        drop(gone);
        readers.take_back(connection, &Ok(()), false);
        let connection = first.now_or_never().unwrap().unwrap();
        readers.take_back(connection, &Ok(()), false);
        let connection = second.now_or_never().unwrap().unwrap();
        readers.take_back(connection, &Ok(()), false);
        assert!(readers.lend().now_or_never().is_some(), "none waits");
    }

    #[tokio::test]
    async fn a_connection_whose_call_was_dropped_serves_those_who_wait() {
        let (_directory, readers) = one_reader().await;
        for _ in 0..3 {
            let connection = readers.lend().await.unwrap();
            let mut waits = Box::pin(readers.lend());
            assert!(waits.as_mut().now_or_never().is_none());
            drop(connection);
            let connection = waits.await.unwrap();
            readers.take_back(connection, &Ok(()), false);
        }
    }

    #[tokio::test]
    async fn a_connection_that_failed_is_replaced() {
        let (_directory, readers) = one_reader().await;
        let mut connection = readers.lend().await.unwrap();
        let marked = sqlx::raw_sql("PRAGMA cache_size = 123");
        marked.execute(&mut *connection).await.unwrap();
        readers.take_back::<()>(connection, &Err(Error::Damaged("a lead")), false);
        let mut connection = readers.lend().await.unwrap();
        let size = sqlx::query_scalar::<_, i64>("PRAGMA cache_size");
        assert_ne!(size.fetch_one(&mut *connection).await.unwrap(), 123);
    }

    #[tokio::test]
    async fn closing_waits_for_calls_and_ends_waiting() {
        let (_directory, readers) = one_reader().await;
        let connection = readers.lend().await.unwrap();
        let mut waits = Box::pin(readers.lend());
        assert!(waits.as_mut().now_or_never().is_none());
        let mut closing = Box::pin(readers.close());
        assert!(closing.as_mut().now_or_never().is_none());
        readers.take_back(connection, &Ok(()), false);
        let ((), waited) = join(closing, waits).await;
        assert!(waited.is_err() && readers.lend().await.is_err());
    }

    #[test]
    fn a_repository_may_outlive_its_runtime() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (directory, readers) = runtime.block_on(one_reader());
        drop(runtime);
        drop((readers, directory));
    }
}
