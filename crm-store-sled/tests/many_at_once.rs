//! Many at once: nothing that was acknowledged to one of them is missing, and whoever reads
//! meanwhile sees one moment. How many flushes they share is counted inside the crate.

#![cfg(test)]

mod common;

use common::new_lead;
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::query::{LeadQuery, Limit, Total};
use crm_core::repository::{Aggregate, Aggregated, Repository};
use crm_store_sled::Durability;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_writers_were_told_of_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let repository = common::open(directory.path(), Durability::Fsynced).await;
    let crm = Crm::open(repository.clone()).await.unwrap();
    crm.create(new_lead(0)).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let crm = crm.clone();
        writers.spawn(async move {
            for number in 0..5 {
                crm.create(new_lead(writer * 5 + number)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 321);
    assert!(repository.verify().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_while_others_write_sees_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let repository = common::open(directory.path(), Durability::Buffered).await;
    let crm = Crm::open(repository.clone()).await.unwrap();
    let leads: Vec<_> = (0..40).map(new_lead).collect();
    let leads = crm.create_many(&leads).await.unwrap();
    let leads: Vec<_> = leads.into_iter().map(|lead| lead.unwrap().id).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (crm, leads, is_over) = (crm.clone(), leads.clone(), Arc::clone(&is_over));
        writers.spawn(async move {
            for round in writer.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let lead = leads[round * 7 % leads.len()];
                let to = ["new", "contacted", "qualified"][round % 3];
                let _ = crm.transition(lead, to).await;
                let _ = crm.assign(lead, format!("user_{}", round % 3)).await;
            }
        });
    }
    for _ in 0..300 {
        let what = Aggregate::StatusTotals { assigned_to: None };
        let totals = repository
            .aggregate(&TenantId::DEFAULT, &what)
            .await
            .unwrap();
        let Aggregated::StatusTotals(totals) = totals else {
            unreachable!()
        };
        assert_eq!(totals.iter().map(|status| status.leads).sum::<u64>(), 40);
        let values = totals.iter().flat_map(|status| &status.values);
        assert_eq!(values.map(|(_, sum)| sum).sum::<i128>(), 40 * 125_000);
        for query in [
            LeadQuery::new().sort(crm_core::query::Sort::updated()),
            LeadQuery::new().statuses(["new", "contacted", "qualified"]),
        ] {
            let page = crm.list(query.total(Total::Exact)).await.unwrap();
            assert_eq!(
                page.items.len(),
                40,
                "each lead once, wherever it is moving"
            );
            assert_eq!(page.total.unwrap().count(), 40);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    writers.join_all().await;
    let mut cursor = None;
    let mut versions = std::collections::HashMap::new();
    loop {
        let page = crm.events(cursor.as_ref(), Limit::MAX).await.unwrap();
        for event in &page.events {
            let last = versions
                .insert(event.lead, event.version.get())
                .unwrap_or(0);
            assert_eq!(event.version.get(), last + 1, "none skipped, none repeated");
        }
        if page.events.is_empty() {
            break;
        }
        cursor = page.cursor;
    }
    assert!(repository.verify().await.unwrap().is_clean());
}
