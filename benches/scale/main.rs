//! What a million leads cost against ten thousand: `cargo bench --bench scale`.
//!
//! Whatever an index is kept for must cost about the same in both: a page of each indexed list, at
//! its beginning and deep in it, exact totals, look-ups. Takes some 5 GB of memory.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark shows its figures, and one that fails stops"
)]

#[path = "../common/mod.rs"]
mod common;

use common::leads::{Typed, new_lead, typed};
use common::rounds::{Effort, Ratio};
use crm_kit::prelude::*;
use crm_kit::query::Cursor;
use pollster::block_on;
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

/// At most so many times the cost of the small one.
const LIMIT: f64 = 2.0;
/// Leads created in one commit while loading.
const BATCH: u32 = 1_000;
/// One in so many leads is archived.
const ARCHIVED: u32 = 50;
/// Leads on a page.
const PAGE: u32 = 50;
/// Pages are read at so many places deep in a list, if it is that long.
const PLACES: u32 = 64;
/// So many leads are looked up in turn.
const LOOK_UPS: u32 = 1_000;

fn main() {
    let effort = Effort::from_arguments();
    let [small, large] = if effort.is_quick {
        [2_000, 4_000]
    } else {
        [10_000, 1_000_000]
    };
    let few = Store::load(small);
    let many = Store::load(large);
    let [of_many, of_few] = [large, small].map(|size| format!("of {size}"));
    println!("\n{}", Ratio::header("page of 50", &of_many, &of_few));
    let show = |name: &str, ratio: &Ratio| println!("{}", ratio.row(name, LIMIT));
    for (name, query) in lists() {
        let ratio = effort.compare(|| many.list(&query), || few.list(&query));
        show(name, &ratio);
        // Pages that do not overlap, as many in both, so that both show as many leads in turn.
        let places = (few.matching(&query) / PAGE).saturating_sub(1).min(PLACES);
        if places > 0 {
            let (of_many, of_few) = (many.places(&query, places), few.places(&query, places));
            let ratio =
                effort.compare(|| many.deep(&query, &of_many), || few.deep(&query, &of_few));
            show(&format!("  deep in it, {places} places in turn"), &ratio);
        }
    }
    for (name, query) in totals() {
        let ratio = effort.compare(|| many.count(&query), || few.count(&query));
        show(name, &ratio);
    }
    for (name, number) in [("1,000 in turn", LOOK_UPS), ("any", u32::MAX)] {
        let (of_many, of_few) = (many.look_ups(number), few.look_ups(number));
        let compare = |what: &str, look_up: fn(&Store, &LookUp)| {
            let ratio = effort.compare(
                || look_up(&many, many.next(&of_many)),
                || look_up(&few, few.next(&of_few)),
            );
            show(&format!("{what}, {name}"), &ratio);
        };
        compare("get", Store::get);
        compare("the lead with an e-mail address", Store::by_email);
        compare("search for a phone number", Store::by_phone);
    }
}

/// Every indexed shape: DESIGN calls these the lists that cost their page and no more.
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
        ("created, archived ones", new().archived(Archived::Only)),
    ]
}

fn totals() -> [(&'static str, LeadQuery); 4] {
    let all = LeadQuery::new();
    let in_status = all.clone().status(LeadStatus::NEW);
    [
        ("total", all.clone()),
        ("total of a status", in_status.clone()),
        ("total of a user", all.assigned_to("user_7")),
        (
            "total of a user and status",
            in_status.assigned_to("user_7"),
        ),
    ]
}

struct Store {
    crm: Crm,
    size: u32,
    ids: Vec<LeadId>,
    /// Which lead or place comes next.
    turn: Cell<usize>,
}

impl Store {
    fn load(size: u32) -> Self {
        let before = resident();
        let start = Instant::now();
        let crm = block_on(Crm::open(MemoryRepository::new())).expect("memory opens");
        let mut ids = Vec::new();
        for first in (0..size).step_by(1_000) {
            let new: Vec<_> = (first..size.min(first + BATCH))
                .map(|number| new_lead(&typed(number)))
                .collect();
            for created in block_on(crm.create_many(&new)).expect("memory takes it") {
                ids.push(created.expect("the lead is right").id);
            }
        }
        let took = start.elapsed();
        let of_leads = resident().saturating_sub(before);
        println!(
            "{size} leads: {:.1} µs and {} bytes each, with keys, counters and history",
            took.as_secs_f64() * 1e6 / f64::from(size),
            of_leads / u64::from(size),
        );
        for place in (0..ids.len()).step_by(usize::try_from(ARCHIVED).unwrap_or(1)) {
            let id = *ids.get(place).expect("it is a place of theirs");
            block_on(crm.archive(id)).expect("it is there");
        }
        Self {
            crm,
            size,
            ids,
            turn: Cell::new(0),
        }
    }

    fn list(&self, query: &LeadQuery) {
        let page = block_on(self.crm.list(query.clone())).expect("the query is right");
        assert_eq!(page.items.len(), 50, "the page is full");
        black_box(page);
    }

    fn matching(&self, query: &LeadQuery) -> u32 {
        let all = block_on(self.crm.count(query)).expect("the query is right");
        u32::try_from(all).unwrap_or(u32::MAX)
    }

    /// So many cursors, evenly through all of a list.
    fn places(&self, query: &LeadQuery, wanted: u32) -> Vec<Cursor> {
        let last = self.matching(query) - PAGE;
        let mut places = Vec::new();
        let (mut read, mut next) = (0, None);
        for number in 1..=wanted {
            let place = number * (last / wanted);
            while read < place {
                let mut page = query.clone().limit((place - read).min(1_000));
                if let Some(cursor) = next.take() {
                    page = page.after(cursor);
                }
                let page = block_on(self.crm.list(page)).expect("the query is right");
                read += u32::try_from(page.items.len()).unwrap_or(0);
                next = page.next;
            }
            places.extend(next.clone());
        }
        // Not one after the other, so that nothing is known of the next.
        fastrand::Rng::with_seed(7).shuffle(&mut places);
        places
    }

    fn deep(&self, query: &LeadQuery, places: &[Cursor]) {
        self.list(&query.clone().after(self.next(places).clone()));
    }

    fn count(&self, query: &LeadQuery) {
        black_box(block_on(self.crm.count(query)).expect("the query is right"));
    }

    fn get(&self, wanted: &LookUp) {
        black_box(block_on(self.crm.get(wanted.id)).expect("it is there"));
    }

    fn by_email(&self, wanted: &LookUp) {
        let query = LeadQuery::new()
            .archived(Archived::Include)
            .email(&wanted.email);
        let page = block_on(self.crm.list(query)).expect("the query is right");
        assert_eq!(page.items.len(), 1, "addresses differ");
        black_box(page);
    }

    fn by_phone(&self, wanted: &LookUp) {
        let Some(phone) = &wanted.phone else { return };
        let query = LeadQuery::new().archived(Archived::Include).search(phone);
        let page = block_on(self.crm.list(query)).expect("the query is right");
        assert!(!page.items.is_empty(), "it is there");
        black_box(page);
    }

    /// At most so many leads, in an order without pattern. Beyond a hundred thousand the caches
    /// hold none of them when they come up again.
    fn look_ups(&self, number: u32) -> Vec<LookUp> {
        let mut random = fastrand::Rng::with_seed(7);
        let number = number.min(self.size).min(100_000);
        let numbers = (0..number).map(|_| random.u32(..self.size));
        let look_up = |number: u32| {
            let place = usize::try_from(number).unwrap_or(0);
            let Typed { email, phone, .. } = typed(number);
            LookUp {
                id: *self.ids.get(place).expect("it is a place of theirs"),
                phone,
                email,
            }
        };
        numbers.map(look_up).collect()
    }

    fn next<'a, T>(&self, of: &'a [T]) -> &'a T {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        of.get(turn % of.len()).expect("it is a place of theirs")
    }
}

struct LookUp {
    id: LeadId,
    email: String,
    phone: Option<String>,
}

/// The memory of this process, in bytes; zero where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1_024
}
