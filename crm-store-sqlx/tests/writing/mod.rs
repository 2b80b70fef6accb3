//! Writers that go on whatever becomes of their server, and what must be there of their work.

use crate::common::numbered;
use crm_core::crm::{Crm, CrmError};
use crm_core::event::{CommitId, LeadEvent};
use crm_core::lead::{Lead, LeadId, TenantId, Version};
use crm_core::query::Limit;
use crm_core::repository::Repository;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What was acknowledged: the last version of each lead.
type Told = HashMap<LeadId, Version>;

/// Six of them.
pub(crate) struct Writers {
    is_over: Arc<AtomicBool>,
    /// A permit for each change that was acknowledged.
    made: Arc<Semaphore>,
    tasks: JoinSet<Told>,
}

impl Writers {
    pub(crate) fn start(crm: &Crm) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let made = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            tasks.spawn(write(crm.clone(), Arc::clone(&is_over), Arc::clone(&made)));
        }
        Self {
            is_over,
            made,
            tasks,
        }
    }

    /// Until so many more changes were acknowledged than by now.
    pub(crate) async fn made(&self, changes: u32) {
        self.made.forget_permits(usize::MAX);
        self.made.acquire_many(changes).await.unwrap().forget();
    }

    /// Stops them, and holds what they were told against the feed.
    pub(crate) async fn end(mut self, leads: &impl Repository) {
        self.is_over.store(true, Ordering::SeqCst);
        let mut told = Told::new();
        while let Some(writer) = self.tasks.join_next().await {
            told.extend(writer.unwrap());
        }
        let mut last: HashMap<LeadId, Version> = HashMap::new();
        let mut of_commit: HashMap<CommitId, usize> = HashMap::new();
        for event in all_events(leads).await {
            let before = last.insert(event.lead, event.version);
            let expected = before.map_or(Version::FIRST, Version::next);
            assert_eq!(event.version, expected, "a version twice, or none");
            if event.version == Version::FIRST {
                *of_commit.entry(event.commit).or_default() += 1;
            }
        }
        let singles = of_commit.values().filter(|count| **count == 1).count();
        assert_eq!(singles, 1, "half a commit, beside the first lead");
        for (lead, version) in &told {
            let found = last.get(lead).expect("an acknowledged lead");
            assert!(found >= version, "an acknowledged change");
        }
    }
}

/// Creates pairs of leads and moves one of each.
async fn write(crm: Crm, is_over: Arc<AtomicBool>, made: Arc<Semaphore>) -> Told {
    let mut told = Told::new();
    while !is_over.load(Ordering::SeqCst) {
        let pair = [numbered(1), numbered(2)];
        let Some(pair) = acknowledged(crm.create_many(&pair).await) else {
            continue;
        };
        let pair: Vec<Lead> = pair.into_iter().map(Result::unwrap).collect();
        told.extend(pair.iter().map(|lead| (lead.id, lead.version)));
        let moved = crm.transition(pair[0].id, "contacted").await;
        if let Some(lead) = acknowledged(moved) {
            told.insert(lead.id, lead.version);
            made.add_permits(1);
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

async fn all_events(leads: &impl Repository) -> Vec<LeadEvent> {
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
