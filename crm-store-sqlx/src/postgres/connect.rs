//! How a database is reached: by a URL, or over a pool of the application's.

use super::PostgresRepository;
use super::commit::Connections;
use super::{rebuild, schema};
use crate::error::Result;
use crm_core::repository::RepositoryError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgPool};
use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

/// How a [`PostgresRepository`] is opened: [`PostgresRepository::builder`].
#[derive(Clone)]
pub struct PostgresBuilder {
    url: String,
    connections: u32,
    acquire_timeout: Duration,
    migrates: bool,
    rebuilds: bool,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("migrates", &self.migrates)
            .field("rebuilds", &self.rebuilds)
            .finish_non_exhaustive()
    }
}

impl PostgresBuilder {
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
    /// [`rebuild_indexes`](PostgresRepository::rebuild_indexes) does, before it opens.
    #[must_use]
    pub const fn rebuilding_indexes(mut self) -> Self {
        self.rebuilds = true;
        self
    }

    /// Connects, and makes the tables if they are not there.
    ///
    /// # Errors
    ///
    /// As [`PostgresRepository::open`].
    pub async fn open(self) -> std::result::Result<PostgresRepository, RepositoryError> {
        Ok(self.connect().await?)
    }

    async fn connect(self) -> Result<PostgresRepository> {
        // A connection that was used a moment ago is taken for alive: asking costs a round trip. If
        // it is not, a call is made again on another, but for a commit that is one statement: that
        // may have been made, so it is answered `OutcomeUnknown`, and `Crm` repeats it.
        const FRESH: Duration = Duration::from_secs(1);
        let options = PgConnectOptions::from_str(&self.url)?.application_name("crm-kit");
        let pool = PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(
                    async move { Ok(meta.idle_for < FRESH || connection.ping().await.is_ok()) },
                )
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    match connection.execute(NOTICES_LOST_CALLERS).await {
                        // A system on which the server cannot look.
                        Err(sqlx::Error::Database(_)) => Ok(()),
                        done => done.map(drop),
                    }
                })
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
        Ok(PostgresRepository::over(pool, Connections::Own))
    }
}

/// A statement whose caller is gone commits nevertheless, once it has waited for what others lock,
/// unless the server looks for its caller meanwhile. Servers before 14 cannot, and have no such
/// setting; one that is set already is left as it is.
const NOTICES_LOST_CALLERS: &str = "
    SELECT set_config('client_connection_check_interval', '1s', false)
    WHERE current_setting('client_connection_check_interval', true) = '0'
";

impl PostgresRepository {
    /// Connects to the database of a URL, such as `postgres://user:password@host/database`, and
    /// makes the tables if they are not there. For anything else there is the
    /// [`builder`](Self::builder).
    ///
    /// The tables are in the first schema of the `search_path`, which the URL may set:
    /// `postgres://host/database?options[search_path]=leads`. That schema must exist.
    ///
    /// # Errors
    ///
    /// - `Unavailable`: the server cannot be reached, or is too busy.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `OutdatedIndexes`: they were made by other rules of folding text.
    /// - `Unsupported`: the database is in another encoding than UTF-8.
    /// - `Other`: the server refused; see the source.
    pub async fn open(url: impl AsRef<str>) -> std::result::Result<Self, RepositoryError> {
        Self::builder(url).open().await
    }

    /// Connects with other options.
    ///
    /// ```no_run
    /// use crm_store_sqlx::PostgresRepository;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let leads = PostgresRepository::builder("postgres://localhost/crm")
    ///     .connections(20)
    ///     .without_migrating()
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder(url: impl AsRef<str>) -> PostgresBuilder {
        PostgresBuilder {
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
    /// A commit is then three round trips, and not one as over connections of its own, so that it
    /// is made even on a connection that the application left in a transaction: sqlx gives one back
    /// to the pool like that when a `begin` is dropped before it has ended.
    ///
    /// Timeouts and durability are the pool's: with `synchronous_commit = off`, the last
    /// acknowledged commits may be lost when the server goes down. All connections must have the
    /// same `search_path`. Behind a proxy that gives each transaction another connection, prepared
    /// statements must be kept by the proxy.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and `Other` if the tables are not there.
    pub async fn from_pool(pool: PgPool) -> std::result::Result<Self, RepositoryError> {
        schema::check(&pool).await?;
        Ok(Self::over(pool, Connections::Shared))
    }

    /// Closes all connections, once what they are doing is done. Dropping the last clone closes
    /// them too, but does not wait.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
