//! On MySQL or MariaDB: many that write at once, and who reads meanwhile.

#![cfg(test)]

mod common;
mod servers;

use common::numbered;
use crm_core::crm::Crm;
use crm_core::event::{EventCursor, LeadEvent};
use crm_core::lead::{LeadId, LeadPatch, TenantId};
use crm_core::query::{LeadQuery, Limit, Total};
use crm_core::repository::{Applied, Repository, RepositoryErrorKind};
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx;
use servers::mysql::{Database, verified};
use std::collections::HashMap;
use std::time::Duration;

const READ_COMMITTED: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN";

async fn read_on(
    leads: &MySqlRepository,
    cursor: &mut Option<EventCursor>,
    limit: u32,
) -> Vec<LeadEvent> {
    let limit = Limit::new(limit).unwrap();
    let read = leads.events(&TenantId::DEFAULT, cursor.as_ref(), limit);
    let page = read.await.unwrap();
    *cursor = page.cursor;
    page.events
}

#[test]
fn an_event_that_is_committed_late_is_read_after_those_that_were_read() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let pool = database.pool(2).await;
        let mut cursor = None;
        assert_eq!(read_on(&leads, &mut cursor, 10).await.len(), 1);

        // The entries of the late one are drawn before those of the early one.
        let plan = crm.plan_create(numbered(1)).await.unwrap();
        let late = plan.leads().next().unwrap().id;
        let mut open = pool.begin().await.unwrap();
        MySqlRepository::commit_in(&mut open, &TenantId::DEFAULT, &plan)
            .await
            .unwrap();
        let early = crm.create(numbered(2)).await.unwrap().id;
        let read = read_on(&leads, &mut cursor, 10).await;
        assert_eq!(read.len(), 1, "nobody waits for the open transaction");
        assert_eq!(read[0].lead, early);
        assert_eq!(read_on(&leads, &mut cursor, 10).await, []);

        open.commit().await.unwrap();
        let read = read_on(&leads, &mut cursor, 10).await;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].lead, late);
        verified(&leads).await;
    });
}

#[test]
fn an_open_transaction_that_deletes_a_lead_holds_back_the_events_of_that_lead_alone() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let gone = crm.create(numbered(0)).await.unwrap().id;
        let other = crm.create(numbered(1)).await.unwrap().id;
        crm.transition(gone, "contacted").await.unwrap();
        let pool = database.pool(1).await;
        let plan = crm.plan_delete(gone).await.unwrap();
        let mut open = pool.begin_with(READ_COMMITTED).await.unwrap();
        MySqlRepository::commit_in(&mut open, &TenantId::DEFAULT, &plan)
            .await
            .unwrap();
        // Nobody has read anything yet. A reader that waited would wait for ever.
        let read = async {
            let mut cursor = None;
            let before = versions(&read_on(&leads, &mut cursor, 10).await);
            crm.transition(other, "contacted").await.unwrap();
            let meanwhile = versions(&read_on(&leads, &mut cursor, 10).await);
            (before, meanwhile, cursor)
        };
        let read = tokio::time::timeout(Duration::from_secs(60), read).await;
        let (before, meanwhile, mut cursor) = read.expect("the feed waits for a deletion");
        assert_eq!(before, [(other, 1)]);
        assert_eq!(meanwhile, [(other, 2)]);

        open.commit().await.unwrap();
        let after = versions(&read_on(&leads, &mut cursor, 10).await);
        assert_eq!(after, [(gone, 1), (gone, 2), (gone, 3)]);
        assert_eq!(read_on(&leads, &mut cursor, 10).await, []);
        verified(&leads).await;
    });
}

fn versions(events: &[LeadEvent]) -> Vec<(LeadId, u64)> {
    let versions = events.iter();
    versions
        .map(|event| (event.lead, event.version.get()))
        .collect()
}

#[test]
fn an_application_commits_or_rolls_back_with_its_own_transaction() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let first = crm.create(numbered(0)).await.unwrap().id;
        let pool = database.pool(1).await;
        servers::mysql::run(&pool, "CREATE TABLE orders (item TEXT)".to_owned()).await;
        let stale = crm.plan_transition(first, "contacted").await.unwrap();
        crm.transition(first, "contacted").await.unwrap();
        let plan = crm.plan_create(numbered(1)).await.unwrap();
        let tenant = &TenantId::DEFAULT;
        for is_committed in [false, true] {
            let mut open = pool.begin().await.unwrap();
            let order = sqlx::query("INSERT INTO orders VALUES ('a book')");
            order.execute(&mut *open).await.unwrap();
            let refused = MySqlRepository::commit_in(&mut open, tenant, &stale).await;
            let kind = refused.unwrap_err().kind().clone();
            assert!(
                matches!(kind, RepositoryErrorKind::Conflict { .. }),
                "{kind:?}"
            );
            // What was refused took nothing else with it.
            let done = MySqlRepository::commit_in(&mut open, tenant, &plan).await;
            assert_eq!(done.unwrap().applied, Applied::Now);
            match is_committed {
                true => open.commit().await.unwrap(),
                false => open.rollback().await.unwrap(),
            }
            let orders = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM orders");
            let orders = orders.fetch_one(&pool).await.unwrap();
            assert_eq!(orders, i64::from(is_committed));
            let count = crm.count(&LeadQuery::new()).await.unwrap();
            assert_eq!(count, 1 + u64::from(is_committed));
        }
        let again = leads.commit(tenant, &plan).await.unwrap();
        assert_eq!(again.applied, Applied::Before);
        verified(&leads).await;
    });
}

/// What a transaction read before is what it reads again, unless it locks.
#[test]
fn a_commit_in_an_old_snapshot_is_told_what_was_committed_since() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let other = crm.create(numbered(0)).await.unwrap().id;
        let gone = crm.plan_create(numbered(1)).await.unwrap();
        let plan = crm.plan_create(numbered(2)).await.unwrap();
        let pool = database.pool(1).await;
        let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN";
        let mut open = pool.begin_with(begin).await.unwrap();
        let events = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM crm_events");
        assert_eq!(events.fetch_one(&mut *open).await.unwrap(), 1);

        let tenant = &TenantId::DEFAULT;
        leads.commit(tenant, &gone).await.unwrap();
        let gone = gone.leads().next().unwrap().id;
        let stale = crm.plan_transition(gone, "contacted").await.unwrap();
        crm.delete(gone).await.unwrap();
        leads.commit(tenant, &plan).await.unwrap();

        let again = MySqlRepository::commit_in(&mut open, tenant, &plan).await;
        assert_eq!(again.unwrap().applied, Applied::Before);
        let expected = leads.commit(tenant, &stale).await.unwrap_err();
        let refused = MySqlRepository::commit_in(&mut open, tenant, &stale).await;
        assert_eq!(refused.unwrap_err().kind(), expected.kind());
        open.rollback().await.unwrap();
        assert_eq!(crm.get(other).await.unwrap().id, other);
        verified(&leads).await;
    });
}

/// Eight writers, of which half hold their transactions open for a while, and three readers of the
/// feed.
#[test]
fn no_reader_of_the_feed_misses_an_event_or_reads_one_twice() {
    Database::test(async |database| {
        const WRITERS: usize = 8;
        const ROUNDS: usize = 30;
        let leads = database.builder().connections(12).open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        let pool = database.pool(u32::try_from(WRITERS).unwrap()).await;
        let shared = crm.create(numbered(0)).await.unwrap().id;
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (crm, pool) = (crm.clone(), pool.clone());
            tasks.spawn(async move {
                for round in 0..ROUNDS {
                    if writer % 2 == 0 {
                        let plan = crm.plan_create(numbered(writer)).await.unwrap();
                        let mut open = pool.begin().await.unwrap();
                        MySqlRepository::commit_in(&mut open, &TenantId::DEFAULT, &plan)
                            .await
                            .unwrap();
                        for _ in 0..round % 7 {
                            sqlx::query("SELECT 1").execute(&mut *open).await.unwrap();
                        }
                        open.commit().await.unwrap();
                    } else {
                        let note = format!("{writer} {round}");
                        let patch = LeadPatch::new().notes(note);
                        crm.update(shared, patch).await.unwrap();
                    }
                }
            });
        }
        let expected = 1 + WRITERS * ROUNDS;
        let mut readers = tokio::task::JoinSet::new();
        for limit in [1, 7, 100] {
            let leads = leads.clone();
            readers.spawn(async move {
                let (mut cursor, mut seen) = (None, Vec::new());
                while seen.len() < expected {
                    seen.extend(read_on(&leads, &mut cursor, limit).await);
                }
                seen.extend(read_on(&leads, &mut cursor, limit).await);
                seen
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let mut orders = Vec::new();
        while let Some(seen) = readers.join_next().await {
            orders.push(seen.unwrap());
        }
        for seen in &orders {
            assert_eq!(seen.len(), expected);
            let mut versions = HashMap::new();
            for event in seen {
                let last: &mut u64 = versions.entry(event.lead).or_default();
                *last += 1;
                assert_eq!(event.version.get(), *last, "out of order");
            }
            assert_eq!(seen, &orders[0], "another order for another reader");
        }
        verified(&leads).await;
    });
}

#[test]
fn totals_are_exact_while_deltas_are_folded() {
    Database::test(async |database| {
        let leads = database.builder().connections(12).open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..6 {
            let crm = crm.clone();
            writers.spawn(async move {
                for round in 0..60 {
                    let lead = crm.create(numbered(writer)).await.unwrap();
                    if round % 3 == 0 {
                        crm.transition(lead.id, "contacted").await.unwrap();
                    }
                }
            });
        }
        let mut last = 0;
        while !writers.is_empty() {
            // A page and its total are of one moment.
            let query = LeadQuery::new().total(Total::Exact).limit(1_000);
            let page = crm.list(query).await.unwrap();
            let total = page.total.unwrap().count();
            assert_eq!(total, u64::try_from(page.items.len()).unwrap());
            assert!(total >= last);
            last = total;
            while let Some(done) = writers.try_join_next() {
                done.unwrap();
            }
        }
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 361);
        let contacted = LeadQuery::new().status("contacted");
        assert_eq!(crm.count(&contacted).await.unwrap(), 120);
        let pool = database.pool(1).await;
        let folded = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM crm_counters");
        let folded = folded.fetch_one(&pool).await.unwrap();
        assert!(folded > 0, "nobody has folded anything");
        verified(&leads).await;
    });
}

#[test]
fn deltas_of_commits_in_transactions_of_an_application_are_folded_by_who_reads() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        let pool = database.pool(1).await;
        let tenant = &TenantId::DEFAULT;
        for number in 0..5 {
            let plan = crm.plan_create(numbered(number)).await.unwrap();
            let mut open = pool.begin().await.unwrap();
            let done = MySqlRepository::commit_in(&mut open, tenant, &plan).await;
            done.unwrap();
            open.commit().await.unwrap();
        }
        let folded = "SELECT count(*) FROM crm_counters";
        let mut readings = 0;
        while sqlx::query_scalar::<_, i64>(folded)
            .fetch_one(&pool)
            .await
            .unwrap()
            == 0
        {
            // One in 32 folds, by chance.
            assert!(readings < 2_000, "nobody folds");
            crm.pipeline().await.unwrap();
            readings += 1;
        }
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 5);
        verified(&leads).await;
    });
}

#[test]
fn ten_that_start_at_once_make_the_tables_once() {
    Database::test(async |database| {
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let builder = database.builder().connections(2);
            starting.spawn(async move { drop(builder.open().await.unwrap()) });
        }
        while let Some(started) = starting.join_next().await {
            started.unwrap();
        }
        let pool = database.pool(1).await;
        servers::mysql::run(&pool, MySqlRepository::schema_sql()).await;
        MySqlRepository::migrate(&pool).await.unwrap();
        verified(&MySqlRepository::from_pool(pool).await.unwrap()).await;
    });
}

const UNFOLDED: &str = "
    INSERT INTO crm_counters (tenant, `key`, high, low)
    SELECT tenant, `key`, high, low FROM crm_deltas;
    INSERT INTO crm_deltas (tenant, `key`, high, low)
    SELECT tenant, `key`, -high, -low FROM crm_counters
";

#[test]
fn whatever_disagrees_is_told_and_keys_are_mended_by_rebuilding() {
    Database::test(async |database| {
        let leads = database.open().await;
        let crm = Crm::open(leads.clone()).await.unwrap();
        for number in 0..10 {
            crm.create(numbered(number)).await.unwrap();
        }
        let pool = database.pool(1).await;
        for (damage, told) in [
            (
                "UPDATE crm_leads SET name_sort = UNHEX('00')",
                "a key of it",
            ),
            ("UPDATE crm_leads SET words = UNHEX('00')", "a key of it"),
            ("UPDATE crm_leads SET email_key = NULL", "a key of it"),
            ("DELETE FROM crm_words WHERE word = 'acme'", "the words"),
            ("UPDATE crm_words SET archived = NOT archived", "the words"),
            ("DELETE FROM crm_tags", "the tags"),
            (
                "UPDATE crm_tags SET created_at = created_at + 1",
                "the tags",
            ),
            ("UPDATE crm_deltas SET low = low + 1", "the counters"),
            ("DELETE FROM crm_deltas WHERE low < 0", "the counters"),
            ("UPDATE crm_counters SET high = high + 1", "the counters"),
        ] {
            // A rebuild leaves deltas only. The counters get the same, and deltas that take it back.
            MySqlRepository::rebuild_indexes(&pool).await.unwrap();
            servers::mysql::run(&pool, UNFOLDED.to_owned()).await;
            verified(&leads).await;
            servers::mysql::run(&pool, damage.to_owned()).await;
            let found = leads.verify().await.unwrap();
            let is_told = |fault: &crm_store_sqlx::Fault| fault.to_string().contains(told);
            assert!(
                found.faults.iter().any(is_told),
                "{damage}: {:?}",
                found.faults
            );
        }
        MySqlRepository::rebuild_indexes(&pool).await.unwrap();
        verified(&leads).await;
        servers::mysql::run(
            &pool,
            "UPDATE crm_leads SET version = version + 1".to_owned(),
        )
        .await;
        assert!(!leads.verify().await.unwrap().is_clean());
    });
}

#[test]
fn a_lead_in_a_status_that_does_not_exist_is_refused_by_the_database() {
    Database::test(async |database| {
        let crm = Crm::open(database.open().await).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let pool = database.pool(1).await;
        let lost = sqlx::query("UPDATE crm_leads SET status = 'nowhere'").execute(&pool);
        assert!(lost.await.is_err());
        let lost = sqlx::query("DELETE FROM crm_statuses WHERE slug = 'new'").execute(&pool);
        assert!(lost.await.is_err());
        let shown = sqlx::query_scalar::<_, String>(
            "SELECT CONCAT(status_name, YEAR(created_at)) FROM crm_view_leads",
        );
        assert!(shown.fetch_one(&pool).await.unwrap().starts_with("New"));
    });
}
