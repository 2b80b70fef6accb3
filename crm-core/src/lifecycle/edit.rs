//! Changes to a lifecycle, as people make them: a list of steps, applied all or not at all.

use super::revision::Revision;
use super::step::{Change, Step};
use super::{Lifecycle, LifecycleInvalid, Policy, ReasonRule, StatusDraft, StatusKind};
use crate::lead::Field;
use chrono::TimeDelta;

/// A list of changes to a [`Lifecycle`]; made by [`Lifecycle::edit`].
///
/// The steps are taken in order, and only what comes out of all of them must be valid. Statuses are
/// named by their slugs. The leads in a status are not looked at here.
///
/// ```
/// use crm_core::lifecycle::{Lifecycle, StatusDraft};
///
/// let lifecycle = Lifecycle::sales();
/// let edited = lifecycle
///     .edit()
///     .add("Negotiation")
///     .rename("proposal", "Offer sent")
///     .recolour("lost", "#9E9E9E")
///     .retire("contacted", "qualified")
///     .apply()?;
///
/// let known = ["new", "contacted", "qualified", "proposal", "negotiation", "won", "lost"];
/// assert_eq!(edited.known(), known);
/// assert_eq!(edited.version(), lifecycle.version().next());
///
/// let refused = lifecycle.edit().remove("new").rename("demo", "Demo").apply().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "there is no status \"demo\", named as a status to change; \
///      there is no status \"new\", named as the initial status",
/// );
/// # Ok::<(), crm_core::lifecycle::LifecycleInvalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct LifecycleEdit {
    base: Lifecycle,
    steps: Vec<Step>,
}

impl Lifecycle {
    /// An edit of this lifecycle, which itself never changes.
    #[must_use]
    pub fn edit(&self) -> LifecycleEdit {
        LifecycleEdit {
            base: self.clone(),
            steps: Vec::new(),
        }
    }
}

impl LifecycleEdit {
    /// Adds a status: an open one before the first closed one, a closed one at the end. A name is
    /// enough.
    ///
    /// Under [`Policy::Explicit`] an open status copies the moves into and out of the nearest open
    /// one before it (or of the initial one) and can be entered from it; a closed one copies the
    /// moves into the nearest closed one, and those out of it if it is of the same kind. So adding
    /// keeps a lifecycle valid.
    // An edit is no sum that `+` could be meant for, and `add` is what people call it.
    #[allow(clippy::should_implement_trait)]
    #[must_use]
    pub fn add(self, draft: impl Into<StatusDraft>) -> Self {
        self.step(Step::Add {
            after: None,
            draft: draft.into(),
        })
    }

    /// Adds a status right after another; else as [`add`](Self::add).
    #[must_use]
    pub fn add_after(self, status: impl AsRef<str>, draft: impl Into<StatusDraft>) -> Self {
        self.step(Step::Add {
            after: Some(owned(status)),
            draft: draft.into(),
        })
    }

    /// Changes the name that people see; the slug stays.
    #[must_use]
    pub fn rename(self, status: impl AsRef<str>, name: impl Into<String>) -> Self {
        self.change(status, Change::Name(name.into()))
    }

    /// Changes the colour, given as `#RRGGBB` or as a [`Colour`](super::Colour).
    #[must_use]
    pub fn recolour(self, status: impl AsRef<str>, colour: impl Into<String>) -> Self {
        self.change(status, Change::Colour(colour.into()))
    }

    /// Changes the kind. The probability becomes 100 for won, 0 for lost, and for a status that is
    /// opened again what lies between its neighbours.
    #[must_use]
    pub fn set_kind(self, status: impl AsRef<str>, kind: StatusKind) -> Self {
        self.change(status, Change::Kind(kind))
    }

    /// Changes the probability, in percent, 0 to 100.
    #[must_use]
    pub fn set_probability(self, status: impl AsRef<str>, percent: u8) -> Self {
        self.change(status, Change::Probability(percent))
    }

    /// Changes how long a lead may stay before it is stuck: whole seconds, up to 3,650 days; `None`
    /// for ever.
    #[must_use]
    pub fn set_stuck_after(self, status: impl AsRef<str>, threshold: Option<TimeDelta>) -> Self {
        self.change(status, Change::StuckAfter(threshold))
    }

    /// Replaces the fields that a lead must have to enter. Leads that are there already may stay
    /// without.
    #[must_use]
    pub fn set_required(
        self,
        status: impl AsRef<str>,
        fields: impl IntoIterator<Item = Field>,
    ) -> Self {
        self.change(status, Change::Required(fields.into_iter().collect()))
    }

    /// Changes whether entering needs a reason.
    #[must_use]
    pub fn set_reason(self, status: impl AsRef<str>, rule: ReasonRule) -> Self {
        self.change(status, Change::Reason(rule))
    }

    /// Puts the statuses into this order; every status must be named, once.
    #[must_use]
    pub fn reorder<S: AsRef<str>>(self, order: impl IntoIterator<Item = S>) -> Self {
        self.step(Step::Reorder(order.into_iter().map(owned).collect()))
    }

    /// Moves a status to a position, the first being 0; beyond the end is the end. The others
    /// close up.
    #[must_use]
    pub fn move_to(self, status: impl AsRef<str>, position: usize) -> Self {
        self.step(Step::Move {
            status: owned(status),
            position,
        })
    }

    /// Changes the status that new leads start in.
    #[must_use]
    pub fn set_initial(self, status: impl AsRef<str>) -> Self {
        self.step(Step::Initial(owned(status)))
    }

    /// Replaces the policy.
    #[must_use]
    pub fn set_policy(self, policy: Policy) -> Self {
        self.step(Step::Policy(policy))
    }

    /// Allows a move. If the policy is [`Policy::Forward`] and does not allow it, the policy
    /// becomes the list of what `Forward` allows, and this.
    #[must_use]
    pub fn allow(self, from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        self.step(Step::Allow {
            from: owned(from),
            to: owned(to),
        })
    }

    /// Forbids a move. If the policy is [`Policy::Forward`] and allows it, the policy becomes the
    /// list of what `Forward` allows, without this.
    #[must_use]
    pub fn forbid(self, from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        self.step(Step::Forbid {
            from: owned(from),
            to: owned(to),
        })
    }

    /// Marks a status as being removed, with where its leads go. From now on nothing may enter it;
    /// leads in it may leave it by the rules.
    #[must_use]
    pub fn retire(self, status: impl AsRef<str>, destination: impl AsRef<str>) -> Self {
        self.step(Step::Retire {
            status: owned(status),
            destination: owned(destination),
        })
    }

    /// Takes back [`retire`](Self::retire).
    #[must_use]
    pub fn unretire(self, status: impl AsRef<str>) -> Self {
        self.change(status, Change::Unretire)
    }

    /// Removes a status and the moves into and out of it. Whoever stores the result makes sure
    /// that no lead is in it, see [`Lifecycle::removed_in`].
    #[must_use]
    pub fn remove(self, status: impl AsRef<str>) -> Self {
        self.step(Step::Remove(owned(status)))
    }

    /// The lifecycle that comes out, in the next version. If nothing changes: the one that was
    /// edited, in its version.
    ///
    /// # Errors
    ///
    /// Every fault of the steps and of what would come out; see
    /// [`LifecycleBuilder::build`](super::LifecycleBuilder::build).
    pub fn apply(&self) -> Result<Lifecycle, LifecycleInvalid> {
        self.apply_to(&self.base)
    }

    /// The same steps taken on another state of the lifecycle: when somebody else's edit was
    /// stored first.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn apply_to(&self, current: &Lifecycle) -> Result<Lifecycle, LifecycleInvalid> {
        let mut revision = Revision::of(current);
        for step in &self.steps {
            revision.take(step);
        }
        revision.finish(current)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn change(self, status: impl AsRef<str>, change: Change) -> Self {
        self.step(Step::Change {
            status: owned(status),
            change,
        })
    }
}

fn owned(slug: impl AsRef<str>) -> String {
    slug.as_ref().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::LeadStatus;
    use crate::lifecycle::{Colour, StatusDefinition, StatusId};

    fn told(edit: &LifecycleEdit) -> Vec<String> {
        let refused = edit.apply().unwrap_err();
        refused.faults().iter().map(ToString::to_string).collect()
    }

    fn status(edit: &LifecycleEdit, slug: &str) -> StatusDefinition {
        edit.apply().unwrap().status(slug).unwrap().clone()
    }

    #[test]
    fn a_name_is_enough_to_add_a_status() {
        let edit = Lifecycle::sales().edit().add(" Negotiation ");
        let lifecycle = edit.apply().unwrap();
        assert_eq!(
            lifecycle.known(),
            [
                "new",
                "contacted",
                "qualified",
                "proposal",
                "negotiation",
                "won",
                "lost"
            ]
        );
        let added = status(&edit, "negotiation");
        assert_eq!(added.id, StatusId::new(7));
        assert_eq!(added.name, "Negotiation");
        assert_eq!(added.kind, StatusKind::Open);
        assert_eq!(added.probability, 85, "between proposal and the end");
        let between = Lifecycle::sales().edit().add_after("new", "Seen");
        assert_eq!(status(&between, "seen").probability, 15);
    }

    #[test]
    fn each_part_of_a_status_can_be_changed_but_its_slug_and_id() {
        let edit = Lifecycle::sales()
            .edit()
            .rename("proposal", " Offer ")
            .recolour("proposal", Colour::default())
            .set_probability("proposal", 80)
            .set_stuck_after("proposal", None)
            .set_required("proposal", [Field::Value, Field::Value])
            .set_reason("proposal", ReasonRule::Required);
        let before = Lifecycle::sales().status("proposal").unwrap().clone();
        let expected = StatusDefinition {
            name: "Offer".into(),
            colour: Colour::default(),
            probability: 80,
            stuck_after: None,
            required: vec![Field::Value],
            reason: ReasonRule::Required,
            ..before
        };
        assert_eq!(status(&edit, "proposal"), expected);
    }

    #[test]
    fn a_change_of_kind_sets_the_probability() {
        let edit = |kind| Lifecycle::sales().edit().set_kind("proposal", kind);
        assert_eq!(status(&edit(StatusKind::Won), "proposal").probability, 100);
        assert_eq!(status(&edit(StatusKind::Lost), "proposal").probability, 0);
        assert_eq!(status(&edit(StatusKind::Open), "proposal").probability, 70);
        let reopened = Lifecycle::sales().edit().set_kind("lost", StatusKind::Open);
        assert_eq!(status(&reopened, "lost").probability, 85);
    }

    #[test]
    fn an_edit_that_changes_nothing_is_no_new_version() {
        let lifecycle = Lifecycle::sales()
            .edit()
            .rename("new", "Fresh")
            .apply()
            .unwrap();
        let edit = lifecycle
            .edit()
            .rename("new", "Newest")
            .rename("new", "Fresh")
            .add("Demo")
            .remove("demo")
            .allow("new", "won")
            .forbid("won", "new")
            .move_to("lost", 99);
        let same = edit.apply().unwrap();
        assert_eq!((&same, same.version()), (&lifecycle, lifecycle.version()));
    }

    #[test]
    fn ids_are_not_given_twice() {
        let added = Lifecycle::sales().edit().add("Demo").apply().unwrap();
        let removed = added.edit().remove("demo").apply().unwrap();
        let again = removed.edit().add("Demo");
        assert_eq!(added.status("demo").unwrap().id, StatusId::new(7));
        assert_eq!(status(&again, "demo").id, StatusId::new(8));
    }

    #[test]
    fn every_status_keeps_its_place_or_gets_the_one_it_is_given() {
        let known = |edit: LifecycleEdit| edit.apply().unwrap().known();
        let edit = Lifecycle::standard().edit();
        assert_eq!(
            known(edit.clone().move_to("lost", 0)),
            ["lost", "new", "contacted", "qualified", "converted"]
        );
        let order = ["new", "qualified", "contacted", "lost", "converted"];
        assert_eq!(known(edit.clone().reorder(order)), order);
        assert_eq!(
            told(&edit.reorder(["new", "demo", "new", "lost", "converted"])),
            [
                "there is no status \"demo\", named in an order",
                "the order names \"new\" more than once",
                "the order leaves out contacted, qualified"
            ]
        );
    }

    #[test]
    fn every_fault_of_every_step_is_listed() {
        let edit = Lifecycle::sales()
            .edit()
            .add_after("demo", "Demo")
            .rename("new", "won")
            .recolour("new", "blue")
            .set_probability("won", 99)
            .set_required("lost", [Field::Status])
            .set_initial("start")
            .allow("new", "end")
            .retire("contacted", "nowhere")
            .remove("Not a slug")
            .add("Lost");
        assert_eq!(
            told(&edit),
            [
                "there is no status \"demo\", named as a status to change",
                "status \"new\": colour: is malformed: expected # and six hexadecimal digits, \
                 such as #28B8DA",
                "there is no status \"start\", named as the initial status",
                "there is no status \"end\", named in a rule",
                "there is no status \"nowhere\", named as a destination",
                "there is no status \"Not a slug\", named as a status to change",
                "status \"won\": probability: is malformed: expected 100, because the status is won",
                "status \"lost\": required: is malformed: expected fields that people fill in",
                "\"won\" has the same name as \"new\"",
                "\"lost\" has the same name as \"lost_2\"",
            ]
        );
    }

    #[test]
    fn the_same_steps_can_be_taken_on_another_state() {
        let edit = Lifecycle::sales().edit().add("Demo");
        let theirs = Lifecycle::sales()
            .edit()
            .remove("proposal")
            .apply()
            .unwrap();
        let both = edit.apply_to(&theirs).unwrap();
        assert_eq!(
            both.known(),
            ["new", "contacted", "qualified", "demo", "won", "lost"]
        );
        assert_eq!(both.version(), theirs.version().next());
    }

    #[test]
    fn a_retiring_status_can_be_left_but_not_entered() {
        let retiring = Lifecycle::sales().edit().retire("proposal", "qualified");
        let retiring = retiring.apply().unwrap();
        let proposal = LeadStatus::PROPOSAL;
        assert!(
            retiring
                .order()
                .all(|from| !retiring.allows(from, &proposal))
        );
        assert!(retiring.allows(&proposal, &LeadStatus::WON));
        let back = retiring.edit().unretire("proposal").apply().unwrap();
        assert_eq!(back.statuses(), Lifecycle::sales().statuses());
    }

    #[test]
    fn a_status_retires_only_into_one_that_stays() {
        let edit = Lifecycle::sales().edit().retire("proposal", "qualified");
        let told_by = |edit: &LifecycleEdit| told(edit).join("; ");
        assert_eq!(
            told_by(&edit.clone().retire("qualified", "contacted")),
            "\"proposal\" cannot be retired into \"qualified\", which is being retired too"
        );
        assert_eq!(
            told_by(&edit.clone().remove("qualified")),
            "there is no status \"qualified\", named as a destination"
        );
        assert_eq!(
            told_by(&edit.clone().retire("proposal", "proposal")),
            "\"proposal\" cannot be retired into itself"
        );
        assert_eq!(
            told_by(&edit.retire("new", "contacted")),
            "new leads cannot start in \"new\": it is being retired"
        );
        assert_eq!(
            told_by(
                &Lifecycle::sales()
                    .edit()
                    .retire("won", "new")
                    .remove("lost")
            ),
            "there is no won or lost status for leads to end in"
        );
    }

    #[test]
    fn any_number_of_statuses_can_be_asked_for_and_a_hundred_be_had() {
        let all = (0..10_000).fold(Lifecycle::sales().edit(), |edit, number| {
            edit.add(format!("Step {number}"))
        });
        assert_eq!(
            told(&all),
            ["there are 101 statuses: at most 100 are possible"]
        );
    }

    #[test]
    fn an_id_beyond_the_last_is_not_given() {
        let json = serde_json::to_string(&Lifecycle::sales()).unwrap();
        let json = json.replace("\"next_id\":7", "\"next_id\":4294967295");
        let last: Lifecycle = serde_json::from_str(&json).unwrap();
        assert_eq!(
            told(&last.edit().add("Demo")),
            ["no status can be added: every id was used"]
        );
        assert!(last.edit().rename("new", "Fresh").apply().is_ok());
    }
}
