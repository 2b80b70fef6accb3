//! Statements that are put together from parts: fixed texts, and numbered parameters for all that
//! was typed.

use crate::error::{Error, Result};
use crate::lead_row::{end_of_prefix, in_words};
use crate::plan::{Keys, Parts, Way};
use crm_core::lead::TenantId;
use crm_core::query::{Archived, Assignee, LeadFilter};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// The tenant's number. There may be none, and then nothing is found.
pub(super) const TENANT: &str = "(SELECT tenant FROM crm_tenants WHERE name = ?1)";

/// Statements whose lists are longer are not kept prepared: those of any length would push out
/// all others.
const KEPT: usize = 4;

/// A statement about a tenant, whose name is the first parameter.
pub(super) struct Sql {
    text: String,
    arguments: SqliteArguments,
    count: usize,
    failed: bool,
    /// Whether it has a list of so many parameters that the same is seldom asked again.
    is_rare: bool,
}

impl Sql {
    pub(super) fn of(tenant: &TenantId) -> Self {
        let mut arguments = SqliteArguments::default();
        let failed = arguments.add(tenant.as_str().to_owned()).is_err();
        Self {
            text: String::with_capacity(1_024),
            arguments,
            count: 1,
            failed,
            is_rare: false,
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A parameter, where the text ends at the moment.
    pub(super) fn bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        self.failed |= self.arguments.add(value).is_err();
        self.count += 1;
        self.text.push('?');
        self.text.push_str(&self.count.to_string());
        self
    }

    /// Parameters between commas.
    pub(super) fn bind_all<'t, T>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.bind(value);
            self.is_rare |= place >= KEPT;
        }
        self
    }

    pub(super) async fn fetch_all(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>> {
        if self.failed {
            return Err(Error::Unsupported("a value of this size"));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        let query = query.persistent(!self.is_rare);
        Ok(query.fetch_all(connection).await?)
    }

    pub(super) async fn fetch_one(self, connection: &mut SqliteConnection) -> Result<SqliteRow> {
        let mut rows = self.fetch_all(connection).await?;
        rows.pop().ok_or(Error::Database(sqlx::Error::RowNotFound))
    }

    #[cfg(test)]
    pub(super) fn explained(mut self) -> Self {
        self.text.insert_str(0, "EXPLAIN QUERY PLAN ");
        self
    }

    /// The keys of a way: `FROM … WHERE …`.
    pub(super) fn push_keys(&mut self, way: Way, filter: &LeadFilter) -> &mut Self {
        match way.keys {
            Keys::Index(index) => {
                self.push("FROM crm_leads INDEXED BY ").push(index);
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
            Keys::Index(index) => {
                self.push("FROM crm_leads INDEXED BY ").push(index);
                self.push(" WHERE tenant = ").push(TENANT);
                self.shelves(filter.archived);
            }
            Keys::Tag(_) | Keys::Word(_) => {
                // A lead may have several words that begin with what was typed.
                self.push("FROM (SELECT DISTINCT id AS found ");
                self.push_keys(way, filter);
                self.push(") CROSS JOIN crm_leads INDEXED BY ").push(BY_ID);
                self.push(" ON tenant = ").push(TENANT);
                self.push(" AND id = found WHERE true");
            }
        }
        self.conditions(filter, Parts::of(filter), way.keys)
    }

    fn shelves(&mut self, archived: Archived) -> &mut Self {
        self.push(match archived {
            Archived::Exclude => " AND archived = 0",
            Archived::Only => " AND archived = 1",
            Archived::Include => " AND archived IN (0, 1)",
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
            let slugs = filter.statuses.iter().map(|slug| slug.as_str().to_owned());
            self.push(" AND status IN (").bind_all(slugs).push(")");
        }
        if has(Parts::ASSIGNEE) {
            self.push(" AND assigned_to IS ")
                .bind(filter.assignee.as_ref().and_then(user));
        }
        if has(Parts::SOURCE) {
            let slugs = filter.sources.iter().map(|slug| slug.as_str().to_owned());
            self.push(" AND source IN (").bind_all(slugs).push(")");
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
            let others = others.filter(|(place, _)| keys != Keys::Tag(*place));
            let others: Vec<String> = others.map(|(_, tag)| tag.as_str().to_owned()).collect();
            if !others.is_empty() {
                let count = others.len().to_string();
                self.push(" AND (").push(TAGS_AMONG).bind_all(others);
                self.push(")) = ").push(&count);
            }
        }
        if has(Parts::WORDS) {
            let others = filter.words.iter().enumerate();
            for (_, word) in others.filter(|(place, _)| keys != Keys::Word(*place)) {
                self.push(" AND instr(words, ")
                    .bind(in_words(word))
                    .push(") > 0");
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

/// The index of the table's key.
pub(super) const BY_ID: &str = "sqlite_autoindex_crm_leads_1";

/// How many of some tags a lead has. One subquery for all: of as many as there are tags SQLite
/// makes a join, and takes seconds to plan it.
const TAGS_AMONG: &str = "SELECT count(*) FROM crm_tags AS other
    WHERE other.tenant = crm_leads.tenant
        AND other.archived = crm_leads.archived
        AND other.created_at = crm_leads.created_at
        AND other.id = crm_leads.id
        AND other.tag IN (";

/// The user as the column has it: nobody is NULL.
pub(super) fn user(assignee: &Assignee) -> Option<String> {
    match assignee {
        Assignee::Nobody => None,
        Assignee::User(user) => Some(user.as_str().to_owned()),
    }
}
