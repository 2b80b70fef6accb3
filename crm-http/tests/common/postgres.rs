//! A schema of its own on the server that `CRM_TEST_POSTGRES_URL` names.

use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::PgPoolOptions;
use crm_store_sqlx::sqlx::{self, AssertSqlSafe};
use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// `None` if there is no server.
    pub(crate) async fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static TOLD: Once = Once::new();
        let Ok(url) = std::env::var("CRM_TEST_POSTGRES_URL") else {
            TOLD.call_once(|| {
                // Written past the test harness, which shows nothing of tests that pass.
                let told = "left out: tests on PostgreSQL, as CRM_TEST_POSTGRES_URL is not set";
                let _ = writeln!(std::io::stderr(), "{told}");
            });
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crm_http_test_{}_{number}", std::process::id());
        run(&url, format!("DROP SCHEMA IF EXISTS {name} CASCADE")).await;
        run(&url, format!("CREATE SCHEMA {name}")).await;
        Some(Self { url, name })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        // Commits are not synced to disk: that is the server's to test.
        format!(
            "{}{mark}options[search_path]={}&options[synchronous_commit]=off",
            self.url, self.name
        )
    }

    pub(super) async fn open(&self) -> PostgresRepository {
        PostgresRepository::open(self.url()).await.unwrap()
    }
}

/// In a thread of its own, as dropping is not async.
impl Drop for Schema {
    fn drop(&mut self) {
        let (url, sql) = (
            self.url.clone(),
            format!("DROP SCHEMA {} CASCADE", self.name),
        );
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(run(&url, sql));
        });
        drop(dropping.join());
    }
}

async fn run(url: &str, sql: String) {
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(url).await.unwrap();
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    query.execute(&pool).await.unwrap();
}
