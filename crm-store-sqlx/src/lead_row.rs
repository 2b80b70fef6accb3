//! A lead as a row: its columns, in the order in which they are written and read.

use crate::value::{Value, number};
use crm_core::lead::Lead;
use crm_core::query::{EmailKey, SortBy, search_words, sort_value};
use crm_core::record::LeadRecord;
use std::borrow::Cow;
use std::sync::OnceLock;

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

/// The columns that make a lead, in the order in which they are read.
pub(crate) const LEAD: &str = "id, version, status, assigned_to, source, created_at, updated_at, \
     status_changed_at, archived_at, value_currency, value_minor, first_name, last_name, email, \
     company, phone, tags, status_reason, notes, custom";

/// How many columns these are.
pub(crate) const LEAD_COLUMNS: usize = 20;

/// A lead's row.
pub(crate) struct LeadRow<'a> {
    lead: &'a Lead,
    record: LeadRecord<'a>,
    /// Made when they are first asked for, as most changes touch no text.
    words: OnceLock<Vec<String>>,
}

impl<'a> LeadRow<'a> {
    pub(crate) fn of(lead: &'a Lead) -> Self {
        Self {
            lead,
            record: LeadRecord::from(lead),
            words: OnceLock::new(),
        }
    }

    /// The words that the lead is found by.
    pub(crate) fn words(&self) -> &[String] {
        self.words.get_or_init(|| search_words(self.lead))
    }

    /// Whether a column is the same in both rows. What is made of other columns is so if these are,
    /// and only then worth making.
    pub(crate) fn is_same(&self, other: &Self, column: Column) -> bool {
        let (one, two) = (&self.record, &other.record);
        let name = || one.first_name == two.first_name && one.last_name == two.last_name;
        match column {
            Column::NameSort if name() => true,
            Column::CompanySort if one.company == two.company => true,
            Column::EmailSort | Column::EmailKey if one.email == two.email => true,
            Column::Tags => one.tags == two.tags,
            Column::Words => self.has_words_of(other) || self.words() == other.words(),
            column => self.value(column) == other.value(column),
        }
    }

    /// Whether the texts are the same that words are made of.
    pub(crate) fn has_words_of(&self, other: &Self) -> bool {
        let (one, two) = (&self.record, &other.record);
        one.first_name == two.first_name
            && one.last_name == two.last_name
            && one.email == two.email
            && one.company == two.company
            && one.phone == two.phone
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
            Column::NameSort => self.sort_key(SortBy::Name),
            Column::CompanySort => self.sort_key(SortBy::Company),
            Column::EmailSort => self.sort_key(SortBy::Email),
            Column::EmailKey => {
                let key = self.lead.email.as_ref().map(EmailKey::from);
                Value::Text(key.map(|key| Cow::Owned(key.as_str().to_owned())))
            }
            Column::FirstName => text(&record.first_name),
            Column::LastName => text(&record.last_name),
            Column::Email => text(&record.email),
            Column::Company => text(&record.company),
            Column::Phone => text(&record.phone),
            Column::Tags => Value::Text(self.tags().map(Cow::Owned)),
            Column::Words => Value::Bytes(Some(Cow::Owned(joined(self.words())))),
            Column::StatusReason => text(&record.status_reason),
            Column::Notes => text(&record.notes),
            Column::Custom => text(&record.custom),
        }
    }

    fn sort_key(&self, by: SortBy) -> Value<'_> {
        Value::Bytes(sort_value(by, self.lead).map(Cow::Owned))
    }

    /// The tags as typed, as JSON. A list of texts has no way to fail.
    fn tags(&self) -> Option<String> {
        let tags = &self.record.tags;
        (!tags.is_empty()).then(|| serde_json::to_string(tags).unwrap_or_default())
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

/// The lead of a row.
macro_rules! lead_from_row {
    ($row:expr) => {
        crate::reading::read_lead($row)?
    };
}
pub(crate) use lead_from_row;
