//! Query parameters: each known, each once, each readable.

use crate::app::App;
use crate::error::{ApiError, FieldErrors};
use crate::extract::json::{shown, unknown};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use crm_core::query::Limit;
use std::collections::BTreeMap;

/// The parameters of a route.
pub(crate) trait Parameters: Sized {
    /// Every name there is.
    const NAMES: &'static [&'static str];

    /// Reads them. What is wrong is noted, and then the result is not used.
    fn read(values: Values, app: &App, errors: &mut FieldErrors) -> Self;
}

/// What was given, by name: each name is known and there once.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<&'static str, String>);

impl Values {
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A value that is parsed by its type. Its message tells what is wrong.
    pub(crate) fn parse<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        expected: &str,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let parsed = self.take(name)?.parse();
        if parsed.is_err() {
            errors.add(name, format!("is malformed: expected {expected}"));
        }
        parsed.ok()
    }

    /// How many items on a page, from 1 to the router's limit; core's default, or the router's
    /// limit if that is less, where nothing is said.
    pub(crate) fn limit(&mut self, app: &App, errors: &mut FieldErrors) -> u32 {
        let most = app.limits.page;
        let default = most.min(Limit::DEFAULT.get());
        let Some(given) = self.take("limit") else {
            return default;
        };
        let limit = given.parse::<u32>().ok();
        limit
            .filter(|limit| (1..=most).contains(limit))
            .unwrap_or_else(|| {
                let what = format!("must be a whole number between 1 and {most}");
                errors.add("limit", what);
                default
            })
    }

    /// The names that are left.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

/// The parameters of a request, checked.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: Parameters + Send> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        let values = values(parts.uri.query().unwrap_or_default(), T::NAMES, &mut errors)?;
        let params = T::read(values, app, &mut errors);
        errors.finish()?;
        Ok(Self(params))
    }
}

fn values(
    query: &str,
    known: &[&'static str],
    errors: &mut FieldErrors,
) -> Result<Values, ApiError> {
    if !is_text(query) {
        return Err(ApiError::malformed(
            "The query is not text in UTF-8, percent-encoded.",
        ));
    }
    let mut values = Values::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if errors.is_full() {
            break;
        }
        match known.iter().find(|known| **known == name) {
            None => errors.add(shown(&name), unknown(known.iter().copied())),
            Some(name) => {
                if values.0.insert(name, value.into_owned()).is_some() {
                    errors.add(*name, "is given more than once");
                }
            }
        }
    }
    Ok(values)
}

/// Whether what is percent-encoded is UTF-8: the parser would put U+FFFD for what is not.
pub(crate) fn is_text(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).and_then(|(digits, after)| {
            let text = std::str::from_utf8(digits).ok()?;
            let plain = digits.iter().all(u8::is_ascii_hexdigit);
            let byte = u8::from_str_radix(text, 16).ok().filter(|_| plain)?;
            Some((byte, after))
        });
        let Some((byte, after)) = digits else {
            return false;
        };
        bytes.push(byte);
        rest = after;
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// A route without parameters: any is an error.
#[derive(Debug)]
pub(crate) struct NoParams;

impl FromRequestParts<App> for NoParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        values(parts.uri.query().unwrap_or_default(), &[], &mut errors)?;
        errors.finish()?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Values, ApiError> {
        let mut errors = FieldErrors::default();
        let values = values(query, &["status", "q"], &mut errors)?;
        errors.finish()?;
        Ok(values)
    }

    #[test]
    fn known_parameters_are_decoded() {
        let mut values = read("status=new&q=a+b%20%C3%A9").unwrap();
        assert_eq!(values.names().collect::<Vec<_>>(), ["q", "status"]);
        assert_eq!(values.take("q").as_deref(), Some("a b é"));
        assert_eq!(values.take("q"), None);
    }

    #[test]
    fn every_unknown_or_repeated_parameter_is_named() {
        let refused = read("limt=3&status=a&status=b&x").unwrap_err();
        let fields: Vec<_> = refused.errors().iter().map(|(field, _)| field).collect();
        assert_eq!(
            (fields, refused.status().as_u16()),
            (vec!["limt", "status", "x"], 422)
        );
    }

    #[test]
    fn a_query_of_nothing_but_faults_is_answered_briefly() {
        let unknown: String = (0..4_000).map(|number| format!("&{number}")).collect();
        for query in [unknown, "&q".repeat(4_000)] {
            let refused = read(&query).unwrap_err();
            let problems = refused.errors().iter().map(|(_, problems)| problems.len());
            assert_eq!(problems.sum::<usize>(), FieldErrors::MOST);
        }
    }

    #[test]
    fn what_is_no_text_is_malformed() {
        for query in ["q=%ff", "q=%", "q=%4", "q=%zz", "q=%+1", "%c3=1"] {
            assert_eq!(read(query).unwrap_err().status().as_u16(), 400, "{query}");
        }
    }
}
