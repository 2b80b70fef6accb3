//! What somebody would write who needs just this from sqlx: the same tables, keys and counters, one
//! transaction, the same durability. No tenants, no rules, no idempotency, no histories of the past.

use crm_core::index::{CounterChange, counter_changes};
use crm_core::lead::Lead;
use crm_core::query::{EmailKey, SortBy, TagKey, search_words, sort_value};
use crm_core::record::LeadRecord;
use crm_core::uuid::Uuid;
use crm_store_sqlx::sqlx::sqlite::{SqlitePool, SqliteRow};
use crm_store_sqlx::sqlx::{self, Error, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use std::collections::BTreeMap;

const TENANT: i64 = 1;

const LEAD: &str = "id, version, status, assigned_to, source, created_at, updated_at, \
     status_changed_at, archived_at, value_currency, value_minor, first_name, last_name, email, \
     company, phone, tags, status_reason, notes, custom";

/// A lead as a struct of plain fields.
pub(crate) struct Plain {
    pub(crate) id: Vec<u8>,
    pub(crate) texts: [Option<String>; 13],
    pub(crate) numbers: [Option<i64>; 6],
    pub(crate) tags: Vec<String>,
}

fn plain(row: &SqliteRow) -> Result<Plain, Error> {
    let tags: Option<&str> = row.try_get(16)?;
    let tags = tags.and_then(|tags| crm_core::serde_json::from_str(tags).ok());
    let mut texts: [Option<String>; 13] = Default::default();
    for (text, column) in texts
        .iter_mut()
        .zip([2, 3, 4, 9, 11, 12, 13, 14, 15, 17, 18, 19])
    {
        *text = row.try_get(column)?;
    }
    let mut numbers = [None; 6];
    for (number, column) in numbers.iter_mut().zip([1, 5, 6, 7, 8, 10]) {
        *number = row.try_get(column)?;
    }
    Ok(Plain {
        id: row.try_get(0)?,
        texts,
        numbers,
        tags: tags.unwrap_or_default(),
    })
}

pub(crate) async fn get(pool: &SqlitePool, id: &[u8]) -> Result<Plain, Error> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {LEAD} FROM crm_leads WHERE tenant = ? AND id = ?"
    ));
    let row = sqlx::query(sql).bind(TENANT).bind(id.to_vec());
    plain(&row.fetch_one(pool).await?)
}

pub(crate) async fn page(pool: &SqlitePool) -> Result<Vec<Plain>, Error> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {LEAD} FROM crm_leads INDEXED BY crm_leads_created
        WHERE tenant = ? AND archived = 0 ORDER BY created_at DESC, id DESC LIMIT 51"
    ));
    let rows = sqlx::query(sql).bind(TENANT).fetch_all(pool).await?;
    rows.iter().take(50).map(plain).collect()
}

/// Leads that are new, in as many rows a statement as is fastest.
pub(crate) async fn create(pool: &SqlitePool, leads: &[Lead]) -> Result<(), Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    lifecycle(&mut transaction).await?;
    let mut last = 0;
    for leads in leads.chunks(250) {
        insert_leads(&mut transaction, leads).await?;
        last = insert_events(&mut transaction, leads, "created").await?;
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
    commit(&mut transaction, last).await?;
    transaction.commit().await
}

/// A lead moves to another status.
pub(crate) async fn transition(
    pool: &SqlitePool,
    before: &Lead,
    after: &Lead,
) -> Result<(), Error> {
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
    let last = insert_events(
        &mut transaction,
        std::slice::from_ref(after),
        "status_changed",
    )
    .await?;
    count(&mut transaction, counter_changes(Some(before), Some(after))).await?;
    commit(&mut transaction, last).await?;
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
    leads: &[Lead],
    kind: &'static str,
) -> Result<i64, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO crm_events (tenant, lead, version, at, commit_id, kind, to_status, to_user) ",
    );
    query.push_values(leads, |mut row, lead| {
        row.push_bind(TENANT)
            .push_bind(lead.id.as_bytes().to_vec())
            .push_bind(i64::try_from(lead.version.get()).unwrap_or(0))
            .push_bind(lead.updated_at.timestamp_micros())
            .push_bind(lead.id.as_bytes().to_vec())
            .push_bind(kind)
            .push_bind(lead.status.as_str().to_owned())
            .push_bind(
                lead.assigned_to
                    .as_ref()
                    .map(|user| user.as_str().to_owned()),
            );
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

async fn commit(connection: &mut SqliteConnection, last: i64) -> Result<(), Error> {
    let sql = "INSERT INTO crm_commits (tenant, id, first_event, last_event) VALUES (?, ?, ?, ?)";
    let query = sqlx::query(sql)
        .bind(TENANT)
        .bind(Uuid::new_v4().as_bytes().to_vec())
        .bind(last)
        .bind(last);
    query.execute(connection).await?;
    Ok(())
}
