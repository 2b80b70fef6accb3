//! A call that is dropped at any await leaves nothing half-done, and no connection in a state that
//! the next call could not work with.

#![cfg(test)]

mod common;

use common::{Call, Dropped, File, numbered, repeats, verified};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::CommitId;
use crm_core::lead::TenantId;
use crm_core::lead::{LeadId, LeadPatch, Version};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::report::StuckQuery;
use crm_core::repository::{DocumentKey, HistoryQuery, Repository};
use crm_core::uuid::Uuid;
use crm_store_sqlx::SqliteRepository;
use crm_store_sqlx::sqlx::SqlitePool;
use std::sync::Arc;

/// Every kind of call that a repository gets.
fn calls<'a>(
    crm: &'a Crm,
    leads: &'a SqliteRepository,
    (file, pool): (&'a File, &'a SqlitePool),
    (id, other_id): (LeadId, LeadId),
) -> Vec<Call<'a>> {
    macro_rules! call {
        ($call:expr) => {
            Box::pin(async move { $call.await.map(drop) }) as Call<'a>
        };
    }
    macro_rules! repository {
        ($call:expr) => {
            async move { $call.await.map_err(CrmError::from) }
        };
    }
    let tenant = &TenantId::DEFAULT;
    let key: DocumentKey = "notes".parse().unwrap();
    let other: TenantId = "other".parse().unwrap();
    let query = || {
        LeadQuery::new()
            .search("john")
            .sort(Sort::name())
            .total(Total::Exact)
    };
    vec![
        call!(crm.create(numbered(1))),
        call!(crm.update(
            id,
            LeadPatch::new().notes(format!("{:?}", std::time::Instant::now()))
        )),
        call!(async { crm.transition(id, "contacted").await.map(drop).or(Ok(())) }),
        call!(async { crm.transition(id, "new").await.map(drop).or(Ok(())) }),
        call!(async { crm.create_many(&[numbered(2), numbered(3)]).await }),
        call!(crm.get(id)),
        call!(crm.list(LeadQuery::new().status("new").total(Total::Exact))),
        call!(crm.list(LeadQuery::new().sort(Sort::status()))),
        call!(crm.list(query())),
        call!(async { crm.count(&query()).await }),
        call!(async { crm.history(id, &HistoryQuery::new()).await }),
        call!(crm.events(None, Limit::DEFAULT)),
        call!(crm.pipeline()),
        call!(crm.stuck(StuckQuery::new())),
        call!(crm.lifecycle()),
        call!(crm.edit_lifecycle(|edit| edit.rename("new", "Fresh"))),
        call!(crm.edit_lifecycle(|edit| edit.rename("new", "New"))),
        call!(async move { leads.erase_tenant(&other).await.map_err(CrmError::from) }),
        call!(async { leads.verify().await.map_err(CrmError::from) }),
        call!(crm.archive(other_id)),
        call!(crm.delete(other_id)),
        call!(repository!(
            leads.committed(tenant, CommitId::from_uuid(Uuid::nil()))
        )),
        call!(repository!(leads.lifecycle_at(tenant, Version::FIRST))),
        call!(repository!(leads.document(tenant, &key))),
        call!(repository!(leads.tenants(None))),
        call!(repository!(SqliteRepository::open(file.path()))),
        call!(repository!(SqliteRepository::from_pool(pool.clone()))),
        call!(repository!(SqliteRepository::migrate(pool))),
        call!(repository!(SqliteRepository::rebuild_indexes(pool))),
    ]
}

async fn drop_everywhere(
    crm: &Crm,
    leads: &SqliteRepository,
    on: (&File, &SqlitePool),
    others: &Crm,
) {
    let first = crm.create(numbered(0)).await.unwrap();
    let kinds = calls(crm, leads, on, (first.id, first.id)).len();
    let mut dropped = 0;
    for kind in 0..kinds {
        for polls in 1..=8 {
            for _ in 0..repeats() {
                let other = crm.create(numbered(9)).await.unwrap();
                let call = calls(crm, leads, on, (first.id, other.id)).swap_remove(kind);
                let call = Some(call);
                if !(Dropped { call, polls }).await {
                    dropped += 1;
                }
                // The same pool goes on, and what it writes is seen from elsewhere.
                let note = format!("{kind} {polls} {dropped}");
                let patch = LeadPatch::new().notes(note);
                let written = crm.update(first.id, patch).await.unwrap();
                assert_eq!(others.get(first.id).await.unwrap(), written);
                assert_eq!(crm.get(first.id).await.unwrap(), written);
            }
        }
    }
    assert!(dropped > 100, "{dropped} calls were dropped");
    verified(leads).await;
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_half_done_on_the_only_connection() {
    let file = File::new();
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool.clone()).await.unwrap();
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    drop_everywhere(&crm, &leads, (&file, &pool), &file.crm().await).await;
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_half_done_between_writer_and_readers() {
    let file = File::new();
    let leads = file.open().await;
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    let pool = file.pool(1).await;
    drop_everywhere(&crm, &leads, (&file, &pool), &file.crm().await).await;
}

/// A commit polls more often than eight times: each of its statements, and `COMMIT`.
#[tokio::test]
async fn a_dropped_commit_is_made_as_a_whole_or_not_at_all() {
    let file = File::new();
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool).await.unwrap();
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    let others = file.crm().await;
    crm.create(numbered(0)).await.unwrap();
    let (mut made, mut ended) = (0, false);
    let mut polls = 0;
    while !ended {
        polls += 1;
        for _ in 0..5 {
            let before = others.count(&LeadQuery::new()).await.unwrap();
            let pair = [numbered(1), numbered(2)];
            let call: Call<'_> = Box::pin(async { crm.create_many(&pair).await.map(drop) });
            ended = Dropped {
                call: Some(call),
                polls,
            }
            .await;
            crm.create(numbered(3)).await.unwrap();
            let after = others.count(&LeadQuery::new()).await.unwrap();
            let by_it = after - before - 1;
            assert!(
                by_it == 0 || by_it == 2,
                "{by_it} of two leads after {polls} polls"
            );
            assert!(!ended || by_it == 2);
            made += by_it;
        }
    }
    assert!(made > 0 && polls > 1, "{made} leads, {polls} polls");
    verified(&leads).await;
}

#[tokio::test]
async fn a_dropped_erasure_is_made_as_a_whole_or_not_at_all() {
    let file = File::new();
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool).await.unwrap();
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    let others = file.crm().await;
    let tenant: TenantId = "other".parse().unwrap();
    for polls in 1..=8 {
        for _ in 0..repeats() {
            leads.erase_tenant(&tenant).await.unwrap();
            let pair = [numbered(1), numbered(2)];
            let there = crm.tenant(tenant.clone());
            there.create_many(&pair).await.unwrap();
            let call: Call<'_> = Box::pin(async { Ok(leads.erase_tenant(&tenant).await?) });
            let call = Some(call);
            let is_done = Dropped { call, polls }.await;
            crm.create(numbered(3)).await.unwrap();
            let others = others.tenant(tenant.clone());
            let left = others.count(&LeadQuery::new()).await.unwrap();
            assert!(left == 0 || left == 2 && !is_done, "{left} of two leads");
        }
    }
    verified(&leads).await;
}
