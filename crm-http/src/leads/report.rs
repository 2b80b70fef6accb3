//! The pipeline and the feed of changes.

use super::answer::{EventList, Outcome};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{Caller, NoParams, Parameters, Params, Values};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::chrono::{DateTime, Utc};
use crm_core::query::Limit;
use crm_core::report::Pipeline;
use serde::Serialize;
use utoipa::ToSchema;

/// How the leads stand.
#[derive(Debug, Serialize, ToSchema)]
struct PipelineAnswer {
    result: Outcome,
    #[schema(value_type = PipelineItem)]
    pipeline: Pipeline,
}

/// One stage for each status, in the order of the lifecycle.
#[derive(Serialize, ToSchema)]
#[schema(as = Pipeline)]
struct PipelineItem {
    /// The time that "stuck" was judged at.
    as_of: DateTime<Utc>,
    /// The version of the lifecycle.
    lifecycle_version: u64,
    stages: Vec<StageItem>,
}

/// The active leads of one status.
#[derive(Serialize, ToSchema)]
#[schema(as = PipelineStage)]
struct StageItem {
    status: String,
    name: String,
    /// open, won or lost.
    kind: String,
    /// In percent.
    probability: u8,
    /// How many leads.
    leads: u64,
    /// How many of them are stuck.
    stuck: u64,
    /// What they are worth, one entry for each currency.
    values: Vec<ValueItem>,
}

/// In the currency's smallest unit: cents.
#[derive(Serialize, ToSchema)]
#[schema(as = StageValue)]
struct ValueItem {
    currency: String,
    /// The sum.
    #[schema(value_type = i64)]
    total: i128,
    /// The sum times the probability.
    #[schema(value_type = i64)]
    weighted: i128,
}

/// Pipeline
///
/// How many leads are in each status, what they are worth, and how many of them are stuck.
#[utoipa::path(
    get,
    path = "/v1/crm/pipeline",
    tag = "Reports",
    responses((status = 200, description = "The stages.", body = PipelineAnswer))
)]
pub(crate) async fn pipeline(caller: Caller, _: NoParams) -> Result<Response, ApiError> {
    let pipeline = caller.crm.pipeline().await?;
    let result = Outcome::Success;
    Ok(json(StatusCode::OK, &PipelineAnswer { result, pipeline }))
}

/// Which part of the feed.
#[derive(Debug)]
pub(crate) struct FeedParams {
    limit: u32,
    cursor: Option<String>,
}

impl Parameters for FeedParams {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];

    fn read(mut values: Values, app: &App, errors: &mut FieldErrors) -> Self {
        Self {
            limit: values.limit(app, errors),
            cursor: values.take("cursor"),
        }
    }
}

/// Feed of changes
///
/// Every event of every lead, in an order that is the same for every reader, from the first or
/// after a cursor. None is skipped or repeated. Keep `next_cursor` and ask again for what happened
/// since. A token for own leads gets the events of those only, so a page may be short before the
/// end: go on until `next_cursor` stays the same.
#[utoipa::path(
    get,
    path = "/v1/crm/events",
    tag = "Reports",
    params(
        ("limit" = Option<u32>, Query, description = "At most so many events, 1 to 1,000 (default: 50).", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the answer before."),
    ),
    responses((status = 200, description = "Events.", body = EventList))
)]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<FeedParams>,
) -> Result<Response, ApiError> {
    let limit = Limit::new(params.limit)?;
    let tenant = caller.crm.tenant_id();
    let after = match params.cursor {
        Some(text) => Some(app.seal.open_feed(&app.crm, tenant, &text).await?),
        None => None,
    };
    let page = caller.crm.events(after.as_ref(), limit).await?;
    let next_cursor = match &page.cursor {
        Some(cursor) => Some(app.seal.close_feed(&app.crm, tenant, cursor).await?),
        None => None,
    };
    let body = EventList {
        result: Outcome::Success,
        events: page.events,
        next_cursor,
    };
    Ok(json(StatusCode::OK, &body))
}
