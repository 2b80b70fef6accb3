//! Creating a lead as somebody would write it over sqlx: the same tables, keys and counters, one
//! transaction. No rules, no idempotency.

use crm_core::index::{CounterChange, counter_changes};
use crm_core::lead::Lead;
use crm_core::query::{EmailKey, SortBy, TagKey, search_words, sort_value};
use crm_core::record::LeadRecord;
use crm_core::uuid::Uuid;
use crm_store_sqlx::sqlx::sqlite::SqlitePool;
use crm_store_sqlx::sqlx::{self, Error, QueryBuilder, Sqlite, SqliteConnection};
use std::collections::BTreeMap;

const TENANT: i64 = 1;

pub(crate) async fn create(pool: &SqlitePool, lead: &Lead) -> Result<(), Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    lifecycle(&mut transaction).await?;
    insert_lead(&mut transaction, lead).await?;
    insert_words(&mut transaction, lead).await?;
    insert_tags(&mut transaction, lead).await?;
    count(&mut transaction, counter_changes(None, Some(lead))).await?;
    insert_event(&mut transaction, lead).await?;
    transaction.commit().await
}

async fn lifecycle(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let version = sqlx::query_scalar("SELECT max(version) FROM crm_lifecycles WHERE tenant = ?");
    version.bind(TENANT).fetch_one(connection).await
}

async fn insert_lead(connection: &mut SqliteConnection, lead: &Lead) -> Result<(), Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO crm_leads (tenant, id, version, status, assigned_to, source, created_at, \
         updated_at, status_changed_at, archived, value_currency, value_minor, name_sort, \
         company_sort, email_sort, email_key, first_name, last_name, email, company, phone, tags, \
         words) ",
    );
    query.push_values([lead], |mut row, lead| {
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

async fn insert_words(connection: &mut SqliteConnection, lead: &Lead) -> Result<(), Error> {
    let id = lead.id.as_bytes().to_vec();
    let mut query = QueryBuilder::new("INSERT INTO crm_words (tenant, archived, word, id) ");
    query.push_values(search_words(lead), |mut row, word| {
        row.push_bind(TENANT).push_bind(false);
        row.push_bind(word.into_bytes()).push_bind(id.clone());
    });
    query.build().execute(connection).await?;
    Ok(())
}

async fn insert_tags(connection: &mut SqliteConnection, lead: &Lead) -> Result<(), Error> {
    if lead.tags.is_empty() {
        return Ok(());
    }
    let id = lead.id.as_bytes().to_vec();
    let mut query =
        QueryBuilder::new("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
    query.push_values(&lead.tags, |mut row, tag| {
        row.push_bind(TENANT).push_bind(false);
        row.push_bind(TagKey::from(tag).as_str().to_owned())
            .push_bind(lead.created_at.timestamp_micros())
            .push_bind(id.clone());
    });
    query.build().execute(connection).await?;
    Ok(())
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
    let mut query =
        QueryBuilder::<Sqlite>::new("INSERT INTO crm_counters (tenant, key, high, low) ");
    query.push_values(sums, |mut row, (key, by)| {
        row.push_bind(TENANT)
            .push_bind(key)
            .push_bind(0i64)
            .push_bind(by);
    });
    query.push(" ON CONFLICT (tenant, key) DO UPDATE SET low = low + excluded.low");
    query.build().execute(connection).await?;
    Ok(())
}

/// What happened, and the commit that it was part of.
async fn insert_event(connection: &mut SqliteConnection, lead: &Lead) -> Result<(), Error> {
    let commit = Uuid::new_v4().as_bytes().to_vec();
    let sql = "
        INSERT INTO crm_events (tenant, lead, version, at, commit_id, kind, to_status, to_user)
        VALUES (?, ?, 1, ?, ?, 'created', ?, ?)
    ";
    let event = sqlx::query(sql)
        .bind(TENANT)
        .bind(lead.id.as_bytes().to_vec())
        .bind(lead.updated_at.timestamp_micros())
        .bind(commit.clone())
        .bind(lead.status.as_str())
        .bind(lead.assigned_to.as_ref().map(|user| user.as_str()));
    let number = event.execute(&mut *connection).await?.last_insert_rowid();
    let sql = "INSERT INTO crm_commits (tenant, id, first_event, last_event) VALUES (?, ?, ?, ?)";
    let query = sqlx::query(sql)
        .bind(TENANT)
        .bind(commit)
        .bind(number)
        .bind(number);
    query.execute(connection).await?;
    Ok(())
}
