//! Connections: one that writes, several that read, and what becomes of one that failed.

use crate::error::{Error, Meaning, Result};
use futures_timer::Delay;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Sqlite, SqlitePool};
use std::time::Duration;

/// The connections of a repository.
#[derive(Clone)]
pub(super) struct Pools {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// Whether the database goes with its last connection, which then must not be closed.
    pub(super) is_in_memory: bool,
}

impl Pools {
    pub(super) async fn reader(&self) -> Result<PoolConnection<Sqlite>> {
        acquire(&self.readers).await
    }

    pub(super) async fn writer(&self) -> Result<PoolConnection<Sqlite>> {
        acquire(&self.writer).await
    }

    /// Gives a connection up after a failure that may have ended its transaction behind sqlx's
    /// back: full disks and failing reads do that, and such a connection could not begin another.
    pub(super) fn settle<T>(&self, connection: &mut PoolConnection<Sqlite>, done: &Result<T>) {
        if let Err(error) = done
            && !self.is_in_memory
            && !error.is_answer()
            && error.meaning() != Meaning::Busy
        {
            connection.close_on_drop();
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
