//! Tests of what PostgreSQL makes of the statements: each kind of list is answered by its index, at
//! any depth, and no more than a few pages are ever sorted.

use crate::list::Listing;
use crate::plan::Plan;
use crate::reading::Reading as _;
use crate::shapes::{ORDER, all_pages};
use crate::statement::Statement;
use crm_core::lead::TenantId;
use crm_core::query::LeadQuery;
use sqlx::{Connection as _, PgConnection, Row as _};

/// Leads that differ in everything, in a database that knows its statistics.
const FILL: &str = "
    INSERT INTO crm_tenants (tenant, name) VALUES (1, 'default');
    INSERT INTO crm_statuses
        (tenant, slug, number, position, name, colour, kind, probability)
    VALUES
        (1, 'new', 1, 0, 'New', '#000000', 'open', 0),
        (1, 'contacted', 2, 1, 'Contacted', '#000000', 'open', 0),
        (1, 'lost', 3, 2, 'Lost', '#000000', 'lost', 0);
    INSERT INTO crm_leads (
        tenant, id, version, status, assigned_to, source, created_at, updated_at,
        status_changed_at, archived_at, value_currency, value_minor, name_sort,
        company_sort, email_sort, email_key, company, words
    )
    SELECT
        1, convert_to(lpad(n::text, 16, '0'), 'UTF8'), 1,
        CASE n % 10 WHEN 0 THEN 'lost' WHEN 1 THEN 'contacted' ELSE 'new' END,
        CASE n % 7 WHEN 0 THEN NULL ELSE 'user_' || n % 100 END,
        CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'event' ELSE 'website' END,
        n * 1000, n * 1000 + n % 17, n * 1000 + n % 19,
        CASE WHEN n % 20 = 0 THEN n * 1000 END,
        CASE WHEN n % 3 > 0 THEN 'USD' END, CASE WHEN n % 3 > 0 THEN n % 1000 END,
        CASE WHEN n % 3 > 0 THEN convert_to('name ' || n % 1000, 'UTF8') END,
        convert_to('company ' || n % 1000, 'UTF8'),
        CASE WHEN n % 3 > 0 THEN convert_to('e-mail ' || n, 'UTF8') END,
        CASE WHEN n % 3 > 0 THEN 'e-mail ' || n END,
        'company', '\\x00'
    FROM generate_series(1, 100000) AS numbers (n);
    INSERT INTO crm_tags SELECT tenant, archived, 'vip', created_at, id FROM crm_leads;
    INSERT INTO crm_words SELECT tenant, archived, 'common', id FROM crm_leads;
    INSERT INTO crm_words
        SELECT tenant, archived, convert_to('rare' || created_at, 'UTF8'), id FROM crm_leads;
    ANALYZE crm_tenants, crm_leads, crm_tags, crm_words;
";

async fn explained(connection: &mut PgConnection, sql: Statement<'_>) -> Vec<String> {
    let rows = connection.rows(sql.explained("EXPLAIN ")).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const SCHEMA: &str = include_str!("schema.sql");

/// What a page of an indexed shape must not do.
fn check(query: &LeadQuery, index: &str, plan: &[String]) {
    let told = format!(
        "{query:?} sorted by {}:\n{}",
        query.sorting(),
        plan.join("\n")
    );
    let depth = |line: &String| line.len() - line.trim_start().len();
    let arms = plan.iter().position(|line| line.contains("Append"));
    for (place, line) in plan.iter().enumerate() {
        assert!(!line.contains("Seq Scan on crm_leads"), "a scan: {told}");
        assert!(!line.contains("Seq Scan on crm_tags"), "a scan: {told}");
        // What is put in order are the pages of the arms, or the leads of a page of tags.
        let of_arms = arms.is_some_and(|arms| place < arms && depth(line) < depth(&plan[arms]));
        let sorts = line.trim_start().trim_start_matches("->").trim_start();
        let sorts = sorts.starts_with("Sort  (") || sorts.starts_with("Incremental Sort");
        assert!(!sorts || of_arms || index == "tags", "a sort: {told}");
        assert!(!line.contains("Bitmap"), "all at once: {told}");
    }
    let name = match index {
        "tags" => "crm_tags_pkey on crm_tags".to_owned(),
        index => format!("crm_leads_{index} on crm_leads"),
    };
    let scans = plan
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains(" using "));
    let mut scans = scans.filter(|(_, line)| {
        !line.contains("crm_tenants") && (index != "tags" || line.contains("crm_tags"))
    });
    assert!(scans.clone().count() > 0, "{told}");
    assert!(
        scans.clone().all(|(_, line)| line.contains(&name)),
        "{told}"
    );
    let begins = |place: usize| {
        let condition = plan.get(place + 1).map(String::as_str).unwrap_or_default();
        condition.contains("Index Cond") && condition.contains("id") && {
            let places = ["id) < ROW", "id) > ROW", "(id < ", "(id > "];
            places.iter().any(|place| condition.contains(place))
        }
    };
    let is_deep = query.cursor().is_some();
    assert!(
        !is_deep || scans.any(|(place, _)| begins(place)),
        "the pages before are read again: {told}"
    );
}

#[tokio::test]
async fn every_indexed_shape_is_answered_by_its_index_at_any_depth() {
    // Without a server there is nothing to ask; the tests of the contract say so in a line.
    let Ok(url) = std::env::var("CRM_TEST_POSTGRES_URL") else {
        return;
    };
    let mut connection = PgConnection::connect(&url).await.unwrap();
    // In tables that go with the connection.
    for sql in ["SET search_path = pg_temp", SCHEMA, FILL] {
        let sql = sqlx::raw_sql(sql);
        sql.execute(&mut connection).await.unwrap();
    }
    for (query, index) in all_pages() {
        let tenant = &TenantId::DEFAULT;
        let listing = Listing::new(PgConnection::DIALECT, tenant, &query, &ORDER).unwrap();
        let Plan::Exact(way) = Plan::list(query.filter(), query.sorting()) else {
            panic!("no index: {query:?}");
        };
        let plan = explained(&mut connection, listing.walk(way, None)).await;
        check(&query, index, &plan);
    }
}
