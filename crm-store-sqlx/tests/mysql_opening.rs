//! On MySQL or MariaDB: what a server and a pool must be like, migrations that were interrupted, and
//! the application's own transactions.

#![cfg(test)]

mod common;
mod servers;

use common::{kind, numbered};
use crm_core::crm::Crm;
use crm_core::lead::{LeadPatch, TenantId};
use crm_core::query::Limit;
use crm_core::repository::{Repository, RepositoryErrorKind};
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use crm_store_sqlx::sqlx::{self, MySqlPool};
use servers::mysql::{Database, run, verified};
use std::str::FromStr as _;

/// A pool whose connections have a setting.
async fn with(database: &Database, setting: &'static str) -> MySqlPool {
    let options = MySqlConnectOptions::from_str(&database.url()).unwrap();
    let pool = MySqlPoolOptions::new().max_connections(1);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move {
            let set = sqlx::query(setting).execute(connection);
            set.await.map(drop)
        })
    });
    pool.connect_with(options).await.unwrap()
}

#[test]
fn a_pool_on_which_texts_would_be_lost_is_refused_with_the_reason() {
    Database::test(async |database| {
        drop(database.open().await);
        for (setting, told) in [
            ("SET sql_mode = ''", "sql_mode"),
            ("SET NAMES latin1", "utf8mb4"),
            ("SET character_set_results = NULL", "utf8mb4"),
        ] {
            let pool = with(&database, setting).await;
            let refused = [
                kind(MySqlRepository::migrate(&pool).await),
                kind(MySqlRepository::from_pool(pool).await),
            ];
            for refused in refused {
                let Some(RepositoryErrorKind::Unsupported { what }) = refused else {
                    panic!("{setting}: {refused:?}");
                };
                assert!(what.contains(told), "{setting}: {what}");
            }
        }
    });
}

#[test]
fn a_url_without_a_database_is_refused_with_the_reason() {
    Database::test(async |database| {
        let url = database.url().replace(&database.name, "");
        let refused = MySqlRepository::open(url).await.unwrap_err();
        let RepositoryErrorKind::Unsupported { what } = refused.kind() else {
            panic!("{refused:?}");
        };
        assert_eq!(*what, "a connection without a database");
    });
}

#[test]
fn tables_that_are_not_there_or_too_new_are_told() {
    Database::test(async |database| {
        let pool = database.pool(1).await;
        let refused = MySqlRepository::from_pool(pool.clone()).await.unwrap_err();
        assert_eq!(*refused.kind(), RepositoryErrorKind::Other);
        drop(database.open().await);
        for (name, expected) in [
            ("folding", RepositoryErrorKind::OutdatedIndexes),
            (
                "format",
                RepositoryErrorKind::NewerFormat {
                    found: 2,
                    supported: 1,
                },
            ),
        ] {
            let sql = format!("UPDATE crm_meta SET value = value + 1 WHERE name = '{name}'");
            run(&pool, sql).await;
            assert_eq!(kind(database.builder().open().await), Some(expected));
        }
    });
}

/// Every table is committed by itself, so a process may die between any two.
#[test]
fn a_migration_that_was_interrupted_is_run_to_its_end() {
    Database::test(async |database| {
        let pool = database.pool(1).await;
        drop(database.open().await);
        let undone = "
            DROP VIEW crm_view_events;
            DROP TABLE crm_events, crm_documents;
            DELETE FROM crm_meta;
            UPDATE crm_migrations SET success = FALSE
        ";
        run(&pool, undone.to_owned()).await;
        assert!(database.builder().without_migrating().open().await.is_err());
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let events = leads.events(&TenantId::DEFAULT, None, Limit::DEFAULT).await;
        assert_eq!(events.unwrap().events.len(), 1);
        verified(&leads).await;
    });
}

/// The server rolls back all that the application did, and sqlx does not notice.
#[test]
fn after_a_deadlock_the_application_is_told_that_its_transaction_is_gone() {
    Database::test(async |database| {
        let crm = Crm::open(database.open().await).await.unwrap();
        let (one, two) = (numbered(0), numbered(1));
        let (one, two) = (
            crm.create(one).await.unwrap(),
            crm.create(two).await.unwrap(),
        );
        let tenant = &TenantId::DEFAULT;
        let plan = async |lead| {
            let patch = LeadPatch::new().notes("Enterprise plan");
            crm.plan_update(lead, patch).await.unwrap().unwrap()
        };
        let pool = database.pool(2).await;
        run(&pool, "CREATE TABLE orders (item TEXT)".to_owned()).await;
        let (mut first, mut second) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
        for open in [&mut first, &mut second] {
            let order = sqlx::query("INSERT INTO orders VALUES ('a book')");
            order.execute(&mut **open).await.unwrap();
        }
        let (plan_one, plan_two) = (plan(one.id).await, plan(two.id).await);
        for (open, plan) in [(&mut first, &plan_one), (&mut second, &plan_two)] {
            let done = MySqlRepository::commit_in(open, tenant, plan).await;
            done.unwrap();
        }
        let (plan_one, plan_two) = (plan(one.id).await, plan(two.id).await);
        let (in_first, in_second) = tokio::join!(
            MySqlRepository::commit_in(&mut first, tenant, &plan_two),
            MySqlRepository::commit_in(&mut second, tenant, &plan_one),
        );
        let mut gone = 0;
        for (open, done) in [(first, in_first), (second, in_second)] {
            let Err(error) = done else {
                open.commit().await.unwrap();
                continue;
            };
            assert_eq!(*error.kind(), RepositoryErrorKind::Unavailable);
            gone += 1;
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(
                source.contains("rolled the whole transaction back"),
                "{source}"
            );
            drop(open);
        }
        assert_eq!(gone, 1, "one was the victim");
        let orders = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM orders");
        assert_eq!(orders.fetch_one(&pool).await.unwrap(), 1);
    });
}

/// A reader who stopped in a feed that was erased goes on in the one that began anew.
#[test]
fn a_feed_that_begins_anew_has_no_number_twice() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let tenant = &TenantId::DEFAULT;
        let mut cursor = None;
        for round in 0..3 {
            for _ in 0..5 - round {
                crm.create(numbered(round)).await.unwrap();
            }
            let page = leads.events(tenant, cursor.as_ref(), Limit::DEFAULT).await;
            let page = page.unwrap();
            assert_eq!(page.events.len(), 5 - round);
            cursor = page.cursor;
            leads.erase_tenant(tenant).await.unwrap();
        }
    });
}
