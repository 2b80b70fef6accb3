//! The lifecycle at `/v1/crm/lead-statuses`: statuses, their order, their moves, the drawing.

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
    a_status_is_shown_in_full
    a_status_is_created_with_everything
    a_status_is_changed_field_by_field
    the_list_is_searched_filtered_and_sorted
    statuses_are_reordered
    the_policy_is_replaced
    the_moves_of_one_status_are_replaced
    the_lifecycle_is_drawn
    a_version_can_be_asked_for_and_insisted_on
    a_status_in_use_is_deleted_only_with_a_destination
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

async fn a_status_is_shown_in_full(site: &Site) {
    let list = site.get(STATUSES).await;
    assert_eq!((list.status, list.header("etag")), (200, "\"1\""));
    assert_eq!(
        (&list.json["version"], &list.json["total_count"]),
        (&1.into(), &5.into())
    );
    let by_slug = one(site, "contacted").await;
    assert_eq!(by_slug, one(site, "2").await);
    assert_eq!(by_slug, list.json["lead_statuses"][1]);
    let members = [
        "slug",
        "id",
        "name",
        "colour",
        "order",
        "kind",
        "probability",
        "stuck_after_seconds",
        "required",
        "reason",
        "retiring",
        "initial",
        "transitions",
    ];
    let shown = by_slug.as_object().unwrap();
    assert!(
        members.iter().all(|member| shown.contains_key(*member)),
        "{by_slug}"
    );
    assert_eq!(shown.len(), members.len());
    let transitions = json!(["new", "qualified", "converted", "lost"]);
    assert_eq!(by_slug["transitions"], transitions);
    for nobody in [
        "demo",
        "0",
        "99",
        "-1",
        "+1",
        "Not%20a%20slug",
        "%ff",
        "%00",
    ] {
        let refused = site.get(&format!("{STATUSES}/{nobody}")).await;
        refused.must_be_refused(404);
    }
}

async fn a_status_is_created_with_everything(site: &Site) {
    let body = json!({
        "name": "Demo held", "slug": "demo", "colour": "#0a0b0c", "order": 2, "kind": "open",
        "probability": 42, "stuck_after_seconds": 86_400, "required": ["company", "custom.size"],
        "reason": "required", "initial": false, "transitions": ["lost", "qualified"],
    });
    let created = send(site, "POST", "", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(
        (created.header("location"), created.header("etag")),
        ("lead-statuses/6", "\"2\"")
    );
    let expected = json!({
        "slug": "demo", "id": 6, "name": "Demo held", "colour": "#0A0B0C", "order": 2,
        "kind": "open", "probability": 42, "stuck_after_seconds": 86_400,
        "required": ["company", "custom.size"], "reason": "required", "retiring": null,
        "initial": false, "transitions": ["qualified", "lost"],
    });
    assert_eq!(created.json["lead_status"], expected);
    assert_eq!(one(site, "demo").await, expected);
    let simple = send(site, "POST", "", json!({"name": "Offer"})).await;
    assert_eq!(simple.json["lead_status"]["order"], 5, "{}", simple.text);
    lead_in(site, "offer").await;
    let first = send(site, "POST", "", json!({"name": "Fresh", "initial": true})).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let john = site.john().await;
    let lead = site.get(&format!("/v1/crm/leads/{john}")).await;
    assert_eq!(lead.json["lead"]["status"], "fresh");
}

async fn a_status_is_changed_field_by_field(site: &Site) {
    let before = one(site, "qualified").await;
    let changed = send(site, "PATCH", "/qualified", json!({"colour": "#010203"})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let mut expected = before.clone();
    expected["colour"] = "#010203".into();
    assert_eq!(changed.json["lead_status"], expected);
    let threshold = json!({"stuck_after_seconds": 60, "reason": "required", "name": "Good"});
    let changed = send(site, "PUT", "/3", threshold).await;
    assert_eq!(changed.json["lead_status"]["stuck_after_seconds"], 60);
    let changed = send(site, "PATCH", "/3", json!({"stuck_after_seconds": null})).await;
    assert_eq!(
        changed.json["lead_status"]["stuck_after_seconds"],
        Value::Null
    );
    let changed = send(site, "PATCH", "/3", json!({"kind": "won"})).await;
    assert_eq!(
        changed.json["lead_status"]["probability"], 100,
        "{}",
        changed.text
    );
    let version = changed.json["version"].clone();
    let same = send(site, "PATCH", "/3", json!({"kind": "won", "name": "Good"})).await;
    assert_eq!((same.status, &same.json["version"]), (200, &version));
}

async fn the_list_is_searched_filtered_and_sorted(site: &Site) {
    assert_eq!(slugs(site, "?q=CON").await, ["contacted", "converted"]);
    assert_eq!(
        slugs(site, "?kind=open&sort=-order").await,
        ["qualified", "contacted", "new"]
    );
    assert_eq!(slugs(site, "?q=nobody").await, [""; 0]);
    assert_eq!(
        slugs(site, "?sort=name").await[..2],
        ["contacted", "converted"]
    );
    for (query, wrong) in [
        ("?sort=x", "sort"),
        ("?kind=x", "kind"),
        ("?colour=x", "colour"),
        ("?search=x", "search"),
    ] {
        let refused = site.get(&format!("{STATUSES}{query}")).await;
        refused.must_be_refused(422);
        assert_eq!(refused.wrong(), [wrong]);
    }
}

async fn statuses_are_reordered(site: &Site) {
    let order = json!({"order": ["contacted", "new", "qualified", "lost", "converted"]});
    let done = send(site, "PUT", "/order", order).await;
    assert_eq!(
        (done.status, &done.json["version"]),
        (200, &2.into()),
        "{}",
        done.text
    );
    let now = slugs(site, "").await;
    assert_eq!(now, ["contacted", "new", "qualified", "lost", "converted"]);
    for (body, wrong) in [
        (json!({"order": ["new"]}), "order"),
        (
            json!({"order": ["new", "new", "contacted", "qualified", "lost", "converted"]}),
            "order",
        ),
        (
            json!({"order": ["x", "new", "contacted", "qualified", "lost", "converted"]}),
            "order",
        ),
        (json!({"order": vec!["new"; 1_000]}), "order"),
        (json!({"order": [1]}), "order"),
        (json!({}), "order"),
        (json!({"to": []}), "to"),
    ] {
        let refused = send(site, "PUT", "/order", body).await;
        refused.must_be_refused(422);
        assert_eq!(refused.wrong(), [wrong]);
    }
    assert_eq!(slugs(site, "").await, now);
}

async fn the_policy_is_replaced(site: &Site) {
    let computed = site.get(&format!("{STATUSES}/policy")).await;
    assert_eq!(computed.json["policy"], "forward");
    assert_eq!(
        computed.json["transitions"][0],
        json!({"from": "new", "to": "contacted"})
    );
    let moves = [
        ("new", "contacted"),
        ("contacted", "qualified"),
        ("qualified", "converted"),
        ("qualified", "lost"),
    ];
    let moves: Vec<Value> = moves
        .iter()
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect();
    let body = json!({"policy": "explicit", "transitions": moves});
    let done = send(site, "PUT", "/policy", body).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let listed = site.get(&format!("{STATUSES}/policy")).await;
    assert_eq!(listed.json["policy"], "explicit");
    assert_eq!(listed.json["transitions"].as_array().unwrap().len(), 4);
    // Leads go by it at once.
    let john = site.john().await;
    let path = format!("/v1/crm/leads/{john}");
    let refused = site.send("PUT", &path, r#"{"status":"qualified"}"#).await;
    refused.must_be_refused(409);
    assert_eq!(refused.json["allowed"], json!(["contacted"]));
    for (body, wrong) in [
        (json!({"policy": "random"}), "policy"),
        (json!({}), "policy"),
        (json!({"policy": "explicit"}), "transitions"),
        (
            json!({"policy": "explicit", "transitions": []}),
            "lifecycle",
        ),
        (
            json!({"policy": "forward", "transitions": []}),
            "transitions",
        ),
        (
            json!({"policy": "explicit", "transitions": [{"from": "A", "to": "new"}]}),
            "transitions[0].from",
        ),
        (
            json!({"policy": "explicit", "transitions": [{"from": "new"}]}),
            "transitions[0].to",
        ),
        (
            json!({"policy": "explicit", "transitions": [{"from": "new", "to": null}]}),
            "transitions[0].to",
        ),
        (
            json!({"policy": "explicit", "transitions": [{"x": 1}]}),
            "transitions[0].x",
        ),
        (
            json!({"policy": "explicit", "transitions": [1]}),
            "transitions[0]",
        ),
        (
            json!({"policy": "explicit", "transitions": 1}),
            "transitions",
        ),
    ] {
        let refused = send(site, "PUT", "/policy", body.clone()).await;
        refused.must_be_refused(422);
        assert!(refused.wrong().contains(&wrong), "{body}: {}", refused.text);
    }
    let back = send(site, "PUT", "/policy", json!({"policy": "forward"})).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(
        site.send("PUT", &path, r#"{"status":"qualified"}"#)
            .await
            .status,
        200
    );
}

async fn the_moves_of_one_status_are_replaced(site: &Site) {
    let same = json!({"transitions": ["lost", "converted", "qualified", "contacted"]});
    let unchanged = send(site, "PATCH", "/new", same).await;
    assert_eq!(unchanged.json["version"], 1, "{}", unchanged.text);
    let fewer = json!({"transitions": ["contacted"]});
    let changed = send(site, "PATCH", "/new", fewer).await;
    assert_eq!(
        changed.json["lead_status"]["transitions"],
        json!(["contacted"])
    );
    let policy = site.get(&format!("{STATUSES}/policy")).await;
    assert_eq!(policy.json["policy"], "explicit");
    // Opened again and told where to in one edit: nothing else is allowed.
    let opened = json!({"kind": "open", "transitions": ["new"]});
    let changed = send(site, "PATCH", "/lost", opened).await;
    assert_eq!(
        changed.json["lead_status"]["transitions"],
        json!(["new"]),
        "{}",
        changed.text
    );
    for wrong in [
        json!(["new"]),
        json!(["nowhere"]),
        json!(vec!["lost"; 101]),
        json!("lost"),
    ] {
        let refused = send(site, "PATCH", "/new", json!({"transitions": wrong})).await;
        refused.must_be_refused(422);
        assert!(refused.wrong().contains(&"transitions"), "{}", refused.text);
    }
}

async fn the_lifecycle_is_drawn(site: &Site) {
    let lifecycle = site.crm.lifecycle().await.unwrap();
    let path = format!("{STATUSES}/diagram");
    let mermaid = site.get(&path).await;
    assert_eq!(
        mermaid.header("content-type"),
        "text/vnd.mermaid; charset=utf-8"
    );
    assert_eq!(
        (mermaid.text, mermaid.status),
        (lifecycle.to_mermaid(), 200)
    );
    let dot = site.get(&format!("{path}?format=dot")).await;
    assert_eq!(
        dot.header("content-type"),
        "text/vnd.graphviz; charset=utf-8"
    );
    assert_eq!(dot.text, lifecycle.to_dot());
    let refused = site.get(&format!("{path}?format=svg")).await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["format"]);
}

async fn a_version_can_be_asked_for_and_insisted_on(site: &Site) {
    for path in ["", "/new", "/policy", "/diagram"] {
        let path = format!("{STATUSES}{path}");
        let known = site.request("GET", &path).header("if-none-match", "\"1\"");
        let answer = Answer::of(known).await;
        assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{path}");
        assert_eq!(answer.header("etag"), "\"1\"");
        let older = site.request("GET", &path).header("if-none-match", "\"0\"");
        assert_eq!(Answer::of(older).await.status, 200);
    }
    let insist = |method: &str, path: &str, version: &str, body: Value| {
        let request = site.request_json(method, &format!("{STATUSES}{path}"), &body);
        Answer::of(request.header("if-match", version))
    };
    let order = json!({"order": ["contacted", "new", "qualified", "lost", "converted"]});
    let requests = [
        ("POST", "", json!({"name": "X"})),
        ("PUT", "/new", json!({"name": "X"})),
        ("PATCH", "/new", json!({"name": "X"})),
        ("DELETE", "/contacted", Value::Null),
        ("PUT", "/order", order),
        ("PUT", "/policy", json!({"policy": "forward"})),
        (
            "POST",
            "/bulk",
            json!({"delete": [{"statuses": ["contacted"]}]}),
        ),
    ];
    for (method, path, body) in requests {
        let refused = insist(method, path, "\"7\"", body).await;
        refused.must_be_refused(412);
        assert_eq!(refused.json["version"], 1);
    }
    let done = insist("PATCH", "/new", "\"1\"", json!({"name": "Fresh"})).await;
    assert_eq!((done.status, done.header("etag")), (200, "\"2\""));
    insist("PATCH", "/new", "\"1\"", json!({"name": "Again"}))
        .await
        .must_be_refused(412);
    assert_eq!(
        insist("PATCH", "/new", "*", json!({"name": "Again"}))
            .await
            .status,
        200
    );
}

async fn a_status_in_use_is_deleted_only_with_a_destination(site: &Site) {
    let lead = lead_in(site, "contacted").await;
    let refused = send(site, "DELETE", "/contacted", Value::Null).await;
    refused.must_be_refused(409);
    assert_eq!(refused.json["leads"], 1);
    for (query, status) in [
        ("?move_to=nowhere", 422),
        ("?move_to=contacted", 422),
        ("?to=new", 422),
    ] {
        let refused = send(site, "DELETE", &format!("/contacted{query}"), Value::Null).await;
        refused.must_be_refused(status);
    }
    let done = send(site, "DELETE", "/2?move_to=qualified", Value::Null).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        slugs(site, "").await,
        ["new", "qualified", "converted", "lost"]
    );
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "qualified");
    send(site, "DELETE", "/2", Value::Null)
        .await
        .must_be_refused(404);
    let initial = send(site, "DELETE", "/new", Value::Null).await;
    initial.must_be_refused(422);
    assert_eq!(initial.wrong(), ["lifecycle"]);
}
