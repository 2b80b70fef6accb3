//! The rows that a commit writes: one statement for any number of leads.

use super::sql::Sql;
use crate::effect::{Effects, halves};
use crate::error::{Error, Result};
use crate::event_row::{EVENT, EventRow};
use crate::lead_row::{Column, LeadRow};
use crate::value::{Value, stored};
use crm_core::index::IndexKey;
use crm_core::lead::LeadId;
use crm_core::repository::{Change, ChangeSet};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Writes for one tenant.
pub(super) struct Writer<'c> {
    connection: &'c mut PgConnection,
    tenant: i64,
}

impl<'c> Writer<'c> {
    pub(super) const fn new(connection: &'c mut PgConnection, tenant: i64) -> Self {
        Self { connection, tenant }
    }

    /// Everything that a change set does to leads and what is beside them, in one statement: its
    /// parts touch different rows, so it does not matter which of them comes first.
    pub(super) async fn effects(&mut self, effects: &Effects<'_>) -> Result<()> {
        let mut parts = Parts::new(self.tenant);
        parts.effects(effects);
        parts.execute(self.connection).await.map(drop)
    }

    /// The same of keys that are made anew: what is stored has none.
    pub(super) async fn rebuilt(
        &mut self,
        leads: &[LeadRow<'_>],
        columns: &[Column],
        words: &crate::effect::Difference<crate::effect::WordRow>,
        tags: &crate::effect::Difference<crate::effect::TagRow>,
    ) -> Result<()> {
        let mut parts = Parts::new(self.tenant);
        parts.update_leads(leads, columns);
        parts.words(words);
        parts.tags(tags);
        parts.execute(self.connection).await.map(drop)
    }

    pub(super) async fn counters(&mut self, counters: &BTreeMap<IndexKey, i128>) -> Result<()> {
        let mut parts = Parts::new(self.tenant);
        parts.deltas(counters);
        parts.execute(self.connection).await.map(drop)
    }

    /// Those that were there are locked. One that was not may be there by now: then it is refused
    /// as a key that is twice, and the commit made again.
    pub(super) async fn documents(&mut self, changes: &ChangeSet) -> Result<()> {
        for change in changes.changes() {
            match change {
                Change::PutDocument { document, expected } => {
                    let sql = match expected {
                        None => {
                            "INSERT INTO crm_documents (tenant, key, version, bytes)
                            VALUES ($1, $2, $3, $4)"
                        }
                        Some(_) => {
                            "UPDATE crm_documents SET version = $3, bytes = $4
                            WHERE tenant = $1 AND key = $2"
                        }
                    };
                    let query = sqlx::query(sql)
                        .bind(self.tenant)
                        .bind(document.key.as_str())
                        .bind(stored(document.version.get()))
                        .bind(document.bytes.as_slice());
                    let done = query.execute(&mut *self.connection).await?;
                    if done.rows_affected() != 1 {
                        return Err(Error::Overtaken);
                    }
                }
                Change::RemoveDocument { key, .. } => {
                    let sql = "DELETE FROM crm_documents WHERE tenant = $1 AND key = $2";
                    let query = sqlx::query(sql).bind(self.tenant).bind(key.as_str());
                    query.execute(&mut *self.connection).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A statement of several parts: `WITH ready AS (…), part1 AS (…), part2 AS (…) SELECT`. They write
/// for the tenant that the first names, and nothing if it names none.
pub(super) struct Parts {
    pub(super) sql: Sql,
    count: usize,
}

/// The tenant to write for.
pub(super) const READY: &str = "(SELECT tenant FROM ready)";

impl Parts {
    fn new(tenant: i64) -> Self {
        let mut sql = Sql::about(tenant);
        sql.push("WITH ready AS (SELECT $1::bigint AS tenant)");
        Self::after(sql)
    }

    /// After a text that names the tenant.
    pub(super) const fn after(ready: Sql) -> Self {
        Self {
            sql: ready,
            count: 0,
        }
    }

    /// Begins a part.
    pub(super) fn begin(&mut self) -> &mut Sql {
        self.count += 1;
        self.sql.push(if self.count > 1 { ")\n" } else { "\n" });
        self.sql.push(", part").push(&self.count.to_string());
        self.sql.push(" AS (\n")
    }

    pub(super) fn effects(&mut self, effects: &Effects<'_>) {
        self.insert_leads(&effects.created);
        self.update_leads(&effects.updated, &effects.touched);
        self.delete_leads(&effects.deleted);
        self.erase_events(&effects.deleted);
        self.insert_events(&effects.events);
        self.words(&effects.words);
        self.tags(&effects.tags);
        self.deltas(&effects.counters);
    }

    /// Tells whether there was a tenant to write for.
    pub(super) async fn execute(mut self, connection: &mut PgConnection) -> Result<bool> {
        if self.count > 0 {
            self.sql.push(")");
        }
        self.sql.push("\nSELECT tenant FROM ready");
        Ok(!self.sql.fetch_all(connection).await?.is_empty())
    }

    fn insert_leads(&mut self, rows: &[LeadRow<'_>]) {
        if rows.is_empty() {
            return;
        }
        let columns = stored_columns();
        let sql = self.begin();
        sql.push("INSERT INTO crm_leads (tenant");
        for column in &columns {
            sql.push(", ").push(column.name());
        }
        sql.push(") SELECT ready.tenant, new.* FROM ready, ");
        push_rows(sql, rows, &columns);
        sql.push(" AS new");
    }

    /// Writes the columns that changed, and so only the indexes that are made of them.
    fn update_leads(&mut self, rows: &[LeadRow<'_>], touched: &[Column]) {
        let mut columns = stored_columns();
        columns.retain(|column| touched.contains(column));
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let sql = self.begin();
        sql.push("UPDATE crm_leads SET ");
        for (place, column) in columns.iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" });
            sql.push(column.name()).push(" = new.").push(column.name());
        }
        columns.insert(0, Column::Id);
        sql.push(" FROM ");
        push_rows(sql, rows, &columns);
        sql.push(" AS new (");
        for (place, column) in columns.iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" });
            sql.push(column.name());
        }
        sql.push(") WHERE crm_leads.tenant = ").push(READY);
        sql.push(" AND crm_leads.id = new.id");
    }

    fn delete_leads(&mut self, ids: &[LeadId]) {
        if !ids.is_empty() {
            let sql = self.begin();
            sql.push("DELETE FROM crm_leads WHERE tenant = ")
                .push(READY);
            sql.push(" AND id").is_among(ids);
        }
    }

    /// Takes what was typed out of the events of deleted leads, and the fingerprints out of the
    /// commits that wrote them. Rows are locked in one order, as others erase and number them.
    fn erase_events(&mut self, leads: &[LeadId]) {
        if leads.is_empty() {
            return;
        }
        let sql = self.begin();
        sql.push(
            "UPDATE crm_commits SET fingerprint = NULL FROM (
                SELECT id FROM crm_commits
                WHERE tenant = (SELECT tenant FROM ready) AND id IN (
                    SELECT commit_id FROM crm_events
                    WHERE tenant = (SELECT tenant FROM ready) AND lead",
        );
        sql.is_among(leads).push(
            ")
                ORDER BY id
                FOR UPDATE
            ) AS old
            WHERE crm_commits.tenant = (SELECT tenant FROM ready) AND crm_commits.id = old.id",
        );
        let sql = self.begin();
        sql.push(
            "UPDATE crm_events SET reason = NULL, changes = NULL FROM (
                SELECT lead, version FROM crm_events
                WHERE tenant = (SELECT tenant FROM ready) AND lead",
        );
        sql.is_among(leads).push(
            "
                ORDER BY entry
                FOR UPDATE
            ) AS old
            WHERE crm_events.tenant = (SELECT tenant FROM ready)
                AND crm_events.lead = old.lead
                AND crm_events.version = old.version",
        );
    }

    /// In their order, in which entries are drawn.
    fn insert_events(&mut self, events: &[EventRow<'_>]) {
        if events.is_empty() {
            return;
        }
        let sql = self.begin();
        sql.push("INSERT INTO crm_events (tenant, ").push(EVENT);
        sql.push(") SELECT ready.tenant, ").push(EVENT);
        sql.push(" FROM ready, ");
        let rows: Vec<[Value<'_>; 13]> = events.iter().map(EventRow::values).collect();
        sql.rows(&rows, 13, |row, column| {
            row.get(column).cloned().unwrap_or(Value::Number(None))
        });
        match rows.len() {
            1 => sql.push(" AS new (").push(EVENT).push(")"),
            _ => {
                sql.push(" WITH ORDINALITY AS new (").push(EVENT);
                sql.push(", place) ORDER BY place")
            }
        };
    }

    fn deltas(&mut self, counters: &BTreeMap<IndexKey, i128>) {
        if counters.is_empty() {
            return;
        }
        let rows: Vec<(&IndexKey, (i64, i64))> = counters
            .iter()
            .map(|(key, by)| (key, halves(*by)))
            .collect();
        let sql = self.begin();
        sql.push("INSERT INTO crm_deltas (tenant, key, high, low) ");
        sql.push("SELECT ready.tenant, new.* FROM ready, ");
        sql.rows(&rows, 3, |(key, (high, low)), column| match column {
            0 => Value::bytes(Some(key.as_bytes())),
            1 => Value::Number(Some(*high)),
            _ => Value::Number(Some(*low)),
        });
        sql.push(" AS new");
    }
}

fn push_rows(sql: &mut Sql, rows: &[LeadRow<'_>], columns: &[Column]) {
    sql.rows(rows, columns.len(), |row, column| {
        row.value(columns.get(column).copied().unwrap_or(Column::Id))
    });
}

/// All but the one that the database makes of another.
pub(super) fn stored_columns() -> Vec<Column> {
    let columns = Column::ALL.iter().copied();
    columns
        .filter(|column| *column != Column::Archived)
        .collect()
}
