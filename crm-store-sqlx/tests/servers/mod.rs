//! Databases on a server: on PostgreSQL each in a schema of its own, which goes with it.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

pub(crate) mod mysql;
pub(crate) mod proxy;

use crm_store_sqlx::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use crm_store_sqlx::sqlx::{self, AssertSqlSafe, PgPool};
use crm_store_sqlx::{PostgresBuilder, PostgresRepository};
use std::str::FromStr as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of the server to test on. Without one, whatever needs it is left out.
pub(crate) fn url() -> Option<String> {
    told("CRM_TEST_POSTGRES_URL", "PostgreSQL")
}

/// The URL that a variable holds. If it is not set, a line says so.
fn told(variable: &str, server: &str) -> Option<String> {
    static TOLD: Once = Once::new();
    let url = std::env::var(variable).ok();
    if url.is_none() {
        TOLD.call_once(|| {
            use std::io::Write as _;
            // Written past the test harness, which shows nothing of tests that pass.
            let _ = writeln!(
                std::io::stderr(),
                "left out: tests on {server}, as {variable} is not set"
            );
        });
    }
    url
}

/// A schema of its own.
pub(crate) struct Schema {
    url: String,
    pub(crate) name: String,
}

impl Schema {
    /// Runs a test in a new schema, or not at all if there is no server.
    pub(crate) fn test<T: Future<Output = ()>>(test: impl FnOnce(Self) -> T) {
        let Some(url) = url() else { return };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let schema = Self::new(&url).await;
            let name = schema.name.clone();
            test(schema).await;
            drop_schema(&url, &name).await;
        });
    }

    pub(crate) async fn new(url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crm_test_{}_{number}", std::process::id());
        let admin = admin(url).await;
        let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
        run(&admin, sql).await;
        run(&admin, format!("CREATE SCHEMA {name}")).await;
        let url = url.to_owned();
        Self { url, name }
    }

    /// The URL of the server, with this schema. Commits are not synced to disk: that is the
    /// server's to test.
    pub(crate) fn url(&self) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!(
            "{}{mark}options[search_path]={}&options[synchronous_commit]=off",
            self.url, self.name
        )
    }

    pub(crate) fn builder(&self) -> PostgresBuilder {
        PostgresRepository::builder(self.url())
    }

    pub(crate) async fn open(&self) -> PostgresRepository {
        self.builder().open().await.unwrap()
    }

    /// A pool as an application makes it.
    pub(crate) async fn pool(&self, connections: u32) -> PgPool {
        let options = PgConnectOptions::from_str(&self.url()).unwrap();
        let pool = PgPoolOptions::new().max_connections(connections);
        pool.connect_with(options).await.unwrap()
    }
}

pub(crate) async fn drop_schema(url: &str, name: &str) {
    let sql = format!("DROP SCHEMA {name} CASCADE");
    run(&admin(url).await, sql).await;
}

async fn admin(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(1);
    pool.connect(url).await.unwrap()
}

pub(crate) async fn run(pool: &PgPool, sql: String) {
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    query.execute(pool).await.unwrap();
}

/// Leads, words, tags, counters and events must agree whatever happened.
pub(crate) async fn verified(leads: &PostgresRepository) {
    let found = leads.verify().await.unwrap();
    assert!(found.is_clean(), "{:?}", found.faults);
}
