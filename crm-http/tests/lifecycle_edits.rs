//! The lifecycle at `/v1/crm/lead-statuses`: edits of several statuses in one call, and what is
//! refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Site};
use serde_json::{Value, json};

const STATUSES: &str = "/v1/crm/lead-statuses";

on_every_storage! {
    several_are_edited_at_once_or_not_at_all
    bad_requests_are_refused_and_name_the_field
}

async fn send(site: &Site, method: &str, path: &str, body: Value) -> Answer {
    let path = format!("{STATUSES}{path}");
    site.send(method, &path, &body.to_string()).await
}

async fn one(site: &Site, status: &str) -> Value {
    let answer = site.get(&format!("{STATUSES}/{status}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["lead_status"].clone()
}

async fn slugs(site: &Site, query: &str) -> Vec<String> {
    let list = site.get(&format!("{STATUSES}{query}")).await;
    assert_eq!(list.status, 200, "{}", list.text);
    let statuses = list.json["lead_statuses"].as_array().unwrap();
    assert_eq!(list.json["total_count"], statuses.len());
    let slugs = statuses.iter().map(|status| status["slug"].as_str());
    slugs.map(|slug| slug.unwrap().to_owned()).collect()
}

async fn lead_in(site: &Site, status: &str) -> String {
    let body =
        json!({"first_name": "A", "last_name": "B", "email": "a@example.com", "status": status});
    site.lead(&body.to_string()).await
}

async fn several_are_edited_at_once_or_not_at_all(site: &Site) {
    let lead = lead_in(site, "contacted").await;
    let (new, lost) = (one(site, "new").await, one(site, "lost").await);
    let edits = |move_to: Value| {
        json!({
            "update": [{"statuses": ["new", "5"], "colour": "#111111"}],
            "delete": [{"statuses": ["contacted"], "move_to": move_to}],
        })
    };
    let refused = send(site, "POST", "/bulk", edits(Value::Null)).await;
    refused.must_be_refused(409);
    assert_eq!(refused.json["leads"], 1);
    assert_eq!(
        (one(site, "new").await, one(site, "lost").await),
        (new, lost)
    );
    let done = send(site, "POST", "/bulk", edits("new".into())).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(one(site, "new").await["colour"], "#111111");
    assert_eq!(one(site, "lost").await["colour"], "#111111");
    assert_eq!(
        slugs(site, "").await,
        ["new", "qualified", "converted", "lost"]
    );
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "new");
    for (body, wrong) in [
        (json!({}), "update"),
        (json!({"update": [{}]}), "update[0].statuses"),
        (
            json!({"update": [{"statuses": ["x"]}]}),
            "update[0].statuses[0]",
        ),
        (
            json!({"update": [{"statuses": ["new", "1"]}]}),
            "update[0].statuses[1]",
        ),
        (
            json!({"update": [{"statuses": ["new"], "slug": "x"}]}),
            "update[0].slug",
        ),
        (
            json!({"update": [{"statuses": ["new"], "colour": "x"}]}),
            "update[0].colour",
        ),
        (
            json!({"update": [{"statuses": ["new"], "kind": "x"}]}),
            "update[0].kind",
        ),
        (
            json!({"update": [{"statuses": ["new", "lost"], "name": "x"}]}),
            "update[0].name",
        ),
        (
            json!({"update": [{"statuses": ["new"], "kind": "won"}]}),
            "lifecycle",
        ),
        (
            json!({"delete": [{"statuses": ["new"], "move_to": "x"}]}),
            "delete[0].move_to",
        ),
        (
            json!({"delete": [{"statuses": ["qualified"], "move_to": "qualified"}]}),
            "delete[0].move_to",
        ),
        (
            json!({"delete": [{"statuses": ["converted", "lost"], "move_to": "qualified"}]}),
            "lifecycle",
        ),
        (json!({"delete": [{"statuses": 1}]}), "delete[0].statuses"),
        (json!({"remove": []}), "remove"),
        (json!({"delete": vec![json!({}); 101]}), "delete"),
    ] {
        let refused = send(site, "POST", "/bulk", body.clone()).await;
        refused.must_be_refused(422);
        assert!(refused.wrong().contains(&wrong), "{body}: {}", refused.text);
    }
}

async fn bad_requests_are_refused_and_name_the_field(site: &Site) {
    for (body, wrong) in [
        (json!({}), "name"),
        (json!({"name": "x".repeat(51)}), "name"),
        (json!({"name": "new"}), "name"),
        (json!({"name": 1}), "name"),
        (json!({"name": "A", "color": "#010203"}), "color"),
        (json!({"name": "A", "colour": "red"}), "colour"),
        (json!({"name": "A", "order": 0}), "order"),
        (json!({"name": "A", "order": 101}), "order"),
        (json!({"name": "A", "order": 1.5}), "order"),
        (json!({"name": "A", "probability": 101}), "probability"),
        (json!({"name": "A", "probability": -1}), "probability"),
        (
            json!({"name": "A", "kind": "won", "probability": 50}),
            "probability",
        ),
        (
            json!({"name": "A", "stuck_after_seconds": 0}),
            "stuck_after_seconds",
        ),
        (
            json!({"name": "A", "stuck_after_seconds": i64::MAX}),
            "stuck_after_seconds",
        ),
        (
            json!({"name": "A", "stuck_after_seconds": i64::MIN}),
            "stuck_after_seconds",
        ),
        (json!({"name": "A", "required": ["surname"]}), "required"),
        (json!({"name": "A", "required": ["status"]}), "required"),
        (json!({"name": "A", "required": "company"}), "required"),
        (json!({"name": "A", "reason": "maybe"}), "reason"),
        (json!({"name": "A", "initial": 1}), "initial"),
        (json!({"name": "A", "slug": "lost"}), "slug"),
        (json!({"name": "A", "slug": "_x"}), "slug"),
        (json!({"name": "A", "retiring": "new"}), "retiring"),
        (
            json!({"name": "A", "kind": "lost", "initial": true}),
            "lifecycle",
        ),
    ] {
        let refused = send(site, "POST", "", body.clone()).await;
        refused.must_be_refused(422);
        assert!(refused.wrong().contains(&wrong), "{body}: {}", refused.text);
    }
    for (body, wrong) in [
        (json!({"slug": "other"}), "slug"),
        (json!({"initial": false}), "initial"),
        (json!({"retiring": "contacted"}), "retiring"),
        (json!({"id": 1}), "id"),
    ] {
        let refused = send(site, "PATCH", "/new", body).await;
        refused.must_be_refused(422);
        assert_eq!(refused.wrong(), [wrong]);
    }
    for (path, method) in [
        ("", "POST"),
        ("/new", "PUT"),
        ("/order", "PUT"),
        ("/policy", "PUT"),
        ("/bulk", "POST"),
    ] {
        let path = format!("{STATUSES}{path}");
        site.send(method, &path, "[").await.must_be_refused(400);
        site.send(method, &format!("{path}?x=1"), "{}")
            .await
            .must_be_refused(422);
        let form = site.request(method, &path).body("name=x");
        Answer::of(form).await.must_be_refused(415);
    }
    assert_eq!(site.get(STATUSES).await.json["version"], 1);
}
