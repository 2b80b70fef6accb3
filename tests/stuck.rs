//! Leads that have been in their status for too long, the most overdue first.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, hour, john, numbered, start, user, wait};
use crm_kit::chrono::{DateTime, TimeDelta, Utc};
use crm_kit::crm::CrmError;
use crm_kit::prelude::*;
use crm_kit::query::InvalidCursor;
use crm_kit::repository::RepositoryErrorKind;
use proptest::prelude::*;

fn stuck(office: &Office) -> Vec<StuckLead> {
    wait(office.crm.stuck(StuckQuery::new().limit(1_000)))
        .unwrap()
        .items
}

#[test]
fn a_lead_is_stuck_from_the_threshold_of_its_status_on() {
    let office = Office::new();
    let lead = office.john();
    for (status, days) in [("new", 3), ("contacted", 7), ("qualified", 14)] {
        let entered = office.get(lead.id).status_changed_at;
        office
            .clock
            .set(entered + TimeDelta::days(days) - TimeDelta::microseconds(1));
        // Working on a lead does not move it on.
        wait(office.crm.update(lead.id, LeadPatch::new().notes(status))).unwrap();
        assert!(stuck(&office).is_empty(), "{status}");
        office.clock.set(entered + TimeDelta::days(days));
        let found = stuck(&office);
        assert_eq!(found.len(), 1, "{status}");
        let first = found.first().unwrap();
        assert_eq!((first.lead.id, first.overdue_seconds), (lead.id, 0));
        assert_eq!(first.due_at, entered + TimeDelta::days(days));
        office.pass_hours(2);
        assert_eq!(
            stuck(&office).first().unwrap().overdue(),
            TimeDelta::hours(2)
        );
        assert_eq!(
            wait(office.crm.pipeline())
                .unwrap()
                .stages
                .iter()
                .map(|s| s.stuck)
                .sum::<u64>(),
            1
        );
        let next = match status {
            "new" => "contacted",
            "contacted" => "qualified",
            _ => "converted",
        };
        wait(office.crm.transition(lead.id, next)).unwrap();
        assert!(stuck(&office).is_empty(), "{next}");
    }
    office.pass_hours(24 * 1_000);
    assert!(
        stuck(&office).is_empty(),
        "a status without a threshold holds nobody"
    );
}

#[test]
fn an_archived_lead_is_not_stuck_until_it_is_restored() {
    let office = Office::new();
    let lead = office.john();
    office.pass_hours(24 * 4);
    wait(office.crm.archive(lead.id)).unwrap();
    assert!(stuck(&office).is_empty());
    wait(office.crm.restore(lead.id)).unwrap();
    assert_eq!(
        stuck(&office).first().unwrap().overdue(),
        TimeDelta::days(1)
    );
}

#[test]
fn the_most_overdue_comes_first_whatever_its_status_and_equals_by_id() {
    let office = Office::new();
    let since = |number: usize, status: &str, hours: i64| {
        office
            .create(numbered(number).status(status).created_at(hour(-hours)))
            .id
    };
    let day = 24;
    let (qualified, new) = (
        since(0, "qualified", 20 * day),
        since(1, "new", 9 * day + 1),
    );
    let contacted = since(2, "contacted", 13 * day);
    let mut equal = vec![since(3, "contacted", 8 * day), since(4, "new", 4 * day)];
    equal.push(since(5, "qualified", 15 * day));
    equal.sort();
    since(6, "new", 2 * day);
    let mut expected = vec![new];
    let mut six_days = vec![qualified, contacted];
    six_days.sort();
    expected.extend(six_days);
    expected.extend(equal);
    let found: Vec<LeadId> = stuck(&office).iter().map(|stuck| stuck.lead.id).collect();
    assert_eq!(found, expected);
    for limit in 1..7 {
        let ids: Vec<LeadId> = pages(&office.crm, &StuckQuery::new().limit(limit), || {})
            .iter()
            .map(|stuck| stuck.lead.id)
            .collect();
        assert_eq!(ids, expected, "{limit} a page");
    }
}

#[test]
fn a_status_and_a_user_can_be_asked_for() {
    let office = Office::new();
    let of = |n: usize, status: &str, name: &str| {
        office
            .create(numbered(n).status(status).assigned_to(name))
            .id
    };
    let (a, b) = (of(0, "new", "anna"), of(1, "contacted", "anna"));
    let c = of(2, "new", "bob");
    office.pass_hours(24 * 30);
    let ask = |query: StuckQuery| -> std::collections::BTreeSet<LeadId> {
        wait(office.crm.stuck(query))
            .unwrap()
            .items
            .iter()
            .map(|stuck| stuck.lead.id)
            .collect()
    };
    assert_eq!(ask(StuckQuery::new()), [a, b, c].into());
    assert_eq!(ask(StuckQuery::new().status("new")), [a, c].into());
    assert_eq!(ask(StuckQuery::new().assigned_to("anna")), [a, b].into());
    assert_eq!(
        ask(StuckQuery::new().status("new").assigned_to("bob")),
        [c].into()
    );
    assert_eq!(ask(StuckQuery::new().status("converted")), [].into());
}

#[test]
fn a_cursor_ends_with_the_lifecycle_and_the_query_it_was_made_for() {
    let office = Office::new();
    for number in 0..4 {
        office.create(numbered(number).assigned_to("anna"));
    }
    office.pass_hours(24 * 10);
    let query = || StuckQuery::new().limit(1);
    let page = wait(office.crm.stuck(query())).unwrap();
    let cursor = page.next.unwrap();
    let answer = |crm: &Crm, query: StuckQuery| match wait(crm.stuck(query.after(cursor.clone()))) {
        Ok(page) => Ok(page.items.len()),
        Err(CrmError::Repository(error)) => match error.kind() {
            RepositoryErrorKind::InvalidCursor(problem) => Err(*problem),
            other => panic!("{other}"),
        },
        Err(other) => panic!("{other}"),
    };
    assert_eq!(answer(&office.crm, query()), Ok(1));
    assert_eq!(
        answer(&office.crm, StuckQuery::new().limit(3)),
        Ok(3),
        "of another size"
    );
    let other = Err(InvalidCursor::OtherQuery);
    assert_eq!(answer(&office.crm, query().status("new")), other);
    assert_eq!(answer(&office.crm, query().assigned_to("anna")), other);
    assert_eq!(answer(&office.crm.tenant("acme"), query()), other);
    wait(
        office
            .crm
            .edit_lifecycle(|edit| edit.set_stuck_after("new", Some(TimeDelta::days(1)))),
    )
    .unwrap();
    assert_eq!(answer(&office.crm, query()), other);
    let again = wait(office.crm.stuck(query())).unwrap();
    assert_eq!(
        again.items.first().unwrap().overdue(),
        TimeDelta::days(9),
        "the new threshold"
    );
}

#[test]
fn all_pages_are_as_of_the_time_of_the_first() {
    let office = Office::new();
    for number in 0..3 {
        office.create(numbered(number));
    }
    office.pass_hours(24 * 2);
    for number in 3..6 {
        office.create(numbered(number));
    }
    office.pass_hours(24 + 1);
    let found = pages(&office.crm, &StuckQuery::new().limit(2), || {
        office.pass_hours(24 * 50);
    });
    assert_eq!(
        found.len(),
        3,
        "who became stuck meanwhile waits for the next first page"
    );
    assert!(
        found
            .iter()
            .all(|stuck| stuck.overdue() == TimeDelta::hours(1))
    );
    assert_eq!(stuck(&office).len(), 6);
}

/// All pages of a query, with something that happens between them.
fn pages(crm: &Crm, query: &StuckQuery, between: impl Fn()) -> Vec<StuckLead> {
    let mut found = Vec::new();
    let mut page = wait(crm.stuck(query.clone())).unwrap();
    loop {
        found.extend(page.items);
        let Some(next) = page.next else {
            return found;
        };
        between();
        page = wait(crm.stuck(query.clone().after(next))).unwrap();
        assert!(!page.items.is_empty(), "there was more");
    }
}

const STATUSES: [&str; 5] = ["new", "contacted", "qualified", "converted", "lost"];

/// One lead: its status, for how many quarter days it has been there, its user, whether archived.
type Sketch = (usize, i64, Option<bool>, bool);

fn draw(office: &Office, sketches: &[Sketch]) -> Vec<Lead> {
    let draw = |(number, sketch): (usize, &Sketch)| {
        let (status, quarters, of_anna, archived) = *sketch;
        let since: DateTime<Utc> = start() - TimeDelta::hours(6 * quarters);
        let mut new = numbered(number).status(STATUSES[status]).created_at(since);
        if let Some(of_anna) = of_anna {
            new = new.assigned_to(if of_anna { "anna" } else { "bob" });
        }
        let lead = office.create(new);
        if archived {
            wait(office.crm.archive(lead.id)).unwrap();
        }
        office.get(lead.id)
    };
    sketches.iter().enumerate().map(draw).collect()
}

/// What stuck means, said without an index.
fn naive(
    leads: &[Lead],
    lifecycle: &Lifecycle,
    now: DateTime<Utc>,
) -> Vec<(DateTime<Utc>, LeadId)> {
    let mut found: Vec<_> = leads
        .iter()
        .filter(|lead| !lead.is_archived())
        .filter_map(|lead| {
            let threshold = lifecycle.get(&lead.status)?.stuck_after?;
            let due = lead.status_changed_at + threshold;
            (due <= now).then_some((due, lead.id))
        })
        .collect();
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_what_a_look_at_every_lead_gives(
        sketches in prop::collection::vec(
            (0..5usize, 0..80i64, any::<Option<bool>>(), prop::bool::weighted(0.2)), 0..60),
        limit in 1..8u32,
        hours in 0..200i64,
    ) {
        let office = Office::new();
        let leads = draw(&office, &sketches);
        office.pass_hours(hours);
        let now = hour(hours);
        let lifecycle = Lifecycle::standard();
        let shown = |found: &[StuckLead]| -> Vec<(DateTime<Utc>, LeadId)> {
            found.iter().map(|stuck| (stuck.due_at, stuck.lead.id)).collect()
        };
        let query = StuckQuery::new().limit(limit);
        // Time passes and leads come in between: who was stuck at first is shown once all the same.
        let between = || {
            office.pass_hours(7);
            office.create(john());
        };
        let found = pages(&office.crm, &query, between);
        prop_assert_eq!(shown(&found), naive(&leads, &lifecycle, now));
        for stuck in &found {
            prop_assert_eq!(stuck.overdue(), now - stuck.due_at);
        }

        let annas: Vec<Lead> = leads
            .iter()
            .filter(|lead| lead.assigned_to == Some(user("anna")))
            .cloned()
            .collect();
        office.clock.set(now);
        let expected = naive(&annas, &lifecycle, now);
        let asked = pages(&office.crm, &query.clone().assigned_to("anna"), || {});
        prop_assert_eq!(shown(&asked), expected.clone());
        let scoped = office.crm.scoped(Scope::AssignedTo(user("anna")));
        prop_assert_eq!(shown(&pages(&scoped, &query, || {})), expected);
    }
}
