//! How a database is reached: by a URL, or over a pool of the application's.

use super::{MySqlRepository, rebuild, schema};
use crate::error::Result;
use crm_core::repository::RepositoryError;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{Connection as _, Executor as _, MySqlPool};
use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

/// How a [`MySqlRepository`] is opened: [`MySqlRepository::builder`].
#[derive(Clone)]
pub struct MySqlBuilder {
    url: String,
    connections: u32,
    acquire_timeout: Duration,
    migrates: bool,
    rebuilds: bool,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for MySqlBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlBuilder")
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("migrates", &self.migrates)
            .field("rebuilds", &self.rebuilds)
            .finish_non_exhaustive()
    }
}

impl MySqlBuilder {
    /// The most connections that are open at once: at least one. Default: 10.
    #[must_use]
    pub const fn connections(mut self, connections: u32) -> Self {
        self.connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// How long a call waits for a connection before it is `Unavailable`. Default: 10 seconds.
    #[must_use]
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Leaves the tables as they are. By default they are made and brought up to date.
    #[must_use]
    pub const fn without_migrating(mut self) -> Self {
        self.migrates = false;
        self
    }

    /// Makes the keys anew that leads are sorted, found and counted by, as
    /// [`rebuild_indexes`](MySqlRepository::rebuild_indexes) does, before it opens.
    #[must_use]
    pub const fn rebuilding_indexes(mut self) -> Self {
        self.rebuilds = true;
        self
    }

    /// Connects, and makes the tables if they are not there.
    ///
    /// # Errors
    ///
    /// As [`MySqlRepository::open`].
    pub async fn open(self) -> std::result::Result<MySqlRepository, RepositoryError> {
        Ok(self.connect().await?)
    }

    async fn connect(self) -> Result<MySqlRepository> {
        // A connection that was used a moment ago is taken for alive: asking costs a round trip,
        // and if it is not, the call is made again on another.
        const FRESH: Duration = Duration::from_secs(1);
        let mut options = MySqlConnectOptions::from_str(&self.url)?
            .charset("utf8mb4")
            .timezone(Some("+00:00".to_owned()));
        if !self.url.contains("statement-cache-capacity=") {
            options = options.statement_cache_capacity(PREPARED);
        }
        let pool = MySqlPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(
                    async move { Ok(meta.idle_for < FRESH || connection.ping().await.is_ok()) },
                )
            })
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        if self.migrates {
            schema::migrate(&pool).await?;
        }
        if self.rebuilds {
            rebuild::rebuild(&pool).await?;
        }
        schema::check(&pool).await?;
        Ok(MySqlRepository::over(pool))
    }
}

/// How many statements a connection keeps prepared, of the 16,382 that a server keeps for all.
///
/// sqlx 0.9.0 does not set `TCP_NODELAY` (its issue 4335). So where it gives a statement up, the
/// next one waits for the server to acknowledge that, which takes it 40 ms.
const PREPARED: usize = 400;

/// What every connection of ours is set to. A call waits ten seconds for a lock that others hold,
/// and then tries again.
const SETTINGS: &str = "
    SET SESSION
        sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
        innodb_lock_wait_timeout = 10
";

impl MySqlRepository {
    /// Connects to the database of a URL, such as `mysql://user:password@host/database`, and
    /// makes the tables if they are not there. For anything else there is the
    /// [`builder`](Self::builder).
    ///
    /// The database must exist. `mariadb://…` is the same.
    ///
    /// # Errors
    ///
    /// - `Unavailable`: the server cannot be reached, or is too busy.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `OutdatedIndexes`: they were made by other rules of folding text.
    /// - `Unsupported`: the server lacks what is needed, or the URL names no database.
    /// - `Other`: the server refused; see the source.
    pub async fn open(url: impl AsRef<str>) -> std::result::Result<Self, RepositoryError> {
        Self::builder(url).open().await
    }

    /// Connects with other options.
    ///
    /// ```no_run
    /// use crm_store_sqlx::MySqlRepository;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let leads = MySqlRepository::builder("mysql://root@localhost/crm")
    ///     .connections(20)
    ///     .without_migrating()
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder(url: impl AsRef<str>) -> MySqlBuilder {
        MySqlBuilder {
            url: url.as_ref().to_owned(),
            connections: 10,
            acquire_timeout: Duration::from_secs(10),
            migrates: true,
            rebuilds: false,
        }
    }

    /// Works over a pool that the application made, and may use for tables of its own. The tables
    /// must be there: see [`migrate`](Self::migrate).
    ///
    /// Timeouts and durability are then the pool's: with `innodb_flush_log_at_trx_commit` other than
    /// 1, the last acknowledged commits may be lost when the server goes down. `sql_mode` must be
    /// strict and the character set `utf8mb4`, which a first connection is asked for: see that all
    /// others are the same. Make it with a `statement_cache_capacity` of 400, as [`open`](Self::open)
    /// does: with sqlx 0.9.0, each statement over it costs 40 ms on most networks. Behind a proxy that gives each transaction another connection, prepared
    /// statements must be kept by the proxy, and two statements in one packet allowed.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and `Other` if the tables are not there.
    pub async fn from_pool(pool: MySqlPool) -> std::result::Result<Self, RepositoryError> {
        schema::check(&pool).await?;
        Ok(Self::over(pool))
    }

    /// Closes all connections, once what they are doing is done. Dropping the last clone closes
    /// them too, but does not wait.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
