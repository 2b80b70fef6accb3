//! Whether leads, the keys they are found by, the counters and the events say the same.

use super::PostgresRepository;
use super::count::whole;
use super::find::MOMENT;
use super::pool::{Lent, Patience};
use super::write::stored_columns;
use crate::effect::{tag_rows, word_rows};
use crate::error::Result;
use crate::lead_row::{Column, LEAD, LeadRow, lead_from_row};
use crate::value::{Value, id, read};
use crate::verified::Verified;
use crm_core::index::{IndexKey, counter_changes};
use crm_core::lead::{Lead, LeadId, TenantId};
use crm_core::repository::RepositoryError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// How many rows are read at once.
const ROWS: i64 = 1_000;

impl PostgresRepository {
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
        let mut patience = Patience::default();
        loop {
            let verified = async {
                let mut lent = Lent::from(&self.pool).await?;
                let done = verify(lent.connection()).await;
                lent.settle(&done);
                done
            };
            match verified.await {
                Err(error) if patience.allows_another(&error).await => {}
                done => return Ok(done?),
            }
        }
    }
}

async fn verify(connection: &mut PgConnection) -> Result<Verified> {
    let mut moment = connection.begin_with(MOMENT).await?;
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
                check.rules(&mut moment).await?;
            }
        }
    }
    moment.commit().await?;
    Ok(found)
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

    async fn leads(&mut self, moment: &mut PgConnection) -> Result<()> {
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

    fn lead(&mut self, row: &PgRow, lead: &Lead) -> Result<()> {
        let expected = LeadRow::of(lead);
        for column in stored_columns() {
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

    async fn keys(&mut self, moment: &mut PgConnection) -> Result<()> {
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

    async fn counters(&mut self, moment: &mut PgConnection) -> Result<()> {
        self.sums.retain(|_, sum| *sum != 0);
        let mut stored: BTreeMap<IndexKey, i128> = BTreeMap::new();
        let sql = "
            SELECT key, sum(high)::text, sum(low)::text
            FROM (
                SELECT key, high, low FROM crm_counters WHERE tenant = $1
                UNION ALL
                SELECT key, high, low FROM crm_deltas WHERE tenant = $1
            ) AS counted
            GROUP BY key
        ";
        let rows = sqlx::query(sql).bind(self.number).fetch_all(moment).await?;
        for row in rows {
            let key: &[u8] = row.try_get(0)?;
            stored.insert(
                IndexKey::from(key),
                whole(row.try_get(1)?, row.try_get(2)?)?,
            );
        }
        stored.retain(|_, sum| *sum != 0);
        if stored != self.sums {
            self.fault(None, "the counters are not the sums of the leads");
        }
        Ok(())
    }

    /// What commits are checked by, and what leads refer to.
    async fn rules(&mut self, moment: &mut PgConnection) -> Result<()> {
        let row = sqlx::query(RULES)
            .bind(self.number)
            .fetch_one(moment)
            .await?;
        if !row.try_get::<bool, _>(0)? {
            self.fault(
                None,
                "the rules in force are not those of the last lifecycle",
            );
        }
        if row.try_get(1)? {
            self.fault(None, "something is referred to that does not exist");
        }
        Ok(())
    }
}

const RULES: &str = "
    SELECT
        lifecycle IS NOT DISTINCT FROM (
            SELECT max(version) FROM crm_lifecycles WHERE tenant = $1
        ) AND statuses = coalesce(
            (SELECT array_agg(slug::text ORDER BY position) FROM crm_statuses WHERE tenant = $1),
            '{}'
        ),
        EXISTS (
            SELECT FROM crm_leads AS lead
            WHERE tenant = $1 AND NOT EXISTS (
                SELECT FROM crm_statuses AS status
                WHERE status.tenant = $1 AND status.slug = lead.status
            )
        )
    FROM crm_tenants
    WHERE tenant = $1
";

fn parsed(row: &PgRow) -> Result<Lead> {
    read(row.try_get("version")?)?;
    Ok(lead_from_row!(row))
}

/// What a row holds in a column, as the kind of value that is expected there.
fn stored<'r>(row: &'r PgRow, column: Column, expected: &Value<'_>) -> Result<Value<'r>> {
    let name = column.name();
    Ok(match expected {
        Value::Text(_) => Value::Text(row.try_get::<Option<&str>, _>(name)?.map(Into::into)),
        Value::Bytes(_) => Value::Bytes(row.try_get::<Option<&[u8]>, _>(name)?.map(Into::into)),
        Value::Number(_) => Value::Number(row.try_get(name)?),
    })
}

pub(super) async fn leads_after(
    connection: &mut PgConnection,
    tenant: i64,
    after: &[u8],
) -> Result<Vec<PgRow>> {
    let sql = format!(
        "SELECT {LEAD}, name_sort, company_sort, email_sort, email_key, words, (
            SELECT max(version) FROM crm_events
            WHERE crm_events.tenant = crm_leads.tenant AND crm_events.lead = crm_leads.id
        ) AS last_event
        FROM crm_leads
        WHERE tenant = $1 AND id > $2
        ORDER BY id
        LIMIT $3"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(tenant)
        .bind(after.to_vec())
        .bind(ROWS);
    Ok(query.fetch_all(connection).await?)
}

async fn words_after(
    connection: &mut PgConnection,
    tenant: i64,
    (archived, word, lead): &(bool, Vec<u8>, Vec<u8>),
) -> Result<Vec<PgRow>> {
    let sql = "
        SELECT archived, word, id
        FROM crm_words
        WHERE tenant = $1 AND (archived, word, id) > ($2, $3, $4)
        ORDER BY archived, word, id
        LIMIT $5
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
    connection: &mut PgConnection,
    tenant: i64,
    (archived, tag, created_at, lead): &(bool, String, i64, Vec<u8>),
) -> Result<Vec<PgRow>> {
    let sql = "
        SELECT archived, tag, created_at, id
        FROM crm_tags
        WHERE tenant = $1 AND (archived, tag, created_at, id) > ($2, $3, $4, $5)
        ORDER BY archived, tag, created_at, id
        LIMIT $6
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
