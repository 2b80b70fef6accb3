//! What somebody would write who needs just this from sqlx: the same tables, keys and counters, one
//! transaction of one statement for each table, the same durability. No tenants, no rules, no
//! idempotency, no histories of the past.

use crate::measure::{ByHand, Plain, plain};
use crm_core::chrono::DateTime;
use crm_core::index::{CounterChange, counter_changes};
use crm_core::lead::{Lead, LeadId};
use crm_core::query::{EmailKey, SortBy, TagKey, search_words, sort_value};
use crm_core::record::LeadRecord;
use crm_core::uuid::Uuid;
use crm_store_sqlx::sqlx::postgres::PgPool;
use crm_store_sqlx::sqlx::{self, Error, PgConnection, Row as _};
use std::collections::BTreeMap;

const TENANT: i64 = 1;

impl ByHand for PgPool {
    async fn get(&self, id: LeadId) -> Plain {
        let sql = "
            SELECT id, version, status, assigned_to, source, created_at, updated_at,
                status_changed_at, archived_at, value_currency, value_minor, first_name, last_name,
                email, company, phone, tags, status_reason, notes, custom
            FROM crm_leads
            WHERE tenant = $1 AND id = $2
        ";
        let row = sqlx::query(sql).bind(TENANT).bind(id.as_bytes().as_slice());
        plain!(&row.fetch_one(self).await.unwrap(), try_get)
    }

    async fn page(&self) -> Vec<Plain> {
        let sql = "
            SELECT id, version, status, assigned_to, source, created_at, updated_at,
                status_changed_at, archived_at, value_currency, value_minor, first_name, last_name,
                email, company, phone, tags, status_reason, notes, custom
            FROM crm_leads
            WHERE tenant = $1 AND archived = false
            ORDER BY created_at DESC, id DESC
            LIMIT 51
        ";
        let rows = sqlx::query(sql).bind(TENANT).fetch_all(self).await.unwrap();
        let rows = rows.iter().take(50);
        rows.map(|row| plain!(row, try_get)).collect()
    }

    async fn create(&self, leads: &[Lead]) {
        create(self, leads).await.unwrap();
    }

    async fn transition(&self, before: &Lead, after: &Lead) {
        transition(self, before, after).await.unwrap();
    }
}

/// Leads that are new: `unnest` writes many rows faster than anything but `COPY`, which cannot
/// refuse what is there.
async fn create(pool: &PgPool, leads: &[Lead]) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lifecycle(&mut transaction).await?;
    insert_leads(&mut transaction, leads).await?;
    let id = Uuid::new_v4();
    insert_events(&mut transaction, id, "created", None, leads).await?;
    let (mut words, mut tags) = (Vec::new(), Vec::new());
    for lead in leads {
        let id = lead.id.as_bytes().to_vec();
        for word in search_words(lead) {
            words.push((word.into_bytes(), id.clone()));
        }
        let at = lead.created_at.timestamp_micros();
        for tag in lead.tags.iter().map(TagKey::from) {
            tags.push((tag.as_str().to_owned(), at, id.clone()));
        }
    }
    words.sort_unstable();
    tags.sort_unstable();
    let (words, ids): (Vec<_>, Vec<_>) = words.into_iter().unzip();
    let sql = "
        INSERT INTO crm_words (tenant, archived, word, id)
        SELECT $1, false, new.* FROM unnest($2, $3) AS new
    ";
    let query = sqlx::query(sql).bind(TENANT).bind(words).bind(ids);
    query.execute(&mut *transaction).await?;
    let sql = "
        INSERT INTO crm_tags (tenant, archived, tag, created_at, id)
        SELECT $1, false, new.* FROM unnest($2, $3, $4) AS new
    ";
    sqlx::query(sql)
        .bind(TENANT)
        .bind(tags.iter().map(|(tag, ..)| tag.clone()).collect::<Vec<_>>())
        .bind(tags.iter().map(|(_, at, _)| *at).collect::<Vec<_>>())
        .bind(tags.iter().map(|(.., id)| id.clone()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
    let changes = leads
        .iter()
        .flat_map(|lead| counter_changes(None, Some(lead)));
    count(&mut transaction, changes).await?;
    insert_commit(&mut transaction, id, leads).await?;
    transaction.commit().await
}

/// A lead moves to another status.
async fn transition(pool: &PgPool, before: &Lead, after: &Lead) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lifecycle(&mut transaction).await?;
    let sql = "
        UPDATE crm_leads
        SET status = $1, version = version + 1, updated_at = $2, status_changed_at = $3
        WHERE tenant = $4 AND id = $5 AND version = $6
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

async fn lifecycle(connection: &mut PgConnection) -> Result<i64, Error> {
    let version =
        sqlx::query_scalar("SELECT lifecycle FROM crm_tenants WHERE tenant = $1 FOR SHARE");
    version.bind(TENANT).fetch_one(connection).await
}

async fn insert_leads(connection: &mut PgConnection, leads: &[Lead]) -> Result<(), Error> {
    let records: Vec<LeadRecord<'_>> = leads.iter().map(LeadRecord::from).collect();
    macro_rules! of {
        (|$record:ident| $value:expr) => {
            records.iter().map(|$record| $value).collect::<Vec<_>>()
        };
    }
    macro_rules! sorted {
        ($by:expr) => {
            leads
                .iter()
                .map(|lead| sort_value($by, lead))
                .collect::<Vec<_>>()
        };
    }
    let emails = leads.iter().map(|lead| {
        let key = lead.email.as_ref().map(EmailKey::from);
        key.map(|key| key.as_str().to_owned())
    });
    let words = leads.iter().map(|lead| {
        let mut words = vec![0];
        for word in search_words(lead) {
            words.extend(word.into_bytes());
            words.push(0);
        }
        words
    });
    let sql = "
        INSERT INTO crm_leads (tenant, version, id, status, assigned_to, source, created_at,
            updated_at, status_changed_at, value_currency, value_minor, name_sort, company_sort,
            email_sort, email_key, first_name, last_name, email, company, phone, tags, words)
        SELECT $1, 1, new.*
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19, $20, $21) AS new
    ";
    sqlx::query(sql)
        .bind(TENANT)
        .bind(of!(|record| record.id.to_vec()))
        .bind(of!(|record| record.status.to_string()))
        .bind(of!(|record| record.assigned_to.as_deref()))
        .bind(of!(|record| record.source.as_deref()))
        .bind(of!(|record| record.created_at))
        .bind(of!(|record| record.updated_at))
        .bind(of!(|record| record.status_changed_at))
        .bind(of!(|record| record
            .value
            .as_ref()
            .map(|(_, unit)| unit.to_string())))
        .bind(of!(|record| record.value.as_ref().map(|(minor, _)| *minor)))
        .bind(sorted!(SortBy::Name))
        .bind(sorted!(SortBy::Company))
        .bind(sorted!(SortBy::Email))
        .bind(emails.collect::<Vec<_>>())
        .bind(of!(|record| record.first_name.as_deref()))
        .bind(of!(|record| record.last_name.as_deref()))
        .bind(of!(|record| record.email.as_deref()))
        .bind(of!(|record| record.company.as_deref()))
        .bind(of!(|record| record.phone.as_deref()))
        .bind(of!(
            |record| crm_core::serde_json::to_string(&record.tags).ok()
        ))
        .bind(words.collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_events(
    connection: &mut PgConnection,
    commit: Uuid,
    kind: &str,
    from: Option<&str>,
    leads: &[Lead],
) -> Result<(), Error> {
    macro_rules! of {
        (|$lead:ident| $value:expr) => {
            leads.iter().map(|$lead| $value).collect::<Vec<_>>()
        };
    }
    let sql = "
        INSERT INTO crm_events (tenant, commit_id, kind, from_status, lead, version, at, to_status,
            to_user)
        SELECT $1, $2, $3, $4, new.* FROM unnest($5, $6, $7, $8, $9) AS new
    ";
    sqlx::query(sql)
        .bind(TENANT)
        .bind(commit.as_bytes().as_slice())
        .bind(kind)
        .bind(from)
        .bind(of!(|lead| lead.id.as_bytes().as_slice()))
        .bind(of!(|lead| i64::try_from(lead.version.get()).unwrap_or(0)))
        .bind(of!(|lead| lead.updated_at.timestamp_micros()))
        .bind(of!(|lead| lead.status.as_str()))
        .bind(of!(|lead| match from {
            None => lead.assigned_to.as_ref().map(|user| user.as_str()),
            Some(_) => None,
        }))
        .execute(connection)
        .await?;
    Ok(())
}

async fn count(
    connection: &mut PgConnection,
    changes: impl IntoIterator<Item = CounterChange>,
) -> Result<(), Error> {
    let mut sums: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for change in changes {
        let sum = sums.entry(change.key.as_bytes().to_vec()).or_default();
        *sum += i64::try_from(change.delta).unwrap_or(0);
    }
    let (keys, sums): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    let sql = "
        INSERT INTO crm_deltas (tenant, high, key, low)
        SELECT $1, 0, new.* FROM unnest($2, $3) AS new
    ";
    let query = sqlx::query(sql).bind(TENANT).bind(keys).bind(sums);
    query.execute(connection).await?;
    Ok(())
}

/// The outcome is the ids of the leads and their versions.
async fn insert_commit(
    connection: &mut PgConnection,
    id: Uuid,
    leads: &[Lead],
) -> Result<(), Error> {
    let mut outcome = Vec::new();
    for lead in leads {
        outcome.extend_from_slice(lead.id.as_bytes());
        outcome.extend_from_slice(&lead.version.get().to_be_bytes());
    }
    let sql = "INSERT INTO crm_commits (tenant, id, outcome) VALUES ($1, $2, $3)";
    let query = sqlx::query(sql).bind(TENANT).bind(id.as_bytes().as_slice());
    query.bind(outcome).execute(connection).await?;
    Ok(())
}
