//! The description of the API as a page in the browser: Swagger UI, whose assets are built in.

use crate::error::ApiError;
use crate::extract::NoParams;
use crate::layers::nothing_here;
use crate::routes::Table;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::sync::Arc;
use utoipa_swagger_ui::Config;

/// What the page may do: run, show and call what comes from this server. Images in its style sheet
/// are `data:` URLs. A form that it shows sends nothing by itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The same for everybody until the program is built anew.
const KEPT: &str = "public, max-age=3600";

pub(crate) fn routes(table: Table) -> Table {
    table
        .page("/v1/crm/docs", get(to_the_page))
        .page("/v1/crm/docs/", get(index))
        .page("/v1/crm/docs/{file}", get(asset))
}

/// Relative, wherever an application mounts it: what the page refers to is, too.
async fn to_the_page(_: NoParams) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "docs/")]).into_response()
}

async fn index(_: NoParams) -> Result<Response, ApiError> {
    file("index.html").await
}

async fn asset(Path(name): Path<String>, _: NoParams) -> Result<Response, ApiError> {
    file(&name).await
}

async fn file(name: &str) -> Result<Response, ApiError> {
    // The other layout has a field for descriptions from elsewhere. The badge of a public validator
    // would send this one there.
    let config = Config::new(["../openapi.json"])
        .use_base_layout()
        .validator_url("none");
    let found = utoipa_swagger_ui::serve(name, Arc::new(config));
    let Some(file) = found.map_err(|_| ApiError::internal())? else {
        return Err(nothing_here().await);
    };
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, &file.content_type),
        (CACHE_CONTROL, KEPT),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
