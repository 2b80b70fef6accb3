//! A lifecycle as a graph: where each status is, and which moves lead out of it.
//!
//! Statuses are known by their position, and a set of them is one integer, so that a transition is
//! checked without looking anything up in a map.

use super::definition::MAX_STATUSES;
use super::{Policy, StatusDefinition, StatusKind};

/// A set of statuses, by position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Positions(u128);

const _: () = assert!(MAX_STATUSES <= 128, "a position must fit into the set");

impl Positions {
    pub(super) fn one(position: usize) -> Self {
        let bit = u32::try_from(position)
            .ok()
            .and_then(|position| 1_u128.checked_shl(position));
        Self(bit.unwrap_or_default())
    }

    fn of(statuses: &[StatusDefinition], wanted: impl Fn(&StatusDefinition) -> bool) -> Self {
        let mut found = Self::default();
        for (position, status) in statuses.iter().enumerate() {
            if wanted(status) {
                found = found.or(Self::one(position));
            }
        }
        found
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, position: usize) -> bool {
        !self.and(Self::one(position)).is_empty()
    }

    /// Those of the statuses that are in the set, in order.
    pub(super) fn pick(
        self,
        statuses: &[StatusDefinition],
    ) -> impl Iterator<Item = &StatusDefinition> {
        statuses
            .iter()
            .enumerate()
            .filter(move |(position, _)| self.has(*position))
            .map(|(_, status)| status)
    }
}

/// The first bytes of a slug as a number of the same order: most slugs are told apart by it,
/// without following a pointer to each that a search passes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Beginning(u128);

impl Beginning {
    fn of(slug: &str) -> Self {
        let mut first = [0; 16];
        for (slot, byte) in first.iter_mut().zip(slug.bytes()) {
            *slot = byte;
        }
        Self(u128::from_be_bytes(first))
    }
}

/// The moves between statuses. With two statuses of the same slug, which of them is found is not
/// specified.
#[derive(Debug)]
pub(super) struct Graph {
    /// How each slug begins, and its position, in the order of the slugs.
    by_slug: Vec<(Beginning, usize)>,
    /// What the policy allows out of each position, retiring statuses included.
    exits: Vec<Positions>,
    /// What may be entered: all but the retiring statuses.
    pub(super) enterable: Positions,
    closed: Positions,
}

impl Graph {
    pub(super) fn new(statuses: &[StatusDefinition], policy: &Policy) -> Self {
        let positions = statuses.iter().enumerate();
        let mut ordered: Vec<(&str, usize)> = positions
            .map(|(position, status)| (status.slug.as_str(), position))
            .collect();
        ordered.sort_unstable();
        let by_slug = ordered
            .into_iter()
            .map(|(slug, position)| (Beginning::of(slug), position))
            .collect();
        let mut graph = Self {
            by_slug,
            exits: vec![Positions::default(); statuses.len()],
            enterable: Positions::of(statuses, |status| !status.is_retiring()),
            closed: Positions::of(statuses, |status| status.kind.is_closed()),
        };
        let open = Positions::of(statuses, |status| status.kind.is_open());
        match policy {
            Policy::Forward => {
                for (position, (status, exits)) in statuses.iter().zip(&mut graph.exits).enumerate()
                {
                    *exits = match status.kind {
                        StatusKind::Open => open.or(graph.closed).without(Positions::one(position)),
                        StatusKind::Won => Positions::default(),
                        StatusKind::Lost => open,
                    };
                }
            }
            Policy::Explicit(edges) => {
                for (from, to) in edges {
                    let from = graph.position(statuses, from.as_str());
                    let to = graph.position(statuses, to.as_str());
                    if let (Some(from), Some(to)) = (from, to)
                        && let Some(exits) = graph.exits.get_mut(from)
                    {
                        *exits = exits.or(Positions::one(to));
                    }
                }
            }
        }
        graph
    }

    pub(super) fn position(&self, statuses: &[StatusDefinition], slug: &str) -> Option<usize> {
        let beginning = Beginning::of(slug);
        let found = self.by_slug.binary_search_by(|(known, position)| {
            known.cmp(&beginning).then_with(|| {
                let known = statuses.get(*position);
                known.map_or("", |status| status.slug.as_str()).cmp(slug)
            })
        });
        let (_, position) = self.by_slug.get(found.ok()?)?;
        Some(*position)
    }

    /// What the policy allows out of a position, retiring statuses included.
    pub(super) fn exits(&self, position: usize) -> Positions {
        self.exits.get(position).copied().unwrap_or_default()
    }

    /// Everything that can be entered on a way that begins here, this position included.
    pub(super) fn reachable(&self, from: usize) -> Positions {
        let mut reached = Positions::one(from);
        loop {
            let mut next = reached;
            for (position, exits) in self.exits.iter().enumerate() {
                if reached.has(position) {
                    next = next.or(exits.and(self.enterable));
                }
            }
            if next == reached {
                return reached;
            }
            reached = next;
        }
    }

    /// Everything from which a closed status can be entered, and the closed ones that can be.
    pub(super) fn closable(&self) -> Positions {
        let mut closable = self.closed.and(self.enterable);
        loop {
            let mut next = closable;
            for (position, exits) in self.exits.iter().enumerate() {
                // Through a retiring status no way leads, so it does not help others to close.
                if self.enterable.has(position) && !exits.and(closable).is_empty() {
                    next = next.or(Positions::one(position));
                }
            }
            if next == closable {
                return closable;
            }
            closable = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Lifecycle;

    #[test]
    fn a_position_beyond_the_set_is_in_no_set() {
        assert!(Positions::one(127).has(127));
        assert!(Positions::one(128).is_empty());
        assert!(Positions::one(usize::MAX).is_empty());
    }

    #[test]
    fn every_status_is_found_where_it_is() {
        let lifecycle = Lifecycle::sales();
        let statuses = lifecycle.statuses();
        let graph = Graph::new(statuses, lifecycle.policy());
        for (position, status) in statuses.iter().enumerate() {
            assert_eq!(
                graph.position(statuses, status.slug.as_str()),
                Some(position)
            );
        }
        assert_eq!(graph.position(statuses, "demo"), None);
        assert_eq!(graph.position(statuses, ""), None);
    }
}
