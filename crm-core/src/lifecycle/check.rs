//! The one check that every lifecycle passes, whether built, edited or read.

use super::definition::{
    MAX_REQUIRED, MAX_STATUS_NAME, MAX_STATUSES, MAX_STUCK_AFTER, StatusDefinition, StatusKind,
};
use super::draft::note;
use super::graph::Graph;
use super::{Fault, Lifecycle, LifecycleInvalid, Parts, Place, Policy};
use crate::lead::{Field, Invalid, LeadStatus, ProblemKind, check_line};
use crate::text;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// What is the same for two spellings of one name: folded, white space collapsed, not cut.
pub(super) fn name_key(name: &str) -> String {
    let folded = text::fold(name);
    let words: Vec<&str> = folded.split_whitespace().collect();
    words.join(" ")
}

/// Makes a lifecycle of its parts, or lists everything that is wrong, after what is known already.
pub(super) fn check(parts: Parts, mut faults: Vec<Fault>) -> Result<Lifecycle, LifecycleInvalid> {
    let count = parts.statuses.len();
    if count > MAX_STATUSES {
        faults.push(Fault::TooManyStatuses { count });
        return Err(LifecycleInvalid::new(faults));
    }
    for status in &parts.statuses {
        definition(status, &mut faults);
    }
    let slugs_differ = identities(&parts, &mut faults);
    references(&parts, &mut faults);
    let initial = ends(&parts, &mut faults);
    // With two statuses of one slug it is not clear which of them a move leads to.
    if slugs_differ {
        ways(&parts, initial, &mut faults);
    }
    match &parts.initial {
        Some(initial) if faults.is_empty() => {
            let initial = initial.clone();
            Ok(Lifecycle::assemble(parts, initial))
        }
        _ => Err(LifecycleInvalid::new(faults)),
    }
}

/// What each status is by itself.
fn definition(status: &StatusDefinition, faults: &mut Vec<Fault>) {
    let mut found = |field: &'static str, kind| {
        note(&status.slug, &Invalid::one(field, kind), faults);
    };
    let expected = |expected| ProblemKind::Malformed { expected };
    match status.kind {
        StatusKind::Open if status.probability > 100 => {
            found("probability", ProblemKind::OutOfRange { min: 0, max: 100 });
        }
        StatusKind::Won if status.probability != 100 => {
            found("probability", expected("100, because the status is won"));
        }
        StatusKind::Lost if status.probability != 0 => {
            found("probability", expected("0, because the status is lost"));
        }
        _ => {}
    }
    if let Some(threshold) = status.stuck_after {
        if threshold < TimeDelta::seconds(1) || threshold > MAX_STUCK_AFTER {
            let max = MAX_STUCK_AFTER.num_seconds();
            found(
                "stuck_after_seconds",
                ProblemKind::OutOfRange { min: 1, max },
            );
        } else if threshold.subsec_nanos() != 0 {
            found("stuck_after_seconds", expected("whole seconds"));
        }
    }
    if status.required.len() > MAX_REQUIRED {
        found(
            "required",
            ProblemKind::TooLong {
                max: MAX_REQUIRED,
                unit: "fields",
            },
        );
    }
    let given_by_moves = [Field::Status, Field::StatusReason];
    if given_by_moves
        .iter()
        .any(|field| status.required.contains(field))
    {
        found("required", expected("fields that people fill in"));
    }
    let fields: BTreeSet<&Field> = status.required.iter().collect();
    if fields.len() < status.required.len() {
        found("required", ProblemKind::Duplicate);
    }
    if let Err(invalid) = check_line("name", &status.name, MAX_STATUS_NAME) {
        note(&status.slug, &invalid, faults);
    }
}

/// Slugs, names and ids: each once, and ids only those given out. Says whether the slugs differ.
fn identities(parts: &Parts, faults: &mut Vec<Fault>) -> bool {
    let mut slugs = BTreeSet::new();
    let mut names = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for status in &parts.statuses {
        let slug = &status.slug;
        if !slugs.insert(slug) {
            faults.push(Fault::DuplicateSlug {
                status: slug.clone(),
            });
        }
        if let Some(other) = names.insert(name_key(&status.name), slug) {
            faults.push(Fault::DuplicateName {
                status: slug.clone(),
                other: other.clone(),
            });
        }
        if let Some(other) = ids.insert(status.id, slug) {
            faults.push(Fault::DuplicateId {
                status: slug.clone(),
                other: other.clone(),
                id: status.id,
            });
        }
        if status.id.get() == 0 || status.id >= parts.next_id {
            faults.push(Fault::IdNotIssued {
                status: slug.clone(),
                id: status.id,
                next: parts.next_id,
            });
        }
    }
    slugs.len() == parts.statuses.len()
}

/// Every status that is named exists.
fn references(parts: &Parts, faults: &mut Vec<Fault>) {
    let statuses: BTreeMap<&LeadStatus, &StatusDefinition> = parts
        .statuses
        .iter()
        .map(|status| (&status.slug, status))
        .collect();
    if let Policy::Explicit(edges) = &parts.policy {
        for (from, to) in edges {
            for end in [from, to] {
                if !statuses.contains_key(end) {
                    faults.push(Fault::unknown(end.as_str(), Place::Rule));
                }
            }
            if from == to {
                faults.push(Fault::EdgeToItself {
                    status: from.clone(),
                });
            }
        }
    }
    for status in &parts.statuses {
        let Some(destination) = &status.retiring else {
            continue;
        };
        let status = status.slug.clone();
        match statuses.get(destination) {
            None => faults.push(Fault::unknown(destination.as_str(), Place::Destination)),
            Some(_) if *destination == status => {
                faults.push(Fault::RetiringIntoItself { status });
            }
            Some(found) if found.is_retiring() => faults.push(Fault::RetiringIntoRetiring {
                status,
                destination: destination.clone(),
            }),
            Some(_) => {}
        }
    }
}

/// Leads begin in an open status and end in a closed one. Gives the slug they begin in, if they can.
fn ends<'a>(parts: &'a Parts, faults: &mut Vec<Fault>) -> Option<&'a LeadStatus> {
    if parts.statuses.is_empty() {
        faults.push(Fault::NoStatuses);
        return None;
    }
    let mut entered = parts.statuses.iter().filter(|status| !status.is_retiring());
    if !entered.any(|status| status.kind.is_closed()) {
        faults.push(Fault::NoClosedStatus);
    }
    let Some(slug) = &parts.initial else {
        faults.push(Fault::NoInitialStatus);
        return None;
    };
    let status = slug.clone();
    match parts.statuses.iter().find(|status| status.slug == *slug) {
        None => faults.push(Fault::unknown(slug.as_str(), Place::Initial)),
        Some(found) if found.kind.is_closed() => faults.push(Fault::InitialClosed { status }),
        Some(found) if found.is_retiring() => faults.push(Fault::InitialRetiring { status }),
        Some(_) => return Some(slug),
    }
    None
}

/// From where leads begin they get everywhere, and from everywhere to an end.
fn ways(parts: &Parts, initial: Option<&LeadStatus>, faults: &mut Vec<Fault>) {
    let statuses = &parts.statuses;
    let graph = Graph::new(statuses, &parts.policy);
    let every = graph.enterable;
    let start = initial.and_then(|slug| graph.position(statuses, slug.as_str()));
    if let Some(start) = start {
        for status in every.without(graph.reachable(start)).pick(statuses) {
            faults.push(Fault::Unreachable {
                status: status.slug.clone(),
            });
        }
    }
    // Without any closed status every open one is a dead end, which has been said in one fault.
    if faults.contains(&Fault::NoClosedStatus) {
        return;
    }
    for status in every.without(graph.closable()).pick(statuses) {
        faults.push(Fault::DeadEnd {
            status: status.slug.clone(),
        });
    }
}
