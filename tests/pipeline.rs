//! How the leads stand: counts, values and stuck leads of each status, as counting them one by one
//! would give.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::{Office, john, numbered, user, wait};
use crm_kit::prelude::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn every_status_is_a_stage_in_order_with_its_values_by_currency() {
    let office = Office::with(Lifecycle::sales());
    let money = |minor, currency| Money::new(minor, currency).unwrap();
    office.create(john().value(money(10_005, "USD")));
    office.create(john().value(money(5, "USD")));
    office.create(john().value(money(700, "JPY")));
    office.create(john());
    office.create(john().status("proposal").value(money(1, "USD")));
    office.create(john().status("lost").value(money(900, "EUR")));
    let archived = office.create(john().value(money(77_777, "USD")));
    wait(office.crm.archive(archived.id)).unwrap();
    office.pass_hours(24 * 5);
    wait(office.crm.transition(office.create(john()).id, "won")).unwrap();

    let pipeline = wait(office.crm.pipeline()).unwrap();
    let json = crm_kit::serde_json::to_value(&pipeline).unwrap();
    let stage = |status, name, kind, probability, leads, stuck, values| {
        crm_kit::serde_json::json!({
            "status": status, "name": name, "kind": kind, "probability": probability,
            "leads": leads, "stuck": stuck, "values": values,
        })
    };
    let value = |currency: &str, total: i64, weighted: i64| crm_kit::serde_json::json!({"currency": currency, "total": total, "weighted": weighted});
    let none = || Vec::<crm_kit::serde_json::Value>::new();
    let expected = crm_kit::serde_json::json!({
        "as_of": "2026-01-20T10:30:00Z",
        "lifecycle_version": 1,
        "stages": [
            stage("new", "New", "open", 10, 4, 4,
                vec![value("JPY", 700, 70), value("USD", 10_010, 1_001)]),
            stage("contacted", "Contacted", "open", 20, 0, 0, none()),
            stage("qualified", "Qualified", "open", 40, 0, 0, none()),
            stage("proposal", "Proposal", "open", 70, 1, 0, vec![value("USD", 1, 1)]),
            stage("won", "Won", "won", 100, 1, 0, none()),
            stage("lost", "Lost", "lost", 0, 1, 0, vec![value("EUR", 900, 0)]),
        ],
    });
    assert_eq!(json, expected);
    assert_eq!(pipeline.leads(), 7);
    let open: Vec<_> = pipeline
        .open_values()
        .iter()
        .map(|sum| {
            format!(
                "{} {} of {}",
                sum.currency,
                sum.weighted_text(),
                sum.total_text()
            )
        })
        .collect();
    assert_eq!(open, ["JPY 70 of 700", "USD 10.02 of 100.11"]);
}

#[test]
fn an_empty_pipeline_has_its_stages() {
    let office = Office::new();
    let pipeline = wait(office.crm.pipeline()).unwrap();
    assert_eq!((pipeline.stages.len(), pipeline.leads()), (5, 0));
    assert!(pipeline.open_values().is_empty());
}

#[test]
fn an_edit_of_the_lifecycle_shows_at_once() {
    let office = Office::new();
    office.create(john().value(Money::new(1_000, "USD").unwrap()));
    let other = office.another();
    assert_eq!(wait(other.pipeline()).unwrap().stages.len(), 5);
    wait(office.crm.edit_lifecycle(|edit| {
        edit.add("Demo")
            .set_probability("new", 33)
            .rename("new", "Fresh")
            .move_to("new", 2)
    }))
    .unwrap();
    let pipeline = wait(other.pipeline()).unwrap();
    let names: Vec<_> = pipeline
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "Contacted",
            "Qualified",
            "Fresh",
            "Demo",
            "Converted",
            "Lost"
        ]
    );
    let fresh = pipeline.stages.get(2).unwrap();
    assert_eq!(
        (fresh.leads, fresh.values.first().unwrap().weighted),
        (1, 330)
    );
}

const CURRENCIES: [&str; 3] = ["USD", "JPY", "KWD"];
const STATUSES: [&str; 5] = ["new", "contacted", "qualified", "converted", "lost"];

/// What happens to a lead: number, what, with which value.
fn happens(office: &Office, id: LeadId, what: u8, amount: i64) {
    let currency = CURRENCIES[usize::from(what) % 3];
    let money = Money::new(amount, currency).unwrap();
    // Refusals are part of the game: the sums must be right after them too.
    let _ = match what % 9 {
        0 | 1 => wait(office.crm.update(id, LeadPatch::new().value(money))).map(drop),
        2 => wait(office.crm.update(id, LeadPatch::new().clear(Field::Value))).map(drop),
        3 | 4 => {
            let to = STATUSES[usize::try_from(amount % 5).unwrap()];
            wait(office.crm.transition(id, to)).map(drop)
        }
        5 => wait(office.crm.archive(id)).map(drop),
        6 => wait(office.crm.restore(id)).map(drop),
        7 => wait(
            office
                .crm
                .assign(id, if amount % 2 == 0 { "anna" } else { "bob" }),
        )
        .map(drop),
        _ if amount % 4 == 0 => wait(office.crm.delete(id)),
        _ => Ok(()),
    };
    office.pass_hours(amount % 50);
}

/// Of each status: leads, stuck ones, and the values by currency.
type Sums = BTreeMap<String, (u64, u64, BTreeMap<String, i128>)>;

fn naive(office: &Office, of: Option<&str>) -> Sums {
    use crm_kit::clock::Clock as _;
    let lifecycle = Lifecycle::standard();
    let mut sums: Sums = lifecycle
        .order()
        .map(|slug| (slug.to_string(), Default::default()))
        .collect();
    let now = office.clock.now();
    let leads = office.snapshot().leads;
    let seen = |lead: &&Lead| {
        !lead.is_archived() && of.is_none_or(|name| lead.assigned_to == Some(user(name)))
    };
    for lead in leads.iter().filter(seen) {
        let (count, stuck, values) = sums.get_mut(lead.status.as_str()).unwrap();
        *count += 1;
        let threshold = lifecycle.get(&lead.status).unwrap().stuck_after;
        if threshold.is_some_and(|threshold| lead.status_changed_at + threshold <= now) {
            *stuck += 1;
        }
        if let Some(value) = lead.value {
            *values.entry(value.currency().to_string()).or_default() +=
                i128::from(value.minor_units());
        }
    }
    sums
}

fn shown(pipeline: &Pipeline) -> Sums {
    let stage = |stage: &crm_kit::report::PipelineStage| {
        let values = stage.values.iter().map(|value| {
            let exact = value.total * i128::from(stage.probability);
            assert!(
                (value.weighted * 100 - exact).abs() <= 50,
                "weighted and rounded"
            );
            (value.currency.to_string(), value.total)
        });
        (
            stage.status.to_string(),
            (stage.leads, stage.stuck, values.collect()),
        )
    };
    pipeline.stages.iter().map(stage).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pipeline_is_what_counting_gives(
        deeds in prop::collection::vec(
            (0..12usize, any::<u8>(), 0..=9_007_199_254_740_991i64), 0..120),
    ) {
        let office = Office::new();
        let ids: Vec<LeadId> = (0..12)
            .map(|number| {
                let value = Money::new(i64::MAX >> (10 + number), CURRENCIES[number % 3]).unwrap();
                office.create(numbered(number).value(value)).id
            })
            .collect();
        for (number, what, amount) in deeds {
            happens(&office, ids[number], what, amount);
        }
        let without_zero = |mut sums: Sums| {
            // A currency of which there is nothing may be named or not.
            for (_, _, values) in sums.values_mut() {
                values.retain(|_, sum| *sum != 0);
            }
            sums
        };
        let pipeline = wait(office.crm.pipeline()).unwrap();
        prop_assert_eq!(without_zero(shown(&pipeline)), without_zero(naive(&office, None)));
        for name in ["anna", "bob"] {
            let scoped = office.crm.scoped(Scope::AssignedTo(user(name)));
            let pipeline = wait(scoped.pipeline()).unwrap();
            prop_assert_eq!(without_zero(shown(&pipeline)), without_zero(naive(&office, Some(name))));
        }
        office.audit();
    }
}
