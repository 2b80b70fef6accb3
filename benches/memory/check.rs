//! What it costs to check whether a lead may move: no storage, no clock.

use crate::common::leads::{new_lead, typed};
use crate::common::rounds::{Effort, shown};
use crm_kit::prelude::*;
use pollster::block_on;
use std::hint::black_box;

const LIMIT: f64 = 200.0;

pub(crate) fn show(effort: Effort) {
    println!(
        "\n{:<42} {:>10}  {:>6}",
        "a transition is checked", "time", "max"
    );
    let sales = Lifecycle::sales();
    let steps = sales.statuses().len()..100;
    let many = steps.fold(sales.edit(), |edit, number| {
        edit.add(format!("Step {number}"))
    });
    let many = many.apply().expect("there is room for a hundred");
    for (name, lifecycle, to) in [
        (
            "standard, to the next",
            Lifecycle::standard(),
            LeadStatus::CONTACTED,
        ),
        ("sales, to the last", sales, LeadStatus::LOST),
        ("of a hundred statuses, to the last", many, LeadStatus::LOST),
    ] {
        let lead = lead(&lifecycle);
        let nanos = effort.nanos(|| {
            let allowed = lifecycle.transition(black_box(&lead), black_box(&to), None);
            black_box(allowed.is_ok());
        });
        let verdict = if nanos <= LIMIT { "PASS" } else { "FAIL" };
        println!(
            "{name:<42} {:>10}  {:>6}  {verdict}",
            shown(nanos),
            shown(LIMIT)
        );
    }
}

/// A lead in the first status.
fn lead(lifecycle: &Lifecycle) -> Lead {
    let lifecycle = lifecycle.clone();
    block_on(async {
        let crm = Crm::builder(MemoryRepository::new())
            .lifecycle(lifecycle)
            .open()
            .await?;
        crm.create(new_lead(&typed(0)).status(LeadStatus::NEW))
            .await
    })
    .expect("the lead is right")
}
