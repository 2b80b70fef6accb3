//! A lifecycle between two versions: the steps of an edit taken one after the other.

use super::check::check;
use super::definition::{MAX_STATUSES, StatusDefinition, StatusId};
use super::draft::{between, each_once, note};
use super::step::{Change, Step};
use super::{
    Colour, Fault, Lifecycle, LifecycleInvalid, Parts, Place, Policy, StatusDraft, StatusKind,
};
use crate::lead::LeadStatus;
use std::collections::BTreeSet;

/// What the steps taken so far have made, valid or not, and what was wrong with them.
pub(super) struct Revision {
    parts: Parts,
    faults: Vec<Fault>,
}

impl Revision {
    pub(super) fn of(lifecycle: &Lifecycle) -> Self {
        Self {
            parts: lifecycle.to_parts(),
            faults: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Add { after, draft } => self.add(after.as_deref(), draft),
            Step::Change { status, change } => {
                if let Some(at) = self.find(status, Place::Edit) {
                    self.change(at, change);
                }
            }
            Step::Move { status, position } => {
                if let Some(at) = self.find(status, Place::Edit) {
                    let moved = self.parts.statuses.remove(at);
                    let position = (*position).min(self.parts.statuses.len());
                    self.parts.statuses.insert(position, moved);
                }
            }
            Step::Reorder(order) => self.reorder(order),
            Step::Initial(status) => {
                if let Some(slug) = self.slug(status, Place::Initial) {
                    self.parts.initial = Some(slug);
                }
            }
            Step::Policy(policy) => self.parts.policy = policy.clone(),
            Step::Allow { from, to } => {
                self.change_edges(from, to, BTreeSet::insert);
            }
            Step::Forbid { from, to } => {
                self.change_edges(from, to, |edges, edge| edges.remove(&edge));
            }
            Step::Retire {
                status,
                destination,
            } => {
                let at = self.find(status, Place::Edit);
                let destination = self.slug(destination, Place::Destination);
                if let Some(status) = at.and_then(|at| self.parts.statuses.get_mut(at))
                    && destination.is_some()
                {
                    status.retiring = destination;
                }
            }
            Step::Remove(status) => self.remove(status),
        }
    }

    pub(super) fn finish(mut self, base: &Lifecycle) -> Result<Lifecycle, LifecycleInvalid> {
        let nothing_changed = self.parts.statuses == base.statuses()
            && self.parts.initial.as_ref() == Some(base.initial())
            && self.parts.policy == *base.policy();
        if nothing_changed && self.faults.is_empty() {
            return Ok(base.clone());
        }
        self.parts.version = base.version().next();
        check(self.parts, self.faults)
    }

    fn find(&mut self, slug: &str, place: Place) -> Option<usize> {
        let mut statuses = self.parts.statuses.iter();
        let found = statuses.position(|status| status.slug == *slug);
        if found.is_none() {
            self.faults.push(Fault::unknown(slug, place));
        }
        found
    }

    fn slug(&mut self, slug: &str, place: Place) -> Option<LeadStatus> {
        let at = self.find(slug, place)?;
        self.parts
            .statuses
            .get(at)
            .map(|status| status.slug.clone())
    }

    fn add(&mut self, after: Option<&str>, draft: &StatusDraft) {
        // Too many are refused in the end; however many more there are, they are not made.
        if self.parts.statuses.len() > MAX_STATUSES {
            return;
        }
        let position = match after {
            Some(after) => match self.find(after, Place::Edit) {
                Some(at) => at + 1,
                None => return,
            },
            None => self.place_of(draft.kind),
        };
        let id = self.parts.next_id;
        let Some(next) = id.get().checked_add(1) else {
            self.faults.push(Fault::IdsExhausted);
            return;
        };
        self.parts.next_id = StatusId::new(next);
        let probability = draft.probability.unwrap_or_else(|| {
            let settled = draft.kind.settled_probability();
            settled.unwrap_or_else(|| self.probability_at(position, position))
        });
        let statuses = &self.parts.statuses;
        let is_taken = |slug: &str| statuses.iter().any(|status| status.slug == *slug);
        let draft = draft.clone();
        let status = draft.define(id, probability, is_taken, &mut self.faults);
        self.copy_edges(position, &status);
        self.parts.statuses.insert(position, status);
    }

    /// Where a status of this kind goes that was not told where to go.
    fn place_of(&self, kind: StatusKind) -> usize {
        let statuses = &self.parts.statuses;
        let closed = statuses.iter().position(|status| status.kind.is_closed());
        closed.filter(|_| kind.is_open()).unwrap_or(statuses.len())
    }

    /// Half-way between the nearest open statuses: those before `end`, and those from `start` on.
    fn probability_at(&self, end: usize, start: usize) -> u8 {
        let statuses = &self.parts.statuses;
        let open = |status: &&StatusDefinition| status.kind.is_open();
        let low = statuses.iter().take(end).rfind(open);
        let high = statuses.iter().skip(start).find(open);
        let of = |status: &StatusDefinition| status.probability.min(100);
        between(low.map_or(0, of), high.map_or(100, of), 1, 2)
    }

    /// Gives a status that comes to a position the moves of a neighbour.
    fn copy_edges(&mut self, position: usize, new: &StatusDefinition) {
        let model = self.model(position, new.kind).cloned();
        let (Policy::Explicit(edges), Some(model)) = (&mut self.parts.policy, model) else {
            return;
        };
        let mut copies = BTreeSet::new();
        for (from, to) in edges.iter() {
            if *to == model.slug {
                copies.insert((from.clone(), new.slug.clone()));
            }
            // What follows a won lead is not what follows a lost one.
            if *from == model.slug && model.kind == new.kind {
                copies.insert((new.slug.clone(), to.clone()));
            }
        }
        if new.kind.is_open() {
            copies.insert((model.slug, new.slug.clone()));
        }
        // A slug that is taken is refused later; until then it must not lead to itself.
        edges.extend(copies.into_iter().filter(|(from, to)| from != to));
    }

    /// The status whose moves suit a new one: the nearest one before it of the same kind, else
    /// the next, else any closed one for a closed one. One that is being removed is no model.
    fn model(&self, position: usize, kind: StatusKind) -> Option<&StatusDefinition> {
        let statuses = &self.parts.statuses;
        let nearest = |wanted: &dyn Fn(&StatusDefinition) -> bool| {
            let suits = |status: &&StatusDefinition| !status.is_retiring() && wanted(status);
            let before = statuses.iter().take(position).rfind(suits);
            before.or_else(|| statuses.iter().skip(position).find(suits))
        };
        nearest(&|status| status.kind == kind)
            .or_else(|| nearest(&|status| status.kind.is_closed() && kind.is_closed()))
    }

    fn change(&mut self, at: usize, change: &Change) {
        let reopened = self.probability_at(at, at + 1);
        let Some(status) = self.parts.statuses.get_mut(at) else {
            return;
        };
        match change {
            Change::Name(name) => name.trim().clone_into(&mut status.name),
            Change::Colour(colour) => match colour.parse::<Colour>() {
                Ok(colour) => status.colour = colour,
                Err(invalid) => note(&status.slug, &invalid, &mut self.faults),
            },
            Change::Kind(kind) if status.kind != *kind => {
                status.kind = *kind;
                status.probability = kind.settled_probability().unwrap_or(reopened);
            }
            Change::Kind(_) => {}
            Change::Probability(percent) => status.probability = *percent,
            Change::StuckAfter(threshold) => status.stuck_after = *threshold,
            Change::Required(fields) => status.required = each_once(fields.clone()),
            Change::Reason(rule) => status.reason = *rule,
            Change::Unretire => status.retiring = None,
        }
    }

    fn reorder(&mut self, order: &[String]) {
        let mut rest = self.parts.statuses.clone();
        let mut ordered: Vec<StatusDefinition> = Vec::with_capacity(rest.len());
        let faults_before = self.faults.len();
        for slug in order {
            if let Some(at) = rest.iter().position(|status| status.slug == **slug) {
                ordered.push(rest.remove(at));
            } else if let Some(again) = ordered.iter().find(|status| status.slug == **slug) {
                let status = again.slug.clone();
                self.faults.push(Fault::OrderRepeats { status });
            } else {
                self.faults.push(Fault::unknown(slug, Place::Order));
            }
        }
        if !rest.is_empty() {
            let missing = rest.into_iter().map(|status| status.slug).collect();
            self.faults.push(Fault::OrderIncomplete { missing });
        }
        if self.faults.len() == faults_before {
            self.parts.statuses = ordered;
        }
    }

    fn change_edges(
        &mut self,
        from: &str,
        to: &str,
        change: impl FnOnce(&mut BTreeSet<(LeadStatus, LeadStatus)>, (LeadStatus, LeadStatus)) -> bool,
    ) {
        let (from, to) = (self.slug(from, Place::Rule), self.slug(to, Place::Rule));
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        let mut edges = self.parts.policy.listed(&self.parts.statuses);
        // A computed policy stays computed while it says the same.
        if change(&mut edges, (from, to)) {
            self.parts.policy = Policy::Explicit(edges);
        }
    }

    fn remove(&mut self, slug: &str) {
        let Some(at) = self.find(slug, Place::Edit) else {
            return;
        };
        let removed = self.parts.statuses.remove(at).slug;
        if let Policy::Explicit(edges) = &mut self.parts.policy {
            edges.retain(|(from, to)| *from != removed && *to != removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lifecycle::{Lifecycle, Policy, StatusDraft, StatusKind};

    /// New → Demo → Won or Lost, Lost → New.
    fn explicit() -> Lifecycle {
        Lifecycle::builder()
            .status("New")
            .status("Demo")
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .status(StatusDraft::new("Lost").kind(StatusKind::Lost))
            .allow("new", "demo")
            .allow("demo", "won")
            .allow("demo", "lost")
            .allow("lost", "new")
            .build()
            .unwrap()
    }

    /// The listed moves into and out of a status.
    fn moves(lifecycle: &Lifecycle, status: &str) -> Vec<String> {
        let Policy::Explicit(edges) = lifecycle.policy() else {
            return vec!["forward".into()];
        };
        edges
            .iter()
            .filter(|(from, to)| *from == *status || *to == *status)
            .map(|(from, to)| format!("{from} {to}"))
            .collect()
    }

    #[test]
    fn an_open_status_copies_the_open_one_before_it() {
        let added = explicit().edit().add("Offer").apply().unwrap();
        assert_eq!(
            moves(&added, "offer"),
            ["demo offer", "new offer", "offer lost", "offer won"]
        );
        let first = explicit().edit().add_after("new", "Seen").apply().unwrap();
        assert_eq!(
            moves(&first, "seen"),
            ["lost seen", "new seen", "seen demo"]
        );
        let last = explicit()
            .edit()
            .add_after("lost", "Again")
            .apply()
            .unwrap();
        assert_eq!(
            moves(&last, "again"),
            ["again lost", "again won", "demo again", "new again"]
        );
    }

    #[test]
    fn a_closed_status_copies_one_of_its_kind() {
        let draft = |kind| StatusDraft::new("Other").kind(kind);
        let add = |kind| explicit().edit().add(draft(kind)).apply().unwrap();
        assert_eq!(
            moves(&add(StatusKind::Lost), "other"),
            ["demo other", "other new"]
        );
        assert_eq!(moves(&add(StatusKind::Won), "other"), ["demo other"]);
        let without_won = explicit().edit().remove("won").apply().unwrap();
        let added = without_won.edit().add(draft(StatusKind::Won)).apply();
        assert_eq!(
            moves(&added.unwrap(), "other"),
            ["demo other"],
            "won does not become what can be left, because lost can"
        );
    }

    #[test]
    fn a_retiring_status_is_no_model() {
        let lifecycle = explicit()
            .edit()
            .add("Trap")
            .forbid("trap", "won")
            .forbid("trap", "lost")
            .retire("trap", "demo")
            .apply()
            .unwrap();
        assert_eq!(moves(&lifecycle, "trap"), ["demo trap", "new trap"]);
        let added = lifecycle.edit().add("Offer").apply().unwrap();
        assert_eq!(
            moves(&added, "offer"),
            [
                "demo offer",
                "new offer",
                "offer lost",
                "offer trap",
                "offer won"
            ]
        );
    }

    #[test]
    fn a_removed_status_takes_its_moves_along() {
        let lifecycle = explicit()
            .edit()
            .allow("new", "won")
            .remove("lost")
            .apply()
            .unwrap();
        assert!(moves(&lifecycle, "lost").is_empty());
        assert_eq!(moves(&lifecycle, "won"), ["demo won", "new won"]);
    }

    #[test]
    fn a_computed_policy_is_listed_when_it_should_say_something_else() {
        let edit = Lifecycle::sales().edit();
        let same = edit.clone().allow("new", "won").rename("new", "Fresh");
        assert_eq!(moves(&same.apply().unwrap(), "won"), ["forward"]);
        let stricter = edit.clone().forbid("new", "won").apply().unwrap();
        assert_eq!(
            moves(&stricter, "won"),
            ["contacted won", "proposal won", "qualified won"]
        );
        let wider = edit.allow("won", "lost").apply().unwrap();
        assert_eq!(moves(&wider, "won").len(), 5);
        let back = wider.edit().set_policy(Policy::Forward).apply().unwrap();
        assert_eq!(back.policy(), Lifecycle::sales().policy());
    }
}
