//! An event's plain fields.

use super::{RecordError, parse, parse_some, text, time};
use crate::event::{CommitId, EventKind, FieldChange, LeadEvent};
use crate::lead::{Field, FieldValue, LeadId, LeadStatus, Money, Version, write_canonical_json};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

const EVENT: RecordError = RecordError::Damaged("event");

/// An event as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord<'a> {
    /// Name of the field.
    #[serde(borrow)]
    pub field: Cow<'a, str>,
    /// The values before and after; `None` once erased.
    pub values: Option<(ValueRecord<'a>, ValueRecord<'a>)>,
}

/// An event's kind as it is stored. New kinds are added at the end: the position is the tag.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What was typed is personal: it is not shown.
impl fmt::Debug for EventRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecord").finish_non_exhaustive()
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for ChangeRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeRecord").finish_non_exhaustive()
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for KindRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindRecord").finish_non_exhaustive()
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for ValueRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueRecord").finish_non_exhaustive()
    }
}
