//! One status: added, shown, updated.

use super::fields::{Fields, FieldsBody, field_name};
use super::form::Form;
use super::item::{Done, Item};
use super::list::no_data;
use crate::error::{ApiError, json};
use crate::extract::{Caller, Conditions, NoParams, StatusPath};
use crate::lifecycle::change::{applied, commit};
use crate::lifecycle::numbered;
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::lifecycle::Lifecycle;

/// Get One Status
#[utoipa::path(
    get,
    path = "/lead_statuses/{id}",
    tag = "Lead Statuses",
    params(("id" = String, Path, description = "The number of the status.")),
    responses((status = 200, description = "The status.", body = Item))
)]
pub(super) async fn show_status(
    caller: Caller,
    StatusPath(id): StatusPath,
    _: NoParams,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let status = numbered(&lifecycle, &id).ok_or_else(no_data)?;
    Ok(json(StatusCode::OK, &Item::new(&lifecycle, status)))
}

/// Add New Status
///
/// A name is enough: the status is then open and goes before the first closed one, and leads can
/// enter it at once.
#[utoipa::path(
    post,
    path = "/lead_statuses",
    tag = "Lead Statuses",
    request_body(content(
        (FieldsBody = "application/json"),
        (FieldsBody = "application/x-www-form-urlencoded"),
        (FieldsBody = "multipart/form-data"),
    )),
    responses((status = 200, description = "It was added.", body = Done))
)]
pub(super) async fn add_status(
    caller: Caller,
    _: NoParams,
    form: Form,
) -> Result<Response, ApiError> {
    let wanted = Fields::new_status(form)?;
    let plan = |lifecycle: &Lifecycle| wanted.add_to(lifecycle, &field_name);
    let (lifecycle, slug) = commit(&caller.crm, &Conditions::default(), plan).await?;
    let status = lifecycle.get(&slug).ok_or_else(ApiError::internal)?;
    let body = Done::added("Lead status added successfully.", status);
    Ok(json(StatusCode::OK, &body))
}

/// Update a Status
///
/// The fields that are sent; the others stay.
#[utoipa::path(
    put,
    path = "/lead_statuses/{id}",
    tag = "Lead Statuses",
    params(("id" = String, Path, description = "The number of the status.")),
    request_body(content(
        (FieldsBody = "application/json"),
        (FieldsBody = "application/x-www-form-urlencoded"),
        (FieldsBody = "multipart/form-data"),
    )),
    responses((status = 200, description = "It was updated.", body = Done))
)]
pub(super) async fn update_status(
    caller: Caller,
    StatusPath(id): StatusPath,
    _: NoParams,
    form: Form,
) -> Result<Response, ApiError> {
    let fields = Fields::changes(form)?;
    let plan = |lifecycle: &Lifecycle| {
        let status = numbered(lifecycle, &id).ok_or_else(no_data)?;
        let wanted = fields.of(status)?;
        let edit = wanted.steps(lifecycle, &status.slug, lifecycle.edit());
        applied(&edit, &field_name)?;
        Ok((edit, ()))
    };
    commit(&caller.crm, &Conditions::default(), plan).await?;
    let body = Done::new("Lead status updated successfully.");
    Ok(json(StatusCode::OK, &body))
}
