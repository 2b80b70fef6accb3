//! The table of routes: each says what it needs, and is guarded accordingly.
//!
//! Method and path come from a handler's annotation, which is also what OpenAPI is made from. So a
//! route cannot be served without a permission, nor documented otherwise than it is served.

use crate::app::App;
use crate::auth::Permission;
use crate::extract::{Credentials, authorize};
use axum::Router;
use axum::http::Method;
use axum::routing::MethodRouter;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

/// A route, as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, with names in braces for what varies.
    pub path: String,
    /// What a caller needs; `None` for routes that everybody may call.
    pub permission: Option<Permission>,
}

/// Routes that share their conventions.
pub(crate) struct Table {
    /// Before every path.
    base: String,
    /// Where the token is.
    credentials: Credentials,
    /// Describes what its routes refuse.
    refusals: Option<Refusals>,
    routes: Vec<Route>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// Adds to the description of a route what it may refuse.
pub(crate) type Refusals = fn(&RouteInfo, &mut Operation);

struct Route {
    info: RouteInfo,
    /// `None` if it is no part of the API.
    operation: Option<Operation>,
    handler: MethodRouter<App>,
}

impl Table {
    pub(crate) fn new(base: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            base: base.into(),
            credentials,
            refusals: None,
            routes: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// Adds to the description of each route what it may refuse because of what it is.
    #[must_use]
    pub(crate) fn refusals(mut self, refusals: Refusals) -> Self {
        self.refusals = Some(refusals);
        self
    }

    /// A route for callers who have this permission.
    #[must_use]
    pub(crate) fn needs(self, permission: Permission, route: UtoipaMethodRouter<App>) -> Self {
        self.add(Some(permission), route)
    }

    /// A route for everybody.
    #[must_use]
    pub(crate) fn open(self, route: UtoipaMethodRouter<App>) -> Self {
        self.add(None, route)
    }

    /// A page to look at, for everybody. It is no part of the API and not described.
    #[cfg(feature = "swagger-ui")]
    #[must_use]
    pub(crate) fn page(mut self, path: &str, handler: MethodRouter<App>) -> Self {
        let info = RouteInfo {
            method: Method::GET,
            path: format!("{}{path}", self.base),
            permission: None,
        };
        self.routes.push(Route {
            info,
            operation: None,
            handler,
        });
        self
    }

    fn add(
        mut self,
        permission: Option<Permission>,
        (schemas, paths, handler): UtoipaMethodRouter<App>,
    ) -> Self {
        self.schemas.extend(schemas);
        for (path, item) in paths.paths {
            for (method, operation) in operations(item) {
                let info = RouteInfo {
                    method,
                    path: format!("{}{path}", self.base),
                    permission,
                };
                self.routes.push(Route {
                    info,
                    operation: Some(operation),
                    handler: handler.clone(),
                });
            }
        }
        self
    }

    pub(crate) fn infos(&self) -> impl Iterator<Item = &RouteInfo> {
        self.routes.iter().map(|route| &route.info)
    }

    /// Adds the routes to a description.
    pub(crate) fn describe(&self, api: &mut OpenApi) {
        for route in &self.routes {
            let Some(mut operation) = route.operation.clone() else {
                continue;
            };
            if let Some(refusals) = self.refusals {
                refusals(&route.info, &mut operation);
            }
            if let Some(permission) = route.info.permission {
                let scheme = self.credentials.scheme();
                let needed = SecurityRequirement::new(scheme, [permission.as_str()]);
                operation.security = Some(vec![needed]);
            }
            let item = PathItem::new(http_method(&route.info.method), operation);
            let known = api.paths.paths.entry(route.info.path.clone()).or_default();
            known.merge_operations(item);
        }
        let components = api.components.get_or_insert_with(Default::default);
        components.schemas.extend(self.schemas.iter().cloned());
    }

    /// The routes, each behind its guard.
    pub(crate) fn into_router(self, app: &App) -> Router<App> {
        let credentials = self.credentials;
        self.routes
            .into_iter()
            .fold(Router::new(), |router, route| {
                let handler = match route.info.permission {
                    Some(permission) => {
                        let state = (app.clone(), credentials, permission);
                        route
                            .handler
                            .route_layer(axum::middleware::from_fn_with_state(state, authorize))
                    }
                    None => route.handler,
                };
                router.route(&route.info.path, handler)
            })
    }
}

/// The operations of a path, each with its method.
pub(crate) fn operations(item: PathItem) -> impl Iterator<Item = (Method, Operation)> {
    [
        (Method::GET, item.get),
        (Method::POST, item.post),
        (Method::PUT, item.put),
        (Method::PATCH, item.patch),
        (Method::DELETE, item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

fn http_method(method: &Method) -> utoipa::openapi::HttpMethod {
    use utoipa::openapi::HttpMethod;
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
