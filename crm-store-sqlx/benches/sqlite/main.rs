//! Ours against what one would write by hand over the same driver, tables and durability, in turns.
//!
//! ```sh
//! cargo bench -p crm-store-sqlx --bench sqlite -- 10000
//! ```
//!
//! The number is how many leads there are before.

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

use by_hand::Pools;
use crm_core::crm::Crm;
use crm_store_sqlx::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use crm_store_sqlx::{SqliteDurability, SqliteRepository};
use std::path::Path;

/// The pools that somebody would make by hand.
async fn pools(path: &Path) -> Pools {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new().test_before_acquire(false);
    let writer = options.clone().pragma("cache_size", "-65536");
    let writer = pool.clone().max_connections(1).connect_with(writer);
    let readers = options.pragma("cache_size", "-4096");
    let readers = pool.max_connections(4).connect_with(readers);
    Pools {
        writer: writer.await.unwrap(),
        readers: readers.await.unwrap(),
    }
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leads.db");
    let open = async || {
        let leads = SqliteRepository::builder(path.display().to_string());
        let leads = leads.durability(SqliteDurability::Normal);
        leads.open().await.unwrap()
    };
    let leads = open().await;
    measure::filled(&Crm::open(leads.clone()).await.unwrap()).await;
    leads.close().await;

    // What connections have done before they keep in memory, so both have new ones.
    let leads = open().await;
    let crm = Crm::open(leads.clone()).await.unwrap();
    measure::measure(&leads, &crm, &pools(&path).await).await;
    // Both wrote the same keys and counters.
    assert!(leads.verify().await.unwrap().is_clean());
}
