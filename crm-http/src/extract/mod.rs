//! What a handler gets out of a request: who calls, the body, the parameters, the headers.
//!
//! axum's own extractors answer in plain text and stop at the first problem; these answer with
//! typed errors that name every field.

mod access;
mod conditions;
mod json;
mod params;
mod path;

pub(crate) use access::{Caller, Credentials, authorize};
pub(crate) use conditions::{Conditions, entity_tag};
pub(crate) use json::{Body, JsonBody, Kind, Typed, object, read_body, shown, unknown};
pub(crate) use params::{NoParams, Parameters, Params, Values, is_text};
pub(crate) use path::{LeadPath, StatusPath, TokenPath};
