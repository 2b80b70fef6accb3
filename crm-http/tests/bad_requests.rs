//! Requests that are wrong in every way: each is refused with a typed error, never with a 500.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use crm_http::Limits;
use reqwest::StatusCode;

on_every_storage! {
    every_wrong_field_is_named_at_once
    every_unknown_or_repeated_parameter_is_named
    a_body_that_is_no_json_is_refused
    values_that_cannot_be_stored_are_refused
}

async fn every_wrong_field_is_named_at_once(site: &Site) {
    let body = r#"{"first_name":"","email":"john@","source":"Cold Call","status":"cold","phone":"x","tags":["a","a\nb"]}"#;
    let refused = site.send("POST", "/v1/crm/leads", body).await;
    refused.must_be_refused(422);
    let wrong = [
        "email",
        "first_name",
        "last_name",
        "phone",
        "source",
        "status",
        "tags",
    ];
    assert_eq!(refused.wrong(), wrong);
    assert!(!refused.text.contains("john") && !refused.text.contains("Cold Call"));
    let body = r#"{"fist_name":"A","last_name":1,"email":"a@example.com","tags":"x","value":5,"id":"lead_x","custom":[]}"#;
    let refused = site.send("POST", "/v1/crm/leads", body).await;
    refused.must_be_refused(422);
    // What is called otherwise is missing; what could not be read is not.
    let wrong = [
        "custom",
        "first_name",
        "fist_name",
        "id",
        "last_name",
        "tags",
        "value",
    ];
    assert_eq!(refused.wrong(), wrong);
    assert_eq!(
        refused.json["errors"]["last_name"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let one = format!("/v1/crm/leads/{}", site.john().await);
    let refused = site
        .send("PUT", &one, r#"{"email":"x","status":null,"nickname":"J"}"#)
        .await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["email", "nickname", "status"]);
    let refused = site
        .send("PUT", &one, r#"{"email":"x","status":null}"#)
        .await;
    assert_eq!(refused.wrong(), ["email", "status"]);
    let body = r#"{"value":{"minor_units":1,"currency":"XXQ","cents":1},"company":"Acme"}"#;
    let refused = site.send("PATCH", &one, body).await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["value.cents"]);
    let kept = site.get(&one).await;
    assert_eq!(kept.json["lead"]["company"], serde_json::Value::Null);
    // What the status requires cannot be emptied.
    let refused = site.send("PUT", &one, r#"{"email":null}"#).await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["email"]);
}

async fn every_unknown_or_repeated_parameter_is_named(site: &Site) {
    let one = format!("/v1/crm/leads/{}", site.john().await);
    for (path, wrong) in [
        (
            "/v1/crm/leads?limt=1&status=new&status=lost&offset=5",
            vec!["limt", "offset", "status"],
        ),
        ("/v1/crm/leads?limit=0", vec!["limit"]),
        ("/v1/crm/leads?limit=1001", vec!["limit"]),
        ("/v1/crm/leads?limit=-1", vec!["limit"]),
        ("/v1/crm/leads?limit=ten", vec!["limit"]),
        ("/v1/crm/leads?limit=99999999999999999999", vec!["limit"]),
        ("/v1/crm/leads?limit=", vec!["limit"]),
        ("/v1/crm/leads?status=", vec!["status"]),
        ("/v1/crm/leads?status=cold", vec!["status"]),
        ("/v1/crm/leads?sort=surname", vec!["sort"]),
        (
            "/v1/crm/leads?stuck=yes&archived=maybe",
            vec!["archived", "stuck"],
        ),
        (
            "/v1/crm/leads?assigned_to=a&unassigned=true",
            vec!["unassigned"],
        ),
        (
            "/v1/crm/leads?created_from=yesterday&q=%3F",
            vec!["created_from"],
        ),
        ("/v1/crm/leads?q=%3F", vec!["q"]),
        (
            "/v1/crm/leads?email=x&source=A&tag=&assigned_to=",
            vec!["assigned_to", "email", "source", "tag"],
        ),
        (
            "/v1/crm/leads?created_from=2026-01-02T00:00:00Z&created_before=2026-01-01T00:00:00Z",
            vec!["created_before"],
        ),
        ("/v1/crm/pipeline?x=1", vec!["x"]),
        ("/v1/crm/events?limit=0&y=1", vec!["limit", "y"]),
        ("/v1/crm/tokens?page=1", vec!["page"]),
        (&format!("{one}?fields=id"), vec!["fields"]),
        (&format!("{one}/history?limit=0"), vec!["limit"]),
    ] {
        let refused = site.get(path).await;
        refused.must_be_refused(422);
        assert_eq!(refused.wrong(), wrong, "{path}");
    }
    for path in [
        "/v1/crm/leads?q=%ff",
        "/v1/crm/leads?q=%",
        "/v1/crm/leads?%zz=1",
    ] {
        site.get(path).await.must_be_refused(400);
    }
    site.send("DELETE", &format!("{one}?force=1"), "")
        .await
        .must_be_refused(422);
    assert_eq!(site.get(&one).await.status, 200);
}

async fn a_body_that_is_no_json_is_refused(site: &Site) {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"first_name\":\"J\"}x",
        "{'a':1}",
        "\u{feff}{}",
    ] {
        site.send("POST", "/v1/crm/leads", body)
            .await
            .must_be_refused(400);
    }
    let good = r#"{"first_name":"A","last_name":"B","email":"a@example.com"}"#;
    let post = |kind: &str| {
        let request = site.request("POST", "/v1/crm/leads").body(good);
        if kind.is_empty() {
            request
        } else {
            request.header("content-type", kind)
        }
    };
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
    ] {
        Answer::of(post(kind)).await.must_be_refused(415);
    }
    for kind in [
        "application/json; charset=UTF-8",
        "Application/JSON",
        "application/vnd.api+json",
    ] {
        assert_eq!(Answer::of(post(kind)).await.status, 201, "{kind}");
    }
    let packed = post("application/json").header("content-encoding", "gzip");
    Answer::of(packed).await.must_be_refused(415);
}

async fn values_that_cannot_be_stored_are_refused(site: &Site) {
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let large = "x".repeat(20_000);
    for (field, value) in [
        ("first_name", r#""a\u0000b""#.to_owned()),
        ("first_name", format!("\"{large}\"")),
        ("notes", format!("\"{large}\"")),
        ("custom", format!("{{\"k\":{deep}}}")),
        ("custom", format!("{{\"k\":\"{large}\"}}")),
        ("value", r#"{"minor_units":-1,"currency":"USD"}"#.to_owned()),
        ("value", r#"{"minor_units":1,"currency":"ZZZ"}"#.to_owned()),
        (
            "value",
            r#"{"minor_units":9223372036854775807,"currency":"USD"}"#.to_owned(),
        ),
        ("value", r#"{"minor_units":1}"#.to_owned()),
        ("assigned_to", r#"" u ""#.to_owned()),
        ("status_reason", r#""why""#.to_owned()),
    ] {
        let body = format!(r#"{{"last_name":"B","email":"a@example.com","{field}":{value}}}"#);
        let refused = site.send("POST", "/v1/crm/leads", &body).await;
        if field == "status_reason" {
            // The first name is missing; a reason may be given with a new lead.
            assert_eq!(refused.wrong(), ["first_name"]);
            continue;
        }
        refused.must_be_refused(422);
        let named = refused.wrong().iter().any(|wrong| wrong.starts_with(field));
        assert!(named, "{field}: {}", refused.text);
    }
    for id in [
        "lead_abc123",
        "x",
        "..%2f",
        "%00",
        "%ff",
        "lead_01h455vb4pex5vsknk084sn02q",
    ] {
        for method in ["GET", "DELETE"] {
            let path = format!("/v1/crm/leads/{id}");
            Answer::of(site.request(method, &path))
                .await
                .must_be_refused(404);
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let limits = Limits::default()
        .body_bytes(1_000)
        .url_bytes(500)
        .header_bytes(2_000)
        .page(10);
    let site = Plan::memory().limits(limits).start().await;
    let body = format!(r#"{{"notes":"{}"}}"#, "x".repeat(1_000));
    site.send("POST", "/v1/crm/leads", &body)
        .await
        .must_be_refused(413);
    // Without a Content-Length, too.
    let chunks = futures_util::stream::iter(vec![Ok::<_, std::io::Error>(body.into_bytes())]);
    let request = site
        .request("POST", "/v1/crm/leads")
        .header("content-type", "application/json");
    let request = request.body(reqwest::Body::wrap_stream(chunks));
    Answer::of(request).await.must_be_refused(413);
    let long = format!("/v1/crm/leads?q={}", "x".repeat(500));
    site.get(&long).await.must_be_refused(414);
    let heavy = site
        .request("GET", "/v1/crm/leads")
        .header("x-heavy", "x".repeat(2_000));
    Answer::of(heavy).await.must_be_refused(431);
    let page = site.get("/v1/crm/leads?limit=11").await;
    page.must_be_refused(422);
    assert!(page.text.contains("between 1 and 10"), "{}", page.text);
}

#[tokio::test]
async fn a_request_of_nothing_but_faults_is_answered_briefly() {
    let site = Site::memory().await;
    let unknown: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":1")).collect();
    let unknown = unknown.join(",");
    let body = format!("{{{unknown}}}");
    let body = site.send("POST", "/v1/crm/leads", &body);
    let edits = format!(r#"{{"update":[{{{unknown}}}]}}"#);
    let edits = site.send("POST", "/v1/crm/lead-statuses/bulk", &edits);
    let nobody = format!(
        "{}/health?{}",
        site.url,
        "&".repeat(10) + &"a&b&".repeat(1_900)
    );
    let nobody = Answer::of(site.client.get(nobody));
    let many: String = (0..1_500).map(|number| format!("&{number}")).collect();
    let many = format!("/v1/crm/leads?{many}");
    let many = site.get(&many);
    for refused in [body.await, edits.await, nobody.await, many.await] {
        refused.must_be_refused(422);
        let problems = refused.json["errors"].as_object().unwrap().values();
        let problems = problems.map(|problems| problems.as_array().unwrap().len());
        assert_eq!(problems.sum::<usize>(), 50);
        assert!(refused.text.len() < 16_000, "{} bytes", refused.text.len());
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() {
    let site = Site::memory().await;
    for path in ["/", "/v1/crm", "/v1/crm/lead", "/v1/crm/leads/", "/v2"] {
        site.get(path).await.must_be_refused(404);
    }
    for (method, path, allowed) in [
        ("DELETE", "/v1/crm/leads", "GET,HEAD,POST"),
        ("PUT", "/v1/crm/pipeline", "GET,HEAD"),
        ("POST", "/health", "GET,HEAD"),
        ("TRACE", "/v1/crm/leads", "GET,HEAD,POST"),
    ] {
        let refused = Answer::of(site.request(method, path)).await;
        refused.must_be_refused(StatusCode::METHOD_NOT_ALLOWED.as_u16());
        let mut methods: Vec<&str> = refused.header("allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_as_everything_else_under_the_base() {
    let site = Site::memory().await;
    for path in [
        "/api",
        "/api/",
        "/api/lead_statuses/",
        "/api/nowhere",
        "/api/a/b/c",
    ] {
        let answer = Answer::of(site.client.get(format!("{}{path}", site.url))).await;
        assert_eq!(
            (answer.status, &*answer.text),
            (
                404,
                r#"{"status":false,"message":"There is nothing here."}"#
            ),
            "{path}"
        );
    }
    site.get("/apis").await.must_be_refused(404);
}
