//! On a MySQL or MariaDB server of this test's own, which is killed while many write.

#![cfg(test)]

mod common;
mod servers;
mod writing;

use common::{numbered, repeats};
use crm_core::crm::Crm;
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx::{self, Connection as _, MySqlConnection};
use servers::PrivateServer;
use servers::mysql::verified;
use writing::Writers;

/// Whether the server was started since this was asked last. It starts with commits that it keeps
/// to itself for a second, and from now on hands each to the system before it is acknowledged: that
/// outlives the process.
async fn is_anew(server: &PrivateServer) -> bool {
    loop {
        // While it starts, it takes no connections.
        if let Ok(mut connection) = MySqlConnection::connect(&server.url).await {
            let sql = "SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS SIGNED)";
            let before = sqlx::query_scalar::<_, i64>(sql);
            let before = before.fetch_one(&mut connection).await.unwrap();
            let sql = "SET GLOBAL innodb_flush_log_at_trx_commit = 2";
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            return before != 2;
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_in_the_midst_of_work() {
    let Some(server) = PrivateServer::mysql() else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        assert!(is_anew(&server).await);
        let builder = MySqlRepository::builder(&server.url).connections(8);
        let leads = builder.open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();

        let writers = Writers::start(&crm);
        for _ in 0..(repeats() / 10).max(2) {
            // The pool finds the server again by itself, whatever was under way.
            writers.made(20).await;
            server.restart();
            assert!(is_anew(&server).await, "the server was not killed");
        }
        writers.end(&leads).await;
        verified(&leads).await;
    });
}
