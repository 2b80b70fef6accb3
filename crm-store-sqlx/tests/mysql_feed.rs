//! On MySQL or MariaDB: the feed beside a writer that idles elsewhere on the server, and after a dump
//! was restored.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::{LeadId, TenantId};
use crm_core::query::Limit;
use crm_core::repository::Repository as _;
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx;
use servers::leave_out;
use servers::mysql::{Database, run, verified};

async fn read_on(leads: &MySqlRepository, cursor: &mut Option<EventCursor>) -> Vec<LeadEvent> {
    let read = leads.events(&TenantId::DEFAULT, cursor.as_ref(), Limit::DEFAULT);
    let page = read.await.unwrap();
    *cursor = page.cursor;
    page.events
}

fn versions(events: &[LeadEvent]) -> Vec<(LeadId, u64)> {
    let versions = events.iter();
    versions
        .map(|event| (event.lead, event.version.get()))
        .collect()
}

#[test]
fn the_feed_goes_on_beside_a_writer_that_idles_in_another_database() {
    Database::test(async |database| {
        let elsewhere = database.another().await;
        let pool = elsewhere.pool(1).await;
        run(&pool, "CREATE TABLE mine (number BIGINT)".to_owned()).await;
        let mut idle = pool.begin().await.unwrap();
        let write = sqlx::query("INSERT INTO mine VALUES (1)");
        write.execute(&mut *idle).await.unwrap();
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let mut cursor = None;
        for number in 0..10 {
            let lead = crm.create(numbered(number)).await.unwrap();
            let read = read_on(&leads, &mut cursor).await;
            let what = "nobody waits for the other database";
            assert_eq!(versions(&read), [(lead.id, 1)], "{what}");
        }
        idle.commit().await.unwrap();
        assert_eq!(read_on(&leads, &mut cursor).await, []);
        elsewhere.drop().await;
    });
}

#[test]
fn after_a_dump_is_restored_the_feed_goes_on_where_it_was() {
    Database::test(async |database| {
        let leads = database.open().await;
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
        let Some(dump) = database.dump() else {
            return leave_out("dumps", "there is no mariadb-dump or mysqldump");
        };
        let restored = database.another().await;
        restored.restore(&dump);

        let leads = restored.open().await;
        verified(&leads).await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let late = crm.create(numbered(30)).await.unwrap().id;
        crm.transition(ids[0], "qualified").await.unwrap();
        let mut expected: Vec<_> = ids[..10].iter().map(|id| (*id, 2)).collect();
        expected.extend([(late, 1), (ids[0], 3)]);
        assert_eq!(versions(&read_on(&leads, &mut cursor).await), expected);
        assert_eq!(read_on(&leads, &mut cursor).await, []);
        verified(&leads).await;
        leads.close().await;
        restored.drop().await;
    });
}
