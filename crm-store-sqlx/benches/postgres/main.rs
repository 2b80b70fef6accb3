//! Ours against what one would write by hand over the same driver, tables and durability, in turns.
//!
//! ```sh
//! scripts/servers --only postgres cargo bench -p crm-store-sqlx --bench postgres -- 10000
//! ```
//!
//! Works in a schema `crm_bench` of the server of `CRM_TEST_POSTGRES_URL`, and drops it. The number
//! is how many leads there are before.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic here is a failed run"
)]

mod by_hand;
#[path = "../measure/mod.rs"]
mod measure;

use crm_core::crm::Crm;
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use crm_store_sqlx::sqlx::{Executor as _, raw_sql};
use std::str::FromStr as _;

#[tokio::main]
async fn main() {
    let Ok(url) = std::env::var("CRM_TEST_POSTGRES_URL") else {
        println!("left out, as CRM_TEST_POSTGRES_URL is not set");
        return;
    };
    let admin = PgPool::connect(&url).await.unwrap();
    let drop = || raw_sql("DROP SCHEMA IF EXISTS crm_bench CASCADE").execute(&admin);
    drop().await.unwrap();
    admin.execute("CREATE SCHEMA crm_bench").await.unwrap();

    let options = PgConnectOptions::from_str(&url).unwrap();
    let options = options.options([("search_path", "crm_bench")]);
    let pool = PgPoolOptions::new().test_before_acquire(false);
    let pool = pool.max_connections(4);
    let connect = async || pool.clone().connect_with(options.clone()).await.unwrap();
    let filling = connect().await;
    PostgresRepository::migrate(&filling).await.unwrap();
    let leads = PostgresRepository::from_pool(filling.clone())
        .await
        .unwrap();
    measure::filled(&Crm::open(leads).await.unwrap()).await;
    filling.execute("ANALYZE").await.unwrap();
    filling.close().await;

    // What connections have done before they keep in memory, so both have new ones.
    println!("connections of its own");
    let by_hand = connect().await;
    let and = if url.contains('?') { '&' } else { '?' };
    let own = format!("{url}{and}options[search_path]=crm_bench");
    let own = PostgresRepository::builder(own).connections(4);
    let own = own.open().await.unwrap();
    let crm = Crm::open(own.clone()).await.unwrap();
    measure::measure(&own, &crm, &by_hand).await;
    own.close().await;
    by_hand.close().await;

    println!("a pool of the application's");
    let (shared, by_hand) = (connect().await, connect().await);
    let shared = PostgresRepository::from_pool(shared).await.unwrap();
    let crm = Crm::open(shared.clone()).await.unwrap();
    measure::measure(&shared, &crm, &by_hand).await;
    // Both wrote the same keys and counters.
    assert!(shared.verify().await.unwrap().is_clean());
    shared.close().await;
    by_hand.close().await;
    drop().await.unwrap();
}
