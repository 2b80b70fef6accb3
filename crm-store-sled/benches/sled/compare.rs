//! Ours against hand-written sled code: get, create, transition, page of 50.

use crate::by_hand::ByHand;
use crate::leads::{Planner, new_lead};
use crate::open;
use crate::rounds::{Effort, Ratio, in_turn};
use crm_core::crm::Crm;
use crm_core::event::LeadEvent;
use crm_core::lead::{Lead, LeadId, LeadStatus, TenantId};
use crm_core::query::LeadQuery;
use crm_core::repository::{ChangeSet, Repository as _};
use crm_store_sled::{Durability, SledRepository};
use pollster::block_on;
use std::hint::black_box;
use std::time::{Duration, Instant};

const LIMIT: f64 = 1.15;
/// Commits of one arm in a round.
const EACH: u32 = 8;
/// Leads that are there when it is read.
const LEADS: u32 = 10_000;

pub(crate) fn run(effort: Effort) {
    println!(
        "\n{}",
        Ratio::header("one after another", "ours", "by hand")
    );
    for durability in [
        Durability::Buffered,
        Durability::Flushed,
        Durability::Fsynced,
    ] {
        writes(effort, durability);
    }
    reads(effort);
}

/// Both arms, in a directory that goes with them.
struct Arms {
    ours: SledRepository,
    by_hand: ByHand,
    _directory: tempfile::TempDir,
}

impl Arms {
    fn new(durability: Durability) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ours = open(&directory.path().join("ours"), durability);
        let crm = block_on(Crm::open(ours.clone())).expect("a store");
        block_on(crm.create(new_lead(0))).expect("a lead");
        Self {
            ours,
            by_hand: ByHand::open(&directory.path().join("by_hand"), durability)
                .expect("a database"),
            _directory: directory,
        }
    }

    fn commit(&self, set: &ChangeSet) {
        block_on(self.ours.commit(&TenantId::DEFAULT, set)).expect("a commit");
    }
}

fn timed<T>(work: Vec<T>, mut each: impl FnMut(T)) -> (Duration, u32) {
    let count = u32::try_from(work.len()).expect("few");
    let start = Instant::now();
    for one in work {
        each(one);
    }
    (start.elapsed(), count)
}

/// What the hand-written code writes: the same leads and events.
fn written(sets: &[ChangeSet]) -> Vec<(Lead, LeadEvent)> {
    let of_set =
        |set: &ChangeSet| -> Vec<_> { set.leads().cloned().zip(set.events().cloned()).collect() };
    sets.iter().flat_map(of_set).collect()
}

fn writes(effort: Effort, durability: Durability) {
    let arms = Arms::new(durability);
    let effort = effort.divided_by(8);
    let mut planner = Planner::new();
    let mut created = Vec::new();
    let ratio = effort.each_round(|round| {
        let sets = planner.creations(EACH);
        let by_hand = written(&sets);
        created.extend(
            by_hand
                .iter()
                .map(|(lead, _)| (lead.id, lead.status.clone())),
        );
        in_turn(
            round,
            || timed(sets, |set| arms.commit(&set)),
            || {
                timed(by_hand, |(lead, event)| {
                    block_on(arms.by_hand.create(lead, event)).expect("a commit");
                })
            },
        )
    });
    println!("{}", ratio.row(&format!("create, {durability:?}"), LIMIT));

    let crm = block_on(Crm::open(arms.ours.clone())).expect("a store");
    let mut new = created
        .iter()
        .filter(|(_, status)| *status == LeadStatus::NEW);
    let ratio = effort.divided_by(2).each_round(|round| {
        let ids = new.by_ref().take(4).map(|(id, _)| *id);
        let plan = |id: LeadId| block_on(crm.plan_transition(id, LeadStatus::CONTACTED));
        let sets: Vec<_> = ids.map(|id| plan(id).expect("a plan")).collect();
        let by_hand = written(&sets);
        in_turn(
            round,
            || timed(sets, |set| arms.commit(&set)),
            || {
                timed(by_hand, |(lead, event)| {
                    let change = arms.by_hand.update(lead.id, move |_| (lead, event));
                    block_on(change).expect("a commit");
                })
            },
        )
    });
    println!(
        "{}",
        ratio.row(&format!("transition, {durability:?}"), LIMIT)
    );
}

fn reads(effort: Effort) {
    let arms = Arms::new(Durability::Buffered);
    let mut ids: Vec<LeadId> = Vec::new();
    for set in Planner::new().creations(if effort.is_quick { 60 } else { LEADS }) {
        arms.commit(&set);
        for (lead, event) in written(&[set]) {
            ids.push(lead.id);
            block_on(arms.by_hand.create(lead, event)).expect("a commit");
        }
    }
    let (mut one, mut other) = (ids.iter().cycle(), ids.iter().cycle());
    let next = |ids: &mut dyn Iterator<Item = &LeadId>| *ids.next().expect("a lead");
    let ratio = effort.compare(
        || {
            let id = next(&mut one);
            let lead = block_on(arms.ours.get(&TenantId::DEFAULT, &[id]));
            black_box(lead.expect("an answer"));
        },
        || {
            let id = next(&mut other);
            black_box(arms.by_hand.get(id).expect("an answer"));
        },
    );
    println!("{}", ratio.row("get", LIMIT));
    let query = LeadQuery::new().limit(50);
    let ratio = effort.compare(
        || {
            let page = block_on(arms.ours.find(&TenantId::DEFAULT, &query));
            black_box(page.expect("an answer"));
        },
        || {
            let page = block_on(arms.by_hand.page(50));
            black_box(page.expect("an answer"));
        },
    );
    println!("{}", ratio.row("page of 50", LIMIT));
}
