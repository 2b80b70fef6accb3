//! Reading: what a connection and its rows have to know for lists, counts and checks, which are the
//! same for all databases.

use crate::error::{Error, Result};
use crate::lead_row::LEAD_COLUMNS;
use crate::statement::{Dialect, Statement};
use crate::value::{id, read};
use crm_core::lead::Lead;
use crm_core::record::LeadRecord;
use sqlx::{Connection, Database, Transaction};
use std::borrow::Cow;

/// A connection that statements are read by.
pub(crate) trait Reading: Connection<Database: Database<Connection = Self>> + Send {
    type Row: Columns + Send + Sync;

    const DIALECT: &'static Dialect;

    /// Begins a transaction whose statements all see the same.
    fn moment(&mut self) -> impl Future<Output = Result<Transaction<'_, Self::Database>>> + Send;

    fn rows(
        &mut self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;
}

/// What a row holds, by the numbers of its columns.
pub(crate) trait Columns {
    fn text(&self, column: usize) -> Result<Option<&str>>;
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>>;
    fn number(&self, column: usize) -> Result<Option<i64>>;
    fn flag(&self, column: usize) -> Result<bool>;

    fn some_text(&self, column: usize) -> Result<&str> {
        self.text(column)?.ok_or(MISSING)
    }

    fn some_bytes(&self, column: usize) -> Result<&[u8]> {
        self.bytes(column)?.ok_or(MISSING)
    }

    fn some_number(&self, column: usize) -> Result<i64> {
        self.number(column)?.ok_or(MISSING)
    }
}

const MISSING: Error = Error::Damaged("a column");

/// The only row of an answer.
pub(crate) async fn row<C: Reading>(
    connection: &mut C,
    statement: Statement<'_>,
) -> Result<C::Row> {
    let mut rows = connection.rows(statement).await?;
    rows.pop().ok_or(Error::Database(sqlx::Error::RowNotFound))
}

/// The sum of counters that a row carries after its lead.
pub(crate) fn total_from_row(row: &impl Columns) -> Result<u64> {
    read(row.some_number(LEAD_COLUMNS)?)
}

/// Reads the columns of [`LEAD`](crate::lead_row::LEAD).
pub(crate) fn read_lead(row: &impl Columns) -> Result<Lead> {
    let text = |column| Ok::<_, Error>(row.text(column)?.map(Cow::Borrowed));
    let record = LeadRecord {
        id: id(row.some_bytes(0)?)?,
        version: read(row.some_number(1)?)?,
        status: row.some_text(2)?.into(),
        assigned_to: text(3)?,
        source: text(4)?,
        created_at: row.some_number(5)?,
        updated_at: row.some_number(6)?,
        status_changed_at: row.some_number(7)?,
        archived_at: row.number(8)?,
        value: row.number(10)?.zip(text(9)?),
        first_name: text(11)?,
        last_name: text(12)?,
        email: text(13)?,
        company: text(14)?,
        phone: text(15)?,
        tags: match row.text(16)? {
            Some(tags) => serde_json::from_str(tags)?,
            None => Vec::new(),
        },
        status_reason: text(17)?,
        notes: text(18)?,
        custom: text(19)?,
    };
    Ok(Lead::try_from(record)?)
}

/// Columns as the driver reads them, texts by a function of its own.
macro_rules! columns_of {
    ($row:ty, $text:ident) => {
        impl crate::reading::Columns for $row {
            fn text(&self, column: usize) -> crate::error::Result<Option<&str>> {
                Ok(sqlx::Row::$text(self, column)?)
            }

            fn bytes(&self, column: usize) -> crate::error::Result<Option<&[u8]>> {
                Ok(sqlx::Row::try_get(self, column)?)
            }

            fn number(&self, column: usize) -> crate::error::Result<Option<i64>> {
                Ok(sqlx::Row::try_get(self, column)?)
            }

            fn flag(&self, column: usize) -> crate::error::Result<bool> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
        }
    };
}
pub(crate) use columns_of;
