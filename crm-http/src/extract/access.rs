//! Who calls: the guard in front of a route, and what it leaves for the handler.

use crate::app::App;
use crate::auth::{Permission, Principal};
use crate::error::ApiError;
use crate::failures::peer;
use crate::tasks::Tasks;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use crm_core::crm::Crm;
use std::time::Duration;

/// Where the token is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// `Authorization: Bearer <token>`
    Bearer,
    /// `authtoken: <token>`
    AuthToken,
}

impl Credentials {
    /// Its name among OpenAPI's security schemes.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::AuthToken => "authtoken",
        }
    }

    /// The token. One that is there twice is none: which one counts would be a guess.
    fn find(self, headers: &HeaderMap) -> Option<&str> {
        let name = match self {
            Self::Bearer => AUTHORIZATION.as_str(),
            Self::AuthToken => "authtoken",
        };
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let value = value.to_str().ok()?;
        let token = match self {
            Self::Bearer => {
                let (scheme, token) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then_some(token)?
            }
            Self::AuthToken => value,
        };
        let token = token.trim();
        (!token.is_empty()).then_some(token)
    }

    fn refuse(self, message: &'static str) -> ApiError {
        let error = ApiError::unauthenticated(message);
        match self {
            Self::Bearer => error.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::AuthToken => error,
        }
    }
}

/// Lets a request through to its handler if its token may.
pub(crate) async fn authorize(
    State((app, credentials, permission)): State<(App, Credentials, Permission)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(token) = credentials.find(request.headers()) else {
        return Err(credentials.refuse("An access token is required."));
    };
    let peer = peer(request.extensions());
    if let Err(wait) = app.failures.check(peer) {
        let message = "Too many unknown access tokens came from there: wait before the next one.";
        return Err(too_many(message, wait));
    }
    let principal = match app.authenticator.authenticate(token).await {
        Ok(Some(principal)) => principal,
        Ok(None) => {
            app.failures.count(peer);
            return Err(credentials.refuse("The access token is unknown, expired or revoked."));
        }
        Err(error) => {
            tracing::error!(error = %error, "authentication failed");
            let message = "Access tokens cannot be checked at the moment: try again.";
            return Err(ApiError::unavailable(message, 1));
        }
    };
    if let Err(wait) = app.rate.check(token) {
        return Err(too_many(
            "Too many requests: wait before the next one.",
            wait,
        ));
    }
    let Some(_inside) = app.crowd.enter(token) else {
        let message = "Too many requests of this access token at once: wait for an answer.";
        return Err(too_many(message, Duration::from_secs(1)));
    };
    if !principal.may(permission) {
        let message = format!(
            "This needs the permission \"{permission}\", which the access token does not have."
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let caller = Caller {
        crm: principal.view(&app.crm),
        principal,
        tasks: Tasks::of(request.extensions()),
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn too_many(message: &'static str, wait: Duration) -> ApiError {
    let part = u64::from(wait.subsec_nanos() > 0);
    let seconds = HeaderValue::from(wait.as_secs().saturating_add(part));
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, message).with_header(RETRY_AFTER, seconds)
}

/// Who calls, and the leads as they see them.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) crm: Crm,
    pub(crate) principal: Principal,
    /// Where what goes on after the answer is begun.
    pub(crate) tasks: Tasks,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        // Missing only if a route has no guard, which the table does not allow.
        parts.extensions.remove().ok_or_else(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(credentials: Credentials, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        credentials.find(&map).map(ToOwned::to_owned)
    }

    #[test]
    fn a_token_is_found_in_its_header_only() {
        let bearer = |headers: &[_]| found(Credentials::Bearer, headers);
        assert_eq!(
            bearer(&[("authorization", "Bearer abc")]).as_deref(),
            Some("abc")
        );
        assert_eq!(
            bearer(&[("authorization", "bearer  abc ")]).as_deref(),
            Some("abc")
        );
        assert_eq!(bearer(&[("authorization", "Basic abc")]), None);
        assert_eq!(bearer(&[("authorization", "Bearer ")]), None);
        assert_eq!(bearer(&[("authorization", "abc")]), None);
        assert_eq!(bearer(&[("authtoken", "abc")]), None);
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        assert_eq!(bearer(&twice), None);
        let own = |headers: &[_]| found(Credentials::AuthToken, headers);
        assert_eq!(own(&[("authtoken", "abc")]).as_deref(), Some("abc"));
        assert_eq!(own(&[("authorization", "Bearer abc")]), None);
    }
}
