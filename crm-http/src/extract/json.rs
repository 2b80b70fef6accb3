//! Bodies in JSON, with an error for every field that is wrong.
//!
//! serde's own messages stop at the first problem and may repeat what was typed, so a body's
//! fields are looked at before serde sees them.

use crate::app::App;
use crate::error::{ApiError, FieldErrors};
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use crm_core::crm::CrmError;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// What a field of a body may hold. JSON `null` may be in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Texts,
    /// An object with `minor_units` and `currency`.
    Money,
    /// An object with any keys.
    Object,
    Integer,
    /// `true` or `false`.
    Flag,
    /// A list of objects with these members.
    Objects(&'static [(&'static str, Kind)]),
}

/// A body that is read from JSON.
pub(crate) trait Body: DeserializeOwned + Send {
    /// Every field it may have.
    const FIELDS: &'static [(&'static str, Kind)];
}

/// A body, checked field by field.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: Body> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        parse(&read_json(request, app).await?).map(Self)
    }
}

/// A body that core looks at, too, so that what is wrong with its form and with what it says is
/// told at once.
#[derive(Debug)]
pub(crate) struct Typed<T> {
    /// The fields whose form is right.
    readable: T,
    errors: FieldErrors,
}

impl<T: Body> FromRequest<App> for Typed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        Self::parse(&read_json(request, app).await?)
    }
}

impl<T: Body> Typed<T> {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let (members, errors) = members::<T>(bytes)?;
        if errors.is_full() {
            return Err(ApiError::unprocessable(errors));
        }
        let readable = from_members(members)?;
        Ok(Self { readable, errors })
    }

    /// The body, if nothing is wrong with its form. Else everything that is wrong with it: `check`
    /// says what core finds in the rest.
    pub(crate) async fn checked<F: Future<Output = Result<(), CrmError>>>(
        self,
        check: impl FnOnce(T) -> F,
    ) -> Result<T, ApiError> {
        let mut errors = self.errors;
        if errors.is_empty() {
            return Ok(self.readable);
        }
        if let Err(CrmError::Invalid(invalid)) = check(self.readable).await {
            errors.add_others(&invalid);
        }
        Err(ApiError::unprocessable(errors))
    }
}

async fn read_json(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    must_be_json(&parts.headers)?;
    read_body(&parts.headers, body, app.limits.body_bytes).await
}

/// The bytes of a body, up to a limit.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: HttpBody,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("The body is too large: at most {limit} bytes.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if headers.contains_key(CONTENT_ENCODING) {
        let message = "The body must be sent without a Content-Encoding.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::malformed(
            "The body could not be read to its end.",
        )),
    }
}

fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|given| given.to_str().ok());
    let is_json = given.is_some_and(|given| {
        let mut parts = given.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_utf8 = |parameter: &str| {
            let parameter = parameter.to_ascii_lowercase();
            parameter
                .strip_prefix("charset=")
                .is_none_or(|set| set.trim_matches('"') == "utf-8")
        };
        let is_json = kind == "application/json"
            || (kind.starts_with("application/") && kind.ends_with("+json"));
        is_json && parts.all(is_utf8)
    });
    if is_json {
        return Ok(());
    }
    let message = "The body must be JSON in UTF-8, with Content-Type: application/json.";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

fn parse<T: Body>(bytes: &[u8]) -> Result<T, ApiError> {
    let (members, errors) = members::<T>(bytes)?;
    errors.finish()?;
    from_members(members)
}

/// The members of a body that have the form of one of its fields, and what is wrong with the
/// others.
fn members<T: Body>(bytes: &[u8]) -> Result<(Map<String, Value>, FieldErrors), ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::malformed(
            "The body is empty: a JSON object is required.",
        ));
    }
    let mut errors = FieldErrors::default();
    let mut members = object(bytes, &mut errors)?;
    members.retain(|name, value| {
        if errors.is_full() {
            return false;
        }
        let before = errors.len();
        match T::FIELDS.iter().find(|(known, _)| known == name) {
            Some((known, kind)) => check(known, *kind, value, &mut errors),
            None => errors.add(
                shown(name),
                unknown(T::FIELDS.iter().map(|(known, _)| *known)),
            ),
        }
        errors.len() == before
    });
    Ok((members, errors))
}

fn from_members<T: Body>(members: Map<String, Value>) -> Result<T, ApiError> {
    // Everything that serde looks at was looked at before.
    serde_json::from_value(Value::Object(members))
        .map_err(|_| ApiError::malformed("The body does not have the documented form."))
}

/// The members of a JSON object. Those that are there twice are noted.
pub(crate) fn object(
    bytes: &[u8],
    errors: &mut FieldErrors,
) -> Result<Map<String, Value>, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let members = deserializer
        .deserialize_map(MembersVisitor)
        .and_then(|members| deserializer.end().map(|()| members));
    let members = members.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        // Nothing of serde's text: it may repeat what was typed.
        ApiError::malformed(format!("The body is not a JSON object: see {place}."))
    })?;
    for name in &members.twice {
        errors.add(shown(name), "is given more than once");
    }
    Ok(members.all)
}

/// What is said of a name that nobody knows.
pub(crate) fn unknown<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        return "is unknown: none is allowed here".to_owned();
    }
    format!("is unknown: must be one of {}", known.join(", "))
}

/// A name that the caller made up, short enough to be repeated.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 64;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let short: String = name.chars().take(LONGEST).collect();
    format!("{short}…")
}

fn check(name: &str, kind: Kind, value: &Value, errors: &mut FieldErrors) {
    if value.is_null() {
        return;
    }
    let are_texts = |all: &Vec<Value>| all.iter().all(Value::is_string);
    let (is_right, what) = match kind {
        Kind::Text => (value.is_string(), "must be a string"),
        Kind::Object => (value.is_object(), "must be an object"),
        Kind::Texts => (
            value.as_array().is_some_and(are_texts),
            "must be a list of strings",
        ),
        Kind::Integer => (value.is_i64(), "must be a whole number"),
        Kind::Flag => (value.is_boolean(), "must be true or false"),
        Kind::Money => return check_money(name, value, errors),
        Kind::Objects(fields) => return check_objects(name, fields, value, errors),
    };
    if !is_right {
        errors.add(name.to_owned(), what);
    }
}

fn check_objects(
    name: &str,
    fields: &'static [(&'static str, Kind)],
    value: &Value,
    errors: &mut FieldErrors,
) {
    let Some(objects) = value.as_array() else {
        errors.add(name.to_owned(), "must be a list of objects");
        return;
    };
    for (index, object) in objects.iter().enumerate() {
        if errors.is_full() {
            return;
        }
        let Some(members) = object.as_object() else {
            errors.add(format!("{name}[{index}]"), "must be an object");
            continue;
        };
        for (member, value) in members {
            if errors.is_full() {
                return;
            }
            let path = format!("{name}[{index}].{}", shown(member));
            match fields.iter().find(|(known, _)| known == member) {
                Some((_, kind)) => check(&path, *kind, value, errors),
                None => errors.add(path, unknown(fields.iter().map(|(known, _)| *known))),
            }
        }
    }
}

fn check_money(name: &str, value: &Value, errors: &mut FieldErrors) {
    let Some(members) = value.as_object() else {
        errors.add(
            name.to_owned(),
            "must be an object with minor_units and currency",
        );
        return;
    };
    for member in members.keys() {
        if errors.is_full() {
            return;
        }
        if !matches!(member.as_str(), "minor_units" | "currency") {
            let known = ["minor_units", "currency"].into_iter();
            errors.add(format!("{name}.{}", shown(member)), unknown(known));
        }
    }
    if !members.get("minor_units").is_some_and(Value::is_i64) {
        errors.add(format!("{name}.minor_units"), "must be a whole number");
    }
    if !members.get("currency").is_some_and(Value::is_string) {
        errors.add(format!("{name}.currency"), "must be a string");
    }
}

/// The members of an object, and which of them were there twice, as far as these are told.
struct Members {
    all: Map<String, Value>,
    twice: Vec<String>,
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members {
            all: Map::new(),
            twice: Vec::new(),
        };
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            let is_told =
                || members.twice.len() >= FieldErrors::MOST || members.twice.contains(&name);
            if members.all.contains_key(&name) && !is_told() {
                members.twice.push(name);
            } else {
                members.all.insert(name, value);
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Nested {}

    impl Body for Nested {
        const FIELDS: &'static [(&'static str, Kind)] = &[
            ("parts", Kind::Objects(&[("name", Kind::Text)])),
            ("value", Kind::Money),
        ];
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        tags: Option<Vec<String>>,
    }

    impl Body for Sample {
        const FIELDS: &'static [(&'static str, Kind)] = &[
            ("name", Kind::Text),
            ("tags", Kind::Texts),
            ("value", Kind::Money),
        ];
    }

    fn refused(body: &str) -> ApiError {
        parse::<Sample>(body.as_bytes()).unwrap_err()
    }

    fn told(body: &str) -> String {
        serde_json::to_string(&refused(body)).unwrap()
    }

    #[test]
    fn every_unknown_repeated_or_wrong_field_is_named_at_once() {
        let body = r#"{"name":1,"tags":["a",2],"value":{"minor_units":1.5,"cents":1},"x":1,"y":2,"name":3}"#;
        let errors = refused(body);
        let fields: Vec<_> = errors.errors().iter().map(|(field, _)| field).collect();
        let expected = [
            "name",
            "tags",
            "value.cents",
            "value.minor_units",
            "value.currency",
            "x",
            "y",
        ];
        assert_eq!(errors.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_was_typed_is_not_repeated() {
        for body in [
            r#"{"name":"john@example.com"#,
            r#"["john@example.com"]"#,
            r#""john@example.com""#,
            r#"{"tags":"john@example.com"}"#,
            r#"{"name":"x"} john@example.com"#,
        ] {
            assert!(!told(body).contains("john"), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_malformed() {
        let deep = format!("{{\"name\":{}", "[".repeat(100_000));
        let bodies = [
            "",
            " ",
            "{",
            "null",
            "1",
            "[]",
            "\"x\"",
            "{}{}",
            "{\"a\":1e999}",
            &deep,
        ];
        for body in bodies {
            assert_eq!(
                refused(body).status(),
                StatusCode::BAD_REQUEST,
                "{body:.20}"
            );
        }
        assert_eq!(
            parse::<Sample>(b"{\"name\":\"\xff\"}")
                .unwrap_err()
                .status(),
            400
        );
        assert_eq!(
            parse::<Sample>(br#"{"name":"\ud800"}"#)
                .unwrap_err()
                .status(),
            400
        );
    }

    #[test]
    fn null_is_nothing() {
        let sample: Sample = parse(br#"{"name":null,"tags":null}"#).unwrap();
        assert_eq!(
            sample,
            Sample {
                name: None,
                tags: None
            }
        );
    }

    #[test]
    fn a_body_of_nothing_but_faults_is_answered_briefly() {
        let unknown: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":1")).collect();
        let unknown = unknown.join(",");
        let objects = vec!["1"; 20_000].join(",");
        for body in [
            format!("{{{unknown}}}"),
            format!("{{{unknown},{unknown}}}"),
            format!(r#"{{"parts":[{{{unknown}}}]}}"#),
            format!(r#"{{"parts":[{objects}]}}"#),
            format!(r#"{{"value":{{{unknown}}}}}"#),
        ] {
            let refused = parse::<Nested>(body.as_bytes()).unwrap_err();
            assert_eq!(refused.errors().iter().count(), FieldErrors::MOST);
            let told = serde_json::to_string(&refused).unwrap();
            assert!(told.len() < 10_000, "{} bytes", told.len());
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let body = format!("{{\"{}\":1}}", "k".repeat(10_000));
        assert!(told(&body).len() < 500);
    }
}
