//! On PostgreSQL: how many statements each call sends, which are as many round trips: as many for a
//! thousand leads as for one.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::lead::{Lead, TenantId};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::repository::{HistoryQuery, Repository};
use crm_store_sqlx::PostgresRepository;
use servers::Schema;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts the statements that sqlx reports: `BEGIN` is among them, `COMMIT` is not.
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

async fn opened(schema: &Schema) -> (PostgresRepository, Crm) {
    // One connection: opening another is a statement, too.
    let pool = schema.pool(1).await;
    PostgresRepository::migrate(&pool).await.unwrap();
    let leads = PostgresRepository::from_pool(pool).await.unwrap();
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
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
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
        assert_eq!(fewest(calls).await, CHANGING);

        let new: Vec<_> = (0..1_000).map(numbered).collect();
        let calls = (0..3).map(|_| crm.create_many(&new)).collect();
        assert!(fewest(calls).await <= CREATING + 2, "a thousand leads");
    });
}

/// `BEGIN`, tenant and commit id, past, rows.
const CREATING: usize = 4;

/// `BEGIN`, tenant and commit id, leads, rows.
const CHANGING: usize = 4;

#[test]
fn what_is_read_is_read_by_one_statement() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
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
            (LeadQuery::new().sort(Sort::status()), 3),
            (LeadQuery::new().search("john"), 3),
            (LeadQuery::new().search("john").total(Total::Exact), 4),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, most, "{query:?}");
        }
    });
}
