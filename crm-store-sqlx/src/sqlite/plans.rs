//! Tests of what SQLite makes of the statements: each kind of list is answered by its index, at
//! any depth, and no more than a page is ever sorted.

use super::SqliteRepository;
use crate::count::widths_sql;
use crate::list::Listing;
use crate::plan::{Keys, Parts, Plan, ways};
use crate::reading::Reading as _;
use crate::shapes::{ORDER, all_pages, at, sorts};
use crate::statement::Statement;
use crm_core::lead::TenantId;
use crm_core::query::{Archived, LeadQuery};
use sqlx::{Row as _, SqliteConnection};

/// How many leads there are: enough for every index to be worth its while.
const LEADS: i64 = 100_000;

/// Leads that differ in everything, in a database that knows its statistics.
const FILL: &str = "
    INSERT INTO crm_tenants (tenant, name) VALUES (1, 'default');
    INSERT INTO crm_statuses
        (tenant, slug, number, position, name, colour, kind, probability)
    VALUES
        (1, 'new', 1, 0, 'New', '#000000', 'open', 0),
        (1, 'contacted', 2, 1, 'Contacted', '#000000', 'open', 0),
        (1, 'lost', 3, 2, 'Lost', '#000000', 'lost', 0);
    WITH RECURSIVE numbers (n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1
    )
    INSERT INTO crm_leads (
        tenant, id, version, status, assigned_to, source, created_at, updated_at,
        status_changed_at, archived_at, archived, value_currency, value_minor, name_sort,
        company_sort, email_sort, email_key, company, words
    )
    SELECT
        1, cast(format('%016d', n) AS BLOB), 1,
        CASE n % 10 WHEN 0 THEN 'lost' WHEN 1 THEN 'contacted' ELSE 'new' END,
        CASE n % 7 WHEN 0 THEN NULL ELSE 'user_' || n % 100 END,
        CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'event' ELSE 'website' END,
        n * 1000, n * 1000 + n % 17, n * 1000 + n % 19,
        iif(n % 20 = 0, n * 1000, NULL), n % 20 = 0,
        iif(n % 3 = 0, NULL, 'USD'), iif(n % 3 = 0, NULL, n % 1000),
        iif(n % 3 = 0, NULL, cast('name ' || n % 1000 AS BLOB)),
        cast('company ' || n % 1000 AS BLOB),
        iif(n % 3 = 0, NULL, cast('e-mail ' || n AS BLOB)), iif(n % 3 = 0, NULL, 'e-mail ' || n),
        'company', x'00'
    FROM numbers;
    INSERT INTO crm_tags SELECT tenant, archived, 'vip', created_at, id FROM crm_leads;
    INSERT INTO crm_words SELECT tenant, archived, cast('common' AS BLOB), id FROM crm_leads;
    INSERT INTO crm_words
        SELECT tenant, archived, cast('rare' || created_at AS BLOB), id FROM crm_leads;
    INSERT INTO crm_counters VALUES (1, x'000101', 0, ?1);
";

/// One lead, in a database that knows its statistics.
const ONE: &str = "
    INSERT INTO crm_tenants (tenant, name) VALUES (1, 'default');
    INSERT INTO crm_statuses
        (tenant, slug, number, position, name, colour, kind, probability)
    VALUES
        (1, 'new', 1, 0, 'New', '#000000', 'open', 0);
    INSERT INTO crm_leads (
        tenant, id, version, status, created_at, updated_at, status_changed_at, archived, words
    )
    VALUES (1, x'01', 1, 'new', 1, 1, 1, false, x'00');
    INSERT INTO crm_tags SELECT tenant, archived, 'vip', created_at, id FROM crm_leads;
    ANALYZE;
";

const NONE: &str = "
    DELETE FROM crm_leads;
    DELETE FROM crm_tags;
    DELETE FROM crm_statuses;
    DELETE FROM crm_tenants;
    DROP TABLE sqlite_stat1;
    DROP TABLE sqlite_stat4;
";

async fn filled(connection: &mut SqliteConnection) {
    sqlx::query(FILL)
        .bind(LEADS)
        .execute(connection)
        .await
        .unwrap();
}

async fn explained(connection: &mut SqliteConnection, sql: Statement<'_>) -> Vec<String> {
    let sql = sql.explained("EXPLAIN QUERY PLAN ");
    let rows = connection.rows(sql).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// What a page of an indexed shape must not do.
fn check(query: &LeadQuery, index: &str, plan: &[String]) {
    let told = format!(
        "{query:?} sorted by {}:\n{}",
        query.sorting(),
        plan.join("\n")
    );
    let searches = |line: &&String| line.starts_with("SEARCH crm_leads");
    for line in plan {
        assert!(!line.starts_with("SCAN crm_"), "a scan: {told}");
        // The leads of the page are fetched by the keys of a tag, and put in order again.
        let sorts = line.contains("TEMP B-TREE");
        assert!(!sorts || index == "tags", "a sort: {told}");
    }
    let begins = |line: &String| {
        let places = ["id)<(", "id)>(", "AND id<", "AND id>"];
        query.cursor().is_none() || places.iter().any(|place| line.contains(place))
    };
    if index == "tags" {
        let keys = plan
            .iter()
            .find(|line| line.starts_with("SEARCH crm_tags USING PRIMARY KEY"));
        assert!(keys.is_some_and(begins), "{told}");
        let found = "SEARCH crm_leads USING INDEX crm_leads_created \
            (tenant=? AND archived=? AND created_at=? AND id=?)";
        assert!(
            plan.iter().filter(searches).all(|line| line == found),
            "{told}"
        );
        return;
    }
    let name = format!("INDEX crm_leads_{index} (");
    let mut lines = plan.iter().filter(searches);
    assert!(lines.clone().count() > 0, "{told}");
    assert!(lines.clone().all(|line| line.contains(&name)), "{told}");
    assert!(lines.any(begins), "the pages before are read again: {told}");
}

async fn check_all(connection: &mut SqliteConnection) {
    for (query, index) in all_pages() {
        let tenant = &TenantId::DEFAULT;
        let listing = Listing::new(SqliteConnection::DIALECT, tenant, &query, &ORDER).unwrap();
        let Plan::Exact(way) = Plan::list(query.filter(), query.sorting()) else {
            panic!("no index: {query:?}");
        };
        let plan = explained(connection, listing.walk(way, None)).await;
        check(&query, index, &plan);
    }
}

#[tokio::test]
async fn every_indexed_shape_is_answered_by_its_index_at_any_depth() {
    let leads = SqliteRepository::open(":memory:").await.unwrap();
    let mut connection = leads.pools.writer.lend().await.unwrap();
    check_all(&mut connection).await;
    // Statistics of next to nothing, which whoever makes them early keeps for long.
    sqlx::raw_sql(ONE).execute(&mut *connection).await.unwrap();
    check_all(&mut connection).await;
    sqlx::raw_sql(NONE).execute(&mut *connection).await.unwrap();
    filled(&mut connection).await;
    check_all(&mut connection).await;
    sqlx::query("ANALYZE")
        .execute(&mut *connection)
        .await
        .unwrap();
    check_all(&mut connection).await;
}

/// Whatever is asked, the keys of each filter are looked up, and no lead that has none of them.
#[tokio::test]
async fn matches_are_gathered_by_the_keys_of_a_filter() {
    let leads = SqliteRepository::open(":memory:").await.unwrap();
    let mut connection = leads.pools.writer.lend().await.unwrap();
    filled(&mut connection).await;
    let query = LeadQuery::new()
        .status("new")
        .assigned_to("user_1")
        .source("event")
        .tag("vip")
        .tag("hot")
        .email("john@example.com")
        .created_from(at(1))
        .updated_from(at(1))
        .in_status_since(at(9))
        .search("rare comm")
        .archived(Archived::Include);
    for sort in sorts() {
        let query = query.clone().sort(sort);
        query.check().unwrap();
        let filter = query.filter();
        let all = ways(filter, Parts::of(filter));
        assert_eq!(all.len(), 9, "one for each filter, tag and word");
        let listing = Listing::new(
            SqliteConnection::DIALECT,
            &TenantId::DEFAULT,
            &query,
            &ORDER,
        )
        .unwrap();
        for way in &all {
            let plan = explained(&mut connection, listing.gather(*way)).await;
            let keys = match way.keys {
                Keys::Index(index) => format!("SEARCH crm_leads USING INDEX {index} (tenant=? AND"),
                Keys::Tag(_) => "SEARCH crm_tags USING PRIMARY KEY (tenant=? AND archived=? AND tag=?".into(),
                Keys::Word(_) => "SEARCH crm_words USING PRIMARY KEY (tenant=? AND archived=? AND word>? AND word<?)".into(),
            };
            let told = plan.join("\n");
            assert!(
                plan.iter().any(|line| line.starts_with(&keys)),
                "{keys} in {told}"
            );
            assert!(!told.contains("SCAN crm_"), "{told}");
        }
        let sql = widths_sql(
            SqliteConnection::DIALECT,
            &TenantId::DEFAULT,
            filter,
            None,
            &all,
        );
        let plan = explained(&mut connection, sql).await;
        for line in plan.iter().filter(|line| line.contains(" crm_")) {
            let is_covered = line.contains("COVERING INDEX") || line.contains("PRIMARY KEY");
            assert!(line.starts_with("SEARCH") && is_covered, "{line}");
        }
    }
}

/// One table for each tag would be a join, and planning one of a hundred takes seconds.
#[tokio::test]
async fn many_tags_are_no_join_of_many_tables() {
    let leads = SqliteRepository::open(":memory:").await.unwrap();
    let mut connection = leads.pools.writer.lend().await.unwrap();
    let mut lines = Vec::new();
    for tags in [3, 100] {
        let query = (0..tags).fold(LeadQuery::new(), |query, tag| {
            query.tag(format!("tag{tag}"))
        });
        query.check().unwrap();
        let filter = query.filter();
        let listing = Listing::new(
            SqliteConnection::DIALECT,
            &TenantId::DEFAULT,
            &query,
            &ORDER,
        )
        .unwrap();
        let way = ways(filter, Parts::of(filter)).remove(0);
        lines.push(explained(&mut connection, listing.gather(way)).await.len());
    }
    assert_eq!(lines[0], lines[1]);
}
