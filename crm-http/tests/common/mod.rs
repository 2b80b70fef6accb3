//! A server on a real socket, over each storage, and a client to call it with.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

pub(crate) mod gated;
pub(crate) mod postgres;

use crm_core::crm::Crm;
use crm_core::lead::{TenantId, UserId};
use crm_core::lifecycle::Lifecycle;
use crm_core::memory::MemoryRepository;
use crm_core::repository::Repository;
use crm_core::testing::ManualClock;
use crm_http::auth::{NewToken, Permission, StoredTokens};
use crm_http::{Api, Limits, serve};
use crm_store_sqlx::SqliteRepository;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::any::Any;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// When tests begin.
pub(crate) const NOW: &str = "2026-01-15T10:30:00Z";

/// A running server and everything to call it with.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) crm: Crm,
    pub(crate) tokens: StoredTokens,
    pub(crate) clock: ManualClock,
    pub(crate) client: Client,
    /// An administrator's token of the default tenant.
    pub(crate) token: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    /// Ends when the server has.
    pub(crate) served: Option<tokio::task::JoinHandle<()>>,
    /// What must live as long as the server: a directory, a schema.
    _kept: Vec<Box<dyn Any + Send>>,
}

/// A server to be started.
pub(crate) struct Plan {
    repository: Arc<dyn Repository>,
    lifecycle: Lifecycle,
    limits: Limits,
    api: Box<dyn FnOnce(Api) -> Api>,
    kept: Vec<Box<dyn Any + Send>>,
}

impl Plan {
    pub(crate) fn on(repository: impl Repository) -> Self {
        Self {
            repository: Arc::new(repository),
            lifecycle: Lifecycle::standard(),
            // The clock stands still, so whoever failed would never be heard again.
            limits: Limits::default().failures_per_second(None),
            api: Box::new(|api| api),
            kept: Vec::new(),
        }
    }

    pub(crate) fn memory() -> Self {
        Self::on(MemoryRepository::new())
    }

    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db");
        let repository = SqliteRepository::open(path.to_str().unwrap())
            .await
            .unwrap();
        Self::on(repository).keep(directory)
    }

    /// `None` if there is no server to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        let schema = postgres::Schema::new().await?;
        let repository = schema.open().await;
        Some(Self::on(repository).keep(schema))
    }

    pub(crate) fn keep(mut self, kept: impl Any + Send) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    pub(crate) fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn api(mut self, api: impl FnOnce(Api) -> Api + 'static) -> Self {
        self.api = Box::new(api);
        self
    }

    pub(crate) async fn start(self) -> Site {
        let clock = ManualClock::at(NOW.parse().unwrap());
        let crm = Crm::builder(self.repository)
            .lifecycle(self.lifecycle)
            .clock(clock.clone())
            .open()
            .await
            .unwrap();
        let tokens = StoredTokens::new(&crm);
        let api = Api::new(crm.clone())
            .tokens(tokens.clone())
            .limits(self.limits.clone())
            .statuses_at("/api")
            .with_probes();
        let router = (self.api)(api).router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let limits = self.limits;
        let served = tokio::spawn(async move {
            let until = async { drop(stopped.await) };
            serve(listener, router, &limits, until).await.unwrap();
        });
        let mut site = Site {
            url,
            crm,
            tokens,
            clock,
            client: Client::new(),
            token: String::new(),
            stop: Some(stop),
            served: Some(served),
            _kept: self.kept,
        };
        site.token = site.token_of("default", "admin", &Permission::ALL).await;
        site
    }
}

impl Site {
    pub(crate) async fn memory() -> Self {
        Plan::memory().start().await
    }

    /// A request of the administrator with a body in JSON.
    pub(crate) fn request_json(&self, method: &str, path: &str, body: &Value) -> RequestBuilder {
        with_json(self.request(method, path), body)
    }

    /// A new token.
    pub(crate) async fn token_of(
        &self,
        tenant: &str,
        user: &str,
        permissions: &[Permission],
    ) -> String {
        let new = NewToken::new(user.parse::<UserId>().unwrap());
        let new = permissions.iter().copied().fold(new, NewToken::allow);
        let tenant: TenantId = tenant.parse().unwrap();
        self.tokens.create(&tenant, new).await.unwrap().token
    }

    /// A new token for which only the user's own leads exist.
    pub(crate) async fn own_leads_token(&self, user: &str) -> String {
        let new = NewToken::new(user.parse().unwrap())
            .allow_all()
            .own_leads_only();
        let created = self.tokens.create(&TenantId::DEFAULT, new).await;
        created.unwrap().token
    }

    /// A request of the administrator.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.request_by(&self.token, method, path)
    }

    pub(crate) fn request_by(&self, token: &str, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path)).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = self.request(method, path);
        let json = request.header("content-type", "application/json");
        Answer::of(json.body(body.to_owned())).await
    }

    /// A lead that was created, by its id.
    pub(crate) async fn lead(&self, body: &str) -> String {
        let answer = self.send("POST", "/v1/crm/leads", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["lead_id"].as_str().unwrap().to_owned()
    }

    /// John Doe, as the document creates him.
    pub(crate) async fn john(&self) -> String {
        let body = r#"{"first_name":"John","last_name":"Doe","email":"john@example.com"}"#;
        self.lead(body).await
    }
}

pub(crate) fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// Null if the body is no JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status: status.as_u16(),
            headers,
            text,
            json,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The fields and parameters that something is wrong with, in alphabetical order.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_object();
        errors.map_or(Vec::new(), |errors| {
            errors.keys().map(String::as_str).collect()
        })
    }

    /// A refusal in the conventions of the leads API.
    pub(crate) fn must_be_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(StatusCode::from_u16(status).unwrap().as_u16() >= 400);
        assert!(
            self.text.starts_with(r#"{"result":"error","message":""#),
            "{}",
            self.text
        );
        assert!(self.json["errors"].is_object(), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
    }
}

/// Makes of each case a test on every storage.
#[macro_export]
macro_rules! on_every_storage {
    ($($case:ident)*) => {
        mod on_memory {
            $(#[tokio::test] async fn $case() {
                super::$case(&$crate::common::Plan::memory().start().await).await;
            })*
        }
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
                super::$case(&$crate::common::Plan::sqlite().await.start().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
                let Some(plan) = $crate::common::Plan::postgres().await else { return };
                super::$case(&plan.start().await).await;
            })*
        }
    };
}
