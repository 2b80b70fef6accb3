//! The description of the API, served.

use crate::app::App;
use crate::error::ApiError;
use crate::extract::NoParams;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

/// This description, in OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/v1/crm/openapi.json",
    tag = "Description",
    responses((status = 200, description = "The description.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn openapi_json(
    State(app): State<App>,
    _: NoParams,
) -> Result<Response, ApiError> {
    let content_type = (CONTENT_TYPE, "application/json");
    Ok(([content_type], app.description.clone()).into_response())
}
