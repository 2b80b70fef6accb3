//! How many statements a call sends: those that sqlx reports.

#![allow(dead_code, reason = "no test counts in every way")]

use crm_core::crm::Crm;
use crm_core::event::CommitId;
use crm_core::lead::{TenantId, Version};
use crm_core::repository::{Aggregate, ChangeSet, DocumentChange, DocumentKey, Repository};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

struct Counter;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);
static FOLDS: AtomicUsize = AtomicUsize::new(0);

/// The counter is everybody's, so the tests take turns.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
        let mut begins_fold = BeginsFold(false);
        event.record(&mut begins_fold);
        FOLDS.fetch_add(usize::from(begins_fold.0), Ordering::SeqCst);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Whether a statement is the one by which a call takes it upon itself to fold.
struct BeginsFold(bool);

impl Visit for BeginsFold {
    fn record_str(&mut self, field: &Field, value: &str) {
        // The first four words, however the statement is broken into lines.
        if field.name() == "summary" {
            self.0 = value.starts_with("SELECT tenant FROM crm_folds");
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// What a call sent.
pub(crate) struct Sent {
    pub(crate) statements: usize,
    /// How often it folded the deltas of others, which one call of thirty-two does.
    pub(crate) folds: usize,
}

pub(crate) async fn sent<T>(call: impl Future<Output = T>) -> (Sent, T) {
    let _ = tracing::subscriber::set_global_default(Counter);
    let before = STATEMENTS.load(Ordering::SeqCst);
    let folds_before = FOLDS.load(Ordering::SeqCst);
    let done = call.await;
    let sent = Sent {
        statements: STATEMENTS.load(Ordering::SeqCst) - before,
        folds: FOLDS.load(Ordering::SeqCst) - folds_before,
    };
    (sent, done)
}

/// How many statements a call sends that never folds.
pub(crate) async fn counted<T>(call: impl Future<Output = T>) -> (usize, T) {
    let (sent, done) = sent(call).await;
    assert_eq!(sent.folds, 0, "some of these calls fold: count the fewest");
    (sent.statements, done)
}

/// How many statements a call sends when it does not fold, with what the last one answered.
///
/// # Panics
///
/// Panics if each of them folded: of five that is one time of 33 million.
pub(crate) async fn fewest<T>(
    calls: impl IntoIterator<Item = impl Future<Output = T>>,
) -> (usize, T) {
    let mut fewest = None;
    let mut answer = None;
    for call in calls {
        let (sent, done) = sent(call).await;
        if sent.folds == 0 {
            fewest = Some(fewest.map_or(sent.statements, |least| sent.statements.min(least)));
        }
        answer = Some(done);
    }
    (fewest.unwrap(), answer.unwrap())
}

/// How many statements an edit of the lifecycle sends, which reads it before, and the commit of a new
/// document. What is read beside leads is read by one.
pub(crate) async fn beside_leads(leads: &impl Repository, crm: &Crm) -> [usize; 2] {
    let tenant = &TenantId::DEFAULT;
    let key: DocumentKey = "some".parse().unwrap();
    let commit = CommitId::random();
    assert_eq!(counted(leads.committed(tenant, commit)).await.0, 1);
    assert_eq!(counted(leads.lifecycle(tenant)).await.0, 1);
    let first = Version::FIRST;
    assert_eq!(counted(leads.lifecycle_at(tenant, first)).await.0, 1);
    assert_eq!(counted(leads.document(tenant, &key)).await.0, 1);
    assert_eq!(counted(leads.tenants(None)).await.0, 1);
    let totals = Aggregate::StatusTotals { assigned_to: None };
    let totals = (0..5).map(|_| leads.aggregate(tenant, &totals));
    assert_eq!(fewest(totals).await.0, 1);

    let edits = (0..5)
        .map(|number| crm.edit_lifecycle(move |edit| edit.rename("new", format!("New {number}"))));
    let documents = (0..5).map(|number| {
        let key = format!("some-{number}").parse().unwrap();
        let put = DocumentChange::put(key, None, b"bytes".to_vec()).unwrap();
        ChangeSet::of_documents(CommitId::random(), [put]).unwrap()
    });
    let documents: Vec<_> = documents.collect();
    let puts = documents.iter().map(|set| leads.commit(tenant, set));
    [fewest(edits).await.0, fewest(puts).await.0]
}
