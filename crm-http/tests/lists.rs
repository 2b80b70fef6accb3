//! Lists beyond the document: pages, sorts, filters, stuck leads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan, Site};
use crm_core::chrono::TimeDelta;
use crm_core::lifecycle::{Lifecycle, StatusDraft, StatusKind};
use crm_http::Limits;
use crm_http::auth::Permission;
use std::collections::BTreeSet;

on_every_storage! {
    pages_of_every_sort_hold_each_lead_once
    cursors_tell_nothing_and_serve_their_list_only
    filters_find_what_they_say
    archived_leads_are_left_out_until_asked_for
}

const SORTS: [&str; 8] = [
    "created_at",
    "updated_at",
    "status_changed_at",
    "name",
    "company",
    "email",
    "status",
    "value",
];

async fn some_leads(site: &Site) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in 0..7 {
        let company = ["null", "\"Acme\"", "\"Zeta\""][number % 3];
        let body = format!(
            r#"{{"first_name":"Anna","last_name":"Müller","email":"anna{number}@example.com","company":{company},"tags":["vip"],"source":"event","phone":"+26377123456{number}"}}"#
        );
        ids.insert(site.lead(&body).await);
        site.clock.advance(TimeDelta::seconds(1));
    }
    ids
}

fn ids(answer: &Answer) -> Vec<String> {
    let leads = answer.json["leads"].as_array().unwrap().iter();
    leads
        .map(|lead| lead["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn pages_of_every_sort_hold_each_lead_once(site: &Site) {
    let all = some_leads(site).await;
    for sort in SORTS {
        for sort in [sort.to_owned(), format!("-{sort}")] {
            let mut found = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/v1/crm/leads?limit=2&sort={sort}{cursor}");
                let page = site.get(&path).await;
                assert_eq!(
                    (page.status, &page.json["total_count"]),
                    (200, &7.into()),
                    "{sort}"
                );
                found.extend(ids(&page));
                match page.json["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(found.len(), 7, "{sort}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all, "{sort}");
        }
    }
}

async fn cursors_tell_nothing_and_serve_their_list_only(site: &Site) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    some_leads(site).await;
    for sort in ["name", "email", "company"] {
        let page = site
            .get(&format!("/v1/crm/leads?limit=3&sort={sort}"))
            .await;
        let next = page.json["next_cursor"].as_str().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(next).unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for secret in ["muller", "anna", "acme", "example"] {
            assert!(!text.contains(secret) && !next.contains(secret), "{sort}");
        }
        for other in [
            "/v1/crm/leads?sort=value",
            "/v1/crm/leads?sort=name&status=new",
        ] {
            let refused = site.get(&format!("{other}&cursor={next}")).await;
            refused.must_be_refused(400);
            assert_eq!(refused.wrong(), ["cursor"]);
        }
        let acme = site
            .token_of("acme", "u", &crm_http::auth::Permission::ALL)
            .await;
        let path = format!("/v1/crm/leads?limit=3&sort={sort}&cursor={next}");
        Answer::of(site.request_by(&acme, "GET", &path))
            .await
            .must_be_refused(400);
        assert_eq!(site.get(&path).await.status, 200);
    }
    for forged in ["x", "", "AAAA", "%00", "..", &"A".repeat(3_000)] {
        let refused = site.get(&format!("/v1/crm/leads?cursor={forged}")).await;
        refused.must_be_refused(400);
        assert_eq!(refused.wrong(), ["cursor"]);
    }
}

async fn filters_find_what_they_say(site: &Site) {
    some_leads(site).await;
    for (query, total) in [
        ("q=muller+ann", 7),
        ("q=anna3", 1),
        ("q=nobody", 0),
        ("source=event", 7),
        ("source=website,event", 7),
        ("source=website", 0),
        ("tag=VIP", 7),
        ("email=ANNA3@example.com", 1),
        ("unassigned=true", 7),
        ("unassigned=false", 7),
        ("created_from=2026-01-15T10:30:05Z", 2),
        ("created_before=2026-01-15T10:30:05Z", 5),
        ("created_from=2026-01-15T12:30:05%2B02:00", 2),
        ("updated_from=2026-01-15T10:30:06Z", 1),
        ("updated_before=2026-01-15T10:30:00Z", 0),
        ("in_status_since=2026-01-15T10:30:02Z", 3),
        ("status=new&source=event&tag=vip&q=anna", 7),
    ] {
        let list = site.get(&format!("/v1/crm/leads?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        assert_eq!(list.json["total_count"], total, "{query}");
    }
}

async fn archived_leads_are_left_out_until_asked_for(site: &Site) {
    let gone = site.john().await;
    let here = site.john().await;
    let archive = format!("/v1/crm/leads/{gone}/archive");
    let answer = site.send("POST", &archive, "").await;
    assert_eq!(answer.json["message"], "Lead archived successfully.");
    assert!(answer.json["lead"]["archived_at"].is_string());
    for (query, expected) in [
        ("", vec![&here]),
        ("?archived=exclude", vec![&here]),
        ("?archived=only", vec![&gone]),
        ("?archived=include&sort=created_at", vec![&gone, &here]),
    ] {
        let list = site.get(&format!("/v1/crm/leads{query}")).await;
        let mut found = ids(&list);
        found.sort_unstable();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    let one = format!("/v1/crm/leads/{gone}");
    site.send("PUT", &one, r#"{"notes":"x"}"#)
        .await
        .must_be_refused(409);
    let restored = site.send("POST", &format!("{one}/restore"), "").await;
    assert_eq!(
        restored.json["lead"]["archived_at"],
        serde_json::Value::Null
    );
    assert_eq!(site.send("PUT", &one, r#"{"notes":"x"}"#).await.status, 200);
}

#[tokio::test]
async fn stuck_leads_are_listed_with_how_long_they_are_overdue() {
    let lifecycle = Lifecycle::builder()
        .status(StatusDraft::new("New").stuck_after_days(1))
        .status(StatusDraft::new("Talking").stuck_after_days(2))
        .status(StatusDraft::new("Won").kind(StatusKind::Won))
        .build()
        .unwrap();
    let site = Plan::memory().lifecycle(lifecycle).start().await;
    let first = site
        .lead(r#"{"company":"A","assigned_to":"user_456"}"#)
        .await;
    site.clock.advance(TimeDelta::hours(1));
    let second = site.lead(r#"{"company":"B"}"#).await;
    site.clock.advance(TimeDelta::days(1));
    site.lead(r#"{"company":"C"}"#).await;

    let stuck = site.get("/v1/crm/leads?stuck=true").await;
    assert_eq!(ids(&stuck), [first.clone(), second.clone()]);
    assert_eq!(stuck.json["total_count"], 2);
    assert_eq!(stuck.json["leads"][0]["overdue_seconds"], 3_600);
    assert_eq!(stuck.json["leads"][0]["due_at"], "2026-01-16T10:30:00Z");
    let page = site.get("/v1/crm/leads?stuck=true&limit=1").await;
    let next = page.json["next_cursor"].as_str().unwrap();
    let page = site
        .get(&format!("/v1/crm/leads?stuck=true&limit=1&cursor={next}"))
        .await;
    assert_eq!(
        (ids(&page), &page.json["next_cursor"]),
        (vec![second], &serde_json::Value::Null)
    );
    let own = site
        .get("/v1/crm/leads?stuck=true&assigned_to=user_456")
        .await;
    assert_eq!(
        (ids(&own), &own.json["total_count"]),
        (vec![first], &1.into())
    );
    let talking = site.get("/v1/crm/leads?stuck=true&status=talking").await;
    assert_eq!(talking.json["total_count"], 0);
    assert_eq!(
        site.get("/v1/crm/leads?stuck=false").await.json["total_count"],
        3
    );

    let refused = site.get("/v1/crm/leads?stuck=true&q=a&sort=name").await;
    refused.must_be_refused(422);
    assert_eq!(refused.wrong(), ["q", "sort"]);
    let refused = site.get("/v1/crm/leads?stuck=true&status=cold").await;
    refused.must_be_refused(422);
    assert!(
        refused.text.contains("new, talking, won"),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn a_page_is_no_longer_than_the_limit_also_when_nothing_is_asked_for() {
    let limits = Limits::default().failures_per_second(None).page(2);
    let site = Plan::memory().limits(limits).start().await;
    let id = site.john().await;
    for number in 0..2 {
        site.john().await;
        let body = format!(r#"{{"notes":"{number}"}}"#);
        let path = format!("/v1/crm/leads/{id}");
        assert_eq!(site.send("PUT", &path, &body).await.status, 200);
        site.token_of("default", "u", &[Permission::Read]).await;
    }
    let stuck = r#"{"stuck_after_seconds":60}"#;
    let stuck = site.send("PATCH", "/v1/crm/lead-statuses/new", stuck).await;
    assert_eq!(stuck.status, 200, "{}", stuck.text);
    site.clock.advance(TimeDelta::days(1));
    for (path, items) in [
        ("/v1/crm/leads".to_owned(), "leads"),
        ("/v1/crm/leads?stuck=true".to_owned(), "leads"),
        (format!("/v1/crm/leads/{id}/history"), "events"),
        ("/v1/crm/events".to_owned(), "events"),
        ("/v1/crm/tokens".to_owned(), "tokens"),
    ] {
        let page = site.get(&path).await;
        let items = page.json[items].as_array().unwrap();
        assert_eq!(items.len(), 2, "{path}: {}", page.text);
    }
}
