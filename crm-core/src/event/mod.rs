//! What happened to a lead: one event for each version of it.
//!
//! The same events are the audit trail, the timeline, the change feed and what reports are made
//! of. How they are stored is [`record`](crate::record)'s business, how they are paged
//! [`repository`](crate::repository)'s.

mod cursor;

pub use cursor::EventCursor;

use crate::lead::{Field, FieldValue, Lead, LeadId, LeadStatus, UserId, Version};
use chrono::{DateTime, Utc};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use uuid::Uuid;

/// What happened to a lead in one commit.
///
/// A lead's events are numbered by its [`version`](Self::version), without gaps: the event of
/// version 3 led from version 2 to version 3. Who, when and which statuses stay for good; when the
/// lead is deleted, what was typed is erased from all of its events.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeadEvent {
    /// The lead.
    pub lead: LeadId,
    /// The lead's version after it.
    pub version: Version,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, as far as the application said.
    pub actor: Option<UserId>,
    /// The commit it was part of.
    pub commit: CommitId,
    /// What, in one word, and between which statuses or users.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Every field that changed, status and assignee included. Empty for a creation, whose values
    /// are those of the lead before its first change.
    pub changes: Vec<FieldChange>,
}

/// What happened, in one word. If several things did, the first that applies in the order below;
/// [`LeadEvent::changes`] has all of them.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The lead was created.
    Created {
        /// The status it started in.
        status: LeadStatus,
        /// The user who got it.
        assigned_to: Option<UserId>,
    },
    /// The lead moved to another status.
    StatusChanged {
        /// From this status.
        from: LeadStatus,
        /// To this status.
        to: LeadStatus,
        /// The reason given; erased with the lead.
        reason: Option<String>,
    },
    /// The lead was given to another user, or to nobody.
    Assigned {
        /// From this user.
        from: Option<UserId>,
        /// To this user.
        to: Option<UserId>,
    },
    /// Other fields changed.
    Updated,
    /// The lead was archived.
    Archived,
    /// The lead came back from the archive.
    Restored,
    /// The lead was deleted, and with it everything that was typed about it.
    Deleted {
        /// The status it was in.
        status: LeadStatus,
    },
}

impl EventKind {
    /// A stable name: `created`, `status_changed`, …
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::StatusChanged { .. } => "status_changed",
            Self::Assigned { .. } => "assigned",
            Self::Updated => "updated",
            Self::Archived => "archived",
            Self::Restored => "restored",
            Self::Deleted { .. } => "deleted",
        }
    }
}

/// A reason is free text and may be personal: it is not shown.
impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { status, .. } => write!(f, "created({status})"),
            Self::StatusChanged { from, to, .. } => write!(f, "status_changed({from} → {to})"),
            other => f.write_str(other.name()),
        }
    }
}

impl fmt::Debug for LeadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadEvent")
            .field("lead", &self.lead)
            .field("version", &self.version.get())
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// One field's values before and after.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct FieldChange {
    /// The field.
    pub field: Field,
    /// Its values before and after; `None` once they are erased.
    pub values: Option<(FieldValue, FieldValue)>,
}

impl Serialize for FieldChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FieldChange", 3)?;
        fields.serialize_field("field", &self.field)?;
        if let Some((from, to)) = &self.values {
            fields.serialize_field("from", from)?;
            fields.serialize_field("to", to)?;
        } else {
            fields.serialize_field("erased", &true)?;
        }
        fields.end()
    }
}

/// Who changes something, when, and as part of which commit: what all events of a commit share.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) at: DateTime<Utc>,
    pub(crate) actor: Option<UserId>,
    pub(crate) commit: CommitId,
}

impl LeadEvent {
    fn new(lead: &Lead, stamp: &Stamp, kind: EventKind, changes: Vec<FieldChange>) -> Self {
        Self {
            lead: lead.id,
            version: lead.version,
            at: stamp.at,
            actor: stamp.actor.clone(),
            commit: stamp.commit,
            kind,
            changes,
        }
    }

    pub(crate) fn created(lead: &Lead, stamp: &Stamp) -> Self {
        let kind = EventKind::Created {
            status: lead.status.clone(),
            assigned_to: lead.assigned_to.clone(),
        };
        Self::new(lead, stamp, kind, Vec::new())
    }

    /// The event between two states of a lead; `fields` are those that differ.
    pub(crate) fn changed(before: &Lead, after: &Lead, fields: Vec<Field>, stamp: &Stamp) -> Self {
        let kind = if before.archived_at.is_none() && after.archived_at.is_some() {
            EventKind::Archived
        } else if before.archived_at.is_some() && after.archived_at.is_none() {
            EventKind::Restored
        } else if before.status != after.status {
            EventKind::StatusChanged {
                from: before.status.clone(),
                to: after.status.clone(),
                reason: after.status_reason.clone(),
            }
        } else if before.assigned_to != after.assigned_to {
            EventKind::Assigned {
                from: before.assigned_to.clone(),
                to: after.assigned_to.clone(),
            }
        } else {
            EventKind::Updated
        };
        let changes = fields
            .into_iter()
            .map(|field| {
                let values = Some((field.of(before), field.of(after)));
                FieldChange { field, values }
            })
            .collect();
        Self::new(after, stamp, kind, changes)
    }

    /// The tombstone that follows a lead's last state.
    pub(crate) fn deleted(last: &Lead, stamp: &Stamp) -> Self {
        let kind = EventKind::Deleted {
            status: last.status.clone(),
        };
        let mut event = Self::new(last, stamp, kind, Vec::new());
        event.version = last.version.next();
        event
    }

    /// Removes what was typed: the values of every field and the reason of a status. Who, when and
    /// between which statuses and users stays.
    ///
    /// A repository does this to all events of a lead that is deleted.
    pub fn erase(&mut self) {
        if let EventKind::StatusChanged { reason, .. } = &mut self.kind {
            *reason = None;
        }
        for change in &mut self.changes {
            change.values = None;
        }
    }

    /// Between which statuses the lead moved, if it did.
    #[must_use]
    pub fn status_change(&self) -> Option<(&LeadStatus, &LeadStatus)> {
        match &self.kind {
            EventKind::StatusChanged { from, to, .. } => Some((from, to)),
            _ => None,
        }
    }
}

/// The id of a commit: applying a change set twice under one id applies it once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(Uuid);

impl CommitId {
    /// A new id, never used before.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// From a UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// As a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// The id that these parts always give, and no others (SHA-256, as a UUIDv8).
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self(uuid::Builder::from_custom_bytes(digest(parts)).into_uuid())
    }
}

/// The first 16 bytes of the SHA-256 of these parts, each preceded by its length.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    short
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for CommitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::{NewLead, Problems};

    fn lead() -> Lead {
        let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
        let id = LeadId::from_bytes([7; 16]);
        new.draft(
            id,
            LeadStatus::NEW,
            DateTime::UNIX_EPOCH,
            &mut Problems::default(),
        )
    }

    fn stamp() -> Stamp {
        Stamp {
            at: DateTime::UNIX_EPOCH,
            actor: None,
            commit: CommitId::of(&[b"test"]),
        }
    }

    fn changed(change: impl FnOnce(&mut Lead)) -> LeadEvent {
        let before = lead();
        let mut after = before.clone();
        change(&mut after);
        LeadEvent::changed(&before, &after, before.differences(&after), &stamp())
    }

    #[test]
    fn an_event_is_named_by_the_most_important_change() {
        let event = changed(|lead| {
            lead.status = LeadStatus::LOST;
            lead.status_reason = Some("too dear".into());
            lead.assigned_to = Some("user_1".parse().unwrap());
        });
        assert_eq!(event.kind.name(), "status_changed");
        let fields: Vec<_> = event
            .changes
            .iter()
            .map(|change| change.field.to_string())
            .collect();
        assert_eq!(fields, ["assigned_to", "status", "status_reason"]);
        assert_eq!(
            changed(|lead| lead.assigned_to = "u".parse().ok())
                .kind
                .name(),
            "assigned"
        );
        assert_eq!(
            changed(|lead| lead.company = Some("Acme".into()))
                .kind
                .name(),
            "updated"
        );
        assert_eq!(
            changed(|lead| lead.archived_at = Some(lead.created_at))
                .kind
                .name(),
            "archived"
        );
    }

    #[test]
    fn erasing_leaves_statuses_and_takes_what_was_typed() {
        let mut event = changed(|lead| {
            lead.status = LeadStatus::LOST;
            lead.status_reason = Some("said their number is 555".into());
            lead.first_name = Some("Jane".into());
        });
        event.erase();
        let json = serde_json::to_string(&event).unwrap();
        assert!(
            json.contains("\"lost\"") && json.contains("\"erased\":true"),
            "{json}"
        );
        assert!(!json.contains("555") && !json.contains("Jane"), "{json}");
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let event = changed(|lead| lead.first_name = Some("Jane".into()));
        assert!(!format!("{event:?}").contains("Jane"));
    }

    #[test]
    fn parts_of_an_id_do_not_run_together() {
        assert_ne!(CommitId::of(&[b"ab", b"c"]), CommitId::of(&[b"a", b"bc"]));
        assert_eq!(CommitId::of(&[b"a"]), CommitId::of(&[b"a"]));
        assert_eq!(CommitId::of(&[b"a"]).as_uuid().get_version_num(), 8);
    }
}
