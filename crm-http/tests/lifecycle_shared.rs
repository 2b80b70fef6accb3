//! Who may edit the lifecycle, and removals that take longer than a request.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::gated::{GatedRepository, Step};
use common::{Answer, Plan, Site, with_json};
use crm_core::chrono::TimeDelta;
use crm_core::clock::Clock as _;
use crm_core::crm::Crm;
use crm_core::lead::{LeadStatus, NewLead, TenantId};
use crm_core::memory::MemoryRepository;
use crm_core::testing::FaultyRepository;
use crm_http::auth::{NewToken, Permission};
use crm_http::{Api, Limits, RouteInfo};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const STATUSES: &str = "/v1/crm/lead-statuses";

on_every_storage! {
    every_route_asks_for_its_permission
    an_edit_needs_every_lead_of_the_tenant
    tenants_have_lifecycles_of_their_own
}

fn routes(site: &Site) -> Vec<RouteInfo> {
    let all = Api::new(site.crm.clone()).statuses_at("/api").routes();
    let is_ours = |route: &RouteInfo| {
        route.path.contains("lead-statuses") || route.path.contains("lead_statuses")
    };
    all.into_iter().filter(is_ours).collect()
}

/// A request that changes nothing of a status that is there, or adds one, or deletes one.
fn call(site: &Site, token: Option<&str>, route: &RouteInfo) -> impl Future<Output = Answer> {
    let url = format!("{}{}", site.url, route.path.replace("{id}", "2"));
    let request = site.client.request(route.method.clone(), url);
    let body = match (route.method.as_str(), route.path.as_str()) {
        ("GET" | "DELETE", _) => None,
        (_, path) if path.ends_with("/order") => {
            Some(json!({"order": ["new", "contacted", "qualified", "converted", "lost"]}))
        }
        (_, path) if path.ends_with("/policy") => Some(json!({"policy": "forward"})),
        (_, path) if path.ends_with("/bulk") => {
            Some(json!({"update": [{"statuses": ["new"], "kind": "open"}]}))
        }
        ("POST", _) => Some(json!({"name": format!("From {}", route.path.len())})),
        _ => Some(json!({"kind": "open"})),
    };
    let request = match body {
        Some(body) => with_json(request, &body),
        None => request,
    };
    let header = if route.path.starts_with("/api") {
        "authtoken"
    } else {
        "authorization"
    };
    let request = match token {
        Some(token) if header == "authtoken" => request.header(header, token),
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Answer::of(request)
}

/// In the conventions of whichever API it is.
fn must_be_refused(answer: &Answer, route: &RouteInfo, status: u16) {
    if !route.path.starts_with("/api") {
        return answer.must_be_refused(status);
    }
    assert_eq!(answer.status, status, "{route:?}: {}", answer.text);
    assert!(
        answer.text.starts_with(r#"{"status":false,"#),
        "{}",
        answer.text
    );
    assert!(answer.json["message"].is_string());
}

async fn every_route_asks_for_its_permission(site: &Site) {
    assert_eq!(routes(site).len(), 17);
    let before = site.get(STATUSES).await.text;
    let soon = site.clock.now() + TimeDelta::minutes(1);
    let new = NewToken::new("u".parse().unwrap()).allow_all();
    let expired = site.tokens.create(&TenantId::DEFAULT, new.expires_at(soon));
    let expired = expired.await.unwrap().token;
    site.clock.advance(TimeDelta::minutes(1));
    for route in routes(site) {
        let needed = route.permission.unwrap();
        let expected = if route.method == "GET" {
            Permission::Read
        } else {
            Permission::Administer
        };
        assert_eq!(needed, expected, "{route:?}");
        for token in [None, Some(""), Some("x"), Some(expired.as_str())] {
            must_be_refused(&call(site, token, &route).await, &route, 401);
        }
        let others = Permission::ALL.into_iter().filter(|known| *known != needed);
        let lesser = site
            .token_of("default", "u", &others.collect::<Vec<_>>())
            .await;
        let answer = call(site, Some(&lesser), &route).await;
        must_be_refused(&answer, &route, 403);
        assert!(answer.text.contains(needed.as_str()), "{}", answer.text);
    }
    assert_eq!(site.get(STATUSES).await.text, before);
    for route in routes(site) {
        let enough = site
            .token_of("acme", "u", &[route.permission.unwrap()])
            .await;
        let answer = call(site, Some(&enough), &route).await;
        // One of the tenant's own, or, once that was deleted, none.
        let is_gone = route.path.contains("{id}") && answer.status == 404;
        assert!(
            answer.status < 300 || is_gone || answer.status == 422,
            "{route:?}: {}",
            answer.text
        );
    }
    assert_eq!(site.get(STATUSES).await.text, before, "another tenant's");
}

async fn an_edit_needs_every_lead_of_the_tenant(site: &Site) {
    let own = site.own_leads_token("user_456").await;
    for route in routes(site) {
        let answer = call(site, Some(&own), &route).await;
        if route.method == "GET" {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            must_be_refused(&answer, &route, 403);
        }
    }
    assert_eq!(site.get(STATUSES).await.json["version"], 1);
}

async fn tenants_have_lifecycles_of_their_own(site: &Site) {
    let acme = site.token_of("acme", "admin", &Permission::ALL).await;
    let created = site.request_by(&acme, "POST", STATUSES);
    let created = with_json(created, &json!({"name": "Theirs"}));
    assert_eq!(Answer::of(created).await.status, 201);
    assert_eq!(site.get(STATUSES).await.json["total_count"], 5);
    let theirs = Answer::of(site.request_by(&acme, "GET", STATUSES)).await;
    assert_eq!(theirs.json["total_count"], 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_removal_goes_on_after_the_answer() {
    let storage = GatedRepository::shut();
    let gate = Arc::clone(&storage.open);
    let limits = Limits::default().timeout(Duration::from_millis(400));
    let site = Plan::on(storage).limits(limits).start().await;
    let path = format!("{STATUSES}/contacted");
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"contacted"}"#;
    let lead = site.lead(body).await;

    let begun = site
        .send("DELETE", &format!("{path}?move_to=new"), "")
        .await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let retiring = site.get(&path).await;
    assert_eq!(retiring.json["lead_status"]["retiring"], "new");
    let john = site.send("POST", "/v1/crm/leads", body).await;
    john.must_be_refused(422);
    // Asked again, it says so, and begins no second one.
    let again = site.send("DELETE", &path, "").await;
    assert_eq!(again.status, 202, "{}", again.text);
    let family = site
        .client
        .delete(format!("{}/api/delete/lead_statuses/2", site.url));
    let family = Answer::of(family.header("authtoken", &site.token)).await;
    assert_eq!((family.status, &family.json["status"]), (202, &true.into()));

    gate.add_permits(1);
    while site.get(&path).await.status == 200 {}
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "new");
}

/// Begins a removal that moves no lead, and stops the server.
async fn stopped_while_leads_move() -> (Site, Arc<Semaphore>) {
    let storage = GatedRepository::shut();
    let gate = Arc::clone(&storage.open);
    let limits = Limits::default().timeout(Duration::from_millis(400));
    let mut site = Plan::on(storage).limits(limits).start().await;
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"contacted"}"#;
    site.lead(body).await;
    let path = format!("{STATUSES}/contacted?move_to=new");
    let begun = site.send("DELETE", &path, "").await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    site.stop.take().unwrap().send(()).unwrap();
    let address = site.url.trim_start_matches("http://").to_owned();
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    (site, gate)
}

#[tokio::test]
async fn the_server_ends_after_the_removals_that_it_began() {
    let (mut site, gate) = stopped_while_leads_move().await;
    gate.add_permits(1);
    site.served.take().unwrap().await.unwrap();
    let lifecycle = site.crm.lifecycle().await.unwrap();
    assert!(lifecycle.get(&LeadStatus::CONTACTED).is_none());
}

#[tokio::test]
async fn the_server_does_not_wait_for_a_removal_without_end() {
    let (mut site, _gate) = stopped_while_leads_move().await;
    let served = tokio::time::timeout(Duration::from_secs(20), site.served.take().unwrap());
    served.await.unwrap().unwrap();
    let lifecycle = site.crm.lifecycle().await.unwrap();
    let left = lifecycle.get(&LeadStatus::CONTACTED).unwrap();
    assert_eq!(left.retiring, Some(LeadStatus::NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_can_be_taken_back() {
    let storage = GatedRepository::shut();
    let gate = Arc::clone(&storage.open);
    let limits = Limits::default().timeout(Duration::from_millis(400));
    let site = Plan::on(storage).limits(limits).start().await;
    let path = format!("{STATUSES}/contacted");
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"contacted"}"#;
    let lead = site.lead(body).await;
    let begun = site
        .send("DELETE", &format!("{path}?move_to=new"), "")
        .await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let back = site.send("PATCH", &path, r#"{"retiring":null}"#).await;
    assert_eq!(
        (back.status, &back.json["lead_status"]["retiring"]),
        (200, &Value::Null)
    );
    gate.add_permits(1);
    // A removal that is over leaves the way for the next edit of the same status.
    let refused = site.send("DELETE", &path, "").await;
    refused.must_be_refused(409);
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "contacted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_whose_caller_left_while_it_was_marked_goes_on() {
    let storage = GatedRepository::shut_at(Step::Mark);
    let gate = Arc::clone(&storage.open);
    let limits = Limits::default().timeout(Duration::from_millis(50));
    let site = Plan::on(storage).limits(limits).start().await;
    let path = format!("{STATUSES}/contacted");
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"contacted"}"#;
    let lead = site.lead(body).await;
    // The mark is stored, and the request ends before the storage says so.
    let cut = site
        .send("DELETE", &format!("{path}?move_to=new"), "")
        .await;
    cut.must_be_refused(503);
    gate.add_permits(1);
    let gone = async { while site.get(&path).await.status == 200 {} };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "nobody goes on");
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_taken_back_at_its_end_does_not_happen() {
    let storage = GatedRepository::shut_at(Step::End("contacted"));
    let (gate, reached) = (Arc::clone(&storage.open), Arc::clone(&storage.reached));
    let site = Plan::on(storage).start().await;
    let path = format!("{STATUSES}/contacted");
    let removal = site.request("DELETE", &format!("{path}?move_to=new"));
    let removal = tokio::spawn(Answer::of(removal));
    reached.notified().await;
    let back = site.send("PATCH", &path, r#"{"retiring":null}"#).await;
    assert_eq!(back.status, 200, "{}", back.text);
    gate.add_permits(2);
    removal.await.unwrap().must_be_refused(409);
    let kept = site.get(&path).await;
    assert_eq!(kept.json["lead_status"]["retiring"], Value::Null);
}

#[tokio::test]
async fn an_interrupted_removal_is_finished_by_the_next_request() {
    let storage = FaultyRepository::new(MemoryRepository::new());
    let site = Plan::on(storage.clone()).start().await;
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"contacted"}"#;
    let lead = site.lead(body).await;
    let path = format!("{STATUSES}/contacted");
    // The mark is stored, and then nothing more.
    storage.die_after_commit(1);
    let cut = site
        .send("DELETE", &format!("{path}?move_to=qualified"), "")
        .await;
    cut.must_be_refused(503);
    storage.heal();
    let retiring = site.get(&path).await;
    assert_eq!(retiring.json["lead_status"]["retiring"], "qualified");
    let done = site.send("DELETE", &path, "").await;
    assert_eq!(done.status, 200, "{}", done.text);
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "qualified");
}

#[tokio::test]
async fn a_storage_that_fails_is_503_on_every_route() {
    let storage = FaultyRepository::new(MemoryRepository::new());
    let site = Plan::on(storage.clone()).start().await;
    let token = site.token.clone();
    site.get(STATUSES).await;
    for route in routes(&site) {
        storage.fail_from(1);
        let answer = call(&site, Some(&token), &route).await;
        must_be_refused(&answer, &route, 503);
        assert_eq!(answer.header("retry-after"), "1");
        storage.heal();
    }
    assert_eq!(site.get(STATUSES).await.json["version"], 1);
}

#[tokio::test]
async fn a_status_with_more_leads_than_one_commit_moves_is_removed() {
    let repository = MemoryRepository::new();
    let crm = Crm::open(repository.clone()).await.unwrap();
    for number in 0..1_100 {
        let lead = NewLead::new("A", "B", format!("a{number}@example.com")).unwrap();
        crm.create(lead.status(LeadStatus::CONTACTED))
            .await
            .unwrap();
    }
    let site = Plan::on(repository).start().await;
    let path = format!("{STATUSES}/contacted");
    let refused = site.send("DELETE", &path, "").await;
    refused.must_be_refused(409);
    assert_eq!(refused.json["leads"], 1_100);
    let done = site
        .send("DELETE", &format!("{path}?move_to=new"), "")
        .await;
    assert_eq!(done.status, 200, "{}", done.text);
    let moved = site.get("/v1/crm/leads?status=new&limit=1").await;
    assert_eq!(moved.json["total_count"], 1_100);
}
