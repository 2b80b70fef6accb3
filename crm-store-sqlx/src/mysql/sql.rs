//! How statements are said to MySQL and `MariaDB`, and sent.

use crate::error::{Error, Result};
use crate::reading::{Reading, columns_of};
use crate::statement::{Dialect, Parameter, Statement};
use crate::value::Value;
use crm_core::lead::LeadId;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, Encode, MySql, MySqlConnection, Transaction,
    Type,
};

const DIALECT: Dialect = Dialect {
    numbered: None,
    has_arrays: false,
    by_index: Some((" FORCE INDEX (", ")")),
    by_id: "PRIMARY",
    is_id_apart: false,
    join: "STRAIGHT_JOIN",
    merges: false,
    compares_rows: false,
    orders_by_null: false,
    begins_after_null: true,
    in_words: ("instr(words, ", ")"),
    counters: &["crm_counters", "crm_deltas"],
    number: "SIGNED",
    text: "CHAR",
};

// Without a look at a column's type: there are texts that are compared as bytes.
columns_of!(MySqlRow, try_get_unchecked);

impl Reading for MySqlConnection {
    type Row = MySqlRow;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn moment(&mut self) -> Result<Transaction<'_, MySql>> {
        let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
             START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
        Ok(self.begin_with(begin).await?)
    }

    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<MySqlRow>> {
        let mut arguments = MySqlArguments::default();
        for parameter in &statement.parameters {
            let values = match parameter {
                Parameter::One(value) => std::slice::from_ref(value),
                Parameter::All(values) => values,
            };
            for value in values {
                let added = match value {
                    Value::Text(text) => arguments.add(text.as_deref()),
                    Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
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

/// The columns that make an event, in the order in which they are written and read. `LEAD` is a
/// word of the language of MySQL.
pub(super) const EVENT: &str = "`lead`, version, at, actor, commit_id, kind, from_status, \
     to_status, from_user, to_user, reason, fields, changes";

/// How many ids a statement asks for at most. `MariaDB` makes a table of a list of a thousand, and
/// then reads in another order than that of the ids.
pub(super) const IDS_AT_ONCE: usize = 500;

/// Statements with more parameters are not kept by the server: each costs it memory, and a statement
/// with as many comes again only by chance.
const KEPT: usize = 500;

/// How much a statement sends at most, and how many parameters it has: less than every server takes
/// (`max_allowed_packet` is checked when a database is opened; parameters are counted in 16 bits).
const MOST_BYTES: usize = 1 << 20;
const MOST_PARAMETERS: usize = 60_000;

/// A statement that writes, or locks what it reads: values go into it as they are.
#[derive(Default)]
pub(super) struct Sql {
    text: String,
    arguments: MySqlArguments,
    count: usize,
    bytes: usize,
    failed: bool,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        let mut sql = Self::default();
        sql.push(text);
        sql
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A parameter, where the text ends at the moment.
    pub(super) fn bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, MySql> + Type<MySql>,
    {
        self.failed |= self.arguments.add(value).is_err();
        self.count += 1;
        self.push("?")
    }

    /// Parameters, between commas.
    pub(super) fn bind_list<'t, T>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self
    where
        T: Encode<'t, MySql> + Type<MySql>,
    {
        for (place, value) in values.into_iter().enumerate() {
            self.push(if place > 0 { ", " } else { "" }).bind(value);
        }
        self
    }

    pub(super) fn bind_ids(&mut self, ids: &[LeadId]) -> &mut Self {
        self.bind_list(ids.iter().map(|id| id.as_bytes().as_slice()))
    }

    pub(super) fn bind_value(&mut self, value: &Value<'_>) -> &mut Self {
        match value {
            Value::Text(text) => {
                self.bytes += text.as_ref().map_or(0, |text| text.len());
                self.bind(text.as_deref())
            }
            Value::Bytes(bytes) => {
                self.bytes += bytes.as_ref().map_or(0, |bytes| bytes.len());
                self.bind(bytes.as_deref())
            }
            Value::Number(number) => self.bind(*number),
        }
    }

    /// Whether another row of so many columns is for the next statement.
    pub(super) const fn is_full(&self, columns: usize) -> bool {
        self.count + columns > MOST_PARAMETERS || self.bytes > MOST_BYTES
    }

    pub(super) async fn fetch_all(self, connection: &mut MySqlConnection) -> Result<Vec<MySqlRow>> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        let query = query.persistent(self.count <= KEPT);
        Ok(query.fetch_all(connection).await?)
    }

    /// How many rows there were to write, even if they are as they were.
    pub(super) async fn execute(self, connection: &mut MySqlConnection) -> Result<u64> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        let query = query.persistent(self.count <= KEPT);
        Ok(query.execute(connection).await?.rows_affected())
    }
}
