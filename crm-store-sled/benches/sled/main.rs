//! What the storage costs beside hand-written sled code, what group commit gains, and what more
//! leads cost.
//!
//! ```text
//! cargo bench -p crm-store-sled                         everything but the next two
//! cargo bench -p crm-store-sled -- scale 10000 1000000  pages and counts at both sizes
//! cargo bench -p crm-store-sled -- size 100000          bytes on disk
//! ```

#![allow(clippy::print_stdout, reason = "a benchmark shows its figures")]

mod by_hand;
mod rounds;

use by_hand::ByHand;
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadId, LeadStatus, Money, NewLead, TenantId};
use crm_core::memory::MemoryRepository;
use crm_core::query::{Archived, LeadQuery, Sort};
use crm_core::repository::{ChangeSet, HistoryQuery, Repository as _};
use crm_store_sled::{Durability, SledRepository};
use rounds::{Effort, Ratio, in_turn, shown};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Answer<()> {
    let effort = Effort::from_arguments();
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let numbers: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match (words.first().map(String::as_str), &numbers[..]) {
        (Some("scale"), [small, large]) => scale(*small, *large, effort),
        (Some("size"), [leads]) => size(*leads),
        (Some("compare"), _) => compare(effort),
        (Some("group"), _) => group(effort),
        _ => {
            compare(effort)?;
            group(effort)
        }
    }
}

/// A lead like many: the numbers spread it over users, companies and names.
fn new_lead(number: u32) -> Answer<NewLead> {
    let new = NewLead::new(
        "John",
        format!("Doe-{}", number % 20_000),
        format!("john.doe{number}@example.com"),
    )?;
    let status = match number % 10 {
        0..4 => "new",
        4..7 => "contacted",
        7..9 => "qualified",
        _ => "lost",
    };
    let mut new = new
        .company(format!("Acme {}", number % 5_000))
        .phone(format!("+263 77 {:07}", number % 10_000_000))
        .source(
            ["website", "referral", "event"]
                .get(usize::try_from(number % 3).unwrap_or(0))
                .copied()
                .unwrap_or("other"),
        )
        .status(status)
        .assigned_to(format!("user_{}", number % 20));
    if number.is_multiple_of(2) {
        new = new.value(Money::new(i64::from(number % 5_000_000), "USD")?);
    }
    if number.is_multiple_of(4) {
        new = new
            .tag("vip")
            .notes("Asked for a quote, wants to see a demo with their own data.");
    }
    Ok(new)
}

async fn open(path: &Path, durability: Durability) -> Answer<SledRepository> {
    Ok(SledRepository::builder(path)
        .durability(durability)
        .open()
        .await?)
}

/// Checked change sets, so that both arms write the same and core's rules are outside of both.
async fn creations(first: u32, count: u32) -> Answer<Vec<ChangeSet>> {
    let crm = Crm::open(MemoryRepository::new()).await?;
    // The tenant's lifecycle is stored once, by its first commit.
    crm.create(new_lead(0)?).await?;
    let mut planned = Vec::new();
    for number in first..first + count {
        planned.push(crm.plan_create(new_lead(number)?).await?);
    }
    Ok(planned)
}

fn print_head() {
    println!(
        "{:<34} {:>9} {:>9} {:>6} {:>13} {:>5}",
        "", "ours", "by hand", "ratio", "range", "limit"
    );
}

fn compare(effort: Effort) -> Answer<()> {
    print_head();
    for durability in [Durability::Buffered, Durability::Fsynced] {
        pollster::block_on(compare_writes(effort, durability))?;
    }
    pollster::block_on(compare_reads(effort))
}

async fn compare_writes(effort: Effort, durability: Durability) -> Answer<()> {
    const LIMIT: f64 = 1.15;
    let directory = tempfile::tempdir()?;
    let ours = open(&directory.path().join("ours"), durability).await?;
    let hand = ByHand::open(&directory.path().join("hand"), durability)?;
    let crm = Crm::open(ours.clone()).await?;
    crm.create(new_lead(0)?).await?;
    let (rounds, each) = match (effort.is_quick, durability) {
        (true, _) => (3, 2),
        (false, Durability::Buffered) => (effort.rounds(), 100),
        (false, _) => (effort.rounds(), 20),
    };
    let mut created = Vec::new();
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let sets = creations(1 + round * each, each).await?;
        created.extend(sets.iter().flat_map(ChangeSet::leads).cloned());
        let events: Vec<_> = sets
            .iter()
            .flat_map(|set| set.leads().cloned().zip(set.events().cloned()))
            .collect();
        let mut failed = None;
        let ratio = in_turn(
            round,
            || {
                let start = Instant::now();
                for set in &sets {
                    let made = pollster::block_on(ours.commit(&TenantId::DEFAULT, set));
                    failed = failed.take().or(made.err());
                }
                (start.elapsed(), each)
            },
            || {
                let start = Instant::now();
                for (lead, event) in events {
                    drop(pollster::block_on(hand.create(lead, event)));
                }
                (start.elapsed(), each)
            },
        );
        if let Some(failed) = failed {
            return Err(failed.into());
        }
        ratios.push(ratio);
    }
    let name = format!("create, {durability:?}");
    println!(
        "{name:<34} {}",
        Ratio::of(ratios.into_iter()).columns(LIMIT)
    );

    let planner = Crm::open(ours.clone()).await?;
    let mut ratios = Vec::new();
    let mut leads = created.iter().filter(|lead| lead.status == LeadStatus::NEW);
    let each = each.div_ceil(4);
    for round in 0..rounds {
        let mut sets = Vec::new();
        for lead in leads.by_ref().take(usize::try_from(each)?) {
            sets.push(planner.plan_transition(lead.id, "contacted").await?);
        }
        let after: Vec<_> = sets
            .iter()
            .flat_map(|set| set.leads().cloned().zip(set.events().cloned()))
            .collect();
        let count = u32::try_from(sets.len())?;
        if count == 0 {
            break;
        }
        ratios.push(in_turn(
            round,
            || {
                let start = Instant::now();
                for set in &sets {
                    drop(pollster::block_on(ours.commit(&TenantId::DEFAULT, set)));
                }
                (start.elapsed(), count)
            },
            || {
                let start = Instant::now();
                for (lead, event) in after {
                    drop(pollster::block_on(
                        hand.update(lead.id, move |_| (lead, event)),
                    ));
                }
                (start.elapsed(), count)
            },
        ));
    }
    let name = format!("transition, {durability:?}");
    println!(
        "{name:<34} {}",
        Ratio::of(ratios.into_iter()).columns(LIMIT)
    );
    Ok(())
}

async fn compare_reads(effort: Effort) -> Answer<()> {
    const LIMIT: f64 = 1.15;
    let directory = tempfile::tempdir()?;
    let ours = open(&directory.path().join("ours"), Durability::Buffered).await?;
    let hand = ByHand::open(&directory.path().join("hand"), Durability::Buffered)?;
    let crm = Crm::open(ours.clone()).await?;
    crm.create(new_lead(0)?).await?;
    let mut ids: Vec<LeadId> = Vec::new();
    for set in creations(1, if effort.is_quick { 60 } else { 10_000 }).await? {
        ours.commit(&TenantId::DEFAULT, &set).await?;
        for (lead, event) in set.leads().zip(set.events()) {
            ids.push(lead.id);
            hand.create(lead.clone(), event.clone()).await?;
        }
    }
    let (mut one, mut other) = (ids.iter().cycle(), ids.iter().cycle());
    let ratio = effort.compare(
        || {
            let id = one
                .next()
                .copied()
                .unwrap_or_else(|| LeadId::from_bytes([0; 16]));
            drop(pollster::block_on(ours.get(&TenantId::DEFAULT, &[id])));
        },
        || {
            let id = other
                .next()
                .copied()
                .unwrap_or_else(|| LeadId::from_bytes([0; 16]));
            drop(hand.get(id));
        },
    );
    println!("{:<34} {}", "get", ratio.columns(LIMIT));
    let query = LeadQuery::new().limit(50);
    let ratio = effort.compare(
        || drop(pollster::block_on(ours.find(&TenantId::DEFAULT, &query))),
        // The index by time of creation, of leads that are not archived.
        || drop(pollster::block_on(hand.page(&[0x10, 0], 50))),
    );
    println!("{:<34} {}", "page of 50", ratio.columns(LIMIT));
    Ok(())
}

fn group(effort: Effort) -> Answer<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    println!("\ncommits of one lead each, by one writer and by 64 at the same time");
    for durability in [
        Durability::Fsynced,
        Durability::Flushed,
        Durability::Buffered,
    ] {
        let directory = tempfile::tempdir()?;
        let repository = runtime.block_on(open(directory.path(), durability))?;
        let crm = runtime.block_on(Crm::open(repository.clone()))?;
        runtime.block_on(crm.create(new_lead(0)?))?;
        let per_writer = if effort.is_quick { 1 } else { 40 };
        let mut first = 1;
        let mut rate = |writers: u32, per_writer: u32| -> Answer<(f64, f64)> {
            let before = repository.flushes();
            let start = Instant::now();
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..writers {
                    let crm = crm.clone();
                    let numbers = first..first + per_writer;
                    first += per_writer;
                    tasks.spawn(async move {
                        for number in numbers {
                            crm.create(new_lead(number)?).await?;
                        }
                        Ok::<(), Box<dyn Error + Send + Sync>>(())
                    });
                }
                tasks
                    .join_all()
                    .await
                    .into_iter()
                    .collect::<Answer<Vec<()>>>()
            })?;
            let commits = f64::from(writers * per_writer);
            let flushes = u32::try_from(repository.flushes() - before)?;
            let seconds = start.elapsed().as_secs_f64();
            Ok((commits / seconds, commits / f64::from(flushes.max(1))))
        };
        let (one, _) = rate(1, per_writer * 10)?;
        let (many, shared) = rate(64, per_writer)?;
        println!(
            "{:<10} one {one:>6.0}/s   64 {many:>6.0}/s   ratio {:>5.1}   commits for each flush {shared:>5.1}",
            format!("{durability:?}"),
            many / one,
        );
    }
    Ok(())
}

async fn fill(path: &Path, leads: u32) -> Answer<SledRepository> {
    let repository = open(path, Durability::Buffered).await?;
    let crm = Crm::open(repository.clone()).await?;
    let mut first = 0;
    while first < leads {
        let next = (first + 500).min(leads);
        let new = (first..next).map(new_lead).collect::<Answer<Vec<_>>>()?;
        crm.create_many(&new).await?;
        first = next;
    }
    Ok(repository)
}

fn size(leads: u32) -> Answer<()> {
    let directory = tempfile::tempdir()?;
    let start = Instant::now();
    let repository = pollster::block_on(fill(directory.path(), leads))?;
    println!(
        "{leads} leads written in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    drop(repository);
    let start = Instant::now();
    drop(pollster::block_on(SledRepository::open(directory.path()))?);
    println!(
        "opened and counted in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory.path())? {
        bytes += entry?.metadata()?.len();
    }
    println!("{} bytes on disk for each lead", bytes / u64::from(leads));
    Ok(())
}

/// Every indexed shape.
fn shapes() -> Vec<(&'static str, LeadQuery)> {
    let query = || LeadQuery::new().limit(50);
    vec![
        ("created", query()),
        ("updated", query().sort(Sort::updated().descending())),
        ("status changed", query().sort(Sort::status_changed())),
        ("name", query().sort(Sort::name())),
        ("company", query().sort(Sort::company())),
        ("email", query().sort(Sort::email())),
        ("status", query().sort(Sort::status())),
        ("value", query().sort(Sort::value())),
        ("created, by status", query().status("qualified")),
        ("created, by assignee", query().assigned_to("user_7")),
        (
            "created, by both",
            query().status("qualified").assigned_to("user_7"),
        ),
        (
            "updated, by status",
            query().status("new").sort(Sort::updated()),
        ),
        (
            "status changed, by status",
            query().status("new").sort(Sort::status_changed()),
        ),
        ("source", query().source("event")),
        ("tag", query().tag("vip")),
        ("email is", query().email("john.doe77@example.com")),
        ("archived", query().archived(Archived::Only)),
    ]
}

fn scale(small: u32, large: u32, effort: Effort) -> Answer<()> {
    const LIMIT: f64 = 2.0;
    let directory = tempfile::tempdir()?;
    let few = pollster::block_on(fill(&directory.path().join("small"), small))?;
    let many = pollster::block_on(fill(&directory.path().join("large"), large))?;
    println!("{:<34} {large:>9} {small:>9}", "");
    let tenant = TenantId::DEFAULT;
    for (name, query) in shapes() {
        let ratio = effort.compare(
            || drop(pollster::block_on(many.find(&tenant, &query))),
            || drop(pollster::block_on(few.find(&tenant, &query))),
        );
        println!("page: {name:<28} {}", ratio.columns(LIMIT));
    }
    for (name, query) in [
        ("all", LeadQuery::new()),
        ("status", LeadQuery::new().status("new")),
        ("assignee", LeadQuery::new().assigned_to("user_7")),
        ("both", LeadQuery::new().status("new").assigned_to("user_7")),
    ] {
        let ratio = effort.compare(
            || drop(pollster::block_on(many.count(&tenant, query.filter()))),
            || drop(pollster::block_on(few.count(&tenant, query.filter()))),
        );
        println!("count: {name:<27} {}", ratio.columns(LIMIT));
    }
    let first = |leads: Vec<Lead>| leads.first().map(|lead| lead.id);
    let one = first(pollster::block_on(many.find(&tenant, &LeadQuery::new()))?.items);
    if let Some(lead) = one {
        let start = Instant::now();
        pollster::block_on(many.history(&tenant, lead, &HistoryQuery::new()))?;
        println!(
            "history of one lead: {}",
            shown(start.elapsed().as_secs_f64() * 1e9)
        );
    }
    Ok(())
}
