//! A process that is killed while it writes: every change it was told of is there, none is half
//! there.

#![cfg(test)]

mod common;

use common::{new_lead, stated};
use crm_core::crm::Crm;
use crm_core::lead::{LeadId, LeadPatch, LeadStatus, Version};
use crm_core::repository::HistoryQuery;
use crm_core::uuid::Uuid;
use crm_store_sled::{Durability, SledRepository};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

const NAME: &str = "nothing_acknowledged_is_lost_and_nothing_is_half_there";
const PATH: &str = "CRM_CRASH_TEST_PATH";
const DURABILITY: &str = "CRM_CRASH_TEST_DURABILITY";
const WRITERS: usize = 6;
const ROUNDS_OF_A_STORE: u32 = 10;

/// What a lead was acknowledged to be.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Acknowledged {
    At(Version),
    Deleted,
}

fn tell(line: std::fmt::Arguments<'_>) {
    // One write a line: the parent reads whole lines or none.
    let line = format!("\n{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// What the process does that is killed: the test below, started with [`PATH`] set.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn child(path: &OsStr) {
    let durability = match std::env::var(DURABILITY).as_deref() {
        Ok("fsynced") => Durability::Fsynced,
        _ => Durability::Flushed,
    };
    let crm = Crm::open(common::open(Path::new(path), durability).await)
        .await
        .unwrap();
    let numbers = Arc::new(AtomicUsize::new(0));
    let writers = (0..WRITERS).map(|_| tokio::spawn(write(crm.clone(), Arc::clone(&numbers))));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

async fn write(crm: Crm, numbers: Arc<AtomicUsize>) {
    let at = |id: LeadId, version: Version| tell(format_args!("ack {id} {}", version.get()));
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let lead = crm.create(new_lead(number)).await.unwrap();
        at(lead.id, lead.version);
        let lead = crm
            .transition(lead.id, LeadStatus::CONTACTED)
            .await
            .unwrap();
        at(lead.id, lead.version);
        let notes = "n".repeat(1 + number % 10 * 1_500);
        let patch = LeadPatch::new().notes(notes).tags(["VIP"]);
        let lead = crm.update(lead.id, patch).await.unwrap();
        at(lead.id, lead.version);
        if number.is_multiple_of(4) {
            crm.delete(lead.id).await.unwrap();
            tell(format_args!("ack {} deleted", lead.id));
        }
        if number.is_multiple_of(7) {
            let many: Vec<_> = (0..20).map(new_lead).collect();
            for lead in crm.create_many(&many).await.unwrap() {
                let lead = lead.unwrap();
                at(lead.id, lead.version);
            }
        }
    }
}

/// When the child is killed.
enum Kill {
    /// So long after it was started, which may be while it opens the store.
    AfterStart(Duration),
    /// So long after its first acknowledgement.
    WhileWriting(Duration),
}

/// Runs the child until it is killed, and notes what it was told.
fn run_and_kill(
    path: &Path,
    durability: &str,
    kill: &Kill,
    told: &mut HashMap<LeadId, Acknowledged>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(PATH, path)
        .env(DURABILITY, durability)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    // The first word is sent at the first acknowledgement, and the channel is closed at the end.
    let (tell, told_here) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let told = lines.filter(|line| line.starts_with("ack "));
        told.inspect(|_| tell.send(()).unwrap_or_default())
            .collect::<Vec<_>>()
    });
    let after = match kill {
        Kill::AfterStart(after) => *after,
        Kill::WhileWriting(after) => {
            told_here.recv_timeout(Duration::from_secs(60)).unwrap();
            *after
        }
    };
    let moment = Instant::now() + after;
    while let Some(left) = moment.checked_duration_since(Instant::now()) {
        let heard = told_here.recv_timeout(left);
        assert_ne!(
            heard,
            Err(RecvTimeoutError::Disconnected),
            "it ended by itself"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reader.join().unwrap() {
        let mut words = line.split(' ').skip(1);
        let id: LeadId = words.next().unwrap().parse().unwrap();
        let state = match words.next().unwrap() {
            "deleted" => Acknowledged::Deleted,
            version => Acknowledged::At(Version::new(version.parse().unwrap())),
        };
        told.insert(id, state);
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_there() {
    if let Some(path) = std::env::var_os(PATH) {
        return child(&path);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut told = HashMap::new();
    for round in 0..stated(100) {
        // All of a store is checked in each round, so none may grow without end.
        if round.is_multiple_of(ROUNDS_OF_A_STORE) {
            told.clear();
        }
        let path = directory
            .path()
            .join((round / ROUNDS_OF_A_STORE).to_string());
        let random = u64::try_from(Uuid::new_v4().as_u128() % 400_000).unwrap();
        let after = Duration::from_micros(random);
        let kill = match round % 5 {
            4 => Kill::AfterStart(after),
            _ => Kill::WhileWriting(after),
        };
        let durability = if round.is_multiple_of(2) {
            "fsynced"
        } else {
            "flushed"
        };
        run_and_kill(&path, durability, &kill, &mut told);
        pollster::block_on(check(&path, &told, round));
        if (round + 1).is_multiple_of(ROUNDS_OF_A_STORE) {
            assert!(told.len() > 20, "it has to have written something");
            assert!(told.values().any(|told| *told == Acknowledged::Deleted));
            println!("{} leads were acknowledged", told.len());
        }
    }
}

async fn check(path: &Path, told: &HashMap<LeadId, Acknowledged>, round: u32) {
    let repository: SledRepository = common::open(path, Durability::Buffered).await;
    let found = repository.verify().await.unwrap();
    assert!(found.is_clean(), "round {round}: {:?}", found.faults);
    let crm = Crm::open(repository).await.unwrap();
    for (id, told) in told {
        let lead = crm.get(*id).await;
        let history = crm.history(*id, &HistoryQuery::new()).await;
        match (told, lead) {
            (Acknowledged::At(version), Ok(lead)) => {
                assert!(
                    lead.version >= *version,
                    "round {round}: {id} lost a change"
                );
            }
            // Killed after the deletion was made and before it was told.
            (_, Err(_)) if history.is_ok_and(|page| is_deleted(&page.items)) => {}
            (told, lead) => panic!("round {round}: {id} {told:?} is {lead:?}"),
        }
    }
}

fn is_deleted(events: &[crm_core::event::LeadEvent]) -> bool {
    events
        .last()
        .is_some_and(|event| event.kind.name() == "deleted")
}
