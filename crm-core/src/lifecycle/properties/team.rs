//! A team at work: random calls on a lifecycle and its leads.

use super::naive::is_valid;
use crate::lead::{Field, Lead, LeadStatus};
use crate::lifecycle::fixtures::lead_in;
use crate::lifecycle::{
    Lifecycle, LifecycleEdit, Policy, ReasonRule, StatusDefinition, StatusDraft, StatusId,
    StatusKind, TransitionRefused,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

/// One call, with what it is about chosen among what there is when it is made.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Move {
        lead: Index,
        to: Index,
        reason: Option<&'static str>,
    },
    Fill {
        lead: Index,
        company: Option<&'static str>,
    },
    Sweep,
    Edit(Vec<EditCall>),
}

#[derive(Clone, Debug)]
pub(super) enum EditCall {
    Add {
        name: String,
        kind: StatusKind,
    },
    AddAfter {
        status: Index,
        name: String,
        kind: StatusKind,
    },
    Rename {
        status: Index,
        name: String,
    },
    Kind {
        status: Index,
        kind: StatusKind,
    },
    Probability {
        status: Index,
        percent: u8,
    },
    Required {
        status: Index,
        fields: Vec<Field>,
    },
    Reason {
        status: Index,
    },
    MoveTo {
        status: Index,
        position: usize,
    },
    Reverse,
    Initial {
        status: Index,
    },
    Forward,
    Allow {
        from: Index,
        to: Index,
    },
    Forbid {
        from: Index,
        to: Index,
    },
    Retire {
        status: Index,
        destination: Index,
    },
    Unretire {
        status: Index,
    },
    Remove {
        status: Index,
    },
    Unknown,
}

pub(super) fn index() -> impl Strategy<Value = Index> {
    any::<Index>()
}

pub(super) fn kind() -> impl Strategy<Value = StatusKind> {
    prop_oneof![
        3 => Just(StatusKind::Open),
        1 => Just(StatusKind::Won),
        1 => Just(StatusKind::Lost)
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-dA-Dé ]{0,3}"
}

fn edit_call() -> impl Strategy<Value = EditCall> {
    let fields = prop_oneof![
        Just(vec![]),
        Just(vec![Field::Company]),
        Just(vec![Field::Status])
    ];
    prop_oneof![
        4 => (name(), kind()).prop_map(|(name, kind)| EditCall::Add { name, kind }),
        2 => (index(), name(), kind())
            .prop_map(|(status, name, kind)| EditCall::AddAfter { status, name, kind }),
        1 => (index(), name()).prop_map(|(status, name)| EditCall::Rename { status, name }),
        1 => (index(), kind()).prop_map(|(status, kind)| EditCall::Kind { status, kind }),
        1 => (index(), 0..=101_u8)
            .prop_map(|(status, percent)| EditCall::Probability { status, percent }),
        1 => (index(), fields).prop_map(|(status, fields)| EditCall::Required { status, fields }),
        1 => index().prop_map(|status| EditCall::Reason { status }),
        1 => (index(), 0..9_usize)
            .prop_map(|(status, position)| EditCall::MoveTo { status, position }),
        1 => Just(EditCall::Reverse),
        1 => index().prop_map(|status| EditCall::Initial { status }),
        1 => Just(EditCall::Forward),
        2 => (index(), index()).prop_map(|(from, to)| EditCall::Allow { from, to }),
        2 => (index(), index()).prop_map(|(from, to)| EditCall::Forbid { from, to }),
        3 => (index(), index())
            .prop_map(|(status, destination)| EditCall::Retire { status, destination }),
        1 => index().prop_map(|status| EditCall::Unretire { status }),
        3 => index().prop_map(|status| EditCall::Remove { status }),
        1 => Just(EditCall::Unknown),
    ]
}

pub(super) fn call() -> impl Strategy<Value = Call> {
    let reason = prop_oneof![Just(None), Just(Some(" ")), Just(Some("no budget"))];
    let company = prop_oneof![Just(None), Just(Some("Acme"))];
    prop_oneof![
        4 => (index(), index(), reason).prop_map(|(lead, to, reason)| Call::Move { lead, to, reason }),
        2 => (index(), company).prop_map(|(lead, company)| Call::Fill { lead, company }),
        1 => Just(Call::Sweep),
        4 => vec(edit_call(), 1..3).prop_map(Call::Edit),
    ]
}

/// A team: its lifecycle, its leads, and every id that was ever given to a status.
pub(super) struct Team {
    lifecycle: Lifecycle,
    leads: Vec<Lead>,
    ids: BTreeMap<StatusId, LeadStatus>,
}

impl Team {
    pub(super) fn new(lifecycle: Lifecycle) -> Self {
        let leads = lifecycle.order().step_by(2).map(|status| {
            let mut lead = lead_in(status);
            lead.first_name = Some("Ada".into());
            lead.last_name = Some("Byron".into());
            lead.email = Some("ada@example.com".parse().unwrap());
            lead
        });
        let ids = lifecycle.statuses().iter();
        let ids = ids.map(|status| (status.id, status.slug.clone())).collect();
        Self {
            leads: leads.collect(),
            lifecycle,
            ids,
        }
    }

    pub(super) fn make(&mut self, call: &Call) {
        match call {
            Call::Move { lead, to, reason } => {
                let lead = lead.get(&self.leads).clone();
                let to = self.pick(to);
                if let Ok(moved) = self.lifecycle.transition(&lead, &to, *reason) {
                    assert_eq!(moved.from.unwrap().slug, lead.status);
                    assert!(moved.to.missing(&lead).is_empty());
                    assert!(moved.to.retiring.is_none());
                    self.replace(&lead, moved.to.slug.clone());
                }
            }
            Call::Fill { lead, company } => {
                let at = lead.index(self.leads.len());
                let mut after = self.leads[at].clone();
                after.company = company.map(str::to_owned);
                if self.lifecycle.check_fields(&self.leads[at], &after).is_ok() {
                    self.leads[at] = after;
                }
            }
            Call::Sweep => {
                for lead in &mut self.leads {
                    if let Some(moved) = self.lifecycle.retirement(lead) {
                        lead.status = moved.to.slug.clone();
                    }
                }
            }
            Call::Edit(calls) => self.edit(calls),
        }
    }

    fn replace(&mut self, lead: &Lead, status: LeadStatus) {
        let at = self.leads.iter().position(|known| known == lead).unwrap();
        self.leads[at].status = status;
    }

    fn pick(&self, index: &Index) -> LeadStatus {
        index.get(self.lifecycle.statuses()).slug.clone()
    }

    fn edit(&mut self, calls: &[EditCall]) {
        let before = self.lifecycle.clone();
        let mut edit = before.edit();
        for call in calls {
            edit = self.step(edit, call);
        }
        let Ok(after) = edit.apply() else { return };
        assert_eq!(edit.apply_to(&before).unwrap(), after);
        if after.version() == before.version() {
            assert_eq!(after, before);
            return;
        }
        assert_eq!(after.version(), before.version().next());
        // As a repository does: what leads are in is not removed.
        let occupied =
            |status: &&StatusDefinition| self.leads.iter().any(|lead| lead.status == status.slug);
        if before.removed_in(&after).iter().any(occupied) {
            return;
        }
        let last = self.ids.last_key_value().map(|(id, _)| *id);
        for status in after.statuses() {
            match before.by_id(status.id) {
                Some(known) => assert_eq!(known.slug, status.slug, "a slug never changes"),
                None => assert!(Some(status.id) > last, "an id is never reused"),
            }
            self.ids.insert(status.id, status.slug.clone());
        }
        self.lifecycle = after;
    }

    fn step(&self, edit: LifecycleEdit, call: &EditCall) -> LifecycleEdit {
        let at = |index: &Index| self.pick(index);
        match call {
            EditCall::Add { name, kind } => edit.add(StatusDraft::new(name).kind(*kind)),
            EditCall::AddAfter { status, name, kind } => {
                edit.add_after(at(status), StatusDraft::new(name).kind(*kind))
            }
            EditCall::Rename { status, name } => edit.rename(at(status), name),
            EditCall::Kind { status, kind } => edit.set_kind(at(status), *kind),
            EditCall::Probability { status, percent } => edit.set_probability(at(status), *percent),
            EditCall::Required { status, fields } => edit.set_required(at(status), fields.clone()),
            EditCall::Reason { status } => edit.set_reason(at(status), ReasonRule::Required),
            EditCall::MoveTo { status, position } => edit.move_to(at(status), *position),
            EditCall::Reverse => {
                let order: Vec<_> = self.lifecycle.order().cloned().collect();
                edit.reorder(order.iter().rev())
            }
            EditCall::Initial { status } => edit.set_initial(at(status)),
            EditCall::Forward => edit.set_policy(Policy::Forward),
            EditCall::Allow { from, to } => edit.allow(at(from), at(to)),
            EditCall::Forbid { from, to } => edit.forbid(at(from), at(to)),
            EditCall::Retire {
                status,
                destination,
            } => edit.retire(at(status), at(destination)),
            EditCall::Unretire { status } => edit.unretire(at(status)),
            EditCall::Remove { status } => edit.remove(at(status)),
            EditCall::Unknown => edit.rename("nowhere", "Nowhere"),
        }
    }

    pub(super) fn holds(&self) {
        assert!(is_valid(&self.lifecycle.to_parts()), "{:?}", self.lifecycle);
        for lead in &self.leads {
            assert!(self.lifecycle.get(&lead.status).is_some());
            agree(&self.lifecycle, lead);
        }
        let json = serde_json::to_string(&self.lifecycle).unwrap();
        let read: Lifecycle = serde_json::from_str(&json).unwrap();
        assert_eq!(read, self.lifecycle);
    }
}

/// `next`, `transition`, `allows` and `missing` say the same of every status.
fn agree(lifecycle: &Lifecycle, lead: &Lead) {
    let next = lifecycle.next(lead);
    for status in lifecycle.statuses() {
        let listed = next.iter().find(|next| next.definition == *status);
        assert_eq!(
            listed.is_some(),
            lifecycle.allows(&lead.status, &status.slug)
        );
        for reason in [None, Some("no budget")] {
            let outcome = lifecycle.transition(lead, &status.slug, reason);
            let expected = match listed {
                None if lead.status == status.slug => Err("already_there"),
                None if status.is_retiring() => Err("retiring"),
                None => Err("not_allowed"),
                Some(next) if !next.is_ready() => Err("missing_fields"),
                Some(next) if next.needs_reason() && reason.is_none() => Err("reason_required"),
                Some(_) => Ok(&status.slug),
            };
            if let Err(refused) = &outcome {
                let order = next.iter().map(|next| &next.definition.slug);
                assert!(refused.allowed().iter().eq(order));
            }
            let outcome = outcome.map(|moved| &moved.to.slug);
            assert_eq!(
                outcome.as_ref().map_err(TransitionRefused::code),
                expected.as_ref().map_err(|code| *code)
            );
        }
        if let Some(next) = listed {
            assert_eq!(next.missing, lifecycle.missing(lead, &status.slug));
        }
    }
}
