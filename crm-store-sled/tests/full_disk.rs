//! A disk with no space left: told as such, and nothing acknowledged before it is lost.
#![cfg(test)]
#![cfg(unix)]

mod common;

use common::new_lead;
use crm_core::crm::{Crm, CrmError};
use crm_core::lead::LeadId;
use crm_store_sled::Durability;
use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

const NAME: &str = "a_full_disk_is_told_and_takes_nothing_back";
const PATH: &str = "CRM_FULL_DISK_TEST_PATH";
const WRITERS: usize = 16;

/// What the process does that has little space: the test below, started with [`PATH`] set. All of
/// its writers must end, also those that wait for a flush when another one's commit fails.
fn child(path: &OsStr) {
    let repository = pollster::block_on(common::open(Path::new(path), Durability::Fsynced));
    let crm = pollster::block_on(Crm::open(repository)).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let crm = &crm;
            scope.spawn(move || pollster::block_on(write(crm, writer)));
        }
    });
    // What was written half stays so until it is opened again.
    let again: Result<_, CrmError> = pollster::block_on(crm.create(new_lead(0)));
    println!("\nagain {}", chain(&again.unwrap_err()));
    // sled would go on trying to write what is left.
    std::process::exit(0);
}

async fn write(crm: &Crm, writer: usize) {
    for number in (writer..100_000).step_by(WRITERS) {
        match crm.create(new_lead(number).notes("n".repeat(8_000))).await {
            Ok(lead) => println!("\nack {}", lead.id),
            Err(error) => return println!("\nerror {}", chain(&error)),
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[test]
fn a_full_disk_is_told_and_takes_nothing_back() {
    if let Some(path) = std::env::var_os(PATH) {
        return child(&path);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    // A limit on the size of files, whose signal is ignored, is a full disk to whoever writes.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 6000; exec {} {NAME} --exact --nocapture",
        std::env::current_exe().unwrap().display()
    );
    let output = Command::new("bash")
        .args(["-c", &limited])
        .env(PATH, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let told = |kind: &'static str| {
        output
            .lines()
            .filter_map(move |line| line.strip_prefix(kind))
    };
    assert_eq!(told("error ").count(), WRITERS, "{output}");
    for error in told("error ") {
        assert!(
            error.contains("the disk is full: free some space"),
            "{error}"
        );
    }
    assert_eq!(told("again ").count(), 1, "{output}");
    let acknowledged: Vec<LeadId> = told("ack ").map(|id| id.parse().unwrap()).collect();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    pollster::block_on(async {
        let repository = common::open(&path, Durability::Fsynced).await;
        assert!(repository.verify().await.unwrap().is_clean());
        let crm = Crm::open(repository).await.unwrap();
        for lead in acknowledged {
            crm.get(lead).await.unwrap();
        }
        crm.create(new_lead(0)).await.unwrap();
    });
}
