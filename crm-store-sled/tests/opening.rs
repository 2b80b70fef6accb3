//! Opening a store: what is refused, what is noticed, what is repaired.

#![cfg(test)]

mod common;

use common::{filled, new_lead, open, refused, tamper};
use crm_core::crm::Crm;
use crm_core::event::EventCursor;
use crm_core::lead::{LeadPatch, LeadStatus, TenantId};
use crm_core::query::{LeadQuery, Limit, Total};
use crm_core::repository::{Repository, RepositoryErrorKind};
use crm_store_sled::{Durability, SledRepository};
use std::error::Error as _;
use std::sync::Barrier;

const DEFAULT: TenantId = TenantId::DEFAULT;

#[test]
fn what_was_committed_is_there_after_reopening() {
    for durability in [
        Durability::Fsynced,
        Durability::Flushed,
        Durability::Buffered,
    ] {
        pollster::block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("new").join("store");
            let crm = Crm::open(open(&path, durability).await).await.unwrap();
            let lead = crm.create(new_lead(1)).await.unwrap();
            let lead = crm
                .transition(lead.id, LeadStatus::CONTACTED)
                .await
                .unwrap();
            drop(crm);
            for _ in 0..3 {
                let repository = open(&path, durability).await;
                assert!(repository.verify().await.unwrap().is_clean());
                let crm = Crm::open(repository).await.unwrap();
                assert_eq!(crm.get(lead.id).await.unwrap(), lead);
                let query = LeadQuery::new().status("contacted").total(Total::Exact);
                assert_eq!(
                    crm.list(query).await.unwrap().items,
                    std::slice::from_ref(&lead)
                );
            }
        });
    }
}

#[test]
fn a_second_open_of_the_same_path_is_refused() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let first = open(directory.path(), Durability::Buffered).await;
        let error = refused(directory.path()).await;
        assert_eq!(*error.kind(), RepositoryErrorKind::Unavailable);
        let source = error.source().unwrap().to_string();
        assert!(source.contains("open already"), "{source}");
        drop(first);
        open(directory.path(), Durability::Buffered).await;
    });
}

/// The others were told of sled's lock as of any failure, or met a file that was half written.
#[test]
fn of_many_openings_at_once_one_wins_and_the_others_are_told_that_it_is_open() {
    for is_new in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        if !is_new {
            drop(pollster::block_on(open(&path, Durability::Buffered)));
        }
        let barrier = Barrier::new(4);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                pollster::block_on(SledRepository::open(&path))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.collect()
        });
        assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
        for error in opened.iter().filter_map(|opened| opened.as_ref().err()) {
            let source = error.source().map(ToString::to_string);
            assert_eq!(
                *error.kind(),
                RepositoryErrorKind::Unavailable,
                "{source:?}"
            );
        }
    }
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    pollster::block_on(async {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = refused(file.path()).await;
        assert_eq!(*error.kind(), RepositoryErrorKind::Other);
        assert!(error.source().is_some());
    });
}

#[test]
fn a_database_of_somebody_else_is_left_alone() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        tamper(directory.path(), |db| {
            db.insert("theirs", "value").unwrap();
        });
        let error = refused(directory.path()).await;
        assert!(
            matches!(error.kind(), RepositoryErrorKind::Corrupt { .. }),
            "{error}"
        );
        tamper(directory.path(), |db| {
            assert!(db.get("theirs").unwrap().is_some());
            assert_eq!(db.tree_names().len(), 1, "none of ours were added");
        });
    });
}

#[test]
fn a_store_of_a_newer_version_is_refused_by_name() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 3).await;
        tamper(directory.path(), |db| {
            let meta = db.open_tree("meta").unwrap();
            meta.insert("format", &7u32.to_be_bytes()).unwrap();
            // As if the newer version had no use for it.
            db.drop_tree("pieces").unwrap();
        });
        let newer = RepositoryErrorKind::NewerFormat {
            found: 7,
            supported: 1,
        };
        assert_eq!(*refused(directory.path()).await.kind(), newer);
        tamper(directory.path(), |db| {
            let names = db.tree_names();
            assert!(
                names.iter().all(|name| *name != "pieces"),
                "nothing is added"
            );
        });
    });
}

#[test]
fn indexes_of_other_rules_are_not_used_until_they_are_rebuilt() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let ids = filled(directory.path(), 30).await;
        tamper(directory.path(), |db| {
            let meta = db.open_tree("meta").unwrap();
            let older = [1u32.to_be_bytes(), 0u32.to_be_bytes()].concat();
            meta.insert("indexes", older).unwrap();
        });
        let repository = open(directory.path(), Durability::Buffered).await;
        let crm = Crm::open(repository.clone()).await.unwrap();
        let outdated = RepositoryErrorKind::OutdatedIndexes;
        let error = repository
            .find(&DEFAULT, &LeadQuery::new())
            .await
            .unwrap_err();
        assert_eq!(*error.kind(), outdated);
        let error = repository
            .count(&DEFAULT, LeadQuery::new().filter())
            .await
            .unwrap_err();
        assert_eq!(*error.kind(), outdated);
        assert!(crm.pipeline().await.is_err());
        assert!(crm.create(new_lead(99)).await.is_err());
        let lead = crm.get(ids[0]).await.unwrap();
        repository.rebuild_indexes().await.unwrap();
        assert!(repository.verify().await.unwrap().is_clean());
        assert_eq!(
            crm.list(LeadQuery::new().status("contacted"))
                .await
                .unwrap()
                .items
                .len(),
            6
        );
        crm.update(lead.id, LeadPatch::new().company("Rebuilt"))
            .await
            .unwrap();
        drop((crm, repository));
        let repository = open(directory.path(), Durability::Buffered).await;
        assert!(repository.verify().await.unwrap().is_clean());
        assert!(repository.find(&DEFAULT, &LeadQuery::new()).await.is_ok());
    });
}

#[test]
fn what_a_crash_left_to_be_erased_is_erased_on_open() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let ids = filled(directory.path(), 20).await;
        // As after a crash between the transaction that decides and the steps that follow.
        tamper(directory.path(), |db| {
            let tenants = db.open_tree("tenants").unwrap();
            let number = tenants.remove("default").unwrap().unwrap();
            let erasing = db.open_tree("erasing").unwrap();
            erasing
                .insert([&*number, ids[0].as_bytes()].concat(), b"")
                .unwrap();
            erasing.insert(number, b"").unwrap();
        });
        let repository = open(directory.path(), Durability::Buffered).await;
        assert!(repository.tenants(None).await.unwrap().is_empty());
        drop(repository);
        tamper(directory.path(), |db| {
            for table in ["leads", "keys", "events", "history", "erasing", "heads"] {
                assert!(db.open_tree(table).unwrap().is_empty(), "{table}");
            }
        });
    });
}

#[test]
fn events_are_numbered_on_from_elsewhere_after_every_opening() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let mut cursor: Option<EventCursor> = None;
        for opening in 0..3 {
            let repository = open(directory.path(), Durability::Buffered).await;
            let crm = Crm::open(repository.clone()).await.unwrap();
            let lead = crm.create(new_lead(opening)).await.unwrap();
            let page = repository
                .events(&DEFAULT, cursor.as_ref(), Limit::MAX)
                .await
                .unwrap();
            let leads: Vec<_> = page.events.iter().map(|event| event.lead).collect();
            assert_eq!(leads, [lead.id], "none skipped, none repeated");
            // A reader that saw events which a crash took back is further than what is stored.
            let lost = page.cursor.unwrap().position(&DEFAULT).unwrap() + 1_000;
            cursor = Some(EventCursor::at(&DEFAULT, lost));
        }
    });
}
