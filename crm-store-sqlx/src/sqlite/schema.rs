//! The tables: making them, and checking that they are the ones this version knows.

use super::SqliteRepository;
use super::pool::{Patience, Pools, acquire};
use crate::error::{Error, Result};
use crate::migrate::{self, Step};
use crm_core::index::LAYOUT_VERSION;
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use crm_core::text::FOLDING_VERSION;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection, SqlitePool};

/// The newest format of the tables that is known here.
const FORMAT: u32 = 1;

const STEPS: &[Step] = &[Step {
    version: 1,
    description: "leads",
    sql: include_str!("schema.sql"),
}];

/// What the tables and keys are made by, as the first columns of a statement.
macro_rules! versions_sql {
    () => {
        "(SELECT value FROM crm_meta WHERE name = 'format'),
        (SELECT value FROM crm_meta WHERE name = 'folding'),
        (SELECT value FROM crm_meta WHERE name = 'layout')"
    };
}
pub(super) use versions_sql;

impl SqliteRepository {
    /// Makes the tables in a database, or brings them up to date. What is there already stays, so
    /// it may run at every start, in any number of processes at once.
    ///
    /// All names begin with `crm_`, that of the table of migrations included.
    ///
    /// ```
    /// use crm_store_sqlx::SqliteRepository;
    /// use crm_store_sqlx::sqlx::SqlitePool;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}?mode=rwc", directory.path().join("app.db").display());
    /// let pool = SqlitePool::connect(&url).await?;
    /// SqliteRepository::migrate(&pool).await?;
    /// let leads = SqliteRepository::from_pool(pool).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Unavailable`: others kept the database busy for too long.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `Other`: the database refused; see the source.
    pub async fn migrate(pool: &SqlitePool) -> std::result::Result<(), RepositoryError> {
        Ok(migrate(pool).await?)
    }

    /// The statements that [`migrate`](Self::migrate) runs, for teams that run them by hand. They
    /// may run again over tables that are there.
    #[must_use]
    pub fn schema_sql() -> String {
        let mut sql: String = STEPS.iter().map(|step| step.sql).collect();
        for (name, version) in versions() {
            sql.push_str(&format!(
                "INSERT INTO crm_meta (name, value) VALUES ('{name}', {version}) \
                 ON CONFLICT (name) DO NOTHING;\n"
            ));
        }
        sql
    }
}

/// What the stored keys were made by.
const fn versions() -> [(&'static str, u32); 2] {
    [("folding", FOLDING_VERSION), ("layout", LAYOUT_VERSION)]
}

pub(super) async fn migrate(pool: &SqlitePool) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let mut connection = acquire(pool).await?;
        match migrate_once(&mut connection).await {
            Err(error) if patience.allows_another(&error).await => {}
            done => return done,
        }
    }
}

async fn migrate_once(connection: &mut SqliteConnection) -> Result<()> {
    // The lock that keeps others out: sqlx has none of its own for SQLite.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if has_tables(&mut transaction).await? {
        check_not_newer(&mut transaction).await?;
    }
    check_encoding(&mut transaction).await?;
    migrate::run(&mut *transaction, STEPS).await?;
    add_versions(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Refuses tables that this version does not understand.
pub(super) async fn check(pools: &Pools) -> Result<()> {
    let mut connection = pools.readers.lend().await?;
    if !has_tables(&mut connection).await? {
        return Err(Error::NoTables);
    }
    check_encoding(&mut connection).await?;
    check_versions(&mut connection).await
}

/// Refuses tables of another format, and keys that were made by other rules. They may become so
/// while this process runs, so whatever writes asks under its lock.
pub(super) async fn check_versions(connection: &mut SqliteConnection) -> Result<()> {
    let sql = concat!("SELECT ", versions_sql!());
    let row = sqlx::query(sql).fetch_one(connection).await?;
    Versions::read(&row)?.check()
}

/// Refuses what a newer version made.
pub(super) async fn check_not_newer(connection: &mut SqliteConnection) -> Result<()> {
    let sql = concat!("SELECT ", versions_sql!());
    let row = sqlx::query(sql).fetch_one(connection).await?;
    Versions::read(&row)?.check_not_newer()
}

/// What the tables and keys are made by.
pub(super) struct Versions {
    format: Option<u32>,
    folding: Option<u32>,
    layout: Option<u32>,
}

impl Versions {
    /// From the first columns of a row.
    pub(super) fn read(row: &SqliteRow) -> Result<Self> {
        let version = |column: usize| -> Result<Option<u32>> {
            let version: Option<i64> = row.try_get(column)?;
            Ok(version.and_then(|version| u32::try_from(version).ok()))
        };
        Ok(Self {
            format: version(0)?,
            folding: version(1)?,
            layout: version(2)?,
        })
    }

    fn check_not_newer(&self) -> Result<()> {
        for (found, supported) in [
            (self.format, FORMAT),
            (self.folding, FOLDING_VERSION),
            (self.layout, LAYOUT_VERSION),
        ] {
            if let Some(found) = found
                && found > supported
            {
                return Err(RepositoryErrorKind::NewerFormat { found, supported }.into());
            }
        }
        match self.format {
            Some(_) => Ok(()),
            None => Err(Error::NoTables),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        self.check_not_newer()?;
        if self.format != Some(FORMAT) {
            return Err(Error::NoTables);
        }
        if (self.folding, self.layout) != (Some(FOLDING_VERSION), Some(LAYOUT_VERSION)) {
            return Err(RepositoryErrorKind::OutdatedIndexes.into());
        }
        Ok(())
    }
}

pub(super) async fn has_tables(connection: &mut SqliteConnection) -> Result<bool> {
    let found = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'crm_meta'",
    );
    Ok(found.fetch_one(connection).await? > 0)
}

/// Notes what new tables are made by.
async fn add_versions(connection: &mut SqliteConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql = "INSERT INTO crm_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes that everything was made anew.
pub(super) async fn keep_versions(connection: &mut SqliteConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql = "
            INSERT INTO crm_meta (name, value) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
        ";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Texts are compared as bytes, which only in UTF-8 gives the order of the contract.
async fn check_encoding(connection: &mut SqliteConnection) -> Result<()> {
    let encoding = sqlx::query_scalar::<_, String>("SELECT encoding FROM pragma_encoding");
    match encoding.fetch_one(connection).await?.as_str() {
        "UTF-8" => Ok(()),
        _ => Err(Error::Unsupported(
            "a database in another encoding than UTF-8",
        )),
    }
}
