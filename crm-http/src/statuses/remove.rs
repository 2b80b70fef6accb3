//! Deleting a status, by the documented path and by that of the status itself.

use super::form::Form;
use super::item::Done;
use super::list::no_data;
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{Caller, Conditions, Parameters, Params, StatusPath, Values};
use crate::lifecycle::removal::{Removal, remove};
use crate::lifecycle::{named, numbered};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::lifecycle::Lifecycle;
use serde::Deserialize;
use utoipa::ToSchema;

const MOVE_TO: &str = "move_to";

/// Where the leads go.
#[derive(Deserialize, ToSchema)]
#[schema(as = StatusDestination)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(super) struct DestinationBody {
    /// The status that the leads go to, by number or slug.
    #[schema(example = "2")]
    move_to: Option<String>,
}

/// Where the leads go, if the query says so.
#[derive(Debug)]
pub(super) struct Destination(Option<String>);

impl Parameters for Destination {
    const NAMES: &'static [&'static str] = &[MOVE_TO];

    fn read(mut values: Values, _: &App, _: &mut FieldErrors) -> Self {
        Self(values.take(MOVE_TO))
    }
}

/// Delete Status
///
/// A status with leads is refused with how many they are, archived ones included, unless `move_to`
/// says where they go. If moving them takes long, the answer is 202 and moving goes on; nothing
/// enters the status any more. Repeating the request says whether it is done.
#[utoipa::path(
    delete,
    path = "/delete/lead_statuses/{id}",
    tag = "Lead Statuses",
    params(
        ("id" = String, Path, description = "The number of the status."),
        ("move_to" = Option<String>, Query, description = "The status that its leads go to, by number or slug. It may be in the body as well."),
    ),
    responses(
        (status = 200, description = "It was deleted.", body = Done),
        (status = 202, description = "Its leads are still moving.", body = Done),
    )
)]
pub(super) async fn delete_status(
    State(app): State<App>,
    caller: Caller,
    StatusPath(id): StatusPath,
    Params(destination): Params<Destination>,
    form: Form,
) -> Result<Response, ApiError> {
    delete(&app, &caller, &id, destination, form).await
}

/// Remove Status
///
/// The same as Delete Status.
#[utoipa::path(
    delete,
    path = "/lead_statuses/{id}",
    tag = "Lead Statuses",
    params(
        ("id" = String, Path, description = "The number of the status."),
        ("move_to" = Option<String>, Query, description = "The status that its leads go to, by number or slug. It may be in the body as well."),
    ),
    responses(
        (status = 200, description = "It was deleted.", body = Done),
        (status = 202, description = "Its leads are still moving.", body = Done),
    )
)]
pub(super) async fn remove_status(
    State(app): State<App>,
    caller: Caller,
    StatusPath(id): StatusPath,
    Params(destination): Params<Destination>,
    form: Form,
) -> Result<Response, ApiError> {
    delete(&app, &caller, &id, destination, form).await
}

async fn delete(
    app: &App,
    caller: &Caller,
    id: &str,
    destination: Destination,
    form: Form,
) -> Result<Response, ApiError> {
    let mut errors = FieldErrors::default();
    let in_body = form.read(&[MOVE_TO], &mut errors).remove(MOVE_TO);
    let move_to = match (destination.0, in_body) {
        (Some(one), Some(other)) if one != other => {
            errors.add(MOVE_TO, "is given more than once");
            None
        }
        (one, other) => one.or(other),
    };
    errors.finish()?;
    // A form that leaves it empty says nothing.
    let move_to = move_to.filter(|typed| !typed.trim().is_empty());
    let id = id.to_owned();
    let find = move |lifecycle: &Lifecycle| {
        let status = numbered(lifecycle, &id).ok_or_else(no_data)?.slug.clone();
        let destination = move_to.as_deref().map(|typed| {
            let found = named(lifecycle, typed.trim()).map(|found| found.slug.clone());
            found.ok_or_else(|| ApiError::invalid(MOVE_TO, "is no lead status"))
        });
        Ok((status, destination.transpose()?))
    };
    let removal = remove(app, caller, &Conditions::default(), find).await?;
    let (code, message) = match removal {
        Removal::Done(_) => (StatusCode::OK, "Lead status deleted successfully."),
        Removal::GoesOn(_) => (
            StatusCode::ACCEPTED,
            "Leads are still moving: repeat the request to see whether it is done.",
        ),
    };
    Ok(json(code, &Done::new(message)))
}
