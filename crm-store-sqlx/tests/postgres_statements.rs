//! On PostgreSQL: how many statements each call sends, which are as many round trips once a connection
//! has prepared them: as many for a thousand leads as for one. `BEGIN` is counted, `COMMIT` is not.

#![cfg(test)]

mod common;
mod counting;
mod servers;

use common::{kind, numbered};
use counting::{TURN, beside_leads, counted, fewest};
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadPatch, TenantId};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::repository::{Applied, HistoryQuery, Repository, RepositoryErrorKind};
use crm_store_sqlx::{PostgresRepository, sqlx};
use servers::{Schema, leave_out, verified};

async fn opened(schema: &Schema) -> (PostgresRepository, Crm) {
    // One connection: opening another is a statement, too.
    let leads = schema.builder().connections(1).open().await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    // The first commit stores the lifecycle, too.
    crm.create(numbered(0)).await.unwrap();
    (leads, crm)
}

/// One statement, without `BEGIN`, which would be counted, and so without `COMMIT`.
#[test]
fn a_commit_is_one_statement_if_all_is_as_it_was_planned() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
        let tenant = &TenantId::DEFAULT;
        let mut plans = Vec::new();
        for number in 0..5 {
            plans.push(crm.plan_create(numbered(number)).await.unwrap());
        }
        let new = plans.iter().flat_map(|plan| plan.leads());
        let ids: Vec<_> = new.map(|lead| lead.id).collect();
        let commits = plans.iter().map(|plan| leads.commit(tenant, plan));
        assert_eq!(fewest(commits).await.0, 1);

        let patch = LeadPatch::new()
            .last_name("Smith")
            .notes("called")
            .tags(["hot"]);
        macro_rules! changes {
            ($($plan:expr),*) => {$(
                let mut plans = Vec::new();
                for id in &ids {
                    plans.push($plan(*id).await.unwrap());
                }
                let commits = plans.iter().map(|plan| leads.commit(tenant, plan));
                assert_eq!(fewest(commits).await.0, 1, stringify!($plan));
            )*};
        }
        changes!(
            async |id| crm.plan_update(id, patch.clone()).await.map(Option::unwrap),
            |id| crm.plan_transition(id, "contacted"),
            |id| crm.plan_delete(id)
        );

        let new: Vec<_> = (0..1_000).map(numbered).collect();
        let thousands = (0..5).map(|_| crm.create_many(&new));
        assert_eq!(fewest(thousands).await.0, 1, "a thousand leads");
        let ones = (0..5).map(|_| crm.create(numbered(1)));
        assert_eq!(fewest(ones).await.0, 1);
        verified(&leads).await;
    });
}

#[test]
fn on_connections_of_the_application_a_commit_is_begun_and_ended() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (_, crm) = opened(&schema).await;
        let pool = schema.pool(1).await;
        let leads = PostgresRepository::from_pool(pool.clone()).await.unwrap();
        let mut plans = Vec::new();
        for number in 0..5 {
            plans.push(crm.plan_create(numbered(number)).await.unwrap());
        }
        let commits = plans
            .iter()
            .map(|plan| leads.commit(&TenantId::DEFAULT, plan));
        // `BEGIN` and the statement; `COMMIT` is not counted.
        assert_eq!(fewest(commits).await.0, 2);

        // What a `begin` leaves behind that was dropped while it was sent.
        sqlx::query("BEGIN").execute(&pool).await.unwrap();
        let lead = Crm::open(leads)
            .await
            .unwrap()
            .create(numbered(5))
            .await
            .unwrap();
        assert_eq!(crm.get(lead.id).await.unwrap(), lead, "seen from elsewhere");
    });
}

#[test]
fn a_commit_that_is_refused_is_told_why_in_a_few_statements_more() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
        let tenant = &TenantId::DEFAULT;
        let id = crm.create(numbered(1)).await.unwrap().id;
        let stale = crm.plan_transition(id, "contacted").await.unwrap();
        let done = crm.plan_transition(id, "lost").await.unwrap();
        leads.commit(tenant, &done).await.unwrap();
        // The one statement, `BEGIN`, tenant and commit id, leads; and `ROLLBACK`.
        let (statements, refused) = counted(leads.commit(tenant, &stale)).await;
        assert!(matches!(
            kind(refused),
            Some(RepositoryErrorKind::Conflict { .. })
        ));
        assert_eq!(statements, 4);
        // The one statement, `BEGIN`, tenant and commit id, outcome, leads; and `COMMIT`.
        let agains = (0..5).map(|_| leads.commit(tenant, &done));
        let (statements, again) = fewest(agains).await;
        assert_eq!(again.unwrap().applied, Applied::Before);
        assert_eq!(statements, 5);
        verified(&leads).await;
    });
}

#[test]
fn what_is_read_is_read_by_one_statement() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
        for number in 0..60 {
            crm.create(numbered(number)).await.unwrap();
        }
        let tenant = &TenantId::DEFAULT;
        let query = || LeadQuery::new().status("new").assigned_to("user_1");
        let lead: Lead = crm.list(query()).await.unwrap().items.remove(0);

        assert_eq!(counted(leads.get(tenant, &[lead.id])).await.0, 1);
        assert_eq!(counted(leads.count(tenant, query().filter())).await.0, 1);
        let history = HistoryQuery::new();
        assert_eq!(counted(leads.history(tenant, lead.id, &history)).await.0, 1);
        leads.events(tenant, None, Limit::DEFAULT).await.unwrap();
        let limit = Limit::new(5).unwrap();
        assert_eq!(counted(leads.events(tenant, None, limit)).await.0, 1);

        for query in [
            query().total(Total::Exact),
            query().limit(5).total(Total::UpTo(3)),
            query().status("lost").sort(Sort::updated()),
            LeadQuery::new()
                .sort(Sort::name().descending())
                .total(Total::Exact),
            LeadQuery::new().tag("vip"),
            LeadQuery::new().source("website"),
            LeadQuery::new().email("john.1@example.com"),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, 1, "{query:?}");
        }
        for (query, most) in [
            (LeadQuery::new().sort(Sort::status()), 3),
            (LeadQuery::new().search("john"), 3),
            (LeadQuery::new().search("john").total(Total::Exact), 4),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, most, "{query:?}");
        }
    });
}

/// A plan for any values is kept after five for given ones, if it is not expected to be worse.
#[test]
fn a_commit_of_one_lead_is_not_planned_each_time() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let pool = schema.pool(1).await;
        PostgresRepository::migrate(&pool).await.unwrap();
        let leads = PostgresRepository::from_pool(pool.clone()).await.unwrap();
        let crm = Crm::open(leads).await.unwrap();
        for number in 0..20 {
            let lead = crm.create(numbered(number)).await.unwrap();
            crm.transition(lead.id, "contacted").await.unwrap();
        }
        let sql = "
            SELECT count(*), coalesce(max(custom_plans), 0) FROM pg_prepared_statements
            WHERE statement LIKE '%INSERT INTO crm_commits%' AND generic_plans + custom_plans > 5
        ";
        let (kinds, planned): (i64, i64) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
        assert_eq!((kinds, planned), (2, 5), "new leads, and moved ones");
    });
}

/// Of a table that was never analyzed, a plan for all of them at once reads every event.
#[test]
fn a_thousand_new_leads_are_looked_up_one_by_one() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let pool = schema.pool(1).await;
        let version = sqlx::query_scalar::<_, String>("SHOW server_version_num");
        let version = version.fetch_one(&pool).await.unwrap();
        if version.parse::<u32>().unwrap() < 150_000 {
            leave_out("how leads are looked up", "the server is older than 15");
            return;
        }
        PostgresRepository::migrate(&pool).await.unwrap();
        let leads = PostgresRepository::from_pool(pool.clone()).await.unwrap();
        let crm = Crm::open(leads).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let fill = "
            ALTER TABLE crm_events SET (autovacuum_enabled = false);
            INSERT INTO crm_events (tenant, lead, version, at, commit_id, kind)
            SELECT tenant, decode(md5(n::text), 'hex'), 1, n, decode(md5(n::text), 'hex'), 'created'
            FROM crm_tenants, generate_series(1, 100000) AS numbers (n);
        ";
        sqlx::raw_sql(fill).execute(&pool).await.unwrap();

        let scans = async || {
            let told = sqlx::query("SELECT pg_stat_force_next_flush()");
            told.execute(&pool).await.unwrap();
            let sql = "
                SELECT seq_scan, idx_scan FROM pg_stat_user_tables
                WHERE relid = 'crm_events'::regclass
            ";
            let scans = sqlx::query_as::<_, (i64, i64)>(sql);
            scans.fetch_one(&pool).await.unwrap()
        };
        let before = scans().await;
        let new: Vec<_> = (1..=1_000).map(numbered).collect();
        let created = crm.create_many(&new).await.unwrap();
        assert!(created.iter().all(Result::is_ok));
        let after = scans().await;
        assert_eq!(after.0, before.0, "every event is read");
        assert!(after.1 - before.1 >= 1_000, "{before:?}, {after:?}");
    });
}

#[test]
fn what_is_beside_leads_is_a_few_statements() {
    Schema::test(async |schema| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&schema).await;
        assert_eq!(beside_leads(&leads, &crm).await, [8, 5]);
    });
}
