//! Who may call what: every route with no token, a wrong one, an expired one, one of another tenant
//! and one of lesser rights.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use crm_core::chrono::TimeDelta;
use crm_core::clock::Clock as _;
use crm_core::lead::TenantId;
use crm_http::auth::{NewToken, Permission};
use crm_http::{Api, RouteInfo};
use reqwest::RequestBuilder;

on_every_storage! {
    a_route_without_a_valid_token_is_refused
    a_route_asks_for_its_permission_and_no_other
    another_tenant_s_token_finds_nothing
    own_leads_only_is_kept_everywhere
}

fn routes(site: &Site) -> Vec<RouteInfo> {
    let all = Api::new(site.crm.clone()).with_probes().routes();
    assert!(all.len() > 15);
    all.into_iter()
        .filter(|route| route.permission.is_some())
        // Those of the lifecycle have a walk of their own.
        .filter(|route| !route.path.contains("lead-statuses"))
        .collect()
}

/// A request that reaches the handler, with a body where one is read.
fn call(site: &Site, token: Option<&str>, route: &RouteInfo, lead: &str) -> RequestBuilder {
    let id = if route.path.contains("tokens") {
        "token_0123456789abcdef0123456789abcdef"
    } else {
        lead
    };
    let url = format!("{}{}", site.url, route.path.replace("{id}", id));
    let request = site.client.request(route.method.clone(), url);
    let body = match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/crm/leads") => {
            r#"{"first_name":"A","last_name":"B","email":"a@example.com"}"#
        }
        ("POST", "/v1/crm/tokens") => r#"{"user":"u","permissions":["read"]}"#,
        ("POST", path) if path.ends_with("transitions") => r#"{"status":"contacted"}"#,
        _ => "{}",
    };
    let request = request
        .header("content-type", "application/json")
        .body(body);
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

#[test]
fn every_route_states_a_permission() {
    let api = pollster::block_on(async {
        let repository = crm_core::memory::MemoryRepository::new();
        Api::new(crm_core::crm::Crm::open(repository).await.unwrap()).with_probes()
    });
    let mut open: Vec<String> = api
        .routes()
        .into_iter()
        .filter(|route| route.permission.is_none())
        .map(|route| route.path)
        .collect();
    open.sort_unstable();
    // Whoever opens another route to everybody says so here.
    assert_eq!(open, ["/health", "/ready", "/v1/crm/openapi.json"]);
    for route in api.routes() {
        let expected = match (route.method.as_str(), route.path.as_str()) {
            (_, path) if path.starts_with("/v1/crm/tokens") => Some(Permission::Administer),
            ("GET", _) => Some(Permission::Read),
            (_, path) if path.contains("lead-statuses") => Some(Permission::Administer),
            ("DELETE", _) => Some(Permission::Delete),
            _ => Some(Permission::Write),
        };
        assert!(
            route.permission.is_none() || route.permission == expected,
            "{route:?}"
        );
    }
}

async fn a_route_without_a_valid_token_is_refused(site: &Site) {
    let lead = site.john().await;
    let soon = site.clock.now() + TimeDelta::minutes(1);
    let new = NewToken::new("u".parse().unwrap())
        .allow_all()
        .expires_at(soon);
    let expired = site
        .tokens
        .create(&TenantId::DEFAULT, new)
        .await
        .unwrap()
        .token;
    let revoked = site.tokens.create(
        &TenantId::DEFAULT,
        NewToken::new("u".parse().unwrap()).allow_all(),
    );
    let revoked = revoked.await.unwrap();
    site.request_by(&expired, "GET", "/v1/crm/leads")
        .send()
        .await
        .unwrap();
    site.clock.advance(TimeDelta::minutes(1));
    site.tokens
        .revoke(&TenantId::DEFAULT, revoked.info.id)
        .await
        .unwrap();
    // The same token, its secret changed.
    let (head, last) = site.token.split_at(site.token.len() - 20);
    let forged = format!("{head}{}", last.chars().rev().collect::<String>());
    for route in routes(site) {
        let wrong = ["", "x", "Bearer", &forged, &expired, &revoked.token];
        let tokens = wrong.into_iter().map(Some).chain([None]);
        for token in tokens {
            let answer = Answer::of(call(site, token, &route, &lead)).await;
            answer.must_be_refused(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let history = site.get(&format!("/v1/crm/leads/{lead}/history")).await;
    assert_eq!(
        history.json["events"].as_array().unwrap().len(),
        1,
        "nothing was done"
    );
}

async fn a_route_asks_for_its_permission_and_no_other(site: &Site) {
    for route in routes(site) {
        let lead = site.john().await;
        let needed = route.permission.unwrap();
        let all = Permission::ALL.into_iter();
        let others: Vec<Permission> = all.filter(|known| *known != needed).collect();
        let lesser = site.token_of("default", "u", &others).await;
        let answer = Answer::of(call(site, Some(&lesser), &route, &lead)).await;
        answer.must_be_refused(403);
        assert!(answer.text.contains(needed.as_str()), "{}", answer.text);
        let enough = site.token_of("default", "u", &[needed]).await;
        let answer = Answer::of(call(site, Some(&enough), &route, &lead)).await;
        let is_token = route.path.ends_with("tokens/{id}");
        let expected = if is_token { 404..405 } else { 200..300 };
        assert!(
            expected.contains(&answer.status),
            "{route:?}: {}",
            answer.text
        );
    }
}

async fn another_tenant_s_token_finds_nothing(site: &Site) {
    let lead = site.john().await;
    let foreign = site.token_of("acme", "admin", &Permission::ALL).await;
    for route in routes(site) {
        let answer = Answer::of(call(site, Some(&foreign), &route, &lead)).await;
        if route.path.contains("{id}") {
            answer.must_be_refused(404);
        } else {
            assert!(answer.status < 300, "{route:?}: {}", answer.text);
            assert!(
                !answer.text.contains(&lead) && !answer.text.contains("john@"),
                "{route:?}"
            );
        }
    }
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(
        (read.status, &read.json["lead"]["version"]),
        (200, &1.into())
    );
}

async fn own_leads_only_is_kept_everywhere(site: &Site) {
    let lead = site.john().await;
    let own = site.own_leads_token("user_456").await;
    for route in routes(site) {
        let answer = Answer::of(call(site, Some(&own), &route, &lead)).await;
        if route.path.starts_with("/v1/crm/tokens") {
            answer.must_be_refused(403);
        } else if route.path.contains("{id}") {
            answer.must_be_refused(404);
        } else {
            assert!(answer.status < 300, "{route:?}: {}", answer.text);
            assert!(!answer.text.contains(&lead), "{route:?}");
        }
    }
    // What was created meanwhile is the user's, and cannot be given away.
    let list = Answer::of(site.request_by(&own, "GET", "/v1/crm/leads")).await;
    assert_eq!(list.json["total_count"], 1);
    let id = list.json["leads"][0]["id"].as_str().unwrap();
    let away = site.request_by(&own, "PUT", &format!("/v1/crm/leads/{id}"));
    let away = away
        .header("content-type", "application/json")
        .body(r#"{"assigned_to":"x"}"#);
    Answer::of(away).await.must_be_refused(403);
}

#[tokio::test]
async fn an_application_says_itself_who_calls() {
    #[derive(Debug)]
    struct Door;

    #[async_trait::async_trait]
    impl crm_http::auth::Authenticator for Door {
        async fn authenticate(
            &self,
            token: &str,
        ) -> Result<Option<crm_http::auth::Principal>, crm_http::auth::AuthenticationError>
        {
            if token == "broken" {
                return Err(crm_http::auth::AuthenticationError::new("secret cause"));
            }
            let user = "door".parse().unwrap();
            let principal = crm_http::auth::Principal::new(TenantId::DEFAULT, user).allow_all();
            Ok((token == "open").then_some(principal))
        }
    }

    let site = Plan::memory()
        .api(|api| api.authenticator(Door))
        .start()
        .await;
    let call = |token: &str| site.request_by(token, "GET", "/v1/crm/leads");
    assert_eq!(Answer::of(call("open")).await.status, 200);
    Answer::of(call("shut")).await.must_be_refused(401);
    let broken = Answer::of(call("broken")).await;
    broken.must_be_refused(503);
    assert!(!broken.text.contains("secret") && broken.header("retry-after") == "1");
    // Tokens are then not made here.
    let tokens = Answer::of(site.request_by("open", "GET", "/v1/crm/tokens")).await;
    tokens.must_be_refused(404);
}
