//! One status: created, read, changed, removed.

use super::answer::{ChangedStatus, LifecycleChanged, OneStatus, StatusItem, tag};
use super::body::StatusBody;
use super::change::{applied, commit, plain};
use super::named;
use super::removal::{Removal, remove};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{
    Caller, Conditions, JsonBody, NoParams, Parameters, Params, StatusPath, Values,
};
use crate::leads::answer::Outcome;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::{IntoResponse as _, Response};
use crm_core::lifecycle::{Lifecycle, StatusDefinition};

fn find<'a>(lifecycle: &'a Lifecycle, typed: &str) -> Result<&'a StatusDefinition, ApiError> {
    named(lifecycle, typed).ok_or_else(|| ApiError::not_found("There is no such lead status."))
}

/// Get lead status
#[utoipa::path(
    get,
    path = "/v1/crm/lead-statuses/{id}",
    tag = "Lifecycle",
    params(
        ("id" = String, Path, description = "The number of the status, or its slug. A status whose slug is `order`, `policy`, `bulk` or `diagram` is reached by its number."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of a version that is known already."),
    ),
    responses(
        (status = 200, description = "The status; the lifecycle's version is the `ETag`.", body = OneStatus),
        (status = 304, description = "The lifecycle is at that version still."),
    )
)]
pub(super) async fn get_lead_status(
    caller: Caller,
    StatusPath(id): StatusPath,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let status = find(&lifecycle, &id)?;
    let version = lifecycle.version();
    if conditions.has(version) {
        return Ok((StatusCode::NOT_MODIFIED, tag(version)).into_response());
    }
    let body = OneStatus {
        result: Outcome::Success,
        lead_status: StatusItem::new(&lifecycle, status),
        version: version.get(),
    };
    Ok((tag(version), json(StatusCode::OK, &body)).into_response())
}

/// Create lead status
///
/// A name is enough: the status is then open and goes before the first closed one, and leads can
/// enter it at once.
#[utoipa::path(
    post,
    path = "/v1/crm/lead-statuses",
    tag = "Lifecycle",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for.")),
    request_body = StatusBody,
    responses(
        (status = 201, description = "It was created.", body = ChangedStatus),
        (status = 412, description = "The lifecycle is not at the version that If-Match names."),
    )
)]
pub(super) async fn create_lead_status(
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Response, ApiError> {
    let mut errors = FieldErrors::default();
    let wanted = body.read_new(&mut errors);
    errors.finish()?;
    let plan = |lifecycle: &Lifecycle| wanted.add_to(lifecycle, &plain);
    let (lifecycle, slug) = commit(&caller.crm, &conditions, plan).await?;
    let status = lifecycle.get(&slug).ok_or_else(ApiError::internal)?;
    // Relative to the list, wherever an application mounts it.
    let location = HeaderValue::from_str(&format!("lead-statuses/{}", status.id));
    let location = [(LOCATION, location.map_err(|_| ApiError::internal())?)];
    let message = "Lead status created successfully.";
    let created = changed(StatusCode::CREATED, message, &lifecycle, status);
    Ok((location, created).into_response())
}

/// Update lead status
///
/// The fields that are named; the others stay.
#[utoipa::path(
    put,
    path = "/v1/crm/lead-statuses/{id}",
    tag = "Lifecycle",
    params(
        ("id" = String, Path, description = "The number of the status, or its slug."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for."),
    ),
    request_body = StatusBody,
    responses((status = 200, description = "It was updated.", body = ChangedStatus))
)]
pub(super) async fn update_lead_status(
    caller: Caller,
    StatusPath(id): StatusPath,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Response, ApiError> {
    update(&caller, &id, &conditions, &body).await
}

/// Patch lead status
///
/// The same as PUT.
#[utoipa::path(
    patch,
    path = "/v1/crm/lead-statuses/{id}",
    tag = "Lifecycle",
    params(
        ("id" = String, Path, description = "The number of the status, or its slug."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for."),
    ),
    request_body = StatusBody,
    responses((status = 200, description = "It was updated.", body = ChangedStatus))
)]
pub(super) async fn patch_lead_status(
    caller: Caller,
    StatusPath(id): StatusPath,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Response, ApiError> {
    update(&caller, &id, &conditions, &body).await
}

async fn update(
    caller: &Caller,
    id: &str,
    conditions: &Conditions,
    body: &StatusBody,
) -> Result<Response, ApiError> {
    let plan = |lifecycle: &Lifecycle| {
        let status = find(lifecycle, id)?;
        let mut errors = FieldErrors::default();
        let wanted = body.read(&mut errors);
        body.check_against(status, *lifecycle.initial() == status.slug, &mut errors);
        errors.finish()?;
        let edit = wanted.steps(lifecycle, &status.slug, lifecycle.edit());
        applied(&edit, &plain)?;
        Ok((edit, status.slug.clone()))
    };
    let (lifecycle, slug) = commit(&caller.crm, conditions, plan).await?;
    let status = lifecycle.get(&slug).ok_or_else(ApiError::internal)?;
    let message = "Lead status updated successfully.";
    Ok(changed(StatusCode::OK, message, &lifecycle, status))
}

fn changed(
    code: StatusCode,
    message: &'static str,
    lifecycle: &Lifecycle,
    status: &StatusDefinition,
) -> Response {
    let body = ChangedStatus {
        result: Outcome::Success,
        message,
        lead_status: StatusItem::new(lifecycle, status),
        version: lifecycle.version().get(),
    };
    (tag(lifecycle.version()), json(code, &body)).into_response()
}

/// Where the leads of a removed status go.
#[derive(Debug)]
pub(super) struct Destination(Option<String>);

impl Parameters for Destination {
    const NAMES: &'static [&'static str] = &["move_to"];

    fn read(mut values: Values, _: &App, _: &mut FieldErrors) -> Self {
        Self(values.take("move_to"))
    }
}

/// Delete lead status
///
/// A status with leads, archived ones included, is only removed with a destination: without one it
/// is refused with how many they are. From then on nothing enters it; if moving its leads takes
/// long, the answer is 202 and moving goes on. Repeating the request then says whether it is done,
/// and goes on if it was interrupted; `retiring: null` takes the removal back.
#[utoipa::path(
    delete,
    path = "/v1/crm/lead-statuses/{id}",
    tag = "Lifecycle",
    params(
        ("id" = String, Path, description = "The number of the status, or its slug."),
        ("move_to" = Option<String>, Query, description = "The status that its leads go to, by number or slug."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for."),
    ),
    responses(
        (status = 200, description = "It was deleted.", body = LifecycleChanged),
        (status = 202, description = "Its leads are still moving.", body = LifecycleChanged),
    )
)]
pub(super) async fn delete_lead_status(
    State(app): State<App>,
    caller: Caller,
    StatusPath(id): StatusPath,
    conditions: Conditions,
    Params(Destination(move_to)): Params<Destination>,
) -> Result<Response, ApiError> {
    let plan = move |lifecycle: &Lifecycle| {
        let status = find(lifecycle, &id)?.slug.clone();
        let destination = move_to.as_deref().map(|typed| {
            let found = named(lifecycle, typed).map(|found| found.slug.clone());
            found.ok_or_else(|| ApiError::invalid("move_to", "is no lead status"))
        });
        Ok((status, destination.transpose()?))
    };
    let removal = remove(&app, &caller, &conditions, plan).await?;
    Ok(removed(&removal, "Lead status deleted successfully."))
}

/// The answer to a removal.
pub(super) fn removed(removal: &Removal, done: &'static str) -> Response {
    let (code, message, lifecycle) = match removal {
        Removal::Done(lifecycle) => (StatusCode::OK, done, lifecycle),
        Removal::GoesOn(lifecycle) => {
            let message = "Leads are still moving: repeat the request to see whether it is done.";
            (StatusCode::ACCEPTED, message, lifecycle)
        }
    };
    let body = LifecycleChanged::new(message, lifecycle);
    (tag(lifecycle.version()), json(code, &body)).into_response()
}
