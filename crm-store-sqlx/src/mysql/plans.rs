//! Tests of what `MariaDB` makes of the statements: each kind of list is answered by its index, at
//! any depth, reading no more than a few pages of keys.

use crate::count::widths_sql;
use crate::list::Listing;
use crate::plan::{Keys, Parts, Plan, ways};
use crate::reading::{Columns as _, Reading as _};
use crate::shapes::{ORDER, all_pages, at, sorts};
use crate::statement::Statement;
use crm_core::lead::TenantId;
use crm_core::query::{Archived, LeadQuery};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

/// Leads that differ in everything, in a database that knows its statistics.
const FILL: &str = "
    INSERT INTO crm_tenants (tenant, name, statuses) VALUES (1, 'default', '[]');
    INSERT INTO crm_statuses
        (tenant, slug, number, position, name, colour, kind, probability)
    VALUES
        (1, 'new', 1, 0, 'New', '#000000', 'open', 0),
        (1, 'contacted', 2, 1, 'Contacted', '#000000', 'open', 0),
        (1, 'lost', 3, 2, 'Lost', '#000000', 'lost', 0);
    INSERT INTO crm_leads (
        tenant, id, version, status, assigned_to, source, created_at, updated_at,
        status_changed_at, archived_at, archived, value_currency, value_minor, name_sort,
        company_sort, email_sort, email_key, company, words
    )
    WITH digits AS (
        SELECT 0 AS digit UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL
        SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL
        SELECT 8 UNION ALL SELECT 9
    ), numbers AS (
        SELECT 1 + a.digit + 10 * b.digit + 100 * c.digit + 1000 * d.digit + 10000 * e.digit AS n
        FROM digits AS a, digits AS b, digits AS c, digits AS d, digits AS e
    )
    SELECT
        1, LPAD(n, 16, '0'), 1,
        CASE n % 10 WHEN 0 THEN 'lost' WHEN 1 THEN 'contacted' ELSE 'new' END,
        CASE n % 7 WHEN 0 THEN NULL ELSE CONCAT('user_', n % 100) END,
        CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'event' ELSE 'website' END,
        n * 1000, n * 1000 + n % 17, n * 1000 + n % 19,
        IF(n % 20 = 0, n * 1000, NULL), n % 20 = 0,
        IF(n % 3 = 0, NULL, 'USD'), IF(n % 3 = 0, NULL, n % 1000),
        IF(n % 3 = 0, NULL, CONCAT('name ', n % 1000)),
        CONCAT('company ', n % 1000),
        IF(n % 3 = 0, NULL, CONCAT('e-mail ', n)), IF(n % 3 = 0, NULL, CONCAT('e-mail ', n)),
        'company', x'00'
    FROM numbers
    ORDER BY n;
    INSERT INTO crm_tags SELECT tenant, archived, 'vip', created_at, id FROM crm_leads;
    INSERT INTO crm_words SELECT tenant, archived, 'common', id FROM crm_leads;
    INSERT INTO crm_words SELECT tenant, archived, CONCAT('rare', created_at), id FROM crm_leads;
    ANALYZE TABLE crm_tenants, crm_leads, crm_tags, crm_words;
";

const SCHEMA: &str = include_str!("schema.sql");

/// A table that a plan reads.
#[derive(Debug)]
struct Read {
    table: String,
    access: String,
    index: String,
    is_sorted: bool,
}

impl Read {
    /// From one end of the table or index to the other.
    fn is_whole(&self) -> bool {
        ["ALL", "index"].contains(&&*self.access)
    }
}

async fn explained(connection: &mut MySqlConnection, sql: Statement<'_>) -> Vec<Read> {
    let rows = connection.rows(sql.explained("EXPLAIN ")).await.unwrap();
    let mut reads = Vec::new();
    for row in &rows {
        let text = |column| row.text(column).unwrap().unwrap_or_default().to_owned();
        reads.push(Read {
            table: text(2),
            access: text(3),
            index: text(5),
            is_sorted: text(9).contains("Using filesort"),
        });
    }
    reads.retain(|read| read.table.starts_with("crm_"));
    reads
}

/// How many rows and keys the connection has read since it was asked last.
async fn handled(connection: &mut MySqlConnection) -> u64 {
    let sql = "SHOW SESSION STATUS LIKE 'Handler_read%'";
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.unwrap();
    let counts = rows.iter().map(|row| row.some_text(1).unwrap());
    let sum = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    let flush = sqlx::query("FLUSH STATUS");
    flush.execute(connection).await.unwrap();
    sum
}

/// What a page of an indexed shape must not do.
fn check(query: &LeadQuery, index: &str, reads: &[Read]) {
    let told = format!("{query:?} sorted by {}: {reads:#?}", query.sorting());
    let (table, name) = match index {
        "tags" => ("crm_tags", "PRIMARY".to_owned()),
        index => ("crm_leads", format!("crm_leads_{index}")),
    };
    let mut of_list = reads.iter().filter(|read| read.table == table);
    assert!(of_list.clone().count() > 0, "{told}");
    for read in of_list.clone() {
        assert_eq!(read.index, name, "{told}");
        assert!(["ref", "range"].contains(&&*read.access), "{told}");
        assert!(!read.is_sorted, "a sort: {told}");
    }
    assert!(
        query.cursor().is_none() || of_list.any(|read| read.access == "range"),
        "the pages before are read again: {told}"
    );
}

/// A database of its own, with the leads, for as long as a test takes. Without a server there is
/// nothing to ask; the tests of the contract say so in a line.
async fn filled(name: &str, test: impl AsyncFnOnce(&mut MySqlConnection)) {
    let Ok(url) = std::env::var("CRM_TEST_MYSQL_URL") else {
        return;
    };
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    let name = format!("crm_test_plans_{}_{name}", std::process::id());
    let make = format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; USE {name}");
    for sql in [&*make, SCHEMA, FILL] {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&mut connection).await.unwrap();
    }
    test(&mut connection).await;
    let drop = sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name}")));
    drop.execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn every_indexed_shape_is_answered_by_its_index_at_any_depth() {
    filled("shapes", async |connection| {
        for (query, index) in all_pages() {
            let tenant = &TenantId::DEFAULT;
            let listing = Listing::new(MySqlConnection::DIALECT, tenant, &query, &ORDER).unwrap();
            let Plan::Exact(way) = Plan::list(query.filter(), query.sorting()) else {
                panic!("no index: {query:?}");
            };
            let plan = explained(connection, listing.walk(way, None)).await;
            check(&query, index, &plan);
            handled(connection).await;
            let rows = connection.rows(listing.walk(way, None)).await.unwrap();
            assert!(rows.len() <= 51);
            // A page of each of a dozen arms, their leads and their order.
            let read = handled(connection).await;
            assert!(read < 2_500, "{read} read of {query:?}: {plan:#?}");
        }
    })
    .await;
}

/// Whatever is asked, the keys of each filter are looked up, and no lead that has none of them.
#[tokio::test]
async fn matches_are_gathered_by_the_keys_of_a_filter() {
    filled("ways", async |connection| {
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
            let tenant = &TenantId::DEFAULT;
            let listing = Listing::new(MySqlConnection::DIALECT, tenant, &query, &ORDER).unwrap();
            for way in &all {
                let reads = explained(connection, listing.gather(*way)).await;
                let (table, index) = match way.keys {
                    Keys::Index(index) => ("crm_leads", index),
                    Keys::Tag(_) => ("crm_tags", "PRIMARY"),
                    Keys::Word(_) => ("crm_words", "PRIMARY"),
                };
                let mut of_keys = reads.iter().filter(|read| read.table == table);
                assert!(
                    of_keys.any(|read| read.index == index),
                    "{index}: {reads:#?}"
                );
                assert!(!reads.iter().any(Read::is_whole), "{reads:#?}");
            }
            let sql = widths_sql(MySqlConnection::DIALECT, tenant, filter, None, &all);
            let reads = explained(connection, sql).await;
            assert!(!reads.iter().any(Read::is_whole), "{reads:#?}");
        }
    })
    .await;
}
