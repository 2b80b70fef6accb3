//! Databases on a server of MySQL or MariaDB: each test has one of its own, which goes with it.

use crm_store_sqlx::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use crm_store_sqlx::sqlx::{self, AssertSqlSafe, MySqlPool};
use crm_store_sqlx::{MySqlBuilder, MySqlRepository};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of the server to test on. Without one, whatever needs it is left out.
pub(crate) fn url() -> Option<String> {
    super::told("CRM_TEST_MYSQL_URL", "MySQL")
}

/// A database of its own.
pub(crate) struct Database {
    url: String,
    pub(crate) name: String,
}

impl Database {
    /// Runs a test in a new database, or not at all if there is no server.
    pub(crate) fn test<T: Future<Output = ()>>(test: impl FnOnce(Self) -> T) {
        let Some(url) = url() else { return };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let database = Self::new(&url).await;
            let name = database.name.clone();
            test(database).await;
            drop_database(&url, &name).await;
        });
    }

    pub(crate) async fn new(url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crm_test_{}_{number}", std::process::id());
        let admin = admin(url).await;
        run(&admin, format!("DROP DATABASE IF EXISTS {name}")).await;
        // What it makes of texts by itself is not what the tables ask for.
        let sql = format!("CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_swedish_ci");
        run(&admin, sql).await;
        let url = url.to_owned();
        Self { url, name }
    }

    /// The URL of the server, with this database.
    pub(crate) fn url(&self) -> String {
        let (server, options) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let host = server.find("://").map_or(0, |scheme| scheme + 3);
        let end = server[host..]
            .find('/')
            .map_or(server.len(), |path| host + path);
        format!("{}/{}?{options}", &server[..end], self.name)
    }

    /// Another one on the same server.
    pub(crate) async fn another(&self) -> Self {
        Self::new(&self.url).await
    }

    pub(crate) async fn drop(self) {
        drop_database(&self.url, &self.name).await;
    }

    /// One of the server's own programs, under its name of today or of before, which connects to
    /// it. `None` if neither is there.
    fn program(names: [&str; 2], url: &str) -> Option<Command> {
        let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let name = names.into_iter().find(is_there)?;
        let options = MySqlConnectOptions::from_str(url).unwrap();
        let mut program = Command::new(name);
        program
            .arg("--no-defaults")
            .args(["--protocol", "tcp", "--host", options.get_host()])
            .args(["--port", &options.get_port().to_string()])
            .args(["--user", options.get_username()]);
        // What sqlx does not tell: it is before the last `@`, after a colon.
        let (_, rest) = url.split_once("://").unwrap();
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        if let Some((_, password)) = user.split_once(':') {
            program.env("MYSQL_PWD", password);
        }
        Some(program)
    }

    /// All that is in it, as statements; `None` if the program that writes them is not there.
    pub(crate) fn dump(&self) -> Option<Vec<u8>> {
        let mut program = Self::program(["mariadb-dump", "mysqldump"], &self.url)?;
        let program = program.args(["--single-transaction", &self.name]);
        let dump = program.output().unwrap();
        let told = String::from_utf8_lossy(&dump.stderr);
        assert!(dump.status.success(), "{told}");
        Some(dump.stdout)
    }

    /// Runs what was dumped.
    pub(crate) fn restore(&self, dump: &[u8]) {
        let mut program = Self::program(["mariadb", "mysql"], &self.url).unwrap();
        let mut program = program
            .arg(&self.name)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        program.stdin.take().unwrap().write_all(dump).unwrap();
        assert!(program.wait().unwrap().success());
    }

    pub(crate) fn builder(&self) -> MySqlBuilder {
        MySqlRepository::builder(self.url())
    }

    pub(crate) async fn open(&self) -> MySqlRepository {
        self.builder().open().await.unwrap()
    }

    /// A pool as an application makes it.
    pub(crate) async fn pool(&self, connections: u32) -> MySqlPool {
        let options = MySqlConnectOptions::from_str(&self.url()).unwrap();
        let pool = MySqlPoolOptions::new().max_connections(connections);
        pool.connect_with(options).await.unwrap()
    }
}

pub(crate) async fn drop_database(url: &str, name: &str) {
    run(&admin(url).await, format!("DROP DATABASE {name}")).await;
}

async fn admin(url: &str) -> MySqlPool {
    let pool = MySqlPoolOptions::new().max_connections(1);
    pool.connect(url).await.unwrap()
}

pub(crate) async fn run(pool: &MySqlPool, sql: String) {
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    query.execute(pool).await.unwrap();
}

/// Leads, words, tags, counters and events must agree whatever happened.
pub(crate) async fn verified(leads: &MySqlRepository) {
    let found = leads.verify().await.unwrap();
    assert!(found.is_clean(), "{:?}", found.faults);
}
