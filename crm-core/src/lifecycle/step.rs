//! The steps of an edit, kept as they were typed, so that they can be taken again on another state.

use super::{Policy, ReasonRule, StatusDraft, StatusKind};
use crate::lead::Field;
use chrono::TimeDelta;

/// One change, as it was typed.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add {
        after: Option<String>,
        draft: StatusDraft,
    },
    Change {
        status: String,
        change: Change,
    },
    Move {
        status: String,
        position: usize,
    },
    Reorder(Vec<String>),
    Initial(String),
    Policy(Policy),
    Allow {
        from: String,
        to: String,
    },
    Forbid {
        from: String,
        to: String,
    },
    Retire {
        status: String,
        destination: String,
    },
    Remove(String),
}

/// What changes of one status.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Name(String),
    Colour(String),
    Kind(StatusKind),
    Probability(u8),
    StuckAfter(Option<TimeDelta>),
    Required(Vec<Field>),
    Reason(ReasonRule),
    Unretire,
}
