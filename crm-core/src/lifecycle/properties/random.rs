//! Random lifecycles: most nearly valid, and some spoilt in one way.

use crate::lead::{Field, LeadStatus, Version};
use crate::lifecycle::check::check;
use crate::lifecycle::{
    Colour, Lifecycle, MAX_STUCK_AFTER, Parts, Policy, ReasonRule, StatusDefinition, StatusId,
    StatusKind,
};
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What spoils one status of a lifecycle, or its rules. Each may happen to spoil nothing.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    None,
    Probability(u8),
    StuckAfter(i64),
    Required(usize),
    Id(u32),
    NextId(u32),
    Slug(usize),
    Name(usize),
    Initial(usize),
    Retiring(usize),
    Edge(usize, usize),
}

fn flaw() -> impl Strategy<Value = Flaw> {
    let number = 0..7_usize;
    prop_oneof![
        12 => Just(Flaw::None),
        1 => any::<u8>().prop_map(Flaw::Probability),
        1 => prop_oneof![
            Just(0), Just(1), Just(-1), Just(MAX_STUCK_AFTER.num_seconds() + 1), 1..100_000_i64
        ].prop_map(Flaw::StuckAfter),
        1 => (0..4_usize).prop_map(Flaw::Required),
        1 => (0..9_u32).prop_map(Flaw::Id),
        1 => (0..9_u32).prop_map(Flaw::NextId),
        1 => number.clone().prop_map(Flaw::Slug),
        1 => number.clone().prop_map(Flaw::Name),
        2 => number.clone().prop_map(Flaw::Initial),
        8 => number.clone().prop_map(Flaw::Retiring),
        2 => (number.clone(), number).prop_map(|(from, to)| Flaw::Edge(from, to)),
    ]
}

fn slug(number: usize) -> LeadStatus {
    format!("s{number}").parse().unwrap()
}

fn status(position: usize, kind: StatusKind, asks: (bool, bool)) -> StatusDefinition {
    let (company, reason) = asks;
    StatusDefinition {
        id: StatusId::new(u32::try_from(position).unwrap() + 1),
        slug: slug(position),
        name: format!("Status {position}"),
        colour: Colour::default(),
        kind,
        probability: kind.settled_probability().unwrap_or(50),
        stuck_after: Some(TimeDelta::days(1)),
        required: if company {
            vec![Field::Company]
        } else {
            vec![]
        },
        reason: if reason {
            ReasonRule::Required
        } else {
            ReasonRule::Optional
        },
        retiring: None,
    }
}

fn kind() -> impl Strategy<Value = StatusKind> {
    prop_oneof![
        4 => Just(StatusKind::Open),
        1 => Just(StatusKind::Won),
        1 => Just(StatusKind::Lost)
    ]
}

/// Parts of a lifecycle, valid or not.
pub(super) fn parts() -> impl Strategy<Value = Parts> {
    let asks = (prop::bool::weighted(0.4), any::<bool>());
    let statuses = vec((kind(), asks), 0..7);
    // Where the leads of a status in the middle go, now and then.
    let retiring = prop_oneof![2 => Just(None), 1 => any::<(Index, Index)>().prop_map(Some)];
    let extra = vec((any::<Index>(), any::<Index>()), 0..12);
    // A chain through all statuses reaches everything, unless a link of it is missing.
    let broken = prop_oneof![2 => Just(None), 1 => (0..6_usize).prop_map(Some)];
    let policy = prop_oneof![1 => Just(None), 2 => (extra, broken).prop_map(Some)];
    let flaws = vec((flaw(), any::<Index>()), 0..3);
    let ends = prop::bool::weighted(0.8);
    let parts = (statuses, retiring, policy, flaws, ends);
    parts.prop_map(|(mut statuses, retiring, policy, flaws, ends)| {
        if let Some((kind, _)) = statuses.last_mut()
            && ends
        {
            *kind = StatusKind::Won;
        }
        let numbered = statuses.into_iter().enumerate();
        let mut statuses: Vec<StatusDefinition> = numbered
            .map(|(position, (kind, asks))| status(position, kind, asks))
            .collect();
        let count = statuses.len();
        if let Some((at, to)) = retiring
            && count > 2
        {
            let to = to.index(count - 1);
            if let Some(status) = statuses.get_mut(at.index(count - 2) + 1) {
                status.retiring = Some(slug(to)).filter(|to| *to != status.slug);
            }
        }
        let edges = policy.filter(|_| count > 0).map(|(extra, broken)| {
            let chain = (1..count).filter(|link| Some(*link) != broken);
            let extra = extra
                .into_iter()
                .map(|(from, to)| (from.index(count), to.index(count)));
            chain
                .map(|link| (link - 1, link))
                .chain(extra.filter(|(from, to)| from != to))
                .map(|(from, to)| (slug(from), slug(to)))
                .collect()
        });
        let open = statuses.iter().find(|status| status.kind.is_open());
        let mut parts = Parts {
            version: Version::FIRST,
            initial: open.map(|status| status.slug.clone()),
            policy: edges.map_or(Policy::Forward, Policy::Explicit),
            next_id: StatusId::new(u32::try_from(count).unwrap() + 1),
            statuses,
        };
        for (flaw, at) in flaws {
            spoil(&mut parts, flaw, at);
        }
        parts
    })
}

fn spoil(parts: &mut Parts, flaw: Flaw, at: Index) {
    let count = parts.statuses.len();
    if count == 0 {
        return;
    }
    let status = &mut parts.statuses[at.index(count)];
    match flaw {
        Flaw::None => {}
        Flaw::Probability(percent) => status.probability = percent,
        Flaw::StuckAfter(seconds) => status.stuck_after = Some(TimeDelta::seconds(seconds)),
        Flaw::Required(which) => {
            let fields = [
                Field::Company,
                Field::Status,
                Field::StatusReason,
                Field::Tags,
            ];
            status.required.push(fields[which].clone());
        }
        Flaw::Id(id) => status.id = StatusId::new(id),
        Flaw::NextId(id) => parts.next_id = StatusId::new(id),
        Flaw::Slug(number) => status.slug = slug(number),
        Flaw::Name(number) => status.name = format!("STATUS  {number}"),
        Flaw::Initial(number) => parts.initial = Some(slug(number)),
        Flaw::Retiring(number) => status.retiring = Some(slug(number)),
        Flaw::Edge(from, to) => {
            if let Policy::Explicit(edges) = &mut parts.policy {
                edges.insert((slug(from), slug(to)));
            }
        }
    }
}

/// Valid lifecycles.
pub(super) fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    let random = parts().prop_filter_map("valid", |parts| check(parts, Vec::new()).ok());
    prop_oneof![
        1 => Just(Lifecycle::standard()),
        1 => Just(Lifecycle::sales()),
        6 => random,
    ]
}
