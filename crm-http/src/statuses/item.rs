//! A status as this API shows it: every value is a string.

use crm_core::lifecycle::{Lifecycle, StatusDefinition, StatusKind};
use serde::Serialize;
use utoipa::ToSchema;

/// A lead status. Every value is a string.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct Item {
    /// Its number, never given to another status.
    #[schema(example = "14")]
    id: String,
    #[schema(example = "Demo held")]
    name: String,
    /// Its place in the order; the first is 1.
    #[schema(example = "5")]
    statusorder: String,
    #[schema(example = "#28B8DA")]
    color: String,
    /// 1 where leads become customers, else 0.
    #[schema(example = "0")]
    isdefault: String,
    /// What leads have as their status.
    #[schema(example = "demo_held")]
    slug: String,
    /// open, won or lost.
    #[schema(example = "open")]
    kind: String,
    /// How likely a lead in it is to be won, in percent.
    #[schema(example = "40")]
    probability: String,
    /// While it is being removed: the slug of the status that its leads move to. Else empty.
    #[schema(example = "")]
    retiring_into: String,
}

impl Item {
    pub(super) fn new(lifecycle: &Lifecycle, status: &StatusDefinition) -> Self {
        let place = lifecycle.position(&status.slug).unwrap_or_default();
        let is_won = status.kind == StatusKind::Won;
        Self {
            id: status.id.to_string(),
            name: status.name.clone(),
            statusorder: (place + 1).to_string(),
            color: status.colour.to_string(),
            isdefault: u8::from(is_won).to_string(),
            slug: status.slug.to_string(),
            kind: match status.kind {
                StatusKind::Open => "open",
                StatusKind::Won => "won",
                StatusKind::Lost => "lost",
            }
            .to_owned(),
            probability: status.probability.to_string(),
            retiring_into: retiring_into(status).to_owned(),
        }
    }
}

pub(super) fn retiring_into(status: &StatusDefinition) -> &str {
    let into = status.retiring.as_ref();
    into.map_or("", |into| into.as_str())
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusDone)]
pub(super) struct Done {
    /// Always true.
    status: bool,
    message: &'static str,
    /// The number of a status that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Done {
    pub(super) const fn new(message: &'static str) -> Self {
        Self {
            status: true,
            message,
            id: None,
        }
    }

    pub(super) fn added(message: &'static str, status: &StatusDefinition) -> Self {
        Self {
            id: Some(status.id.to_string()),
            ..Self::new(message)
        }
    }
}
