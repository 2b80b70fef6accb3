//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses a part of it")]

use crm_core::crm::Crm;
use crm_core::lead::{LeadId, LeadPatch, LeadSource, LeadStatus, Money, NewLead};
use crm_core::repository::RepositoryError;
use crm_store_sled::{Durability, OpenCheck, SledRepository};
use std::path::Path;

/// Whether all of the stated counts are run, or a tenth of them.
pub(crate) fn is_long() -> bool {
    std::env::var_os("CRM_TEST_LONG").is_some_and(|value| value == "1")
}

/// A stated count, or a tenth of it.
pub(crate) fn stated(count: u32) -> u32 {
    if is_long() { count } else { count.div_ceil(10) }
}

pub(crate) async fn open(path: &Path, durability: Durability) -> SledRepository {
    SledRepository::builder(path)
        .durability(durability)
        .open()
        .await
        .unwrap()
}

pub(crate) async fn crm(path: &Path) -> Crm {
    Crm::open(open(path, Durability::Buffered).await)
        .await
        .unwrap()
}

pub(crate) async fn refused(path: &Path) -> RepositoryError {
    SledRepository::open(path).await.unwrap_err()
}

/// Opens a store that may be damaged.
pub(crate) async fn unchecked(path: &Path) -> SledRepository {
    let builder = SledRepository::builder(path).check(OpenCheck::Nothing);
    builder.open().await.unwrap()
}

/// A lead like many.
pub(crate) fn new_lead(number: usize) -> NewLead {
    NewLead::new(
        "John",
        format!("Doe {number}"),
        format!("john{number}@example.com"),
    )
    .unwrap()
    .company(format!("Acme {}", number % 100))
    .phone(format!("+26377{number:07}"))
    .source(LeadSource::WEBSITE)
    .assigned_to(format!("user_{}", number % 10))
    .value(Money::new(125_000, "USD").unwrap())
}

/// A store with leads in every state, closed again; returns those that are there.
pub(crate) async fn filled(path: &Path, leads: usize) -> Vec<LeadId> {
    let crm = crm(path).await;
    let mut ids = Vec::new();
    for number in 0..leads {
        let lead = crm.create(new_lead(number)).await.unwrap();
        match number % 5 {
            0 => drop(
                crm.transition(lead.id, LeadStatus::CONTACTED)
                    .await
                    .unwrap(),
            ),
            1 => {
                let patch = LeadPatch::new().notes("n".repeat(9_000));
                crm.update(lead.id, patch).await.unwrap();
            }
            2 => drop(crm.archive(lead.id).await.unwrap()),
            3 => {
                crm.delete(lead.id).await.unwrap();
                continue;
            }
            _ => {}
        }
        ids.push(lead.id);
    }
    ids
}

/// Changes entries behind the store's back.
pub(crate) fn tamper(path: &Path, change: impl Fn(&sled::Db)) {
    // The store that was dropped just now may take a moment to let go of the file.
    let db = loop {
        match sled::open(path) {
            Ok(db) => break db,
            Err(sled::Error::Io(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    change(&db);
    db.flush().unwrap();
}
