//! Which moves are allowed, before fields and reasons are looked at.

use super::StatusDefinition;
use super::graph::Graph;
use crate::lead::LeadStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which moves are allowed between the statuses of a lifecycle.
///
/// In JSON `"forward"`, or `{"explicit": [["new", "contacted"], …]}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// Computed from the kinds, so that adding and reordering always stay valid: from any open
    /// status to any other status, skipping ahead or stepping back; from a lost one back to any
    /// open one; from a won one nowhere.
    #[default]
    Forward,
    /// Exactly these moves, each as (from, to).
    ///
    /// A status added later copies the moves of its predecessor, see
    /// [`LifecycleEdit::add`](super::LifecycleEdit::add).
    Explicit(BTreeSet<(LeadStatus, LeadStatus)>),
}

impl Policy {
    /// The moves it allows between these statuses, listed.
    pub(super) fn listed(
        &self,
        statuses: &[StatusDefinition],
    ) -> BTreeSet<(LeadStatus, LeadStatus)> {
        if let Self::Explicit(edges) = self {
            return edges.clone();
        }
        let graph = Graph::new(statuses, self);
        let mut edges = BTreeSet::new();
        for (position, from) in statuses.iter().enumerate() {
            for to in graph.exits(position).pick(statuses) {
                edges.insert((from.slug.clone(), to.slug.clone()));
            }
        }
        edges
    }
}
