//! Whether the server lives, and whether its storage answers: for whoever watches over it.

use crate::app::App;
use crate::error::{ApiError, json};
use crate::extract::NoParams;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// The server is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
}

/// Whether the server lives.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Probes",
    responses((status = 200, description = "It lives.", body = Health))
)]
pub(crate) async fn health(_: NoParams) -> Response {
    json(StatusCode::OK, &Health { status: "ok" })
}

/// Whether the storage answers.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "Probes",
    responses(
        (status = 200, description = "The storage answers.", body = Health),
        (status = 503, description = "It does not: send requests elsewhere."),
    )
)]
pub(crate) async fn ready(State(app): State<App>, _: NoParams) -> Result<Response, ApiError> {
    // Read from the storage each time.
    if app.crm.lifecycle().await.is_err() {
        return Err(ApiError::unavailable("The storage does not answer.", 1));
    }
    Ok(json(StatusCode::OK, &Health { status: "ok" }))
}
