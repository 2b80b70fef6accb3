//! Bodies in the three formats in which this API is called: JSON, urlencoded and multipart. Each is
//! read as names and texts.

use crate::app::App;
use crate::error::{ApiError, FieldErrors};
use crate::extract::{is_text, object, read_body, shown, unknown};
use axum::body::{Body, Bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;

/// What was sent, by name. An empty body sends nothing.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, Sent)>);

#[derive(Debug)]
enum Sent {
    Text(String),
    Wrong(&'static str),
}

impl FromRequest<App> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, app.limits.body_bytes).await?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        match kind_of(&parts.headers).as_str() {
            "application/json" => json(&bytes),
            "application/x-www-form-urlencoded" => urlencoded(&bytes),
            "multipart/form-data" => {
                let request = Request::from_parts(parts, Body::from(bytes));
                multipart(request).await
            }
            _ => {
                let message = "The body must be application/json, \
                               application/x-www-form-urlencoded or multipart/form-data.";
                Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
            }
        }
    }
}

impl Form {
    /// The texts by name: each known, each once.
    pub(super) fn read(
        self,
        known: &[&'static str],
        errors: &mut FieldErrors,
    ) -> BTreeMap<&'static str, String> {
        let mut texts = BTreeMap::new();
        for (name, sent) in self.0 {
            if errors.is_full() {
                break;
            }
            let Some(name) = known.iter().find(|known| **known == name) else {
                errors.add(shown(&name), unknown(known.iter().copied()));
                continue;
            };
            match sent {
                Sent::Wrong(what) => errors.add(*name, what),
                Sent::Text(text) => {
                    if texts.insert(*name, text).is_some() {
                        errors.add(*name, "is given more than once");
                    }
                }
            }
        }
        texts
    }
}

/// The media type, without its parameters.
fn kind_of(headers: &HeaderMap) -> String {
    let given = headers.get(CONTENT_TYPE);
    let given = given.and_then(|given| given.to_str().ok());
    let kind = given.and_then(|given| given.split(';').next());
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Numbers may be written as such, `true` and `false` mean 1 and 0, and `null` is an empty text.
fn json(bytes: &Bytes) -> Result<Form, ApiError> {
    let mut errors = FieldErrors::default();
    let members = object(bytes, &mut errors)?;
    errors.finish()?;
    let members = members.into_iter().map(|(name, value)| {
        let sent = match value {
            Value::String(text) => Sent::Text(text),
            Value::Number(number) => Sent::Text(number.to_string()),
            Value::Bool(is_set) => Sent::Text(u8::from(is_set).to_string()),
            Value::Null => Sent::Text(String::new()),
            Value::Array(_) | Value::Object(_) => Sent::Wrong("must be a string"),
        };
        (name, sent)
    });
    Ok(Form(members.collect()))
}

fn urlencoded(bytes: &Bytes) -> Result<Form, ApiError> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| is_text(text));
    let Some(text) = text else {
        let message = "The body is not text in UTF-8, percent-encoded.";
        return Err(ApiError::malformed(message));
    };
    let pairs = form_urlencoded::parse(text.as_bytes());
    let pairs = pairs.map(|(name, value)| (name.into_owned(), Sent::Text(value.into_owned())));
    Ok(Form(pairs.collect()))
}

async fn multipart(request: Request) -> Result<Form, ApiError> {
    let malformed = |_: MultipartError| ApiError::malformed("The body is no multipart form.");
    let parts = Multipart::from_request(request, &()).await;
    let mut parts =
        parts.map_err(|_| ApiError::malformed("The multipart form has no boundary."))?;
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(malformed)?;
        let sent = match String::from_utf8(bytes.into()) {
            _ if is_file => Sent::Wrong("must be a text, not a file"),
            Ok(text) => Sent::Text(text),
            Err(_) => Sent::Wrong("must be text in UTF-8"),
        };
        form.0.push((name, sent));
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form) -> Result<Vec<(&'static str, String)>, ApiError> {
        let mut errors = FieldErrors::default();
        let texts = form.read(&["name", "statusorder"], &mut errors);
        errors.finish()?;
        Ok(texts.into_iter().collect())
    }

    fn refused(form: Form) -> Vec<String> {
        let refused = read(form).unwrap_err();
        let fields = refused.errors().iter();
        fields.map(|(field, _)| field.to_owned()).collect()
    }

    fn multipart_of(body: &'static [u8]) -> Result<Form, ApiError> {
        let request = Request::builder()
            .header(CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from(body));
        pollster::block_on(multipart(request.unwrap()))
    }

    #[test]
    fn the_three_formats_say_the_same() {
        let expected = vec![
            ("name", "Käse 1".to_owned()),
            ("statusorder", "3".to_owned()),
        ];
        let from_json = json(&Bytes::from(r#"{"statusorder":3,"name":"Käse 1"}"#)).unwrap();
        assert_eq!(read(from_json).unwrap(), expected);
        let from_form = urlencoded(&Bytes::from("name=K%C3%A4se+1&statusorder=3")).unwrap();
        assert_eq!(read(from_form).unwrap(), expected);
        let body = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nKäse 1\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"statusorder\"\r\n\r\n3\r\n--b--\r\n";
        assert_eq!(
            read(multipart_of(body.as_bytes()).unwrap()).unwrap(),
            expected
        );
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let from_json = json(&Bytes::from(r#"{"name":[],"x":1,"y":{}}"#)).unwrap();
        assert_eq!(refused(from_json), ["name", "x", "y"]);
        let from_form = urlencoded(&Bytes::from("name=a&name=b&=c")).unwrap();
        assert_eq!(refused(from_form), ["name", ""]);
        let file = b"--b\r\nContent-Disposition: form-data; name=\"name\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(refused(multipart_of(file).unwrap()), ["name"]);
        let binary =
            b"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\r\n--b--\r\n";
        assert_eq!(refused(multipart_of(binary).unwrap()), ["name"]);
    }

    #[test]
    fn a_form_of_nothing_but_faults_is_answered_briefly() {
        let unknown: String = (0..20_000).map(|number| format!("&{number}")).collect();
        let form = urlencoded(&Bytes::from(unknown)).unwrap();
        assert_eq!(refused(form).len(), FieldErrors::MOST);
    }

    #[test]
    fn what_cannot_be_read_is_malformed() {
        assert!(json(&Bytes::from("[1]")).is_err());
        assert!(urlencoded(&Bytes::from("name=%ff")).is_err());
        assert!(urlencoded(&Bytes::from_static(b"name=\xff")).is_err());
        for cut in [&b"--b\r\nContent-Disp"[..], b"x", b"--b\r\n\r\nx"] {
            assert_eq!(multipart_of(cut).unwrap_err().status(), 400, "{cut:?}");
        }
    }
}
