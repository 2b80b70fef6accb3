//! How a database is opened: from a path, a URL, or a pool of the application's.

use super::SqliteRepository;
use super::pool::{Lender, Patience, Pools};
use super::{rebuild, schema};
use crate::error::{Error, Result};
use crm_core::repository::RepositoryError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};
use std::str::FromStr as _;
use std::time::Duration;

/// What an acknowledged commit survives.
///
/// Whatever is chosen, a commit is applied as a whole or not at all, and commits are lost from the
/// end only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SqliteDurability {
    /// Power loss: every commit is synced to disk (`synchronous = FULL`). The default.
    #[default]
    Full,
    /// The end of the process, but not that of the machine, at which the last commits may be lost
    /// (`synchronous = NORMAL`). Many times faster.
    Normal,
}

/// How a [`SqliteRepository`] is opened: [`SqliteRepository::builder`].
#[derive(Debug, Clone)]
pub struct SqliteBuilder {
    database: String,
    durability: SqliteDurability,
    readers: u32,
    busy_timeout: Duration,
    cache_kib: u32,
    mmap_kib: u32,
    migrates: bool,
    rebuilds: bool,
}

impl SqliteBuilder {
    pub(super) fn new(database: String) -> Self {
        Self {
            database,
            durability: SqliteDurability::Full,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            cache_kib: 64 * 1024,
            mmap_kib: 0,
            migrates: true,
            rebuilds: false,
        }
    }

    /// What an acknowledged commit survives. Default: [`SqliteDurability::Full`].
    #[must_use]
    pub const fn durability(mut self, durability: SqliteDurability) -> Self {
        self.durability = durability;
        self
    }

    /// How many connections read, besides the one that writes: at least one. Default: 4. In memory
    /// one connection does both.
    #[must_use]
    pub const fn readers(mut self, connections: u32) -> Self {
        self.readers = if connections == 0 { 1 } else { connections };
        self
    }

    /// How long a commit waits for another process that writes, before it is tried again and in
    /// the end is `Unavailable`. At most 24 days. Default: 5 seconds.
    #[must_use]
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How much of the file the connection that writes keeps in memory, in KiB; each that reads
    /// keeps a sixteenth of that, and 2,000 at least, if it is so much. Default: 64 MiB. A lead stands in two dozen indexes, so SQLite's
    /// own 2 MiB are soon too few for writing. Readers gain little by more: what they do not hold,
    /// the system does.
    #[must_use]
    pub const fn cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = kib;
        self
    }

    /// How much of the file connections that read see as [mapped
    /// memory](https://www.sqlite.org/mmap.html), in KiB, instead of copying its pages. Default:
    /// none. SQLite as sqlx compiles it maps 2 GiB at most, and reads what lies beyond by copying.
    ///
    /// Pages of lists anywhere among a million leads took up to a fifth less time. But an error
    /// of the disk, or of a drive that was pulled out, is then no error that is answered: the system
    /// ends the process (`SIGBUS`). So it does if another program cuts the file short. The file is
    /// mapped for reading only, and written as ever, so what was committed is not harmed.
    #[must_use]
    pub const fn mmap_kib(mut self, kib: u32) -> Self {
        self.mmap_kib = kib;
        self
    }

    /// Leaves the tables as they are. By default they are made and brought up to date.
    #[must_use]
    pub const fn without_migrating(mut self) -> Self {
        self.migrates = false;
        self
    }

    /// Makes the keys anew that leads are sorted, found and counted by, as
    /// [`rebuild_indexes`](SqliteRepository::rebuild_indexes) does, before it opens.
    #[must_use]
    pub const fn rebuilding_indexes(mut self) -> Self {
        self.rebuilds = true;
        self
    }

    /// Opens the database, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`SqliteRepository::open`].
    pub async fn open(self) -> std::result::Result<SqliteRepository, RepositoryError> {
        Ok(self.connect().await?)
    }

    async fn connect(self) -> Result<SqliteRepository> {
        let options = self.options()?;
        let pool = SqlitePoolOptions::new()
            // Asking a connection of a file whether it is alive costs as much as a read.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        let one = pool.clone().max_connections(1);
        let writer = connected(one, &cached(&options, self.cache_kib)).await?;
        let is_in_memory = is_in_memory(&writer).await?;
        if self.migrates {
            schema::migrate(&writer).await?;
        }
        if self.rebuilds {
            rebuild::rebuild(&writer).await?;
        }
        let pools = match is_in_memory {
            true => Pools {
                readers: Lender::sharing(writer.clone()),
                writer: Lender::sharing(writer),
                is_in_memory,
            },
            false => {
                let options = cached(&options, for_reading(self.cache_kib));
                let mapped = u64::from(self.mmap_kib) * 1_024;
                let options = options
                    .pragma("query_only", "ON")
                    .pragma("mmap_size", mapped.to_string());
                let readers = pool.max_connections(self.readers);
                Pools {
                    readers: Lender::owning(readers.connect_lazy_with(options)),
                    writer: Lender::owning(writer),
                    is_in_memory,
                }
            }
        };
        pools.readers.open_all().await?;
        schema::check(&pools).await?;
        Ok(SqliteRepository::over(pools))
    }

    fn options(&self) -> Result<SqliteConnectOptions> {
        let database = self.database.as_str();
        let options = match database {
            ":memory:" => SqliteConnectOptions::from_str("sqlite::memory:")?,
            url if url.starts_with("sqlite:") && has_mode(url) => {
                SqliteConnectOptions::from_str(url)?
            }
            url if url.starts_with("sqlite:") => {
                SqliteConnectOptions::from_str(url)?.create_if_missing(true)
            }
            path => SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true),
        };
        let synchronous = match self.durability {
            SqliteDurability::Full => SqliteSynchronous::Full,
            SqliteDurability::Normal => SqliteSynchronous::Normal,
        };
        // Without it macOS only hands the bytes to the disk's cache. Other systems ignore it.
        let options = match self.durability {
            SqliteDurability::Full => options.pragma("fullfsync", "ON"),
            SqliteDurability::Normal => options,
        };
        Ok(options
            // As many as the longest page has: whoever reads more rows than fit wakes and waits for
            // the thread that sends them, row by row.
            .row_buffer_size(ROWS_ON_THE_WAY)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(self.busy_timeout.min(LONGEST))
            .foreign_keys(true))
    }
}

/// Whether a URL tells itself if the file must be there.
fn has_mode(url: &str) -> bool {
    let options = url.split_once('?').map_or("", |(_, options)| options);
    options.split('&').any(|option| option.starts_with("mode="))
}

/// The longest time that SQLite counts: 24 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// How many rows the thread of a connection reads ahead of who asked for them.
const ROWS_ON_THE_WAY: usize = 1_024;

/// How much of the file a connection that reads keeps: a sixteenth, and not less than SQLite would.
const fn for_reading(kib: u32) -> u32 {
    let least = if kib < 2_000 { kib } else { 2_000 };
    if kib / 16 > least { kib / 16 } else { least }
}

/// With so much memory for pages, which SQLite takes for KiB if it is negative.
fn cached(options: &SqliteConnectOptions, kib: u32) -> SqliteConnectOptions {
    let size = format!("-{kib}");
    options.clone().pragma("cache_size", size)
}

/// Whoever comes first makes the file and turns its journal into a write-ahead log; for that moment
/// it is busy for all others, whatever their timeout.
async fn connected(pool: SqlitePoolOptions, options: &SqliteConnectOptions) -> Result<SqlitePool> {
    let mut patience = Patience::default();
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) => {
                let error = Error::from(error);
                if !patience.allows_another(&error).await {
                    return Err(error);
                }
            }
        }
    }
}

/// A database in memory has no file.
async fn is_in_memory(pool: &SqlitePool) -> Result<bool> {
    let sql = "SELECT coalesce(file, '') = '' FROM pragma_database_list WHERE name = 'main'";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Refuses several connections of which each has its own database in memory.
async fn check_is_one(pool: &SqlitePool) -> Result<()> {
    if pool.options().get_max_connections() > 1 {
        let mut another = pool.connect_options().connect().await?;
        if !schema::has_tables(&mut another).await? {
            return Err(Error::Unsupported(
                "several connections to a database in memory that they do not share",
            ));
        }
    }
    Ok(())
}

impl SqliteRepository {
    /// Opens a database by its path or URL: `leads.db`, `sqlite:leads.db`, `sqlite::memory:`. Makes
    /// it if it is not there, and the tables if they are not. Every commit is synced to disk; for
    /// anything else there is the [`builder`](Self::builder).
    ///
    /// Other processes may have it open at the same time, and other tables may be in it.
    ///
    /// # Errors
    ///
    /// - `Unavailable`: others kept the database busy for too long.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `OutdatedIndexes`: they were made by other rules of folding text.
    /// - `Other`: it cannot be opened; see the source.
    pub async fn open(path_or_url: impl AsRef<str>) -> std::result::Result<Self, RepositoryError> {
        Self::builder(path_or_url).open().await
    }

    /// Opens a database with other options.
    ///
    /// ```
    /// use crm_store_sqlx::{SqliteDurability, SqliteRepository};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let leads = SqliteRepository::builder(":memory:")
    ///     .durability(SqliteDurability::Normal)
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder(path_or_url: impl AsRef<str>) -> SqliteBuilder {
        SqliteBuilder::new(path_or_url.as_ref().to_owned())
    }

    /// Works over a pool that the application made, and may use for tables of its own. The tables
    /// must be there: see [`migrate`](Self::migrate).
    ///
    /// Journal, durability and timeouts are then the pool's: `synchronous` decides what a commit
    /// survives, a short `busy_timeout` makes writers fail that would have waited, and without
    /// `foreign_keys`, which sqlx turns on, nothing but this crate keeps leads in statuses that
    /// exist. A write-ahead log lets readers go on while somebody writes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), `Other` if the tables are not there, and `Unsupported` if the pool
    /// has several connections and each has a database in memory of its own.
    pub async fn from_pool(pool: SqlitePool) -> std::result::Result<Self, RepositoryError> {
        let pools = Pools {
            is_in_memory: is_in_memory(&pool).await?,
            writer: Lender::sharing(pool.clone()),
            readers: Lender::sharing(pool.clone()),
        };
        schema::check(&pools).await?;
        if pools.is_in_memory {
            check_is_one(&pool).await?;
        }
        Ok(Self::over(pools))
    }

    /// Closes all connections, once what they are doing is done. Dropping the last clone closes
    /// them too, but does not wait.
    pub async fn close(&self) {
        self.pools.readers.close().await;
        self.pools.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(pools: &Pools, sql: &'static str) -> String {
        let value = sqlx::query_scalar::<_, String>(sql);
        let mut writer = pools.writer.lend().await.unwrap();
        value.fetch_one(&mut *writer).await.unwrap()
    }

    /// What connections that read, and the one that writes, answer.
    async fn asked(leads: &SqliteRepository, sql: &'static str) -> [i64; 2] {
        let mut reader = leads.pools.readers.lend().await.unwrap();
        let mut writer = leads.pools.writer.lend().await.unwrap();
        let query = || sqlx::query_scalar::<_, i64>(sql);
        [
            query().fetch_one(&mut *reader).await.unwrap(),
            query().fetch_one(&mut *writer).await.unwrap(),
        ]
    }

    #[tokio::test]
    async fn readers_keep_a_sixteenth_and_map_what_they_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db").display().to_string();
        let leads = SqliteRepository::open(&path).await.unwrap();
        assert_eq!(
            asked(&leads, "PRAGMA cache_size").await,
            [-4 * 1_024, -64 * 1_024]
        );
        assert_eq!(asked(&leads, "PRAGMA mmap_size").await, [0, 0]);
        let builder = SqliteRepository::builder(&path).cache_kib(1_600);
        let leads = builder.mmap_kib(1_024).open().await.unwrap();
        assert_eq!(asked(&leads, "PRAGMA cache_size").await, [-1_600, -1_600]);
        for (all, read) in [
            (0, 0),
            (1_999, 1_999),
            (16_384, 2_000),
            (32_000, 2_000),
            (64_000, 4_000),
        ] {
            assert_eq!(for_reading(all), read);
        }
        assert_eq!(asked(&leads, "PRAGMA mmap_size").await, [1 << 20, 0]);
    }

    #[tokio::test]
    async fn commits_are_synced_unless_told_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db").display().to_string();
        for (durability, level) in [
            (SqliteDurability::Full, "2"),
            (SqliteDurability::Normal, "1"),
        ] {
            let builder = SqliteRepository::builder(&path).durability(durability);
            let pools = builder.open().await.unwrap().pools;
            let synchronous = "SELECT cast(synchronous AS TEXT) FROM pragma_synchronous";
            let foreign_keys = "SELECT cast(foreign_keys AS TEXT) FROM pragma_foreign_keys";
            let journal = "SELECT journal_mode FROM pragma_journal_mode";
            assert_eq!(pragma(&pools, synchronous).await, level);
            assert_eq!(pragma(&pools, foreign_keys).await, "1");
            assert_eq!(pragma(&pools, journal).await, "wal");
        }
    }

    #[tokio::test]
    async fn a_file_that_must_be_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db");
        let url = format!("sqlite:{}?mode=rw", path.display());
        assert!(SqliteRepository::open(&url).await.is_err());
        assert!(!path.exists());
        SqliteRepository::open(path.display().to_string())
            .await
            .unwrap();
        SqliteRepository::open(&url).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_may_have_the_name_of_an_option() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mode=rw.db").display().to_string();
        SqliteRepository::open(format!("sqlite:{path}"))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_reads_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db").display().to_string();
        let pools = SqliteRepository::open(&path).await.unwrap().pools;
        let mut reader = pools.readers.lend().await.unwrap();
        let write = sqlx::query("DELETE FROM crm_meta").execute(&mut *reader);
        assert!(write.await.is_err());
    }

    #[tokio::test]
    async fn a_database_in_memory_has_one_connection() {
        for name in [
            ":memory:",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:named?mode=memory",
        ] {
            let pools = SqliteRepository::open(name).await.unwrap().pools;
            assert!(pools.is_in_memory, "{name}");
        }
    }
}
