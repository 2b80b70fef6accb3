//! Whether leads, the keys they are found by, the counters and the events say the same.

use super::pool::Patience;
use super::{SqliteRepository, patiently};
use crate::error::Result;
use crate::verified::Verified;
use crate::verify::{BROKEN_REFERENCE, Verifying, verify};
use crm_core::lead::TenantId;
use crm_core::repository::RepositoryError;
use sqlx::SqliteConnection;

impl SqliteRepository {
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
        patiently!(self.pools, readers, |connection| verify(connection))
    }
}

impl Verifying for SqliteConnection {
    async fn tenants(&mut self, after: Option<&TenantId>) -> Result<Vec<TenantId>> {
        super::tenant::list(self, after).await
    }

    async fn number(&mut self, tenant: &TenantId) -> Result<Option<i64>> {
        super::tenant::number(self, tenant).await
    }

    /// SQLite checks all references itself.
    async fn faults(&mut self, _: i64) -> Result<Vec<&'static str>> {
        Ok(Vec::new())
    }

    /// Whether our tables refer to what exists. The application's are its own business.
    async fn faults_of_all(&mut self) -> Result<Vec<&'static str>> {
        let sql = "
            WITH children (name) AS (
                VALUES ('crm_lifecycles'), ('crm_statuses'), ('crm_transitions'), ('crm_leads')
            )
            SELECT count(*) FROM children CROSS JOIN pragma_foreign_key_check(children.name)
        ";
        let faults: i64 = sqlx::query_scalar(sql).fetch_one(self).await?;
        Ok(match faults {
            0 => Vec::new(),
            _ => vec![BROKEN_REFERENCE],
        })
    }
}
