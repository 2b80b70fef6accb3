//! On a PostgreSQL server of this test's own, which is stopped without warning while many write.

#![cfg(test)]

mod common;
mod servers;
mod writing;

use common::{numbered, repeats};
use crm_core::crm::Crm;
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::{self, Connection as _, PgConnection};
use servers::{PrivateServer, verified};
use writing::Writers;

/// When the server was started.
async fn started(server: &PrivateServer) -> String {
    loop {
        // While it starts, it takes no connections.
        if let Ok(mut connection) = PgConnection::connect(&server.url).await {
            let sql = "SELECT pg_postmaster_start_time()::text";
            return sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_stopped_in_the_midst_of_work() {
    let Some(server) = PrivateServer::postgres() else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let builder = PostgresRepository::builder(&server.url).connections(8);
        let leads = builder.open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();

        let writers = Writers::start(&crm);
        let mut starts = vec![started(&server).await];
        for _ in 0..repeats() {
            // The pool finds the server again by itself, whatever was under way.
            writers.made(20).await;
            server.restart();
            let start = started(&server).await;
            assert!(!starts.contains(&start), "the server was not stopped");
            starts.push(start);
        }
        writers.end(&leads).await;
        verified(&leads).await;
    });
}
