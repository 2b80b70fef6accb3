//! Stores that lost something: what is told of it, what can be repaired, what can be saved.

#![cfg(test)]

mod common;

use common::{filled, new_lead, open, refused, tamper, unchecked};
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::repository::RepositoryErrorKind;
use crm_store_sled::{Durability, OpenCheck, SledRepository};

const DEFAULT: TenantId = TenantId::DEFAULT;

#[test]
fn lost_entries_are_noticed_on_open() {
    for table in [
        "leads",
        "keys",
        "counters",
        "events",
        "history",
        "commits",
        "lifecycles",
        "pieces",
        "tenants",
        "heads",
    ] {
        pollster::block_on(async {
            let directory = tempfile::tempdir().unwrap();
            filled(directory.path(), 12).await;
            // A second tenant: what is lost is not all there is.
            let crm = common::crm(directory.path()).await;
            crm.tenant("acme").create(new_lead(1)).await.unwrap();
            drop(crm);
            tamper(directory.path(), |db| {
                let tree = db.open_tree(table).unwrap();
                let (last, _) = tree.last().unwrap().unwrap();
                tree.remove(last).unwrap();
            });
            let error = refused(directory.path()).await;
            assert!(
                matches!(error.kind(), RepositoryErrorKind::Corrupt { .. }),
                "{table}: {error}"
            );
            let records = SledRepository::builder(directory.path()).check(OpenCheck::Records);
            let is_index = ["keys", "counters"].contains(&table);
            assert_eq!(records.open().await.is_ok(), is_index, "{table}");
            let repository = unchecked(directory.path()).await;
            assert!(!repository.verify().await.unwrap().is_clean(), "{table}");
        });
    }
}

#[test]
fn wrong_indexes_are_found_and_repaired() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 12).await;
        tamper(directory.path(), |db| {
            let keys = db.open_tree("keys").unwrap();
            let (first, _) = keys.first().unwrap().unwrap();
            keys.remove(&first).unwrap();
            let mut other = first.to_vec();
            *other.last_mut().unwrap() ^= 1;
            keys.insert(other, b"").unwrap();
            let counters = db.open_tree("counters").unwrap();
            let (first, _) = counters.first().unwrap().unwrap();
            counters.insert(first, &7i128.to_be_bytes()).unwrap();
            let (last, _) = counters.last().unwrap().unwrap();
            counters.remove(last).unwrap();
        });
        let repository = unchecked(directory.path()).await;
        let found = repository.verify().await.unwrap();
        let told: Vec<_> = found.faults.iter().map(|fault| fault.what).collect();
        for what in [
            "an index lacks it",
            "a counter is wrong",
            "a counter is missing",
        ] {
            assert!(told.contains(&what), "{told:?}");
        }
        repository.rebuild_indexes().await.unwrap();
        assert!(repository.verify().await.unwrap().is_clean());
        drop(repository);
        open(directory.path(), Durability::Buffered).await;
    });
}

#[test]
fn an_event_that_the_next_one_would_come_before_is_told() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 3).await;
        tamper(directory.path(), |db| {
            let heads = db.open_tree("heads").unwrap();
            let (number, head) = heads.first().unwrap().unwrap();
            let head = [&1u64.to_be_bytes()[..], &head[8..]].concat();
            heads.insert(number, head).unwrap();
        });
        let repository = open(directory.path(), Durability::Buffered).await;
        let found = repository.verify().await.unwrap();
        let told: Vec<_> = found.faults.iter().map(|fault| fault.what).collect();
        assert_eq!(told, ["the feed goes on after its last event"]);
    });
}

/// One tenant's malformed head, number or name ended the check of all others with an error.
#[test]
fn what_cannot_be_read_of_a_tenant_is_told_and_the_others_are_checked() {
    for table in ["heads", "tenants", "names"] {
        pollster::block_on(async {
            let directory = tempfile::tempdir().unwrap();
            filled(directory.path(), 5).await;
            let crm = common::crm(directory.path()).await;
            crm.tenant("zeta").create(new_lead(1)).await.unwrap();
            drop(crm);
            tamper(directory.path(), |db| {
                let tenants = db.open_tree("tenants").unwrap();
                let number = tenants.get("default").unwrap().unwrap();
                match table {
                    "heads" => {
                        let heads = db.open_tree(table).unwrap();
                        assert!(heads.insert(number, b"short").unwrap().is_some());
                    }
                    "tenants" => drop(tenants.insert("default", b"n").unwrap()),
                    _ => {
                        tenants.remove("default").unwrap();
                        tenants.insert(b"\xff", number).unwrap();
                    }
                }
            });
            let repository = unchecked(directory.path()).await;
            let found = repository.verify().await.unwrap();
            assert!(!found.is_clean(), "{table}");
            // Of the other tenant, and where there is a name and a number, of this one too.
            let leads = if table == "heads" { 5 } else { 1 };
            assert_eq!(found.leads, leads, "{table}: {:?}", found.faults);
        });
    }
}

/// The opening that is to save what is left failed for what it had to write itself.
#[test]
fn what_is_damaged_can_be_opened_and_exported_but_not_written() {
    for lost in ["opened", "tenants", "head", "event being erased"] {
        pollster::block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let ids = filled(directory.path(), 12).await;
            tamper(directory.path(), |db| {
                let meta = db.open_tree("meta").unwrap();
                let heads = db.open_tree("heads").unwrap();
                let events = db.open_tree("events").unwrap();
                let first = |tree: &sled::Tree| tree.first().unwrap().unwrap().0;
                let removed = match lost {
                    "head" => heads.remove(first(&heads)),
                    "event being erased" => {
                        let note = [&*first(&heads), ids[0].as_bytes()].concat();
                        let erasing = db.open_tree("erasing").unwrap();
                        erasing.insert(note, b"").unwrap();
                        events.remove(first(&events))
                    }
                    entry => meta.remove(entry),
                };
                assert!(removed.unwrap().is_some(), "{lost}");
            });
            let error = refused(directory.path()).await;
            let is_corrupt = matches!(error.kind(), RepositoryErrorKind::Corrupt { .. });
            assert!(is_corrupt, "{lost}: {error}");
            let repository = unchecked(directory.path()).await;
            assert!(!repository.verify().await.unwrap().is_clean(), "{lost}");
            let exported = repository.export(&DEFAULT, Vec::new()).await.unwrap().1;
            assert_eq!(exported.leads, 10, "{lost}");
            let written = match Crm::open(repository).await {
                Ok(crm) => crm.create(new_lead(1)).await.map(drop),
                Err(error) => Err(error),
            };
            assert!(written.is_err(), "{lost}");
        });
    }
}

/// It was found once, if at all: opening without a look at it noted the lower number.
#[test]
fn lost_commits_are_told_until_the_loss_is_accepted() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 3).await;
        let witness = directory.path().join("acknowledged");
        let [number, check] = [1_000u64, !1_000].map(u64::to_be_bytes);
        std::fs::write(&witness, [number, check].concat()).unwrap();
        for _ in 0..2 {
            let lost = RepositoryErrorKind::Corrupt {
                what: "the last commits",
            };
            assert_eq!(*refused(directory.path()).await.kind(), lost);
            let repository = unchecked(directory.path()).await;
            let found = repository.verify().await.unwrap();
            assert_eq!(found.faults_in_all, 1, "{:?}", found.faults);
            assert!(found.faults[0].what.contains("commits were lost"));
            let crm = Crm::open(repository).await.unwrap();
            crm.create(new_lead(4)).await.unwrap();
        }
        std::fs::remove_file(witness).unwrap();
        let repository = open(directory.path(), Durability::Fsynced).await;
        assert!(repository.verify().await.unwrap().is_clean());
    });
}
