//! On MySQL or MariaDB: how many statements each call sends, which are as many round trips, and one
//! more for each that is prepared for the first time: hardly more for a thousand leads than for one.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::repository::{HistoryQuery, Repository};
use crm_store_sqlx::MySqlRepository;
use servers::mysql::{Database, verified};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts the statements that sqlx reports: `BEGIN` and `COMMIT` are among them.
struct Counter;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

/// The counter is everybody's, so the tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, _: &Event<'_>) {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn counted<T>(call: impl Future<Output = T>) -> (usize, T) {
    let _ = tracing::subscriber::set_global_default(Counter);
    let before = STATEMENTS.load(Ordering::SeqCst);
    let done = call.await;
    (STATEMENTS.load(Ordering::SeqCst) - before, done)
}

async fn opened(database: &Database) -> (MySqlRepository, Crm) {
    // One connection: opening another is a statement, too.
    let pool = database.pool(1).await;
    MySqlRepository::migrate(&pool).await.unwrap();
    let leads = MySqlRepository::from_pool(pool).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    // The first commit stores the lifecycle, too.
    crm.create(numbered(0)).await.unwrap();
    (leads, crm)
}

/// What one commit of thirty-two sends for the others is not counted.
async fn fewest<T>(calls: Vec<impl Future<Output = T>>) -> usize {
    let mut fewest = usize::MAX;
    for call in calls {
        fewest = fewest.min(counted(call).await.0);
    }
    fewest
}

#[test]
fn a_commit_is_as_many_statements_whatever_is_in_it() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let tenant = &TenantId::DEFAULT;
        let mut ids = Vec::new();
        let mut plans = Vec::new();
        for number in 0..5 {
            let plan = crm.plan_create(numbered(number)).await.unwrap();
            ids.push(plan.leads().next().unwrap().id);
            plans.push(plan);
        }
        let calls = plans
            .iter()
            .map(|plan| leads.commit(tenant, plan))
            .collect();
        assert_eq!(fewest(calls).await, CREATING);

        let mut plans = Vec::new();
        for id in &ids {
            plans.push(crm.plan_transition(*id, "contacted").await.unwrap());
        }
        let calls = plans
            .iter()
            .map(|plan| leads.commit(tenant, plan))
            .collect();
        assert_eq!(fewest(calls).await, CHANGING);

        let mut plans = Vec::new();
        for id in &ids {
            plans.push(crm.plan_delete(*id).await.unwrap());
        }
        let calls = plans
            .iter()
            .map(|plan| leads.commit(tenant, plan))
            .collect();
        assert_eq!(fewest(calls).await, DELETING);
    });
}

/// `BEGIN`, tenant, commit id, past; lead, event, words, tags, counters; `COMMIT`.
const CREATING: usize = 10;

/// `BEGIN`, tenant, commit id, lead; lead, event, counters; `COMMIT`.
const CHANGING: usize = 8;

/// `BEGIN`, tenant, commit id, lead; lead, its commits, their fingerprints, what was typed of its
/// events, event, words, tags, counters; `COMMIT`.
const DELETING: usize = 13;

/// Lists of ids come in halves, and rows in pieces of a megabyte or sixty thousand values.
#[test]
fn a_thousand_leads_are_a_handful_of_statements() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let new: Vec<_> = (1..1_000).map(numbered).collect();
        let (creating, created) = counted(crm.create_many(&new)).await;
        created.unwrap();
        assert!(creating <= CREATING + 2, "{creating}");

        let edit = crm.edit_lifecycle(|edit| edit.set_initial("contacted"));
        edit.await.unwrap();
        // Two edits of the lifecycle, and between them one set that moves all leads.
        let (removed, into) = (LeadStatus::NEW, LeadStatus::CONTACTED);
        let (moving, moved) = counted(crm.remove_status_into(&removed, &into)).await;
        moved.unwrap();
        let contacted = LeadQuery::new().status("contacted");
        assert_eq!(crm.count(&contacted).await.unwrap(), 1_000);
        assert!(moving <= 50, "{moving}");
        verified(&leads).await;
    });
}

/// A server refuses what is sent to it at once and is too long.
#[test]
fn a_thousand_long_texts_come_in_pieces() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let notes = "\u{1f4de} called\n".repeat(1_200);
        let new = (0..1_000).map(|number| numbered(number).notes(notes.as_str()));
        let new: Vec<_> = new.collect();
        let (creating, created) = counted(crm.create_many(&new)).await;
        let created = created.unwrap();
        assert!(creating <= 40, "{creating}");
        for lead in created.into_iter().step_by(100) {
            let lead = lead.unwrap();
            assert!(lead.notes.as_ref() == Some(&notes));
            assert!(crm.get(lead.id).await.unwrap() == lead);
        }
        verified(&leads).await;
    });
}

#[test]
fn what_is_read_is_read_by_one_statement() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        for number in 0..60 {
            crm.create(numbered(number)).await.unwrap();
        }
        let tenant = &TenantId::DEFAULT;
        let query = || LeadQuery::new().status("new").assigned_to("user_1");
        let lead: Lead = crm.list(query()).await.unwrap().items.remove(0);

        assert_eq!(counted(leads.get(tenant, &[lead.id])).await.0, 1);
        assert_eq!(counted(leads.lifecycle(tenant)).await.0, 1);
        assert_eq!(counted(leads.count(tenant, query().filter())).await.0, 1);
        let history = HistoryQuery::new();
        assert_eq!(counted(leads.history(tenant, lead.id, &history)).await.0, 1);
        leads.events(tenant, None, Limit::DEFAULT).await.unwrap();
        let limit = Limit::new(5).unwrap();
        assert_eq!(counted(leads.events(tenant, None, limit)).await.0, 1);

        for query in [
            query().total(Total::Exact),
            query().limit(5).total(Total::UpTo(3)),
            query().status("lost").sort(Sort::updated()),
            LeadQuery::new()
                .sort(Sort::name().descending())
                .total(Total::Exact),
            LeadQuery::new().tag("vip"),
            LeadQuery::new().source("website"),
            LeadQuery::new().email("john.1@example.com"),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, 1, "{query:?}");
        }
        for (query, most) in [
            (LeadQuery::new().sort(Sort::status()), 4),
            (LeadQuery::new().search("john"), 4),
            (LeadQuery::new().search("john").total(Total::Exact), 5),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, most, "{query:?}");
        }
    });
}
