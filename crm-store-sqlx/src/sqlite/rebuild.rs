//! Making the keys anew that leads are sorted, found and counted by.

use super::SqliteRepository;
use super::pool::{Patience, acquire};
use super::schema::{check_not_newer, has_tables, keep_versions};
use super::write::Writer;
use crate::error::{Error, Result};
use crate::reading::read_lead;
use crate::rebuild::{MADE, Remade};
use crate::verify::{lead_id, leads_after};
use crm_core::index::IndexKey;
use crm_core::lead::Lead;
use crm_core::repository::RepositoryError;
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use std::collections::BTreeMap;

impl SqliteRepository {
    /// Makes the keys anew that leads are sorted, found and counted by: after a change of the rules
    /// by which texts are folded, when opening answers `OutdatedIndexes`, or when
    /// [`verify`](Self::verify) found them wrong.
    ///
    /// It is one transaction: others read what was there before, and write only when it is done,
    /// which takes minutes for a million leads. If it is interrupted, nothing was changed.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a lead cannot be read, `NewerFormat` if a newer version made the tables or the
    /// keys, or a failing database.
    pub async fn rebuild_indexes(pool: &SqlitePool) -> std::result::Result<(), RepositoryError> {
        Ok(rebuild(pool).await?)
    }
}

pub(super) async fn rebuild(pool: &SqlitePool) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let mut connection = acquire(pool).await?;
        match rebuild_all(&mut connection).await {
            Err(error) if patience.allows_another(&error).await => {}
            done => return done,
        }
    }
}

async fn rebuild_all(connection: &mut SqliteConnection) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if !has_tables(&mut transaction).await? {
        return Err(Error::NoTables);
    }
    check_not_newer(&mut transaction).await?;
    let sql = "DELETE FROM crm_words; DELETE FROM crm_tags; DELETE FROM crm_counters;";
    sqlx::query(sql).execute(&mut *transaction).await?;
    let tenants: Vec<i64> = sqlx::query_scalar("SELECT tenant FROM crm_tenants")
        .fetch_all(&mut *transaction)
        .await?;
    for tenant in tenants {
        rebuild_tenant(&mut transaction, tenant).await?;
    }
    keep_versions(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn rebuild_tenant(connection: &mut SqliteConnection, tenant: i64) -> Result<()> {
    let mut sums: BTreeMap<IndexKey, i128> = BTreeMap::new();
    let mut after = None;
    loop {
        let rows = leads_after(connection, tenant, after).await?;
        let Some(last) = rows.last() else { break };
        after = Some(lead_id(last)?);
        let leads = rows.iter().map(read_lead);
        let leads: Vec<Lead> = leads.collect::<Result<_>>()?;
        let made = Remade::of(&leads, &mut sums);
        let mut writer = Writer::new(connection, tenant);
        writer.update(&made.leads, &MADE).await?;
        writer.words(&made.words).await?;
        writer.tags(&made.tags).await?;
        writer.send().await?;
    }
    let mut writer = Writer::new(connection, tenant);
    writer.counters(&sums).await?;
    writer.send().await
}
