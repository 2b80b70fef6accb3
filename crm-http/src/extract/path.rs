//! What varies in a path.

use crate::app::App;
use crate::auth::TokenId;
use crate::error::ApiError;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use crm_core::lead::LeadId;
use std::str::FromStr;

/// The lead that a path names. What is no id names none, so the answer is 404.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeadPath(pub(crate) LeadId);

/// The access token that a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenPath(pub(crate) TokenId);

/// What a path names a status by: its number or its slug, whichever it is.
#[derive(Debug, Clone)]
pub(crate) struct StatusPath(pub(crate) String);

impl FromRequestParts<App> for StatusPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // Without a name in it that is text, it names nothing.
        Ok(Self(named(parts, app).await.unwrap_or_default()))
    }
}

impl FromRequestParts<App> for LeadPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let id = named(parts, app).await;
        id.map(Self)
            .ok_or_else(|| ApiError::not_found("There is no such lead."))
    }
}

impl FromRequestParts<App> for TokenPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let id = named(parts, app).await;
        id.map(Self)
            .ok_or_else(|| ApiError::not_found("There is no such access token."))
    }
}

async fn named<T: FromStr>(parts: &mut Parts, app: &App) -> Option<T> {
    let Path(text) = Path::<String>::from_request_parts(parts, app).await.ok()?;
    text.parse().ok()
}
