//! The tables: making them, and checking that they are the ones this version knows.

use super::PostgresRepository;
use super::commit::BEGIN;
use super::pool::{Lent, Patience};
use crate::error::{Error, Result};
use crate::migrate::{self, Step};
use crm_core::index::LAYOUT_VERSION;
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use crm_core::text::FOLDING_VERSION;
use sqlx::{Connection as _, PgConnection, PgPool};

/// The newest format of the tables that is known here.
const FORMAT: u32 = 1;

const STEPS: &[Step] = &[Step {
    version: 1,
    description: "leads",
    sql: include_str!("schema.sql"),
}];

impl PostgresRepository {
    /// Makes the tables in a database, or brings them up to date. What is there already stays, so
    /// it may run at every start, in any number of processes at once.
    ///
    /// They are made in the first schema of the `search_path`, which must exist. All names begin
    /// with `crm_`, that of the table of migrations included.
    ///
    /// ```no_run
    /// use crm_store_sqlx::PostgresRepository;
    /// use crm_store_sqlx::sqlx::PgPool;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = PgPool::connect("postgres://localhost/app").await?;
    /// PostgresRepository::migrate(&pool).await?;
    /// let leads = PostgresRepository::from_pool(pool).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Unavailable`: the server cannot be reached, or is too busy.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `Other`: the database refused; see the source.
    pub async fn migrate(pool: &PgPool) -> std::result::Result<(), RepositoryError> {
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

pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let migrated = async {
            let mut lent = Lent::from(pool).await?;
            let done = migrate_once(lent.connection()).await;
            lent.settle(&done);
            done
        };
        match migrated.await {
            Err(error) if patience.allows_another(&error).await => {}
            done => return done,
        }
    }
}

async fn migrate_once(connection: &mut PgConnection) -> Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    // Until the transaction ends. That of sqlx would outlive a failure.
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATING);
    lock.execute(&mut *transaction).await?;
    if has_tables(&mut transaction).await? {
        check_format(&mut transaction).await?;
    }
    check_encoding(&mut transaction).await?;
    migrate::run(&mut *transaction, STEPS).await?;
    add_versions(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// The number of the lock: `crm-kit` in letters.
const MIGRATING: i64 = 0x63_726d_2d6b_6974;

/// Refuses tables that this version does not understand.
pub(super) async fn check(pool: &PgPool) -> Result<()> {
    let mut lent = Lent::from(pool).await?;
    let done = check_tables(lent.connection()).await;
    lent.settle(&done);
    done
}

async fn check_tables(connection: &mut PgConnection) -> Result<()> {
    if !has_tables(connection).await? {
        return Err(Error::NoTables);
    }
    check_format(connection).await?;
    for (name, known) in versions() {
        if version(connection, name).await? != Some(known) {
            return Err(RepositoryErrorKind::OutdatedIndexes.into());
        }
    }
    Ok(())
}

async fn check_format(connection: &mut PgConnection) -> Result<()> {
    match version(connection, "format").await? {
        Some(found) if found > FORMAT => Err(RepositoryErrorKind::NewerFormat {
            found,
            supported: FORMAT,
        }
        .into()),
        Some(_) => Ok(()),
        None => Err(Error::NoTables),
    }
}

pub(super) async fn has_tables(connection: &mut PgConnection) -> Result<bool> {
    let found = sqlx::query_scalar("SELECT to_regclass('crm_meta') IS NOT NULL");
    Ok(found.fetch_one(connection).await?)
}

async fn version(connection: &mut PgConnection, name: &str) -> Result<Option<u32>> {
    let found =
        sqlx::query_scalar::<_, i64>("SELECT value FROM crm_meta WHERE name = $1").bind(name);
    let found = found.fetch_optional(connection).await?;
    Ok(found.and_then(|version| u32::try_from(version).ok()))
}

/// Notes what new tables are made by.
async fn add_versions(connection: &mut PgConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql =
            "INSERT INTO crm_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes that everything was made anew.
pub(super) async fn keep_versions(connection: &mut PgConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql = "
            INSERT INTO crm_meta (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
        ";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Texts are compared as bytes, which only in UTF-8 gives the order of the contract.
async fn check_encoding(connection: &mut PgConnection) -> Result<()> {
    let encoding = sqlx::query_scalar::<_, String>("SELECT current_setting('server_encoding')");
    match encoding.fetch_one(connection).await?.as_str() {
        "UTF8" => Ok(()),
        _ => Err(Error::Unsupported(
            "a database in another encoding than UTF-8",
        )),
    }
}
