//! What the contract leaves to a storage: erasing, dropped commits, exports.

#![cfg(test)]

mod common;

use common::{filled, new_lead, open, tamper};
use crm_core::crm::Crm;
use crm_core::event::EventCursor;
use crm_core::lead::{LeadId, LeadPatch, TenantId};
use crm_core::query::{LeadQuery, Limit};
use crm_core::repository::{Applied, HistoryQuery, Repository};
use crm_core::uuid::Uuid;
use crm_store_sled::Durability;
use std::error::Error as _;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

const DEFAULT: TenantId = TenantId::DEFAULT;

#[test]
fn a_deleted_lead_leaves_no_value_in_its_events() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let repository = open(directory.path(), Durability::Buffered).await;
        let crm = Crm::open(repository.clone()).await.unwrap();
        let lead = crm.create(new_lead(1)).await.unwrap();
        // More events than are erased in one step, some of them in pieces.
        for number in 0..600 {
            let notes = format!("secret {number} {}", "s".repeat(number * 16));
            let patch = LeadPatch::new().notes(notes);
            crm.update(lead.id, patch).await.unwrap();
        }
        let exported = || async {
            let (lines, exported) = repository.export(&DEFAULT, Vec::new()).await.unwrap();
            (String::from_utf8(lines).unwrap(), exported.events)
        };
        assert!(exported().await.0.contains("secret"));
        crm.delete(lead.id).await.unwrap();
        let (after, events) = exported().await;
        assert_eq!(events, 602);
        for typed in ["secret", "Doe 1", "john1@", "Acme"] {
            assert!(!after.contains(typed), "{typed}");
        }
        assert!(repository.verify().await.unwrap().is_clean());
        drop((crm, repository));
        tamper(directory.path(), |db| {
            assert!(db.open_tree("erasing").unwrap().is_empty());
            for tree in ["events", "leads", "keys", "pieces"] {
                for entry in &db.open_tree(tree).unwrap() {
                    let (key, value) = entry.unwrap();
                    let bytes = [&*key, &*value].concat();
                    assert!(!bytes.windows(6).any(|six| six == b"secret"), "{tree}");
                }
            }
        });
    });
}

#[test]
fn an_erased_tenant_is_gone_and_its_name_can_be_used_again() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 20).await;
        let repository = open(directory.path(), Durability::Buffered).await;
        let crm = Crm::open(repository.clone()).await.unwrap();
        let acme = crm.tenant("acme");
        let kept = acme.create(new_lead(1)).await.unwrap();
        repository.erase_tenant(&DEFAULT).await.unwrap();
        repository.erase_tenant(&DEFAULT).await.unwrap();
        assert_eq!(repository.tenants(None).await.unwrap(), ["acme"]);
        assert_eq!(repository.lifecycle(&DEFAULT).await.unwrap(), None);
        let feed = repository.events(&DEFAULT, None, Limit::MAX).await.unwrap();
        assert!(feed.events.is_empty());
        let found = repository.verify().await.unwrap();
        assert_eq!((found.tenants, found.leads, found.is_clean()), (1, 1, true));
        crm.create(new_lead(2)).await.unwrap();
        assert_eq!(crm.list(LeadQuery::new()).await.unwrap().items.len(), 1);
        drop((crm, acme, repository));
        let reopened = common::crm(directory.path()).await;
        assert_eq!(reopened.tenant("acme").get(kept.id).await.unwrap(), kept);
        drop(reopened);
        tamper(directory.path(), |db| {
            assert_eq!(db.open_tree("leads").unwrap().len(), 2);
            assert!(db.open_tree("pieces").unwrap().is_empty());
            assert!(db.open_tree("erasing").unwrap().is_empty());
        });
    });
}

#[test]
fn a_commit_dropped_at_any_moment_is_made_as_a_whole_or_not_at_all() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let repository = open(directory.path(), Durability::Fsynced).await;
        let crm = Crm::open(repository.clone()).await.unwrap();
        crm.create(new_lead(0)).await.unwrap();
        for number in 1..40u32 {
            let planned = crm.plan_create(new_lead(1)).await.unwrap();
            {
                let mut dropped = pin!(repository.commit(&DEFAULT, &planned));
                let mut context = Context::from_waker(Waker::noop());
                for _ in 0..number * 20 {
                    if dropped.as_mut().poll(&mut context).is_ready() {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
            // Whatever became of it: repeated under its id it has been made once.
            let made = repository.commit(&DEFAULT, &planned).await.unwrap();
            assert!(matches!(made.applied, Applied::Now | Applied::Before));
            let (lead, _) = made.leads[0];
            let history = repository
                .history(&DEFAULT, lead, &HistoryQuery::new())
                .await
                .unwrap();
            assert_eq!(history.items.len(), 1);
        }
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 40);
        assert!(repository.verify().await.unwrap().is_clean());
    });
}

#[test]
fn everything_is_exported_as_json_lines() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let ids = filled(directory.path(), 1_003).await;
        let repository = open(directory.path(), Durability::Buffered).await;
        let (lines, exported) = repository.export(&DEFAULT, Vec::new()).await.unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(usize::try_from(exported.leads).unwrap(), ids.len());
        let total = exported.lifecycles + exported.leads + exported.events + exported.documents;
        assert_eq!(u64::try_from(lines.lines().count()).unwrap(), total);
        let mut leads = Vec::new();
        for line in lines.lines() {
            let value: crm_core::serde_json::Value = crm_core::serde_json::from_str(line).unwrap();
            if let Some(lead) = value.get("lead") {
                leads.push(lead["id"].as_str().unwrap().parse::<LeadId>().unwrap());
            }
        }
        let mut expected = ids;
        expected.sort();
        assert_eq!(leads, expected);
        let nobody = "nobody".parse().unwrap();
        let (lines, _) = repository.export(&nobody, Vec::new()).await.unwrap();
        assert!(lines.is_empty());
    });
}

#[test]
fn a_writer_that_fails_is_told() {
    struct Full;

    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), 1).await;
        let repository = open(directory.path(), Durability::Buffered).await;
        let error = repository
            .export(&DEFAULT, Full)
            .await
            .map(drop)
            .unwrap_err();
        assert!(error.source().unwrap().to_string().contains("full"));
    });
}

#[test]
fn a_writer_that_panics_does_not_break_the_store() {
    struct Panics;

    impl std::io::Write for Panics {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("the writer's")
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let directory = tempfile::tempdir().unwrap();
    pollster::block_on(filled(directory.path(), 1));
    let repository = pollster::block_on(open(directory.path(), Durability::Buffered));
    let export = || pollster::block_on(repository.export(&DEFAULT, Panics)).map(drop);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(export)).is_err());
    let found = pollster::block_on(repository.verify()).unwrap();
    assert!(found.is_clean());
}

#[test]
fn reads_of_what_never_was_are_empty() {
    pollster::block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let repository = open(directory.path(), Durability::Buffered).await;
        let lead = LeadId::from_uuid(Uuid::from_u128(7));
        assert!(repository.get(&DEFAULT, &[lead]).await.unwrap().is_empty());
        assert!(repository.get(&DEFAULT, &[]).await.unwrap().is_empty());
        let page = repository.find(&DEFAULT, &LeadQuery::new()).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none());
        let far = EventCursor::at(&DEFAULT, u64::MAX);
        let feed = repository
            .events(&DEFAULT, Some(&far), Limit::MAX)
            .await
            .unwrap();
        assert_eq!((feed.events.len(), feed.cursor), (0, Some(far)));
        assert!(repository.verify().await.unwrap().is_clean());
    });
}
