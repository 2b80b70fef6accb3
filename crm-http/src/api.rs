//! Putting it together: [`Api`].

use crate::app::{App, Parts};
use crate::auth::{Authenticator, StoredTokens};
use crate::crowd::Crowd;
use crate::extract::Credentials;
use crate::failures::FailureLimit;
use crate::layers::{self, nothing_here};
use crate::lifecycle::removal::Removals;
use crate::limits::Limits;
#[cfg(feature = "swagger-ui")]
use crate::page;
use crate::rate::RateLimit;
use crate::routes::{RouteInfo, Table};
use crate::seal::{CursorKey, Seal};
use crate::{description, leads, lifecycle, openapi, probes, statuses, tokens};
use axum::Router;
use axum::http::Uri;
use axum::response::IntoResponse as _;
use crm_core::crm::Crm;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa_axum::routes;

/// The REST APIs over a [`Crm`], yet to be made a router.
///
/// The `Crm` must be unrestricted: each caller gets the view that their token allows.
///
/// CORS is off: browsers of other origins are refused. An application that wants it puts
/// tower-http's `CorsLayer` around the router.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::memory::MemoryRepository;
/// use crm_http::{Api, Limits};
///
/// # pollster::block_on(async {
/// let crm = Crm::open(MemoryRepository::new()).await?;
/// let api = Api::new(crm).limits(Limits::default().body_bytes(64 * 1024)).with_probes();
/// let application = axum::Router::new().merge(api.router());
/// # drop(application);
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
pub struct Api {
    crm: Crm,
    authenticator: Arc<dyn Authenticator>,
    tokens: Option<StoredTokens>,
    limits: Limits,
    cursor_key: Option<CursorKey>,
    statuses_at: Option<String>,
    has_probes: bool,
    #[cfg(feature = "swagger-ui")]
    has_page: bool,
}

impl Api {
    /// The leads API and the lifecycle at `/v1/crm`, for callers with [`StoredTokens`].
    #[must_use]
    pub fn new(crm: Crm) -> Self {
        let tokens = StoredTokens::new(&crm);
        Self {
            authenticator: Arc::new(tokens.clone()),
            tokens: Some(tokens),
            crm,
            limits: Limits::default(),
            cursor_key: None,
            statuses_at: None,
            has_probes: false,
            #[cfg(feature = "swagger-ui")]
            has_page: false,
        }
    }

    /// Says who calls by the application's own means. The API of access tokens is then not there.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Arc::new(authenticator);
        self.tokens = None;
        self
    }

    /// Says who calls by these access tokens, such as those with a
    /// [given](StoredTokens::with_given) one.
    #[must_use]
    pub fn tokens(mut self, tokens: StoredTokens) -> Self {
        self.authenticator = Arc::new(tokens.clone());
        self.tokens = Some(tokens);
        self
    }

    /// What one caller may ask for.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Seals cursors with this key instead of the [stored](CursorKey::stored) one.
    #[must_use]
    pub const fn cursor_key(mut self, key: CursorKey) -> Self {
        self.cursor_key = Some(key);
        self
    }

    /// Adds the documented lead statuses API under a base path, `/api` in the document:
    /// `/api/lead_statuses`, `/api/lead_statuses/{id}` and `/api/delete/lead_statuses/{id}`. Its
    /// callers send their token in the header `authtoken`.
    ///
    /// What it edits is the lifecycle that leads go by, the same that `/v1/crm/lead-statuses`
    /// shows in full.
    ///
    /// ```
    /// use crm_core::crm::Crm;
    /// use crm_core::memory::MemoryRepository;
    /// use crm_http::Api;
    ///
    /// # pollster::block_on(async {
    /// let crm = Crm::open(MemoryRepository::new()).await?;
    /// let api = Api::new(crm).statuses_at("/api/");
    /// assert!(api.routes().iter().any(|route| route.path == "/api/lead_statuses"));
    /// # Ok::<(), crm_core::crm::CrmError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn statuses_at(mut self, base: impl AsRef<str>) -> Self {
        let segments = base.as_ref().split('/').filter(|part| !part.is_empty());
        // Literal, whatever the router would make of them.
        let base = segments.map(|part| format!("/{}", part.replace('{', "{{").replace('}', "}}")));
        self.statuses_at = Some(base.collect());
        self
    }

    /// Adds `GET /health`, whether the server lives, and `GET /ready`, whether its storage answers:
    /// for everybody, without a token.
    #[must_use]
    pub const fn with_probes(mut self) -> Self {
        self.has_probes = true;
        self
    }

    /// Adds a page at `/v1/crm/docs` that shows the description and tries the API in a browser: for
    /// everybody, without a token. All of it comes from this router, which its
    /// `Content-Security-Policy` says, too.
    #[cfg(feature = "swagger-ui")]
    #[must_use]
    pub const fn with_page(mut self) -> Self {
        self.has_page = true;
        self
    }

    /// Every route that the router will have, and what it needs.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteInfo> {
        let surfaces = self.surfaces();
        surfaces
            .iter()
            .flat_map(|surface| surface.table.infos().cloned())
            .collect()
    }

    /// The description of the routes in OpenAPI 3.1, as the router serves it at
    /// `/v1/crm/openapi.json`.
    #[must_use]
    pub fn openapi(&self) -> utoipa::openapi::OpenApi {
        let surfaces = self.surfaces();
        openapi::describe(surfaces.iter().map(|surface| &surface.table))
    }

    /// The router.
    pub fn router(self) -> Router {
        let description = self.openapi().to_json().unwrap_or_default();
        let surfaces = self.surfaces();
        // At the root, what is nowhere is of the leads API.
        let statuses_at = self.statuses_at.filter(|base| !base.is_empty());
        let statuses_at = statuses_at.map(|base| base.replace("{{", "{").replace("}}", "}"));
        let clock = Arc::clone(self.crm.clock());
        let at_once = self.limits.requests_at_once.min(Semaphore::MAX_PERMITS);
        let working = Arc::new(Semaphore::new(at_once));
        let app = App::new(Parts {
            crowd: Crowd::new(self.limits.requests_at_once_per_token),
            rate: RateLimit::new(self.limits.requests_per_second, Arc::clone(&clock)),
            failures: FailureLimit::new(self.limits.failures_per_second, clock),
            crm: self.crm,
            authenticator: self.authenticator,
            tokens: self.tokens,
            limits: self.limits,
            removals: Removals::default(),
            seal: Seal::new(self.cursor_key),
            description,
        });
        let router = surfaces.into_iter().fold(Router::new(), |router, surface| {
            let routes = surface.table.into_router(&app);
            let working = if surface.is_apart {
                Arc::new(Semaphore::new(at_once))
            } else {
                Arc::clone(&working)
            };
            router.merge(layers::protect(routes, &app, &working, surface.dialect))
        });
        let nothing = Router::new().fallback(async move |uri: Uri| {
            let error = nothing_here().await;
            if statuses_at.is_some_and(|base| is_under(&base, uri.path())) {
                statuses::spoken(&error)
            } else {
                error.into_response()
            }
        });
        let nothing = layers::protect(nothing, &app, &working, None);
        router.merge(nothing).with_state(app)
    }

    /// The routers, each with its conventions.
    fn surfaces(&self) -> Vec<Surface> {
        let own = Table::new("", Credentials::Bearer).refusals(openapi::add_refusals);
        let own = lifecycle::routes(leads::routes(own));
        let mut own = own.open(routes!(description::openapi_json));
        if self.tokens.is_some() {
            own = tokens::routes(own);
        }
        #[cfg(feature = "swagger-ui")]
        if self.has_page {
            own = page::routes(own);
        }
        let mut surfaces = vec![Surface {
            table: own,
            dialect: None,
            is_apart: false,
        }];
        if self.has_probes {
            let probes = Table::new("", Credentials::Bearer).refusals(openapi::add_refusals);
            surfaces.push(Surface {
                table: probes
                    .open(routes!(probes::health))
                    .open(routes!(probes::ready)),
                dialect: None,
                is_apart: true,
            });
        }
        if let Some(base) = &self.statuses_at {
            let table = Table::new(base, Credentials::AuthToken).refusals(statuses::add_refusals);
            surfaces.push(Surface {
                table: statuses::routes(table),
                dialect: Some(statuses::spoken),
                is_apart: false,
            });
        }
        surfaces
    }
}

fn is_under(base: &str, path: &str) -> bool {
    let rest = path.strip_prefix(base);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Routes with conventions of their own.
struct Surface {
    table: Table,
    dialect: Option<layers::Dialect>,
    /// Answers also when as many other requests are in work as may be.
    is_apart: bool,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("crm", &self.crm)
            .field("authenticator", &self.authenticator)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
