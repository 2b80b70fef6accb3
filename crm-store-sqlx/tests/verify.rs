//! Whatever disagrees in a database is told.

#![cfg(test)]

mod common;

use common::{File, numbered, verified};
use crm_core::crm::Crm;
use crm_core::lead::LeadPatch;
use crm_core::query::LeadQuery;
use crm_store_sqlx::SqliteRepository;
use crm_store_sqlx::sqlx;

async fn lived(leads: &SqliteRepository) {
    let crm = Crm::open(leads.clone()).await.unwrap();
    for tenant in ["acme", "other"] {
        let crm = crm.tenant(tenant);
        for number in 0..10 {
            let lead = crm.create(numbered(number)).await.unwrap();
            crm.transition(lead.id, "contacted").await.unwrap();
            match number % 4 {
                0 => drop(crm.archive(lead.id).await.unwrap()),
                1 => crm.delete(lead.id).await.unwrap(),
                2 => drop(
                    crm.update(lead.id, LeadPatch::new().company("New"))
                        .await
                        .unwrap(),
                ),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_was_used_is_clean() {
    let file = File::new();
    let leads = file.open().await;
    verified(&leads).await;
    lived(&leads).await;
    let found = leads.verify().await.unwrap();
    assert!(found.is_clean(), "{:?}", found.faults);
    assert_eq!((found.tenants, found.leads), (2, 14));
    assert!(found.keys > 100);
}

#[tokio::test]
async fn every_kind_of_damage_is_told() {
    for (damage, told) in [
        (
            "UPDATE crm_leads SET name_sort = x'00' WHERE rowid = 1",
            "a key of it",
        ),
        (
            "UPDATE crm_leads SET words = x'00' WHERE rowid = 1",
            "a key of it",
        ),
        (
            "UPDATE crm_leads SET email_key = NULL WHERE rowid = 3",
            "a key of it",
        ),
        (
            "UPDATE crm_leads SET custom = '{' WHERE rowid = 1",
            "cannot be read",
        ),
        (
            "UPDATE crm_leads SET version = 9 WHERE rowid = 1",
            "its last event",
        ),
        ("DELETE FROM crm_leads WHERE rowid = 1", "the counters"),
        (
            "DELETE FROM crm_words WHERE word = CAST('acme' AS BLOB)",
            "the words",
        ),
        ("UPDATE crm_words SET archived = 1 - archived", "the words"),
        (
            "UPDATE crm_words SET word = CAST(word || 'a' AS BLOB) WHERE word = CAST('doe' AS BLOB)",
            "the words",
        ),
        ("DELETE FROM crm_tags", "the tags"),
        (
            "UPDATE crm_tags SET created_at = created_at + 1",
            "the tags",
        ),
        ("UPDATE crm_counters SET high = high + 1", "the counters"),
        ("DELETE FROM crm_counters", "the counters"),
    ] {
        let file = File::new();
        let leads = file.open().await;
        lived(&leads).await;
        let pool = file.pool(1).await;
        let done = sqlx::query(damage).execute(&pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{damage}");
        let found = leads.verify().await.unwrap();
        let is_told = |fault: &crm_store_sqlx::Fault| fault.to_string().contains(told);
        assert!(
            found.faults.iter().any(is_told),
            "{damage}: {:?}",
            found.faults
        );
        assert!(!found.is_clean());
    }
}

#[tokio::test]
async fn a_status_that_does_not_exist_is_told() {
    let file = File::new();
    let leads = file.open().await;
    lived(&leads).await;
    let mut connection = file.pool(1).await.acquire().await.unwrap();
    for sql in [
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM crm_statuses WHERE slug = 'contacted'",
    ] {
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
    }
    let found = leads.verify().await.unwrap();
    assert!(!found.is_clean());
}

#[tokio::test]
async fn damaged_keys_are_mended_by_rebuilding() {
    let file = File::new();
    let leads = file.open().await;
    lived(&leads).await;
    let pool = file.pool(1).await;
    for damage in [
        "UPDATE crm_leads SET name_sort = x'00', words = x'00'",
        "DELETE FROM crm_words",
        "UPDATE crm_tags SET created_at = created_at + 1",
        "UPDATE crm_counters SET low = low + 1",
    ] {
        sqlx::query(damage).execute(&pool).await.unwrap();
    }
    assert!(!leads.verify().await.unwrap().is_clean());
    SqliteRepository::rebuild_indexes(&pool).await.unwrap();
    verified(&leads).await;
    let crm = Crm::open(leads).await.unwrap();
    let count = crm.tenant("acme").count(&LeadQuery::new()).await.unwrap();
    assert_eq!(count, 4);
}

#[tokio::test]
async fn the_application_s_own_references_are_not_judged() {
    let file = File::new();
    let leads = file.open().await;
    lived(&leads).await;
    let sql = "
        PRAGMA foreign_keys = OFF;
        CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE children (parent INTEGER REFERENCES parents);
        CREATE TABLE mismatched (parent TEXT REFERENCES parents (name));
        INSERT INTO children VALUES (7);
        INSERT INTO mismatched VALUES ('a');
    ";
    sqlx::raw_sql(sql)
        .execute(&file.pool(1).await)
        .await
        .unwrap();
    verified(&leads).await;
}
