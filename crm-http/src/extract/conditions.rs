//! Headers that say when a write may happen: `If-Match` and `Idempotency-Key`.

use crate::app::App;
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use crm_core::crm::{Crm, CrmError};
use crm_core::lead::{LeadId, Version};
use std::sync::Arc;

/// When a write may happen, and what makes it happen once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// The versions that `If-Match` names; `None` if there is no such header, or it says `*`.
    if_match: Option<Vec<Version>>,
    key: Option<Arc<str>>,
    /// The versions that `If-None-Match` names.
    if_none_match: Vec<Version>,
}

impl FromRequestParts<App> for Conditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

impl Conditions {
    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let if_match = if headers.contains_key(IF_MATCH) {
            tags(headers, IF_MATCH.as_str(), Comparison::Strong)
        } else {
            None
        };
        let if_none_match = tags(headers, IF_NONE_MATCH.as_str(), Comparison::Weak);
        let mut keys = headers.get_all("idempotency-key").iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) => match key.to_str() {
                Ok(key) => Some(Arc::from(key)),
                Err(_) => return Err(bad_key("must be printable ASCII")),
            },
            (Some(_), Some(_)) => return Err(bad_key("is given more than once")),
        };
        Ok(Self {
            if_match,
            key,
            if_none_match: if_none_match.unwrap_or_default(),
        })
    }

    /// A handle whose write of this lead happens under these conditions.
    pub(crate) async fn on(&self, crm: &Crm, lead: LeadId) -> Result<Crm, ApiError> {
        let crm = self.once(crm);
        match self.if_match.as_deref() {
            None => Ok(crm),
            Some([version]) => Ok(crm.if_version(*version)),
            // One of several: the one that the lead is at, if any. If none is, core refuses the
            // first, unless the write was made already under this key.
            Some([first, rest @ ..]) => {
                let found = match crm.get(lead).await {
                    Ok(lead) => Some(lead.version),
                    Err(error) if self.key.is_none() => return Err(error.into()),
                    Err(_) => None,
                };
                let version = found.filter(|found| rest.contains(found));
                Ok(crm.if_version(version.unwrap_or(*first)))
            }
            Some([]) => Err(Self::failed(crm.get(lead).await?.version)),
        }
    }

    /// Refuses a lifecycle at another version than the caller means.
    pub(crate) fn must_be_at(&self, found: Version) -> Result<(), ApiError> {
        match &self.if_match {
            Some(versions) if !versions.contains(&found) => {
                let message =
                    "The lifecycle is not at the version that If-Match names: read it again.";
                Err(ApiError::new(StatusCode::PRECONDITION_FAILED, message)
                    .with("version", found.get()))
            }
            _ => Ok(()),
        }
    }

    /// A handle whose write happens once.
    pub(crate) fn once(&self, crm: &Crm) -> Crm {
        match &self.key {
            Some(key) => crm.with_idempotency_key(Arc::clone(key)),
            None => crm.clone(),
        }
    }

    /// What a caller is told of an error of a write under these conditions.
    pub(crate) fn explain(&self, error: CrmError) -> ApiError {
        match error {
            CrmError::Conflict { found, .. } if self.if_match.is_some() => Self::failed(found),
            error => error.into(),
        }
    }

    /// Whether the caller has this version already.
    pub(crate) fn has(&self, version: Version) -> bool {
        self.if_none_match.contains(&version)
    }

    fn failed(found: Version) -> ApiError {
        let message = "The lead is not at the version that If-Match names: read it again.";
        ApiError::new(StatusCode::PRECONDITION_FAILED, message).with("version", found.get())
    }
}

fn bad_key(what: &str) -> ApiError {
    ApiError::malformed("The Idempotency-Key cannot be used.").with_error("Idempotency-Key", what)
}

/// The tag of a version of a lead.
pub(crate) fn entity_tag(version: Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag matches nothing.
    Strong,
    /// A weak tag matches like any other.
    Weak,
}

/// The versions that a header names; `None` if it says `*`. Tags that are not ours match nothing,
/// and so are left out.
fn tags(headers: &HeaderMap, name: &str, comparison: Comparison) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    for value in headers.get_all(name) {
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return None;
            }
            let tag = match (tag.strip_prefix("W/"), comparison) {
                (Some(_), Comparison::Strong) => continue,
                (Some(weak), Comparison::Weak) => weak,
                (None, _) => tag,
            };
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let is_plain = |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number
                .filter(is_plain)
                .and_then(|number| number.parse().ok());
            versions.extend(number.map(Version::new));
        }
    }
    Some(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Conditions {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Conditions::read(&map).unwrap()
    }

    #[test]
    fn if_match_names_versions() {
        let named = |value| read(&[("if-match", value)]).if_match;
        assert_eq!(named("\"3\""), Some(vec![Version::new(3)]));
        assert_eq!(
            named("\"3\", \"5\""),
            Some(vec![Version::new(3), Version::new(5)])
        );
        assert_eq!(named("*"), None);
        assert_eq!(read(&[]).if_match, None);
        for nothing in ["W/\"3\"", "3", "\"x\"", "\"+3\"", ""] {
            assert_eq!(named(nothing), Some(vec![]), "{nothing}");
        }
    }

    #[test]
    fn if_none_match_knows_weak_tags() {
        let known = read(&[("if-none-match", "W/\"3\"")]);
        assert!(known.has(Version::new(3)) && !known.has(Version::new(4)));
    }

    #[test]
    fn a_key_is_there_once() {
        let mut map = HeaderMap::new();
        map.append("idempotency-key", HeaderValue::from_static("a"));
        assert_eq!(Conditions::read(&map).unwrap().key.as_deref(), Some("a"));
        map.append("idempotency-key", HeaderValue::from_static("b"));
        assert!(Conditions::read(&map).is_err());
    }

    #[test]
    fn the_tag_of_a_version_names_it() {
        assert_eq!(entity_tag(Version::new(7)), "\"7\"");
    }
}
