//! A process that is killed while it commits: all that it was told of is there, nothing is half
//! there.

#![cfg(test)]

mod common;

use common::{File, numbered, repeats, verified};
use crm_core::crm::Crm;
use crm_core::lead::{LeadId, TenantId};
use crm_core::repository::Repository as _;
use crm_store_sqlx::SqliteRepository;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

const NAME: &str = "nothing_acknowledged_is_lost_and_nothing_is_half_there";
const PATH: &str = "CRM_CRASH_TEST_PATH";

/// What the process does that is killed: it writes, and tells what is written.
async fn child(path: String) {
    let crm = Crm::open(SqliteRepository::open(path).await.unwrap())
        .await
        .unwrap();
    for number in 0.. {
        let many: Vec<_> = (0..number % 5 + 1).map(numbered).collect();
        for lead in crm.create_many(&many).await.unwrap() {
            // One write a line: the parent reads whole lines or none.
            let line = format!("\nack {}\n", lead.unwrap().id);
            std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_half_there() {
    if let Ok(path) = std::env::var(PATH) {
        return child(path).await;
    }
    let file = File::new();
    let mut acknowledged: Vec<LeadId> = Vec::new();
    for round in 0..repeats() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(PATH, file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let output = output.map_while(Result::ok);
        let ids = output.filter_map(|line| line.strip_prefix("ack ")?.parse::<LeadId>().ok());
        let mut told = ids;
        // It is somewhere in the commits that follow.
        acknowledged.extend(told.by_ref().take(1 + round * 7 % 20));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(told);

        let leads = file.open().await;
        verified(&leads).await;
        let found = leads.get(&TenantId::DEFAULT, &acknowledged).await.unwrap();
        assert_eq!(found.len(), acknowledged.len());
    }
    assert!(acknowledged.len() > repeats());
}
