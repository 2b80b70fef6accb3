//! Whether leads, the keys they are found by, the counters and the events say the same.

use super::pool::Patience;
use super::{SqliteRepository, patiently};
use crate::effect::{tag_rows, whole, word_rows};
use crate::error::Result;
use crate::lead_row::{Column, LEAD, LeadRow, lead_from_row};
use crate::value::{Value, id, read};
use crate::verified::Verified;
use crm_core::index::{IndexKey, counter_changes};
use crm_core::lead::{Lead, LeadId, TenantId};
use crm_core::repository::RepositoryError;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// How many rows are read at once.
const ROWS: i64 = 1_000;

impl SqliteRepository {
    /// Reads everything and checks that it agrees: every lead with its sort keys, words, tags and
    /// last event; the counters with the leads; references with what they refer to. Wrong keys and
    /// counters can be [rebuilt](Self::rebuild_indexes).
    ///
    /// Everything is read as of one moment; others read and write meanwhile. It takes some minutes
    /// for a million leads.
    ///
    /// # Errors
    ///
    /// A failing database. What is wrong is no error but told.
    pub async fn verify(&self) -> std::result::Result<Verified, RepositoryError> {
        patiently!(self.pools, reader, |connection| verify(connection))
    }
}

async fn verify(connection: &mut SqliteConnection) -> Result<Verified> {
    let mut moment = connection.begin_with("BEGIN").await?;
    let mut found = Verified::default();
    let mut after = None;
    loop {
        let tenants = super::tenant::list(&mut moment, after.as_ref()).await?;
        let Some(last) = tenants.last() else { break };
        after = Some(last.clone());
        for tenant in &tenants {
            found.tenants += 1;
            if let Some(number) = super::tenant::number(&mut moment, tenant).await? {
                let mut check = Check {
                    tenant,
                    number,
                    found: &mut found,
                    sums: BTreeMap::new(),
                    words: Sum::default(),
                    tags: Sum::default(),
                };
                check.leads(&mut moment).await?;
                check.keys(&mut moment).await?;
                check.counters(&mut moment).await?;
            }
        }
    }
    if !references_hold(&mut moment).await? {
        found.add(
            &TenantId::DEFAULT,
            None,
            "something is referred to that does not exist",
        );
    }
    moment.commit().await?;
    Ok(found)
}

/// Whether our tables refer to what exists. The application's are its own business.
async fn references_hold(connection: &mut SqliteConnection) -> Result<bool> {
    let sql = "
        WITH children (name) AS (
            VALUES ('crm_lifecycles'), ('crm_statuses'), ('crm_transitions'), ('crm_leads')
        )
        SELECT count(*) FROM children CROSS JOIN pragma_foreign_key_check(children.name)
    ";
    let faults: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
    Ok(faults == 0)
}

/// The number of rows and the sum of their hashes: equal for equal sets, in whatever order they are
/// read.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, row: impl Hash) {
        let mut hash = DefaultHasher::new();
        row.hash(&mut hash);
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(hash.finish());
    }
}

struct Check<'a> {
    tenant: &'a TenantId,
    number: i64,
    found: &'a mut Verified,
    sums: BTreeMap<IndexKey, i128>,
    words: Sum,
    tags: Sum,
}

impl Check<'_> {
    fn fault(&mut self, lead: Option<LeadId>, what: &'static str) {
        self.found.add(self.tenant, lead, what);
    }

    async fn leads(&mut self, moment: &mut SqliteConnection) -> Result<()> {
        let mut after = Vec::new();
        loop {
            let rows = leads_after(moment, self.number, &after).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.try_get::<&[u8], _>("id")?.to_vec();
            for row in &rows {
                self.found.leads += 1;
                let lead = LeadId::from_bytes(id(row.try_get("id")?)?);
                match parsed(row) {
                    Ok(read) => self.lead(row, &read)?,
                    Err(_) => self.fault(Some(lead), "the lead cannot be read"),
                }
            }
        }
    }

    fn lead(&mut self, row: &SqliteRow, lead: &Lead) -> Result<()> {
        let expected = LeadRow::of(lead);
        for &column in Column::ALL {
            if stored(row, column, &expected.value(column))? != expected.value(column) {
                self.fault(Some(lead.id), "a key of it is not that of its value");
            }
        }
        let last: Option<i64> = row.try_get("last_event")?;
        if last != Some(crate::value::stored(lead.version.get())) {
            self.fault(Some(lead.id), "its last event is not that of its version");
        }
        for word in word_rows(Some(lead), expected.words()) {
            self.words
                .add((word.archived, word.word.as_bytes(), word.id.as_bytes()));
        }
        for tag in tag_rows(Some(lead)) {
            let at = tag.created_at;
            self.tags
                .add((tag.archived, tag.tag.as_str(), at, tag.id.as_bytes()));
        }
        for change in counter_changes(None, Some(lead)) {
            *self.sums.entry(change.key).or_default() += change.delta;
        }
        Ok(())
    }

    async fn keys(&mut self, moment: &mut SqliteConnection) -> Result<()> {
        let mut words = Sum::default();
        let mut after = (false, Vec::new(), Vec::new());
        loop {
            let rows = words_after(moment, self.number, &after).await?;
            for row in &rows {
                after = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                words.add((after.0, after.1.as_slice(), &id(&after.2)?));
            }
            if rows.is_empty() {
                break;
            }
        }
        let mut tags = Sum::default();
        let mut after = (false, String::new(), i64::MIN, Vec::new());
        loop {
            let rows = tags_after(moment, self.number, &after).await?;
            for row in &rows {
                after = (
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                );
                tags.add((after.0, after.1.as_str(), after.2, &id(&after.3)?));
            }
            if rows.is_empty() {
                break;
            }
        }
        self.found.keys += words.rows + tags.rows;
        if words != self.words {
            self.fault(None, "the words are not those of the leads");
        }
        if tags != self.tags {
            self.fault(None, "the tags are not those of the leads");
        }
        Ok(())
    }

    async fn counters(&mut self, moment: &mut SqliteConnection) -> Result<()> {
        self.sums.retain(|_, sum| *sum != 0);
        let mut stored: BTreeMap<IndexKey, i128> = BTreeMap::new();
        let sql = "SELECT key, high, low FROM crm_counters WHERE tenant = ?";
        let rows = sqlx::query(sql).bind(self.number).fetch_all(moment).await?;
        for row in rows {
            let key: &[u8] = row.try_get(0)?;
            stored.insert(IndexKey::from(key), whole(row.try_get(1)?, row.try_get(2)?));
        }
        if stored != self.sums {
            self.fault(None, "the counters are not the sums of the leads");
        }
        Ok(())
    }
}

fn parsed(row: &SqliteRow) -> Result<Lead> {
    read(row.try_get("version")?)?;
    Ok(lead_from_row!(row))
}

/// What a row holds in a column, as the kind of value that is expected there.
fn stored<'r>(row: &'r SqliteRow, column: Column, expected: &Value<'_>) -> Result<Value<'r>> {
    let name = column.name();
    Ok(match expected {
        Value::Text(_) => Value::Text(row.try_get::<Option<&str>, _>(name)?.map(Into::into)),
        Value::Bytes(_) => Value::Bytes(row.try_get::<Option<&[u8]>, _>(name)?.map(Into::into)),
        Value::Number(_) => Value::Number(row.try_get(name)?),
    })
}

pub(super) async fn leads_after(
    connection: &mut SqliteConnection,
    tenant: i64,
    after: &[u8],
) -> Result<Vec<SqliteRow>> {
    let sql = format!(
        "SELECT {LEAD}, archived, name_sort, company_sort, email_sort, email_key, words, (
            SELECT max(version) FROM crm_events
            WHERE crm_events.tenant = crm_leads.tenant AND crm_events.lead = crm_leads.id
        ) AS last_event
        FROM crm_leads
        WHERE tenant = ? AND id > ?
        ORDER BY id
        LIMIT ?"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(tenant)
        .bind(after.to_vec())
        .bind(ROWS);
    Ok(query.fetch_all(connection).await?)
}

async fn words_after(
    connection: &mut SqliteConnection,
    tenant: i64,
    (archived, word, lead): &(bool, Vec<u8>, Vec<u8>),
) -> Result<Vec<SqliteRow>> {
    let sql = "
        SELECT archived, word, id
        FROM crm_words
        WHERE tenant = ? AND (archived, word, id) > (?, ?, ?)
        ORDER BY archived, word, id
        LIMIT ?
    ";
    let query = sqlx::query(sql)
        .bind(tenant)
        .bind(archived)
        .bind(word.clone())
        .bind(lead.clone())
        .bind(ROWS);
    Ok(query.fetch_all(connection).await?)
}

async fn tags_after(
    connection: &mut SqliteConnection,
    tenant: i64,
    (archived, tag, created_at, lead): &(bool, String, i64, Vec<u8>),
) -> Result<Vec<SqliteRow>> {
    let sql = "
        SELECT archived, tag, created_at, id
        FROM crm_tags
        WHERE tenant = ? AND (archived, tag, created_at, id) > (?, ?, ?, ?)
        ORDER BY archived, tag, created_at, id
        LIMIT ?
    ";
    let query = sqlx::query(sql)
        .bind(tenant)
        .bind(archived)
        .bind(tag.clone())
        .bind(created_at)
        .bind(lead.clone())
        .bind(ROWS);
    Ok(query.fetch_all(connection).await?)
}
