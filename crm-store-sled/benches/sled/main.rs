//! What the storage costs beside hand-written sled code, what group commit gains, and what more
//! leads cost.
//!
//! ```text
//! cargo bench -p crm-store-sled               all of it; loading a million leads takes most of it
//! cargo bench -p crm-store-sled -- compare    against hand-written code
//! cargo bench -p crm-store-sled -- group      64 writers at once against one, also with slower syncs
//! cargo bench -p crm-store-sled -- scale      a million leads against ten thousand, bytes on disk
//! ```
//!
//! With `--quick` added, a smoke test whose figures mean nothing.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark shows its figures, and one that fails stops"
)]

mod by_hand;
mod compare;
mod group;
mod leads;
#[path = "../../../benches/common/rounds.rs"]
#[allow(dead_code, reason = "shared with other benchmarks")]
mod rounds;
mod scale;

use crm_store_sled::{Durability, SledRepository};
use rounds::Effort;
use std::path::Path;

fn main() {
    let effort = Effort::from_arguments();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    if is_wanted("compare") {
        compare::run(effort);
    }
    if is_wanted("group") {
        group::run(effort);
    }
    if is_wanted("scale") {
        scale::run(effort);
    }
}

/// Whoever had it open before may still be writing what sled holds in memory.
fn open(path: &Path, durability: Durability) -> SledRepository {
    loop {
        let opening = SledRepository::builder(path).durability(durability).open();
        match pollster::block_on(opening) {
            Err(error) if error.is_retryable() => {}
            opened => return opened.expect("a store"),
        }
    }
}
