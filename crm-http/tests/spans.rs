//! What is written to the log of a request: nothing about people.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Answer, Plan};
use crm_core::memory::MemoryRepository;
use crm_core::testing::FaultyRepository;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps all that spans and events of ours say.
#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<String>>,
    spans: Arc<AtomicU64>,
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Log {
    fn keep(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
        if metadata.target().starts_with("crm_") {
            let mut text = self.text.lock().unwrap();
            write!(text, "\n{} ", metadata.name()).unwrap();
            record(&mut Line(&mut text));
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep(span.metadata(), |line| span.record(line));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.text.lock().unwrap()));
    }

    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), |line| event.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_log_tells_method_route_status_and_request_id_and_nothing_of_people() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let storage = FaultyRepository::new(MemoryRepository::new());
    let site = Plan::on(storage.clone()).start().await;
    let id = site.john().await;
    let one = format!("/v1/crm/leads/{id}");
    site.send("PUT", &one, r#"{"notes":"likes Rust","email":"john@"}"#)
        .await;
    site.get("/v1/crm/leads?q=john&email=john@example.com&assigned_to=user_456")
        .await;
    site.get("/v1/crm/leads?john@example.com").await;
    site.get("/john@example.com").await;
    let request = site.request("GET", &one).header("x-request-id", "r-17");
    assert_eq!(Answer::of(request).await.status, 200);
    storage.fail_from(1);
    site.get(&one).await.must_be_refused(503);

    let text = log.text.lock().unwrap().clone();
    for told in [
        "method=GET",
        "route=\"/v1/crm/leads/{id}\"",
        "id=\"r-17\"",
        "status=200",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    for secret in ["john", "Rust", "user_456", &id[..], &site.token[..], "q="] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
