//! The rows that a commit writes: one statement for any number of them, or a few if they are large.

use super::sql::{EVENT, IDS_AT_ONCE, Sql};
use crate::effect::{Difference, Effects, TagRow, WordRow, halves};
use crate::error::{Error, Result};
use crate::event_row::EventRow;
use crate::lead_row::{Column, LeadRow};
use crate::value::{Value, stored};
use crm_core::index::IndexKey;
use crm_core::lead::{Lead, LeadId};
use crm_core::repository::{Change, ChangeSet};
use sqlx::{MySqlConnection, Row as _};
use std::collections::BTreeMap;

/// Writes for one tenant.
pub(super) struct Writer<'c> {
    pub(super) connection: &'c mut MySqlConnection,
    pub(super) tenant: i64,
    /// The one lead that is changed, as it is written over only if it is still so.
    pub(super) planned: Option<&'c Lead>,
}

impl<'c> Writer<'c> {
    pub(super) const fn new(connection: &'c mut MySqlConnection, tenant: i64) -> Self {
        Self {
            connection,
            tenant,
            planned: None,
        }
    }

    /// Everything that a change set does to leads and what is beside them. Rows that others may
    /// change, too, come in the order in which everybody locks them: leads, commits, events.
    pub(super) async fn effects(&mut self, effects: &Effects<'_>) -> Result<()> {
        self.insert_leads(&effects.created).await?;
        self.update_leads(&effects.updated, &effects.touched)
            .await?;
        self.delete_leads(&effects.deleted).await?;
        self.erase_events(&effects.deleted).await?;
        self.insert_events(&effects.events).await?;
        self.words(&effects.words).await?;
        self.tags(&effects.tags).await?;
        self.counters(&effects.counters).await
    }

    /// The same of keys that are made anew: what is stored has none.
    pub(super) async fn rebuilt(
        &mut self,
        leads: &[LeadRow<'_>],
        columns: &[Column],
        words: &Difference<WordRow>,
        tags: &Difference<TagRow>,
    ) -> Result<()> {
        self.update_leads(leads, columns).await?;
        self.words(words).await?;
        self.tags(tags).await
    }

    /// What a commit adds, as deltas.
    pub(super) async fn counters(&mut self, counters: &BTreeMap<IndexKey, i128>) -> Result<()> {
        let rows = counters.iter().map(|(key, by)| {
            let (high, low) = halves(*by);
            [
                Value::Number(Some(self.tenant)),
                Value::bytes(Some(key.as_bytes())),
                Value::Number(Some(high)),
                Value::Number(Some(low)),
            ]
        });
        let sql = "INSERT INTO crm_deltas (tenant, `key`, high, low) VALUES ";
        insert(sql, rows, "").execute(self.connection).await
    }

    /// Those that were there are locked. One that was not may be there by now: then it is refused
    /// as a key that is twice, and the commit made again.
    pub(super) async fn documents(&mut self, changes: &ChangeSet) -> Result<()> {
        for change in changes.changes() {
            match change {
                Change::PutDocument { document, expected } => {
                    let sql = match expected {
                        None => {
                            "INSERT INTO crm_documents (version, bytes, tenant, `key`)
                            VALUES (?, ?, ?, ?)"
                        }
                        Some(_) => {
                            "UPDATE crm_documents SET version = ?, bytes = ?
                            WHERE tenant = ? AND `key` = ?"
                        }
                    };
                    let query = sqlx::query(sql)
                        .bind(stored(document.version.get()))
                        .bind(document.bytes.as_slice())
                        .bind(self.tenant)
                        .bind(document.key.as_str());
                    let done = query.execute(&mut *self.connection).await?;
                    if done.rows_affected() != 1 {
                        return Err(Error::Overtaken);
                    }
                }
                Change::RemoveDocument { key, .. } => {
                    let sql = "DELETE FROM crm_documents WHERE tenant = ? AND `key` = ?";
                    let query = sqlx::query(sql).bind(self.tenant).bind(key.as_str());
                    query.execute(&mut *self.connection).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn insert_leads(&mut self, leads: &[LeadRow<'_>]) -> Result<()> {
        let rows = leads.iter().map(|lead| self.row(lead));
        let sql = insert_leads_sql();
        insert(&sql, rows, "").execute(self.connection).await
    }

    /// Writes the columns that changed, and so only the indexes that are made of them.
    ///
    /// Many leads are inserted whole, and as each is there, its columns changed instead. `VALUES()`
    /// is the one way to say so that both MySQL and `MariaDB` know.
    async fn update_leads(&mut self, leads: &[LeadRow<'_>], columns: &[Column]) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        if let [lead] = leads {
            return self.update_lead(lead, columns).await;
        }
        let mut instead = String::from(" ON DUPLICATE KEY UPDATE ");
        for (place, column) in columns.iter().enumerate() {
            let name = column.name();
            instead.push_str(if place > 0 { ", " } else { "" });
            instead.push_str(&format!("{name} = VALUES({name})"));
        }
        let rows = leads.iter().map(|lead| self.row(lead));
        let sql = insert_leads_sql();
        insert(&sql, rows, &instead).execute(self.connection).await
    }

    async fn update_lead(&mut self, lead: &LeadRow<'_>, columns: &[Column]) -> Result<()> {
        let mut sql = Sql::new("UPDATE crm_leads FORCE INDEX (PRIMARY) SET ");
        for (place, column) in columns.iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" });
            sql.push(column.name()).push(" = ");
            sql.bind_value(&lead.value(*column));
        }
        sql.push(" WHERE tenant = ").bind(self.tenant);
        sql.push(" AND id = ").bind_value(&lead.value(Column::Id));
        let Some(planned) = self.planned else {
            return sql.execute(self.connection).await.map(drop);
        };
        sql.push(" AND version = ")
            .bind(stored(planned.version.get()));
        sql.push(" AND updated_at = ")
            .bind(planned.updated_at.timestamp_micros());
        match sql.execute(self.connection).await? {
            0 => Err(Error::Overtaken),
            _ => Ok(()),
        }
    }

    async fn delete_leads(&mut self, ids: &[LeadId]) -> Result<()> {
        for ids in ids.chunks(IDS_AT_ONCE) {
            let mut sql =
                Sql::new("DELETE crm_leads FROM crm_leads FORCE INDEX (PRIMARY) WHERE tenant = ");
            sql.bind(self.tenant).push(" AND id IN (");
            sql.bind_ids(ids).push(")");
            sql.execute(self.connection).await?;
        }
        Ok(())
    }

    /// Takes what was typed out of the events of deleted leads, and the fingerprints out of the
    /// commits that wrote them. The commits are looked up first, as `MariaDB` would look at all
    /// commits otherwise; and under a lock, which shows them all in whatever transaction.
    async fn erase_events(&mut self, leads: &[LeadId]) -> Result<()> {
        let mut commits = Vec::new();
        for leads in leads.chunks(IDS_AT_ONCE) {
            let mut sql =
                Sql::new("SELECT commit_id FROM crm_events FORCE INDEX (PRIMARY) WHERE tenant = ");
            sql.bind(self.tenant).push(" AND `lead` IN (");
            sql.bind_ids(leads).push(") FOR UPDATE");
            for row in sql.fetch_all(self.connection).await? {
                commits.push(row.try_get::<Vec<u8>, _>(0)?);
            }
        }
        commits.sort_unstable();
        commits.dedup();
        for commits in commits.chunks(IDS_AT_ONCE) {
            let mut sql = Sql::new(
                "UPDATE crm_commits FORCE INDEX (PRIMARY) SET fingerprint = NULL WHERE tenant = ",
            );
            sql.bind(self.tenant).push(" AND id IN (");
            sql.bind_list(commits.iter().map(Vec::as_slice)).push(")");
            sql.execute(self.connection).await?;
        }
        for leads in leads.chunks(IDS_AT_ONCE) {
            let mut sql = Sql::new(
                "UPDATE crm_events FORCE INDEX (PRIMARY) SET reason = NULL, changes = NULL
                WHERE tenant = ",
            );
            sql.bind(self.tenant).push(" AND `lead` IN (");
            sql.bind_ids(leads).push(")");
            sql.execute(self.connection).await?;
        }
        Ok(())
    }

    /// In their order, in which entries are drawn.
    async fn insert_events(&mut self, events: &[EventRow<'_>]) -> Result<()> {
        let rows = events.iter().map(|event| {
            let tenant = [Value::Number(Some(self.tenant))];
            tenant.into_iter().chain(event.values())
        });
        let sql = format!("INSERT INTO crm_events (tenant, {EVENT}) VALUES ");
        insert(&sql, rows, "").execute(self.connection).await
    }

    fn row<'l>(&self, lead: &'l LeadRow<'_>) -> impl Iterator<Item = Value<'l>> + use<'l> {
        let tenant = [Value::Number(Some(self.tenant))];
        let columns = Column::ALL.iter().map(|column| lead.value(*column));
        tenant.into_iter().chain(columns)
    }
}

fn insert_leads_sql() -> String {
    let mut sql = String::from("INSERT INTO crm_leads (tenant");
    for column in Column::ALL {
        sql.push_str(", ");
        sql.push_str(column.name());
    }
    sql.push_str(") VALUES ");
    sql
}

/// `INSERT INTO … VALUES (…), (…) …`, in as few statements as such rows fit in.
pub(super) fn insert<'v, R>(before: &str, rows: impl Iterator<Item = R>, after: &str) -> Inserts
where
    R: IntoIterator<Item = Value<'v>>,
{
    let mut inserts = Vec::new();
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let mut sql = Sql::new(before);
        let mut columns = 0;
        let mut is_first = true;
        while !sql.is_full(columns)
            && let Some(row) = rows.next()
        {
            sql.push(if is_first { "(" } else { ", (" });
            is_first = false;
            columns = 0;
            for value in row {
                sql.push(if columns > 0 { ", " } else { "" });
                sql.bind_value(&value);
                columns += 1;
            }
            sql.push(")");
        }
        sql.push(after);
        inserts.push(sql);
    }
    Inserts(inserts)
}

/// Statements that insert rows; none if there are none.
pub(super) struct Inserts(Vec<Sql>);

impl Inserts {
    pub(super) async fn execute(self, connection: &mut MySqlConnection) -> Result<()> {
        for sql in self.0 {
            sql.execute(connection).await?;
        }
        Ok(())
    }
}
