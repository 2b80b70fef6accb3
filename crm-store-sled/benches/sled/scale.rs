//! What a million leads cost against ten thousand, and how many bytes each of them takes.

use crate::leads::new_lead;
use crate::open;
use crate::rounds::{Effort, Ratio};
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::query::{Archived, LeadQuery, Sort};
use crm_core::repository::Repository as _;
use crm_store_sled::{Durability, SledRepository};
use pollster::block_on;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// At most so many times the cost of the small one.
const LIMIT: f64 = 2.0;
/// Leads created in one commit while loading.
const BATCH: u32 = 500;
/// One in so many leads is archived.
const ARCHIVED: u32 = 200;

pub(crate) fn run(effort: Effort) {
    let sizes = if effort.is_quick {
        [200, 400]
    } else {
        [10_000, 1_000_000]
    };
    let directory = tempfile::tempdir().expect("a directory");
    let [few, many] = sizes.map(|leads| {
        let path = directory.path().join(leads.to_string());
        load(&path, leads);
        reopened(&path, leads)
    });
    let [of_few, of_many] = sizes.map(|leads| format!("of {leads}"));
    println!("\n{}", Ratio::header("page of 50", &of_many, &of_few));
    let tenant = TenantId::DEFAULT;
    for (name, query) in shapes() {
        let page = |store: &SledRepository| {
            black_box(block_on(store.find(&tenant, &query)).expect("a page"));
        };
        let ratio = effort.compare(|| page(&many), || page(&few));
        println!("{}", ratio.row(name, LIMIT));
    }
    for (name, query) in totals() {
        let count = |store: &SledRepository| {
            black_box(block_on(store.count(&tenant, query.filter())).expect("a total"));
        };
        let ratio = effort.compare(|| count(&many), || count(&few));
        println!("{}", ratio.row(name, LIMIT));
    }
}

fn load(path: &Path, leads: u32) {
    let start = Instant::now();
    let crm = block_on(Crm::open(open(path, Durability::Buffered))).expect("a store");
    let mut archived = Vec::new();
    for first in (0..leads).step_by(BATCH as usize) {
        let new: Vec<_> = (first..leads.min(first + BATCH)).map(new_lead).collect();
        let made = block_on(crm.create_many(&new)).expect("a commit");
        let made = made.into_iter().map(|lead| lead.expect("a lead").id);
        archived.extend(made.step_by(ARCHIVED as usize));
    }
    for lead in archived {
        block_on(crm.archive(lead)).expect("a commit");
    }
    println!(
        "\n{leads} leads written in {:.1} s",
        start.elapsed().as_secs_f64()
    );
}

fn reopened(path: &Path, leads: u32) -> SledRepository {
    let files = std::fs::read_dir(path).expect("the store");
    let bytes: u64 = files
        .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
        .sum();
    let start = Instant::now();
    let store = open(path, Durability::Buffered);
    println!(
        "{} bytes on disk for each, opened and counted in {:.1} s",
        bytes / u64::from(leads),
        start.elapsed().as_secs_f64(),
    );
    store
}

/// Every indexed shape.
fn shapes() -> Vec<(&'static str, LeadQuery)> {
    let all = || LeadQuery::new().limit(50);
    let in_status = || all().status("qualified");
    let of_user = || all().assigned_to("user_7");
    let updated = Sort::updated().descending();
    vec![
        ("created", all()),
        ("updated", all().sort(updated)),
        ("status changed", all().sort(Sort::status_changed())),
        ("name", all().sort(Sort::name())),
        ("company", all().sort(Sort::company())),
        ("e-mail", all().sort(Sort::email())),
        ("status", all().sort(Sort::status())),
        ("value", all().sort(Sort::value().descending())),
        ("created, of a status", in_status()),
        ("created, of a user", of_user()),
        (
            "created, of a user and status",
            of_user().status("qualified"),
        ),
        ("updated, of a status", in_status().sort(updated)),
        ("updated, of a user", of_user().sort(updated)),
        (
            "updated, of a user and status",
            of_user().status("qualified").sort(updated),
        ),
        (
            "status changed, of a status",
            in_status().sort(Sort::status_changed()),
        ),
        ("created, of a source", all().source("event")),
        ("created, of a tag", all().tag("vip")),
        (
            "created, of an e-mail address",
            all().email("john.doe77@example.com"),
        ),
        ("created, archived ones", all().archived(Archived::Only)),
    ]
}

fn totals() -> Vec<(&'static str, LeadQuery)> {
    vec![
        ("count: all", LeadQuery::new()),
        ("count: of a status", LeadQuery::new().status("new")),
        ("count: of a user", LeadQuery::new().assigned_to("user_7")),
        (
            "count: of a user and status",
            LeadQuery::new().status("new").assigned_to("user_7"),
        ),
    ]
}
