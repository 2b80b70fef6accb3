//! Errors as this API writes them.

use crate::error::{ApiError, FieldErrors, json};
use crate::routes::RouteInfo;
use axum::response::{IntoResponse as _, Response};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema};

/// An error in the conventions of this API.
pub(crate) fn spoken(error: &ApiError) -> Response {
    (error.headers().clone(), json(error.status(), &Told(error))).into_response()
}

/// `{"status":false,"error":{field:message},"message":…}`; without `error` if it is about no field.
struct Told<'a>(&'a ApiError);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &false)?;
        if !self.0.errors().is_empty() {
            map.serialize_entry("error", &ByField(self.0.errors()))?;
        }
        map.serialize_entry("message", self.0.message())?;
        for (name, value) in self.0.more() {
            match value {
                Value::String(text) => map.serialize_entry(name, text)?,
                value => map.serialize_entry(name, &value.to_string())?,
            }
        }
        map.end()
    }
}

struct ByField<'a>(&'a FieldErrors);

impl Serialize for ByField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let errors = self.0.iter();
        serializer.collect_map(errors.map(|(field, what)| (field, what.join("; "))))
    }
}

/// What a caller is told when a request fails.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = StatusError)]
struct ErrorBody {
    /// Always false.
    status: bool,
    /// What is wrong, by field, if it is about fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<BTreeMap<String, String>>,
    /// A sentence.
    message: String,
    /// With a status that is in use: how many leads are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    leads: Option<String>,
}

/// Describes what a route of this API may refuse because of what it is.
pub(crate) fn add_refusals(info: &RouteInfo, operation: &mut Operation) {
    let mut refusals = vec![
        (400, "What was sent cannot be read."),
        (401, "There is no valid access token."),
        (403, "The access token does not allow it."),
        (404, "No data were found."),
        (414, "The URL is too long."),
        (422, "A parameter or field is wrong: see error."),
        (429, "Too many requests with this access token: wait."),
        (431, "The headers are too long."),
        (500, "The server failed."),
        (503, "The server or its storage is too busy: try again."),
    ];
    if info.method != axum::http::Method::GET {
        refusals.extend([
            (409, "It cannot be done as things are: see message."),
            (413, "The body is too large."),
            (415, "The body is neither JSON nor a form."),
        ]);
    }
    for (status, description) in refusals {
        let content = ContentBuilder::new()
            .schema(Some(ErrorBody::schema()))
            .build();
        let refusal = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .build();
        let known = &mut operation.responses.responses;
        known
            .entry(status.to_string())
            .or_insert_with(|| refusal.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_as_the_family_tells_it() {
        let error = ApiError::invalid("color", "is malformed")
            .with_error("name", "is required")
            .with_error("name", "twice")
            .with("leads", 3_u64);
        assert_eq!(
            serde_json::to_string(&Told(&error)).unwrap(),
            r#"{"status":false,"error":{"color":"is malformed","name":"is required; twice"},"message":"The request is invalid: see errors.","leads":"3"}"#
        );
        let plain = ApiError::not_found("No data were found");
        assert_eq!(
            serde_json::to_string(&Told(&plain)).unwrap(),
            r#"{"status":false,"message":"No data were found"}"#
        );
    }
}
