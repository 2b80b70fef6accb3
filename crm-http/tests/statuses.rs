//! The documented lead statuses API: every request of the document, in each format of a body, and
//! what leads make of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use serde_json::{Value, json};

on_every_storage! {
    the_documented_requests_are_answered
    a_name_is_enough_and_leads_enter_the_status_at_once
    the_formats_of_a_body_mean_the_same
    the_order_is_always_without_gaps
    is_default_marks_what_is_won
    what_a_list_shows_can_be_sent_back
    a_list_is_searched_filtered_and_sorted
    a_status_in_use_is_deleted_only_with_a_destination
    bad_requests_are_refused_and_name_the_field
}

async fn call(site: &Site, method: &str, path: &str, kind: &str, body: &str) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = site
        .client
        .request(method, format!("{}/api/{path}", site.url))
        .header("authtoken", &site.token);
    let request = if kind.is_empty() {
        request
    } else {
        request.header("content-type", kind).body(body.to_owned())
    };
    Answer::of(request).await
}

async fn get(site: &Site, path: &str) -> Answer {
    call(site, "GET", path, "", "").await
}

async fn send(site: &Site, method: &str, path: &str, body: Value) -> Answer {
    call(site, method, path, "application/json", &body.to_string()).await
}

async fn add(site: &Site, body: Value) -> String {
    let added = send(site, "POST", "lead_statuses", body).await;
    assert_eq!(added.status, 200, "{}", added.text);
    added.json["id"].as_str().unwrap().to_owned()
}

/// The slugs of the list, in order.
async fn order(site: &Site, query: &str) -> Vec<String> {
    let list = get(site, &format!("lead_statuses{query}")).await;
    assert_eq!(list.status, 200, "{}", list.text);
    let items = list.json.as_array().unwrap().iter();
    items
        .map(|item| item["slug"].as_str().unwrap().to_owned())
        .collect()
}

async fn the_documented_requests_are_answered(site: &Site) {
    let added = send(site, "POST", "lead_statuses", json!({"name": "Demo held"})).await;
    assert_eq!(
        (added.status, added.text.as_str()),
        (
            200,
            r#"{"status":true,"message":"Lead status added successfully.","id":"6"}"#
        )
    );
    let list = get(site, "lead_statuses").await;
    assert!(
        list.text
            .starts_with(r#"[{"id":"1","name":"New","statusorder":"1","color":"#),
        "{}",
        list.text
    );
    for item in list.json.as_array().unwrap() {
        assert!(item.as_object().unwrap().values().all(Value::is_string));
    }
    let one = get(site, "lead_statuses/6").await;
    assert_eq!(
        one.text,
        r##"{"id":"6","name":"Demo held","statusorder":"4","color":"#28B8DA","isdefault":"0","slug":"demo_held","kind":"open","probability":"##.to_owned()
            + &one.json["probability"].to_string()
            + r#","retiring_into":""}"#
    );
    let update = json!({"name": "Demo", "color": "#ff0000", "statusorder": "1"});
    let updated = send(site, "PUT", "lead_statuses/6", update).await;
    assert_eq!(
        (updated.status, updated.text.as_str()),
        (
            200,
            r#"{"status":true,"message":"Lead status updated successfully."}"#
        )
    );
    let one = get(site, "lead_statuses/6").await.json;
    assert_eq!(
        (
            &one["name"],
            &one["color"],
            &one["statusorder"],
            &one["slug"]
        ),
        (
            &"Demo".into(),
            &"#FF0000".into(),
            &"1".into(),
            &"demo_held".into()
        )
    );
    let deleted = call(site, "DELETE", "delete/lead_statuses/6", "", "").await;
    assert_eq!(
        (deleted.status, deleted.text.as_str()),
        (
            200,
            r#"{"status":true,"message":"Lead status deleted successfully."}"#
        )
    );
    for (method, path) in [
        ("GET", "lead_statuses/6"),
        ("GET", "lead_statuses/demo"),
        ("GET", "lead_statuses/+1"),
        ("GET", "lead_statuses/99999999999"),
        ("GET", "lead_statuses/%ff"),
        ("GET", "lead_statuses?search=nobody"),
        ("PUT", "lead_statuses/6"),
        ("DELETE", "lead_statuses/6"),
        ("DELETE", "delete/lead_statuses/6"),
    ] {
        let answer = call(site, method, path, "", "").await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (404, r#"{"status":false,"message":"No data were found"}"#),
            "{method} {path}"
        );
    }
    let shorter = call(site, "DELETE", "lead_statuses/2", "", "").await;
    assert_eq!(shorter.status, 200, "{}", shorter.text);
}

async fn a_name_is_enough_and_leads_enter_the_status_at_once(site: &Site) {
    let lead = site.john().await;
    let id = add(site, json!({"name": "Negotiation"})).await;
    assert_eq!(
        order(site, "").await,
        [
            "new",
            "contacted",
            "qualified",
            "negotiation",
            "converted",
            "lost"
        ]
    );
    let path = format!("/v1/crm/leads/{lead}");
    let moved = site.send("PUT", &path, r#"{"status":"negotiation"}"#).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    let one = site.get(&format!("/v1/crm/lead-statuses/{id}")).await;
    assert_eq!(
        (
            &one.json["lead_status"]["slug"],
            &one.json["lead_status"]["kind"]
        ),
        (&"negotiation".into(), &"open".into())
    );
}

async fn the_formats_of_a_body_mean_the_same(site: &Site) {
    let multipart = |fields: &[(&str, &str)]| {
        let parts = fields.iter().map(|(name, value)| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        parts.collect::<String>() + "--x--\r\n"
    };
    let by_form = multipart(&[("name", "Käse 3"), ("color", ""), ("statusorder", "2")]);
    for (number, kind, body) in [
        (
            1,
            "application/json",
            r#"{"name":"Käse 1","color":null,"statusorder":2}"#,
        ),
        (
            2,
            "application/x-www-form-urlencoded",
            "name=K%C3%A4se+2&color=&statusorder=2",
        ),
        (3, "multipart/form-data; boundary=x", by_form.as_str()),
    ] {
        let added = call(site, "POST", "lead_statuses", kind, body).await;
        assert_eq!(added.status, 200, "{kind}: {}", added.text);
        let id = added.json["id"].as_str().unwrap();
        let one = get(site, &format!("lead_statuses/{id}")).await.json;
        let shown = (&one["name"], &one["color"], &one["statusorder"]);
        let name = Value::from(format!("Käse {number}"));
        assert_eq!(shown, (&name, &"#757575".into(), &"2".into()), "{kind}");
    }
    // Of those that were given the same place, the later is first.
    let first = order(site, "").await;
    assert_eq!(first[..4], ["new", "kase_3", "kase_2", "kase_1"]);
    let renamed = multipart(&[("name", "Other")]);
    let kind = "multipart/form-data; boundary=x";
    let updated = call(site, "PUT", "lead_statuses/1", kind, &renamed).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    let kind = "application/x-www-form-urlencoded";
    let path = "delete/lead_statuses/1";
    let refused = call(site, "DELETE", path, kind, "move_to=nowhere").await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.json["error"]["move_to"].is_string(),
        "{}",
        refused.text
    );
}

async fn the_order_is_always_without_gaps(site: &Site) {
    let last = add(site, json!({"name": "Last", "statusorder": "2147483647"})).await;
    let first = add(site, json!({"name": "First", "statusorder": 0})).await;
    let expected = [
        "first",
        "new",
        "contacted",
        "qualified",
        "converted",
        "lost",
        "last",
    ];
    assert_eq!(order(site, "").await, expected);
    let list = get(site, "lead_statuses").await;
    let places = list.json.as_array().unwrap().iter();
    let places: Vec<_> = places.map(|item| item["statusorder"].clone()).collect();
    assert_eq!(places, ["1", "2", "3", "4", "5", "6", "7"]);
    for (id, place) in [(&last, "1"), (&first, "")] {
        let path = format!("lead_statuses/{id}");
        let moved = send(site, "PUT", &path, json!({"statusorder": place})).await;
        assert_eq!(moved.status, 200, "{}", moved.text);
    }
    assert_eq!(order(site, "").await[..2], ["last", "first"]);
}

async fn is_default_marks_what_is_won(site: &Site) {
    assert_eq!(order(site, "?isdefault=1").await, ["converted"]);
    let won = add(site, json!({"name": "Renewed", "isdefault": "1"})).await;
    assert_eq!(order(site, "?isdefault=1").await, ["converted", "renewed"]);
    let one = get(site, &format!("lead_statuses/{won}")).await.json;
    assert_eq!(
        (&one["kind"], &one["probability"]),
        (&"won".into(), &"100".into())
    );
    let path = format!("lead_statuses/{won}");
    let opened = send(site, "PUT", &path, json!({"isdefault": false})).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    assert_eq!(get(site, &path).await.json["kind"], "open");
    // What is lost stays so: 0 says only that it is not won.
    send(site, "PUT", "lead_statuses/5", json!({"isdefault": "0"})).await;
    assert_eq!(get(site, "lead_statuses/5").await.json["kind"], "lost");
    // New leads start in "new", so it cannot be closed.
    let refused = send(site, "PUT", "lead_statuses/1", json!({"isdefault": "1"})).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.json["error"]["lifecycle"].is_string(),
        "{}",
        refused.text
    );
    let both = json!({"isdefault": "1", "kind": "lost"});
    let refused = send(site, "PUT", "lead_statuses/2", both).await;
    assert!(
        refused.json["error"]["isdefault"].is_string(),
        "{}",
        refused.text
    );
}

async fn what_a_list_shows_can_be_sent_back(site: &Site) {
    let before = get(site, "lead_statuses").await;
    let version = site.crm.lifecycle().await.unwrap().version();
    for item in before.json.as_array().unwrap() {
        let path = format!("lead_statuses/{}", item["id"].as_str().unwrap());
        let updated = send(site, "PUT", &path, item.clone()).await;
        assert_eq!(updated.status, 200, "{}", updated.text);
    }
    assert_eq!(get(site, "lead_statuses").await.text, before.text);
    assert_eq!(site.crm.lifecycle().await.unwrap().version(), version);
}

async fn a_list_is_searched_filtered_and_sorted(site: &Site) {
    add(site, json!({"name": "Déjà vu", "color": "#010203"})).await;
    assert_eq!(order(site, "?search=DEJA").await, ["deja_vu"]);
    assert_eq!(order(site, "?search=vu+dej").await, ["deja_vu"]);
    assert_eq!(order(site, "?color=%23010203").await, ["deja_vu"]);
    assert_eq!(order(site, "?kind=lost").await, ["lost"]);
    let sorted = order(site, "?sort=-name").await;
    assert_eq!(sorted[..3], ["qualified", "new", "lost"]);
    for (query, wrong) in [
        ("?sort=colour", "sort"),
        ("?kind=closed", "kind"),
        ("?color=red", "color"),
        ("?isdefault=2", "isdefault"),
        ("?limit=1", "limit"),
        ("?search=a&search=b", "search"),
    ] {
        let refused = get(site, &format!("lead_statuses{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
        assert!(refused.json["error"][wrong].is_string(), "{}", refused.text);
    }
    let refused = get(site, "lead_statuses?search=%ff").await;
    assert_eq!(
        (refused.status, &refused.json["status"]),
        (400, &false.into())
    );
}

async fn a_status_in_use_is_deleted_only_with_a_destination(site: &Site) {
    let id = add(site, json!({"name": "Trial"})).await;
    let john = r#"{"first_name":"A","last_name":"B","email":"a@example.com","status":"trial"}"#;
    let (lead, archived) = (site.lead(john).await, site.lead(john).await);
    let path = format!("/v1/crm/leads/{archived}/archive");
    assert_eq!(site.send("POST", &path, "").await.status, 200);
    let path = format!("delete/lead_statuses/{id}");
    let refused = call(site, "DELETE", &path, "", "").await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(refused.json["leads"], "2");
    assert!(
        refused.text.starts_with(
            r#"{"status":false,"message":"Status \"trial\" is in use by 2 leads: say where they go."#
        ),
        "{}",
        refused.text
    );
    for query in [
        "?move_to=99",
        "?move_to=trial",
        "?to=2",
        "?move_to=1&move_to=2",
    ] {
        let refused = call(site, "DELETE", &format!("{path}{query}"), "", "").await;
        assert_eq!(refused.status, 422, "{query}: {}", refused.text);
    }
    let refused = send(
        site,
        "DELETE",
        &format!("{path}?move_to=1"),
        json!({"move_to": "2"}),
    )
    .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let deleted = send(site, "DELETE", &path, json!({"move_to": 2})).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    let read = site.get(&format!("/v1/crm/leads/{lead}")).await;
    assert_eq!(read.json["lead"]["status"], "contacted");
    let read = site.get(&format!("/v1/crm/leads/{archived}")).await;
    assert_eq!(read.json["lead"]["status"], "contacted");
    assert_eq!(get(site, &format!("lead_statuses/{id}")).await.status, 404);
    // Where new leads start is not deleted, with a destination or without.
    for query in ["", "?move_to=2"] {
        let path = format!("delete/lead_statuses/1{query}");
        let refused = call(site, "DELETE", &path, "", "").await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
}

async fn bad_requests_are_refused_and_name_the_field(site: &Site) {
    let long = "x".repeat(51);
    for (body, wrong) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": long}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "a\0b"}), "name"),
        (json!({"name": "NEW"}), "name"),
        (json!({"name": ["x"]}), "name"),
        (json!({"name": "A", "color": "red"}), "color"),
        (json!({"name": "A", "colour": "#010203"}), "colour"),
        (json!({"name": "A", "statusorder": "-1"}), "statusorder"),
        (json!({"name": "A", "statusorder": 1.5}), "statusorder"),
        (json!({"name": "A", "statusorder": 1e300}), "statusorder"),
        (
            json!({"name": "A", "statusorder": "2147483648"}),
            "statusorder",
        ),
        (json!({"name": "A", "isdefault": "yes"}), "isdefault"),
        (json!({"name": "A", "kind": "closed"}), "kind"),
        (json!({"name": "A", "slug": "Not a slug"}), "slug"),
        (json!({"name": "A", "slug": "new"}), "slug"),
        (json!({"name": "A", "probability": "101"}), "probability"),
        (
            json!({"name": "A", "kind": "lost", "probability": 5}),
            "probability",
        ),
        (json!({"name": "A", "id": "9"}), "id"),
        (
            json!({"name": "A", "retiring_into": "new"}),
            "retiring_into",
        ),
    ] {
        let refused = send(site, "POST", "lead_statuses", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert!(
            refused.text.starts_with(r#"{"status":false,"error":{"#),
            "{}",
            refused.text
        );
        assert!(
            refused.json["error"][wrong].is_string(),
            "{body}: {}",
            refused.text
        );
    }
    for body in [
        json!({"id": "2"}),
        json!({"slug": "other"}),
        json!({"retiring_into": "contacted"}),
        json!({"x": "1"}),
    ] {
        let refused = send(site, "PUT", "lead_statuses/1", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
    }
    for (kind, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", r#"{"name":"a","name":"b"}"#, 422),
        ("application/x-www-form-urlencoded", "name=%ff", 400),
        ("application/x-www-form-urlencoded", "name=a&name=b", 422),
        ("multipart/form-data", "x", 400),
        ("multipart/form-data; boundary=x", "y", 400),
        ("text/plain", "name", 415),
        ("application/xml", "<name/>", 415),
    ] {
        for (method, path) in [
            ("POST", "lead_statuses"),
            ("PUT", "lead_statuses/1"),
            ("DELETE", "delete/lead_statuses/1"),
        ] {
            let refused = call(site, method, path, kind, body).await;
            assert_eq!(
                refused.status, status,
                "{method} {kind} {body}: {}",
                refused.text
            );
            assert_eq!(refused.json["status"], false, "{}", refused.text);
        }
    }
    let refused = call(site, "PATCH", "lead_statuses/1", "", "").await;
    assert_eq!(
        (refused.status, &refused.json["status"]),
        (405, &false.into())
    );
    assert!(!refused.header("allow").is_empty());
    let order = order(site, "").await;
    assert_eq!(
        order,
        ["new", "contacted", "qualified", "converted", "lost"]
    );
    // Last, as the server ends a connection whose body it did not read.
    let large = format!("name={}", "x".repeat(300_000));
    let kind = "application/x-www-form-urlencoded";
    let refused = call(site, "POST", "lead_statuses", kind, &large).await;
    assert_eq!(
        (refused.status, &refused.json["status"]),
        (413, &false.into())
    );
}

#[tokio::test]
async fn the_base_path_is_the_application_s_choice() {
    for (base, path) in [
        ("/", "/lead_statuses"),
        ("crm/api/", "/crm/api/lead_statuses"),
    ] {
        let site = Plan::memory()
            .api(move |api| api.statuses_at(base))
            .start()
            .await;
        let url = format!("{}{path}", site.url);
        let request = site.client.get(url).header("authtoken", &site.token);
        assert_eq!(Answer::of(request).await.status, 200, "{base}");
    }
}
