//! Every request of the leads document, typed as shown there, gives the response shown there: the
//! documented members first and in order, whatever follows.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Site};
use serde_json::Value;
use tokio::process::Command;

/// The request of the document's "Create lead".
const CREATE: &str = r#"{
    "first_name": "John",
    "last_name": "Doe",
    "email": "john@example.com",
    "company": "Acme Corp",
    "source": "website",
    "phone": "+263771234567"
  }"#;

on_every_storage! {
    the_documented_requests_give_the_documented_responses
    the_documented_filters_and_limit_hold
    an_update_changes_any_subset_of_fields
}

async fn the_documented_requests_give_the_documented_responses(site: &Site) {
    let created = site.send("POST", "/v1/crm/leads", CREATE).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json["lead_id"].as_str().unwrap().to_owned();
    assert_eq!(
        created.text,
        format!(
            r#"{{"result":"success","lead_id":"{id}","message":"Lead created successfully."}}"#
        )
    );
    let one = format!("/v1/crm/leads/{id}");
    let assigned = site
        .send("PUT", &one, r#"{"assigned_to":"user_456"}"#)
        .await;
    assert_eq!(assigned.status, 200, "{}", assigned.text);

    let list = site.get("/v1/crm/leads").await;
    assert_eq!(list.status, 200);
    let shown = format!(
        r#"{{"result":"success","leads":[{{"id":"{id}","first_name":"John","last_name":"Doe","email":"john@example.com","company":"Acme Corp","status":"new","assigned_to":"user_456","created_at":"2026-01-15T10:30:00Z","#
    );
    assert!(list.text.starts_with(&shown), "{}", list.text);
    let after = list.text.find(r#""total_count":1"#).unwrap();
    assert!(after > list.text.find(r#"}]"#).unwrap(), "{}", list.text);
    assert_eq!(list.json["leads"].as_array().unwrap().len(), 1);

    let lead = site.get(&one).await;
    assert_eq!(
        (lead.status, &lead.json["lead"]["id"]),
        (200, &Value::from(id))
    );

    let update = r#"{
    "status": "qualified",
    "notes": "Interested in enterprise plan"
  }"#;
    let updated = site.send("PUT", &one, update).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(
        updated.text,
        r#"{"result":"success","message":"Lead updated successfully."}"#
    );
    let lead = site.get(&one).await.json;
    assert_eq!(lead["lead"]["status"], "qualified");
    assert_eq!(lead["lead"]["notes"], "Interested in enterprise plan");

    let deleted = site.send("DELETE", &one, "").await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(
        deleted.text,
        r#"{"result":"success","message":"Lead deleted successfully."}"#
    );
    site.get(&one).await.must_be_refused(404);
    let list = site.get("/v1/crm/leads").await;
    assert_eq!(
        list.text,
        r#"{"result":"success","leads":[],"total_count":0,"next_cursor":null}"#
    );
}

async fn the_documented_filters_and_limit_hold(site: &Site) {
    for number in 0..55 {
        let user = if number % 2 == 0 {
            "user_456"
        } else {
            "user_457"
        };
        let body = format!(
            r#"{{"first_name":"A","last_name":"B","email":"a{number}@example.com","assigned_to":"{user}"}}"#
        );
        let id = site.lead(&body).await;
        if number < 10 {
            let one = format!("/v1/crm/leads/{id}");
            site.send("PUT", &one, r#"{"status":"contacted"}"#).await;
        }
    }
    for (query, shown, total) in [
        ("", 50, 55),
        ("?limit=5", 5, 55),
        ("?status=contacted", 10, 10),
        ("?assigned_to=user_456", 28, 28),
        ("?status=contacted&assigned_to=user_456&limit=3", 3, 5),
        ("?status=contacted,new", 50, 55),
        ("?status=lost", 0, 0),
        ("?assigned_to=nobody", 0, 0),
    ] {
        let list = site.get(&format!("/v1/crm/leads{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        let found = list.json["leads"].as_array().unwrap().len();
        assert_eq!(
            (found, &list.json["total_count"]),
            (shown, &Value::from(total)),
            "{query}"
        );
        assert_eq!(
            list.json["next_cursor"].is_string(),
            shown < total,
            "{query}"
        );
    }
    for source in [
        "website",
        "referral",
        "cold_call",
        "event",
        "other",
        "trade_fair_2026",
    ] {
        let body = format!(
            r#"{{"first_name":"A","last_name":"B","email":"a@example.com","source":"{source}"}}"#
        );
        site.lead(&body).await;
    }
    let body = r#"{"first_name":"A","last_name":"B","email":"a@example.com","source":"Cold Call"}"#;
    let refused = site.send("POST", "/v1/crm/leads", body).await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["source"]);
}

async fn an_update_changes_any_subset_of_fields(site: &Site) {
    let id = site.lead(CREATE).await;
    let one = format!("/v1/crm/leads/{id}");
    let changed = async |method: &str, body: &str| -> Value {
        let answer: Answer = site.send(method, &one, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        site.get(&one).await.json["lead"].clone()
    };
    let lead = changed("PUT", r#"{"first_name":"Jane","last_name":"Roe"}"#).await;
    assert_eq!(
        (&lead["first_name"], &lead["company"]),
        (&"Jane".into(), &"Acme Corp".into())
    );
    let lead = changed(
        "PUT",
        r#"{"company":null,"tags":["vip"],"custom":{"budget":5}}"#,
    )
    .await;
    assert_eq!(
        (&lead["company"], &lead["tags"][0]),
        (&Value::Null, &"vip".into())
    );
    let lead = changed(
        "PATCH",
        r#"{"value":{"minor_units":1250050,"currency":"USD"}}"#,
    )
    .await;
    assert_eq!(lead["value"]["currency"], "USD");
    assert_eq!(lead["custom"]["budget"], 5);
    let before = lead["version"].clone();
    assert_eq!(changed("PUT", "{}").await["version"], before);
}

/// The commands of the document, word for word.
const COMMANDS: [&str; 5] = [
    r#"curl https://api.umbraerp.com/v1/crm/leads \
  -H "Authorization: Bearer <your_access_token>""#,
    r#"curl -X POST https://api.umbraerp.com/v1/crm/leads \
  -H "Authorization: Bearer <your_access_token>" \
  -H "Content-Type: application/json" \
  -d '{
    "first_name": "John",
    "last_name": "Doe",
    "email": "john@example.com",
    "company": "Acme Corp",
    "source": "website",
    "phone": "+263771234567"
  }'"#,
    r#"curl https://api.umbraerp.com/v1/crm/leads/lead_abc123 \
  -H "Authorization: Bearer <your_access_token>""#,
    r#"curl -X PUT https://api.umbraerp.com/v1/crm/leads/lead_abc123 \
  -H "Authorization: Bearer <your_access_token>" \
  -H "Content-Type: application/json" \
  -d '{
    "status": "qualified",
    "notes": "Interested in enterprise plan"
  }'"#,
    r#"curl -X DELETE https://api.umbraerp.com/v1/crm/leads/lead_abc123 \
  -H "Authorization: Bearer <your_access_token>""#,
];

/// Only the host, the token and the id are this server's.
async fn run(site: &Site, command: &str, id: &str) -> String {
    let command = command
        .replace("https://api.umbraerp.com", &site.url)
        .replace("<your_access_token>", &site.token)
        .replace("lead_abc123", id)
        .replacen("curl ", "curl --silent --show-error --noproxy '*' ", 1);
    let output = Command::new("sh")
        .arg("-c")
        .arg(command)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_documented_commands_run_as_they_are_written() {
    let site = Site::memory().await;
    let [list, create, get, update, delete] = COMMANDS;
    let created = run(&site, create, "").await;
    let id = serde_json::from_str::<Value>(&created).unwrap()["lead_id"].clone();
    let id = id.as_str().unwrap();
    let listed = run(&site, list, id).await;
    let begin = format!(r#"{{"result":"success","leads":[{{"id":"{id}","first_name":"John","#);
    assert!(listed.starts_with(&begin), "{listed}");
    let updated = run(&site, update, id).await;
    assert_eq!(
        updated,
        r#"{"result":"success","message":"Lead updated successfully."}"#
    );
    assert!(
        run(&site, get, id)
            .await
            .contains(r#""notes":"Interested in enterprise plan""#)
    );
    let deleted = run(&site, delete, id).await;
    assert_eq!(
        deleted,
        r#"{"result":"success","message":"Lead deleted successfully."}"#
    );
    assert!(
        run(&site, get, id)
            .await
            .starts_with(r#"{"result":"error","#)
    );
}
