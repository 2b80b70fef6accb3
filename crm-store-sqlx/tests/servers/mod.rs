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
        TOLD.call_once(|| leave_out(server, &format!("{variable} is not set")));
    }
    url
}

/// Tells that tests are left out, past the test harness, which shows nothing of tests that pass.
pub(crate) fn leave_out(what: &str, why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "left out: tests on {what}, as {why}");
}

/// A schema of its own.
pub(crate) struct Schema {
    /// The URL of the server, without the schema.
    pub(crate) server: String,
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
        let server = url.to_owned();
        Self { server, name }
    }

    /// The URL of the server, with this schema. Commits are not synced to disk: that is the
    /// server's to test.
    pub(crate) fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        format!(
            "{}{mark}options[search_path]={}&options[synchronous_commit]=off",
            self.server, self.name
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

/// A server of a test's own, which is gone with it.
pub(crate) struct PrivateServer {
    script: std::process::Child,
    pub(crate) url: String,
    restart: String,
}

impl PrivateServer {
    /// `None` unless the tests run by `scripts/servers`, which knows how to start one.
    pub(crate) fn postgres() -> Option<Self> {
        Self::start(
            "postgres",
            "CRM_TEST_POSTGRES_URL",
            "CRM_TEST_POSTGRES_RESTART",
        )
    }

    /// The same of MySQL or `MariaDB`, which is killed where PostgreSQL is told to stop at once.
    pub(crate) fn mysql() -> Option<Self> {
        Self::start("mysql", "CRM_TEST_MYSQL_URL", "CRM_TEST_MYSQL_RESTART")
    }

    fn start(kind: &str, url: &str, restart: &str) -> Option<Self> {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};
        let is_there = std::env::var_os(restart).is_some();
        let Some(script) = std::env::var_os("CRM_TEST_SERVERS").filter(|_| is_there) else {
            leave_out(
                &format!("a {kind} server that is stopped"),
                "scripts/servers starts none",
            );
            return None;
        };
        // It ends when nothing more can be written to it.
        let told = format!("echo \"${url}\"; echo \"${restart}\"; cat >/dev/null");
        let mut script = Command::new(script)
            .args(["--only", kind, "sh", "-c", &told])
            .env_remove(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(script.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        let restart = lines.next().unwrap().unwrap();
        Some(Self {
            script,
            url,
            restart,
        })
    }

    /// Stops it where it is, and starts it anew.
    pub(crate) fn restart(&self) {
        let mut restart = std::process::Command::new(&self.restart);
        assert!(restart.status().unwrap().success());
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// Another database on the server of a schema.
pub(crate) struct Database {
    server: String,
    name: String,
    /// Its URL.
    pub(crate) plain: String,
    /// The same with the schema, once that is restored.
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn new(schema: &Schema, purpose: &str) -> Self {
        let name = format!("{}_{purpose}", schema.name);
        let admin = admin(&schema.server).await;
        run(&admin, format!("DROP DATABASE IF EXISTS {name}")).await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        run(&admin, sql).await;
        // The last part of the path is the database.
        let (server, options) = schema
            .server
            .split_once('?')
            .unwrap_or((&schema.server, ""));
        let (server, _) = server.rsplit_once('/').unwrap();
        let plain = format!("{server}/{name}?{options}");
        Self {
            server: schema.server.clone(),
            url: format!("{plain}&options[search_path]={}", schema.name),
            plain,
            name,
        }
    }

    /// Runs what `pg_dump` has written.
    pub(crate) fn restore(&self, dump: &[u8]) {
        use std::io::Write as _;
        let mut psql = std::process::Command::new("psql")
            .args(["--quiet", "--set", "ON_ERROR_STOP=1", &self.plain])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        psql.stdin.take().unwrap().write_all(dump).unwrap();
        assert!(psql.wait().unwrap().success());
    }

    pub(crate) async fn drop(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        run(&admin(&self.server).await, sql).await;
    }
}
