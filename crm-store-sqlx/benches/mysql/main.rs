//! Ours against what one would write by hand over the same driver, tables and durability, in turns.
//!
//! ```sh
//! scripts/servers --only mysql cargo bench -p crm-store-sqlx --bench mysql -- 10000
//! ```
//!
//! Works in a database `crm_bench` of the server of `CRM_TEST_MYSQL_URL`, and drops it. The number is
//! how many leads there are before.

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
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use crm_store_sqlx::sqlx::{Executor as _, raw_sql};
use std::str::FromStr as _;

#[tokio::main]
async fn main() {
    let Ok(url) = std::env::var("CRM_TEST_MYSQL_URL") else {
        println!("left out, as CRM_TEST_MYSQL_URL is not set");
        return;
    };
    let admin = MySqlPool::connect(&url).await.unwrap();
    let drop = || raw_sql("DROP DATABASE IF EXISTS crm_bench").execute(&admin);
    drop().await.unwrap();
    admin.execute("CREATE DATABASE crm_bench").await.unwrap();

    let options = MySqlConnectOptions::from_str(&url).unwrap();
    let options = options
        .database("crm_bench")
        // As many as ours: where one is given up, sqlx 0.9.0 waits 40 ms for the server.
        .statement_cache_capacity(400);
    let pool = MySqlPoolOptions::new().test_before_acquire(false);
    let pool = pool.max_connections(4);
    let connect = async || pool.clone().connect_with(options.clone()).await.unwrap();
    let filling = connect().await;
    MySqlRepository::migrate(&filling).await.unwrap();
    let leads = MySqlRepository::from_pool(filling).await.unwrap();
    measure::filled(&Crm::open(leads.clone()).await.unwrap()).await;
    leads.close().await;

    // What connections have done before they keep in memory, so both have new ones.
    let (ours, by_hand) = (connect().await, connect().await);
    let leads = MySqlRepository::from_pool(ours).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    measure::measure(&leads, &crm, &by_hand).await;
    // Both wrote the same keys and counters.
    assert!(leads.verify().await.unwrap().is_clean());
    leads.close().await;
    by_hand.close().await;
    drop().await.unwrap();
}
