//! Connections, what becomes of one that failed or whose call was dropped, and trying again.

use crate::error::{Error, Meaning, Result};
use futures_timer::Delay;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use std::time::Duration;

/// A connection for one call, closed at its end unless the call came to one that leaves nothing
/// behind.
///
/// A call that is dropped while it begins a transaction would give the pool a connection with an
/// open one, in which later commits are acknowledged and then lost. So a call that is dropped takes
/// its connection with it, and the server rolls back what it had not committed. A commit that is one
/// statement may commit yet: at once, or if it waits for what others lock, until the server notices
/// that nobody is there any more.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    is_settled: bool,
}

impl Lent {
    pub(super) async fn from(pool: &PgPool) -> Result<Self> {
        let connection = pool.acquire().await?;
        Ok(Self {
            connection,
            is_settled: false,
        })
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// How the call ended. After an answer, and when others were in the way, the transaction is
    /// rolled back and the connection as good as before.
    pub(super) fn settle<T>(&mut self, done: &Result<T>) {
        self.is_settled = match done {
            Ok(_) => true,
            Err(error) => error.is_answer() || error.meaning() == Meaning::Busy,
        };
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_settled {
            self.connection.close_on_drop();
        }
    }
}

/// How often a call is made again that others were in the way of, or whose connection was lost
/// before it committed.
pub(super) struct Patience {
    tries: u32,
}

/// How often a call is made in all.
const TRIES: u32 = 6;

impl Default for Patience {
    fn default() -> Self {
        Self { tries: TRIES }
    }
}

impl Patience {
    /// Waits for a moment if another try may do: longer each time, and different for everybody who
    /// waits.
    pub(super) async fn allows_another(&mut self, error: &Error) -> bool {
        self.tries = self.tries.saturating_sub(1);
        let again = self.tries > 0
            && matches!(error.meaning(), Meaning::Busy | Meaning::Lost)
            && !matches!(error, Error::Database(sqlx::Error::PoolTimedOut));
        if again {
            let longest = 10u64 << (TRIES - self.tries);
            Delay::new(Duration::from_millis(fastrand::u64(1..=longest))).await;
        }
        again
    }
}
