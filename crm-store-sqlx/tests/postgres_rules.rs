//! On PostgreSQL: edits of the rules while many write.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::lead::LeadStatus;
use servers::{Schema, verified};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn an_edit_of_the_rules_gets_its_turn_among_writers_that_never_pause() {
    Schema::test(async |schema| {
        let leads = schema.builder().connections(12).open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let (is_over, made) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (crm, is_over, made) = (crm.clone(), Arc::clone(&is_over), Arc::clone(&made));
            writers.spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    crm.create(numbered(writer)).await.unwrap();
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 0..10 {
            let name = format!("Name {round}");
            let edited = crm
                .edit_lifecycle(|edit| edit.rename("new", &name))
                .await
                .unwrap();
            let before = made.load(Ordering::SeqCst);
            let status = edited.get(&LeadStatus::NEW).unwrap();
            assert_eq!(status.name, name);
            // The writers go on by the new rules.
            while made.load(Ordering::SeqCst) < before + 10 {
                tokio::task::yield_now().await;
            }
        }
        is_over.store(true, Ordering::SeqCst);
        while let Some(writer) = writers.join_next().await {
            writer.unwrap();
        }
        verified(&leads).await;
    });
}
