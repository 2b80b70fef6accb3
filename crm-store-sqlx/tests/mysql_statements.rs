//! On MySQL or MariaDB: how many statements each call sends, which are as many round trips, and one
//! more for each that is prepared for the first time: hardly more for a thousand leads than for one.
//! `BEGIN` and `COMMIT` are counted.

#![cfg(test)]

mod common;
mod counting;
mod servers;

use common::numbered;
use counting::{Sent, TURN, beside_leads, counted, fewest, sent};
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{LeadQuery, Limit, Sort, Total};
use crm_core::repository::{HistoryQuery, Repository};
use crm_store_sqlx::MySqlRepository;
use crm_store_sqlx::sqlx;
use servers::mysql::{Database, verified};

async fn opened(database: &Database) -> (MySqlRepository, Crm) {
    // One connection: opening another is a statement, too.
    let pool = database.pool(1).await;
    MySqlRepository::migrate(&pool).await.unwrap();
    let leads = MySqlRepository::from_pool(pool).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    // The first commit stores the lifecycle, too.
    crm.create(numbered(0)).await.unwrap();
    (leads, crm)
}

#[test]
fn a_commit_is_as_many_statements_whatever_is_in_it() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let tenant = &TenantId::DEFAULT;
        let mut ids = Vec::new();
        let mut plans = Vec::new();
        for number in 0..5 {
            let plan = crm.plan_create(numbered(number)).await.unwrap();
            ids.push(plan.leads().next().unwrap().id);
            plans.push(plan);
        }
        let calls = plans.iter().map(|plan| leads.commit(tenant, plan));
        assert_eq!(fewest(calls).await.0, CREATING);

        let mut plans = Vec::new();
        for id in &ids {
            plans.push(crm.plan_transition(*id, "contacted").await.unwrap());
        }
        let calls = plans.iter().map(|plan| leads.commit(tenant, plan));
        assert_eq!(fewest(calls).await.0, CHANGING);

        let mut plans = Vec::new();
        for id in &ids {
            plans.push(crm.plan_delete(*id).await.unwrap());
        }
        let calls = plans.iter().map(|plan| leads.commit(tenant, plan));
        assert_eq!(fewest(calls).await.0, DELETING);
    });
}

/// `BEGIN`, tenant, commit id; lead, event, words, tags, counters; `COMMIT`.
const CREATING: usize = 9;

/// `BEGIN`, tenant, commit id; lead, event, counters; `COMMIT`.
const CHANGING: usize = 7;

/// `BEGIN`, tenant, commit id, lead; lead, its commits, their fingerprints, what was typed of its
/// events, event, words, tags, counters; `COMMIT`.
const DELETING: usize = 13;

/// Tenant, `BEGIN`, the turn, deltas, counters; counters, those that are zero, deltas; `COMMIT`.
const FOLDING: usize = 9;

/// Lists of ids come in halves, and rows in pieces of a megabyte or sixty thousand values.
#[test]
fn a_thousand_leads_are_a_handful_of_statements() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let new: Vec<_> = (1..1_000).map(numbered).collect();
        let (creating, created) = sent(crm.create_many(&new)).await;
        created.unwrap();
        let Sent { statements, folds } = creating;
        assert!(
            statements <= CREATING + 2 + folds * FOLDING,
            "{statements}, {folds}"
        );

        let edit = crm.edit_lifecycle(|edit| edit.set_initial("contacted"));
        edit.await.unwrap();
        // Two edits of the lifecycle, and between them one set that moves all leads.
        let (removed, into) = (LeadStatus::NEW, LeadStatus::CONTACTED);
        let (moving, moved) = sent(crm.remove_status_into(&removed, &into)).await;
        moved.unwrap();
        let contacted = LeadQuery::new().status("contacted");
        assert_eq!(crm.count(&contacted).await.unwrap(), 1_000);
        let Sent { statements, folds } = moving;
        assert!(statements <= 50 + folds * FOLDING, "{statements}, {folds}");
        verified(&leads).await;
    });
}

/// A server refuses what is sent to it at once and is too long.
#[test]
fn a_thousand_long_texts_come_in_pieces() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        let notes = "\u{1f4de} called\n".repeat(1_200);
        let new = (0..1_000).map(|number| numbered(number).notes(notes.as_str()));
        let new: Vec<_> = new.collect();
        let (creating, created) = sent(crm.create_many(&new)).await;
        let created = created.unwrap();
        let Sent { statements, folds } = creating;
        assert!(statements <= 40 + folds * FOLDING, "{statements}, {folds}");
        for lead in created.into_iter().step_by(100) {
            let lead = lead.unwrap();
            assert!(lead.notes.as_ref() == Some(&notes));
            assert!(crm.get(lead.id).await.unwrap() == lead);
        }
        verified(&leads).await;
    });
}

#[test]
fn what_is_read_is_read_by_one_statement() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
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
        let readings = (0..5).map(|_| leads.events(tenant, None, limit));
        assert_eq!(fewest(readings).await.0, 1);

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
            (LeadQuery::new().sort(Sort::status()), 4),
            (LeadQuery::new().search("john"), 4),
            (LeadQuery::new().search("john").total(Total::Exact), 5),
        ] {
            query.check().unwrap();
            let (statements, page) = counted(leads.find(tenant, &query)).await;
            assert!(!page.unwrap().items.is_empty());
            assert_eq!(statements, most, "{query:?}");
        }
    });
}

/// To give one up costs more than to send it.
#[test]
fn a_connection_keeps_the_statements_of_all_lists() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let leads = database.builder().connections(1).open().await.unwrap();
        let crm = Crm::open(leads.clone()).await.unwrap();
        crm.create(numbered(0)).await.unwrap();
        let mut queries = Vec::new();
        for sort in [
            Sort::created(),
            Sort::updated(),
            Sort::status_changed(),
            Sort::name(),
            Sort::company(),
            Sort::email(),
            Sort::value(),
        ] {
            for sort in [sort, sort.descending()] {
                for total in [Total::Skip, Total::UpTo(9), Total::Exact] {
                    let all = LeadQuery::new().sort(sort).total(total);
                    let one = all.clone().status("new");
                    let both = one.clone().assigned_to("user_1");
                    let mine = all.clone().assigned_to("user_1");
                    let from = all.clone().source("website");
                    let mine_from = mine.clone().source("website");
                    queries.extend([all, one, both, mine, from, mine_from]);
                }
            }
        }
        let server = database.pool(1).await;
        let prepared = async || {
            let sql = "SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'";
            let status = sqlx::query_as::<_, (String, String)>(sqlx::AssertSqlSafe(sql));
            let (_, count) = status.fetch_one(&server).await.unwrap();
            count.parse::<u64>().unwrap()
        };
        prepared().await;
        let mut rounds = Vec::new();
        for _ in 0..4 {
            let before = prepared().await;
            for query in &queries {
                leads.find(&TenantId::DEFAULT, query).await.unwrap();
            }
            rounds.push(prepared().await - before);
        }
        assert!(rounds[0] > 100, "{rounds:?}");
        // Unless somebody else of this server had something to prepare.
        assert!(rounds[1..].contains(&0), "{rounds:?}");
    });
}

#[test]
fn what_is_beside_leads_is_a_few_statements() {
    Database::test(async |database| {
        let _turn = TURN.lock().await;
        let (leads, crm) = opened(&database).await;
        assert_eq!(beside_leads(&leads, &crm).await, [10, 6]);
    });
}
