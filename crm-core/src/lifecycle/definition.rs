//! What a status is: its id, its name, its kind, and what it asks of the leads in it.

use super::Colour;
use crate::lead::{Field, LeadStatus};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// The most statuses a lifecycle may have.
pub const MAX_STATUSES: usize = 100;
/// The name of a status: characters.
pub const MAX_STATUS_NAME: usize = 50;
/// The fields one status may require.
pub const MAX_REQUIRED: usize = 64;
/// The longest threshold after which a lead counts as stuck: 3,650 days.
pub const MAX_STUCK_AFTER: TimeDelta = TimeDelta::days(3650);

/// The number of a status, as in the documented REST API. It is never given to another status, not
/// even after this one was removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusId(u32);

impl StatusId {
    /// From its number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for StatusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether leads in a status are still being worked, and if not, how it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusKind {
    /// Still being worked.
    #[default]
    Open,
    /// Became a customer. Its probability is always 100 percent.
    Won,
    /// Will not become a customer. Its probability is always 0 percent.
    Lost,
}

impl StatusKind {
    /// Whether leads of this kind are still being worked.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether leads of this kind are won or lost.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        !self.is_open()
    }

    /// The only probability that a closed status can have.
    pub(super) const fn settled_probability(self) -> Option<u8> {
        match self {
            Self::Open => None,
            Self::Won => Some(100),
            Self::Lost => Some(0),
        }
    }
}

/// Whether entering a status needs a reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonRule {
    /// A reason may be given.
    #[default]
    Optional,
    /// A reason must be given.
    Required,
}

/// One status of a [`Lifecycle`](super::Lifecycle).
///
/// Read it from a lifecycle, make one with a [`StatusDraft`](super::StatusDraft), change it with an
/// [edit](super::Lifecycle::edit): changing the fields of a copy changes no lifecycle.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct StatusDefinition {
    /// Its number, never reused.
    pub id: StatusId,
    /// What leads store; never changes.
    pub slug: LeadStatus,
    /// What people see: 1 to 50 characters, no other status has one that folds alike.
    pub name: String,
    /// The colour it is shown in.
    pub colour: Colour,
    /// Open, won or lost.
    pub kind: StatusKind,
    /// How likely a lead in it is to be won, in percent.
    pub probability: u8,
    /// How long a lead may stay before it is stuck: whole seconds, up to 3,650 days. JSON:
    /// `stuck_after_seconds`.
    #[serde(rename = "stuck_after_seconds", serialize_with = "seconds")]
    pub stuck_after: Option<TimeDelta>,
    /// What a lead must have to enter, each field once.
    pub required: Vec<Field>,
    /// Whether entering needs a reason.
    pub reason: ReasonRule,
    /// Where its leads go, while it is being removed. Nothing may enter it any more.
    pub retiring: Option<LeadStatus>,
}

impl StatusDefinition {
    /// Whether it is being removed.
    #[must_use]
    pub const fn is_retiring(&self) -> bool {
        self.retiring.is_some()
    }
}

fn seconds<S: Serializer>(value: &Option<TimeDelta>, serializer: S) -> Result<S::Ok, S::Error> {
    value
        .map(|threshold| threshold.num_seconds())
        .serialize(serializer)
}
