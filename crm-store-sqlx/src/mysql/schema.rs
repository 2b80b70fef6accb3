//! The tables: making them, and checking that they are the ones this version knows.

use super::MySqlRepository;
use super::pool::{Lent, Patience};
use crate::error::{Error, Result};
use crate::migrate::{self, Step};
use crm_core::index::LAYOUT_VERSION;
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use crm_core::text::FOLDING_VERSION;
use sqlx::{MySqlConnection, MySqlPool, Row as _};

/// The newest format of the tables that is known here.
const FORMAT: u32 = 1;

const STEPS: &[Step] = &[Step {
    version: 1,
    description: "leads",
    sql: include_str!("schema.sql"),
}];

impl MySqlRepository {
    /// Makes the tables in a database, or brings them up to date. What is there already stays, so
    /// it may run at every start, in any number of processes at once.
    ///
    /// All names begin with `crm_`, that of the table of migrations included. Who migrates needs the
    /// privileges to create tables and views, and to refer to tables.
    ///
    /// ```no_run
    /// use crm_store_sqlx::MySqlRepository;
    /// use crm_store_sqlx::sqlx::MySqlPool;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = MySqlPool::connect("mysql://root@localhost/app").await?;
    /// MySqlRepository::migrate(&pool).await?;
    /// let leads = MySqlRepository::from_pool(pool).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Unavailable`: the server cannot be reached, or is too busy.
    /// - `NewerFormat`: a newer version of this crate made the tables.
    /// - `Unsupported`: the server lacks what is needed, or the connection has no database.
    /// - `Other`: the database refused; see the source.
    pub async fn migrate(pool: &MySqlPool) -> std::result::Result<(), RepositoryError> {
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
                 ON DUPLICATE KEY UPDATE value = value;\n"
            ));
        }
        sql
    }
}

/// What the stored keys were made by.
const fn versions() -> [(&'static str, u32); 2] {
    [("folding", FOLDING_VERSION), ("layout", LAYOUT_VERSION)]
}

pub(super) async fn migrate(pool: &MySqlPool) -> Result<()> {
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

/// Tables are committed one by one as they are made. So what somebody began and did not finish is
/// done again from the beginning, which changes nothing of what is there.
async fn migrate_once(connection: &mut MySqlConnection) -> Result<()> {
    check_server(connection).await?;
    let lock = sqlx::query_scalar("SELECT GET_LOCK(CONCAT('crm-kit.', MD5(DATABASE())), 10)");
    let locked: Option<i64> = lock.fetch_one(&mut *connection).await?;
    if locked != Some(1) {
        return Err(Error::Overtaken);
    }
    let done = migrate_locked(connection).await;
    let unlock = sqlx::query("SELECT RELEASE_LOCK(CONCAT('crm-kit.', MD5(DATABASE())))");
    let unlocked = unlock.fetch_all(connection).await;
    done?;
    unlocked?;
    Ok(())
}

async fn migrate_locked(connection: &mut MySqlConnection) -> Result<()> {
    if has_table(connection, "crm_meta").await? {
        // It has no row yet if somebody did not finish.
        if let Some(found) = version(connection, "format").await? {
            check_format(found)?;
        }
    }
    if has_table(connection, "crm_migrations").await? {
        let unfinished = sqlx::query("DELETE FROM crm_migrations WHERE success = FALSE");
        unfinished.execute(&mut *connection).await?;
    }
    migrate::run(connection, STEPS).await?;
    add_versions(connection).await
}

/// Refuses tables that this version does not understand.
pub(super) async fn check(pool: &MySqlPool) -> Result<()> {
    let mut lent = Lent::from(pool).await?;
    let done = check_tables(lent.connection()).await;
    lent.settle(&done);
    done
}

async fn check_tables(connection: &mut MySqlConnection) -> Result<()> {
    check_server(connection).await?;
    if !has_table(connection, "crm_meta").await? {
        return Err(Error::NoTables);
    }
    let found = version(connection, "format").await?;
    check_format(found.ok_or(Error::NoTables)?)?;
    for (name, known) in versions() {
        if version(connection, name).await? != Some(known) {
            return Err(RepositoryErrorKind::OutdatedIndexes.into());
        }
    }
    Ok(())
}

fn check_format(found: u32) -> Result<()> {
    match found {
        ..=FORMAT => Ok(()),
        _ => Err(RepositoryErrorKind::NewerFormat {
            found,
            supported: FORMAT,
        }
        .into()),
    }
}

pub(super) async fn has_table(connection: &mut MySqlConnection, name: &str) -> Result<bool> {
    let sql = "
        SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_name = ?
    ";
    let found = sqlx::query_scalar::<_, i64>(sql).bind(name);
    Ok(found.fetch_one(connection).await? > 0)
}

async fn version(connection: &mut MySqlConnection, name: &str) -> Result<Option<u32>> {
    let found =
        sqlx::query_scalar::<_, i64>("SELECT value FROM crm_meta WHERE name = ?").bind(name);
    let found = found.fetch_optional(connection).await?;
    Ok(found.and_then(|version| u32::try_from(version).ok()))
}

/// Notes what new tables are made by.
async fn add_versions(connection: &mut MySqlConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql = "INSERT INTO crm_meta (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = value";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes that everything was made anew.
pub(super) async fn keep_versions(connection: &mut MySqlConnection) -> Result<()> {
    for (name, version) in versions() {
        let sql = "
            INSERT INTO crm_meta (name, value) VALUES (?, ?)
            ON DUPLICATE KEY UPDATE value = VALUES(value)
        ";
        let query = sqlx::query(sql).bind(name).bind(i64::from(version));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Refuses a server or settings on which something would be lost, or understood otherwise.
async fn check_server(connection: &mut MySqlConnection) -> Result<()> {
    let sql = "
        SELECT
            VERSION(),
            @@sql_mode,
            DATABASE() IS NOT NULL,
            @@character_set_client = 'utf8mb4'
                AND @@character_set_connection = 'utf8mb4'
                AND @@character_set_results = 'utf8mb4',
            CAST(@@max_allowed_packet AS SIGNED),
            CAST(@@innodb_page_size AS SIGNED)
    ";
    let found = sqlx::query(sql).fetch_one(connection).await?;
    let version: String = found.try_get(0)?;
    if !is_known(&version) {
        return Err(Error::Unsupported(
            "a server before MySQL 8.0.19 or MariaDB 10.6",
        ));
    }
    let mode: String = found.try_get(1)?;
    if !mode.split(',').any(|mode| STRICT.contains(&mode)) {
        return Err(Error::Unsupported(
            "a connection whose sql_mode is not strict",
        ));
    }
    for (column, otherwise) in [
        (2, "a connection without a database"),
        (3, "a connection whose character set is not utf8mb4"),
    ] {
        if found.try_get::<Option<i64>, _>(column)? != Some(1) {
            return Err(Error::Unsupported(otherwise));
        }
    }
    if found.try_get::<i64, _>(4)? < LEAST_PACKET {
        return Err(Error::Unsupported("a max_allowed_packet under 4 MiB"));
    }
    if found.try_get::<i64, _>(5)? < LEAST_PAGE {
        return Err(Error::Unsupported("an innodb_page_size under 16 KiB"));
    }
    Ok(())
}

/// Otherwise texts that are too long would be cut.
const STRICT: [&str; 2] = ["STRICT_ALL_TABLES", "STRICT_TRANS_TABLES"];

/// A row is smaller than this, and so is what one statement sends.
const LEAST_PACKET: i64 = 4 << 20;

/// Keys of up to 3,072 bytes.
const LEAST_PAGE: i64 = 16 << 10;

/// Whether a server has what the statements use: `SKIP LOCKED`, `JSON_TABLE`, checks.
fn is_known(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or_default());
    let mut number = || numbers.next().unwrap_or_default();
    let version_of = (number(), number(), number());
    match version.contains("MariaDB") {
        true => version_of >= (10, 6, 0),
        false => version_of >= (8, 0, 19),
    }
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn a_server_is_told_by_its_version() {
        for known in [
            "10.6.0-MariaDB",
            "10.11.19-MariaDB-0+deb12u1",
            "11.4.2-MariaDB-log",
            "8.0.19",
            "8.0.42-0ubuntu0.24.04.1",
            "8.4.5",
            "9.3.0-commercial",
        ] {
            assert!(is_known(known), "{known}");
        }
        for unknown in [
            "",
            "5.7.44-log",
            "8.0.11-TiDB-v8.5.0",
            "10.5.29-MariaDB",
            "MariaDB",
        ] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
