//! On MySQL or MariaDB: connections that are cut at the worst moment.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::query::{LeadQuery, Limit};
use crm_core::repository::{HistoryQuery, Repository, RepositoryErrorKind};
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use servers::mysql::{Database, verified};
use servers::proxy::{CUT_AFTER, CUT_BEFORE, Proxy};
use std::str::FromStr as _;
use std::sync::atomic::Ordering;

async fn through(database: &Database) -> (Proxy, MySqlRepository) {
    MySqlRepository::migrate(&database.pool(1).await)
        .await
        .unwrap();
    let options = MySqlConnectOptions::from_str(&database.url()).unwrap();
    let host = options.get_host().to_owned();
    let proxy = Proxy::before(host, options.get_port(), |_, sent| {
        sent.windows(7).any(|bytes| bytes == b"\x03COMMIT")
    })
    .await;
    // The proxy reads what is sent.
    let options = options.ssl_mode(MySqlSslMode::Disabled);
    let options = options.host("127.0.0.1").port(proxy.port);
    let pool = MySqlPoolOptions::new()
        .max_connections(2)
        .test_before_acquire(false);
    let pool = pool.connect_with(options).await.unwrap();
    let leads = MySqlRepository::from_pool(pool).await.unwrap();
    (proxy, leads)
}

#[test]
fn a_commit_whose_reply_is_lost_can_be_repeated_and_is_made_once() {
    Database::test(async |database| {
        let (proxy, leads) = through(&database).await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let tenant = &TenantId::DEFAULT;
        for round in 0..200u64 {
            let fate = if round % 2 == 0 {
                CUT_BEFORE
            } else {
                CUT_AFTER
            };
            let plan = crm.plan_create(numbered(1)).await.unwrap();
            let lead = plan.leads().next().unwrap().id;
            proxy.fate.store(fate, Ordering::SeqCst);
            let cut = leads.commit(tenant, &plan).await.unwrap_err();
            let commit = plan.commit();
            assert_eq!(*cut.kind(), RepositoryErrorKind::OutcomeUnknown { commit });
            // The same connections go on, without any help.
            leads.commit(tenant, &plan).await.unwrap();
            assert!(leads.committed(tenant, commit).await.unwrap().is_some());
            let history = leads.history(tenant, lead, &HistoryQuery::new()).await;
            assert_eq!(history.unwrap().items.len(), 1);
            assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), round + 2);
        }
        let feed = leads.events(tenant, None, Limit::MAX).await.unwrap();
        assert_eq!(feed.events.len(), 201);
        verified(&leads).await;
    });
}

#[test]
fn connections_that_were_cut_are_replaced_unaided() {
    Database::test(async |database| {
        let (proxy, leads) = through(&database).await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        for round in 1..=10 {
            let _ = proxy.cut.send(());
            crm.create(numbered(0)).await.unwrap();
            let _ = proxy.cut.send(());
            assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), round);
        }
        verified(&leads).await;
    });
}
