//! How many statements each call sends: as many for a thousand leads as for a few. Those that are
//! sent together are one; `BEGIN` and `COMMIT` are not counted.

#![cfg(test)]

mod common;
mod counting;

use common::{File, numbered};
use counting::{TURN, beside_leads, counted};
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadPatch, TenantId};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::repository::{HistoryQuery, Repository};
use crm_store_sqlx::SqliteRepository;

async fn opened(file: &File) -> (SqliteRepository, Crm) {
    // One connection: opening another is a statement, too.
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    // The first commit stores the lifecycle, too.
    crm.create(numbered(0)).await.unwrap();
    (leads, crm)
}

#[tokio::test]
async fn a_commit_of_one_lead_reads_once_and_writes_once() {
    let _turn = TURN.lock().await;
    let file = File::new();
    let (leads, crm) = opened(&file).await;
    let tenant = &TenantId::DEFAULT;
    let plan = crm.plan_create(numbered(1)).await.unwrap();
    let (statements, _) = counted(leads.commit(tenant, &plan)).await;
    assert_eq!(statements, 2, "one to read, one to write");

    let lead = plan.leads().next().unwrap();
    let plan = crm.plan_transition(lead.id, "contacted").await.unwrap();
    let (statements, done) = counted(leads.commit(tenant, &plan)).await;
    done.unwrap();
    assert_eq!(statements, 2);

    let patch = LeadPatch::new().notes("n").last_name("Renamed");
    let plan = crm.plan_update(lead.id, patch).await.unwrap().unwrap();
    let (statements, done) = counted(leads.commit(tenant, &plan)).await;
    done.unwrap();
    assert_eq!(statements, 2);

    let plan = crm.plan_delete(lead.id).await.unwrap();
    let (statements, done) = counted(leads.commit(tenant, &plan)).await;
    done.unwrap();
    assert_eq!(statements, 2);
}

#[tokio::test]
async fn a_thousand_leads_are_written_by_a_few_dozen_statements() {
    let _turn = TURN.lock().await;
    let file = File::new();
    let (leads, crm) = opened(&file).await;
    let tenant = &TenantId::DEFAULT;
    let new: Vec<_> = (0..1_000).map(numbered).collect();
    let (statements, created) = counted(crm.create_many(&new)).await;
    let created: Vec<Lead> = created.unwrap().into_iter().map(Result::unwrap).collect();
    assert!(statements <= 40, "{statements}");

    let ids: Vec<_> = created.iter().map(|lead| lead.id).collect();
    let (statements, read) = counted(leads.get(tenant, &ids)).await;
    assert_eq!(read.unwrap().len(), 1_000);
    assert_eq!(statements, 1);
    let twice = [ids.as_slice(), &ids].concat();
    let (statements, read) = counted(leads.get(tenant, &twice)).await;
    assert_eq!(read.unwrap().len(), 2_000);
    assert_eq!(statements, 2, "as of one moment");
}

#[tokio::test]
async fn what_is_read_is_read_by_one_statement() {
    let _turn = TURN.lock().await;
    let file = File::new();
    let (leads, crm) = opened(&file).await;
    for number in 0..60 {
        crm.create(numbered(number)).await.unwrap();
    }
    let tenant = &TenantId::DEFAULT;
    let query = || LeadQuery::new().status("new").assigned_to("user_1");
    let lead = crm.list(query()).await.unwrap().items.remove(0);

    assert_eq!(counted(leads.get(tenant, &[lead.id])).await.0, 1);
    assert_eq!(counted(leads.count(tenant, query().filter())).await.0, 1);
    let history = HistoryQuery::new();
    assert_eq!(counted(leads.history(tenant, lead.id, &history)).await.0, 1);
    assert_eq!(
        counted(leads.events(tenant, None, Limit::DEFAULT)).await.0,
        1
    );

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
        (LeadQuery::new().sort(Sort::status()), 2),
        (LeadQuery::new().search("john"), 2),
        (LeadQuery::new().search("john").total(Total::Exact), 3),
    ] {
        query.check().unwrap();
        let (statements, page) = counted(leads.find(tenant, &query)).await;
        assert!(!page.unwrap().items.is_empty());
        assert_eq!(statements, most, "{query:?}");
    }
}

#[tokio::test]
async fn a_hundred_tags_may_be_asked_for_at_once() {
    let _turn = TURN.lock().await;
    let file = File::new();
    let (_, crm) = opened(&file).await;
    let tagged = (0..45).fold(numbered(1), |lead, tag| lead.tag(format!("tag {tag}")));
    crm.create(tagged).await.unwrap();
    for number in 2..5 {
        crm.create(numbered(number)).await.unwrap();
    }
    let query = |tags: usize| {
        let query = LeadQuery::new().tag("vip").total(Total::Exact);
        (1..tags).fold(query, |query, tag| query.tag(format!("tag {}", tag - 1)))
    };
    for (tags, found) in [(1, 5), (2, 1), (46, 1), (47, 0), (100, 0)] {
        let page = crm.list(query(tags)).await.unwrap();
        assert_eq!(page.items.len(), found, "{tags} tags");
        assert_eq!(crm.count(&query(tags)).await.unwrap(), found as u64);
    }
}

#[tokio::test]
async fn what_is_beside_leads_is_a_few_statements() {
    let _turn = TURN.lock().await;
    let file = File::new();
    let (leads, crm) = opened(&file).await;
    assert_eq!(beside_leads(&leads, &crm).await, [7, 3]);
}
