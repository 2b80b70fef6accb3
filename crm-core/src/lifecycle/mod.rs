//! The life of a lead: which statuses there are, what each asks of a lead, and which moves between
//! them are allowed.
//!
//! A [`Lifecycle`] is data: an application stores it, shows it, and changes it while running.
//! Everything here is pure: no I/O, no clock. Storing a lifecycle, checking a lead against the
//! stored one, and moving the leads of a status that is being removed are left to
//! [`repository`](crate::repository) and [`crm`](crate::crm).
//!
//! ```
//! use crm_core::lead::{Field, LeadStatus};
//! use crm_core::lifecycle::{Lifecycle, StatusDraft, StatusKind};
//!
//! let lifecycle = Lifecycle::builder()
//!     .status("New")
//!     .status(StatusDraft::new("Demo held").require(Field::Company).stuck_after_days(7))
//!     .status(StatusDraft::new("Won").kind(StatusKind::Won))
//!     .status(StatusDraft::new("Lost").kind(StatusKind::Lost).reason_required())
//!     .build()?;
//!
//! let demo = lifecycle.find("Demo held").ok_or("no such status")?;
//! assert_eq!(demo.slug, "demo_held");
//! assert_eq!(demo.probability, 67);
//! assert!(lifecycle.allows(&LeadStatus::NEW, &demo.slug));
//! assert!(!lifecycle.allows(&LeadStatus::WON, &LeadStatus::NEW));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod check;
mod colour;
mod definition;
mod diagram;
mod draft;
mod edit;
mod fault;
#[cfg(test)]
mod fixtures;
mod format;
mod graph;
mod policy;
mod presets;
#[cfg(test)]
mod properties;
mod refused;
mod requirements;
mod revision;
mod step;
mod transition;

pub use builder::LifecycleBuilder;
pub use colour::Colour;
pub use definition::{
    MAX_REQUIRED, MAX_STATUS_NAME, MAX_STATUSES, MAX_STUCK_AFTER, ReasonRule, StatusDefinition,
    StatusId, StatusKind,
};
pub use draft::StatusDraft;
pub use edit::LifecycleEdit;
pub use fault::{Fault, LifecycleInvalid, Place};
pub use policy::Policy;
pub use refused::{RefusedRule, TransitionRefused};
pub use transition::{NextStatus, Transition};

use crate::lead::{Invalid, LeadStatus, ProblemKind, Version, slug_of};
use check::name_key;
use graph::Graph;
use std::fmt;
use std::sync::Arc;

/// The ordered statuses of a team, and the moves between them. Cheap to clone.
///
/// Every `Lifecycle` is valid: its initial status is open, every status can be reached from it, and
/// from every open status a closed one can be reached.
///
/// Start from a preset or from the [`builder`](Self::builder), change it with an
/// [`edit`](Self::edit). Its JSON carries a format version; reading it back checks it again.
///
/// ```
/// use crm_core::lifecycle::Lifecycle;
///
/// let lifecycle = Lifecycle::sales();
/// let json = serde_json::to_string(&lifecycle)?;
/// assert!(json.starts_with(r#"{"format":1,"version":1,"initial":"new","next_id":7,"#));
/// assert_eq!(serde_json::from_str::<Lifecycle>(&json)?, lifecycle);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Lifecycle(Arc<Checked>);

/// What makes a lifecycle, not yet known to be valid.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Parts {
    version: Version,
    statuses: Vec<StatusDefinition>,
    /// `None` if there is no open status that could be it.
    initial: Option<LeadStatus>,
    policy: Policy,
    next_id: StatusId,
}

/// Valid parts, and what is computed from them once.
struct Checked {
    version: Version,
    statuses: Vec<StatusDefinition>,
    initial: LeadStatus,
    policy: Policy,
    next_id: StatusId,
    graph: Graph,
    /// What the names fold to, by position.
    name_keys: Vec<String>,
}

impl Lifecycle {
    /// The caller answers for the parts being valid.
    fn assemble(parts: Parts, initial: LeadStatus) -> Self {
        let graph = Graph::new(&parts.statuses, &parts.policy);
        let name_keys = parts.statuses.iter().map(|status| name_key(&status.name));
        Self(Arc::new(Checked {
            name_keys: name_keys.collect(),
            graph,
            version: parts.version,
            statuses: parts.statuses,
            initial,
            policy: parts.policy,
            next_id: parts.next_id,
        }))
    }

    fn to_parts(&self) -> Parts {
        Parts {
            version: self.0.version,
            statuses: self.0.statuses.clone(),
            initial: Some(self.0.initial.clone()),
            policy: self.0.policy.clone(),
            next_id: self.0.next_id,
        }
    }

    /// How often it was changed: [`Version::FIRST`] when it was made, one more with each
    /// [edit](Self::edit) that changed something.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Its statuses, in order.
    #[must_use]
    pub fn statuses(&self) -> &[StatusDefinition] {
        &self.0.statuses
    }

    /// The slugs of its statuses, in order.
    pub fn order(&self) -> impl Iterator<Item = &LeadStatus> {
        self.statuses().iter().map(|status| &status.slug)
    }

    /// The slugs of its statuses, in order, as an error message lists them.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        self.order().map(ToString::to_string).collect()
    }

    /// The status that new leads start in.
    #[must_use]
    pub fn initial(&self) -> &LeadStatus {
        &self.0.initial
    }

    /// Which moves are allowed.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// A status.
    #[must_use]
    pub fn get(&self, slug: &LeadStatus) -> Option<&StatusDefinition> {
        self.at(slug.as_str())
    }

    /// A status, by the number that the REST API knows it by.
    #[must_use]
    pub fn by_id(&self, id: StatusId) -> Option<&StatusDefinition> {
        self.statuses().iter().find(|status| status.id == id)
    }

    /// Where in the order a status is; the first is 0.
    #[must_use]
    pub fn position(&self, slug: &LeadStatus) -> Option<usize> {
        self.position_of(slug.as_str())
    }

    /// A status by its slug, as somebody typed it.
    ///
    /// # Errors
    ///
    /// If there is no such status: an unknown `status`, with the statuses there are.
    pub fn status(&self, slug: &str) -> Result<&StatusDefinition, Invalid> {
        self.at(slug).ok_or_else(|| {
            Invalid::one(
                "status",
                ProblemKind::Unknown {
                    known: self.known(),
                },
            )
        })
    }

    /// The status that somebody means who types this: its slug, its name in any spelling that
    /// folds alike, or something with the same slug. For imports and look-ups.
    ///
    /// ```
    /// use crm_core::lead::LeadStatus;
    /// use crm_core::lifecycle::Lifecycle;
    ///
    /// let lifecycle = Lifecycle::standard();
    /// let renamed = lifecycle.edit().rename(LeadStatus::QUALIFIED, "Süß").apply()?;
    /// for typed in ["qualified", "Süß", " SUSS ", "Qualified!"] {
    ///     assert_eq!(renamed.find(typed).map(|status| &status.slug), Some(&LeadStatus::QUALIFIED));
    /// }
    /// assert!(renamed.find("demo").is_none());
    /// # Ok::<(), crm_core::lifecycle::LifecycleInvalid>(())
    /// ```
    #[must_use]
    pub fn find(&self, typed: &str) -> Option<&StatusDefinition> {
        // Longer than any spelling of a name: not worth folding megabytes.
        const MAX_TYPED: usize = MAX_STATUS_NAME * 16;
        let typed = typed.trim();
        if typed.len() > MAX_TYPED {
            return None;
        }
        self.at(typed)
            .or_else(|| {
                let key = name_key(typed);
                let position = self.0.name_keys.iter().position(|known| *known == key)?;
                self.statuses().get(position)
            })
            .or_else(|| self.at(&slug_of(typed)?))
    }

    /// Whether a lead may move from one status to another, if it has what the other requires.
    #[must_use]
    pub fn allows(&self, from: &LeadStatus, to: &LeadStatus) -> bool {
        match (self.position(from), self.position(to)) {
            (Some(from), Some(to)) => self.exits(from).has(to),
            _ => false,
        }
    }

    /// The statuses of this lifecycle that `after` does not have. Whoever replaces this one by
    /// `after` makes sure that no lead is in them.
    #[must_use]
    pub fn removed_in(&self, after: &Self) -> Vec<&StatusDefinition> {
        self.statuses()
            .iter()
            .filter(|status| after.get(&status.slug).is_none())
            .collect()
    }

    /// What may be entered from a position.
    fn exits(&self, position: usize) -> graph::Positions {
        self.0.graph.exits(position).and(self.0.graph.enterable)
    }

    fn position_of(&self, slug: &str) -> Option<usize> {
        self.0.graph.position(self.statuses(), slug)
    }

    fn at(&self, slug: &str) -> Option<&StatusDefinition> {
        self.statuses().get(self.position_of(slug)?)
    }
}

/// Equal when both the rules and the version are.
impl PartialEq for Lifecycle {
    fn eq(&self, other: &Self) -> bool {
        // What is computed follows from the rest.
        let same = |a: &Checked, b: &Checked| {
            a.version == b.version
                && a.next_id == b.next_id
                && a.initial == b.initial
                && a.policy == b.policy
                && a.statuses == b.statuses
        };
        Arc::ptr_eq(&self.0, &other.0) || same(&self.0, &other.0)
    }
}

impl Eq for Lifecycle {}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("version", &self.0.version)
            .field("initial", &self.0.initial)
            .field("next_id", &self.0.next_id)
            .field("policy", &self.0.policy)
            .field("statuses", &self.0.statuses)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifecycle_is_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Lifecycle>();
    }

    #[test]
    fn an_unknown_status_lists_the_known_ones() {
        let refused = Lifecycle::standard().status("Cold").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "status: is unknown: must be one of new, contacted, qualified, converted, lost"
        );
    }

    #[test]
    fn a_status_is_found_by_slug_then_name_then_slug_of_the_name() {
        let lifecycle = Lifecycle::builder()
            .status(StatusDraft::new("Cold Call").slug("first"))
            .status(StatusDraft::new("First").slug("cold_call"))
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .build()
            .unwrap();
        let found = |typed: &str| lifecycle.find(typed).map(|status| status.slug.to_string());
        assert_eq!(found("first").as_deref(), Some("first"));
        assert_eq!(found("cold_call").as_deref(), Some("cold_call"));
        assert_eq!(found("FIRST").as_deref(), Some("cold_call"));
        assert_eq!(found(" cold   CALL").as_deref(), Some("first"));
        assert_eq!(found("Cold-Call").as_deref(), Some("cold_call"));
        assert_eq!(found(""), None);
        assert_eq!(found(&"first".repeat(10 << 20)), None);
    }

    #[test]
    fn positions_and_ids_lead_to_the_same_status() {
        let lifecycle = Lifecycle::sales();
        for (position, status) in lifecycle.statuses().iter().enumerate() {
            assert_eq!(lifecycle.position(&status.slug), Some(position));
            assert_eq!(lifecycle.get(&status.slug), Some(status));
            assert_eq!(lifecycle.by_id(status.id), Some(status));
        }
        assert_eq!(lifecycle.position(&LeadStatus::CONVERTED), None);
        assert_eq!(lifecycle.by_id(StatusId::new(0)), None);
    }

    #[test]
    fn what_an_edit_removed_is_known() {
        let before = Lifecycle::sales();
        let after = before.edit().remove(LeadStatus::PROPOSAL).apply().unwrap();
        let removed: Vec<_> = before.removed_in(&after);
        assert_eq!(removed, [before.get(&LeadStatus::PROPOSAL).unwrap()]);
        assert!(after.removed_in(&before).is_empty());
    }
}
