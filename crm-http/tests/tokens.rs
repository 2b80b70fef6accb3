//! Access tokens: made, used, listed and revoked through the API, in every process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::gated::{GatedRepository, Step};
use common::{Answer, Plan, Site};
use crm_core::chrono::TimeDelta;
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::memory::MemoryRepository;
use crm_core::query::Limit;
use crm_core::testing::{FaultyRepository, ManualClock};
use crm_http::auth::{Authenticator as _, NewToken, Permission, Principal, StoredTokens};
use serde_json::Value;
use std::sync::Arc;

on_every_storage! {
    a_token_is_made_shown_once_used_and_revoked
    tokens_are_listed_page_by_page
    a_token_is_good_in_every_process_and_its_end_is_seen_within_seconds
    tokens_made_at_once_are_all_listed
}

async fn a_token_is_made_shown_once_used_and_revoked(site: &Site) {
    let body = r#"{"user":"user_456","name":"Laptop","permissions":["read","write"],"leads":"own","expires_at":"2026-02-01T00:00:00Z"}"#;
    let made = site.send("POST", "/v1/crm/tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, token) = (
        made.json["token_id"].as_str().unwrap(),
        made.json["token"].as_str().unwrap(),
    );
    let create = site.request_by(token, "POST", "/v1/crm/leads");
    let create = create
        .header("content-type", "application/json")
        .body(r#"{"first_name":"A","last_name":"B","email":"a@example.com"}"#);
    let lead = Answer::of(create).await.json["lead_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let lead = site.get(&format!("/v1/crm/leads/{lead}/history")).await;
    assert_eq!(lead.json["events"][0]["actor"], "user_456");

    let list = site.get("/v1/crm/tokens").await;
    assert!(
        !list.text.contains(token) && !list.text.contains("hash"),
        "{}",
        list.text
    );
    let all = list.json["tokens"].as_array().unwrap();
    let shown = all.iter().find(|shown| shown["id"] == id).unwrap();
    assert_eq!(
        (&shown["name"], &shown["leads"]),
        (&"Laptop".into(), &"own".into())
    );
    assert_eq!(shown["created_by"], "admin");

    let revoke = format!("/v1/crm/tokens/{id}");
    assert_eq!(site.send("DELETE", &revoke, "").await.status, 200);
    Answer::of(site.request_by(token, "GET", "/v1/crm/leads"))
        .await
        .must_be_refused(401);
    site.send("DELETE", &revoke, "").await.must_be_refused(404);
    site.send("DELETE", "/v1/crm/tokens/x", "")
        .await
        .must_be_refused(404);

    for (body, wrong) in [
        ("{}", vec!["permissions", "user"]),
        (
            r#"{"user":" ","permissions":["fly"],"leads":"some","expires_at":"soon"}"#,
            vec!["expires_at", "leads", "permissions", "user"],
        ),
        (
            r#"{"user":"u","permissions":["read"],"name":" "}"#,
            vec!["name"],
        ),
        (
            r#"{"user":"u","permissions":["read"],"expires_at":"2020-01-01T00:00:00Z"}"#,
            vec!["expires_at"],
        ),
        (
            r#"{"user":"u","permissions":[],"admin":true}"#,
            vec!["admin"],
        ),
    ] {
        let refused = site.send("POST", "/v1/crm/tokens", body).await;
        refused.must_be_refused(422);
        assert_eq!(refused.wrong(), wrong, "{body}");
    }
}

async fn tokens_are_listed_page_by_page(site: &Site) {
    for number in 0..9 {
        site.token_of("default", &format!("u{number}"), &[Permission::Read])
            .await;
    }
    site.token_of("acme", "foreign", &[Permission::Read]).await;
    let mut users = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = site.get(&format!("/v1/crm/tokens?limit=4{cursor}")).await;
        let tokens = page.json["tokens"].as_array().unwrap();
        users.extend(
            tokens
                .iter()
                .map(|token| token["user"].as_str().unwrap().to_owned()),
        );
        match &page.json["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    users.sort_unstable();
    assert_eq!(users.len(), 10, "{users:?}");
    assert!(!users.contains(&"foreign".to_owned()));
    site.get("/v1/crm/tokens?cursor=x")
        .await
        .must_be_refused(400);
}

async fn a_token_is_good_in_every_process_and_its_end_is_seen_within_seconds(site: &Site) {
    let new = NewToken::new("u".parse().unwrap()).allow(Permission::Read);
    let created = site.tokens.create(&TenantId::DEFAULT, new).await.unwrap();
    // Another process: nothing is shared but the storage.
    let other = StoredTokens::new(&site.crm);
    assert!(other.authenticate(&created.token).await.unwrap().is_some());
    assert!(
        site.tokens
            .revoke(&TenantId::DEFAULT, created.info.id)
            .await
            .unwrap()
    );
    assert!(
        site.tokens
            .authenticate(&created.token)
            .await
            .unwrap()
            .is_none()
    );
    assert!(other.authenticate(&created.token).await.unwrap().is_some());
    site.clock.advance(TimeDelta::seconds(5));
    assert!(other.authenticate(&created.token).await.unwrap().is_none());
}

async fn tokens_made_at_once_are_all_listed(site: &Site) {
    let mut making = tokio::task::JoinSet::new();
    for number in 0..40 {
        let tokens = StoredTokens::new(&site.crm);
        making.spawn(async move {
            let new = NewToken::new(format!("u{number}").parse().unwrap()).allow_all();
            tokens
                .create(&TenantId::DEFAULT, new)
                .await
                .unwrap()
                .info
                .id
        });
    }
    let made = making.join_all().await;
    let (listed, more) = site
        .tokens
        .list(&TenantId::DEFAULT, None, Limit::MAX)
        .await
        .unwrap();
    assert_eq!((listed.len(), more), (41, false));
    assert!(
        made.iter()
            .all(|id| listed.iter().any(|listed| listed.id == *id))
    );
}

#[tokio::test]
async fn a_look_up_that_was_made_a_moment_ago_costs_no_read() {
    let storage = FaultyRepository::new(MemoryRepository::new());
    let clock = ManualClock::at(common::NOW.parse().unwrap());
    let opened = Crm::builder(storage.clone())
        .clock(clock.clone())
        .open()
        .await;
    let tokens = StoredTokens::new(&opened.unwrap());
    let new = NewToken::new("u".parse().unwrap()).allow_all();
    let token = tokens.create(&TenantId::DEFAULT, new).await.unwrap().token;
    tokens.authenticate(&token).await.unwrap().unwrap();
    let before = storage.calls();
    for _ in 0..10 {
        tokens.authenticate(&token).await.unwrap().unwrap();
    }
    assert_eq!(storage.calls(), before);
    clock.advance(TimeDelta::seconds(5));
    tokens.authenticate(&token).await.unwrap().unwrap();
    assert_eq!(storage.calls(), before + 1);
}

#[tokio::test]
async fn a_given_token_is_any_text_and_is_not_stored() {
    let storage = Arc::new(MemoryRepository::new());
    let plan = Plan::on(Arc::clone(&storage));
    let crm = Crm::open(storage).await.unwrap();
    let principal = Principal::new(TenantId::DEFAULT, "admin".parse().unwrap()).allow_all();
    let tokens = StoredTokens::new(&crm).with_given("s3cret & long", principal);
    let given = tokens.clone();
    let site = plan.api(|api| api.tokens(given)).start().await;
    let call = |token| Answer::of(site.request_by(token, "GET", "/v1/crm/tokens"));
    let list = call("s3cret & long").await;
    // The test's own token is stored beside it.
    assert_eq!(list.json["tokens"].as_array().unwrap().len(), 1);
    call("s3cret").await.must_be_refused(401);
    assert!(tokens.has_administrator(&TenantId::DEFAULT).await.unwrap());
    assert!(
        !tokens
            .has_administrator(&"acme".parse().unwrap())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_token_is_revoked_though_its_caller_leaves_before_the_answer() {
    let storage = GatedRepository::shut_at(Step::Document);
    let (gate, reached) = (Arc::clone(&storage.open), Arc::clone(&storage.reached));
    let crm = Crm::builder(storage)
        .clock(ManualClock::at(common::NOW.parse().unwrap()))
        .open()
        .await
        .unwrap();
    let tokens = StoredTokens::new(&crm);
    gate.add_permits(1);
    let new = NewToken::new("u".parse().unwrap()).allow(Permission::Read);
    let made = tokens.create(&TenantId::DEFAULT, new).await.unwrap();
    reached.notified().await;
    assert!(tokens.authenticate(&made.token).await.unwrap().is_some());
    let revoking = tokens.revoke(&TenantId::DEFAULT, made.info.id);
    tokio::select! {
        _ = revoking => panic!("the storage has not answered"),
        () = reached.notified() => {}
    }
    assert!(tokens.authenticate(&made.token).await.unwrap().is_none());
}
