//! The list of statuses.

use super::item::Item;
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{Caller, Parameters, Params, Values};
use crate::lifecycle::listing::{Listing, Sort, SortKey};
use axum::http::StatusCode;
use axum::response::Response;

/// What is answered where nothing is found.
pub(super) fn no_data() -> ApiError {
    ApiError::not_found("No data were found")
}

const SORTS: &[(&str, SortKey)] = &[
    ("statusorder", SortKey::Order),
    ("id", SortKey::Id),
    ("name", SortKey::Name),
    ("slug", SortKey::Slug),
    ("color", SortKey::Colour),
    ("kind", SortKey::Kind),
    ("probability", SortKey::Probability),
];

/// Which statuses, and in which order.
#[derive(Debug)]
pub(super) struct ListParams(Listing);

impl Parameters for ListParams {
    const NAMES: &'static [&'static str] = &["search", "color", "kind", "isdefault", "sort"];

    fn read(mut values: Values, _: &App, errors: &mut FieldErrors) -> Self {
        let colour = "# and six hexadecimal digits, such as #28B8DA";
        let is_won = values.take("isdefault").and_then(|typed| {
            let is_won = match typed.as_str() {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            };
            if is_won.is_none() {
                errors.add("isdefault", "must be 0 or 1");
            }
            is_won
        });
        Self(Listing {
            words: Listing::search(values.take("search")),
            colour: values.parse("color", colour, errors),
            kind: values
                .take("kind")
                .and_then(|typed| Listing::kind(&typed, errors)),
            is_won,
            sort: values
                .take("sort")
                .and_then(|typed| Sort::read(&typed, SORTS, errors)),
        })
    }
}

/// List all Statuses
///
/// A bare array, in the order of `statusorder` or in another. If nothing is found: 404.
#[utoipa::path(
    get,
    path = "/lead_statuses",
    tag = "Lead Statuses",
    params(
        ("search" = Option<String>, Query, description = "Words, each the beginning of a word of the name or slug."),
        ("color" = Option<String>, Query, description = "A colour, such as `#28B8DA`."),
        ("kind" = Option<String>, Query, description = "open, won or lost."),
        ("isdefault" = Option<String>, Query, description = "1: where leads become customers; 0: the others."),
        ("sort" = Option<String>, Query, description = "statusorder, id, name, slug, color, kind or probability; with `-` before it descending (default: statusorder)."),
    ),
    responses((status = 200, description = "The statuses.", body = Vec<Item>))
)]
pub(super) async fn list_statuses(
    caller: Caller,
    Params(ListParams(listing)): Params<ListParams>,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let found = listing.of(&lifecycle).into_iter();
    let items: Vec<Item> = found.map(|status| Item::new(&lifecycle, status)).collect();
    if items.is_empty() {
        return Err(no_data());
    }
    Ok(json(StatusCode::OK, &items))
}
