//! One lead beyond the document: versions, keys, transitions, history, feed, pipeline.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use crm_core::event::EventCursor;
use crm_core::lifecycle::Lifecycle;
use serde_json::{Value, json};

on_every_storage! {
    a_write_for_another_version_is_refused_and_changes_nothing
    a_request_with_a_key_happens_once
    a_refused_transition_names_what_is_allowed
    transitions_are_listed_and_made
    a_timeline_is_paged_and_survives_deletion
    the_feed_goes_on_where_it_stopped
}

async fn a_write_for_another_version_is_refused_and_changes_nothing(site: &Site) {
    let one = format!("/v1/crm/leads/{}", site.john().await);
    let read = site.get(&one).await;
    assert_eq!(read.header("etag"), "\"1\"");
    let put = async |tag: &str, body: &'static str| {
        let request = site.request("PUT", &one).header("if-match", tag);
        Answer::of(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    };
    let done = put("\"1\"", r#"{"notes":"a"}"#).await;
    assert_eq!((done.status, done.header("etag")), (200, "\"2\""));
    for stale in ["\"1\"", "W/\"2\"", "\"x\"", "\"1\", \"7\""] {
        let refused = put(stale, r#"{"notes":"b"}"#).await;
        refused.must_be_refused(412);
        assert_eq!(refused.json["version"], 2, "{stale}");
    }
    let refused = Answer::of(site.request("DELETE", &one).header("if-match", "\"1\"")).await;
    refused.must_be_refused(412);
    assert_eq!(site.get(&one).await.json["lead"]["notes"], "a");
    assert_eq!(put("*", r#"{"notes":"c"}"#).await.status, 200);
    assert_eq!(put("\"1\", \"3\"", r#"{"notes":"d"}"#).await.status, 200);
    let same = Answer::of(site.request("GET", &one).header("if-none-match", "\"4\"")).await;
    assert_eq!(
        (same.status, same.text.as_str(), same.header("etag")),
        (304, "", "\"4\"")
    );
    let other = Answer::of(site.request("GET", &one).header("if-none-match", "\"3\"")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_write_with_several_tags_and_a_key_is_repeated_with_the_same_answer() {
    let site = Site::memory().await;
    let one = format!("/v1/crm/leads/{}", site.john().await);
    let send = async |method: &str, tags: &str, key: &str, body: &'static str| {
        let request = site.request(method, &one).header("if-match", tags);
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        Answer::of(request.body(body)).await
    };
    for _ in 0..2 {
        let done = send("PUT", "\"1\", \"7\"", "a", r#"{"notes":"a"}"#).await;
        assert_eq!(
            (done.status, done.header("etag")),
            (200, "\"2\""),
            "{}",
            done.text
        );
    }
    // One that was not made yet is refused.
    let refused = send("PUT", "\"1\", \"7\"", "b", r#"{"notes":"b"}"#).await;
    refused.must_be_refused(412);
    let first = send("DELETE", "\"1\", \"2\"", "c", "").await;
    let again = send("DELETE", "\"1\", \"2\"", "c", "").await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!((again.status, again.text), (first.status, first.text));
}

async fn a_request_with_a_key_happens_once(site: &Site) {
    let body = r#"{"first_name":"John","last_name":"Doe","email":"john@example.com"}"#;
    let create = async |key: &str, body: &'static str| {
        let request = site
            .request("POST", "/v1/crm/leads")
            .header("idempotency-key", key);
        Answer::of(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    };
    let first = create("9a1f", body).await;
    let again = create("9a1f", body).await;
    assert_eq!(
        (first.status, first.text.as_str()),
        (201, again.text.as_str())
    );
    assert_eq!(site.get("/v1/crm/leads").await.json["total_count"], 1);
    let other = create(
        "9a1f",
        r#"{"first_name":"J","last_name":"D","email":"j@example.com"}"#,
    );
    let other = other.await;
    other.must_be_refused(422);
    assert_eq!(other.wrong(), ["Idempotency-Key"]);
    for wrong in ["", " ", &"k".repeat(256)] {
        let refused = create(wrong, body).await;
        refused.must_be_refused(400);
        assert_eq!(refused.wrong(), ["Idempotency-Key"]);
    }
    let one = format!("/v1/crm/leads/{}", first.json["lead_id"].as_str().unwrap());
    for _ in 0..2 {
        let delete = site
            .request("DELETE", &one)
            .header("idempotency-key", "77aa");
        assert_eq!(Answer::of(delete).await.status, 200);
    }
    create("9a1f", body).await.must_be_refused(410);
}

async fn a_refused_transition_names_what_is_allowed(site: &Site) {
    let one = format!("/v1/crm/leads/{}", site.john().await);
    assert_eq!(
        site.send("PUT", &one, r#"{"status":"converted"}"#)
            .await
            .status,
        200
    );
    for (method, path) in [("PUT", one.clone()), ("POST", format!("{one}/transitions"))] {
        let refused = site.send(method, &path, r#"{"status":"new"}"#).await;
        refused.must_be_refused(409);
        assert_eq!(refused.json["allowed"], json!([]));
        assert_eq!(refused.json["code"], "not_allowed");
        let message =
            "Cannot move from \"converted\" to \"new\": nothing is allowed next, it is final.";
        assert_eq!(refused.json["message"], message);
    }
    let unknown = site.send("PUT", &one, r#"{"status":"cold"}"#).await;
    unknown.must_be_refused(422);
    assert!(
        unknown
            .text
            .contains("new, contacted, qualified, converted, lost")
    );
    let two = format!("/v1/crm/leads/{}", site.john().await);
    assert_eq!(
        site.send("PUT", &two, r#"{"status":"lost"}"#).await.status,
        200
    );
    let there = site
        .send(
            "POST",
            &format!("{two}/transitions"),
            r#"{"status":"lost"}"#,
        )
        .await;
    there.must_be_refused(409);
    assert_eq!(there.json["code"], "already_there");
    assert_eq!(
        there.json["allowed"],
        json!(["new", "contacted", "qualified"])
    );
}

async fn transitions_are_listed_and_made(site: &Site) {
    let id = site.john().await;
    let path = format!("/v1/crm/leads/{id}/transitions");
    let list = site.get(&path).await;
    assert_eq!(list.json["status"], "new");
    let next = |field: &str| -> Vec<Value> {
        let all = list.json["transitions"].as_array().unwrap().iter();
        all.map(|next| next[field].clone()).collect()
    };
    assert_eq!(
        next("status"),
        ["contacted", "qualified", "converted", "lost"]
    );
    assert_eq!(next("ready"), [true, true, true, true]);
    let body = r#"{"status":"contacted","status_reason":"called back"}"#;
    let moved = site.send("POST", &path, body).await;
    assert_eq!(moved.json["message"], "Lead moved successfully.");
    assert_eq!(moved.json["lead"]["status_reason"], "called back");
    assert_eq!(moved.header("etag"), "\"2\"");
    let refused = site.send("POST", &path, "{}").await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["status"]);
}

async fn a_timeline_is_paged_and_survives_deletion(site: &Site) {
    let id = site.john().await;
    let one = format!("/v1/crm/leads/{id}");
    site.send("PUT", &one, r#"{"notes":"secret plan"}"#).await;
    site.send("PUT", &one, r#"{"status":"contacted"}"#).await;
    let history = async |query: &str| site.get(&format!("{one}/history{query}")).await;
    let page = history("?limit=2").await;
    let events = page.json["events"].as_array().unwrap();
    assert_eq!(
        (&events[0]["event"], &events[1]["event"]),
        (&"created".into(), &"updated".into())
    );
    assert_eq!(events[1]["actor"], "admin");
    let next = page.json["next_cursor"].as_str().unwrap();
    let rest = history(&format!("?limit=2&cursor={next}")).await;
    assert_eq!(rest.json["events"][0]["from"], "new");
    assert_eq!(rest.json["next_cursor"], Value::Null);
    assert_eq!(
        history("?sort=-version").await.json["events"][0]["version"],
        3
    );
    history(&format!("?sort=-version&cursor={next}"))
        .await
        .must_be_refused(400);
    history("?cursor=x").await.must_be_refused(400);
    history("?sort=name&x=1").await.must_be_refused(422);
    site.send("DELETE", &one, "").await;
    let after = history("").await;
    assert_eq!(after.json["events"].as_array().unwrap().len(), 4);
    assert!(!after.text.contains("secret plan"), "{}", after.text);
}

async fn the_feed_goes_on_where_it_stopped(site: &Site) {
    let empty = site.get("/v1/crm/events").await;
    assert_eq!(empty.json["events"], json!([]));
    site.john().await;
    site.john().await;
    let page = site.get("/v1/crm/events?limit=1").await;
    let next = page.json["next_cursor"].as_str().unwrap();
    let rest = site.get(&format!("/v1/crm/events?cursor={next}")).await;
    let end = rest.json["next_cursor"].as_str().unwrap();
    assert_eq!(rest.json["events"].as_array().unwrap().len(), 1);
    let id = site.john().await;
    let new = site.get(&format!("/v1/crm/events?cursor={end}")).await;
    assert_eq!(new.json["events"][0]["lead"], id.as_str());
    let refused = site.get("/v1/crm/events?cursor=evt_1_00").await;
    refused.must_be_refused(400);
    let acme = site
        .token_of("acme", "u", &crm_http::auth::Permission::ALL)
        .await;
    let foreign = site.request_by(&acme, "GET", &format!("/v1/crm/events?cursor={end}"));
    Answer::of(foreign).await.must_be_refused(400);
}

#[tokio::test]
async fn the_feed_of_ones_own_leads_does_not_tell_how_much_others_do() {
    let site = Site::memory().await;
    let own = site.own_leads_token("u").await;
    let feed = async |query: &str| {
        let path = format!("/v1/crm/events{query}");
        let feed = Answer::of(site.request_by(&own, "GET", &path)).await;
        assert_eq!(feed.json["events"], json!([]), "{}", feed.text);
        feed.json["next_cursor"].as_str().unwrap().to_owned()
    };
    site.john().await;
    let first = feed("").await;
    assert!(first.parse::<EventCursor>().is_err(), "{first}");
    assert_eq!(feed("").await, first);
    for _ in 0..20 {
        site.john().await;
    }
    let later = feed(&format!("?cursor={first}")).await;
    assert_eq!(later.len(), first.len());
    // Nothing is new, and that shows.
    assert_eq!(feed(&format!("?cursor={later}")).await, later);
}

#[tokio::test]
async fn the_pipeline_shows_every_stage() {
    let site = Plan::memory().lifecycle(Lifecycle::sales()).start().await;
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","value":{"minor_units":1000,"currency":"EUR"}}"#;
    site.lead(body).await;
    let answer = site.get("/v1/crm/pipeline").await;
    assert!(
        answer
            .text
            .starts_with(r#"{"result":"success","pipeline":{"as_of":"#)
    );
    let stages = answer.json["pipeline"]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 6);
    assert_eq!(
        (&stages[0]["leads"], &stages[0]["values"][0]["total"]),
        (&1.into(), &1000.into())
    );
}
