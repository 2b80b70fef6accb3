//! Ours against what one would write by hand over the same driver, tables and durability, in turns.
//!
//! ```sh
//! scripts/servers --only postgres cargo bench -p crm-store-sqlx --bench postgres -- 10000
//! ```
//!
//! Works in a schema `crm_bench` of the server of `CRM_TEST_POSTGRES_URL`, and drops it. Prints the median of each arm and the median of the ratios of neighbouring rounds. The number is
//! how many leads there are before.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic here is a failed run"
)]

mod by_hand;

use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadStatus, Money, NewLead, TenantId};
use crm_core::query::{LeadQuery, Sort};
use crm_core::repository::{ChangeSet, Repository as _};
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use crm_store_sqlx::sqlx::{Executor as _, raw_sql};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

fn numbered(number: usize) -> NewLead {
    let mixed = number.wrapping_mul(2_654_435_761) % 1_000_003;
    let email = format!("p{number}@example{}.com", mixed % 300);
    NewLead::new(
        format!("First{}", mixed % 997),
        format!("Last{}", mixed % 4_999),
        &email,
    )
    .unwrap()
    .company(format!("Company {}", mixed % 5_000))
    .phone(format!("+26377{mixed:07}"))
    .source(["website", "event", "cold_call"][mixed % 3])
    .assigned_to(format!("user_{}", mixed % 1_000))
    .tag(["VIP", "hot", "cold"][mixed % 3])
    .value(Money::new(i64::try_from(mixed).unwrap(), "USD").unwrap())
}

/// A database with its leads, and the pool that somebody would make by hand.
struct Arm {
    leads: PostgresRepository,
    crm: Crm,
    pool: PgPool,
}

async fn arm(url: &str, count: usize) -> Arm {
    let options = PgConnectOptions::from_str(url).unwrap();
    let options = options.options([("search_path", "crm_bench")]);
    let pool = PgPoolOptions::new().test_before_acquire(false);
    let pool = pool.max_connections(4);
    let ours = pool.clone().connect_with(options.clone()).await.unwrap();
    PostgresRepository::migrate(&ours).await.unwrap();
    let leads = PostgresRepository::from_pool(ours).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    for start in (0..count).step_by(1_000) {
        let batch: Vec<_> = (start..start + 1_000).map(numbered).collect();
        crm.create_many(&batch).await.unwrap();
    }
    let pool = pool.connect_with(options).await.unwrap();
    pool.execute("ANALYZE").await.unwrap();
    Arm { leads, crm, pool }
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn report(name: &str, times: &[(Duration, Duration)], limit: f64) {
    let ours = median(times.iter().map(|(ours, _)| *ours).collect());
    let hand = median(times.iter().map(|(_, hand)| *hand).collect());
    let ratio = |(ours, hand): &(Duration, Duration)| ours.as_secs_f64() / hand.as_secs_f64();
    let ratio = median(times.iter().map(ratio).collect());
    println!(
        "{name:12} ours {ours:>12.1?}   by hand {hand:>12.1?}   {ratio:.2}x  (goal {limit:.2}x)"
    );
}

macro_rules! rounds {
    ($rounds:expr, |$round:ident| $ours:expr, $hand:expr) => {{
        let mut times = Vec::new();
        for $round in 0..$rounds {
            let ours = async {
                let begin = Instant::now();
                $ours;
                begin.elapsed()
            };
            let hand = async {
                let begin = Instant::now();
                $hand;
                begin.elapsed()
            };
            // Whoever comes second finds the caches warm, so they take turns at that, too.
            times.push(if $round % 2 == 0 {
                let ours = ours.await;
                (ours, hand.await)
            } else {
                let hand = hand.await;
                (ours.await, hand)
            });
        }
        times
    }};
}

/// New leads as they would be stored, and the sets that store their likes.
async fn planned(crm: &Crm, from: usize, count: usize) -> (Vec<ChangeSet>, Vec<Lead>) {
    let mut sets = Vec::new();
    let mut leads = Vec::new();
    for number in from..from + count {
        sets.push(crm.plan_create(numbered(number)).await.unwrap());
        let by_hand = crm.plan_create(numbered(number + 7_777_777)).await.unwrap();
        leads.extend(by_hand.leads().cloned());
    }
    (sets, leads)
}

#[tokio::main]
async fn main() {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let Ok(url) = std::env::var("CRM_TEST_POSTGRES_URL") else {
        println!("left out, as CRM_TEST_POSTGRES_URL is not set");
        return;
    };
    let admin = PgPool::connect(&url).await.unwrap();
    let drop = || raw_sql("DROP SCHEMA IF EXISTS crm_bench CASCADE").execute(&admin);
    drop().await.unwrap();
    admin.execute("CREATE SCHEMA crm_bench").await.unwrap();
    let arm = arm(&url, count.unwrap_or(10_000)).await;
    let (leads, crm, tenant) = (&arm.leads, &arm.crm, &TenantId::DEFAULT);
    let query = LeadQuery::new().sort(Sort::created().descending());
    let some = crm.list(query.clone().limit(1_000)).await.unwrap().items;
    let id = |round: usize| some[round * 7 % some.len()].id;

    let times = rounds!(
        400,
        |round| {
            assert_eq!(leads.get(tenant, &[id(round)]).await.unwrap().len(), 1);
        },
        {
            let plain = by_hand::get(&arm.pool, id(round).as_bytes()).await.unwrap();
            assert!(plain.id.len() == 16 && plain.texts[0].is_some() && plain.numbers[0].is_some());
            assert_eq!(plain.tags.len(), 1);
        }
    );
    report("get", &times, 1.10);

    let times = rounds!(
        200,
        |round| {
            assert_eq!(
                leads.find(tenant, &query).await.unwrap().items.len(),
                50,
                "{round}"
            );
        },
        {
            assert_eq!(by_hand::page(&arm.pool).await.unwrap().len(), 50);
        }
    );
    report("page of 50", &times, 1.10);

    let (sets, by_hand) = planned(crm, 1_000_000, 200).await;
    let times = rounds!(
        200,
        |round| {
            leads.commit(tenant, &sets[round]).await.unwrap();
        },
        {
            by_hand::create(&arm.pool, &by_hand[round..=round])
                .await
                .unwrap();
        }
    );
    report("create", &times, 1.10);

    let mut moves = Vec::new();
    for lead in some.iter().take(200) {
        let set = crm.plan_transition(lead.id, "contacted").await.unwrap();
        moves.push(set);
    }
    let times = rounds!(
        200,
        |round| {
            leads.commit(tenant, &moves[round]).await.unwrap();
        },
        {
            let before = &some[400 + round];
            let mut after = before.clone();
            after.status = LeadStatus::CONTACTED;
            after.version = before.version.next();
            by_hand::transition(&arm.pool, before, &after)
                .await
                .unwrap();
        }
    );
    report("transition", &times, 1.10);

    let memory = Crm::open(crm_core::memory::MemoryRepository::new())
        .await
        .unwrap();
    let (mut new, mut made) = (Vec::new(), Vec::new());
    for round in 0..9 {
        let batch = |from: usize| -> Vec<NewLead> { (from..from + 1_000).map(numbered).collect() };
        new.push(batch(2_000_000 + round * 1_000));
        let others = memory.create_many(&batch(4_000_000 + round * 1_000)).await;
        made.push(
            others
                .unwrap()
                .into_iter()
                .map(Result::unwrap)
                .collect::<Vec<Lead>>(),
        );
    }
    // Ours checks and plans them, too; those by hand are ready to be written.
    let times = rounds!(
        9,
        |round| {
            assert_eq!(crm.create_many(&new[round]).await.unwrap().len(), 1_000);
        },
        {
            by_hand::create(&arm.pool, &made[round]).await.unwrap();
        }
    );
    report("bulk of 1000", &times, 1.15);
    arm.leads.close().await;
    arm.pool.close().await;
    drop().await.unwrap();
}
