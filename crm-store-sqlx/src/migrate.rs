//! The tables' migrations: which there are, and how they are run.

use crate::error::Result;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};

/// Our own, so that the application's migrations and ours never meet.
const TABLE: &str = "crm_migrations";

/// One migration: its number, what it does, and its statements, which may run again over tables
/// that are there already.
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) description: &'static str,
    pub(crate) sql: &'static str,
}

/// Runs those that have not been run yet. The caller holds a lock that keeps others from doing the
/// same.
pub(crate) async fn run<C: Migrate>(connection: &mut C, steps: &[Step]) -> Result<()> {
    let migrations = steps.iter().map(|step| {
        Migration::new(
            step.version,
            step.description.into(),
            MigrationType::Simple,
            step.sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator.set_locking(false);
    // A newer version of this crate may have been here; the format tells whether that matters.
    migrator.set_ignore_missing(true);
    migrator.run_direct(None, connection, false).await?;
    Ok(())
}
