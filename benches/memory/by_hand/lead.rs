//! A lead, its status and its events, as the hand-written arm has them.

use crm_kit::chrono::{DateTime, Utc};
use crm_kit::serde_json::Value;
use crm_kit::uuid::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place in the list of statuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Status(pub(super) u8);

/// The names of the statuses, in order.
pub(crate) const STATUSES: [&str; 5] = ["new", "contacted", "qualified", "converted", "lost"];
const CONVERTED: Status = Status(3);
const LOST: Status = Status(4);

impl Status {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let place = STATUSES.iter().position(|known| *known == name)?;
        u8::try_from(place).ok().map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        STATUSES
            .get(usize::from(self.0))
            .copied()
            .unwrap_or_default()
    }

    /// Open ones lead everywhere, lost ones back to an open one, converted ones nowhere.
    pub(super) fn may_move_to(self, to: Self) -> bool {
        match self {
            CONVERTED => false,
            LOST => to < CONVERTED,
            _ => to != self,
        }
    }

    pub(super) fn next(self) -> impl Iterator<Item = Self> {
        let all = (0..5).map(Self);
        all.filter(move |to| self.may_move_to(*to))
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    WellKnown(&'static str),
    Other(Arc<str>),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money {
    pub(super) currency: [u8; 3],
    pub(super) minor_units: i64,
}

/// The same fields as ours.
#[expect(dead_code, reason = "notes and custom fields are kept to be shown")]
#[derive(Clone)]
pub(crate) struct Lead {
    pub(crate) id: Uuid,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) status: Status,
    pub(crate) assigned_to: Option<Arc<str>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) phone: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) notes: Option<String>,
    pub(crate) value: Option<Money>,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) custom: BTreeMap<String, Value>,
    pub(crate) status_reason: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) status_changed_at: DateTime<Utc>,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) version: u64,
}

impl Lead {
    /// The first required field that is not there.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let required = [
            ("first_name", self.first_name.is_some()),
            ("last_name", self.last_name.is_some()),
            ("email", self.email.is_some()),
        ];
        required
            .into_iter()
            .find(|(_, is_set)| !is_set)
            .map(|(field, _)| field)
    }
}

/// One change of a lead, kept for its timeline.
#[expect(dead_code, reason = "kept to be shown, which no benchmark does")]
pub(super) struct Event {
    pub(super) lead: Uuid,
    pub(super) version: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) actor: Option<Arc<str>>,
    pub(super) commit: Uuid,
    pub(super) kind: Kind,
    pub(super) changes: Vec<Change>,
}

#[expect(dead_code, reason = "kept to be shown, which no benchmark does")]
pub(super) enum Kind {
    Created {
        status: Status,
        assigned_to: Option<Arc<str>>,
    },
    StatusChanged {
        from: Status,
        to: Status,
        reason: Option<String>,
    },
}

#[expect(dead_code, reason = "kept to be shown, which no benchmark does")]
pub(super) struct Change {
    pub(super) field: &'static str,
    pub(super) from: FieldValue,
    pub(super) to: FieldValue,
}

#[expect(dead_code, reason = "kept to be shown, which no benchmark does")]
pub(super) enum FieldValue {
    Empty,
    Status(Status),
    Text(String),
}
