//! What `scripts/load` compares the server with: a server as somebody would write it by hand over
//! axum and sqlx, on the same tables, and what fills them.
//!
//! ```text
//! http serve 127.0.0.1:8090 sqlite:leads.db
//! http fill sqlite:leads.db 100000
//! http fill sqlite:leads.db 100000 in-order
//! ```
//!
//! Leads are stored in no order of time, as an import may bring them; or in the order in which they were
//! created, as where they are entered one by one.
//!
//! The token is in `CRM_ADMIN_TOKEN`, as for the example `server`.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::print_stdout, reason = "a program, not a library")]

mod by_hand;
#[path = "../common/leads.rs"]
#[allow(dead_code, reason = "each program uses its own part")]
mod leads;
mod tables;

use crm_kit::prelude::*;
use std::error::Error;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: http serve HOST:PORT URL | http fill URL COUNT [in-order]";

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["serve", addr, url] => by_hand::serve(addr, url).await,
        // Their numbers say nothing of their times.
        ["fill", url, count] => fill(url, 0..count.parse()?).await,
        ["fill", url, count, "in-order"] => {
            let mut numbers: Vec<u32> = (0..count.parse()?).collect();
            numbers.sort_by_cached_key(|number| leads::typed(*number).created_at);
            fill(url, numbers).await
        }
        // What `cargo bench` passes: without a command there is nothing to do.
        ["--bench"] => Ok(()),
        _ => Err(USAGE.into()),
    }
}

/// Made-up leads, a thousand in a commit, all of them active. Prints how long it took.
async fn fill(url: &str, numbers: impl IntoIterator<Item = u32>) -> Result<()> {
    let crm = Crm::open(crm_kit::connect(url).await?).await?;
    let begin = Instant::now();
    let mut numbers = numbers.into_iter();
    let mut count = 0;
    loop {
        let typed = numbers.by_ref().take(1_000).map(leads::typed);
        let batch: Vec<NewLead> = typed.map(|typed| leads::new_lead(&typed)).collect();
        if batch.is_empty() {
            break;
        }
        count += batch.len();
        for created in crm.create_many(&batch).await? {
            created?;
        }
    }
    println!("{count} leads in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
