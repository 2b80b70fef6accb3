//! One lead, and what happened to it.

use super::answer::{EventList, OneLead, Outcome};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{
    Caller, Conditions, LeadPath, NoParams, Parameters, Params, Values, entity_tag,
};
use crate::seal::bad_cursor;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse as _, Response};
use crm_core::repository::HistoryQuery;

/// Get lead
///
/// Retrieve details of a specific lead.
#[utoipa::path(
    get,
    path = "/v1/crm/leads/{id}",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of a version that is known already."),
    ),
    responses(
        (status = 200, description = "The lead; its version is the `ETag`.", body = OneLead),
        (status = 304, description = "It is at that version still."),
    )
)]
pub(crate) async fn get_lead(
    caller: Caller,
    LeadPath(id): LeadPath,
    conditions: Conditions,
    _: NoParams,
) -> Result<Response, ApiError> {
    let lead = caller.crm.get(id).await?;
    let tag = [(ETAG, entity_tag(lead.version))];
    if conditions.has(lead.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    let result = Outcome::Success;
    Ok((tag, json(StatusCode::OK, &OneLead { result, lead })).into_response())
}

/// Which part of a timeline.
#[derive(Debug)]
pub(crate) struct HistoryParams {
    query: HistoryQuery,
    cursor: Option<String>,
}

impl Parameters for HistoryParams {
    const NAMES: &'static [&'static str] = &["limit", "cursor", "sort"];

    fn read(mut values: Values, app: &App, errors: &mut FieldErrors) -> Self {
        let mut query = HistoryQuery::new().limit(values.limit(app, errors));
        match values.take("sort").as_deref() {
            None | Some("version") => {}
            Some("-version") => query = query.newest_first(),
            Some(_) => errors.add("sort", "is unknown: must be one of version, -version"),
        }
        let cursor = values.take("cursor");
        Self { query, cursor }
    }
}

/// Lead history
///
/// Everything that happened to a lead, one event for each of its versions. Of a deleted lead it
/// tells who and when, and nothing that was typed.
#[utoipa::path(
    get,
    path = "/v1/crm/leads/{id}/history",
    tag = "Leads",
    params(
        ("id" = String, Path, description = "The id of the lead."),
        ("limit" = Option<u32>, Query, description = "At most so many events, 1 to 1,000 (default: 50).", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("sort" = Option<String>, Query, description = "version (default), the oldest first, or -version.", pattern = "^-?version$"),
    ),
    responses((status = 200, description = "A page of events.", body = EventList))
)]
pub(crate) async fn lead_history(
    caller: Caller,
    LeadPath(id): LeadPath,
    Params(params): Params<HistoryParams>,
) -> Result<Response, ApiError> {
    let mut query = params.query;
    if let Some(text) = params.cursor {
        // A place in a timeline is a number: there is nothing in it to seal.
        query = query.after(text.parse().map_err(|_| bad_cursor())?);
    }
    let page = caller.crm.history(id, &query).await?;
    let body = EventList {
        result: Outcome::Success,
        events: page.items,
        next_cursor: page.next.map(|next| next.to_string()),
    };
    Ok(json(StatusCode::OK, &body))
}
