//! How statements are said to SQLite, and sent.

use crate::error::{Error, Result};
use crate::reading::{Reading, columns_of};
use crate::statement::{Dialect, Parameter, Statement};
use crate::value::Value;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Sqlite, SqliteConnection, Transaction};
use std::borrow::Cow;

const DIALECT: Dialect = Dialect {
    numbered: Some("?"),
    has_arrays: false,
    by_index: Some((" INDEXED BY ", "")),
    by_id: "sqlite_autoindex_crm_leads_1",
    is_id_apart: true,
    // Of this join alone SQLite keeps the order.
    join: "CROSS JOIN",
    merges: true,
    compares_rows: true,
    orders_by_null: true,
    begins_after_null: false,
    in_words: ("instr(words, ", ")"),
    counters: &["crm_counters"],
    number: "INTEGER",
    text: "TEXT",
};

columns_of!(SqliteRow, try_get);

impl Reading for SqliteConnection {
    type Row = SqliteRow;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn moment(&mut self) -> Result<Transaction<'_, Sqlite>> {
        Ok(self.begin_with("BEGIN").await?)
    }

    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>> {
        let mut arguments = SqliteArguments::default();
        for parameter in statement.parameters {
            let values = match parameter {
                Parameter::One(value) => vec![value],
                Parameter::All(values) => values,
            };
            for value in values {
                let added = match value {
                    Value::Text(text) => arguments.add(text.map(Cow::into_owned)),
                    Value::Bytes(bytes) => arguments.add(bytes.map(Cow::into_owned)),
                    Value::Number(number) => arguments.add(number),
                };
                added.map_err(|_| Error::Unsupported("a value of this size"))?;
            }
        }
        let query = sqlx::query_with(AssertSqlSafe(statement.text), arguments);
        let query = query.persistent(!statement.is_rare);
        Ok(query.fetch_all(self).await?)
    }
}
