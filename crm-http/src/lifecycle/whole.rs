//! The lifecycle as a whole: the order, the policy, the drawing.

use super::answer::{LifecycleChanged, PolicyAnswer, tag};
use super::change::{applied, commit, plain};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{
    Body, Caller, Conditions, JsonBody, Kind, NoParams, Parameters, Params, Values,
};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use crm_core::lead::LeadStatus;
use crm_core::lifecycle::{Lifecycle, LifecycleEdit, MAX_STATUSES, Policy};
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The statuses in a new order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = LeadStatusOrder)]
pub(super) struct OrderBody {
    /// Every status, once, by its slug.
    #[schema(required, nullable = false)]
    order: Option<Vec<String>>,
}

impl Body for OrderBody {
    const FIELDS: &'static [(&'static str, Kind)] = &[("order", Kind::Texts)];
}

/// Reorder lead statuses
#[utoipa::path(
    put,
    path = "/v1/crm/lead-statuses/order",
    tag = "Lifecycle",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for.")),
    request_body = OrderBody,
    responses(
        (status = 200, description = "They are in this order.", body = LifecycleChanged),
        (status = 412, description = "The lifecycle is not at the version that If-Match names."),
    )
)]
pub(super) async fn reorder_lead_statuses(
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Response, ApiError> {
    let Some(order) = body.order else {
        return Err(ApiError::invalid("order", "is required"));
    };
    few("order", order.len(), MAX_STATUSES)?;
    let plan = |lifecycle: &Lifecycle| planned(lifecycle.edit().reorder(&order));
    let (lifecycle, ()) = commit(&caller.crm, &conditions, plan).await?;
    Ok(changed("Lead statuses reordered successfully.", &lifecycle))
}

/// Get transition policy
///
/// Which moves are allowed, apart from the fields and reasons that statuses ask for.
#[utoipa::path(
    get,
    path = "/v1/crm/lead-statuses/policy",
    tag = "Lifecycle",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of a version that is known already.")),
    responses(
        (status = 200, description = "The policy; the lifecycle's version is the `ETag`.", body = PolicyAnswer),
        (status = 304, description = "The lifecycle is at that version still."),
    )
)]
pub(super) async fn get_policy(
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let version = lifecycle.version();
    if conditions.has(version) {
        return Ok((StatusCode::NOT_MODIFIED, tag(version)).into_response());
    }
    let body = PolicyAnswer::new(&lifecycle);
    Ok((tag(version), json(StatusCode::OK, &body)).into_response())
}

/// Which moves are to be allowed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyChange)]
pub(super) struct PolicyBody {
    /// forward: computed from the kinds of the statuses; explicit: exactly those listed.
    #[schema(required, nullable = false, example = "forward")]
    policy: Option<String>,
    /// With explicit: every move that is allowed.
    transitions: Option<Vec<MoveBody>>,
}

/// A move from one status to another.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = MoveChange)]
pub(super) struct MoveBody {
    #[schema(required, nullable = false, example = "new")]
    from: Option<String>,
    #[schema(required, nullable = false, example = "contacted")]
    to: Option<String>,
}

impl Body for PolicyBody {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("policy", Kind::Text),
        (
            "transitions",
            Kind::Objects(&[("from", Kind::Text), ("to", Kind::Text)]),
        ),
    ];
}

impl PolicyBody {
    fn read(self) -> Result<Policy, ApiError> {
        match (self.policy.as_deref(), self.transitions) {
            (Some("forward"), None) => Ok(Policy::Forward),
            (Some("forward"), Some(_)) => {
                let what = "cannot be combined with forward, which computes them";
                Err(ApiError::invalid("transitions", what))
            }
            (Some("explicit"), Some(moves)) => {
                few("transitions", moves.len(), MAX_STATUSES * MAX_STATUSES)?;
                let mut errors = FieldErrors::default();
                let mut edges = BTreeSet::new();
                for (index, one) in moves.iter().enumerate() {
                    let mut slug = |end: &str, typed: Option<&String>| {
                        let slug = typed.map(|typed| typed.parse::<LeadStatus>());
                        let what = match slug {
                            Some(Ok(slug)) => return Some(slug),
                            Some(Err(_)) => "is no lead status",
                            None => "is required",
                        };
                        errors.add(format!("transitions[{index}].{end}"), what);
                        None
                    };
                    let ends = (slug("from", one.from.as_ref()), slug("to", one.to.as_ref()));
                    if let (Some(from), Some(to)) = ends {
                        edges.insert((from, to));
                    }
                }
                errors.finish()?;
                Ok(Policy::Explicit(edges))
            }
            (Some("explicit"), None) => Err(ApiError::invalid("transitions", "is required")),
            (Some(_), _) => {
                let what = "is unknown: must be one of forward, explicit";
                Err(ApiError::invalid("policy", what))
            }
            (None, _) => Err(ApiError::invalid("policy", "is required")),
        }
    }
}

/// Replace transition policy
#[utoipa::path(
    put,
    path = "/v1/crm/lead-statuses/policy",
    tag = "Lifecycle",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for.")),
    request_body = PolicyBody,
    responses(
        (status = 200, description = "These moves are allowed.", body = LifecycleChanged),
        (status = 412, description = "The lifecycle is not at the version that If-Match names."),
    )
)]
pub(super) async fn replace_policy(
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<PolicyBody>,
) -> Result<Response, ApiError> {
    let policy = body.read()?;
    let plan = |lifecycle: &Lifecycle| planned(lifecycle.edit().set_policy(policy.clone()));
    let (lifecycle, ()) = commit(&caller.crm, &conditions, plan).await?;
    Ok(changed(
        "Transition policy replaced successfully.",
        &lifecycle,
    ))
}

fn planned(edit: LifecycleEdit) -> Result<(LifecycleEdit, ()), ApiError> {
    applied(&edit, &plain)?;
    Ok((edit, ()))
}

fn changed(message: &'static str, lifecycle: &Lifecycle) -> Response {
    let body = LifecycleChanged::new(message, lifecycle);
    (tag(lifecycle.version()), json(StatusCode::OK, &body)).into_response()
}

/// Refuses a list that no lifecycle could need.
pub(super) fn few(field: &'static str, count: usize, most: usize) -> Result<(), ApiError> {
    if count <= most {
        return Ok(());
    }
    Err(ApiError::invalid(
        field,
        format!("is too long: at most {most}"),
    ))
}

/// How the lifecycle is drawn.
#[derive(Debug, Default)]
pub(super) enum Drawing {
    #[default]
    Mermaid,
    Dot,
}

impl Parameters for Drawing {
    const NAMES: &'static [&'static str] = &["format"];

    fn read(mut values: Values, _: &App, errors: &mut FieldErrors) -> Self {
        match values.take("format").as_deref() {
            None | Some("mermaid") => Self::Mermaid,
            Some("dot") => Self::Dot,
            Some(_) => {
                errors.add("format", "is unknown: must be one of mermaid, dot");
                Self::Mermaid
            }
        }
    }
}

/// Diagram of the lifecycle
///
/// As a state diagram in Mermaid, or as a graph in the DOT language of Graphviz.
#[utoipa::path(
    get,
    path = "/v1/crm/lead-statuses/diagram",
    tag = "Lifecycle",
    params(
        ("format" = Option<String>, Query, description = "mermaid or dot (default: mermaid)."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of a version that is known already."),
    ),
    responses(
        (status = 200, description = "The drawing; the lifecycle's version is the `ETag`.", content(
            (String = "text/vnd.mermaid"),
            (String = "text/vnd.graphviz"),
        )),
        (status = 304, description = "The lifecycle is at that version still."),
    )
)]
pub(super) async fn lifecycle_diagram(
    caller: Caller,
    conditions: Conditions,
    Params(drawing): Params<Drawing>,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let version = lifecycle.version();
    if conditions.has(version) {
        return Ok((StatusCode::NOT_MODIFIED, tag(version)).into_response());
    }
    let (kind, drawn) = match drawing {
        Drawing::Mermaid => ("text/vnd.mermaid; charset=utf-8", lifecycle.to_mermaid()),
        Drawing::Dot => ("text/vnd.graphviz; charset=utf-8", lifecycle.to_dot()),
    };
    Ok((tag(version), [(CONTENT_TYPE, kind)], drawn).into_response())
}
