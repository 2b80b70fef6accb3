//! Making the keys anew that leads are sorted, found and counted by.

use super::MySqlRepository;
use super::commit::BEGIN;
use super::pool::{Lent, Patience};
use super::schema::{has_table, keep_versions};
use super::write::Writer;
use crate::error::{Error, Result};
use crate::reading::read_lead;
use crate::rebuild::{MADE, Remade};
use crate::verify::{lead_id, leads_after};
use crm_core::index::IndexKey;
use crm_core::lead::Lead;
use crm_core::repository::RepositoryError;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};
use std::collections::BTreeMap;

impl MySqlRepository {
    /// Makes the keys anew that leads are sorted, found and counted by: after a change of the rules
    /// by which texts are folded, when opening answers `OutdatedIndexes`, or when
    /// [`verify`](Self::verify) found them wrong.
    ///
    /// It is one transaction: others read what was there before, and write only when it is done,
    /// which takes minutes for a million leads. If it is interrupted, nothing was changed.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a lead cannot be read, or a failing database.
    pub async fn rebuild_indexes(pool: &MySqlPool) -> std::result::Result<(), RepositoryError> {
        Ok(rebuild(pool).await?)
    }
}

pub(super) async fn rebuild(pool: &MySqlPool) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let rebuilt = async {
            let mut lent = Lent::from(pool).await?;
            let done = rebuild_all(lent.connection()).await;
            lent.settle(&done);
            done
        };
        match rebuilt.await {
            Err(error) if patience.allows_another(&error).await => {}
            done => return done,
        }
    }
}

async fn rebuild_all(connection: &mut MySqlConnection) -> Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    if !has_table(&mut transaction, "crm_meta").await? {
        return Err(Error::NoTables);
    }
    // Commits hold a row of the first, and whoever folds one of the second; readers go on. A tenant
    // that comes meanwhile has its keys made by the same rules.
    let sql = "SELECT tenant FROM crm_tenants ORDER BY tenant FOR UPDATE";
    let tenants: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut *transaction).await?;
    let sql = "SELECT tenant FROM crm_folds ORDER BY tenant FOR UPDATE";
    let query = sqlx::query(sql);
    query.fetch_all(&mut *transaction).await?;
    for tenant in tenants {
        for sql in [
            "DELETE crm_words FROM crm_words FORCE INDEX (PRIMARY) WHERE tenant = ?",
            "DELETE crm_tags FROM crm_tags FORCE INDEX (PRIMARY) WHERE tenant = ?",
            "DELETE crm_counters FROM crm_counters FORCE INDEX (PRIMARY) WHERE tenant = ?",
            "DELETE crm_deltas FROM crm_deltas FORCE INDEX (PRIMARY) WHERE tenant = ?",
        ] {
            let query = sqlx::query(sql).bind(tenant);
            query.execute(&mut *transaction).await?;
        }
        rebuild_tenant(&mut transaction, tenant).await?;
    }
    keep_versions(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn rebuild_tenant(connection: &mut MySqlConnection, tenant: i64) -> Result<()> {
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
        writer
            .rebuilt(&made.leads, &MADE, &made.words, &made.tags)
            .await?;
    }
    Writer::new(connection, tenant).counters(&sums).await
}
