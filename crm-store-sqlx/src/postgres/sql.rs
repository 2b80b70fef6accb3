//! Statements that are put together from parts: fixed texts, and numbered parameters for all that
//! was typed.

use crate::error::{Error, Result};
use crate::lead_row::{end_of_prefix, in_words};
use crate::plan::{Keys, Parts, Way};
use crate::value::Value;
use crm_core::lead::{LeadId, LeadStatus, TenantId};
use crm_core::query::{Archived, Assignee, LeadFilter};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, PgConnection, Postgres, Type};

/// The tenant's number. There may be none, and then nothing is found.
pub(super) const TENANT: &str = "(SELECT tenant FROM crm_tenants WHERE name = $1)";

/// A statement about a tenant, whose name or number is the first parameter.
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
        self.count += 1;
        self.text.push('$');
        self.text.push_str(&self.count.to_string());
        self
    }

    /// Ids, as one parameter.
    pub(super) fn bind_ids(&mut self, ids: &[LeadId]) -> &mut Self {
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        self.bind(ids)
    }

    /// Rows, as one array for each column: `unnest(…)`. Arrays of unequal length would be padded,
    /// so all are made of the same rows.
    pub(super) fn unnest<'v, R>(
        &mut self,
        rows: &'v [R],
        columns: usize,
        value: impl Fn(&'v R, usize) -> Value<'v>,
    ) -> &mut Self {
        self.push("unnest(");
        for column in 0..columns {
            if column > 0 {
                self.push(", ");
            }
            let values: Vec<Value<'_>> = rows.iter().map(|row| value(row, column)).collect();
            self.bind_values(&values);
        }
        self.push(")")
    }

    fn bind_values(&mut self, values: &[Value<'_>]) {
        match values.first() {
            Some(Value::Bytes(_)) => {
                let bytes = values.iter().map(|value| match value {
                    Value::Bytes(bytes) => bytes.as_deref(),
                    _ => None,
                });
                self.bind(bytes.collect::<Vec<_>>());
            }
            Some(Value::Number(_)) => {
                let numbers = values.iter().map(|value| match value {
                    Value::Number(number) => *number,
                    _ => None,
                });
                self.bind(numbers.collect::<Vec<_>>());
            }
            _ => {
                let texts = values.iter().map(|value| match value {
                    Value::Text(text) => text.as_deref(),
                    _ => None,
                });
                self.bind(texts.collect::<Vec<_>>());
            }
        }
    }

    pub(super) async fn fetch_all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        Ok(query.fetch_all(connection).await?)
    }

    pub(super) async fn fetch_one(self, connection: &mut PgConnection) -> Result<PgRow> {
        let mut rows = self.fetch_all(connection).await?;
        rows.pop().ok_or(Error::Database(sqlx::Error::RowNotFound))
    }

    pub(super) async fn execute(self, connection: &mut PgConnection) -> Result<()> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        query.execute(connection).await?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn explained(mut self) -> Self {
        self.text.insert_str(0, "EXPLAIN ");
        self
    }

    /// The keys of a way: `FROM … WHERE …`.
    pub(super) fn push_keys(&mut self, way: Way, filter: &LeadFilter) -> &mut Self {
        match way.keys {
            Keys::Index(_) => {
                self.push("FROM crm_leads");
                self.push(" WHERE tenant = ").push(TENANT);
                self.shelves(filter.archived);
                self.conditions(filter, way.covers, way.keys)
            }
            Keys::Tag(place) => {
                let tag = filter.tags.iter().nth(place);
                self.push("FROM crm_tags WHERE tenant = ").push(TENANT);
                self.shelves(filter.archived);
                self.push(" AND tag = ")
                    .bind(tag.map(|tag| tag.as_str().to_owned()));
                self.conditions(filter, way.covers.within(Parts::CREATED), way.keys)
            }
            Keys::Word(place) => {
                let word = filter.words.iter().nth(place).unwrap_or_default();
                self.push("FROM crm_words WHERE tenant = ").push(TENANT);
                self.shelves(filter.archived);
                self.push(" AND word >= ").bind(word.as_bytes().to_vec());
                self.push(" AND word < ").bind(end_of_prefix(word))
            }
        }
    }

    /// The leads of a way that pass the whole filter: `FROM … WHERE …`.
    pub(super) fn push_leads(&mut self, way: Way, filter: &LeadFilter) -> &mut Self {
        match way.keys {
            Keys::Index(_) => {
                self.push("FROM crm_leads");
                self.push(" WHERE tenant = ").push(TENANT);
                self.shelves(filter.archived);
            }
            Keys::Tag(_) | Keys::Word(_) => {
                // A lead may have several words that begin with what was typed.
                self.push("FROM (SELECT DISTINCT id AS found ");
                self.push_keys(way, filter);
                self.push(") AS keys JOIN crm_leads");
                self.push(" ON tenant = ").push(TENANT);
                self.push(" AND id = found WHERE true");
            }
        }
        self.conditions(filter, Parts::of(filter), way.keys)
    }

    /// Nobody's leads, or a user's.
    pub(super) fn assignee(&mut self, filter: &LeadFilter) -> &mut Self {
        match &filter.assignee {
            Some(Assignee::User(user)) => self
                .push(" AND assigned_to = ")
                .bind(user.as_str().to_owned()),
            Some(Assignee::Nobody) => self.push(" AND assigned_to IS NULL"),
            None => self,
        }
    }

    fn shelves(&mut self, archived: Archived) -> &mut Self {
        self.push(match archived {
            Archived::Exclude => " AND archived = false",
            Archived::Only => " AND archived = true",
            Archived::Include => " AND archived IN (false, true)",
        })
    }

    /// The filters of these parts, each as ` AND …`, but for the tag or word that the keys are of.
    pub(super) fn conditions(
        &mut self,
        filter: &LeadFilter,
        parts: Parts,
        keys: Keys,
    ) -> &mut Self {
        let has = |part| parts.contains(part);
        if has(Parts::STATUS) {
            let slugs: Vec<&str> = filter.statuses.iter().map(LeadStatus::as_str).collect();
            self.push(" AND status = ANY(").bind(slugs).push(")");
        }
        if has(Parts::ASSIGNEE) {
            self.assignee(filter);
        }
        if has(Parts::SOURCE) {
            let slugs: Vec<&str> = filter.sources.iter().map(|slug| slug.as_str()).collect();
            self.push(" AND source = ANY(").bind(slugs).push(")");
        }
        if has(Parts::EMAIL) {
            let key = filter.email.as_ref().map(|key| key.as_str().to_owned());
            self.push(" AND email_key = ").bind(key);
        }
        if has(Parts::CREATED) {
            self.range("created_at", filter.created.micros());
        }
        if has(Parts::UPDATED) {
            self.range("updated_at", filter.updated.micros());
        }
        if has(Parts::SINCE)
            && let Some(since) = filter.in_status_since
        {
            self.push(" AND status_changed_at <= ")
                .bind(since.timestamp_micros());
        }
        if has(Parts::TAGS) {
            let others = filter.tags.iter().enumerate();
            for (_, tag) in others.filter(|(place, _)| keys != Keys::Tag(*place)) {
                self.push(HAS_TAG).bind(tag.as_str().to_owned()).push(")");
            }
        }
        if has(Parts::WORDS) {
            let others = filter.words.iter().enumerate();
            for (_, word) in others.filter(|(place, _)| keys != Keys::Word(*place)) {
                self.push(" AND position(")
                    .bind(in_words(word))
                    .push(" IN words) > 0");
            }
        }
        self
    }

    /// A range of times: from the first on, before the second.
    pub(super) fn range(
        &mut self,
        column: &str,
        (from, before): (Option<i64>, Option<i64>),
    ) -> &mut Self {
        if let Some(from) = from {
            self.push(" AND ").push(column).push(" >= ").bind(from);
        }
        if let Some(before) = before {
            self.push(" AND ").push(column).push(" < ").bind(before);
        }
        self
    }
}

const HAS_TAG: &str = " AND EXISTS (
    SELECT 1 FROM crm_tags AS other
    WHERE other.tenant = crm_leads.tenant
        AND other.archived = crm_leads.archived
        AND other.created_at = crm_leads.created_at
        AND other.id = crm_leads.id
        AND other.tag = ";
