//! The page that shows the API: everything it needs comes from the router itself.

#![cfg(feature = "swagger-ui")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};

const PAGE: &str = "/v1/crm/docs/";

async fn site() -> Site {
    Plan::memory().api(crm_http::Api::with_page).start().await
}

/// As a browser asks: without a token.
async fn open(site: &Site, path: &str) -> Answer {
    Answer::of(site.client.get(format!("{}{path}", site.url))).await
}

/// What stands between `before` and `end`, each time.
fn between<'a>(text: &'a str, before: &str, end: char) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split(end).next()).collect()
}

/// The path that a reference on the page means.
fn resolve(site: &Site, reference: &str) -> String {
    let page: reqwest::Url = format!("{}{PAGE}", site.url).parse().unwrap();
    let url = page.join(reference).unwrap();
    assert_eq!(url.origin(), page.origin(), "{reference}");
    url.path().to_owned()
}

#[tokio::test]
async fn everything_that_the_page_refers_to_is_answered_by_the_router() {
    let site = site().await;
    let page = open(&site, PAGE).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let mut references = between(&page.text, "src=\"", '"');
    references.extend(between(&page.text, "href=\"", '"'));
    assert!(references.len() > 4, "{}", page.text);
    let mut styles = 0;
    for reference in references {
        let asset = open(&site, &resolve(&site, reference)).await;
        assert_eq!(asset.status, 200, "{reference}");
        let expected = match reference.rsplit('.').next().unwrap() {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/",
        };
        let kind = asset.header("content-type");
        assert!(kind.starts_with(expected), "{reference}: {kind}");
        if expected == "text/css" {
            styles += 1;
            for image in between(&asset.text, "url(", ')') {
                let image = image.trim_matches(['"', '\'']);
                assert!(image.starts_with("data:"), "{reference}: {image:.80}");
            }
            assert!(!asset.text.contains("@import"), "{reference}");
        }
    }
    assert!(styles > 0);
}

#[tokio::test]
async fn the_page_shows_the_description_of_this_router() {
    let site = site().await;
    let start = open(&site, "/v1/crm/docs/swagger-initializer.js").await;
    let url = between(&start.text, "\"url\": \"", '"');
    let description = open(&site, &resolve(&site, url[0])).await;
    assert_eq!(description.json["openapi"], "3.1.0");
    assert!(description.json["paths"]["/v1/crm/leads"].is_object());
    assert!(!start.text.contains("http"), "{}", start.text);
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere() {
    let site = site().await;
    for path in [PAGE, "/v1/crm/docs/swagger-ui-bundle.js"] {
        let answer = open(&site, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for directive in policy.split("; ").skip(1) {
            let mut sources = directive.split(' ').skip(1);
            assert!(
                sources.all(|source| matches!(source, "'self'" | "'none'" | "data:")),
                "{directive}"
            );
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let page = open(&site, PAGE).await;
    // The policy would not let it run.
    for script in between(&page.text, "<script", '<') {
        let is_named = script.trim_end().ends_with('>') && script.contains("src=");
        assert!(is_named, "{script}");
    }
    assert!(!page.text.contains("<style") && !page.text.contains("style="));
}

#[tokio::test]
async fn the_page_is_found_without_its_last_slash_and_nothing_else_is() {
    let site = site().await;
    assert_eq!(open(&site, "/v1/crm/docs").await.status, 200);
    for path in [
        "/v1/crm/docs/nothing.js",
        "/v1/crm/docs/%2e%2e",
        "/v1/crm/docs/..%2fsecret",
        "/v1/crm/docs/a/b",
    ] {
        open(&site, path).await.must_be_refused(404);
    }
    open(&site, "/v1/crm/docs/?x=1").await.must_be_refused(422);
}

#[tokio::test]
async fn the_page_is_there_only_if_it_was_asked_for() {
    let site = Site::memory().await;
    open(&site, PAGE).await.must_be_refused(404);
}
