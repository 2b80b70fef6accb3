//! On MySQL or MariaDB: a call that is dropped at any await leaves nothing half-done, and no connection in
//! a state that the next call could not work with.

#![cfg(test)]

mod common;
mod servers;

use common::{Call, Dropped, numbered, repeats};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::CommitId;
use crm_core::lead::{LeadId, LeadPatch, NewLead, TenantId, Version};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::report::StuckQuery;
use crm_core::repository::{DocumentKey, HistoryQuery, Repository};
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::mysql::MySqlPoolOptions;
use crm_store_sqlx::sqlx::{self, MySqlPool};
use servers::mysql::{Database, verified};
use std::sync::Arc;

/// Every kind of call that a repository gets.
fn calls<'a>(
    crm: &'a Crm,
    (leads, pool): (&'a MySqlRepository, &'a MySqlPool),
    id: LeadId,
) -> Vec<Call<'a>> {
    macro_rules! call {
        ($call:expr) => {
            Box::pin(async move { $call.await.map(drop) }) as Call<'a>
        };
    }
    macro_rules! asked {
        (|$tenant:ident| $call:expr) => {
            Box::pin(async move {
                let $tenant = &TenantId::DEFAULT;
                $call.await.map(drop).map_err(CrmError::from)
            }) as Call<'a>
        };
    }
    let other: TenantId = "other".parse().unwrap();
    let beginner = crm.tenant("other");
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
        call!(async move { beginner.create(numbered(4)).await }),
        call!(async move { leads.erase_tenant(&other).await.map_err(CrmError::from) }),
        call!(async move {
            let deleted = crm
                .create(NewLead::new("Jane", "Doe", "jane@example.com")?)
                .await?;
            crm.archive(deleted.id).await?;
            crm.restore(deleted.id).await?;
            crm.delete(deleted.id).await
        }),
        asked!(|tenant| leads.committed(tenant, CommitId::random())),
        asked!(|tenant| leads.lifecycle_at(tenant, Version::FIRST)),
        asked!(|tenant| async {
            let key: DocumentKey = "key".parse().unwrap();
            leads.document(tenant, &key).await
        }),
        asked!(|_tenant| leads.tenants(None)),
        asked!(|_tenant| leads.verify()),
        asked!(|_tenant| MySqlRepository::migrate(pool)),
        asked!(|_tenant| MySqlRepository::from_pool(pool.clone())),
        asked!(|_tenant| MySqlRepository::rebuild_indexes(pool)),
    ]
}

async fn drop_everywhere(crm: &Crm, ours: (&MySqlRepository, &MySqlPool), others: &Crm) {
    let first = crm.create(numbered(0)).await.unwrap();
    let kinds = calls(crm, ours, first.id).len();
    let mut dropped = 0;
    for kind in 0..kinds {
        for polls in 1..=8 {
            for _ in 0..repeats() {
                let call = calls(crm, ours, first.id).swap_remove(kind);
                let call = Some(call);
                if !(Dropped { call, polls }).await {
                    dropped += 1;
                }
                // The same pool goes on, and what it writes is seen from elsewhere.
                let note = format!("{kind} {polls} {dropped}");
                let patch = LeadPatch::new().notes(note);
                let written = crm.update(first.id, patch).await.unwrap();
                assert_eq!(others.get(first.id).await.unwrap(), written);
            }
        }
        verified(ours.0).await;
    }
    assert!(dropped > 100, "{dropped} calls were dropped");
}

async fn on_one_connection(database: &Database) -> (MySqlRepository, MySqlPool, Crm, Crm) {
    let pool = database.pool(1).await;
    MySqlRepository::migrate(&pool).await.unwrap();
    let leads = MySqlRepository::from_pool(pool.clone()).await.unwrap();
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    let others = Crm::open(database.open().await).await.unwrap();
    (leads, pool, crm, others)
}

#[test]
fn a_dropped_call_leaves_nothing_half_done_on_the_only_connection() {
    Database::test(async |database| {
        let (leads, pool, crm, others) = on_one_connection(&database).await;
        drop_everywhere(&crm, (&leads, &pool), &others).await;
    });
}

/// What it had asked is answered later, so nobody else may get the connection.
#[test]
fn an_opening_that_is_dropped_takes_its_connection_with_it() {
    Database::test(async |database| {
        let pool = MySqlPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false);
        let pool = pool.connect(&database.url()).await.unwrap();
        MySqlRepository::migrate(&pool).await.unwrap();
        let connection = async || {
            let id = sqlx::query_scalar::<_, u64>("SELECT CONNECTION_ID()");
            let id = id.fetch_one(&pool).await.unwrap();
            while pool.num_idle() == 0 {
                tokio::task::yield_now().await;
            }
            id
        };
        // How often it is polled until it ends is for the machine to say.
        let mut dropped = 0;
        for polls in (1..=4).cycle().take(10_000) {
            let before = connection().await;
            let call: Call<'_> = Box::pin(async {
                let opened = MySqlRepository::from_pool(pool.clone()).await;
                opened.map(drop).map_err(CrmError::from)
            });
            let call = Some(call);
            let has_ended = Dropped { call, polls }.await;
            let after = connection().await;
            assert_eq!(has_ended, after == before, "after {polls} polls");
            dropped += usize::from(!has_ended);
            if dropped == 20 {
                return;
            }
        }
        panic!("{dropped} openings were dropped");
    });
}

/// A commit polls more often than eight times: each of its statements, and `COMMIT`.
#[test]
fn a_dropped_commit_is_made_as_a_whole_or_not_at_all() {
    Database::test(async |database| {
        let (leads, _, crm, others) = on_one_connection(&database).await;
        crm.create(numbered(0)).await.unwrap();
        let (mut made, mut ended) = (0, 0);
        for polls in (1..=40).cycle() {
            let pair = [numbered(1), numbered(2)];
            let call: Call<'_> = Box::pin(async { crm.create_many(&pair).await.map(drop) });
            let has_ended = Dropped {
                call: Some(call),
                polls,
            };
            let has_ended = has_ended.await;
            // What it had sent may be answered later than what follows, so leads are told apart by
            // their commits: none has one of the pair alone.
            crm.create(numbered(3)).await.unwrap();
            ended += usize::from(has_ended);
            made += 1;
            if ended > 20 && made > 200 {
                break;
            }
        }
        let feed = others.events(None, Limit::MAX).await.unwrap();
        let mut of_commit = std::collections::HashMap::<_, usize>::new();
        for event in &feed.events {
            *of_commit.entry(event.commit).or_default() += 1;
        }
        let pairs = of_commit.values().filter(|count| **count == 2).count();
        assert!(
            pairs >= ended,
            "{pairs} pairs, {ended} calls came to their end"
        );
        let singles = of_commit.values().filter(|count| **count == 1).count();
        assert_eq!(singles, made + 1, "of the leads that were created alone");
        verified(&leads).await;
    });
}
