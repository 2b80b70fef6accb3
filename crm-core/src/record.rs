//! What durable backends store: versioned records, apart from the shapes of the API.
//!
//! A record's bytes are one version byte, then [postcard](https://postcard.jamesmunns.com/wire-format)
//! of the plain fields below. A new field makes a new version; older versions stay readable. The
//! JSON of the API may change without touching a stored byte, and the other way round.
//!
//! SQL backends store the same plain fields as columns; key-value backends store the bytes. A
//! lifecycle is stored as its JSON, which has a format version of its own.

use crate::event::{CommitId, EventKind, FieldChange, LeadEvent};
use crate::lead::{
    CustomFields, Field, FieldValue, Lead, LeadId, LeadStatus, Money, Version, write_canonical_json,
};
use crate::repository::{Committed, Fingerprint};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// The version of the records written here.
pub const RECORD_VERSION: u8 = 1;

/// A record that cannot be read: damaged, or written by a newer version.
///
/// It says what, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are not a record of this kind.
    #[error("a stored {0} is damaged")]
    Damaged(&'static str),
    /// The record has a version that is not known here.
    #[error("a stored {what} has version {found}, this one reads up to {RECORD_VERSION}")]
    Newer {
        /// What kind of record.
        what: &'static str,
        /// Its version.
        found: u8,
    },
}

/// A lead as it is stored: plain fields, times in microseconds since 1970 (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

fn text<T: AsRef<str> + ?Sized>(text: &T) -> Cow<'_, str> {
    Cow::Borrowed(text.as_ref())
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

const LEAD: RecordError = RecordError::Damaged("lead");
const EVENT: RecordError = RecordError::Damaged("event");

fn time(micros: i64, damaged: RecordError) -> Result<DateTime<Utc>, RecordError> {
    DateTime::from_timestamp_micros(micros).ok_or(damaged)
}

fn parse<T: std::str::FromStr>(text: &str, damaged: RecordError) -> Result<T, RecordError> {
    text.parse().map_err(|_| damaged)
}

fn parse_some<T: std::str::FromStr>(
    text: Option<&str>,
    damaged: RecordError,
) -> Result<Option<T>, RecordError> {
    text.map(|text| parse(text, damaged)).transpose()
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
            email: parse_some(record.email.as_deref(), LEAD)?,
            company: record.company.map(Cow::into_owned),
            status: parse(&record.status, LEAD)?,
            assigned_to: parse_some(record.assigned_to.as_deref(), LEAD)?,
            created_at: time(record.created_at, LEAD)?,
            phone: parse_some(record.phone.as_deref(), LEAD)?,
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

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord<'a> {
    /// Bytes of the lead's id.
    pub lead: [u8; 16],
    /// The lead's version after it.
    pub version: u64,
    /// When.
    pub at: i64,
    /// Id of the user.
    pub actor: Option<Cow<'a, str>>,
    /// Bytes of the commit's id.
    pub commit: [u8; 16],
    /// What happened.
    pub kind: KindRecord<'a>,
    /// What changed, field by field.
    #[serde(borrow)]
    pub changes: Vec<ChangeRecord<'a>>,
}

/// A field's change as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord<'a> {
    /// Name of the field.
    #[serde(borrow)]
    pub field: Cow<'a, str>,
    /// The values before and after; `None` once erased.
    pub values: Option<(ValueRecord<'a>, ValueRecord<'a>)>,
}

/// An event's kind as it is stored. New kinds are added at the end: the position is the tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KindRecord<'a> {
    /// The lead was created.
    Created {
        /// In this status.
        status: Cow<'a, str>,
        /// For this user.
        assigned_to: Option<Cow<'a, str>>,
    },
    /// The lead moved.
    StatusChanged {
        /// From this status.
        from: Cow<'a, str>,
        /// To this status.
        to: Cow<'a, str>,
        /// For this reason; `None` once erased.
        reason: Option<Cow<'a, str>>,
    },
    /// The lead was given to another user.
    Assigned {
        /// From this user.
        from: Option<Cow<'a, str>>,
        /// To this user.
        to: Option<Cow<'a, str>>,
    },
    /// Other fields changed.
    Updated,
    /// The lead was archived.
    Archived,
    /// The lead came back from the archive.
    Restored,
    /// The lead was deleted.
    Deleted {
        /// In this status.
        status: Cow<'a, str>,
    },
}

/// A field's value as it is stored. New kinds are added at the end: the position is the tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ValueRecord<'a> {
    /// Nothing.
    Empty,
    /// A text, an id or a slug.
    Text(Cow<'a, str>),
    /// Minor units and currency code.
    Money(i64, Cow<'a, str>),
    /// Tags.
    Tags(Vec<Cow<'a, str>>),
    /// Canonical JSON.
    Json(Cow<'a, str>),
}

impl<'a> From<&'a FieldValue> for ValueRecord<'a> {
    fn from(value: &'a FieldValue) -> Self {
        match value {
            FieldValue::Empty => Self::Empty,
            FieldValue::Text(string) => Self::Text(text(string)),
            FieldValue::Money(money) => {
                Self::Money(money.minor_units(), Cow::Borrowed(money.currency().code()))
            }
            FieldValue::Tags(tags) => Self::Tags(tags.iter().map(text).collect()),
            FieldValue::Json(value) => {
                let mut json = String::new();
                write_canonical_json(value, &mut json);
                Self::Json(json.into())
            }
        }
    }
}

impl TryFrom<ValueRecord<'_>> for FieldValue {
    type Error = RecordError;

    fn try_from(record: ValueRecord<'_>) -> Result<Self, RecordError> {
        Ok(match record {
            ValueRecord::Empty => Self::Empty,
            ValueRecord::Text(text) => Self::Text(text.into_owned()),
            ValueRecord::Money(minor, code) => {
                Self::Money(Money::new(minor, &code).map_err(|_| EVENT)?)
            }
            ValueRecord::Tags(tags) => Self::Tags(
                tags.iter()
                    .map(|tag| parse(tag, EVENT))
                    .collect::<Result<_, _>>()?,
            ),
            ValueRecord::Json(json) => Self::Json(serde_json::from_str(&json).map_err(|_| EVENT)?),
        })
    }
}

impl<'a> From<&'a EventKind> for KindRecord<'a> {
    fn from(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::Created {
                status,
                assigned_to,
            } => Self::Created {
                status: text(status),
                assigned_to: assigned_to.as_ref().map(text),
            },
            EventKind::StatusChanged { from, to, reason } => Self::StatusChanged {
                from: text(from),
                to: text(to),
                reason: reason.as_ref().map(text),
            },
            EventKind::Assigned { from, to } => Self::Assigned {
                from: from.as_ref().map(text),
                to: to.as_ref().map(text),
            },
            EventKind::Updated => Self::Updated,
            EventKind::Archived => Self::Archived,
            EventKind::Restored => Self::Restored,
            EventKind::Deleted { status } => Self::Deleted {
                status: text(status),
            },
        }
    }
}

impl TryFrom<KindRecord<'_>> for EventKind {
    type Error = RecordError;

    fn try_from(record: KindRecord<'_>) -> Result<Self, RecordError> {
        let status = |slug: &str| parse::<LeadStatus>(slug, EVENT);
        Ok(match record {
            KindRecord::Created {
                status: slug,
                assigned_to,
            } => Self::Created {
                status: status(&slug)?,
                assigned_to: parse_some(assigned_to.as_deref(), EVENT)?,
            },
            KindRecord::StatusChanged { from, to, reason } => Self::StatusChanged {
                from: status(&from)?,
                to: status(&to)?,
                reason: reason.map(Cow::into_owned),
            },
            KindRecord::Assigned { from, to } => Self::Assigned {
                from: parse_some(from.as_deref(), EVENT)?,
                to: parse_some(to.as_deref(), EVENT)?,
            },
            KindRecord::Updated => Self::Updated,
            KindRecord::Archived => Self::Archived,
            KindRecord::Restored => Self::Restored,
            KindRecord::Deleted { status: slug } => Self::Deleted {
                status: status(&slug)?,
            },
        })
    }
}

impl<'a> From<&'a LeadEvent> for EventRecord<'a> {
    fn from(event: &'a LeadEvent) -> Self {
        let changes = event.changes.iter().map(|change| {
            let values = change
                .values
                .as_ref()
                .map(|(from, to)| (from.into(), to.into()));
            ChangeRecord {
                field: Cow::Owned(change.field.to_string()),
                values,
            }
        });
        Self {
            lead: *event.lead.as_bytes(),
            version: event.version.get(),
            at: event.at.timestamp_micros(),
            actor: event.actor.as_ref().map(text),
            commit: *event.commit.as_uuid().as_bytes(),
            kind: (&event.kind).into(),
            changes: changes.collect(),
        }
    }
}

impl TryFrom<EventRecord<'_>> for LeadEvent {
    type Error = RecordError;

    fn try_from(record: EventRecord<'_>) -> Result<Self, RecordError> {
        let change = |record: ChangeRecord<'_>| {
            let values = match record.values {
                Some((from, to)) => Some((from.try_into()?, to.try_into()?)),
                None => None,
            };
            Ok(FieldChange {
                field: parse::<Field>(&record.field, EVENT)?,
                values,
            })
        };
        Ok(Self {
            lead: LeadId::from_bytes(record.lead),
            version: Version::new(record.version),
            at: time(record.at, EVENT)?,
            actor: parse_some(record.actor.as_deref(), EVENT)?,
            commit: CommitId::from_uuid(Uuid::from_bytes(record.commit)),
            kind: record.kind.try_into()?,
            changes: record
                .changes
                .into_iter()
                .map(change)
                .collect::<Result<_, RecordError>>()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CommitRecord {
    commit: [u8; 16],
    fingerprint: Option<[u8; 16]>,
    leads: Vec<([u8; 16], u64)>,
}

/// A lead's bytes.
#[must_use]
pub fn encode_lead(lead: &Lead) -> Vec<u8> {
    encode(&LeadRecord::from(lead))
}

/// A lead from its bytes.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_lead(bytes: &[u8]) -> Result<Lead, RecordError> {
    decode::<LeadRecord<'_>>(bytes, "lead")?.try_into()
}

/// An event's bytes.
#[must_use]
pub fn encode_event(event: &LeadEvent) -> Vec<u8> {
    encode(&EventRecord::from(event))
}

/// An event from its bytes.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_event(bytes: &[u8]) -> Result<LeadEvent, RecordError> {
    decode::<EventRecord<'_>>(bytes, "event")?.try_into()
}

/// The bytes of a commit's outcome.
#[must_use]
pub fn encode_commit(committed: &Committed) -> Vec<u8> {
    encode(&CommitRecord {
        commit: *committed.commit.as_uuid().as_bytes(),
        fingerprint: committed
            .fingerprint
            .map(|fingerprint| *fingerprint.as_bytes()),
        leads: committed
            .leads
            .iter()
            .map(|(id, version)| (*id.as_bytes(), version.get()))
            .collect(),
    })
}

/// A commit's outcome from its bytes, as of the call that made it.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_commit(bytes: &[u8]) -> Result<Committed, RecordError> {
    let record: CommitRecord = decode(bytes, "commit")?;
    let leads = record
        .leads
        .into_iter()
        .map(|(id, version)| (LeadId::from_bytes(id), Version::new(version)))
        .collect();
    let commit = CommitId::from_uuid(Uuid::from_bytes(record.commit));
    Ok(Committed::new(
        commit,
        record.fingerprint.map(Fingerprint::from_bytes),
        leads,
    ))
}

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    // Plain fields into growing memory: postcard has no way to fail here. Were there one, the
    // bytes would not decode, which every reader reports as damaged.
    if let Ok(encoded) = postcard::to_allocvec(record) {
        bytes.extend(encoded);
    }
    bytes
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, rest)) => match postcard::take_from_bytes(rest) {
            Ok((record, [])) => Ok(record),
            _ => Err(RecordError::Damaged(what)),
        },
        Some((&found, _)) if found > RECORD_VERSION => Err(RecordError::Newer { what, found }),
        _ => Err(RecordError::Damaged(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stamp;
    use crate::lead::{NewLead, Problems};
    use proptest::prelude::*;
    use serde_json::json;

    fn lead() -> Lead {
        let new = NewLead::new("José", "O’Brien", "jose@example.com")
            .unwrap()
            .company("株式会社")
            .phone("+263 77 123 4567")
            .source("trade_show")
            .assigned_to("user 7")
            .notes("line\n\tline \"quoted\"")
            .value(Money::new(1_250_050, "USD").unwrap())
            .tag("VIP")
            .custom("deep", json!({"b": [1, 2.5, null], "a": "é"}))
            .status_reason("because");
        let id = LeadId::from_bytes([7; 16]);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let mut problems = Problems::default();
        let lead = new.draft(id, LeadStatus::NEW, at, &mut problems);
        problems.finish().unwrap();
        lead
    }

    fn event() -> LeadEvent {
        let before = lead();
        let mut after = before.clone();
        after.status = LeadStatus::LOST;
        after.value = None;
        after.tags = Vec::new();
        after.custom = CustomFields::default();
        after.version = before.version.next();
        let commit = CommitId::of(&[b"a commit"]);
        let actor = Some("user_456".parse().unwrap());
        let stamp = Stamp {
            at: after.updated_at,
            actor,
            commit,
        };
        LeadEvent::changed(&before, &after, before.differences(&after), &stamp)
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        assert_eq!(decode_lead(&encode_lead(&lead())).unwrap(), lead());
        let mut event = event();
        assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
        event.erase();
        assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
        let fingerprint = Some(Fingerprint::from_bytes([9; 16]));
        let commit = Committed::new(event.commit, fingerprint, vec![(event.lead, event.version)]);
        assert_eq!(decode_commit(&encode_commit(&commit)).unwrap(), commit);
    }

    // A store written today must be readable for good: these bytes never change. A new field makes
    // a new version and a second sample.
    #[test]
    fn the_bytes_of_version_1_stay_what_they_are() {
        let hex: String = encode_lead(&lead())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, SAMPLE_1);
    }

    const SAMPLE_1: &str = concat!(
        "010707070707070707070707070707070701054a6f73c3a901094fe28099427269656e01106a6f73",
        "65406578616d706c652e636f6d010ce6a0aae5bc8fe4bc9ae7a4be036e6577010675736572203780",
        "8981828389850601102b323633203737203132332034353637010a74726164655f73686f7701136c",
        "696e650a096c696e65202271756f746564220184cc980103555344010356495001247b2264656570",
        "223a7b2261223a22c3a9222c2262223a5b312c322e352c6e756c6c5d7d7d01076265636175736580",
        "8981828389850680898182838985060001",
    );

    #[test]
    fn a_newer_record_says_so() {
        let mut bytes = encode_lead(&lead());
        bytes[0] = RECORD_VERSION + 1;
        assert!(matches!(
            decode_lead(&bytes),
            Err(RecordError::Newer { what: "lead", .. })
        ));
        assert_eq!(decode_lead(&[]), Err(RecordError::Damaged("lead")));
        assert_eq!(decode_lead(&[0]), Err(RecordError::Damaged("lead")));
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_or_make_a_valid_lead(
            at: prop::sample::Index,
            byte: u8,
            cut: prop::sample::Index,
        ) {
            let mut bytes = encode_lead(&lead());
            let place = at.index(bytes.len());
            bytes[place] = byte;
            if let Ok(lead) = decode_lead(&bytes) {
                prop_assert!(lead.check().is_ok());
            }
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert!(decode_lead(short).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = decode_lead(&bytes);
            let _ = decode_event(&bytes);
            let _ = decode_commit(&bytes);
        }
    }
}
