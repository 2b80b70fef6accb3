//! Storage that fails: whatever call of a request it is, the answer is 503 or as if nothing had
//! happened, and nothing of the storage is told.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use crm_core::memory::MemoryRepository;
use crm_core::testing::{Fault, FaultyRepository};
use serde_json::Value;

const BODY: &str = r#"{"first_name":"A","last_name":"B","email":"a@example.com"}"#;

/// Every kind of request, of the lead `{id}`.
const REQUESTS: [(&str, &str, &str); 14] = [
    ("GET", "/v1/crm/leads", ""),
    ("GET", "/v1/crm/leads?sort=name&limit=1", ""),
    ("GET", "/v1/crm/leads?stuck=true", ""),
    ("POST", "/v1/crm/leads", BODY),
    ("GET", "/v1/crm/leads/{id}", ""),
    ("PUT", "/v1/crm/leads/{id}", r#"{"notes":"x"}"#),
    ("GET", "/v1/crm/leads/{id}/history", ""),
    ("GET", "/v1/crm/leads/{id}/transitions", ""),
    (
        "POST",
        "/v1/crm/leads/{id}/transitions",
        r#"{"status":"contacted"}"#,
    ),
    ("POST", "/v1/crm/leads/{id}/archive", ""),
    ("DELETE", "/v1/crm/leads/{id}", ""),
    ("GET", "/v1/crm/pipeline", ""),
    ("GET", "/v1/crm/events", ""),
    (
        "POST",
        "/v1/crm/tokens",
        r#"{"user":"u","permissions":["read"]}"#,
    ),
];

async fn site() -> (Site, FaultyRepository<MemoryRepository>) {
    let storage = FaultyRepository::new(MemoryRepository::new());
    (Plan::on(storage.clone()).start().await, storage)
}

async fn send(site: &Site, request: (&str, &str, &str), lead: &str) -> Answer {
    let (method, path, body) = request;
    site.send(method, &path.replace("{id}", lead), body).await
}

#[tokio::test]
async fn a_storage_that_is_gone_is_503_on_every_route() {
    let (site, storage) = site().await;
    let lead = site.john().await;
    for request in REQUESTS {
        storage.fail_from(1);
        let answer = send(&site, request, &lead).await;
        answer.must_be_refused(503);
        assert_eq!(answer.header("retry-after"), "1", "{request:?}");
        storage.heal();
    }
    storage.fail_from(1);
    assert_eq!(site.get("/health").await.status, 200);
    site.get("/ready").await.must_be_refused(503);
    storage.heal();
    assert_eq!(site.get("/ready").await.status, 200);
    assert_eq!(
        site.get(&format!("/v1/crm/leads/{lead}")).await.json["lead"]["version"],
        1
    );
}

#[tokio::test]
async fn a_single_failure_anywhere_is_503_or_not_noticed() {
    let (site, storage) = site().await;
    for request in REQUESTS {
        for fault in [Fault::Before, Fault::After] {
            for nth in 1..8 {
                // Two, so that a list of one has a next page.
                let (lead, _) = (site.john().await, site.john().await);
                storage.fail(nth, fault);
                let answer = send(&site, request, &lead).await;
                storage.heal();
                assert!(
                    answer.status == 503 || answer.status < 300,
                    "{request:?} {fault:?} {nth}: {}",
                    answer.text
                );
                assert_ne!(answer.json, Value::Null);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_again_by_its_key() {
    let (site, storage) = site().await;
    let create = || {
        let request = site
            .request("POST", "/v1/crm/leads")
            .header("idempotency-key", "5e1f");
        Answer::of(
            request
                .header("content-type", "application/json")
                .body(BODY),
        )
    };
    // The commit is made, its answer is lost, and nothing can be asked.
    storage.fail_commit(1, Fault::After);
    storage.die_after_commit(1);
    create().await.must_be_refused(503);
    storage.heal();
    assert_eq!(create().await.status, 201);
    assert_eq!(site.get("/v1/crm/leads").await.json["total_count"], 1);
}
