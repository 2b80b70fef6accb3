//! On PostgreSQL: connections that are cut at the worst moment.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::query::{LeadQuery, Limit};
use crm_core::repository::{HistoryQuery, Repository, RepositoryErrorKind};
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use servers::proxy::{CUT_AFTER, CUT_BEFORE, Proxy};
use servers::{Schema, verified};
use std::ops::Range;
use std::str::FromStr as _;
use std::sync::atomic::Ordering;

/// The end of a transaction, or, as all else in it was answered, one statement that is a whole one:
/// the message that binds its values.
fn is_commit(has_begun: &mut bool, sent: &[u8]) -> bool {
    let is_commit = match sent.windows(6).any(|bytes| bytes == b"BEGIN ") {
        true => {
            *has_begun = true;
            false
        }
        false if *has_begun => sent.windows(7).any(|bytes| bytes == b"COMMIT\0"),
        false => sent.first() == Some(&b'B'),
    };
    *has_begun &= !is_commit;
    is_commit
}

/// A repository with connections of its own, and one with those of an application.
async fn through(schema: &Schema) -> (Proxy, [PostgresRepository; 2]) {
    PostgresRepository::migrate(&schema.pool(1).await)
        .await
        .unwrap();
    let url = schema.url();
    let host = PgConnectOptions::from_str(&url).unwrap();
    let proxy = Proxy::before(host.get_host().to_owned(), host.get_port(), is_commit).await;
    // The same URL with another host, behind which what is sent can be read.
    let (scheme, rest) = url.split_once("://").unwrap();
    let (place, database) = rest.split_once('/').unwrap();
    let user = place.rsplit_once('@').map_or("", |(user, _)| user);
    let port = proxy.port;
    let url = format!("{scheme}://{user}@127.0.0.1:{port}/{database}&sslmode=disable");

    let own = PostgresRepository::builder(&url).connections(2).open();
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .test_before_acquire(false);
    let pool = pool.connect(&url).await.unwrap();
    let shared = PostgresRepository::from_pool(pool).await.unwrap();
    (proxy, [own.await.unwrap(), shared])
}

/// Commits each of the sets that are planned, whose connection is cut before or after, until it is
/// made.
async fn commit_all(proxy: &Proxy, leads: &PostgresRepository, crm: &Crm, rounds: Range<usize>) {
    for round in rounds {
        let fate = [CUT_BEFORE, CUT_AFTER][round % 2];
        // The first commit of a tenant stores its rules, too, so it is several statements.
        let tenant: TenantId = match round % 4 {
            0 | 1 => TenantId::DEFAULT,
            _ => format!("tenant{round}").parse().unwrap(),
        };
        let crm = crm.tenant(tenant.clone());
        let before = crm.count(&LeadQuery::new()).await.unwrap();
        let plan = crm.plan_create(numbered(1)).await.unwrap();
        let lead = plan.leads().next().unwrap().id;
        proxy.fate.store(fate, Ordering::SeqCst);
        let cut = leads.commit(&tenant, &plan).await.unwrap_err();
        let commit = plan.commit();
        assert_eq!(*cut.kind(), RepositoryErrorKind::OutcomeUnknown { commit });
        // The same connections go on, without any help.
        leads.commit(&tenant, &plan).await.unwrap();
        assert!(leads.committed(&tenant, commit).await.unwrap().is_some());
        let history = leads.history(&tenant, lead, &HistoryQuery::new()).await;
        assert_eq!(history.unwrap().items.len(), 1);
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), before + 1);
    }
}

#[test]
fn a_commit_whose_reply_is_lost_can_be_repeated_and_is_made_once() {
    Schema::test(async |schema| {
        let (proxy, [own, shared]) = through(&schema).await;
        let crm = Crm::open(own.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        commit_all(&proxy, &own, &crm, 0..160).await;
        commit_all(&proxy, &shared, &crm, 160..200).await;
        let feed = own.events(&TenantId::DEFAULT, None, Limit::MAX).await;
        assert_eq!(feed.unwrap().events.len(), 101);
        verified(&own).await;
    });
}

#[test]
fn connections_that_were_cut_are_replaced_unaided() {
    Schema::test(async |schema| {
        let (proxy, both) = through(&schema).await;
        let mut count = 0;
        for leads in both {
            let crm = Crm::open(leads.clone()).await.unwrap();
            for _ in 0..10 {
                count += 1;
                let _ = proxy.cut.send(());
                crm.create(numbered(0)).await.unwrap();
                let _ = proxy.cut.send(());
                assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), count);
            }
            verified(&leads).await;
        }
    });
}
