//! Opening: what is made, what is refused, and what several do at once.

#![cfg(test)]

mod common;

use common::{File, kind, numbered, verified};
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::query::{LeadQuery, Limit};
use crm_core::repository::{Repository, RepositoryErrorKind as Kind};
use crm_store_sqlx::SqliteRepository;
use crm_store_sqlx::sqlx::{self, SqlitePool};
use std::process::Command;
use std::time::Duration;

#[tokio::test]
async fn a_path_and_a_url_open_the_same_database() {
    let file = File::new();
    let lead = file.crm().await.create(numbered(1)).await.unwrap();
    for name in [
        file.path(),
        format!("sqlite:{}", file.path()),
        format!("sqlite://{}", file.path()),
    ] {
        let crm = Crm::open(SqliteRepository::open(name).await.unwrap())
            .await
            .unwrap();
        assert_eq!(crm.get(lead.id).await.unwrap(), lead);
    }
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_its_repository() {
    for name in [":memory:", "sqlite::memory:"] {
        let leads = SqliteRepository::open(name).await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        let create = |number| {
            let crm = crm.clone();
            tokio::spawn(async move { crm.create(numbered(number)).await.unwrap() })
        };
        for task in (0..20).map(create).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 20);
        verified(&leads).await;
        let other = Crm::open(SqliteRepository::open(name).await.unwrap())
            .await
            .unwrap();
        assert_eq!(
            other.count(&LeadQuery::new()).await.unwrap(),
            0,
            "each is its own"
        );
    }
}

/// Readers map the file while it grows and is vacuumed; tags must still lead to the right rows.
#[tokio::test]
async fn readers_that_map_the_file_see_it_grow_and_shrink() {
    let file = File::new();
    let builder = SqliteRepository::builder(file.path()).mmap_kib(1 << 20);
    let leads = builder.open().await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    let pool = file.pool(1).await;
    let size = || std::fs::metadata(file.path()).unwrap().len();
    let query = || LeadQuery::new().tag("vip").limit(1_000);
    let mut kept = 0;
    for round in 0..3 {
        let new: Vec<_> = (0..400)
            .map(|number| numbered(round * 400 + number))
            .collect();
        for lead in crm.create_many(&new).await.unwrap() {
            lead.unwrap();
        }
        let list = crm.list(query()).await.unwrap().items;
        assert_eq!(list.len(), kept + 400);
        let (gone, stay) = list.split_at(380);
        for lead in gone {
            crm.delete(lead.id).await.unwrap();
        }
        let grown = size();
        for sql in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
        assert!(size() < grown, "the file shrank");
        assert_eq!(crm.list(query()).await.unwrap().items, stay);
        kept = stay.len();
        verified(&leads).await;
    }
}

#[tokio::test]
async fn tables_that_are_not_there_are_asked_for() {
    let file = File::new();
    let pool = file.pool(1).await;
    let refused = SqliteRepository::from_pool(pool.clone()).await.unwrap_err();
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("run `migrate` first"), "{source}");
    let builder = SqliteRepository::builder(file.path()).without_migrating();
    assert_eq!(kind(builder.open().await), Some(Kind::Other));
    SqliteRepository::migrate(&pool).await.unwrap();
    SqliteRepository::from_pool(pool).await.unwrap();
}

#[tokio::test]
async fn the_printed_schema_is_what_migrate_makes() {
    let (by_hand, migrated) = (File::new(), File::new());
    let pool = by_hand.pool(1).await;
    for _ in 0..2 {
        let sql = sqlx::AssertSqlSafe(SqliteRepository::schema_sql());
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    }
    let crm = Crm::open(SqliteRepository::from_pool(pool.clone()).await.unwrap())
        .await
        .unwrap();
    crm.create(numbered(1)).await.unwrap();
    let schema = async |pool: &SqlitePool| -> Vec<String> {
        let sql = "SELECT name || coalesce(sql, '') FROM sqlite_schema
            WHERE name LIKE '%crm%' AND tbl_name <> 'crm_migrations' ORDER BY name";
        sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
    };
    let other = migrated.pool(1).await;
    SqliteRepository::migrate(&other).await.unwrap();
    assert_eq!(schema(&pool).await, schema(&other).await);
    // Migrating takes over what was made by hand, and is done when it has run.
    for _ in 0..3 {
        SqliteRepository::migrate(&pool).await.unwrap();
    }
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 1);
}

#[tokio::test]
async fn our_migrations_are_not_the_application_s() {
    let file = File::new();
    let pool = file.pool(1).await;
    SqliteRepository::migrate(&pool).await.unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
    assert!(names.iter().any(|name| name == "crm_migrations"));
    assert!(
        names.iter().all(|name| name.starts_with("crm_")),
        "{names:?}"
    );
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let file = File::new();
    drop(file.open().await);
    let pool = file.pool(1).await;
    let sql = "UPDATE crm_meta SET value = 7 WHERE name = 'format'";
    sqlx::query(sql).execute(&pool).await.unwrap();
    let expected = Some(Kind::NewerFormat {
        found: 7,
        supported: 1,
    });
    assert_eq!(kind(SqliteRepository::open(file.path()).await), expected);
    assert_eq!(kind(SqliteRepository::migrate(&pool).await), expected);
    assert_eq!(kind(SqliteRepository::from_pool(pool).await), expected);
}

#[tokio::test]
async fn tables_and_keys_of_a_newer_version_are_not_rebuilt() {
    for name in ["format", "folding", "layout"] {
        let file = File::new();
        drop(file.open().await);
        let pool = file.pool(1).await;
        let sql = "UPDATE crm_meta SET value = 99 WHERE name = ?";
        sqlx::query(sql).bind(name).execute(&pool).await.unwrap();
        let refused = kind(SqliteRepository::rebuild_indexes(&pool).await);
        assert!(
            matches!(refused, Some(Kind::NewerFormat { found: 99, .. })),
            "{name}: {refused:?}"
        );
        let sql = "SELECT value FROM crm_meta WHERE name = ?";
        let kept: i64 = sqlx::query_scalar(sql)
            .bind(name)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(kept, 99);
    }
}

#[tokio::test]
async fn a_running_process_stops_writing_when_a_newer_version_has_come() {
    let file = File::new();
    let leads = file.open().await;
    let crm = Crm::open(leads.clone()).await.unwrap();
    crm.create(numbered(0)).await.unwrap();
    let pool = file.pool(1).await;
    for tenant in ["default", "new"] {
        let tenant: TenantId = tenant.parse().unwrap();
        let plan = crm.tenant(tenant.clone());
        let plan = plan.plan_create(numbered(1)).await.unwrap();
        for (change, back, expected) in [
            ("value + 1", "value - 1", None),
            ("value - 1", "value + 1", Some(Kind::OutdatedIndexes)),
        ] {
            let name = if expected.is_some() {
                "folding"
            } else {
                "format"
            };
            let set = |change| {
                let sql = format!("UPDATE crm_meta SET value = {change} WHERE name = '{name}'");
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool)
            };
            set(change).await.unwrap();
            for refused in [
                kind(leads.commit(&tenant, &plan).await),
                kind(leads.erase_tenant(&tenant).await),
            ] {
                match &expected {
                    Some(_) => assert_eq!(refused, expected),
                    None => assert!(matches!(refused, Some(Kind::NewerFormat { .. }))),
                }
            }
            set(back).await.unwrap();
        }
        leads.commit(&tenant, &plan).await.unwrap();
    }
    verified(&leads).await;
}

#[tokio::test]
async fn any_busy_timeout_may_be_asked_for() {
    let file = File::new();
    for timeout in [Duration::ZERO, Duration::MAX] {
        let builder = SqliteRepository::builder(file.path()).busy_timeout(timeout);
        builder.open().await.unwrap();
    }
}

#[tokio::test]
async fn indexes_made_by_other_rules_are_refused_until_they_are_rebuilt() {
    let file = File::new();
    let crm = file.crm().await;
    for number in 0..30 {
        crm.create(numbered(number)).await.unwrap();
    }
    drop(crm);
    let pool = file.pool(1).await;
    let sql = "
        UPDATE crm_meta SET value = value - 1 WHERE name = 'folding';
        UPDATE crm_leads SET name_sort = x'00', words = x'00';
        DELETE FROM crm_words;
        UPDATE crm_tags SET tag = 'other';
    ";
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    let expected = Some(Kind::OutdatedIndexes);
    assert_eq!(kind(SqliteRepository::open(file.path()).await), expected);
    assert_eq!(kind(SqliteRepository::from_pool(pool).await), expected);
    let builder = SqliteRepository::builder(file.path()).rebuilding_indexes();
    let leads = builder.open().await.unwrap();
    verified(&leads).await;
    let crm = Crm::open(leads).await.unwrap();
    let found = crm
        .list(LeadQuery::new().search("doe").tag("vip"))
        .await
        .unwrap();
    assert_eq!(found.items.len(), 30);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_damaged() {
    let file = File::new();
    std::fs::write(
        file.path(),
        "This is no database, but a text of some length.".repeat(50),
    )
    .unwrap();
    let refused = kind(SqliteRepository::open(file.path()).await);
    assert!(matches!(refused, Some(Kind::Corrupt { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let file = File::new();
    let pool = file.pool(1).await;
    drop(pool);
    std::fs::remove_file(file.path()).unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(true)
        .pragma("encoding", "'UTF-16le'");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE orders (item TEXT)")
        .execute(&pool)
        .await
        .unwrap();
    let refused = kind(SqliteRepository::migrate(&pool).await);
    assert!(
        matches!(refused, Some(Kind::Unsupported { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn tables_made_by_hand_in_another_encoding_are_refused() {
    let file = File::new();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(true)
        .pragma("encoding", "'UTF-16le'");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let sql = sqlx::AssertSqlSafe(SqliteRepository::schema_sql());
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    let refused = kind(SqliteRepository::from_pool(pool).await);
    assert!(
        matches!(refused, Some(Kind::Unsupported { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn several_connections_to_databases_in_memory_of_their_own_are_refused() {
    for (is_shared, most, expected) in [(false, 1, true), (false, 2, false), (true, 2, true)] {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(format!("file:several-{is_shared}-{most}"))
            .in_memory(true)
            .shared_cache(is_shared);
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(most);
        let pool = pool.connect_with(options).await.unwrap();
        SqliteRepository::migrate(&pool).await.unwrap();
        let opened = SqliteRepository::from_pool(pool).await;
        assert_eq!(opened.is_ok(), expected, "{opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_tasks_may_open_a_new_database_at_once() {
    for _ in 0..5 {
        let file = File::new();
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let path = file.path();
                tokio::spawn(async move {
                    let crm = Crm::open(SqliteRepository::open(path).await.unwrap())
                        .await
                        .unwrap();
                    crm.create(numbered(number)).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let leads = file.open().await;
        verified(&leads).await;
        let crm = Crm::open(leads).await.unwrap();
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 10);
    }
}

const PATH: &str = "CRM_OPENING_TEST_PATH";

#[tokio::test]
async fn ten_processes_may_open_a_new_database_at_once() {
    // What each of the ten does: this very test, started with a path.
    if let Ok(path) = std::env::var(PATH) {
        let crm = Crm::open(SqliteRepository::open(path).await.unwrap())
            .await
            .unwrap();
        crm.create(numbered(1)).await.unwrap();
        return;
    }
    let file = File::new();
    let processes: Vec<_> = (0..10)
        .map(|_| {
            let mut process = Command::new(std::env::current_exe().unwrap());
            process.args(["--exact", "ten_processes_may_open_a_new_database_at_once"]);
            process.env(PATH, file.path());
            process.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let leads = file.open().await;
    verified(&leads).await;
    let crm = Crm::open(leads).await.unwrap();
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 10);
}

#[tokio::test]
async fn a_busy_database_is_unavailable_and_then_goes_on() {
    let file = File::new();
    drop(file.open().await);
    let leads = SqliteRepository::builder(file.path()).busy_timeout(Duration::from_millis(1));
    let leads = leads.open().await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    let lead = crm.create(numbered(1)).await.unwrap();
    let plan = crm.plan_create(numbered(2)).await.unwrap();

    let pool = file.pool(1).await;
    let mut other = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("CREATE TABLE orders (item TEXT)")
        .execute(&mut *other)
        .await
        .unwrap();
    let refused = leads.commit(&TenantId::DEFAULT, &plan).await.unwrap_err();
    assert_eq!(*refused.kind(), Kind::Unavailable);
    assert!(refused.is_retryable());
    assert_eq!(crm.get(lead.id).await.unwrap(), lead, "readers do not wait");
    other.commit().await.unwrap();

    leads.commit(&TenantId::DEFAULT, &plan).await.unwrap();
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 2);
    verified(&leads).await;
}

#[tokio::test]
async fn an_event_of_a_kind_that_is_not_known_is_not_called_damage() {
    let file = File::new();
    let leads = file.open().await;
    let crm = Crm::open(leads.clone()).await.unwrap();
    crm.create(numbered(1)).await.unwrap();
    let sql = "
        PRAGMA ignore_check_constraints = ON;
        UPDATE crm_events SET kind = 'merged';
    ";
    sqlx::raw_sql(sql)
        .execute(&file.pool(1).await)
        .await
        .unwrap();
    let told = kind(leads.events(&TenantId::DEFAULT, None, Limit::DEFAULT).await);
    assert!(matches!(told, Some(Kind::Unsupported { .. })), "{told:?}");
}
