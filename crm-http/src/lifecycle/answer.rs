//! What callers get of the lifecycle.

use crate::extract::entity_tag;
use crate::leads::answer::Outcome;
use axum::http::header::{ETAG, HeaderName, HeaderValue};
use crm_core::lead::Version;
use crm_core::lifecycle::{Lifecycle, Policy, StatusDefinition, StatusKind};
use serde::Serialize;
use utoipa::ToSchema;

/// A status of the lifecycle.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeadStatus)]
pub(super) struct StatusItem {
    /// What leads have as their status; never changes.
    #[schema(example = "demo_held")]
    slug: String,
    /// Its number, never given to another status.
    #[schema(example = 7)]
    id: u32,
    /// What people see.
    #[schema(example = "Demo held")]
    name: String,
    #[schema(example = "#28B8DA")]
    colour: String,
    /// Its place among the statuses; the first is 1.
    order: usize,
    /// open, won or lost.
    #[schema(value_type = String, example = "open")]
    kind: StatusKind,
    /// How likely a lead in it is to be won, in percent.
    probability: u8,
    /// How long a lead may stay before it is stuck; null: for ever.
    #[schema(required)]
    stuck_after_seconds: Option<i64>,
    /// The fields that a lead must have to enter.
    required: Vec<String>,
    /// Whether entering needs a reason: optional or required.
    #[schema(value_type = String, example = "optional")]
    reason: crm_core::lifecycle::ReasonRule,
    /// While it is being removed: the status that its leads move to. Nothing may enter it then.
    #[schema(required)]
    retiring: Option<String>,
    /// Whether new leads start in it.
    initial: bool,
    /// The statuses that may be entered from it.
    transitions: Vec<String>,
}

impl StatusItem {
    pub(super) fn new(lifecycle: &Lifecycle, status: &StatusDefinition) -> Self {
        let place = lifecycle.position(&status.slug).unwrap_or_default();
        let after = lifecycle.order();
        let after = after.filter(|next| lifecycle.allows(&status.slug, next));
        Self {
            slug: status.slug.to_string(),
            id: status.id.get(),
            name: status.name.clone(),
            colour: status.colour.to_string(),
            order: place + 1,
            kind: status.kind,
            probability: status.probability,
            stuck_after_seconds: status.stuck_after.map(|after| after.num_seconds()),
            required: status.required.iter().map(ToString::to_string).collect(),
            reason: status.reason,
            retiring: status.retiring.as_ref().map(ToString::to_string),
            initial: *lifecycle.initial() == status.slug,
            transitions: after.map(ToString::to_string).collect(),
        }
    }
}

/// Statuses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusList {
    pub(super) result: Outcome,
    pub(super) lead_statuses: Vec<StatusItem>,
    /// How many they are.
    pub(super) total_count: usize,
    /// The version of the lifecycle.
    pub(super) version: u64,
}

/// One status.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneStatus {
    pub(super) result: Outcome,
    pub(super) lead_status: StatusItem,
    /// The version of the lifecycle.
    pub(super) version: u64,
}

/// A status that was created or changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedStatus {
    pub(super) result: Outcome,
    pub(super) message: &'static str,
    pub(super) lead_status: StatusItem,
    /// The version of the lifecycle.
    pub(super) version: u64,
}

/// The lifecycle was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LifecycleChanged {
    pub(super) result: Outcome,
    pub(super) message: &'static str,
    /// The version of the lifecycle.
    pub(super) version: u64,
}

impl LifecycleChanged {
    pub(super) fn new(message: &'static str, lifecycle: &Lifecycle) -> Self {
        Self {
            result: Outcome::Success,
            message,
            version: lifecycle.version().get(),
        }
    }
}

/// A move from one status to another.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Move {
    #[schema(example = "new")]
    from: String,
    #[schema(example = "contacted")]
    to: String,
}

/// Which moves are allowed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyAnswer {
    result: Outcome,
    /// forward: computed from the kinds of the statuses; explicit: exactly those listed.
    #[schema(example = "forward")]
    policy: &'static str,
    /// Every move that is allowed.
    transitions: Vec<Move>,
    /// The version of the lifecycle.
    version: u64,
}

impl PolicyAnswer {
    pub(super) fn new(lifecycle: &Lifecycle) -> Self {
        let order = || lifecycle.order();
        let pairs = order().flat_map(|from| order().map(move |to| (from, to)));
        let allowed = pairs.filter(|(from, to)| lifecycle.allows(from, to));
        let policy = match lifecycle.policy() {
            Policy::Forward => "forward",
            _ => "explicit",
        };
        Self {
            result: Outcome::Success,
            policy,
            transitions: allowed
                .map(|(from, to)| Move {
                    from: from.to_string(),
                    to: to.to_string(),
                })
                .collect(),
            version: lifecycle.version().get(),
        }
    }
}

pub(super) fn tag(version: Version) -> [(HeaderName, HeaderValue); 1] {
    [(ETAG, entity_tag(version))]
}
