//! Whether leads, the keys they are found by, the counters and the events say the same.

use crate::count;
use crate::effect::{tag_rows, word_rows};
use crate::error::Result;
use crate::lead_row::{Column, LEAD, LEAD_COLUMNS, LeadRow};
use crate::reading::{Columns, Reading, read_lead};
use crate::statement::Statement;
use crate::value::{Value, id, stored};
use crate::verified::Verified;
use crm_core::index::{IndexKey, counter_changes};
use crm_core::lead::{Lead, LeadId, TenantId};
use crm_core::query::Direction;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// How many rows are read at once.
const ROWS: u64 = 1_000;

/// What each database looks up in its own way.
pub(crate) trait Verifying: Reading {
    fn tenants(
        &mut self,
        after: Option<&TenantId>,
    ) -> impl Future<Output = Result<Vec<TenantId>>> + Send;

    fn number(&mut self, tenant: &TenantId) -> impl Future<Output = Result<Option<i64>>> + Send;

    /// What is wrong with a tenant's rules, and with what is referred to.
    fn faults(&mut self, tenant: i64) -> impl Future<Output = Result<Vec<&'static str>>> + Send;

    /// What of this is wrong in a database, and not told tenant by tenant.
    fn faults_of_all(&mut self) -> impl Future<Output = Result<Vec<&'static str>>> + Send;
}

pub(crate) const BROKEN_REFERENCE: &str = "something is referred to that does not exist";

pub(crate) async fn verify<C: Verifying>(connection: &mut C) -> Result<Verified> {
    let mut moment = connection.moment().await?;
    let mut found = Verified::default();
    let mut after = None;
    loop {
        let tenants = moment.tenants(after.as_ref()).await?;
        let Some(last) = tenants.last() else { break };
        after = Some(last.clone());
        for tenant in &tenants {
            found.tenants += 1;
            if let Some(number) = moment.number(tenant).await? {
                let mut check = Check {
                    tenant,
                    number,
                    found: &mut found,
                    sums: BTreeMap::new(),
                    words: Sum::default(),
                    tags: Sum::default(),
                };
                check.leads(&mut *moment).await?;
                check.words(&mut *moment).await?;
                check.tags(&mut *moment).await?;
                check.counters(&mut *moment).await?;
                for fault in moment.faults(number).await? {
                    check.fault(None, fault);
                }
            }
        }
    }
    for fault in moment.faults_of_all().await? {
        found.add(&TenantId::DEFAULT, None, fault);
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

    async fn leads<C: Reading>(&mut self, moment: &mut C) -> Result<()> {
        let mut after = None;
        loop {
            let rows = leads_after(moment, self.number, after).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(lead_id(last)?);
            for row in &rows {
                self.found.leads += 1;
                match read_lead(row) {
                    Ok(lead) => self.lead(row, &lead)?,
                    Err(_) => self.fault(Some(lead_id(row)?), "the lead cannot be read"),
                }
            }
        }
    }

    fn lead(&mut self, row: &impl Columns, lead: &Lead) -> Result<()> {
        let expected = LeadRow::of(lead);
        if row.flag(LEAD_COLUMNS)? != lead.is_archived() {
            self.fault(Some(lead.id), "a key of it is not that of its value");
        }
        for (place, &column) in (0..).zip(PLACED) {
            let place = if place < LEAD_COLUMNS {
                place
            } else {
                place + 1
            };
            let expected = expected.value(column);
            let kept = match &expected {
                Value::Text(_) => Value::text(row.text(place)?),
                Value::Bytes(_) => Value::bytes(row.bytes(place)?),
                Value::Number(_) => Value::Number(row.number(place)?),
            };
            if kept != expected {
                self.fault(Some(lead.id), "a key of it is not that of its value");
            }
        }
        let last = row.number(LEAD_COLUMNS + 6)?;
        if last != Some(stored(lead.version.get())) {
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

    async fn words<C: Reading>(&mut self, moment: &mut C) -> Result<()> {
        let mut found = Sum::default();
        for archived in [false, true] {
            let mut after = (Vec::new(), Vec::new());
            loop {
                let rows = words_after(moment, self.number, archived, &after).await?;
                for row in &rows {
                    let (word, lead) = (row.some_bytes(0)?, row.some_bytes(1)?);
                    found.add((archived, word, &id(lead)?));
                    after = (word.to_vec(), lead.to_vec());
                }
                if rows.is_empty() {
                    break;
                }
            }
        }
        self.found.keys += found.rows;
        if found != self.words {
            self.fault(None, "the words are not those of the leads");
        }
        Ok(())
    }

    async fn tags<C: Reading>(&mut self, moment: &mut C) -> Result<()> {
        let mut found = Sum::default();
        for archived in [false, true] {
            let mut after = (String::new(), i64::MIN, Vec::new());
            loop {
                let rows = tags_after(moment, self.number, archived, &after).await?;
                for row in &rows {
                    let (tag, at) = (row.some_text(0)?, row.some_number(1)?);
                    let lead = row.some_bytes(2)?;
                    found.add((archived, tag, at, &id(lead)?));
                    after = (tag.to_owned(), at, lead.to_vec());
                }
                if rows.is_empty() {
                    break;
                }
            }
        }
        self.found.keys += found.rows;
        if found != self.tags {
            self.fault(None, "the tags are not those of the leads");
        }
        Ok(())
    }

    async fn counters<C: Reading>(&mut self, moment: &mut C) -> Result<()> {
        self.sums.retain(|_, sum| *sum != 0);
        if count::all(moment, self.number).await? != self.sums {
            self.fault(None, "the counters are not the sums of the leads");
        }
        Ok(())
    }
}

/// The columns that [`leads_after`] reads: those of a lead, and after the one that tells whether it
/// is archived, those that are made of others.
const PLACED: &[Column] = &[
    Column::Id,
    Column::Version,
    Column::Status,
    Column::AssignedTo,
    Column::Source,
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::StatusChangedAt,
    Column::ArchivedAt,
    Column::ValueCurrency,
    Column::ValueMinor,
    Column::FirstName,
    Column::LastName,
    Column::Email,
    Column::Company,
    Column::Phone,
    Column::Tags,
    Column::StatusReason,
    Column::Notes,
    Column::Custom,
    Column::NameSort,
    Column::CompanySort,
    Column::EmailSort,
    Column::EmailKey,
    Column::Words,
];

/// The next leads in the order of their ids, with their keys and the versions of their last events.
pub(crate) async fn leads_after<C: Reading>(
    connection: &mut C,
    tenant: i64,
    after: Option<LeadId>,
) -> Result<Vec<C::Row>> {
    let mut sql = Statement::about(C::DIALECT, tenant);
    sql.push("SELECT ").push(LEAD).push(
        ", archived, name_sort, company_sort, email_sort, email_key, words, (
            SELECT max(version) FROM crm_events
            WHERE crm_events.tenant = crm_leads.tenant AND crm_events.lead = crm_leads.id
        ) AS last_event
        FROM crm_leads
        WHERE tenant = ",
    );
    sql.tenant();
    if let Some(after) = after {
        sql.push(" AND id > ").bytes(after.as_bytes().to_vec());
    }
    sql.push(" ORDER BY id").limit(ROWS);
    connection.rows(sql).await
}

/// The lead of a row that begins with those columns.
pub(crate) fn lead_id(row: &impl Columns) -> Result<LeadId> {
    Ok(LeadId::from_bytes(id(row.some_bytes(0)?)?))
}

async fn words_after<C: Reading>(
    connection: &mut C,
    tenant: i64,
    archived: bool,
    (word, lead): &(Vec<u8>, Vec<u8>),
) -> Result<Vec<C::Row>> {
    let mut sql = Statement::about(C::DIALECT, tenant);
    sql.push("SELECT word, id FROM crm_words WHERE tenant = ")
        .tenant();
    sql.and_archived(archived);
    let place = [
        ("word", Value::bytes(Some(word))),
        ("id", Value::bytes(Some(lead))),
    ];
    sql.and_beyond(Direction::Ascending, place);
    sql.push(" ORDER BY word, id").limit(ROWS);
    connection.rows(sql).await
}

async fn tags_after<C: Reading>(
    connection: &mut C,
    tenant: i64,
    archived: bool,
    (tag, created_at, lead): &(String, i64, Vec<u8>),
) -> Result<Vec<C::Row>> {
    let mut sql = Statement::about(C::DIALECT, tenant);
    sql.push("SELECT tag, created_at, id FROM crm_tags WHERE tenant = ")
        .tenant();
    sql.and_archived(archived);
    let place = [
        ("tag", Value::text(Some(tag))),
        ("created_at", Value::Number(Some(*created_at))),
        ("id", Value::bytes(Some(lead))),
    ];
    sql.and_beyond(Direction::Ascending, place);
    sql.push(" ORDER BY tag, created_at, id").limit(ROWS);
    connection.rows(sql).await
}
