//! Crowds, hurry, panics, callers who leave, and the end of the server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use async_trait::async_trait;
use common::{Answer, Plan, Site};
use crm_core::chrono::TimeDelta;
use crm_core::lead::TenantId;
use crm_core::query::LeadQuery;
use crm_core::repository::HistoryQuery;
use crm_http::Limits;
use crm_http::auth::{AuthenticationError, Authenticator, Principal};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

/// Says who calls only when it is let.
#[derive(Debug, Clone)]
struct Gate {
    reached: Arc<Notify>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn shut() -> Self {
        Self {
            reached: Arc::default(),
            open: Arc::new(Semaphore::new(0)),
        }
    }
}

#[async_trait]
impl Authenticator for Gate {
    async fn authenticate(&self, token: &str) -> Result<Option<Principal>, AuthenticationError> {
        assert_ne!(token, "panic", "john@example.com");
        if token != "quick" {
            self.reached.notify_one();
            self.open.acquire().await.unwrap().forget();
        }
        Ok(Some(
            Principal::new(TenantId::DEFAULT, "u".parse().unwrap()).allow_all(),
        ))
    }
}

async fn gated(gate: &Gate, limits: Limits) -> Site {
    let gate = gate.clone();
    Plan::memory()
        .limits(limits)
        .api(|api| api.authenticator(gate))
        .start()
        .await
}

fn call(site: &Site, token: &str) -> impl Future<Output = Answer> + Send + 'static {
    Answer::of(site.request_by(token, "GET", "/v1/crm/leads"))
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_refused_not_kept_waiting() {
    let gate = Gate::shut();
    let site = gated(&gate, Limits::default().requests_at_once(1)).await;
    let slow = tokio::spawn(call(&site, "slow"));
    gate.reached.notified().await;
    let refused = call(&site, "quick").await;
    refused.must_be_refused(503);
    assert_eq!(refused.header("retry-after"), "1");
    gate.open.add_permits(1);
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(call(&site, "quick").await.status, 200);
}

/// A request whose body does not come, and which is in work for as long as this lives.
async fn slow_body(site: &Site, token: &str) -> TcpStream {
    let address = site.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/crm/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn probes_answer_also_when_no_further_request_is_taken() {
    let limits = Limits::default()
        .requests_at_once(1)
        .requests_per_second(None);
    let site = gated(&Gate::shut(), limits).await;
    let _slow = slow_body(&site, "quick").await;
    // Until it is in work.
    while call(&site, "quick").await.status == 200 {}
    call(&site, "quick").await.must_be_refused(503);
    for path in ["/health", "/ready"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_with_slow_requests_leaves_room_for_the_others() {
    let limits = Limits::default()
        .requests_at_once_per_token(1)
        .requests_per_second(None);
    let site = Plan::memory().limits(limits).start().await;
    let other = site
        .token_of("default", "u", &crm_http::auth::Permission::ALL)
        .await;
    let _slow = slow_body(&site, &site.token).await;
    while call(&site, &site.token).await.status == 200 {}
    let refused = call(&site, &site.token).await;
    refused.must_be_refused(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(call(&site, &other).await.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cut_off() {
    let gate = Gate::shut();
    let site = gated(&gate, Limits::default().timeout(Duration::from_millis(20))).await;
    call(&site, "slow").await.must_be_refused(503);
    // So is one whose body does not come to its end.
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let head = "POST /v1/crm/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer quick\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let site = gated(&Gate::shut(), Limits::default()).await;
    let answer = call(&site, "panic").await;
    answer.must_be_refused(500);
    assert!(
        !answer.text.contains("john") && !answer.text.contains("panic"),
        "{}",
        answer.text
    );
    assert_eq!(call(&site, "quick").await.status, 200);
}

#[tokio::test]
async fn a_peer_with_too_many_wrong_tokens_is_not_heard_for_a_while() {
    let limits = Limits::default().failures_per_second(NonZeroU32::new(2));
    let site = Plan::memory().limits(limits).start().await;
    let wrong = || async { Answer::of(site.request_by("x", "GET", "/v1/crm/leads")).await };
    for _ in 0..3 {
        wrong().await.must_be_refused(401);
    }
    let refused = wrong().await;
    refused.must_be_refused(429);
    assert_eq!(refused.header("retry-after"), "1");
    site.get("/v1/crm/leads").await.must_be_refused(429);
    // What needs no token is not concerned.
    assert_eq!(site.get("/health").await.status, 200);
    site.clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(site.get("/v1/crm/leads").await.status, 200);
}

#[tokio::test]
async fn a_token_that_calls_too_often_waits_and_the_others_do_not() {
    let limits = Limits::default().requests_per_second(NonZeroU32::new(2));
    let site = Plan::memory().limits(limits).start().await;
    let other = site
        .token_of("default", "u", &crm_http::auth::Permission::ALL)
        .await;
    assert_eq!(call(&site, &site.token).await.status, 200);
    assert_eq!(call(&site, &site.token).await.status, 200);
    let refused = call(&site, &site.token).await;
    refused.must_be_refused(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(call(&site, &other).await.status, 200);
    site.clock.advance(TimeDelta::seconds(1));
    assert_eq!(call(&site, &site.token).await.status, 200);
}

#[tokio::test]
async fn the_server_finishes_what_it_began_and_takes_no_more() {
    let gate = Gate::shut();
    let mut site = gated(&gate, Limits::default()).await;
    let slow = tokio::spawn(call(&site, "slow"));
    gate.reached.notified().await;
    site.stop.take().unwrap().send(()).unwrap();
    // The listener is gone before the last answer.
    let address = site.url.trim_start_matches("http://").to_owned();
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!slow.is_finished());
    gate.open.add_permits(1);
    assert_eq!(slow.await.unwrap().status, 200);
    site.served.take().unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_in_the_middle_harms_nobody() {
    for plan in [Plan::memory(), Plan::sqlite().await] {
        let site = plan.start().await;
        let address = site.url.trim_start_matches("http://").to_owned();
        let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com"}"#;
        let request = format!(
            "POST /v1/crm/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            site.token,
            body.len()
        );
        // Cut at many places; the last sends all of it and does not wait for the answer.
        for cut in (0..request.len()).step_by(7).chain([request.len(); 20]) {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
        }
        site.john().await;
        let page = site.crm.list(LeadQuery::new().limit(100)).await.unwrap();
        let count = site.crm.count(&LeadQuery::new()).await.unwrap();
        assert_eq!(page.items.len() as u64, count);
        assert!((1..=21).contains(&count), "{count}");
        for lead in page.items {
            let history = site
                .crm
                .history(lead.id, &HistoryQuery::new())
                .await
                .unwrap();
            assert_eq!(history.items.len(), 1);
        }
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_not_kept_by_others() {
    let site = Site::memory().await;
    let request = |id: &str| {
        site.request("GET", "/v1/crm/leads")
            .header("x-request-id", id)
    };
    assert_eq!(
        Answer::of(request("abc-1_2")).await.header("x-request-id"),
        "abc-1_2"
    );
    for strange in ["john@example.com", "", &"a".repeat(65)] {
        let id = Answer::of(request(strange))
            .await
            .header("x-request-id")
            .to_owned();
        assert_eq!(id.len(), 36, "{id}");
    }
    for path in ["/v1/crm/leads", "/nowhere", "/health"] {
        let answer = site.get(path).await;
        assert_eq!(answer.header("x-request-id").len(), 36);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let mut names = answer.headers.keys().map(ToString::to_string);
        assert!(
            !names.any(|name| name.starts_with("access-control")),
            "CORS is off"
        );
    }
}

#[tokio::test]
async fn probes_need_no_token() {
    let site = Site::memory().await;
    for path in ["/health", "/ready"] {
        let answer = Answer::of(site.client.get(format!("{}{path}", site.url))).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (200, r#"{"status":"ok"}"#)
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_gives_its_place_to_another() {
    let limits = Limits::default()
        .connections(1)
        .write_timeout(Duration::from_millis(50));
    let site = Plan::memory().limits(limits).start().await;
    let address = site.url.trim_start_matches("http://");
    let mut deaf = TcpStream::connect(address).await.unwrap();
    // More answers than the system keeps for it.
    let request = "GET /v1/crm/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2_000);
    drop(deaf.write_all(request.as_bytes()).await);
    let other = tokio::time::timeout(Duration::from_secs(20), site.get("/health")).await;
    assert_eq!(other.expect("it holds its place").status, 200);
}

#[tokio::test]
async fn no_more_connections_are_taken_than_allowed() {
    let site = Plan::memory()
        .limits(Limits::default().connections(1))
        .start()
        .await;
    let address = site.url.trim_start_matches("http://");
    let mut one = TcpStream::connect(address).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    one.write_all(request).await.unwrap();
    one.read_exact(&mut answer).await.unwrap();
    let other = tokio::spawn(Answer::of(site.request("GET", "/health")));
    // The first is served as often as it likes, the other is not.
    for _ in 0..20 {
        one.write_all(request).await.unwrap();
        one.read_exact(&mut answer).await.unwrap();
    }
    assert!(!other.is_finished());
    drop(one);
    assert_eq!(other.await.unwrap().status, 200);
}
