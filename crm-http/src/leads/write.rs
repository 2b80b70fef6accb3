//! Creating, changing, archiving and deleting leads.

use super::answer::{ChangedLead, Done, LeadCreated, Outcome};
use super::body::{LeadPatchBody, NewLeadBody};
use crate::error::{ApiError, json};
use crate::extract::{Caller, Conditions, LeadPath, NoParams, Typed, entity_tag};
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderValue, LOCATION};
use axum::response::{IntoResponse as _, Response};
use crm_core::lead::{Lead, LeadId, LeadPatch, NewLead};

/// Create lead
///
/// Create a new lead in the CRM.
#[utoipa::path(
    post,
    path = "/v1/crm/leads",
    tag = "Leads",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent: 1 to 255 bytes, hard to guess.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = NewLeadBody,
    responses(
        (status = 201, description = "It was created; its version is the `ETag`.", body = LeadCreated),
        (status = 410, description = "It was created by an earlier request with this key, and deleted since."),
    )
)]
pub(crate) async fn create_lead(
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
    new: Typed<NewLead>,
) -> Result<Response, ApiError> {
    let check = async |new| caller.crm.plan_create(new).await.map(drop);
    let new = new.checked(check).await?;
    let lead = conditions.once(&caller.crm).create(new).await?;
    let body = LeadCreated {
        result: Outcome::Success,
        lead_id: lead.id.to_string(),
        message: "Lead created successfully.",
    };
    // Relative to the list, wherever an application mounts it.
    let location = HeaderValue::from_str(&format!("leads/{}", lead.id));
    let location = location.map_err(|_| ApiError::internal())?;
    let headers = [(ETAG, entity_tag(lead.version)), (LOCATION, location)];
    Ok((headers, json(StatusCode::CREATED, &body)).into_response())
}

/// Update lead
///
/// Update an existing lead's information: the fields that are named, the others stay. `null`
/// empties a field.
#[utoipa::path(
    put,
    path = "/v1/crm/leads/{id}",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the change is meant for."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = LeadPatchBody,
    responses((status = 200, description = "It was updated; its version is the `ETag`.", body = Done))
)]
pub(crate) async fn update_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
    patch: Typed<LeadPatch>,
) -> Result<Response, ApiError> {
    change(&caller, id, &conditions, patch).await
}

/// Patch lead
///
/// The same as PUT.
#[utoipa::path(
    patch,
    path = "/v1/crm/leads/{id}",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the change is meant for."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = LeadPatchBody,
    responses((status = 200, description = "It was updated; its version is the `ETag`.", body = Done))
)]
pub(crate) async fn patch_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
    patch: Typed<LeadPatch>,
) -> Result<Response, ApiError> {
    change(&caller, id, &conditions, patch).await
}

async fn change(
    caller: &Caller,
    id: LeadId,
    conditions: &Conditions,
    patch: Typed<LeadPatch>,
) -> Result<Response, ApiError> {
    let check = async |patch| caller.crm.plan_update(id, patch).await.map(drop);
    let patch = patch.checked(check).await?;
    let crm = conditions.on(&caller.crm, id).await?;
    let updated = crm.update(id, patch).await;
    let lead = updated.map_err(|error| conditions.explain(error))?;
    let body = Done::new("Lead updated successfully.");
    let tag = [(ETAG, entity_tag(lead.version))];
    Ok((tag, json(StatusCode::OK, &body)).into_response())
}

/// Delete lead
///
/// Delete a lead from the CRM. This action is irreversible.
#[utoipa::path(
    delete,
    path = "/v1/crm/leads/{id}",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be deleted."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    responses((status = 200, description = "It was deleted.", body = Done))
)]
pub(crate) async fn delete_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let crm = conditions.on(&caller.crm, id).await?;
    let deleted = crm.delete(id).await;
    deleted.map_err(|error| conditions.explain(error))?;
    let body = Done::new("Lead deleted successfully.");
    Ok(json(StatusCode::OK, &body))
}

/// Archive lead
///
/// Lists and reports leave it out, and nothing is lost.
#[utoipa::path(
    post,
    path = "/v1/crm/leads/{id}/archive",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    responses((status = 200, description = "It is archived.", body = ChangedLead))
)]
pub(crate) async fn archive_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let crm = conditions.on(&caller.crm, id).await?;
    let archived = crm.archive(id).await;
    let lead = archived.map_err(|error| conditions.explain(error))?;
    Ok(changed("Lead archived successfully.", lead))
}

/// Restore lead
///
/// Takes it out of the archive.
#[utoipa::path(
    post,
    path = "/v1/crm/leads/{id}/restore",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once, however often it is sent.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    responses((status = 200, description = "It is not archived any more.", body = ChangedLead))
)]
pub(crate) async fn restore_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let crm = conditions.on(&caller.crm, id).await?;
    let restored = crm.restore(id).await;
    let lead = restored.map_err(|error| conditions.explain(error))?;
    Ok(changed("Lead restored successfully.", lead))
}

/// The answer that shows a lead as it is after a change.
pub(super) fn changed(message: &'static str, lead: Lead) -> Response {
    let tag = [(ETAG, entity_tag(lead.version))];
    let result = Outcome::Success;
    let body = ChangedLead {
        result,
        message,
        lead,
    };
    (tag, json(StatusCode::OK, &body)).into_response()
}
