//! A lifecycle written in code.

use super::check::check;
use super::definition::{MAX_STATUSES, StatusDefinition, StatusId};
use super::draft::between;
use super::{Fault, Lifecycle, LifecycleInvalid, Parts, Place, Policy, StatusDraft};
use crate::lead::{LeadStatus, Version};
use std::collections::BTreeSet;

/// Collects the statuses and rules of a new [`Lifecycle`]; made by [`Lifecycle::builder`].
///
/// Statuses keep the order in which they are given. Without rules the policy is
/// [`Policy::Forward`].
#[derive(Clone, Debug, Default)]
pub struct LifecycleBuilder {
    statuses: Vec<StatusDraft>,
    initial: Option<String>,
    allowed: Option<Vec<(String, String)>>,
}

impl Lifecycle {
    /// A new lifecycle, status by status.
    ///
    /// ```
    /// use crm_core::lifecycle::{Lifecycle, StatusDraft, StatusKind};
    ///
    /// let strict = Lifecycle::builder()
    ///     .status("New")
    ///     .status("Demo")
    ///     .status(StatusDraft::new("Won").kind(StatusKind::Won))
    ///     .allow("new", "demo")
    ///     .allow("demo", "won")
    ///     .build()?;
    /// assert_eq!(strict.initial(), "new");
    ///
    /// let refused = Lifecycle::builder()
    ///     .status("New")
    ///     .status(StatusDraft::new("Won").kind(StatusKind::Won))
    ///     .allow("new", "demo")
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "there is no status \"demo\", named in a rule; \
    ///      \"won\" cannot be reached from the initial status; \
    ///      no won or lost status can be reached from \"new\"",
    /// );
    /// # Ok::<(), crm_core::lifecycle::LifecycleInvalid>(())
    /// ```
    #[must_use]
    pub fn builder() -> LifecycleBuilder {
        LifecycleBuilder::default()
    }
}

impl LifecycleBuilder {
    /// One more status, after those given before.
    #[must_use]
    pub fn status(mut self, status: impl Into<StatusDraft>) -> Self {
        self.statuses.push(status.into());
        self
    }

    /// The status that new leads start in, by its slug. Without one: the first open one.
    #[must_use]
    pub fn initial(mut self, slug: impl AsRef<str>) -> Self {
        self.initial = Some(slug.as_ref().to_owned());
        self
    }

    /// Moves are computed from the kinds ([`Policy::Forward`]); moves listed before are forgotten.
    #[must_use]
    pub fn forward(mut self) -> Self {
        self.allowed = None;
        self
    }

    /// Allows a move from one status to another, by their slugs. What is not allowed this way is
    /// forbidden ([`Policy::Explicit`]).
    #[must_use]
    pub fn allow(mut self, from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        let edge = (from.as_ref().to_owned(), to.as_ref().to_owned());
        self.allowed.get_or_insert_default().push(edge);
        self
    }

    /// Checks everything and makes the lifecycle, in version [`Version::FIRST`].
    ///
    /// # Errors
    ///
    /// Every fault: slugs, names or ids that are there twice, references to statuses that are not
    /// there, no status to start or to end in, statuses that cannot be reached or not be left
    /// towards an end, and what is wrong with each status.
    pub fn build(self) -> Result<Lifecycle, LifecycleInvalid> {
        let mut faults = Vec::new();
        let count = self.statuses.len();
        if count > MAX_STATUSES {
            faults.push(Fault::TooManyStatuses { count });
            return Err(LifecycleInvalid::new(faults));
        }
        let (statuses, next_id) = define(self.statuses, &mut faults);
        let policy = self.allowed.map_or(Policy::Forward, |allowed| {
            let edges = allowed.iter().filter_map(|(from, to)| {
                let from = slug(from, Place::Rule, &mut faults);
                let to = slug(to, Place::Rule, &mut faults);
                from.zip(to)
            });
            Policy::Explicit(edges.collect())
        });
        let initial = self
            .initial
            .and_then(|initial| slug(&initial, Place::Initial, &mut faults))
            .or_else(|| {
                let open = statuses.iter().find(|status| status.kind.is_open());
                open.map(|status| status.slug.clone())
            });
        let parts = Parts {
            version: Version::FIRST,
            statuses,
            initial,
            policy,
            next_id,
        };
        check(parts, faults)
    }
}

/// What is not even a slug names no status.
fn slug(typed: &str, place: Place, faults: &mut Vec<Fault>) -> Option<LeadStatus> {
    let slug = typed.parse().ok();
    if slug.is_none() {
        faults.push(Fault::unknown(typed, place));
    }
    slug
}

fn define(drafts: Vec<StatusDraft>, faults: &mut Vec<Fault>) -> (Vec<StatusDefinition>, StatusId) {
    // Slugs that were asked for are not given to others.
    let mut taken: BTreeSet<String> = drafts
        .iter()
        .filter_map(|draft| draft.slug.clone())
        .collect();
    let probabilities = probabilities(&drafts);
    let mut statuses: Vec<StatusDefinition> = Vec::with_capacity(drafts.len());
    let mut next = 1_u32;
    for (draft, probability) in drafts.into_iter().zip(probabilities) {
        let id = StatusId::new(next);
        let status = draft.define(id, probability, |slug| taken.contains(slug), faults);
        taken.insert(status.slug.to_string());
        statuses.push(status);
        next += 1;
    }
    (statuses, StatusId::new(next))
}

/// The probabilities as given; open statuses without one are spread evenly between those with.
fn probabilities(drafts: &[StatusDraft]) -> Vec<u8> {
    let given = |draft: &StatusDraft| {
        draft
            .probability
            .or_else(|| draft.kind.settled_probability())
    };
    // What is over 100 is refused for itself, and should not make its neighbours so.
    let end = |probability: u8| probability.min(100);
    let mut found = Vec::with_capacity(drafts.len());
    let mut low = 0;
    let mut step = 0;
    for (position, draft) in drafts.iter().enumerate() {
        if let Some(probability) = given(draft) {
            if draft.kind.is_open() {
                (low, step) = (end(probability), 0);
            }
            found.push(probability);
            continue;
        }
        let open = || {
            let rest = drafts.iter().skip(position);
            rest.filter(|draft| draft.kind.is_open())
        };
        let high = open().find_map(|draft| draft.probability).map_or(100, end);
        let left = open()
            .take_while(|draft| draft.probability.is_none())
            .count();
        step += 1;
        found.push(between(low, high, step, step + left));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Field;
    use crate::lifecycle::StatusKind;
    use chrono::TimeDelta;

    fn won() -> StatusDraft {
        StatusDraft::new("Won").kind(StatusKind::Won)
    }

    fn told(builder: LifecycleBuilder) -> Vec<String> {
        let refused = builder.build().unwrap_err();
        refused.faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_alone_make_a_lifecycle() {
        let lifecycle = Lifecycle::builder()
            .status("New")
            .status("In Gespräch")
            .status(won())
            .build()
            .unwrap();
        let shown: Vec<_> = lifecycle
            .statuses()
            .iter()
            .map(|status| (status.id.get(), status.slug.as_str(), status.probability))
            .collect();
        assert_eq!(
            shown,
            [(1, "new", 33), (2, "in_gesprach", 67), (3, "won", 100)]
        );
        assert_eq!(lifecycle.version(), Version::FIRST);
        assert_eq!(lifecycle.initial(), "new");
        assert_eq!(*lifecycle.policy(), Policy::Forward);
    }

    #[test]
    fn probabilities_not_given_lie_between_their_neighbours() {
        let given = |name: &str, percent| StatusDraft::new(name).probability(percent);
        let drafts = [
            "A".into(),
            given("B", 40),
            "C".into(),
            "D".into(),
            won(),
            given("E", 70),
            "F".into(),
        ];
        assert_eq!(probabilities(&drafts), [20, 40, 50, 60, 100, 70, 85]);
    }

    #[test]
    fn a_slug_that_was_asked_for_is_not_given_to_another() {
        let lifecycle = Lifecycle::builder()
            .status("Demo")
            .status(StatusDraft::new("Show").slug("demo"))
            .status("Переговоры")
            .status(won())
            .build()
            .unwrap();
        assert_eq!(lifecycle.known(), ["demo_2", "demo", "status_3", "won"]);
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let faults = told(
            Lifecycle::builder()
                .status(StatusDraft::new("New").probability(101))
                .status(StatusDraft::new(" NEW ").slug("Not a slug").colour("red"))
                .status(StatusDraft::new("").stuck_after_days(3651))
                .status(StatusDraft::new("x".repeat(51)).stuck_after(TimeDelta::zero()))
                .status(won().slug("new").probability(90))
                .status(
                    StatusDraft::new("Lost")
                        .slug("new")
                        .kind(StatusKind::Lost)
                        .require(Field::Status)
                        .stuck_after(TimeDelta::milliseconds(1_500)),
                )
                .initial("demo")
                .allow("new", "new")
                .allow("new", "Demo"),
        );
        let expected = [
            "status \"new_3\": slug: is malformed",
            "status \"new_3\": colour: is malformed",
            "there is no status \"Demo\", named in a rule",
            "status \"new_2\": probability: is out of range: must be between 0 and 100",
            "status \"status_3\": stuck_after_seconds: is out of range",
            "status \"status_3\": name: must not be blank",
            "status \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": stuck_after_seconds: is out of",
            "status \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": name: is too long",
            "status \"new\": probability: is malformed: expected 100",
            "status \"new\": stuck_after_seconds: is malformed: expected whole seconds",
            "status \"new\": required: is malformed: expected fields that people fill in",
            "\"new_3\" has the same name as \"new_2\"",
            "two statuses have the slug \"new\"",
            "a rule leads from \"new\" to itself",
            "there is no status \"demo\", named as the initial status",
        ];
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{fault} is not {expected}");
        }
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    }

    #[test]
    fn leads_begin_in_an_open_status_and_end_in_a_closed_one() {
        assert_eq!(
            told(Lifecycle::builder()),
            ["a lifecycle needs at least one open and one closed status"]
        );
        assert_eq!(
            told(Lifecycle::builder().status("New")),
            ["there is no won or lost status for leads to end in"]
        );
        assert_eq!(
            told(Lifecycle::builder().status(won())),
            ["there is no open status for new leads to start in"]
        );
        assert_eq!(
            told(
                Lifecycle::builder()
                    .status("New")
                    .status(won())
                    .initial("won")
            ),
            ["new leads cannot start in \"won\": it is closed"]
        );
        assert_eq!(
            told(
                Lifecycle::builder()
                    .status("New")
                    .status(won())
                    .initial("Demo held")
            ),
            ["there is no status \"Demo held\", named as the initial status"]
        );
    }

    #[test]
    fn what_cannot_be_reached_or_left_is_refused() {
        let faults = told(
            Lifecycle::builder()
                .status("New")
                .status("Island")
                .status("Trap")
                .status(won())
                .allow("new", "trap")
                .allow("new", "won")
                .allow("island", "won"),
        );
        assert_eq!(
            faults,
            [
                "\"island\" cannot be reached from the initial status",
                "no won or lost status can be reached from \"trap\""
            ]
        );
    }

    #[test]
    fn the_last_word_about_the_policy_counts() {
        let lifecycle = Lifecycle::builder()
            .status("New")
            .status(won())
            .allow("new", "nowhere")
            .forward()
            .build()
            .unwrap();
        assert_eq!(*lifecycle.policy(), Policy::Forward);
    }

    #[test]
    fn a_hundred_statuses_are_possible_and_no_more() {
        let statuses = |count: usize| {
            (1..count).fold(Lifecycle::builder().status(won()), |builder, number| {
                builder.status(format!("Step {number}"))
            })
        };
        let lifecycle = statuses(MAX_STATUSES).build().unwrap();
        assert_eq!(lifecycle.statuses().len(), MAX_STATUSES);
        let last = lifecycle.statuses().last().unwrap();
        assert!(lifecycle.allows(&last.slug, &LeadStatus::WON));
        assert!(!lifecycle.allows(&LeadStatus::WON, &last.slug));
        assert_eq!(
            told(statuses(MAX_STATUSES + 1)),
            ["there are 101 statuses: at most 100 are possible"]
        );
    }
}
