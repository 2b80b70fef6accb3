//! What somebody would write who needs just this from sqlx: the same tables, keys and counters, one
//! transaction, the same durability. No tenants, no rules, no idempotency, no histories of the past.

use crate::measure::{ByHand, Plain, plain};
use crm_core::chrono::DateTime;
use crm_core::index::{CounterChange, counter_changes};
use crm_core::lead::{Lead, LeadId};
use crm_core::query::{EmailKey, SortBy, TagKey, search_words, sort_value};
use crm_core::record::LeadRecord;
use crm_core::uuid::Uuid;
use crm_store_sqlx::sqlx::sqlite::SqlitePool;
use crm_store_sqlx::sqlx::{self, Error, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use std::collections::BTreeMap;

const TENANT: i64 = 1;

const LEAD: &str = "id, version, status, assigned_to, source, created_at, updated_at, \
     status_changed_at, archived_at, value_currency, value_minor, first_name, last_name, email, \
     company, phone, tags, status_reason, notes, custom";

/// One connection that writes, several that read.
pub(crate) struct Pools {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl ByHand for Pools {
    async fn get(&self, id: LeadId) -> Plain {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {LEAD} FROM crm_leads WHERE tenant = ? AND id = ?"
        ));
        let row = sqlx::query(sql).bind(TENANT).bind(id.as_bytes().as_slice());
        plain!(&row.fetch_one(&self.readers).await.unwrap(), try_get)
    }

    async fn page(&self) -> Vec<Plain> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {LEAD} FROM crm_leads INDEXED BY crm_leads_created
            WHERE tenant = ? AND archived = 0 ORDER BY created_at DESC, id DESC LIMIT 51"
        ));
        let rows = sqlx::query(sql).bind(TENANT).fetch_all(&self.readers);
        let rows = rows.await.unwrap();
        let rows = rows.iter().take(50);
        rows.map(|row| plain!(row, try_get)).collect()
    }

    async fn create(&self, leads: &[Lead]) {
        create(&self.writer, leads).await.unwrap();
    }

    async fn transition(&self, before: &Lead, after: &Lead) {
        transition(&self.writer, before, after).await.unwrap();
    }
}

/// Leads that are new, in as many rows a statement as is fastest.
async fn create(pool: &SqlitePool, leads: &[Lead]) -> Result<(), Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    lifecycle(&mut transaction).await?;
    let commit = Uuid::new_v4();
    let mut last = 0;
    for leads in leads.chunks(250) {
        insert_leads(&mut transaction, leads).await?;
        last = insert_events(&mut transaction, commit, "created", None, leads).await?;
    }
    let mut words = Vec::new();
    let mut tags = Vec::new();
    for lead in leads {
        let id = lead.id.as_bytes().to_vec();
        words.extend(
            search_words(lead)
                .into_iter()
                .map(|word| (word.into_bytes(), id.clone())),
        );
        let keys = lead.tags.iter().map(TagKey::from);
        let at = lead.created_at.timestamp_micros();
        tags.extend(keys.map(|key| (key.as_str().to_owned(), at, id.clone())));
    }
    words.sort_unstable();
    tags.sort_unstable();
    for words in words.chunks(1_000) {
        let mut query = QueryBuilder::new("INSERT INTO crm_words (tenant, archived, word, id) ");
        query.push_values(words, |mut row, (word, id)| {
            row.push_bind(TENANT).push_bind(false);
            row.push_bind(word.clone()).push_bind(id.clone());
        });
        query.build().execute(&mut *transaction).await?;
    }
    for tags in tags.chunks(1_000) {
        let mut query =
            QueryBuilder::new("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
        query.push_values(tags, |mut row, (tag, at, id)| {
            row.push_bind(TENANT).push_bind(false);
            row.push_bind(tag.clone())
                .push_bind(*at)
                .push_bind(id.clone());
        });
        query.build().execute(&mut *transaction).await?;
    }
    let changes = leads
        .iter()
        .flat_map(|lead| counter_changes(None, Some(lead)));
    count(&mut transaction, changes).await?;
    insert_commit(&mut transaction, commit, last, leads.len()).await?;
    transaction.commit().await
}

/// A lead moves to another status.
async fn transition(pool: &SqlitePool, before: &Lead, after: &Lead) -> Result<(), Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    lifecycle(&mut transaction).await?;
    let sql = "
        UPDATE crm_leads
        SET status = ?, version = version + 1, updated_at = ?, status_changed_at = ?
        WHERE tenant = ? AND id = ? AND version = ?
    ";
    let done = sqlx::query(sql)
        .bind(after.status.as_str().to_owned())
        .bind(after.updated_at.timestamp_micros())
        .bind(after.status_changed_at.timestamp_micros())
        .bind(TENANT)
        .bind(before.id.as_bytes().to_vec())
        .bind(i64::try_from(before.version.get()).unwrap_or(0));
    if done.execute(&mut *transaction).await?.rows_affected() != 1 {
        return Err(Error::RowNotFound);
    }
    let commit = Uuid::new_v4();
    let from = Some(before.status.as_str());
    let moved = std::slice::from_ref(after);
    let last = insert_events(&mut transaction, commit, "status_changed", from, moved).await?;
    count(&mut transaction, counter_changes(Some(before), Some(after))).await?;
    insert_commit(&mut transaction, commit, last, 1).await?;
    transaction.commit().await
}

async fn lifecycle(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let version = sqlx::query_scalar("SELECT max(version) FROM crm_lifecycles WHERE tenant = ?");
    version.bind(TENANT).fetch_one(connection).await
}

async fn insert_leads(connection: &mut SqliteConnection, leads: &[Lead]) -> Result<(), Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO crm_leads (tenant, id, version, status, assigned_to, source, created_at, \
         updated_at, status_changed_at, archived, value_currency, value_minor, name_sort, \
         company_sort, email_sort, email_key, first_name, last_name, email, company, phone, tags, \
         words) ",
    );
    query.push_values(leads, |mut row, lead| {
        let record = LeadRecord::from(lead);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let tags = crm_core::serde_json::to_string(&record.tags).unwrap_or_default();
        let mut words = vec![0];
        for word in search_words(lead) {
            words.extend(word.into_bytes());
            words.push(0);
        }
        row.push_bind(TENANT)
            .push_bind(record.id.to_vec())
            .push_bind(1i64)
            .push_bind(record.status.to_string())
            .push_bind(text(record.assigned_to.as_deref()))
            .push_bind(text(record.source.as_deref()))
            .push_bind(record.created_at)
            .push_bind(record.updated_at)
            .push_bind(record.status_changed_at)
            .push_bind(false)
            .push_bind(
                record
                    .value
                    .as_ref()
                    .map(|(_, currency)| currency.to_string()),
            )
            .push_bind(record.value.as_ref().map(|(minor, _)| *minor))
            .push_bind(sort_value(SortBy::Name, lead))
            .push_bind(sort_value(SortBy::Company, lead))
            .push_bind(sort_value(SortBy::Email, lead))
            .push_bind(
                lead.email
                    .as_ref()
                    .map(|email| EmailKey::from(email).as_str().to_owned()),
            )
            .push_bind(text(record.first_name.as_deref()))
            .push_bind(text(record.last_name.as_deref()))
            .push_bind(text(record.email.as_deref()))
            .push_bind(text(record.company.as_deref()))
            .push_bind(text(record.phone.as_deref()))
            .push_bind(tags)
            .push_bind(words);
    });
    query.build().execute(connection).await?;
    Ok(())
}

async fn insert_events(
    connection: &mut SqliteConnection,
    commit: Uuid,
    kind: &'static str,
    from: Option<&str>,
    leads: &[Lead],
) -> Result<i64, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO crm_events (tenant, lead, version, at, commit_id, kind, from_status, \
         to_status, to_user) ",
    );
    query.push_values(leads, |mut row, lead| {
        row.push_bind(TENANT)
            .push_bind(lead.id.as_bytes().to_vec())
            .push_bind(i64::try_from(lead.version.get()).unwrap_or(0))
            .push_bind(lead.updated_at.timestamp_micros())
            .push_bind(commit.as_bytes().to_vec())
            .push_bind(kind)
            .push_bind(from)
            .push_bind(lead.status.as_str())
            .push_bind(match from {
                None => lead.assigned_to.as_ref().map(|user| user.as_str()),
                Some(_) => None,
            });
    });
    Ok(query.build().execute(connection).await?.last_insert_rowid())
}

async fn count(
    connection: &mut SqliteConnection,
    changes: impl IntoIterator<Item = CounterChange>,
) -> Result<(), Error> {
    let mut sums: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for change in changes {
        let sum = sums.entry(change.key.as_bytes().to_vec()).or_default();
        *sum += i64::try_from(change.delta).unwrap_or(0);
    }
    let sums: Vec<_> = sums.into_iter().collect();
    for sums in sums.chunks(1_000) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO crm_counters (tenant, key, high, low) ");
        query.push_values(sums, |mut row, (key, by)| {
            row.push_bind(TENANT)
                .push_bind(key.clone())
                .push_bind(0i64)
                .push_bind(*by);
        });
        query.push(" ON CONFLICT (tenant, key) DO UPDATE SET low = low + excluded.low");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_commit(
    connection: &mut SqliteConnection,
    id: Uuid,
    last: i64,
    events: usize,
) -> Result<(), Error> {
    let sql = "INSERT INTO crm_commits (tenant, id, first_event, last_event) VALUES (?, ?, ?, ?)";
    let query = sqlx::query(sql)
        .bind(TENANT)
        .bind(id.as_bytes().to_vec())
        .bind(last + 1 - i64::try_from(events).unwrap_or(0))
        .bind(last);
    query.execute(connection).await?;
    Ok(())
}
