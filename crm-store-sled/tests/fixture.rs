//! A store that version 0.1.0 wrote is read for good. Whoever changes the format adds a fixture and
//! keeps those that are there.
//!
//! `format-1` is from before the counters of one assignee stood together, so its indexes are made
//! anew; `format-1-rows` is as stores are written now.

#![cfg(test)]

mod common;

use crm_core::crm::Crm;
use crm_core::lead::{Field, LeadPatch, LeadStatus, Money, NewLead, TenantId};
use crm_core::query::{Archived, LeadQuery, Total};
use crm_core::repository::{HistoryQuery, Repository, RepositoryErrorKind};
use crm_store_sled::{Durability, SledRepository};
use std::path::{Path, PathBuf};

/// Names the directory that a new fixture is written to.
const WRITE: &str = "CRM_WRITE_FIXTURE";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// What is in the fixture.
async fn fill(crm: &Crm) {
    let john = NewLead::new("John", "Doe", "john@example.com").unwrap();
    let john = john
        .company("Acme Corp")
        .phone("+263771234567")
        .source("website");
    let john = john.value(Money::new(1_250_050, "USD").unwrap()).tag("VIP");
    let john = crm.as_user("user_456").create(john).await.unwrap();
    crm.transition(john.id, LeadStatus::CONTACTED)
        .await
        .unwrap();
    let patch = LeadPatch::new()
        .notes("é".repeat(6_000))
        .custom("budget", 5_000);
    crm.update(john.id, patch).await.unwrap();
    let zoe = NewLead::new("Zoë", "Ncube", "zoe@example.com").unwrap();
    let zoe = crm.create(zoe.assigned_to("user_1")).await.unwrap();
    crm.archive(zoe.id).await.unwrap();
    let gone = NewLead::new("Gone", "Long", "gone@example.com").unwrap();
    let gone = crm.create(gone).await.unwrap();
    crm.delete(gone.id).await.unwrap();
    crm.edit_lifecycle(|edit| {
        edit.add("Demo")
            .set_required(LeadStatus::QUALIFIED, vec![Field::Company])
    })
    .await
    .unwrap();
    let other = NewLead::new("Other", "Tenant", "other@example.com").unwrap();
    crm.tenant("acme").create(other).await.unwrap();
}

/// Writes a store and closes it.
async fn write(path: &Path) {
    let repository = common::open(path, Durability::Fsynced).await;
    fill(&Crm::open(repository).await.unwrap()).await;
}

/// Opens a copy of a store, because sled writes when it opens one.
async fn open_copy(path: &Path) -> (tempfile::TempDir, SledRepository) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("blobs")).unwrap();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let repository = SledRepository::open(directory.path()).await.unwrap();
    (directory, repository)
}

async fn read(repository: SledRepository) {
    assert!(repository.verify().await.unwrap().is_clean());
    let crm = Crm::open(repository.clone()).await.unwrap();
    let page = crm
        .list(LeadQuery::new().search("acme doe").total(Total::Exact))
        .await
        .unwrap();
    let [john] = &page.items[..] else {
        panic!("{:?}", page.items)
    };
    assert_eq!(john.status, LeadStatus::CONTACTED);
    assert_eq!(john.notes.as_deref(), Some("é".repeat(6_000).as_str()));
    assert_eq!(john.version.get(), 3);
    let archived = LeadQuery::new()
        .archived(Archived::Only)
        .assigned_to("user_1");
    assert_eq!(crm.count(&archived).await.unwrap(), 1);
    let feed = crm.events(None, crm_core::query::Limit::MAX).await.unwrap();
    let kinds: Vec<_> = feed.events.iter().map(|event| event.kind.name()).collect();
    let told = [
        "created",
        "status_changed",
        "updated",
        "created",
        "archived",
    ];
    assert_eq!(kinds, [&told[..], &["created", "deleted"]].concat());
    let gone = feed.events[6].lead;
    let history = crm.history(gone, &HistoryQuery::new()).await.unwrap();
    assert_eq!(history.items.len(), 2);
    assert!(crm.get(gone).await.is_err());
    assert!(crm.lifecycle().await.unwrap().find("demo").is_some());
    assert_eq!(
        repository.tenants(None).await.unwrap(),
        ["acme", TenantId::DEFAULT.as_str()]
    );
    crm.transition(john.id, LeadStatus::QUALIFIED)
        .await
        .unwrap();
    assert!(repository.verify().await.unwrap().is_clean());
}

#[test]
fn a_store_of_the_first_version_is_read_once_its_indexes_are_rebuilt() {
    pollster::block_on(async {
        let (_directory, repository) = open_copy(&fixture("format-1")).await;
        let outdated = repository.find(&TenantId::DEFAULT, &LeadQuery::new()).await;
        let outdated = outdated.unwrap_err();
        assert_eq!(*outdated.kind(), RepositoryErrorKind::OutdatedIndexes);
        repository.rebuild_indexes().await.unwrap();
        read(repository).await;
    });
}

#[test]
fn a_store_with_rows_of_counters_is_read() {
    pollster::block_on(async {
        let (_directory, repository) = open_copy(&fixture("format-1-rows")).await;
        read(repository).await;
    });
}

/// Whoever changes the format writes the fixture of the new one with it, into a directory that is
/// not there yet:
///
/// ```text
/// CRM_WRITE_FIXTURE=$PWD/crm-store-sled/tests/fixtures/format-2 \
///     cargo test -p crm-store-sled --test fixture a_store_of_this_version
/// ```
#[test]
fn a_store_of_this_version_is_read_the_same() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let asked = std::env::var_os(WRITE).map(PathBuf::from);
        let path = asked.unwrap_or_else(|| directory.path().join("store"));
        assert!(!path.exists(), "a fixture is never written over");
        write(&path).await;
        let (_directory, repository) = open_copy(&path).await;
        read(repository).await;
    });
}
