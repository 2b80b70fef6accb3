//! Which statuses are listed, and in which order.

use super::answer::{StatusItem, StatusList, tag};
use crate::app::App;
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{Caller, Conditions, Parameters, Params, Values};
use crate::leads::answer::Outcome;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use crm_core::lifecycle::{Colour, Lifecycle, StatusDefinition, StatusKind};
use crm_core::text::{query_words, words};
use std::cmp::Reverse;

/// Which statuses, and in which order. All, in their order, if nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Each must begin a word of the name or of the slug.
    pub(crate) words: Vec<String>,
    pub(crate) colour: Option<Colour>,
    pub(crate) kind: Option<StatusKind>,
    pub(crate) is_won: Option<bool>,
    pub(crate) sort: Option<Sort>,
}

/// What statuses are sorted by, and whether the last comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    pub(crate) by: SortKey,
    pub(crate) descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortKey {
    Order,
    Id,
    Name,
    Slug,
    Colour,
    Kind,
    Probability,
}

impl Sort {
    /// A name of these, with a minus before it for the other direction.
    pub(crate) fn read(
        typed: &str,
        names: &[(&'static str, SortKey)],
        errors: &mut FieldErrors,
    ) -> Option<Self> {
        let (name, descending) = match typed.strip_prefix('-') {
            Some(name) => (name, true),
            None => (typed, false),
        };
        let found = names.iter().find(|(known, _)| *known == name);
        let Some((_, by)) = found else {
            let known: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            errors.add(
                "sort",
                format!("is unknown: must be one of {known}, with - before it for descending"),
            );
            return None;
        };
        Some(Self {
            by: *by,
            descending,
        })
    }
}

impl Listing {
    pub(crate) fn search(typed: Option<String>) -> Vec<String> {
        typed.map_or(Vec::new(), |typed| query_words(&typed))
    }

    /// `open`, `won` or `lost`.
    pub(crate) fn kind(typed: &str, errors: &mut FieldErrors) -> Option<StatusKind> {
        let kind = match typed {
            "open" => StatusKind::Open,
            "won" => StatusKind::Won,
            "lost" => StatusKind::Lost,
            _ => {
                errors.add("kind", "is unknown: must be one of open, won, lost");
                return None;
            }
        };
        Some(kind)
    }

    /// The statuses that are meant. Where the sort does not tell them apart, their order does.
    pub(crate) fn of<'a>(&self, lifecycle: &'a Lifecycle) -> Vec<&'a StatusDefinition> {
        let all = lifecycle.statuses().iter();
        let mut found: Vec<_> = all.filter(|status| self.has(status)).collect();
        let Some(sort) = self.sort else {
            return found;
        };
        if sort.descending {
            found.sort_by_cached_key(|status| Reverse(sort_key(sort.by, lifecycle, status)));
        } else {
            found.sort_by_cached_key(|status| sort_key(sort.by, lifecycle, status));
        }
        found
    }

    fn has(&self, status: &StatusDefinition) -> bool {
        let found: Vec<String> = words(&status.name)
            .chain(words(status.slug.as_str()))
            .collect();
        let begins_one = |word: &String| found.iter().any(|found| found.starts_with(word));
        self.colour.is_none_or(|colour| status.colour == colour)
            && self.kind.is_none_or(|kind| status.kind == kind)
            && self
                .is_won
                .is_none_or(|is_won| (status.kind == StatusKind::Won) == is_won)
            && self.words.iter().all(begins_one)
    }
}

fn sort_key(by: SortKey, lifecycle: &Lifecycle, status: &StatusDefinition) -> (u64, String) {
    let number = |number| (number, String::new());
    match by {
        SortKey::Order => number(lifecycle.position(&status.slug).unwrap_or_default() as u64),
        SortKey::Id => number(status.id.get().into()),
        SortKey::Probability => number(status.probability.into()),
        SortKey::Kind => number(match status.kind {
            StatusKind::Open => 0,
            StatusKind::Won => 1,
            StatusKind::Lost => 2,
        }),
        SortKey::Name => (0, crm_core::text::sort_key(&status.name)),
        SortKey::Slug => (0, status.slug.to_string()),
        SortKey::Colour => (0, status.colour.to_string()),
    }
}

const SORTS: &[(&str, SortKey)] = &[
    ("order", SortKey::Order),
    ("id", SortKey::Id),
    ("name", SortKey::Name),
    ("slug", SortKey::Slug),
    ("colour", SortKey::Colour),
    ("kind", SortKey::Kind),
    ("probability", SortKey::Probability),
];

impl Parameters for Listing {
    const NAMES: &'static [&'static str] = &["q", "kind", "colour", "sort"];

    fn read(mut values: Values, _: &App, errors: &mut FieldErrors) -> Self {
        let colour = "# and six hexadecimal digits, such as #28B8DA";
        Self {
            words: Self::search(values.take("q")),
            colour: values.parse("colour", colour, errors),
            kind: values
                .take("kind")
                .and_then(|typed| Self::kind(&typed, errors)),
            is_won: None,
            sort: values
                .take("sort")
                .and_then(|typed| Sort::read(&typed, SORTS, errors)),
        }
    }
}

/// List lead statuses
///
/// All of them, or those that are looked for, in the order of the lifecycle or in another.
#[utoipa::path(
    get,
    path = "/v1/crm/lead-statuses",
    tag = "Lifecycle",
    params(
        ("q" = Option<String>, Query, description = "Words, each the beginning of a word of the name or slug."),
        ("kind" = Option<String>, Query, description = "open, won or lost."),
        ("colour" = Option<String>, Query, description = "A colour, such as `#28B8DA`."),
        ("sort" = Option<String>, Query, description = "order, id, name, slug, colour, kind or probability; with `-` before it descending (default: order)."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of a version that is known already."),
    ),
    responses(
        (status = 200, description = "The statuses; the lifecycle's version is the `ETag`.", body = StatusList),
        (status = 304, description = "The lifecycle is at that version still."),
    )
)]
pub(crate) async fn list_lead_statuses(
    caller: Caller,
    conditions: Conditions,
    Params(listing): Params<Listing>,
) -> Result<Response, ApiError> {
    let lifecycle = caller.crm.lifecycle().await?;
    let version = lifecycle.version();
    if conditions.has(version) {
        return Ok((StatusCode::NOT_MODIFIED, tag(version)).into_response());
    }
    let found = listing.of(&lifecycle);
    let body = StatusList {
        result: Outcome::Success,
        total_count: found.len(),
        lead_statuses: found
            .into_iter()
            .map(|status| StatusItem::new(&lifecycle, status))
            .collect(),
        version: version.get(),
    };
    Ok((tag(version), json(StatusCode::OK, &body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(listing: &Listing) -> Vec<&'static str> {
        let lifecycle = Lifecycle::sales();
        let ids = listing.of(&lifecycle);
        let known = ["new", "contacted", "qualified", "proposal", "won", "lost"];
        ids.iter()
            .filter_map(|status| known.into_iter().find(|known| status.slug == **known))
            .collect()
    }

    fn sorted(typed: &str) -> Vec<&'static str> {
        let mut errors = FieldErrors::default();
        let sort = Sort::read(typed, SORTS, &mut errors);
        found(&Listing {
            sort,
            ..Listing::default()
        })
    }

    #[test]
    fn words_are_looked_for_where_words_begin() {
        let search = |typed: &str| {
            found(&Listing {
                words: Listing::search(Some(typed.to_owned())),
                ..Listing::default()
            })
        };
        assert_eq!(search("QUAL"), ["qualified"]);
        assert_eq!(search("alified"), [""; 0]);
        assert_eq!(search(" ").len(), 6);
    }

    #[test]
    fn what_a_sort_does_not_tell_apart_stays_in_order() {
        let by_kind = ["new", "contacted", "qualified", "proposal", "won", "lost"];
        assert_eq!(sorted("kind"), by_kind);
        let descending = ["lost", "won", "new", "contacted", "qualified", "proposal"];
        assert_eq!(sorted("-kind"), descending);
        let by_name = ["contacted", "lost", "new", "proposal", "qualified", "won"];
        assert_eq!(sorted("name"), by_name);
    }

    #[test]
    fn an_unknown_sort_is_refused_with_the_known_ones() {
        let mut errors = FieldErrors::default();
        assert!(Sort::read("--name", SORTS, &mut errors).is_none());
        let refused = ApiError::unprocessable(errors);
        let (field, what) = refused.errors().iter().next().unwrap();
        assert!(
            field == "sort" && what[0].contains("order, id, name"),
            "{what:?}"
        );
    }
}
