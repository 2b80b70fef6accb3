//! A lead's plain fields.

use super::{RecordError, parse, parse_some, text, time};
use crate::lead::{CustomFields, EmailAddress, Lead, LeadId, Money, PhoneNumber, Version};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

const LEAD: RecordError = RecordError::Damaged("lead");

/// A lead as it is stored: plain fields, times in microseconds since 1970 (UTC).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadRecord<'a> {
    /// The id's bytes.
    pub id: [u8; 16],
    /// First name.
    pub first_name: Option<Cow<'a, str>>,
    /// Last name.
    pub last_name: Option<Cow<'a, str>>,
    /// E-mail address, as typed.
    pub email: Option<Cow<'a, str>>,
    /// Company.
    pub company: Option<Cow<'a, str>>,
    /// Slug of the status.
    pub status: Cow<'a, str>,
    /// Id of the user.
    pub assigned_to: Option<Cow<'a, str>>,
    /// When it was created.
    pub created_at: i64,
    /// Phone number, as typed.
    pub phone: Option<Cow<'a, str>>,
    /// Slug of the source.
    pub source: Option<Cow<'a, str>>,
    /// Notes.
    pub notes: Option<Cow<'a, str>>,
    /// Minor units and currency code.
    pub value: Option<(i64, Cow<'a, str>)>,
    /// Tags, as typed.
    pub tags: Vec<Cow<'a, str>>,
    /// Canonical JSON, [`CustomFields::to_canonical_json`]; `None` if there are none.
    pub custom: Option<Cow<'a, str>>,
    /// The reason given for the status.
    pub status_reason: Option<Cow<'a, str>>,
    /// When anything last changed.
    pub updated_at: i64,
    /// When it entered its status.
    pub status_changed_at: i64,
    /// When it was archived.
    pub archived_at: Option<i64>,
    /// How often it was written.
    pub version: u64,
}

impl<'a> From<&'a Lead> for LeadRecord<'a> {
    fn from(lead: &'a Lead) -> Self {
        Self {
            id: *lead.id.as_bytes(),
            first_name: lead.first_name.as_ref().map(text),
            last_name: lead.last_name.as_ref().map(text),
            email: lead.email.as_ref().map(|email| text(email.as_str())),
            company: lead.company.as_ref().map(text),
            status: text(&lead.status),
            assigned_to: lead.assigned_to.as_ref().map(text),
            created_at: lead.created_at.timestamp_micros(),
            phone: lead.phone.as_ref().map(|phone| text(phone.as_str())),
            source: lead.source.as_ref().map(text),
            notes: lead.notes.as_ref().map(text),
            value: lead
                .value
                .map(|money| (money.minor_units(), Cow::Borrowed(money.currency().code()))),
            tags: lead.tags.iter().map(text).collect(),
            custom: (!lead.custom.is_empty()).then(|| lead.custom.to_canonical_json().into()),
            status_reason: lead.status_reason.as_ref().map(text),
            updated_at: lead.updated_at.timestamp_micros(),
            status_changed_at: lead.status_changed_at.timestamp_micros(),
            archived_at: lead.archived_at.map(|time| time.timestamp_micros()),
            version: lead.version.get(),
        }
    }
}

impl TryFrom<LeadRecord<'_>> for Lead {
    type Error = RecordError;

    fn try_from(record: LeadRecord<'_>) -> Result<Self, RecordError> {
        let custom = match record.custom {
            None => CustomFields::default(),
            Some(json) => serde_json::from_str(&json).map_err(|_| LEAD)?,
        };
        let value = match record.value {
            None => None,
            Some((minor, code)) => Some(Money::new(minor, &code).map_err(|_| LEAD)?),
        };
        let lead = Self {
            id: LeadId::from_bytes(record.id),
            first_name: record.first_name.map(Cow::into_owned),
            last_name: record.last_name.map(Cow::into_owned),
            email: record.email.as_deref().map(EmailAddress::stored),
            company: record.company.map(Cow::into_owned),
            status: parse(&record.status, LEAD)?,
            assigned_to: parse_some(record.assigned_to.as_deref(), LEAD)?,
            created_at: time(record.created_at, LEAD)?,
            phone: record.phone.as_deref().map(PhoneNumber::stored),
            source: parse_some(record.source.as_deref(), LEAD)?,
            notes: record.notes.map(Cow::into_owned),
            value,
            tags: record
                .tags
                .iter()
                .map(|tag| parse(tag, LEAD))
                .collect::<Result<_, _>>()?,
            custom,
            status_reason: record.status_reason.map(Cow::into_owned),
            updated_at: time(record.updated_at, LEAD)?,
            status_changed_at: time(record.status_changed_at, LEAD)?,
            archived_at: record
                .archived_at
                .map(|micros| time(micros, LEAD))
                .transpose()?,
            version: Version::new(record.version),
        };
        lead.check().map_err(|_| LEAD)?;
        Ok(lead)
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for LeadRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadRecord").finish_non_exhaustive()
    }
}
