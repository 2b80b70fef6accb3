//! What a caller is told when a request fails: one type, rendered in the conventions of the leads
//! API. Other routers render it in their own.
//!
//! Messages name fields, ids and statuses; never a value that was typed, never what is inside.

use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use crm_core::crm::CrmError;
use crm_core::lead::{Invalid, Problem};
use crm_core::lifecycle::{RefusedRule, TransitionRefused};
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A request that failed: the status, a sentence, and what is wrong with which field.
#[derive(Debug, Clone)]
// Boxed, so that a request that succeeds does not make room for it.
pub(crate) struct ApiError(Box<Failed>);

#[derive(Debug, Clone)]
struct Failed {
    status: StatusCode,
    message: Cow<'static, str>,
    errors: FieldErrors,
    /// Members of the answer beside the documented ones.
    more: Vec<(&'static str, Value)>,
    headers: HeaderMap,
}

/// What is wrong, by field, in the order in which it was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldErrors(Vec<(Cow<'static, str>, Vec<String>)>);

impl FieldErrors {
    /// How many problems are told. What a caller sends decides how many there are, and must decide
    /// neither how long the answer is nor how much work it is to write.
    pub(crate) const MOST: usize = 50;

    /// Notes a problem, unless there are so many already that no further one is told.
    pub(crate) fn add(&mut self, field: impl Into<Cow<'static, str>>, what: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let (field, what) = (field.into(), what.into());
        match self.0.iter_mut().find(|(known, _)| *known == field) {
            Some((_, problems)) => problems.push(what),
            None => self.0.push((field, vec![what])),
        }
    }

    /// Adds everything that core found wrong.
    pub(crate) fn add_all(&mut self, invalid: &Invalid) {
        for problem in invalid.problems() {
            self.add(problem.field().to_owned(), problem.kind().to_string());
        }
    }

    /// Adds what core found wrong with fields that nothing was noted of. One that could not be read
    /// is missing to core, and that would only mislead.
    pub(crate) fn add_others(&mut self, invalid: &Invalid) {
        let known: Vec<String> = self.0.iter().map(|(field, _)| whole(field)).collect();
        for problem in invalid.problems() {
            if !known.contains(&whole(problem.field())) {
                self.add(problem.field().to_owned(), problem.kind().to_string());
            }
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many problems there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, problems)| problems.len()).sum()
    }

    /// Whether no further problem is told, so that nobody need look for one.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= Self::MOST
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(field, what)| (&**field, &**what))
    }

    /// All of it as a refusal, if there is anything.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.is_empty() {
            return Ok(());
        }
        Err(ApiError::unprocessable(self))
    }
}

/// The field that a path begins with: `value` of `value.currency`, `parts` of `parts[0].name`.
fn whole(path: &str) -> String {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    path.get(..end).unwrap_or(path).to_owned()
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, problems) in &self.0 {
            map.serialize_entry(field, problems)?;
        }
        map.end()
    }
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Failed {
            status,
            message: message.into(),
            errors: FieldErrors::default(),
            more: Vec::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 400: what was sent cannot be read.
    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401.
    pub(crate) fn unauthenticated(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 404.
    pub(crate) fn not_found(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 422: what was sent is understood and wrong.
    pub(crate) fn unprocessable(errors: FieldErrors) -> Self {
        let message = if errors.is_full() {
            let most = FieldErrors::MOST;
            format!("The request is invalid: see errors, of which at most {most} are told.").into()
        } else {
            Cow::Borrowed("The request is invalid: see errors.")
        };
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, message);
        error.0.errors = errors;
        error
    }

    /// 422 for one field.
    pub(crate) fn invalid(field: &'static str, what: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, what);
        Self::unprocessable(errors)
    }

    /// 500. What happened is for the log, not for the caller.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server failed. Nothing more can be said here; the request id finds it in the log.",
        )
    }

    /// 503: later it may work.
    pub(crate) fn unavailable(message: &'static str, after_seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .with_header(RETRY_AFTER, HeaderValue::from(after_seconds))
    }

    #[must_use]
    pub(crate) fn with_error(
        mut self,
        field: impl Into<Cow<'static, str>>,
        what: impl Into<String>,
    ) -> Self {
        self.0.errors.add(field, what);
        self
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// One more member of the answer, after the documented ones.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.more.push((name, value.into()));
        self
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) const fn errors(&self) -> &FieldErrors {
        &self.0.errors
    }

    /// The members beside the documented ones.
    pub(crate) fn more(&self) -> &[(&'static str, Value)] {
        &self.0.more
    }

    /// The headers that the answer has whatever its body looks like.
    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

/// `{"result":"error","message":…,"errors":{field:[…]}}`
impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3 + self.0.more.len()))?;
        map.serialize_entry("result", "error")?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("errors", &self.0.errors)?;
        for (name, value) in &self.0.more {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// So that it passes through layers.
impl std::error::Error for ApiError {}

/// The error travels with the response, so that a router with other conventions can write it anew.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json(self.0.status, &self);
        let mut response = (self.0.headers.clone(), body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// An answer in JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let content_type = (axum::http::header::CONTENT_TYPE, "application/json");
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [content_type], bytes).into_response(),
        // Bodies are plain structs with string keys, on which serde_json has no way to fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        let mut errors = FieldErrors::default();
        errors.add_all(&invalid);
        if invalid.problems().iter().any(is_about_the_key) {
            return Self::new(
                StatusCode::BAD_REQUEST,
                "The Idempotency-Key cannot be used.",
            )
            .with_error("Idempotency-Key", "must be 1 to 255 bytes, and not blank");
        }
        Self::unprocessable(errors)
    }
}

fn is_about_the_key(problem: &Problem) -> bool {
    problem.field() == "idempotency_key"
}

impl From<TransitionRefused> for ApiError {
    fn from(refused: TransitionRefused) -> Self {
        let message = sentence(&refused.to_string());
        let mut error = Self::new(StatusCode::CONFLICT, message);
        match refused.rule() {
            RefusedRule::Missing { fields } => {
                for field in fields {
                    let what = format!("is required in status \"{}\"", refused.to());
                    error = error.with_error(field.to_string(), what);
                }
            }
            RefusedRule::ReasonRequired => {
                let what = format!("is required in status \"{}\"", refused.to());
                error = error.with_error("status_reason", what);
            }
            _ => error = error.with_error("status", refused.to_string()),
        }
        let allowed = refused.allowed().iter().map(ToString::to_string);
        let allowed: Vec<String> = allowed.collect();
        error.with("code", refused.code()).with("allowed", allowed)
    }
}

impl From<CrmError> for ApiError {
    fn from(error: CrmError) -> Self {
        match error {
            CrmError::Invalid(invalid) => invalid.into(),
            CrmError::Refused(refused) => refused.into(),
            CrmError::Lifecycle(invalid) => Self::invalid("lifecycle", invalid.to_string()),
            CrmError::NotFound(_) => Self::not_found("There is no such lead."),
            CrmError::Gone(_) => Self::new(StatusCode::GONE, "The lead was deleted."),
            CrmError::Archived(_) => Self::new(
                StatusCode::CONFLICT,
                "The lead is archived: restore it first.",
            ),
            CrmError::Conflict { found, .. } => Self::new(
                StatusCode::CONFLICT,
                "The lead was changed meanwhile: read it again.",
            )
            .with("version", found.get()),
            CrmError::OutOfScope => Self::new(
                StatusCode::FORBIDDEN,
                "This token may only work on the leads of its user.",
            ),
            CrmError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was already used for another request.",
            )
            .with_error("Idempotency-Key", "was already used for another request"),
            CrmError::Repository(error) => error.into(),
            // What this version does not know yet is not the caller's fault.
            _ => Self::internal(),
        }
    }
}

impl From<RepositoryError> for ApiError {
    fn from(error: RepositoryError) -> Self {
        match error.kind() {
            RepositoryErrorKind::InvalidCursor(invalid) => {
                Self::malformed("The cursor cannot be used.")
                    .with_error("cursor", invalid.to_string())
            }
            RepositoryErrorKind::InvalidQuery(invalid) => invalid.clone().into(),
            RepositoryErrorKind::Unavailable => {
                Self::unavailable("The storage is not available at the moment: try again.", 1)
            }
            RepositoryErrorKind::OutcomeUnknown { .. } => Self::unavailable(
                "It is not known whether the change was made: repeat it with the same \
                 Idempotency-Key, or look.",
                1,
            ),
            RepositoryErrorKind::StatusInUse { leads, .. } => {
                Self::new(StatusCode::CONFLICT, sentence(&error.to_string())).with("leads", *leads)
            }
            RepositoryErrorKind::StaleLifecycle { .. }
            | RepositoryErrorKind::DocumentConflict { .. }
            | RepositoryErrorKind::AlreadyExists { .. }
            | RepositoryErrorKind::UnknownStatus { .. } => {
                Self::new(StatusCode::CONFLICT, sentence(&error.to_string()))
            }
            _ => {
                // The kind names what failed and holds nothing that was typed; the source may.
                tracing::error!(error = %error, "the storage failed");
                Self::internal()
            }
        }
    }
}

/// `cannot move …` becomes `Cannot move ….`
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::lead::ProblemKind;

    #[test]
    fn an_error_has_the_documented_members_first_and_fields_in_order() {
        let error = ApiError::invalid("status", "is unknown")
            .with_error("email", "is malformed")
            .with_error("status", "twice")
            .with("allowed", vec!["new".to_owned()]);
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"result":"error","message":"The request is invalid: see errors.","errors":{"status":["is unknown","twice"],"email":["is malformed"]},"allowed":["new"]}"#
        );
    }

    #[test]
    fn an_unavailable_storage_is_503_and_says_when_to_try_again() {
        let error: ApiError = RepositoryError::from(RepositoryErrorKind::Unavailable).into();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn what_is_inside_is_not_told() {
        let kind = RepositoryErrorKind::Corrupt { what: "a lead" };
        let source = std::io::Error::other("/var/lib/secret: john@example.com");
        let error: ApiError = RepositoryError::with_source(kind, source).into();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let told = serde_json::to_string(&error).unwrap();
        assert!(
            !told.contains("secret") && !told.contains("damaged"),
            "{told}"
        );
    }

    #[test]
    fn every_problem_of_an_input_is_told_with_its_field() {
        let invalid = Invalid::one("email", ProblemKind::Missing);
        let error = ApiError::from(invalid);
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let errors: Vec<_> = error.errors().iter().collect();
        assert_eq!(errors, [("email", &["is required".to_owned()][..])]);
    }

    #[test]
    fn no_more_problems_are_told_than_a_person_reads() {
        let mut of_many_fields = FieldErrors::default();
        let mut of_one_field = FieldErrors::default();
        for number in 0..1_000 {
            of_many_fields.add(format!("field_{number}"), "is unknown");
            of_one_field.add("status", "is given more than once");
        }
        for errors in [of_many_fields, of_one_field] {
            let told: usize = errors.iter().map(|(_, problems)| problems.len()).sum();
            assert_eq!(told, FieldErrors::MOST);
            let error = ApiError::unprocessable(errors);
            assert!(error.message().ends_with("at most 50 are told."));
        }
    }

    #[test]
    fn a_message_is_a_sentence() {
        assert_eq!(sentence("a status is in use"), "A status is in use.");
        assert_eq!(sentence("Done."), "Done.");
    }
}
