//! A lead as a row: its columns, in the order in which they are written and read.

use crate::error::Result;
use crate::value::{Value, number};
use crm_core::lead::Lead;
use crm_core::query::{EmailKey, SortBy, sort_value};
use crm_core::record::LeadRecord;

macro_rules! columns {
    ($($column:ident $name:literal),* $(,)?) => {
        /// A column of `crm_leads` that a change may write.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Column { $($column),* }

        impl Column {
            pub(crate) const ALL: &[Self] = &[$(Self::$column),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }
        }
    };
}

columns! {
    Id "id",
    Version "version",
    Status "status",
    AssignedTo "assigned_to",
    Source "source",
    CreatedAt "created_at",
    UpdatedAt "updated_at",
    StatusChangedAt "status_changed_at",
    ArchivedAt "archived_at",
    Archived "archived",
    ValueCurrency "value_currency",
    ValueMinor "value_minor",
    NameSort "name_sort",
    CompanySort "company_sort",
    EmailSort "email_sort",
    EmailKey "email_key",
    FirstName "first_name",
    LastName "last_name",
    Email "email",
    Company "company",
    Phone "phone",
    Tags "tags",
    Words "words",
    StatusReason "status_reason",
    Notes "notes",
    Custom "custom",
}

/// The columns that make a lead, in the order in which [`lead_from_row!`] reads them.
pub(crate) const LEAD: &str = "id, version, status, assigned_to, source, created_at, updated_at, \
     status_changed_at, archived_at, value_currency, value_minor, first_name, last_name, email, \
     company, phone, tags, status_reason, notes, custom";

/// A lead's row.
pub(crate) struct LeadRow<'a> {
    record: LeadRecord<'a>,
    name_sort: Option<Vec<u8>>,
    company_sort: Option<Vec<u8>>,
    email_sort: Option<Vec<u8>>,
    email_key: Option<EmailKey>,
    tags: Option<String>,
    words: Vec<u8>,
}

impl<'a> LeadRow<'a> {
    pub(crate) fn of(lead: &'a Lead, words: &[String]) -> Result<Self> {
        let record = LeadRecord::from(lead);
        let tags = match record.tags.as_slice() {
            [] => None,
            tags => Some(serde_json::to_string(tags)?),
        };
        Ok(Self {
            name_sort: sort_value(SortBy::Name, lead),
            company_sort: sort_value(SortBy::Company, lead),
            email_sort: sort_value(SortBy::Email, lead),
            email_key: lead.email.as_ref().map(EmailKey::from),
            tags,
            words: joined(words),
            record,
        })
    }

    pub(crate) fn value(&self, column: Column) -> Value<'_> {
        let record = &self.record;
        let text = Value::optional;
        match column {
            Column::Id => Value::bytes(Some(&record.id)),
            Column::Version => number(record.version),
            Column::Status => Value::text(Some(&record.status)),
            Column::AssignedTo => Value::text(record.assigned_to.as_deref()),
            Column::Source => Value::text(record.source.as_deref()),
            Column::CreatedAt => Value::Number(Some(record.created_at)),
            Column::UpdatedAt => Value::Number(Some(record.updated_at)),
            Column::StatusChangedAt => Value::Number(Some(record.status_changed_at)),
            Column::ArchivedAt => Value::Number(record.archived_at),
            Column::Archived => Value::Number(Some(record.archived_at.is_some().into())),
            Column::ValueCurrency => {
                Value::text(record.value.as_ref().map(|(_, currency)| &**currency))
            }
            Column::ValueMinor => Value::Number(record.value.as_ref().map(|(minor, _)| *minor)),
            Column::NameSort => Value::bytes(self.name_sort.as_deref()),
            Column::CompanySort => Value::bytes(self.company_sort.as_deref()),
            Column::EmailSort => Value::bytes(self.email_sort.as_deref()),
            Column::EmailKey => Value::text(self.email_key.as_ref().map(EmailKey::as_str)),
            Column::FirstName => text(&record.first_name),
            Column::LastName => text(&record.last_name),
            Column::Email => text(&record.email),
            Column::Company => text(&record.company),
            Column::Phone => text(&record.phone),
            Column::Tags => Value::text(self.tags.as_deref()),
            Column::Words => Value::bytes(Some(&self.words)),
            Column::StatusReason => text(&record.status_reason),
            Column::Notes => text(&record.notes),
            Column::Custom => text(&record.custom),
        }
    }
}

/// Words between zero bytes, which no word holds: a word begins with a prefix where the prefix
/// stands after a zero.
fn joined(words: &[String]) -> Vec<u8> {
    let length: usize = words.iter().map(|word| word.len() + 1).sum();
    let mut bytes = Vec::with_capacity(length + 1);
    bytes.push(0);
    for word in words {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// What to look for in the joined words of a lead.
pub(crate) fn in_words(prefix: &str) -> Vec<u8> {
    [&[0], prefix.as_bytes()].concat()
}

/// Where the words end that begin with a prefix: no text holds this byte.
pub(crate) fn end_of_prefix(prefix: &str) -> Vec<u8> {
    [prefix.as_bytes(), &[0xff]].concat()
}

/// Reads the columns of [`LEAD`].
macro_rules! lead_from_row {
    ($row:expr) => {{
        use sqlx::Row as _;
        let row = $row;
        let text = |column: usize| -> crate::error::Result<Option<std::borrow::Cow<'_, str>>> {
            Ok(row
                .try_get::<Option<&str>, _>(column)?
                .map(std::borrow::Cow::Borrowed))
        };
        let id: &[u8] = row.try_get(0)?;
        let tags: Option<&str> = row.try_get(16)?;
        let currency = text(9)?;
        let minor: Option<i64> = row.try_get(10)?;
        let record = crm_core::record::LeadRecord {
            id: crate::value::id(id)?,
            version: crate::value::read(row.try_get(1)?)?,
            status: text(2)?.unwrap_or_default(),
            assigned_to: text(3)?,
            source: text(4)?,
            created_at: row.try_get(5)?,
            updated_at: row.try_get(6)?,
            status_changed_at: row.try_get(7)?,
            archived_at: row.try_get(8)?,
            value: minor.zip(currency),
            first_name: text(11)?,
            last_name: text(12)?,
            email: text(13)?,
            company: text(14)?,
            phone: text(15)?,
            tags: match tags {
                Some(tags) => serde_json::from_str(tags)?,
                None => Vec::new(),
            },
            status_reason: text(17)?,
            notes: text(18)?,
            custom: text(19)?,
        };
        crm_core::lead::Lead::try_from(record)?
    }};
}
pub(crate) use lead_from_row;
