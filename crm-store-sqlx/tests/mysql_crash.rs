//! On a MySQL or MariaDB server of this test's own, which is killed while many write.

#![cfg(test)]

mod common;
mod servers;

use common::{numbered, repeats};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::CommitId;
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::query::Limit;
use crm_core::repository::Repository as _;
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::{self, Connection as _, MySqlConnection};
use servers::PrivateServer;
use servers::mysql::verified;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What was acknowledged.
#[derive(Default)]
struct Told {
    made: HashMap<LeadId, Version>,
}

/// Creates pairs of leads and moves one of each, whatever becomes of the server.
async fn write(crm: Crm, is_over: Arc<AtomicBool>, made: Arc<AtomicUsize>) -> Told {
    let mut told = Told::default();
    while !is_over.load(Ordering::SeqCst) {
        let pair = [numbered(1), numbered(2)];
        let Some(pair) = acknowledged(crm.create_many(&pair).await) else {
            continue;
        };
        let pair: Vec<Lead> = pair.into_iter().map(Result::unwrap).collect();
        told.made
            .extend(pair.iter().map(|lead| (lead.id, lead.version)));
        let moved = crm.transition(pair[0].id, "contacted").await;
        if let Some(lead) = acknowledged(moved) {
            told.made.insert(lead.id, lead.version);
            made.fetch_add(1, Ordering::SeqCst);
        }
    }
    told
}

/// Most callers notice nothing, as their calls are made again; the others may only be told that.
fn acknowledged<T>(done: Result<T, CrmError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(CrmError::Repository(error)) if error.is_retryable() => None,
        // A try whose answer was lost had moved the lead.
        Err(CrmError::Refused(_)) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Whether the server was started since this was asked last. It starts with commits that it keeps
/// to itself for a second, and from now on hands each to the system before it is acknowledged: that
/// outlives the process.
async fn is_anew(server: &PrivateServer) -> bool {
    loop {
        // While it starts, it takes no connections.
        if let Ok(mut connection) = MySqlConnection::connect(&server.url).await {
            let sql = "SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS SIGNED)";
            let before = sqlx::query_scalar::<_, i64>(sql);
            let before = before.fetch_one(&mut connection).await.unwrap();
            let sql = "SET GLOBAL innodb_flush_log_at_trx_commit = 2";
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            return before != 2;
        }
    }
}

async fn all_events(leads: &MySqlRepository) -> Vec<crm_core::event::LeadEvent> {
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let page = leads.events(&TenantId::DEFAULT, cursor.as_ref(), Limit::MAX);
        let page = page.await.unwrap();
        if page.events.is_empty() {
            return all;
        }
        cursor = page.cursor;
        all.extend(page.events);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_in_the_midst_of_work() {
    let Some(server) = PrivateServer::mysql() else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        assert!(is_anew(&server).await);
        let builder = MySqlRepository::builder(&server.url).connections(8);
        let leads = builder.open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();

        let (is_over, made) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            writers.spawn(write(crm.clone(), Arc::clone(&is_over), Arc::clone(&made)));
        }
        for _ in 0..(repeats() / 10).max(2) {
            let before = made.load(Ordering::SeqCst);
            // The pool finds the server again by itself, whatever was under way.
            while made.load(Ordering::SeqCst) < before + 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.restart();
            assert!(is_anew(&server).await, "the server was not killed");
        }
        is_over.store(true, Ordering::SeqCst);
        let mut told = Vec::new();
        while let Some(writer) = writers.join_next().await {
            told.push(writer.unwrap());
        }

        let events = all_events(&leads).await;
        let mut last: HashMap<LeadId, Version> = HashMap::new();
        let mut of_commit: HashMap<CommitId, usize> = HashMap::new();
        for event in &events {
            let before = last.insert(event.lead, event.version);
            let expected = before.map_or(Version::FIRST, Version::next);
            assert_eq!(event.version, expected, "a version twice, or none");
            if event.version == Version::FIRST {
                *of_commit.entry(event.commit).or_default() += 1;
            }
        }
        let singles = of_commit.values().filter(|count| **count == 1).count();
        assert_eq!(singles, 1, "half a commit, beside the first lead");
        for (lead, version) in told.iter().flat_map(|told| &told.made) {
            let found = last.get(lead).expect("an acknowledged lead");
            assert!(found >= version, "an acknowledged change");
        }
        verified(&leads).await;
    });
}
