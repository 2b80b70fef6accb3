//! Whether leads, the keys they are found by, the counters and the events say the same.

use super::MySqlRepository;
use super::pool::{Lent, Patience};
use crate::error::Result;
use crate::verified::Verified;
use crate::verify::{BROKEN_REFERENCE, Verifying, verify};
use crm_core::lead::TenantId;
use crm_core::repository::RepositoryError;
use sqlx::{MySqlConnection, Row as _};

impl MySqlRepository {
    /// Reads everything and checks that it agrees: every lead with its sort keys, words, tags and
    /// last event; the counters with the leads; references with what they refer to. Wrong keys and
    /// counters can be [rebuilt](Self::rebuild_indexes).
    ///
    /// Everything is read as of one moment; others read and write meanwhile. It takes some minutes
    /// for a million leads.
    ///
    /// # Errors
    ///
    /// A failing database. What is wrong is no error but told.
    pub async fn verify(&self) -> std::result::Result<Verified, RepositoryError> {
        let mut patience = Patience::default();
        loop {
            let verified = async {
                let mut lent = Lent::from(&self.pool).await?;
                let done = verify(lent.connection()).await;
                lent.settle(&done);
                done
            };
            match verified.await {
                Err(error) if patience.allows_another(&error).await => {}
                done => return Ok(done?),
            }
        }
    }
}

impl Verifying for MySqlConnection {
    async fn tenants(&mut self, after: Option<&TenantId>) -> Result<Vec<TenantId>> {
        super::tenant::list(self, after).await
    }

    async fn number(&mut self, tenant: &TenantId) -> Result<Option<i64>> {
        super::tenant::number(self, tenant).await
    }

    /// What commits are checked by, and what leads refer to.
    async fn faults(&mut self, tenant: i64) -> Result<Vec<&'static str>> {
        let row = sqlx::query(RULES)
            .bind(tenant)
            .bind(tenant)
            .bind(tenant)
            .fetch_one(&mut *self)
            .await?;
        let sql = "SELECT slug FROM crm_statuses WHERE tenant = ? ORDER BY position";
        let slugs: Vec<String> = sqlx::query_scalar(sql).bind(tenant).fetch_all(self).await?;
        let statuses: Vec<String> = serde_json::from_str(row.try_get(1)?)?;
        let mut faults = Vec::new();
        if row.try_get::<i64, _>(0)? == 0 || statuses != slugs {
            faults.push("the rules in force are not those of the last lifecycle");
        }
        if row.try_get::<i64, _>(2)? != 0 {
            faults.push(BROKEN_REFERENCE);
        }
        Ok(faults)
    }

    async fn faults_of_all(&mut self) -> Result<Vec<&'static str>> {
        Ok(Vec::new())
    }
}

const RULES: &str = "
    SELECT
        lifecycle <=> (SELECT MAX(version) FROM crm_lifecycles WHERE tenant = ?),
        statuses,
        EXISTS (
            SELECT 1 FROM crm_leads
            LEFT JOIN crm_statuses
                ON crm_statuses.tenant = crm_leads.tenant AND crm_statuses.slug = crm_leads.status
            WHERE crm_leads.tenant = ? AND crm_statuses.slug IS NULL
        )
    FROM crm_tenants
    WHERE tenant = ?
";
