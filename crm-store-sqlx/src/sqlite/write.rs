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

/// Statements about so many rows together are sent at once.
const FEW: usize = 50;

/// The most counters that a change of one lead adds to: it leaves and comes to everybody's and its
/// user's, each in all and by status, and by status for its value too.
const MOST_OF_ONE: usize = 12;

/// Writes for one tenant.
///
/// What is sent goes to another thread and comes back, which takes longer than writing a row. So
/// statements about few rows wait for the next ones, and are sent together: by
/// [`send`](Self::send) at the latest.
pub(super) struct Writer<'c> {
    connection: &'c mut SqliteConnection,
    pub(super) tenant: i64,
    script: QueryBuilder<Sqlite>,
    /// How many rows the script is about.
    rows: usize,
    /// Whether it is kept prepared.
    is_kept: bool,
}

/// How often a statement of this text is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// There are few such texts, so they are kept prepared.
    Usual,
    /// It is one of many.
    Rare,
}

impl Text {
    /// Of statements about one row and about as many as fit.
    pub(super) const fn of(rows: usize, full: usize) -> Self {
        match rows == 1 || rows == full {
            true => Self::Usual,
            false => Self::Rare,
        }
    }
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c mut SqliteConnection, tenant: i64) -> Self {
        Self {
            connection,
            tenant,
            script: QueryBuilder::default(),
            rows: 0,
            is_kept: true,
        }
    }

    /// Where to write the next statement, which is about so many rows.
    pub(super) async fn statement(
        &mut self,
        rows: usize,
        text: Text,
    ) -> Result<&mut QueryBuilder<Sqlite>> {
        if self.rows + rows > FEW {
            self.send().await?;
        }
        if self.rows > 0 {
            self.script.push(";\n");
        }
        self.rows += rows;
        self.is_kept &= text == Text::Usual;
        Ok(&mut self.script)
    }

    /// Sends what waits.
    pub(super) async fn send(&mut self) -> Result<()> {
        if self.rows > 0 {
            let mut script = std::mem::take(&mut self.script);
            let query = script.build().persistent(self.is_kept);
            (self.rows, self.is_kept) = (0, true);
            query.execute(&mut *self.connection).await?;
        }
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
        let query = self
            .statement(rows.len(), Text::of(rows.len(), ROWS))
            .await?;
        query.push("INSERT INTO crm_leads (tenant");
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
        Ok(())
    }

    async fn update_lead(&mut self, row: &LeadRow<'_>, touched: &[Column]) -> Result<()> {
        let tenant = self.tenant;
        let query = self.statement(1, Text::Usual).await?;
        query.push("UPDATE crm_leads SET ");
        let mut values = query.separated(", ");
        for &column in touched {
            values.push(column.name()).push_unseparated(" = ");
            push_unseparated(&mut values, row.value(column));
        }
        query
            .push(" WHERE tenant = ")
            .push_bind(tenant)
            .push(" AND id = ");
        push_unseparated(&mut query.separated(""), row.value(Column::Id));
        Ok(())
    }

    /// Writes the columns that changed, and so only the indexes that are made of them.
    async fn update_leads(&mut self, rows: &[LeadRow<'_>], touched: &[Column]) -> Result<()> {
        let tenant = self.tenant;
        let query = self
            .statement(rows.len(), Text::of(rows.len(), ROWS))
            .await?;
        query.push("UPDATE crm_leads SET ");
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
        query.push_bind(tenant);
        Ok(())
    }

    async fn delete_leads(&mut self, ids: &[LeadId]) -> Result<()> {
        let tenant = self.tenant;
        let text = Text::of(ids.len(), NARROW_ROWS);
        let query = self.statement(ids.len(), text).await?;
        query
            .push("DELETE FROM crm_leads WHERE tenant = ")
            .push_bind(tenant)
            .push(" AND id IN (");
        push_ids(query, ids);
        Ok(())
    }

    /// Takes what was typed out of the events of deleted leads, and the fingerprints out of the
    /// commits that wrote them.
    pub(super) async fn erase_events(&mut self, leads: &[LeadId]) -> Result<()> {
        if leads.is_empty() {
            return Ok(());
        }
        let tenant = self.tenant;
        let text = Text::of(leads.len(), NARROW_ROWS);
        let query = self.statement(leads.len(), text).await?;
        query
            .push("UPDATE crm_commits SET fingerprint = NULL WHERE tenant = ")
            .push_bind(tenant)
            .push(" AND id IN (SELECT commit_id FROM crm_events WHERE tenant = ")
            .push_bind(tenant)
            .push(" AND lead IN (");
        push_ids(query, leads);
        query.push(")");

        let query = self.statement(leads.len(), text).await?;
        query
            .push("UPDATE crm_events SET reason = NULL, changes = NULL WHERE tenant = ")
            .push_bind(tenant)
            .push(" AND lead IN (");
        push_ids(query, leads);
        Ok(())
    }

    /// Appends the events, and remembers the commit by the numbers they get. Nobody else writes, so
    /// these follow each other.
    pub(super) async fn events(
        &mut self,
        events: &[EventRow<'_>],
        changes: &ChangeSet,
    ) -> Result<()> {
        for rows in events.chunks(ROWS) {
            self.insert_events(rows).await?;
        }
        let tenant = self.tenant;
        let query = self.statement(1, Text::Usual).await?;
        query.push("INSERT INTO crm_commits (tenant, id, fingerprint, first_event, last_event) ");
        query.push("VALUES (").push_bind(tenant);
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
        Ok(())
    }

    async fn insert_events(&mut self, rows: &[EventRow<'_>]) -> Result<()> {
        let tenant = self.tenant;
        let query = self
            .statement(rows.len(), Text::of(rows.len(), ROWS))
            .await?;
        query.push("INSERT INTO crm_events (tenant, ").push(EVENT);
        query.push(") ");
        query.push_values(rows, |mut values, row| {
            values.push_bind(tenant);
            for value in row.values() {
                push(&mut values, value);
            }
        });
        Ok(())
    }

    /// Adds to the counters, and removes those that came to nothing.
    pub(super) async fn counters(&mut self, counters: &BTreeMap<IndexKey, i128>) -> Result<()> {
        let tenant = self.tenant;
        let all: Vec<(&IndexKey, i128)> = counters.iter().map(|(key, by)| (key, *by)).collect();
        for rows in all.chunks(NARROW_ROWS) {
            // A change of one lead counts for one of a few numbers of them.
            let text = match rows.len() {
                ..=MOST_OF_ONE => Text::Usual,
                rows => Text::of(rows, NARROW_ROWS),
            };
            let query = self.statement(rows.len(), text).await?;
            query.push("INSERT INTO crm_counters (tenant, key, high, low) ");
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
                    ";\nDELETE FROM crm_counters INDEXED BY crm_counters_zero \
                     WHERE high = 0 AND low = 0 AND tenant = ",
                );
                query.push_bind(tenant);
            }
        }
        Ok(())
    }

    pub(super) async fn documents(&mut self, changes: &ChangeSet) -> Result<()> {
        let tenant = self.tenant;
        let text = Text::of(changes.changes().len(), usize::MAX);
        for change in changes.changes() {
            match change {
                Change::PutDocument { document, .. } => {
                    let query = self.statement(1, text).await?;
                    query.push("INSERT INTO crm_documents (tenant, key, version, bytes) ");
                    query.push_values([document], |mut values, document| {
                        values
                            .push_bind(tenant)
                            .push_bind(document.key.as_str())
                            .push_bind(stored(document.version.get()))
                            .push_bind(document.bytes.clone());
                    });
                    query.push(
                        " ON CONFLICT (tenant, key) DO UPDATE SET \
                         version = excluded.version, bytes = excluded.bytes",
                    );
                }
                Change::RemoveDocument { key, .. } => {
                    let query = self.statement(1, text).await?;
                    query
                        .push("DELETE FROM crm_documents WHERE tenant = ")
                        .push_bind(tenant)
                        .push(" AND key = ")
                        .push_bind(key.as_str());
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
