//! A status that somebody is about to add.

use super::definition::{ReasonRule, StatusDefinition, StatusId, StatusKind};
use super::{Colour, Fault};
use crate::lead::limits::MAX_SLUG;
use crate::lead::{Field, Invalid, LeadStatus, slug_of};
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// What a person fills in for a new status. A name is enough.
///
/// Setters take what was typed; [`build`](super::LifecycleBuilder::build) and
/// [`apply`](super::LifecycleEdit::apply) check all of it at once.
///
/// ```
/// use crm_core::lead::Field;
/// use crm_core::lifecycle::StatusDraft;
///
/// let demo = StatusDraft::new("Demo held")
///     .colour("#FFA726")
///     .probability(40)
///     .stuck_after_days(7)
///     .require(Field::Company);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StatusDraft {
    pub(super) name: String,
    pub(super) slug: Option<String>,
    pub(super) colour: Option<String>,
    pub(super) kind: StatusKind,
    pub(super) probability: Option<u8>,
    stuck_after: Option<TimeDelta>,
    required: Vec<Field>,
    reason: ReasonRule,
}

impl StatusDraft {
    /// An open status of this name, 1 to 50 characters, that asks nothing of its leads.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            slug: None,
            colour: None,
            kind: StatusKind::Open,
            probability: None,
            stuck_after: None,
            required: Vec::new(),
            reason: ReasonRule::Optional,
        }
    }

    /// The slug, if it should not be made from the name.
    ///
    /// Made from the name, `Demo held` gives `demo_held`; if that is taken `demo_held_2`; if
    /// nothing of the name is left `status_7`, with the id of the status.
    #[must_use]
    pub fn slug(mut self, slug: impl Into<String>) -> Self {
        self.slug = Some(slug.into());
        self
    }

    /// The colour, as `#RRGGBB` or as a [`Colour`]. Without one: grey.
    #[must_use]
    pub fn colour(mut self, colour: impl Into<String>) -> Self {
        self.colour = Some(colour.into());
        self
    }

    /// Open, won or lost.
    #[must_use]
    pub const fn kind(mut self, kind: StatusKind) -> Self {
        self.kind = kind;
        self
    }

    /// How likely a lead in it is to be won, in percent, 0 to 100. Without one: between those of
    /// its neighbours. A won status always has 100, a lost one 0.
    #[must_use]
    pub const fn probability(mut self, percent: u8) -> Self {
        self.probability = Some(percent);
        self
    }

    /// How long a lead may stay before it is stuck: whole seconds, up to 3,650 days.
    #[must_use]
    pub const fn stuck_after(mut self, threshold: TimeDelta) -> Self {
        self.stuck_after = Some(threshold);
        self
    }

    /// How many days a lead may stay before it is stuck, 1 to 3,650.
    #[must_use]
    pub fn stuck_after_days(self, days: u32) -> Self {
        // Whatever a u32 holds is within what a TimeDelta reaches.
        self.stuck_after(TimeDelta::days(days.into()))
    }

    /// One more field that a lead must have to enter. The status and its reason cannot be
    /// required this way.
    #[must_use]
    pub fn require(mut self, field: Field) -> Self {
        self.required.push(field);
        self
    }

    /// More fields that a lead must have to enter.
    #[must_use]
    pub fn require_all(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.required.extend(fields);
        self
    }

    /// Entering it needs a reason.
    #[must_use]
    pub const fn reason_required(mut self) -> Self {
        self.reason = ReasonRule::Required;
        self
    }

    /// The status this draft makes, with what its surroundings decide. A part that cannot be read
    /// is replaced and its fault noted; what the types do not rule out is left to the check.
    pub(super) fn define(
        self,
        id: StatusId,
        probability: u8,
        is_taken: impl Fn(&str) -> bool,
        faults: &mut Vec<Fault>,
    ) -> StatusDefinition {
        let slug = match self.slug.as_deref().map(str::parse::<LeadStatus>) {
            None => free_slug(&self.name, id, is_taken),
            Some(Ok(slug)) => slug,
            Some(Err(invalid)) => {
                let stand_in = free_slug(&self.name, id, is_taken);
                note(&stand_in, &invalid.renamed("slug"), faults);
                stand_in
            }
        };
        let colour = match self.colour.as_deref().map(str::parse::<Colour>) {
            None => Colour::default(),
            Some(Ok(colour)) => colour,
            Some(Err(invalid)) => {
                note(&slug, &invalid, faults);
                Colour::default()
            }
        };
        StatusDefinition {
            id,
            slug,
            name: self.name.trim().to_owned(),
            colour,
            kind: self.kind,
            probability,
            stuck_after: self.stuck_after,
            required: each_once(self.required),
            reason: self.reason,
            retiring: None,
        }
    }
}

impl From<&str> for StatusDraft {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for StatusDraft {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// Notes what is wrong with a part of a status.
pub(super) fn note(status: &LeadStatus, invalid: &Invalid, faults: &mut Vec<Fault>) {
    for problem in invalid.problems() {
        faults.push(Fault::Definition {
            status: status.clone(),
            problem: problem.clone(),
        });
    }
}

/// A field said twice is said once.
pub(super) fn each_once(fields: Vec<Field>) -> Vec<Field> {
    let mut seen = BTreeSet::new();
    fields
        .into_iter()
        .filter(|field| seen.insert(field.clone()))
        .collect()
}

/// A percentage between two others: after `step` of `steps` even steps, rounded.
pub(super) fn between(low: u8, high: u8, step: usize, steps: usize) -> u8 {
    let steps = steps.max(1);
    let step = step.min(steps);
    let weighted = usize::from(low) * (steps - step) + usize::from(high) * step;
    u8::try_from((weighted + steps / 2) / steps).unwrap_or(high)
}

/// The slug that a name gives, or the first free one like it.
fn free_slug(name: &str, id: StatusId, is_taken: impl Fn(&str) -> bool) -> LeadStatus {
    // More than a slug can come of; a name too long is refused elsewhere, and not folded here.
    let enough = name.get(..name.floor_char_boundary(MAX_SLUG * 16));
    let base = enough
        .and_then(slug_of)
        .unwrap_or_else(|| format!("status_{id}"));
    let mut slug = base.clone();
    let mut number = 2_u64;
    while is_taken(&slug) {
        let suffix = format!("_{number}");
        let kept = base
            .get(..base.len().min(MAX_SLUG - suffix.len()))
            .unwrap_or_default();
        slug = format!("{}{suffix}", kept.trim_end_matches('_'));
        number += 1;
    }
    // Only a-z, 0-9 and _ went in. Were it not a slug, the stand-in would be refused as a duplicate
    // or be as good as any.
    slug.parse().unwrap_or(LeadStatus::NEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(name: &str, taken: &[&str]) -> String {
        let is_taken = |slug: &str| taken.contains(&slug);
        free_slug(name, StatusId::new(7), is_taken).to_string()
    }

    #[test]
    fn a_slug_is_made_from_the_name_and_is_free() {
        assert_eq!(slug("Demo held", &[]), "demo_held");
        assert_eq!(slug("Demo", &["demo"]), "demo_2");
        assert_eq!(slug("Demo", &["demo", "demo_2"]), "demo_3");
        assert_eq!(slug("Переговоры", &[]), "status_7");
        assert_eq!(slug("Переговоры", &["status_7"]), "status_7_2");
        let long = "x".repeat(MAX_SLUG);
        assert_eq!(slug(&long, &[&long]), format!("{}_2", "x".repeat(38)));
        let gap = format!("{}_xy", "x".repeat(37));
        assert_eq!(slug(&gap, &[&gap]), format!("{}_2", "x".repeat(37)));
    }

    #[test]
    fn what_cannot_be_read_is_noted_and_replaced() {
        let mut faults = Vec::new();
        let draft = StatusDraft::new("Demo").slug("Demo held").colour("red");
        let status = draft.define(StatusId::new(1), 50, |_| false, &mut faults);
        assert_eq!(
            (status.slug.as_str(), status.colour),
            ("demo", Colour::default())
        );
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("status \"demo\": slug: is malformed"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("status \"demo\": colour: is malformed"),
            "{told:?}"
        );
    }

    #[test]
    fn a_field_required_twice_is_required_once() {
        let fields = vec![Field::Email, Field::Company, Field::Email];
        assert_eq!(each_once(fields), [Field::Email, Field::Company]);
    }

    #[test]
    fn percentages_are_spread_evenly() {
        assert_eq!(between(0, 100, 1, 2), 50);
        assert_eq!(between(0, 100, 1, 3), 33);
        assert_eq!(between(0, 100, 2, 3), 67);
        assert_eq!(between(80, 20, 1, 2), 50);
        assert_eq!(between(40, 40, 1, 2), 40);
    }
}
