//! An event as a row: its columns, in the order in which they are written and read.

use crate::error::{Error, Result};
use crate::reading::Columns;
use crate::value::{Value, id, number, read};
use crm_core::event::LeadEvent;
use crm_core::record::{ChangeRecord, EventRecord, KindRecord, ValueRecord};
use std::borrow::Cow;

/// The columns that make an event, in the order in which they are written and read.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const EVENT: &str = "lead, version, at, actor, commit_id, kind, from_status, to_status, \
     from_user, to_user, reason, fields, changes";

/// An event's row.
pub(crate) struct EventRow<'a> {
    pub(crate) lead: [u8; 16],
    pub(crate) version: u64,
    pub(crate) at: i64,
    pub(crate) actor: Option<Cow<'a, str>>,
    pub(crate) commit: [u8; 16],
    pub(crate) kind: Cow<'a, str>,
    pub(crate) from_status: Option<Cow<'a, str>>,
    pub(crate) to_status: Option<Cow<'a, str>>,
    pub(crate) from_user: Option<Cow<'a, str>>,
    pub(crate) to_user: Option<Cow<'a, str>>,
    pub(crate) reason: Option<Cow<'a, str>>,
    /// The names of the fields that changed, as JSON.
    pub(crate) fields: Option<Cow<'a, str>>,
    /// Their values before and after, in the same order, as JSON. None once they are erased.
    pub(crate) changes: Option<Cow<'a, str>>,
}

impl<'a> EventRow<'a> {
    pub(crate) fn of(event: &'a LeadEvent) -> Result<Self> {
        let record = EventRecord::from(event);
        let (fields, changes) = match record.changes.as_slice() {
            [] => (None, None),
            changes => {
                let fields: Vec<&str> = changes.iter().map(|change| &*change.field).collect();
                let values: Option<Vec<_>> = changes
                    .iter()
                    .map(|change| change.values.as_ref())
                    .collect();
                let values = values.map(|values| serde_json::to_string(&values));
                (Some(serde_json::to_string(&fields)?), values.transpose()?)
            }
        };
        let mut row = Self {
            lead: record.lead,
            version: record.version,
            at: record.at,
            actor: record.actor,
            commit: record.commit,
            kind: event.kind.name().into(),
            from_status: None,
            to_status: None,
            from_user: None,
            to_user: None,
            reason: None,
            fields: fields.map(Cow::Owned),
            changes: changes.map(Cow::Owned),
        };
        match record.kind {
            KindRecord::Created {
                status,
                assigned_to,
            } => (row.to_status, row.to_user) = (Some(status), assigned_to),
            KindRecord::StatusChanged { from, to, reason } => {
                (row.from_status, row.to_status, row.reason) = (Some(from), Some(to), reason);
            }
            KindRecord::Assigned { from, to } => (row.from_user, row.to_user) = (from, to),
            KindRecord::Deleted { status } => row.from_status = Some(status),
            KindRecord::Updated | KindRecord::Archived | KindRecord::Restored => {}
            _ => return Err(Error::Unsupported("this kind of event")),
        }
        Ok(row)
    }

    pub(crate) fn values(&self) -> [Value<'_>; 13] {
        let text = Value::optional;
        [
            Value::bytes(Some(&self.lead)),
            number(self.version),
            Value::Number(Some(self.at)),
            text(&self.actor),
            Value::bytes(Some(&self.commit)),
            Value::text(Some(&self.kind)),
            text(&self.from_status),
            text(&self.to_status),
            text(&self.from_user),
            text(&self.to_user),
            text(&self.reason),
            text(&self.fields),
            text(&self.changes),
        ]
    }

    pub(crate) fn into_event(self) -> Result<LeadEvent> {
        const DAMAGED: Error = Error::Damaged("an event");
        let kind = match &*self.kind {
            "created" => KindRecord::Created {
                status: self.to_status.ok_or(DAMAGED)?,
                assigned_to: self.to_user,
            },
            "status_changed" => KindRecord::StatusChanged {
                from: self.from_status.ok_or(DAMAGED)?,
                to: self.to_status.ok_or(DAMAGED)?,
                reason: self.reason,
            },
            "assigned" => KindRecord::Assigned {
                from: self.from_user,
                to: self.to_user,
            },
            "updated" => KindRecord::Updated,
            "archived" => KindRecord::Archived,
            "restored" => KindRecord::Restored,
            "deleted" => KindRecord::Deleted {
                status: self.from_status.ok_or(DAMAGED)?,
            },
            _ => return Err(Error::Unsupported("an event of this kind")),
        };
        let fields: Vec<String> = match &self.fields {
            Some(fields) => serde_json::from_str(fields)?,
            None => Vec::new(),
        };
        let values: Vec<Option<(ValueRecord<'_>, ValueRecord<'_>)>> = match &self.changes {
            Some(changes) => serde_json::from_str(changes)?,
            None => fields.iter().map(|_| None).collect(),
        };
        if fields.len() != values.len() {
            return Err(DAMAGED);
        }
        let changes = fields.into_iter().zip(values).map(|(field, values)| {
            let field = field.into();
            ChangeRecord { field, values }
        });
        let record = EventRecord {
            lead: self.lead,
            version: self.version,
            at: self.at,
            actor: self.actor,
            commit: self.commit,
            kind,
            changes: changes.collect(),
        };
        Ok(LeadEvent::try_from(record)?)
    }
}

/// Reads the columns of an event.
pub(crate) fn read_event(row: &impl Columns) -> Result<LeadEvent> {
    let text = |column| Ok::<_, Error>(row.text(column)?.map(Cow::Borrowed));
    let event = EventRow {
        lead: id(row.some_bytes(0)?)?,
        version: read(row.some_number(1)?)?,
        at: row.some_number(2)?,
        actor: text(3)?,
        commit: id(row.some_bytes(4)?)?,
        kind: row.some_text(5)?.into(),
        from_status: text(6)?,
        to_status: text(7)?,
        from_user: text(8)?,
        to_user: text(9)?,
        reason: text(10)?,
        fields: text(11)?,
        changes: text(12)?,
    };
    event.into_event()
}

/// The event of a row.
macro_rules! event_from_row {
    ($row:expr) => {
        crate::event_row::read_event($row)?
    };
}
pub(crate) use event_from_row;
