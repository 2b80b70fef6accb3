//! What a million leads cost against ten thousand, in two databases that are filled already:
//!
//! ```sh
//! scripts/load fill sqlite:many.db 1000000 && scripts/load fill sqlite:few.db 10000
//! cargo bench -p crm-store-sqlx --bench million -- sqlite:$PWD/many.db sqlite:$PWD/few.db
//! ```
//!
//! Names of lists behind the URLs leave out the others: `… created "created, with a tag"`.
//!
//! Pages of every list that an index answers are held against the first page of the same list in the
//! small database: the first page, pages at 64 places in turn, which soon are in memory, and pages
//! anywhere, most of which are not in the database's own memory. Then exact totals.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark shows its figures, and one that fails stops"
)]

#[path = "../../../benches/common/rounds.rs"]
#[allow(dead_code, reason = "each benchmark uses its own part")]
mod rounds;

use crm_core::chrono::TimeDelta;
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{Cursor, LeadQuery, Sort, Total};
use crm_core::repository::Repository;
use crm_store_sqlx::{MySqlRepository, PostgresRepository, SqliteRepository};
use rounds::{Effort, Ratio};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// At most so many times the cost in the small one.
const LIMIT: f64 = 2.0;
/// Leads on a page.
const PAGE: usize = 50;
/// Pages are read at so many places in turn.
const PLACES: usize = 64;
/// Leads, drawn evenly, after which pages anywhere begin.
const DRAWN: u32 = 4_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let urls = words.iter().filter(|word| !word.starts_with("--"));
    let urls: Vec<&String> = urls.collect();
    let [many, few, wanted @ ..] = urls.as_slice() else {
        println!("left out: name a database with many leads, and one with few");
        return;
    };
    let known = |wanted: &&&String| {
        let mut names = lists().into_iter().map(|(name, _)| name);
        names.any(|name| name == **wanted) || totals().iter().any(|(name, _)| name == **wanted)
    };
    if let Some(unknown) = wanted.iter().find(|wanted| !known(wanted)) {
        println!("no list is called {unknown:?}");
        return;
    }
    let is_wanted = |name: &&str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    // A call here takes as long as a whole round of others.
    let effort = Effort::from_arguments().divided_by(4);
    let runtime = Runtime::new().expect("a runtime");
    let (many, few) = (Store::open(&runtime, many), Store::open(&runtime, few));
    let drawn = many.draw(if effort.is_quick { 100 } else { DRAWN });
    println!("{}", Ratio::header("page of 50", &many.size(), &few.size()));
    let show = |name: &str, ratio: &Ratio| println!("{}", ratio.row(name, LIMIT));
    for (name, query) in lists().into_iter().filter(|(name, _)| is_wanted(name)) {
        let compare = |name: &str, of_many: &dyn Fn()| {
            let ratio = effort.compare(of_many, || few.list(&query));
            show(name, &ratio);
        };
        compare(name, &|| many.list(&query));
        let places = many.places(&query, &drawn);
        let (in_turn, _) = places.split_at(PLACES.min(places.len()));
        for places in [in_turn, &places] {
            let name = format!("  after {} places in turn", places.len());
            compare(&name, &|| many.list(&many.next(places, &query)));
        }
    }
    for (name, query) in totals().into_iter().filter(|(name, _)| is_wanted(name)) {
        let ratio = effort.compare(|| many.count(&query), || few.count(&query));
        show(&format!("total {name}"), &ratio);
        let query = query.total(Total::Exact);
        let ratio = effort.compare(|| many.list(&query), || few.list(&query));
        show(&format!("page and total {name}"), &ratio);
    }
    println!("load {}", load());
}

/// Every indexed shape that has a page in such databases.
fn lists() -> Vec<(&'static str, LeadQuery)> {
    let new = LeadQuery::new;
    let updated = || LeadQuery::new().sort(Sort::updated().descending());
    let in_status = |query: LeadQuery| query.status(LeadStatus::NEW);
    let of_user = |query: LeadQuery| query.assigned_to("user_7");
    vec![
        ("created", new()),
        ("updated", updated()),
        ("status changed", new().sort(Sort::status_changed())),
        ("name", new().sort(Sort::name())),
        ("company", new().sort(Sort::company())),
        ("e-mail", new().sort(Sort::email())),
        (
            "status, in the order of the lifecycle",
            new().sort(Sort::status()),
        ),
        ("value", new().sort(Sort::value().descending())),
        ("created, of a status", in_status(new())),
        ("created, of a user", of_user(new())),
        ("created, of a user and status", of_user(in_status(new()))),
        ("updated, of a status", in_status(updated())),
        ("updated, of a user", of_user(updated())),
        (
            "updated, of a user and status",
            of_user(in_status(updated())),
        ),
        (
            "status changed, of a status",
            in_status(new().sort(Sort::status_changed())),
        ),
        ("created, of a source", new().source("website")),
        ("created, with a tag", new().tag("vip")),
        ("created, of nobody", new().unassigned()),
        (
            "created, of two statuses",
            in_status(new()).status(LeadStatus::CONTACTED),
        ),
    ]
}

fn totals() -> [(&'static str, LeadQuery); 4] {
    let all = LeadQuery::new();
    let in_status = all.clone().status(LeadStatus::NEW);
    [
        ("of all", all.clone()),
        ("of a status", in_status.clone()),
        ("of a user", all.assigned_to("user_7")),
        ("of a user and status", in_status.assigned_to("user_7")),
    ]
}

struct Store<'r> {
    runtime: &'r Runtime,
    crm: Crm,
    /// The order of the statuses, by which cursors go.
    order: Vec<LeadStatus>,
    /// Which place comes next.
    turn: Cell<usize>,
}

impl<'r> Store<'r> {
    fn open(runtime: &'r Runtime, url: &str) -> Self {
        let opened = async {
            let leads: Arc<dyn Repository> = match url.split_once(':').map(|(scheme, _)| scheme) {
                Some("postgres" | "postgresql") => Arc::new(PostgresRepository::open(url).await?),
                Some("mysql" | "mariadb") => Arc::new(MySqlRepository::open(url).await?),
                _ => Arc::new(SqliteRepository::open(url).await?),
            };
            Crm::open(leads).await
        };
        let crm = runtime.block_on(opened).expect("it is there");
        let lifecycle = runtime.block_on(crm.lifecycle()).expect("it is there");
        Self {
            runtime,
            crm,
            order: lifecycle.order().cloned().collect(),
            turn: Cell::new(0),
        }
    }

    fn size(&self) -> String {
        let count = self.runtime.block_on(self.crm.count(&LeadQuery::new()));
        format!("of {}", count.expect("it is counted"))
    }

    fn read(&self, query: &LeadQuery) -> Vec<Lead> {
        let page = self.runtime.block_on(self.crm.list(query.clone()));
        page.expect("the query is right").items
    }

    fn list(&self, query: &LeadQuery) {
        assert_eq!(black_box(self.read(query)).len(), PAGE, "the page is full");
    }

    fn count(&self, query: &LeadQuery) {
        let count = self.runtime.block_on(self.crm.count(query));
        assert!(black_box(count).expect("it is counted") > 0);
    }

    /// Leads that were created at times which are drawn evenly: the same ones in every run.
    fn draw(&self, wanted: u32) -> Vec<Lead> {
        let of = |sort| self.read(&LeadQuery::new().sort(sort).limit(1));
        let (first, last) = (
            of(Sort::created().ascending()),
            of(Sort::created().descending()),
        );
        let [first] = first.try_into().expect("there are leads");
        let [last] = last.try_into().expect("there are leads");
        let seconds = (last.created_at - first.created_at).num_seconds();
        let mut random = fastrand::Rng::with_seed(7);
        let mut drawn = Vec::new();
        for _ in 0..wanted {
            let at = first.created_at + TimeDelta::seconds(random.i64(1..=seconds));
            drawn.extend(self.read(&LeadQuery::new().created_before(at).limit(1)));
        }
        drawn
    }

    /// After each of these leads that is in the list, if a whole page follows.
    fn places(&self, query: &LeadQuery, drawn: &[Lead]) -> Vec<Cursor> {
        let of_list = drawn.iter().filter(|lead| query.filter().matches(lead));
        let cursors = of_list.map(|lead| query.cursor_after(&TenantId::DEFAULT, &self.order, lead));
        cursors
            .filter(|cursor| self.read(&query.clone().after(cursor.clone())).len() == PAGE)
            .collect()
    }

    fn next(&self, places: &[Cursor], query: &LeadQuery) -> LeadQuery {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let place = places.get(turn % places.len());
        query
            .clone()
            .after(place.expect("it is a place of theirs").clone())
    }
}

/// How busy the machine is, where the system tells.
fn load() -> String {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
