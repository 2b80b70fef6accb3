//! The list of leads.

use super::answer::{LeadList, Leads, Outcome};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{Caller, Parameters, Params, Values};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::chrono::{DateTime, Utc};
use crm_core::crm::Scope;
use crm_core::lead::UserId;
use crm_core::query::{Archived, LeadQuery, Sort, Total};
use crm_core::report::StuckQuery;

/// Which leads, and which page of them.
#[derive(Debug)]
pub(crate) struct ListParams {
    which: Which,
    cursor: Option<String>,
}

#[derive(Debug)]
enum Which {
    Leads(Box<LeadQuery>),
    Stuck(Stuck),
}

#[derive(Debug)]
struct Stuck {
    status: Option<String>,
    assigned_to: Option<String>,
    limit: u32,
}

impl Parameters for ListParams {
    const NAMES: &'static [&'static str] = &[
        "status",
        "assigned_to",
        "limit",
        "cursor",
        "q",
        "sort",
        "source",
        "tag",
        "email",
        "unassigned",
        "archived",
        "stuck",
        "created_from",
        "created_before",
        "updated_from",
        "updated_before",
        "in_status_since",
    ];

    fn read(mut values: Values, app: &App, errors: &mut FieldErrors) -> Self {
        let cursor = values.take("cursor");
        let stuck = values.parse::<bool>("stuck", "true or false", errors);
        let which = if stuck == Some(true) {
            Which::Stuck(read_stuck(values, app, errors))
        } else {
            Which::Leads(Box::new(read_query(values, app, errors)))
        };
        Self { which, cursor }
    }
}

fn read_stuck(mut values: Values, app: &App, errors: &mut FieldErrors) -> Stuck {
    let stuck = Stuck {
        status: values.take("status"),
        assigned_to: values.take("assigned_to"),
        limit: values.limit(app, errors),
    };
    for name in values.names() {
        errors.add(name, "cannot be combined with stuck");
    }
    stuck
}

fn read_query(mut values: Values, app: &App, errors: &mut FieldErrors) -> LeadQuery {
    let limit = values.limit(app, errors);
    let mut query = LeadQuery::new().total(Total::Exact).limit(limit);
    if let Some(statuses) = values.take("status") {
        query = query.statuses(statuses.split(','));
    }
    if let Some(sources) = values.take("source") {
        query = sources.split(',').fold(query, LeadQuery::source);
    }
    if let Some(tag) = values.take("tag") {
        query = query.tag(tag);
    }
    if let Some(email) = values.take("email") {
        query = query.email(email);
    }
    if let Some(words) = values.take("q") {
        query = query.search(words);
    }
    let user = values.take("assigned_to");
    let unassigned = values.parse::<bool>("unassigned", "true or false", errors);
    match (user, unassigned) {
        (Some(_), Some(true)) => errors.add("unassigned", "cannot be combined with assigned_to"),
        (Some(user), _) => query = query.assigned_to(user),
        (None, Some(true)) => query = query.unassigned(),
        (None, _) => {}
    }
    if let Some(sort) = values.take("sort") {
        match sort.parse::<Sort>() {
            Ok(sort) => query = query.sort(sort),
            Err(invalid) => errors.add_all(&invalid),
        }
    }
    match values.take("archived").as_deref() {
        None | Some("exclude") => {}
        Some("only") => query = query.archived(Archived::Only),
        Some("include") => query = query.archived(Archived::Include),
        Some(_) => errors.add(
            "archived",
            "is unknown: must be one of exclude, only, include",
        ),
    }
    read_times(query, &mut values, errors)
}

fn read_times(mut query: LeadQuery, values: &mut Values, errors: &mut FieldErrors) -> LeadQuery {
    type Filter = fn(LeadQuery, DateTime<Utc>) -> LeadQuery;
    let filters: [(&'static str, Filter); 5] = [
        ("created_from", LeadQuery::created_from),
        ("created_before", LeadQuery::created_before),
        ("updated_from", LeadQuery::updated_from),
        ("updated_before", LeadQuery::updated_before),
        ("in_status_since", LeadQuery::in_status_since),
    ];
    for (name, filter) in filters {
        let Some(typed) = values.take(name) else {
            continue;
        };
        match DateTime::parse_from_rfc3339(&typed) {
            Ok(time) => query = filter(query, time.with_timezone(&Utc)),
            Err(_) => {
                let what = "is malformed: expected a time such as 2026-01-15T10:30:00Z";
                errors.add(name, what);
            }
        }
    }
    query
}

/// List leads
///
/// Retrieve a paginated list of all leads.
#[utoipa::path(
    get,
    path = "/v1/crm/leads",
    tag = "Leads",
    params(
        ("status" = Option<String>, Query, description = "Filter by status: new, contacted, qualified, converted, lost, or whatever the lifecycle has. Several with commas between: any of them."),
        ("assigned_to" = Option<String>, Query, description = "Filter by assigned user ID."),
        ("limit" = Option<u32>, Query, description = "Maximum number of records to return, 1 to 1,000 (default: 50).", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filters and sort."),
        ("q" = Option<String>, Query, description = "Words that each begin some word of the name, e-mail, company or phone."),
        ("sort" = Option<String>, Query, description = "created_at, updated_at, status_changed_at, name, company, email, status or value; with - before it the largest first. Default: -created_at.", pattern = "^-?(created_at|updated_at|status_changed_at|name|company|email|status|value)$"),
        ("source" = Option<String>, Query, description = "Filter by source. Several with commas between: any of them."),
        ("tag" = Option<String>, Query, description = "Filter by tag."),
        ("email" = Option<String>, Query, description = "Filter by e-mail address, however it is spelled."),
        ("unassigned" = Option<bool>, Query, description = "Those of nobody."),
        ("archived" = Option<String>, Query, description = "exclude (default), only or include.", pattern = "^(exclude|only|include)$"),
        ("stuck" = Option<bool>, Query, description = "Those that have been in their status for too long, the most overdue first; only with one status, assigned_to, limit and cursor."),
        ("created_from" = Option<DateTime<Utc>>, Query, description = "Created at this time or later."),
        ("created_before" = Option<DateTime<Utc>>, Query, description = "Created before this time."),
        ("updated_from" = Option<DateTime<Utc>>, Query, description = "Changed at this time or later."),
        ("updated_before" = Option<DateTime<Utc>>, Query, description = "Last changed before this time."),
        ("in_status_since" = Option<DateTime<Utc>>, Query, description = "In their status since this time or longer."),
    ),
    responses((status = 200, description = "A page of leads.", body = LeadList))
)]
pub(crate) async fn list_leads(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let tenant = caller.crm.tenant_id();
    let cursor = match &params.cursor {
        Some(text) => Some(app.seal.open(&app.crm, tenant, text).await?),
        None => None,
    };
    let (leads, total_count, next) = match params.which {
        Which::Leads(query) => {
            let query = match cursor {
                Some(cursor) => query.after(cursor),
                None => *query,
            };
            let page = caller.crm.list(query).await?;
            let total = page.total.map_or(0, |total| total.count());
            (Leads::All(page.items), total, page.next)
        }
        Which::Stuck(stuck) => {
            let total = count_stuck(&caller, &stuck).await?;
            let page = caller.crm.stuck(stuck.query(cursor)).await?;
            let items = page.items.into_iter().map(Into::into).collect();
            (Leads::Stuck(items), total, page.next)
        }
    };
    let next_cursor = match next {
        Some(next) => Some(app.seal.close(&app.crm, tenant, &next).await?),
        None => None,
    };
    let body = LeadList {
        result: Outcome::Success,
        leads,
        total_count,
        next_cursor,
    };
    Ok(json(StatusCode::OK, &body))
}

impl Stuck {
    fn query(self, cursor: Option<crm_core::query::Cursor>) -> StuckQuery {
        let mut query = StuckQuery::new().limit(self.limit);
        if let Some(status) = self.status {
            query = query.status(status);
        }
        if let Some(user) = self.assigned_to {
            query = query.assigned_to(user);
        }
        match cursor {
            Some(cursor) => query.after(cursor),
            None => query,
        }
    }
}

/// How many leads are stuck, as the pipeline counts them.
async fn count_stuck(caller: &Caller, stuck: &Stuck) -> Result<u64, ApiError> {
    let crm = match stuck.assigned_to.as_deref().map(str::parse::<UserId>) {
        None => caller.crm.clone(),
        Some(Ok(user)) => caller.crm.scoped(Scope::AssignedTo(user)),
        // The query itself tells what is wrong.
        Some(Err(_)) => return Ok(0),
    };
    let pipeline = crm.pipeline().await?;
    let wanted = |status: &str| {
        stuck
            .status
            .as_deref()
            .is_none_or(|wanted| wanted == status)
    };
    let stages = pipeline.stages.iter();
    Ok(stages
        .filter(|stage| wanted(stage.status.as_str()))
        .map(|stage| stage.stuck)
        .sum())
}
