//! On PostgreSQL: the feed beside a writer that idles elsewhere on the server, and after a dump was
//! restored.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::TenantId;
use crm_core::query::Limit;
use crm_core::repository::Repository as _;
use crm_store_sqlx::PostgresRepository;
use crm_store_sqlx::sqlx::postgres::PgConnectOptions;
use crm_store_sqlx::sqlx::{self, Connection as _, PgConnection};
use servers::{Database, Schema, leave_out, verified};
use std::process::Command;
use std::str::FromStr as _;

async fn read_on(leads: &PostgresRepository, cursor: &mut Option<EventCursor>) -> Vec<LeadEvent> {
    let read = leads.events(&TenantId::DEFAULT, cursor.as_ref(), Limit::DEFAULT);
    let page = read.await.unwrap();
    *cursor = page.cursor;
    page.events
}

#[test]
fn the_feed_goes_on_beside_a_writer_that_idles_in_another_database() {
    Schema::test(async |schema| {
        let elsewhere = Database::new(&schema, "elsewhere").await;
        let options = PgConnectOptions::from_str(&elsewhere.plain).unwrap();
        let mut idle = PgConnection::connect_with(&options).await.unwrap();
        for sql in [
            "BEGIN",
            "CREATE TABLE mine (number BIGINT)",
            "INSERT INTO mine VALUES (1)",
        ] {
            sqlx::query(sql).execute(&mut idle).await.unwrap();
        }
        let leads = schema.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let mut cursor = None;
        for number in 0..10 {
            let lead = crm.create(numbered(number)).await.unwrap();
            let read = read_on(&leads, &mut cursor).await;
            assert_eq!(read.len(), 1, "nobody waits for the other database");
            assert_eq!(read[0].lead, lead.id);
        }
        sqlx::query("COMMIT").execute(&mut idle).await.unwrap();
        assert_eq!(read_on(&leads, &mut cursor).await, []);
        idle.close().await.unwrap();
        elsewhere.drop().await;
    });
}

#[test]
fn after_a_dump_is_restored_the_feed_goes_on_where_it_was() {
    if Command::new("pg_dump").arg("--version").output().is_err() {
        leave_out("dumps", "there is no pg_dump");
        return;
    }
    Schema::test(async |schema| {
        let leads = schema.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let mut ids = Vec::new();
        for number in 0..30 {
            ids.push(crm.create(numbered(number)).await.unwrap().id);
        }
        let mut cursor = None;
        assert_eq!(read_on(&leads, &mut cursor).await.len(), 30);
        // These are dumped before anybody has read them.
        for id in &ids[..10] {
            crm.transition(*id, "contacted").await.unwrap();
        }
        // Numbers that transactions have on the old server are the future of a new one.
        let restored = Database::new(&schema, "restored").await;
        let dump = Command::new("pg_dump")
            .args(["--no-owner", "--schema", &schema.name, &schema.server])
            .output()
            .unwrap();
        assert!(
            dump.status.success(),
            "{}",
            String::from_utf8_lossy(&dump.stderr)
        );
        restored.restore(&dump.stdout);

        let leads = PostgresRepository::open(&restored.url).await.unwrap();
        verified(&leads).await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let late = crm.create(numbered(30)).await.unwrap().id;
        crm.transition(ids[0], "qualified").await.unwrap();
        let read = read_on(&leads, &mut cursor).await;
        let read: Vec<_> = read
            .iter()
            .map(|event| (event.lead, event.version.get()))
            .collect();
        let mut expected: Vec<_> = ids[..10].iter().map(|id| (*id, 2)).collect();
        expected.extend([(late, 1), (ids[0], 3)]);
        assert_eq!(read, expected);
        assert_eq!(read_on(&leads, &mut cursor).await, []);
        verified(&leads).await;
        leads.close().await;
        restored.drop().await;
    });
}
