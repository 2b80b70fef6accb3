//! One database for the application's tables and ours, one transaction for both.

#![cfg(test)]

mod common;

use common::{Call, Dropped, File, kind, numbered, repeats, verified};
use crm_core::crm::Crm;
use crm_core::lead::{LeadPatch, TenantId};
use crm_core::query::LeadQuery;
use crm_core::repository::{Applied, Repository as _, RepositoryErrorKind};
use crm_store_sqlx::SqliteRepository;
use crm_store_sqlx::sqlx::sqlite::SqlitePoolOptions;
use crm_store_sqlx::sqlx::{self, Connection as _, SqliteConnection, SqlitePool};

async fn shared(file: &File) -> (SqlitePool, SqliteRepository, Crm) {
    let pool = file.pool(4).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    sqlx::query("CREATE TABLE orders (item TEXT)")
        .execute(&pool)
        .await
        .unwrap();
    let leads = SqliteRepository::from_pool(pool.clone()).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    (pool, leads, crm)
}

async fn orders(pool: &SqlitePool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM orders");
    count.fetch_one(pool).await.unwrap()
}

const ORDER: &str = "INSERT INTO orders VALUES ('a book')";

#[tokio::test]
async fn what_is_planned_comes_to_be_with_the_transaction_that_it_is_in() {
    let file = File::new();
    let (pool, leads, crm) = shared(&file).await;
    let plan = crm.plan_create(numbered(1)).await.unwrap();
    for is_kept in [false, true] {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
        let tenant = &TenantId::DEFAULT;
        let done = SqliteRepository::commit_in(&mut transaction, tenant, &plan)
            .await
            .unwrap();
        assert_eq!(done.applied, Applied::Now);
        if is_kept {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let count = crm.count(&LeadQuery::new()).await.unwrap();
        assert_eq!(
            (count, orders(&pool).await),
            (is_kept.into(), is_kept.into())
        );
    }
    verified(&leads).await;
}

#[tokio::test]
async fn a_refused_set_leaves_the_rest_of_the_transaction_as_it_is() {
    let file = File::new();
    let (pool, leads, crm) = shared(&file).await;
    let lead = crm.create(numbered(1)).await.unwrap();
    let stale = crm
        .plan_update(lead.id, LeadPatch::new().notes("stale"))
        .await
        .unwrap()
        .unwrap();
    crm.update(lead.id, LeadPatch::new().notes("newer"))
        .await
        .unwrap();

    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
    let tenant = &TenantId::DEFAULT;
    let refused = SqliteRepository::commit_in(&mut transaction, tenant, &stale).await;
    assert!(matches!(
        kind(refused),
        Some(RepositoryErrorKind::Conflict { .. })
    ));
    sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();

    assert_eq!(orders(&pool).await, 2);
    assert_eq!(
        crm.get(lead.id).await.unwrap().notes.as_deref(),
        Some("newer")
    );
    verified(&leads).await;
}

#[tokio::test]
async fn a_connection_without_a_transaction_gets_one() {
    let file = File::new();
    let (pool, leads, crm) = shared(&file).await;
    let plan = crm.plan_create(numbered(1)).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let tenant = &TenantId::DEFAULT;
    SqliteRepository::commit_in(&mut connection, tenant, &plan)
        .await
        .unwrap();
    assert!(!connection.is_in_transaction());
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 1);
    let again = SqliteRepository::commit_in(&mut connection, tenant, &plan)
        .await
        .unwrap();
    assert_eq!(again.applied, Applied::Before);
    verified(&leads).await;
}

#[tokio::test]
async fn a_set_that_fails_half_way_is_taken_back_to_its_beginning() {
    let file = File::new();
    let (pool, leads, crm) = shared(&file).await;
    crm.create(numbered(1)).await.unwrap();
    let plan = crm.plan_create(numbered(2)).await.unwrap();
    // Fails after the lead and its event are written.
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON crm_commits
        BEGIN SELECT raise(ABORT, 'trapped'); END";
    sqlx::query(trap).execute(&pool).await.unwrap();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let tenant = &TenantId::DEFAULT;
    let failed = SqliteRepository::commit_in(&mut transaction, tenant, &plan).await;
    assert_eq!(kind(failed), Some(RepositoryErrorKind::Other));
    sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(
        crm.create(numbered(3)).await.is_err(),
        "its own transaction fails the same way"
    );
    sqlx::query("DROP TRIGGER trap")
        .execute(&pool)
        .await
        .unwrap();

    assert_eq!(
        (
            crm.count(&LeadQuery::new()).await.unwrap(),
            orders(&pool).await
        ),
        (1, 1)
    );
    crm.create(numbered(3)).await.unwrap();
    verified(&leads).await;
}

#[tokio::test]
async fn the_database_keeps_leads_in_statuses_that_exist() {
    let file = File::new();
    let (pool, _, crm) = shared(&file).await;
    crm.create(numbered(1)).await.unwrap();
    for wrong in [
        "UPDATE crm_leads SET status = 'nowhere'",
        "DELETE FROM crm_statuses WHERE slug = 'new'",
        "UPDATE crm_statuses SET slug = 'old' WHERE slug = 'new'",
        "INSERT INTO crm_transitions SELECT tenant, 'new', 'nowhere' FROM crm_tenants",
    ] {
        assert!(sqlx::query(wrong).execute(&pool).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn other_programs_read_leads_with_timestamps_and_names() {
    let file = File::new();
    let (pool, _, crm) = shared(&file).await;
    let lead = crm.create(numbered(1)).await.unwrap();
    crm.transition(lead.id, "contacted").await.unwrap();
    let sql = "SELECT tenant, last_name, status_name, created_at FROM crm_view_leads";
    let row: (String, String, String, String) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
    let at = lead.created_at.format("%Y-%m-%dT%H:%M:").to_string();
    assert_eq!(
        (&*row.0, &*row.1, &*row.2),
        ("default", "Doe 1", "Contacted")
    );
    assert!(row.3.starts_with(&at) && row.3.ends_with('Z'), "{}", row.3);
    let sql = "SELECT kind, from_status, to_status FROM crm_view_events ORDER BY number DESC";
    let row: (String, String, String) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
    assert_eq!(
        (&*row.0, &*row.1, &*row.2),
        ("status_changed", "new", "contacted")
    );
    let sql = "SELECT count(*) FROM crm_transitions WHERE from_status = 'new'";
    let next: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
    assert!(next > 1);
}

#[tokio::test]
async fn dropping_a_shared_commit_at_any_await_leaves_the_transaction_as_it_is() {
    for polls in 1..=8 {
        for _ in 0..repeats() {
            let file = File::new();
            let (pool, leads, crm) = shared(&file).await;
            let plan = crm.plan_create(numbered(1)).await.unwrap();
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
            let call: Call<'_> = Box::pin(async {
                let tenant = &TenantId::DEFAULT;
                let done = SqliteRepository::commit_in(&mut transaction, tenant, &plan).await;
                Ok(done.map(drop)?)
            });
            let call = Some(call);
            let is_done = Dropped { call, polls }.await;
            sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
            assert_eq!(orders(&pool).await, 0, "nothing is committed yet");
            transaction.commit().await.unwrap();
            assert_eq!(orders(&pool).await, 2, "after {polls} polls");
            let count = crm.count(&LeadQuery::new()).await.unwrap();
            assert_eq!(count, u64::from(is_done));
            verified(&leads).await;
        }
    }
}

#[tokio::test]
async fn a_transaction_that_read_before_others_wrote_is_to_be_begun_anew() {
    let file = File::new();
    let (pool, _, crm) = shared(&file).await;
    crm.create(numbered(0)).await.unwrap();
    let plan = crm.plan_create(numbered(1)).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let read = sqlx::query("SELECT * FROM orders");
    read.fetch_all(&mut *transaction).await.unwrap();
    crm.create(numbered(2)).await.unwrap();
    let tenant = &TenantId::DEFAULT;
    let refused = SqliteRepository::commit_in(&mut transaction, tenant, &plan)
        .await
        .unwrap_err();
    assert!(!refused.is_retryable());
    let told = std::error::Error::source(&refused).unwrap().to_string();
    assert!(told.contains("roll it back"), "{told}");
    transaction.rollback().await.unwrap();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    SqliteRepository::commit_in(&mut transaction, tenant, &plan)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_commit_that_a_constraint_of_the_application_refuses_is_not_in_doubt() {
    let file = File::new();
    let (pool, leads, crm) = shared(&file).await;
    let sql = "
        CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE children (
            parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED
        );
        CREATE TRIGGER trap AFTER INSERT ON crm_leads BEGIN INSERT INTO children VALUES (7); END;
    ";
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    let plan = crm.plan_create(numbered(1)).await.unwrap();
    let refused = leads.commit(&TenantId::DEFAULT, &plan).await.unwrap_err();
    assert_eq!(*refused.kind(), RepositoryErrorKind::Other);
    assert!(!refused.is_retryable());
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 0);
}

/// A connection whose database may not grow any more.
async fn fill(connection: &mut SqliteConnection) {
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(sql).execute(connection).await.unwrap();
}

const NO_LIMIT: &str = "PRAGMA max_page_count = 1000000";

#[tokio::test]
async fn a_connection_whose_disk_was_full_in_a_shared_commit_goes_on() {
    let file = File::new();
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool.clone()).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    crm.create(numbered(0)).await.unwrap();
    let long = numbered(1).notes("x".repeat(16_000));
    let plan = crm.plan_create(long).await.unwrap();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    fill(&mut transaction).await;
    let tenant = &TenantId::DEFAULT;
    let full = SqliteRepository::commit_in(&mut transaction, tenant, &plan).await;
    assert_eq!(kind(full), Some(RepositoryErrorKind::Other));
    assert!(transaction.commit().await.is_err(), "SQLite has ended it");
    sqlx::query(NO_LIMIT).execute(&pool).await.unwrap();
    crm.create(numbered(2)).await.unwrap();
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 2);
    verified(&leads).await;
}

#[tokio::test]
async fn a_database_in_memory_goes_on_after_it_was_full() {
    let one = SqlitePoolOptions::new().max_connections(1);
    let pool = one.connect("sqlite::memory:").await.unwrap();
    SqliteRepository::migrate(&pool).await.unwrap();
    let leads = SqliteRepository::from_pool(pool.clone()).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    let lead = crm.create(numbered(0)).await.unwrap();
    fill(&mut pool.acquire().await.unwrap()).await;
    let long = || LeadPatch::new().notes("x".repeat(16_000));
    assert!(crm.update(lead.id, long()).await.is_err());
    sqlx::query(NO_LIMIT).execute(&pool).await.unwrap();
    crm.update(lead.id, long()).await.unwrap();
    crm.create(numbered(1)).await.unwrap();
    verified(&leads).await;
}
