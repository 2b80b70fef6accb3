//! The rows that a commit writes: a few statements for any number of leads.

use crate::effect::{Effects, halves};
use crate::error::Result;
use crate::event_row::{EVENT, EventRow};
use crate::lead_row::{Column, LeadRow};
use crate::value::{Value, stored};
use crm_core::index::IndexKey;
use crm_core::lead::LeadId;
use crm_core::repository::{Change, ChangeSet};
use sqlx::query_builder::Separated;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::borrow::Cow;
use std::collections::BTreeMap;

use super::stored::push_ids;

/// The most rows of one statement. Of the widest table that is a quarter of the parameters that
/// SQLite takes, and more at once are not faster.
pub(super) const ROWS: usize = 250;

/// The most rows of one statement about a narrow table.
pub(super) const NARROW_ROWS: usize = 1_000;

/// Writes for one tenant.
pub(super) struct Writer<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) tenant: i64,
}

impl<'c> Writer<'c> {
    pub(super) const fn new(connection: &'c mut SqliteConnection, tenant: i64) -> Self {
        Self { connection, tenant }
    }

    /// Statements of one row and of as many as fit are kept prepared; others are each their own.
    pub(super) async fn run(
        &mut self,
        mut query: QueryBuilder<Sqlite>,
        rows: usize,
        full: usize,
    ) -> Result<()> {
        let query = query.build().persistent(rows == 1 || rows == full);
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    pub(super) async fn leads(&mut self, effects: &Effects<'_>) -> Result<()> {
        for rows in effects.created.chunks(ROWS) {
            self.insert_leads(rows).await?;
        }
        self.update(&effects.updated, &effects.touched).await?;
        if !effects.deleted.is_empty() {
            self.delete_leads(&effects.deleted).await?;
        }
        Ok(())
    }

    /// Writes these columns of leads that are there.
    pub(super) async fn update(&mut self, rows: &[LeadRow<'_>], columns: &[Column]) -> Result<()> {
        if let [row] = rows {
            return self.update_lead(row, columns).await;
        }
        for rows in rows.chunks(ROWS) {
            self.update_leads(rows, columns).await?;
        }
        Ok(())
    }

    async fn insert_leads(&mut self, rows: &[LeadRow<'_>]) -> Result<()> {
        let tenant = self.tenant;
        let mut query = QueryBuilder::new("INSERT INTO crm_leads (tenant");
        for column in Column::ALL {
            query.push(", ").push(column.name());
        }
        query.push(") ");
        query.push_values(rows, |mut values, row| {
            values.push_bind(tenant);
            for &column in Column::ALL {
                push(&mut values, row.value(column));
            }
        });
        self.run(query, rows.len(), ROWS).await?;
        Ok(())
    }

    async fn update_lead(&mut self, row: &LeadRow<'_>, touched: &[Column]) -> Result<()> {
        let mut query = QueryBuilder::new("UPDATE crm_leads SET ");
        let mut values = query.separated(", ");
        for &column in touched {
            values.push(column.name()).push_unseparated(" = ");
            push_unseparated(&mut values, row.value(column));
        }
        query
            .push(" WHERE tenant = ")
            .push_bind(self.tenant)
            .push(" AND id = ");
        let mut id = query.separated("");
        push_unseparated(&mut id, row.value(Column::Id));
        self.run(query, 1, ROWS).await
    }

    /// Writes the columns that changed, and so only the indexes that are made of them.
    async fn update_leads(&mut self, rows: &[LeadRow<'_>], touched: &[Column]) -> Result<()> {
        let mut query = QueryBuilder::new("UPDATE crm_leads SET ");
        for (number, column) in (2..).zip(touched) {
            let comma = if number == 2 { "" } else { ", " };
            query.push(format_args!(
                "{comma}{} = new.column{number}",
                column.name()
            ));
        }
        query.push(" FROM (");
        query.push_values(rows, |mut values, row| {
            push(&mut values, row.value(Column::Id));
            for &column in touched {
                push(&mut values, row.value(column));
            }
        });
        query.push(") AS new WHERE crm_leads.id = new.column1 AND crm_leads.tenant = ");
        query.push_bind(self.tenant);
        self.run(query, rows.len(), ROWS).await?;
        Ok(())
    }

    async fn delete_leads(&mut self, ids: &[LeadId]) -> Result<()> {
        let mut query = QueryBuilder::new("DELETE FROM crm_leads WHERE tenant = ");
        query.push_bind(self.tenant).push(" AND id IN (");
        push_ids(&mut query, ids);
        self.run(query, ids.len(), NARROW_ROWS).await?;
        Ok(())
    }

    /// Takes what was typed out of the events of deleted leads, and the fingerprints out of the
    /// commits that wrote them.
    pub(super) async fn erase_events(&mut self, leads: &[LeadId]) -> Result<()> {
        if leads.is_empty() {
            return Ok(());
        }
        let mut query =
            QueryBuilder::new("UPDATE crm_commits SET fingerprint = NULL WHERE tenant = ");
        query
            .push_bind(self.tenant)
            .push(" AND id IN (SELECT commit_id FROM crm_events WHERE tenant = ")
            .push_bind(self.tenant)
            .push(" AND lead IN (");
        push_ids(&mut query, leads);
        query.push(")");
        self.run(query, leads.len(), NARROW_ROWS).await?;

        let mut query = QueryBuilder::new(
            "UPDATE crm_events SET reason = NULL, changes = NULL WHERE tenant = ",
        );
        query.push_bind(self.tenant).push(" AND lead IN (");
        push_ids(&mut query, leads);
        self.run(query, leads.len(), NARROW_ROWS).await?;
        Ok(())
    }

    /// Appends the events, and remembers the commit by the numbers they get. Nobody else writes, so
    /// these follow each other.
    pub(super) async fn events(
        &mut self,
        events: &[EventRow<'_>],
        changes: &ChangeSet,
    ) -> Result<()> {
        let mut rest = events.chunks(ROWS);
        let last = rest.next_back();
        for rows in rest {
            let query = self.insert_events(rows);
            self.run(query, rows.len(), ROWS).await?;
        }
        let (mut query, rows) = match last {
            Some(rows) => (self.insert_events(rows), rows.len()),
            None => (QueryBuilder::new(""), 1),
        };
        query.push("INSERT INTO crm_commits (tenant, id, fingerprint, first_event, last_event) ");
        query.push("VALUES (").push_bind(self.tenant);
        query
            .push(", ")
            .push_bind(changes.commit().as_uuid().as_bytes().to_vec());
        query
            .push(", ")
            .push_bind(changes.fingerprint().as_bytes().to_vec());
        match events.len() {
            0 => query.push(", 0, -1)"),
            count => query
                .push(", last_insert_rowid() + 1 - ")
                .push_bind(i64::try_from(count).unwrap_or(i64::MAX))
                .push(", last_insert_rowid())"),
        };
        self.run(query, rows, ROWS).await
    }

    fn insert_events(&self, rows: &[EventRow<'_>]) -> QueryBuilder<Sqlite> {
        let tenant = self.tenant;
        let mut query = QueryBuilder::new("INSERT INTO crm_events (tenant, ");
        query.push(EVENT).push(") ");
        query.push_values(rows, |mut values, row| {
            values.push_bind(tenant);
            for value in row.values() {
                push(&mut values, value);
            }
        });
        query.push("; ");
        query
    }

    /// Adds to the counters, and removes those that came to nothing.
    pub(super) async fn counters(&mut self, counters: &BTreeMap<IndexKey, i128>) -> Result<()> {
        let tenant = self.tenant;
        let all: Vec<(&IndexKey, i128)> = counters.iter().map(|(key, by)| (key, *by)).collect();
        for rows in all.chunks(NARROW_ROWS) {
            let mut query = QueryBuilder::new("INSERT INTO crm_counters (tenant, key, high, low) ");
            query.push_values(rows, |mut values, (key, by)| {
                let (high, low) = halves(*by);
                values
                    .push_bind(tenant)
                    .push_bind(key.as_bytes().to_vec())
                    .push_bind(high)
                    .push_bind(low);
            });
            query.push(
                " ON CONFLICT (tenant, key) DO UPDATE SET \
                 high = high + excluded.high + (low + excluded.low) / 1000000000000000000, \
                 low = (low + excluded.low) % 1000000000000000000",
            );
            if rows.iter().any(|(_, by)| *by < 0) {
                query.push(
                    "; DELETE FROM crm_counters INDEXED BY crm_counters_zero \
                     WHERE high = 0 AND low = 0 AND tenant = ",
                );
                query.push_bind(tenant);
            }
            self.run(query, rows.len(), NARROW_ROWS).await?;
        }
        Ok(())
    }

    pub(super) async fn documents(&mut self, changes: &ChangeSet) -> Result<()> {
        for change in changes.changes() {
            match change {
                Change::PutDocument { document, .. } => {
                    let sql = "
                        INSERT INTO crm_documents (tenant, key, version, bytes)
                        VALUES (?, ?, ?, ?)
                        ON CONFLICT (tenant, key) DO UPDATE SET
                            version = excluded.version,
                            bytes = excluded.bytes
                    ";
                    let query = sqlx::query(sql)
                        .bind(self.tenant)
                        .bind(document.key.as_str().to_owned())
                        .bind(stored(document.version.get()))
                        .bind(document.bytes.clone());
                    query.execute(&mut *self.connection).await?;
                }
                Change::RemoveDocument { key, .. } => {
                    let sql = "DELETE FROM crm_documents WHERE tenant = ? AND key = ?";
                    let query = sqlx::query(sql).bind(self.tenant).bind(key.as_str());
                    query.execute(&mut *self.connection).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn push(values: &mut Separated<'_, Sqlite, &'static str>, value: Value<'_>) {
    match value {
        Value::Text(text) => values.push_bind(text.map(Cow::into_owned)),
        Value::Bytes(bytes) => values.push_bind(bytes.map(Cow::into_owned)),
        Value::Number(number) => values.push_bind(number),
    };
}

fn push_unseparated(values: &mut Separated<'_, Sqlite, &'static str>, value: Value<'_>) {
    match value {
        Value::Text(text) => values.push_bind_unseparated(text.map(Cow::into_owned)),
        Value::Bytes(bytes) => values.push_bind_unseparated(bytes.map(Cow::into_owned)),
        Value::Number(number) => values.push_bind_unseparated(number),
    };
}
