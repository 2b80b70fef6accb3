//! The rules of a lifecycle said once more, as plainly as possible, to hold the check against.

use crate::lead::{Field, LeadStatus};
use crate::lifecycle::check::name_key;
use crate::lifecycle::{Parts, Policy, StatusDefinition, StatusKind};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// What a valid lifecycle is, said once more and as plainly as possible.
pub(super) fn is_valid(parts: &Parts) -> bool {
    let statuses = &parts.statuses;
    let by_slug: BTreeMap<&LeadStatus, &StatusDefinition> = statuses
        .iter()
        .map(|status| (&status.slug, status))
        .collect();
    let names: BTreeSet<String> = statuses
        .iter()
        .map(|status| name_key(&status.name))
        .collect();
    let ids: BTreeSet<u32> = statuses.iter().map(|status| status.id.get()).collect();
    let count = statuses.len();
    if by_slug.len() != count || names.len() != count || ids.len() != count || count > 100 {
        return false;
    }
    if ids.contains(&0) || ids.iter().any(|id| *id >= parts.next_id.get()) {
        return false;
    }
    for status in statuses {
        let probability_fits = match status.kind {
            StatusKind::Open => status.probability <= 100,
            StatusKind::Won => status.probability == 100,
            StatusKind::Lost => status.probability == 0,
        };
        let threshold_fits = status.stuck_after.is_none_or(|threshold| {
            threshold == TimeDelta::seconds(threshold.num_seconds())
                && (1..=3650 * 86_400).contains(&threshold.num_seconds())
        });
        let fields: BTreeSet<_> = status.required.iter().collect();
        let fields_fit = fields.len() == status.required.len()
            && !fields.contains(&Field::Status)
            && !fields.contains(&Field::StatusReason);
        let destination_fits = status.retiring.as_ref().is_none_or(|destination| {
            let found = by_slug.get(destination);
            *destination != status.slug && found.is_some_and(|found| found.retiring.is_none())
        });
        let name_fits = (1..=50).contains(&status.name.chars().count());
        if !(probability_fits && threshold_fits && fields_fit && destination_fits && name_fits) {
            return false;
        }
    }
    if let Policy::Explicit(edges) = &parts.policy {
        for (from, to) in edges {
            if from == to || !by_slug.contains_key(from) || !by_slug.contains_key(to) {
                return false;
            }
        }
    }
    let Some(initial) = parts.initial.as_ref().and_then(|slug| by_slug.get(slug)) else {
        return false;
    };
    let entered: Vec<_> = statuses
        .iter()
        .filter(|status| status.retiring.is_none())
        .collect();
    if initial.kind.is_closed() || initial.retiring.is_some() {
        return false;
    }
    let closed = |status: &StatusDefinition| status.kind.is_closed();
    let has_way = |from: &StatusDefinition, wanted: &dyn Fn(&StatusDefinition) -> bool| {
        walk(parts, &entered, from, wanted, &mut Vec::new())
    };
    entered.iter().any(|status| closed(status))
        && entered
            .iter()
            .all(|goal| has_way(initial, &|status| status.slug == goal.slug))
        && entered.iter().all(|status| has_way(status, &closed))
}

/// Whether a way leads from a status to one that is wanted, depth first.
fn walk(
    parts: &Parts,
    entered: &[&StatusDefinition],
    from: &StatusDefinition,
    wanted: &dyn Fn(&StatusDefinition) -> bool,
    visited: &mut Vec<LeadStatus>,
) -> bool {
    if wanted(from) {
        return true;
    }
    visited.push(from.slug.clone());
    entered.iter().any(|to| {
        !visited.contains(&to.slug)
            && leads_to(parts, from, to)
            && walk(parts, entered, to, wanted, visited)
    })
}

fn leads_to(parts: &Parts, from: &StatusDefinition, to: &StatusDefinition) -> bool {
    match &parts.policy {
        Policy::Explicit(edges) => edges.contains(&(from.slug.clone(), to.slug.clone())),
        Policy::Forward => match (from.kind, to.kind) {
            (StatusKind::Open, _) => from.slug != to.slug,
            (StatusKind::Lost, StatusKind::Open) => true,
            _ => false,
        },
    }
}
