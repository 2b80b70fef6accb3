//! Our crate in memory against the same job written by hand: `cargo bench --bench memory`.
//!
//! Both arms run in turn in one process, so what counts is the ratio. Ours goes through `Crm`, with
//! everything that comes with it.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark shows its figures, and one that fails stops"
)]

mod by_hand;
mod check;
#[path = "../common/mod.rs"]
mod common;

use by_hand::{Leads, Status};
use common::leads::{Typed, new_lead, typed};
use common::rounds::{Effort, Ratio, in_turn};
use crm_kit::lead::LeadId;
use crm_kit::prelude::*;
use crm_kit::uuid::Uuid;
use fastrand::Rng;
use pollster::block_on;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many leads are created or moved in one round.
const WRITES: u32 = 5;

fn main() {
    let effort = Effort::from_arguments();
    let sizes = if effort.is_quick {
        [100, 1_000]
    } else {
        [10_000, 100_000]
    };
    println!(
        "A lead takes {} bytes of ours and {} by hand, its texts not counted.",
        size_of::<Lead>(),
        size_of::<by_hand::Lead>(),
    );
    check::show(effort);
    for size in sizes {
        let title = format!("{size} leads");
        println!("\n{}", Ratio::header(&title, "ours", "by hand"));
        let mut arms = Arms::new(size);
        let show = |name: &str, ratio: &Ratio, limit| println!("{}", ratio.row(name, limit));
        show("get", &arms.get(effort), 1.5);
        for (name, ratio) in arms.pages(effort) {
            show(name, &ratio, 1.3);
        }
        show("transition", &arms.transition(effort), 2.0);
        show("create", &arms.create(effort, false), 2.0);
        show(
            "create, from what was typed",
            &arms.create(effort, true),
            2.0,
        );
    }
}

/// The same leads in both.
struct Arms {
    crm: Crm,
    by_hand: Leads,
    /// Their ids in both, and where they are.
    leads: Vec<(LeadId, Uuid, &'static str)>,
    created: u32,
    random: Rng,
}

impl Arms {
    fn new(size: u32) -> Self {
        let crm = block_on(Crm::open(MemoryRepository::new())).expect("memory opens");
        let by_hand = Leads::default();
        let mut leads = Vec::new();
        for number in 0..size {
            let typed = typed(number);
            let status = typed.status;
            let ours = block_on(crm.create(new_lead(&typed))).expect("the lead is right");
            let other = by_hand.create(typed).expect("the lead is right");
            leads.push((ours.id, other.id, status));
        }
        Self {
            crm,
            by_hand,
            leads,
            created: size,
            random: Rng::with_seed(7),
        }
    }

    /// Any lead, each about as often.
    fn get(&mut self, effort: Effort) -> Ratio {
        self.random.shuffle(&mut self.leads);
        let (mut ours, mut other) = (self.leads.iter().cycle(), self.leads.iter().cycle());
        effort.compare(
            || {
                let id = ours.next().expect("there are leads").0;
                black_box(block_on(self.crm.get(id)).expect("it is there"));
            },
            || {
                let id = other.next().expect("there are leads").1;
                black_box(self.by_hand.get(id).expect("it is there"));
            },
        )
    }

    fn pages(&self, effort: Effort) -> [(&'static str, Ratio); 5] {
        let user = "user_7";
        let shared: Arc<str> = user.into();
        let contacted = Status::named("contacted").expect("it is known");
        let of_ours = |query: LeadQuery| {
            move || {
                let page = block_on(self.crm.list(query.clone())).expect("the query is right");
                black_box(page);
            }
        };
        let newest = LeadQuery::new;
        let in_status = || {
            let updated = Sort::updated().descending();
            LeadQuery::new().status(LeadStatus::CONTACTED).sort(updated)
        };
        let of_both = || LeadQuery::new().assigned_to(user).status(LeadStatus::NEW);
        let by_name = || LeadQuery::new().sort(Sort::name());

        let second = block_on(self.crm.list(newest()))
            .expect("the query is right")
            .next;
        let second = newest().after(second.expect("there are more"));
        let (_, after) = self.by_hand.newest(None, 50);
        [
            (
                "page of 50, newest first",
                effort.compare(of_ours(newest()), || {
                    black_box(self.by_hand.newest(None, 50));
                }),
            ),
            (
                "  the page after it",
                effort.compare(of_ours(second), || {
                    black_box(self.by_hand.newest(after, 50));
                }),
            ),
            (
                "  of a status, last changed first",
                effort.compare(of_ours(in_status()), || {
                    black_box(self.by_hand.in_status(contacted, None, 50));
                }),
            ),
            (
                "  of a user and status",
                effort.compare(of_ours(of_both()), || {
                    black_box(self.by_hand.of_user_in_status(
                        &shared,
                        Status::named("new").expect("it is known"),
                        None,
                        50,
                    ));
                }),
            ),
            (
                "  by name",
                effort.compare(of_ours(by_name()), || {
                    black_box(self.by_hand.by_name(None, 50));
                }),
            ),
        ]
    }

    /// Open leads go round the open statuses.
    fn transition(&mut self, effort: Effort) -> Ratio {
        self.random.shuffle(&mut self.leads);
        let is_open = |(_, _, status): &(_, _, &str)| !matches!(*status, "converted" | "lost");
        let mut open: Vec<usize> = (0..self.leads.len())
            .filter(|place| self.leads.get(*place).is_some_and(is_open))
            .collect();
        let Self {
            crm,
            by_hand,
            leads,
            ..
        } = self;
        effort.each_round(|round| {
            let mut moves = Vec::new();
            for _ in 0..WRITES {
                open.rotate_left(1);
                let place = open.first().copied().unwrap_or_default();
                let lead = leads.get_mut(place).expect("it is a place of theirs");
                lead.2 = match lead.2 {
                    "new" => "contacted",
                    "contacted" => "qualified",
                    _ => "new",
                };
                moves.push(*lead);
            }
            in_turn(
                round,
                || {
                    timed(&moves, |(id, _, to)| {
                        black_box(block_on(crm.transition(*id, *to)).expect("it may move"));
                    })
                },
                || {
                    timed(&moves, |(_, id, to)| {
                        black_box(by_hand.transition(*id, to).expect("it may move"));
                    })
                },
            )
        })
    }

    /// New leads beside those that are there.
    fn create(&mut self, effort: Effort, from_typed: bool) -> Ratio {
        let Self {
            crm,
            by_hand,
            created,
            ..
        } = self;
        effort.divided_by(4).each_round(|round| {
            let typed: Vec<Typed> = (0..WRITES).map(|place| typed(*created + place)).collect();
            *created += WRITES;
            let ready: Vec<NewLead> = typed.iter().map(new_lead).collect();
            in_turn(
                round,
                || {
                    if from_typed {
                        timed(&typed, |typed| {
                            black_box(block_on(crm.create(new_lead(typed))).expect("it is right"));
                        })
                    } else {
                        timed(ready, |new| {
                            black_box(block_on(crm.create(new)).expect("it is right"));
                        })
                    }
                },
                || {
                    if from_typed {
                        timed(&typed, |typed| {
                            black_box(by_hand.create(typed.clone()).expect("it is right"));
                        })
                    } else {
                        timed(typed.clone(), |typed| {
                            black_box(by_hand.create(typed).expect("it is right"));
                        })
                    }
                },
            )
        })
    }
}

fn timed<T>(work: impl IntoIterator<Item = T>, mut each: impl FnMut(T)) -> (Duration, u32) {
    let start = Instant::now();
    let mut times = 0;
    for item in work {
        each(item);
        times += 1;
    }
    (start.elapsed(), times)
}
