//! Where a lead may go next, and going there.

use super::answer::{ChangedLead, Outcome};
use super::body::TransitionBody;
use super::write::changed;
use crate::error::{ApiError, json};
use crate::extract::{Caller, Conditions, JsonBody, LeadPath, NoParams};
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::lifecycle::{NextStatus, StatusKind};
use serde::Serialize;
use utoipa::ToSchema;

/// The statuses that a lead may enter next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransitionList {
    result: Outcome,
    /// The status it is in.
    status: String,
    /// In the order of the lifecycle; none if the status is final.
    transitions: Vec<TransitionItem>,
}

/// A status that a lead may enter.
#[derive(Debug, Serialize, ToSchema)]
struct TransitionItem {
    /// What to send as `status`.
    status: String,
    /// What people call it.
    name: String,
    /// Its colour.
    colour: String,
    /// open, won or lost.
    #[schema(value_type = String)]
    kind: StatusKind,
    /// The fields that the lead does not have yet and must have.
    missing: Vec<String>,
    /// Whether nothing is missing.
    ready: bool,
    /// Whether `status_reason` must be sent.
    reason_required: bool,
}

impl From<NextStatus> for TransitionItem {
    fn from(next: NextStatus) -> Self {
        Self {
            missing: next.missing.iter().map(ToString::to_string).collect(),
            ready: next.is_ready(),
            reason_required: next.needs_reason(),
            status: next.definition.slug.into(),
            name: next.definition.name,
            colour: next.definition.colour.to_string(),
            kind: next.definition.kind,
        }
    }
}

/// List transitions
///
/// The statuses that a lead may enter next, and what each of them still needs.
#[utoipa::path(
    get,
    path = "/v1/crm/leads/{id}/transitions",
    tag = "Leads",
    params(("id" = String, Path, description = "The id of the lead.")),
    responses((status = 200, description = "The statuses.", body = TransitionList))
)]
pub(crate) async fn next_statuses(
    caller: Caller,
    LeadPath(id): LeadPath,
    _: NoParams,
) -> Result<Response, ApiError> {
    let lead = caller.crm.get(id).await?;
    let lifecycle = caller.crm.lifecycle().await?;
    let body = TransitionList {
        result: Outcome::Success,
        transitions: lifecycle.next(&lead).into_iter().map(Into::into).collect(),
        status: lead.status.into(),
    };
    Ok(json(StatusCode::OK, &body))
}

/// Transition lead
///
/// Moves a lead to another status. Being there already is refused: of many who send the same move,
/// one makes it.
#[utoipa::path(
    post,
    path = "/v1/crm/leads/{id}/transitions",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = TransitionBody,
    responses((status = 200, description = "It was moved.", body = ChangedLead))
)]
pub(crate) async fn transition_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<TransitionBody>,
) -> Result<Response, ApiError> {
    let to = body
        .status
        .ok_or_else(|| ApiError::invalid("status", "is required"))?;
    let crm = conditions.on(&caller.crm, id).await?;
    let moved = match body.status_reason {
        Some(reason) => crm.transition_because(id, to, reason).await,
        None => crm.transition(id, to).await,
    };
    let lead = moved.map_err(|error| conditions.explain(error))?;
    Ok(changed("Lead moved successfully.", lead))
}
