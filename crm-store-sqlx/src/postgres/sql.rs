//! How statements are said to PostgreSQL, and sent.

use crate::error::{Error, Result};
use crate::reading::{Reading, columns_of};
use crate::statement::{Dialect, Parameter, Statement};
use crate::value::Value;
use crm_core::lead::{LeadId, TenantId};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, Encode, PgConnection, Postgres, Transaction,
    Type,
};

const DIALECT: Dialect = Dialect {
    numbered: Some("$"),
    has_arrays: true,
    by_index: None,
    by_id: "crm_leads_pkey",
    is_id_apart: false,
    join: "JOIN",
    merges: false,
    compares_rows: true,
    // PostgreSQL does not see that a column that is NULL is the same in all rows, and would take
    // another index for the order.
    orders_by_null: true,
    begins_after_null: true,
    in_words: ("position(", " IN words)"),
    counters: &["crm_counters", "crm_deltas"],
    number: "BIGINT",
    text: "TEXT",
};

columns_of!(PgRow, try_get);

impl Reading for PgConnection {
    type Row = PgRow;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn moment(&mut self) -> Result<Transaction<'_, Postgres>> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(self.begin_with(begin).await?)
    }

    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>> {
        let mut arguments = PgArguments::default();
        for parameter in &statement.parameters {
            let added = match parameter {
                Parameter::One(Value::Text(text)) => arguments.add(text.as_deref()),
                Parameter::One(Value::Bytes(bytes)) => arguments.add(bytes.as_deref()),
                Parameter::One(Value::Number(number)) => arguments.add(number),
                Parameter::All(values) => add_array(&mut arguments, values),
            };
            added.map_err(|_| Error::Unsupported("a value of this size"))?;
        }
        let query = sqlx::query_with(AssertSqlSafe(statement.text), arguments);
        Ok(query.fetch_all(self).await?)
    }
}

fn add_array(
    arguments: &mut PgArguments,
    values: &[Value<'_>],
) -> std::result::Result<(), BoxDynError> {
    match values.first() {
        Some(Value::Bytes(_)) => {
            let bytes = values.iter().map(|value| match value {
                Value::Bytes(bytes) => bytes.as_deref(),
                _ => None,
            });
            arguments.add(bytes.collect::<Vec<_>>())
        }
        Some(Value::Number(_)) => {
            let numbers = values.iter().map(|value| match value {
                Value::Number(number) => *number,
                _ => None,
            });
            arguments.add(numbers.collect::<Vec<_>>())
        }
        _ => {
            let texts = values.iter().map(|value| match value {
                Value::Text(text) => text.as_deref(),
                _ => None,
            });
            arguments.add(texts.collect::<Vec<_>>())
        }
    }
}

/// A statement that writes, about a tenant, which is the first parameter: values go into it as they
/// are, and are not collected before.
pub(super) struct Sql {
    text: String,
    arguments: PgArguments,
    count: usize,
    failed: bool,
}

impl Sql {
    pub(super) fn of(tenant: &TenantId) -> Self {
        Self::with(tenant.as_str())
    }

    /// By its number.
    pub(super) fn about(tenant: i64) -> Self {
        Self::with(tenant)
    }

    fn with<'t, T>(tenant: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        let mut arguments = PgArguments::default();
        let failed = arguments.add(tenant).is_err();
        Self {
            text: String::with_capacity(1_024),
            arguments,
            count: 1,
            failed,
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A parameter, where the text ends at the moment.
    pub(super) fn bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.failed |= self.arguments.add(value).is_err();
        self.push_place()
    }

    /// Whether what stands before is one of these: ` = …`, or ` = ANY(…)` of an array.
    pub(super) fn is_among(&mut self, ids: &[LeadId]) -> &mut Self {
        if let [id] = ids {
            return self.push(" = ").bind(id.as_bytes().as_slice());
        }
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        self.push(" = ANY(").bind(ids).push(")")
    }

    /// Rows: `(VALUES (…))` of one, and of several `unnest(…)` of one array for each column. Arrays
    /// of unequal length would be padded, so all are made of the same rows.
    ///
    /// How long arrays are is not known to a plan that is kept. PostgreSQL takes them for ten rows,
    /// and then finds it cheaper to make a plan for each statement about one row, which takes it
    /// longer than the statement.
    pub(super) fn rows<'v, R>(
        &mut self,
        rows: &'v [R],
        columns: usize,
        value: impl Fn(&'v R, usize) -> Value<'v>,
    ) -> &mut Self {
        let is_one = rows.len() == 1;
        self.push(if is_one { "(VALUES (" } else { "unnest(" });
        for column in 0..columns {
            if column > 0 {
                self.push(", ");
            }
            let mut values = rows.iter().map(|row| value(row, column));
            match values.next() {
                Some(value) if is_one => drop(self.bind_value(&value)),
                first => {
                    let values: Vec<Value<'_>> = first.into_iter().chain(values).collect();
                    self.failed |= add_array(&mut self.arguments, &values).is_err();
                    self.push_place();
                }
            }
        }
        self.push(if is_one { "))" } else { ")" })
    }

    fn bind_value(&mut self, value: &Value<'_>) -> &mut Self {
        match value {
            Value::Text(text) => self.bind(text.as_deref()),
            Value::Bytes(bytes) => self.bind(bytes.as_deref()),
            Value::Number(number) => self.bind(*number),
        }
    }

    /// The next place for a parameter.
    fn push_place(&mut self) -> &mut Self {
        self.count += 1;
        self.text.push('$');
        self.text.push_str(&self.count.to_string());
        self
    }

    pub(super) async fn fetch_all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        Ok(query.fetch_all(connection).await?)
    }

    pub(super) async fn execute(self, connection: &mut PgConnection) -> Result<()> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        query.execute(connection).await?;
        Ok(())
    }
}
