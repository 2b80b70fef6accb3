//! What somebody would write who needs just this from sqlx: the same tables, keys and counters, one
//! transaction of one statement for each table, the same durability. No tenants, no rules, no
//! idempotency, no histories of the past.

use crate::measure::{ByHand, Plain, plain};
use crm_core::chrono::DateTime;
use crm_core::index::{CounterChange, counter_changes};
use crm_core::lead::{Lead, LeadId};
use crm_core::query::{EmailKey, SortBy, TagKey, search_words, sort_value};
use crm_core::record::LeadRecord;
use crm_core::serde_json;
use crm_core::uuid::Uuid;
use crm_store_sqlx::sqlx::mysql::MySqlPool;
use crm_store_sqlx::sqlx::{self, Error, MySql, MySqlConnection, QueryBuilder, Row as _};
use std::collections::BTreeMap;

const TENANT: i64 = 1;

impl ByHand for MySqlPool {
    async fn get(&self, id: LeadId) -> Plain {
        let sql = "
            SELECT id, version, status, assigned_to, source, created_at, updated_at,
                status_changed_at, archived_at, value_currency, value_minor, first_name, last_name,
                email, company, phone, tags, status_reason, notes, custom
            FROM crm_leads
            WHERE tenant = ? AND id = ?
        ";
        let row = sqlx::query(sql).bind(TENANT).bind(id.as_bytes().as_slice());
        plain!(&row.fetch_one(self).await.unwrap(), try_get_unchecked)
    }

    async fn page(&self) -> Vec<Plain> {
        let sql = "
            SELECT id, version, status, assigned_to, source, created_at, updated_at,
                status_changed_at, archived_at, value_currency, value_minor, first_name, last_name,
                email, company, phone, tags, status_reason, notes, custom
            FROM crm_leads FORCE INDEX (crm_leads_created)
            WHERE tenant = ? AND archived = false
            ORDER BY created_at DESC, id DESC
            LIMIT 51
        ";
        let rows = sqlx::query(sql).bind(TENANT).fetch_all(self).await.unwrap();
        let rows = rows.iter().take(50);
        rows.map(|row| plain!(row, try_get_unchecked)).collect()
    }

    async fn create(&self, leads: &[Lead]) {
        create(self, leads).await.unwrap();
    }

    async fn transition(&self, before: &Lead, after: &Lead) {
        transition(self, before, after).await.unwrap();
    }
}

/// Leads that are new.
async fn create(pool: &MySqlPool, leads: &[Lead]) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lifecycle(&mut transaction).await?;
    insert_leads(&mut transaction, leads).await?;
    let id = Uuid::new_v4();
    insert_events(&mut transaction, id, "created", None, leads).await?;
    let (mut words, mut tags) = (Vec::new(), Vec::new());
    for lead in leads {
        let found = search_words(lead).into_iter();
        words.extend(found.map(|word| (word, lead.id)));
        let keys = lead.tags.iter().map(TagKey::from);
        let at = lead.created_at.timestamp_micros();
        tags.extend(keys.map(|key| (key.as_str().to_owned(), at, lead.id)));
    }
    words.sort_unstable();
    tags.sort_unstable();
    let mut query =
        QueryBuilder::<MySql>::new("INSERT INTO crm_words (tenant, archived, word, id) ");
    query.push_values(&words, |mut row, (word, id)| {
        row.push_bind(TENANT).push_bind(false);
        row.push_bind(word.as_bytes())
            .push_bind(id.as_bytes().as_slice());
    });
    let query = query.build().persistent(leads.len() == 1);
    query.execute(&mut *transaction).await?;
    let mut query =
        QueryBuilder::<MySql>::new("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
    query.push_values(&tags, |mut row, (tag, at, id)| {
        row.push_bind(TENANT).push_bind(false);
        row.push_bind(tag.as_bytes())
            .push_bind(*at)
            .push_bind(id.as_bytes().as_slice());
    });
    let query = query.build().persistent(leads.len() == 1);
    query.execute(&mut *transaction).await?;
    let changes = leads
        .iter()
        .flat_map(|lead| counter_changes(None, Some(lead)));
    count(&mut transaction, changes).await?;
    insert_commit(&mut transaction, id, leads).await?;
    transaction.commit().await
}

/// A lead moves to another status.
async fn transition(pool: &MySqlPool, before: &Lead, after: &Lead) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lifecycle(&mut transaction).await?;
    let sql = "
        UPDATE crm_leads
        SET status = ?, version = version + 1, updated_at = ?, status_changed_at = ?
        WHERE tenant = ? AND id = ? AND version = ?
    ";
    let done = sqlx::query(sql)
        .bind(after.status.as_str())
        .bind(after.updated_at.timestamp_micros())
        .bind(after.status_changed_at.timestamp_micros())
        .bind(TENANT)
        .bind(before.id.as_bytes().as_slice())
        .bind(i64::try_from(before.version.get()).unwrap_or(0));
    if done.execute(&mut *transaction).await?.rows_affected() != 1 {
        return Err(Error::RowNotFound);
    }
    let moved = std::slice::from_ref(after);
    let (id, from) = (Uuid::new_v4(), Some(before.status.as_str()));
    insert_events(&mut transaction, id, "status_changed", from, moved).await?;
    count(&mut transaction, counter_changes(Some(before), Some(after))).await?;
    insert_commit(&mut transaction, id, moved).await?;
    transaction.commit().await
}

async fn lifecycle(connection: &mut MySqlConnection) -> Result<i64, Error> {
    let version =
        sqlx::query_scalar("SELECT lifecycle FROM crm_tenants WHERE tenant = ? LOCK IN SHARE MODE");
    version.bind(TENANT).fetch_one(connection).await
}

async fn insert_leads(connection: &mut MySqlConnection, leads: &[Lead]) -> Result<(), Error> {
    let mut query = QueryBuilder::<MySql>::new(
        "INSERT INTO crm_leads (tenant, id, version, status, assigned_to, source, created_at, \
         updated_at, status_changed_at, archived, value_currency, value_minor, name_sort, \
         company_sort, email_sort, email_key, first_name, last_name, email, company, phone, tags, \
         words) ",
    );
    query.push_values(leads, |mut row, lead| {
        let record = LeadRecord::from(lead);
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let key = lead.email.as_ref().map(EmailKey::from);
        let mut words = vec![0];
        for word in search_words(lead) {
            words.extend(word.into_bytes());
            words.push(0);
        }
        row.push_bind(TENANT)
            .push_bind(record.id.as_slice())
            .push_bind(1i64)
            .push_bind(&*record.status)
            .push_bind(bytes(record.assigned_to.as_deref()))
            .push_bind(record.source.as_deref())
            .push_bind(record.created_at)
            .push_bind(record.updated_at)
            .push_bind(record.status_changed_at)
            .push_bind(false)
            .push_bind(record.value.as_ref().map(|(_, currency)| &**currency))
            .push_bind(record.value.as_ref().map(|(minor, _)| *minor))
            .push_bind(sort_value(SortBy::Name, lead))
            .push_bind(sort_value(SortBy::Company, lead))
            .push_bind(sort_value(SortBy::Email, lead))
            .push_bind(bytes(key.as_ref().map(EmailKey::as_str)))
            .push_bind(record.first_name.as_deref())
            .push_bind(record.last_name.as_deref())
            .push_bind(record.email.as_deref())
            .push_bind(record.company.as_deref())
            .push_bind(record.phone.as_deref())
            .push_bind(serde_json::to_string(&record.tags).ok())
            .push_bind(words);
    });
    let query = query.build().persistent(leads.len() == 1);
    query.execute(connection).await?;
    Ok(())
}

async fn insert_events(
    connection: &mut MySqlConnection,
    commit: Uuid,
    kind: &str,
    from: Option<&str>,
    leads: &[Lead],
) -> Result<(), Error> {
    let mut query = QueryBuilder::<MySql>::new(
        "INSERT INTO crm_events (tenant, `lead`, version, at, commit_id, kind, from_status, \
         to_status, to_user) ",
    );
    query.push_values(leads, |mut row, lead| {
        row.push_bind(TENANT)
            .push_bind(lead.id.as_bytes().as_slice())
            .push_bind(i64::try_from(lead.version.get()).unwrap_or(0))
            .push_bind(lead.updated_at.timestamp_micros())
            .push_bind(commit.as_bytes().as_slice())
            .push_bind(kind)
            .push_bind(from)
            .push_bind(lead.status.as_str())
            .push_bind(match from {
                None => lead.assigned_to.as_ref().map(|user| user.as_str()),
                Some(_) => None,
            });
    });
    let query = query.build().persistent(leads.len() == 1);
    query.execute(connection).await?;
    Ok(())
}

async fn count(
    connection: &mut MySqlConnection,
    changes: impl IntoIterator<Item = CounterChange>,
) -> Result<(), Error> {
    let mut sums: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for change in changes {
        let sum = sums.entry(change.key.as_bytes().to_vec()).or_default();
        *sum += i64::try_from(change.delta).unwrap_or(0);
    }
    let mut query =
        QueryBuilder::<MySql>::new("INSERT INTO crm_deltas (tenant, `key`, high, low) ");
    let is_kept = sums.len() < 50;
    query.push_values(sums, |mut row, (key, by)| {
        row.push_bind(TENANT)
            .push_bind(key)
            .push_bind(0i64)
            .push_bind(by);
    });
    query
        .build()
        .persistent(is_kept)
        .execute(connection)
        .await?;
    Ok(())
}

/// The outcome is the ids of the leads and their versions.
async fn insert_commit(
    connection: &mut MySqlConnection,
    id: Uuid,
    leads: &[Lead],
) -> Result<(), Error> {
    let mut outcome = Vec::new();
    for lead in leads {
        outcome.extend_from_slice(lead.id.as_bytes());
        outcome.extend_from_slice(&lead.version.get().to_be_bytes());
    }
    let sql = "INSERT INTO crm_commits (tenant, id, outcome) VALUES (?, ?, ?)";
    let query = sqlx::query(sql).bind(TENANT).bind(id.as_bytes().as_slice());
    query.bind(outcome).execute(connection).await?;
    Ok(())
}
