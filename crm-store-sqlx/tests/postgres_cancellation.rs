//! On PostgreSQL: a call that is dropped at any await leaves nothing half-done, and no connection in
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
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::PgPoolOptions;
use crm_store_sqlx::sqlx::{self, PgPool};
use servers::{Schema, verified};
use std::sync::Arc;
use std::time::Duration;

/// Every kind of call that a repository gets.
fn calls<'a>(
    crm: &'a Crm,
    (leads, pool): (&'a PostgresRepository, &'a PgPool),
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
        asked!(|_tenant| PostgresRepository::migrate(pool)),
        asked!(|_tenant| PostgresRepository::from_pool(pool.clone())),
        asked!(|_tenant| PostgresRepository::rebuild_indexes(pool)),
        call!(async move {
            let plan = crm.plan_create(numbered(5)).await?;
            let Ok(mut transaction) = pool.begin().await else {
                return Ok(());
            };
            let tenant = &TenantId::DEFAULT;
            PostgresRepository::commit_in(&mut transaction, tenant, &plan).await?;
            let _ = transaction.commit().await;
            Ok(())
        }),
    ]
}

async fn drop_everywhere(
    crm: &Crm,
    ours: (&PostgresRepository, &PgPool),
    others: &Crm,
    repeats: usize,
) {
    let first = crm.create(numbered(0)).await.unwrap();
    let kinds = calls(crm, ours, first.id).len();
    let mut dropped = 0;
    for kind in 0..kinds {
        for polls in 1..=8 {
            for _ in 0..repeats {
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

/// A repository with one connection, from another, and a pool that is the application's.
async fn on_one_connection(schema: &Schema) -> (PostgresRepository, PgPool, Crm, Crm) {
    let others = Crm::open(schema.open().await).await.unwrap();
    let leads = schema.builder().connections(1).open().await.unwrap();
    let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
    (leads, schema.pool(1).await, crm, others)
}

#[test]
fn a_dropped_call_leaves_nothing_half_done_on_the_only_connection() {
    Schema::test(async |schema| {
        let (leads, pool, crm, others) = on_one_connection(&schema).await;
        drop_everywhere(&crm, (&leads, &pool), &others, repeats()).await;
    });
}

/// The same where the application drops calls of its own on the same connection.
#[test]
fn a_dropped_call_leaves_nothing_half_done_on_the_only_connection_of_an_application() {
    Schema::test(async |schema| {
        let (_, pool, _, others) = on_one_connection(&schema).await;
        let leads = PostgresRepository::from_pool(pool.clone()).await.unwrap();
        let crm = Crm::open(Arc::new(leads.clone())).await.unwrap();
        drop_everywhere(&crm, (&leads, &pool), &others, repeats() / 5).await;
    });
}

/// A commit that is several statements polls more often than eight times.
#[test]
fn a_dropped_commit_is_made_as_a_whole_or_not_at_all() {
    Schema::test(async |schema| {
        let (leads, _, crm, others) = on_one_connection(&schema).await;
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

/// What it had asked is answered later, so nobody else may get the connection.
#[test]
fn an_opening_that_is_dropped_takes_its_connection_with_it() {
    Schema::test(async |schema| {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false);
        let pool = pool.connect(&schema.url()).await.unwrap();
        PostgresRepository::migrate(&pool).await.unwrap();
        let connection = async || {
            let id = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()");
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
                let opened = PostgresRepository::from_pool(pool.clone()).await;
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

/// Such a commit is one statement, which the server has as a whole when its caller goes.
#[test]
fn a_commit_that_is_dropped_while_it_waits_for_a_lock_is_not_made_later() {
    Schema::test(async |schema| {
        let leads = schema.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let lead = crm.create(numbered(0)).await.unwrap();
        let pool = schema.pool(2).await;
        let mut holder = pool.begin().await.unwrap();
        let sql = "SELECT pg_backend_pid() FROM crm_leads FOR UPDATE";
        let held_by = sqlx::query_scalar::<_, i32>(sql);
        let held_by = held_by.fetch_one(&mut *holder).await.unwrap();

        let plan = crm.plan_transition(lead.id, "contacted").await.unwrap();
        let commit = plan.commit();
        let waiting = tokio::spawn({
            let leads = leads.clone();
            async move { leads.commit(&TenantId::DEFAULT, &plan).await }
        });
        wait_until(&pool, held_by, 1).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        wait_until(&pool, held_by, 0).await;

        holder.rollback().await.unwrap();
        let done = leads.committed(&TenantId::DEFAULT, commit).await.unwrap();
        assert_eq!(done, None);
        assert_eq!(crm.get(lead.id).await.unwrap(), lead);
        verified(&leads).await;
    });
}

/// Until so many wait for what a connection of the server locks.
async fn wait_until(pool: &PgPool, held_by: i32, expected: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))";
    let reached = async {
        loop {
            let waiting = sqlx::query_scalar::<_, i64>(sql).bind(held_by);
            if waiting.fetch_one(pool).await.unwrap() == expected {
                return;
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
    reached.unwrap_or_else(|_| panic!("the server has others than {expected} wait"));
}
