//! What is in front of every route: limits, request ids, spans, and a net for panics.

use crate::app::App;
use crate::error::ApiError;
use axum::body::Bytes;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use crm_core::uuid::Builder;
use crm_core::uuid::fmt::Hyphenated;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower::filter::FilterLayer;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower_http::body::UnsyncBoxBody;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

/// How errors are written: each router has its conventions.
pub(crate) type Dialect = fn(&ApiError) -> Response;

/// Puts everything in front of a router's routes.
///
/// `dialect` writes errors anew, those of the layers included, if the router's conventions are not
/// those of the leads API. `working` is shared by all routers of an API.
pub(crate) fn protect(
    router: Router<App>,
    app: &App,
    working: &Arc<Semaphore>,
    dialect: Option<Dialect>,
) -> Router<App> {
    let nosniff = HeaderValue::from_static("nosniff");
    let no_store = HeaderValue::from_static("no-store");
    let layers = ServiceBuilder::new()
        .map_request(without_foreign_id)
        .layer(SetRequestIdLayer::x_request_id(RandomId))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(respond)
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            no_store,
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            X_CONTENT_TYPE_OPTIONS,
            nosniff,
        ))
        .map_response(
            move |response: HttpResponse<UnsyncBoxBody<Bytes, BoxError>>| {
                spoken(response.into_response(), dialect)
            },
        )
        .layer(CatchPanicLayer::custom(panicked))
        .layer(HandleErrorLayer::new(told))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(
            working,
        )))
        .layer(TimeoutLayer::new(app.limits.timeout))
        .layer(FilterLayer::new(within_limits(app.clone())));
    router
        .method_not_allowed_fallback(wrong_method)
        .layer(layers)
}

/// What is answered where there is nothing.
pub(crate) async fn nothing_here() -> ApiError {
    ApiError::not_found("There is nothing here.")
}

async fn wrong_method() -> ApiError {
    let message = "This method is not allowed here: see the header Allow.";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Refuses what is too long before anything looks at it.
fn within_limits(app: App) -> impl Fn(Request) -> Result<Request, ApiError> + Clone {
    move |request| {
        let limits = &app.limits;
        let url = request.uri().path_and_query();
        if url.map_or(0, |url| url.as_str().len()) > limits.url_bytes {
            let most = limits.url_bytes;
            let message = format!("The URL is too long: at most {most} bytes.");
            return Err(ApiError::new(StatusCode::URI_TOO_LONG, message));
        }
        let lengths = request.headers().iter();
        let headers: usize = lengths
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if headers > limits.header_bytes {
            let most = limits.header_bytes;
            let message = format!("The headers are too long: at most {most} bytes together.");
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(ApiError::new(status, message));
        }
        Ok(request)
    }
}

/// Ids that only have to differ: they are not secret, and the system need not be asked for them.
#[derive(Debug, Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let bytes = fastrand::u128(..).to_ne_bytes();
        let id = Builder::from_random_bytes(bytes).into_uuid();
        let mut text = [0; Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).ok().map(RequestId::new)
    }
}

/// An id that came along is kept if it is one: it goes to the log.
fn without_foreign_id<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    const LONGEST: usize = 64;
    let name = HeaderName::from_static("x-request-id");
    let is_id = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !bytes.is_empty() && bytes.len() <= LONGEST && bytes.iter().all(plain)
    };
    if request
        .headers()
        .get(&name)
        .is_some_and(|value| !is_id(value))
    {
        request.headers_mut().remove(&name);
    }
    request
}

/// Method, route and request id: no query and no ids of leads, which may tell of people.
fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let id = request.extensions().get::<RequestId>();
    let id = id
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), route, id)
}

fn respond<B>(response: &HttpResponse<B>, took: Duration, _: &tracing::Span) {
    let (status, micros) = (response.status().as_u16(), took.as_micros());
    tracing::debug!(status, micros, "answered");
}

/// The response in the router's conventions.
fn spoken(mut response: Response, dialect: Option<Dialect>) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    let Some(dialect) = dialect else {
        return response;
    };
    let mut anew = dialect(&error);
    let headers: &HeaderMap = response.headers();
    // What the router added, such as Allow, stays; what describes the old body does not.
    for (name, value) in headers {
        if !anew.headers().contains_key(name) && *name != axum::http::header::CONTENT_LENGTH {
            anew.headers_mut().append(name, value.clone());
        }
    }
    anew
}

/// The panic's message is for the log: it may hold anything.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::internal().into_response()
}

/// What a caller is told of an error of the layers.
async fn told(error: BoxError) -> ApiError {
    let error = match error.downcast::<ApiError>() {
        Ok(refused) => return *refused,
        Err(error) => error,
    };
    if error.is::<tower::timeout::error::Elapsed>() {
        return ApiError::unavailable(
            "The request took too long. A write was made or not: repeat it with the same \
             Idempotency-Key, or look.",
            1,
        );
    }
    ApiError::unavailable("Too many requests at once: try again.", 1)
}
