//! Whether a lead may move, and where to.

use super::refused::{RefusedRule, TransitionRefused};
use super::{Lifecycle, ReasonRule, StatusDefinition};
use crate::lead::{Field, Lead, LeadStatus};
use serde::Serialize;

/// A move that the rules allow, or the start of a new lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Transition<'a> {
    /// The status that the lead leaves; `None` for a lead that is being created.
    pub from: Option<&'a StatusDefinition>,
    /// The status that the lead enters.
    pub to: &'a StatusDefinition,
}

/// A status that a lead may move to next, if it has what is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct NextStatus {
    /// The status.
    pub definition: StatusDefinition,
    /// What the lead does not have yet and must have to enter.
    pub missing: Vec<Field>,
}

impl NextStatus {
    /// Whether the lead has every field that the status requires.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether a reason must be given.
    #[must_use]
    pub const fn needs_reason(&self) -> bool {
        matches!(self.definition.reason, ReasonRule::Required)
    }
}

impl Lifecycle {
    /// Checks whether a lead may move to a status. Changes nothing.
    ///
    /// A reason counts as given if it is more than white space; what else it may hold is not
    /// checked here.
    ///
    /// # Errors
    ///
    /// The first rule that forbids it, in this order: the status exists, the lead is not there
    /// already, it is not being removed, the policy allows the move, the lead has every required
    /// field, a required reason is given. With it comes what is allowed instead.
    ///
    /// ```
    /// use crm_core::lead::LeadStatus;
    /// use crm_core::lifecycle::Lifecycle;
    /// # let lead: crm_core::lead::Lead = serde_json::from_str(r#"{
    /// #     "id": "lead_01h455vb4pex5vsknk084sn02q", "status": "won", "version": 1,
    /// #     "first_name": "John", "last_name": "Doe", "email": "john@example.com",
    /// #     "created_at": "2026-01-15T10:30:00Z", "updated_at": "2026-01-15T10:30:00Z",
    /// #     "status_changed_at": "2026-01-15T10:30:00Z"}"#)?;
    ///
    /// let refused = Lifecycle::sales().transition(&lead, &LeadStatus::NEW, None).unwrap_err();
    /// assert_eq!(refused.code(), "not_allowed");
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "cannot move from \"won\" to \"new\": nothing is allowed next, it is final",
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn transition(
        &self,
        lead: &Lead,
        to: &LeadStatus,
        reason: Option<&str>,
    ) -> Result<Transition<'_>, TransitionRefused> {
        let refused = |rule| Err(self.refused(Some(&lead.status), to, rule));
        let statuses = self.statuses();
        let find = |slug| {
            self.position(slug)
                .and_then(|at| Some((at, statuses.get(at)?)))
        };
        let Some((from_at, from)) = find(&lead.status) else {
            return refused(self.unknown(&lead.status));
        };
        let Some((to_at, definition)) = find(to) else {
            return refused(self.unknown(to));
        };
        if from_at == to_at {
            return refused(RefusedRule::AlreadyThere);
        }
        if let Some(destination) = &definition.retiring {
            return refused(RefusedRule::Retiring {
                destination: destination.clone(),
            });
        }
        if !self.exits(from_at).has(to_at) {
            return refused(RefusedRule::NotAllowed);
        }
        if !definition.required.iter().all(|field| field.is_set(lead)) {
            return refused(RefusedRule::Missing {
                fields: definition.missing(lead),
            });
        }
        if definition.lacks_reason(reason) {
            return refused(RefusedRule::ReasonRequired);
        }
        Ok(Transition {
            from: Some(from),
            to: definition,
        })
    }

    /// Every status that a lead may move to next, in order, each with what is still missing.
    ///
    /// Empty if the lead's status is final, or unknown.
    ///
    /// ```
    /// use crm_core::lifecycle::Lifecycle;
    /// # let lead: crm_core::lead::Lead = serde_json::from_str(r#"{
    /// #     "id": "lead_01h455vb4pex5vsknk084sn02q", "status": "qualified", "version": 1,
    /// #     "first_name": "John", "email": "john@example.com",
    /// #     "created_at": "2026-01-15T10:30:00Z", "updated_at": "2026-01-15T10:30:00Z",
    /// #     "status_changed_at": "2026-01-15T10:30:00Z"}"#)?;
    ///
    /// let buttons: Vec<String> = Lifecycle::standard()
    ///     .next(&lead)
    ///     .iter()
    ///     .map(|next| format!("{} (needs {:?})", next.definition.name, next.missing))
    ///     .collect();
    /// assert_eq!(buttons[2], "Converted (needs [last_name])");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn next(&self, lead: &Lead) -> Vec<NextStatus> {
        self.allowed_from(Some(&lead.status))
            .map(|definition| NextStatus {
                missing: definition.missing(lead),
                definition: definition.clone(),
            })
            .collect()
    }

    /// The move of a lead out of a status that is being removed, to where its leads go. `None` if
    /// its status stays. The rules of the destination do not apply: no lead may be left behind.
    #[must_use]
    pub fn retirement(&self, lead: &Lead) -> Option<Transition<'_>> {
        let from = self.get(&lead.status)?;
        let to = self.get(from.retiring.as_ref()?)?;
        Some(Transition {
            from: Some(from),
            to,
        })
    }

    /// The refusal of a guard, of a move or (`from` is `None`) of a new lead.
    pub(crate) fn refused_by_guard(
        &self,
        from: Option<&LeadStatus>,
        to: &LeadStatus,
        name: impl Into<String>,
        message: impl Into<String>,
    ) -> TransitionRefused {
        let rule = RefusedRule::Guard {
            name: name.into(),
            message: message.into(),
        };
        self.refused(from, to, rule)
    }

    fn unknown(&self, status: &LeadStatus) -> RefusedRule {
        RefusedRule::UnknownStatus {
            status: status.clone(),
            known: self.order().cloned().collect(),
        }
    }

    #[cold]
    fn refused(
        &self,
        from: Option<&LeadStatus>,
        to: &LeadStatus,
        rule: RefusedRule,
    ) -> TransitionRefused {
        let allowed = self.allowed_from(from).map(|status| status.slug.clone());
        TransitionRefused::new(from.cloned(), to.clone(), rule, allowed.collect())
    }

    /// What may be entered from a status, or by a new lead.
    fn allowed_from(&self, from: Option<&LeadStatus>) -> impl Iterator<Item = &StatusDefinition> {
        let positions = match from {
            None => self.0.graph.enterable,
            Some(from) => self
                .position(from)
                .map(|from| self.exits(from))
                .unwrap_or_default(),
        };
        positions.pick(self.statuses())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::fixtures::lead_in;
    use crate::lifecycle::{StatusDraft, StatusKind};

    fn demo() -> Lifecycle {
        Lifecycle::builder()
            .status("New")
            .status(StatusDraft::new("Demo").require_all([Field::Company, Field::Value]))
            .status(StatusDraft::new("Old"))
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .status(
                StatusDraft::new("Lost")
                    .kind(StatusKind::Lost)
                    .reason_required(),
            )
            .build()
            .unwrap()
            .edit()
            .retire("old", "demo")
            .apply()
            .unwrap()
    }

    fn slug(text: &str) -> LeadStatus {
        text.parse().unwrap()
    }

    #[test]
    fn each_rule_is_named_and_says_what_to_do() {
        let lifecycle = demo();
        let cases = [
            (
                ("new", "new"),
                "already_there",
                "the lead is already in \"new\": allowed next are demo, won, lost",
            ),
            (
                ("new", "cold"),
                "unknown_status",
                "cannot move from \"new\" to \"cold\": there is no status \"cold\", \
                 there are new, demo, old, won, lost",
            ),
            (
                ("gone", "new"),
                "unknown_status",
                "cannot move from \"gone\" to \"new\": there is no status \"gone\", \
                 there are new, demo, old, won, lost",
            ),
            (
                ("new", "old"),
                "retiring",
                "cannot move from \"new\" to \"old\": it is being retired, use \"demo\" instead",
            ),
            (
                ("lost", "won"),
                "not_allowed",
                "cannot move from \"lost\" to \"won\": allowed next are new, demo",
            ),
            (
                ("new", "demo"),
                "missing_fields",
                "cannot move from \"new\" to \"demo\": company and value are required first",
            ),
            (
                ("new", "lost"),
                "reason_required",
                "cannot move from \"new\" to \"lost\": a reason is required",
            ),
        ];
        for ((from, to), code, message) in cases {
            let lead = lead_in(&slug(from));
            let refused = lifecycle.transition(&lead, &slug(to), Some(" \t"));
            let refused = refused.unwrap_err();
            assert_eq!((refused.code(), &*refused.to_string()), (code, message));
            assert_eq!(refused.from(), Some(&slug(from)));
            assert_eq!(refused.to(), &slug(to));
        }
    }

    #[test]
    fn a_move_by_the_rules_gives_both_statuses() {
        let lifecycle = demo();
        let mut lead = lead_in(&LeadStatus::NEW);
        let lost = lifecycle.transition(&lead, &LeadStatus::LOST, Some("no budget"));
        let lost = lost.unwrap();
        assert_eq!(lost.from, lifecycle.get(&LeadStatus::NEW));
        assert_eq!(lost.to.slug, LeadStatus::LOST);
        lead.status = slug("old");
        let out = lifecycle.transition(&lead, &LeadStatus::WON, None);
        assert!(out.is_ok(), "a retiring status is left by the normal rules");
    }

    #[test]
    fn a_missing_field_is_named_until_it_is_there() {
        let lifecycle = demo();
        let mut lead = lead_in(&LeadStatus::NEW);
        lead.company = Some("Acme".into());
        let refused = lifecycle
            .transition(&lead, &slug("demo"), None)
            .unwrap_err();
        assert!(refused.to_string().ends_with(": value is required first"));
        let next = lifecycle.next(&lead);
        let demo = next.first().unwrap();
        assert_eq!(
            (demo.is_ready(), &*demo.missing),
            (false, &[Field::Value][..])
        );
        lead.value = Some(crate::lead::Money::new(1, "EUR").unwrap());
        assert!(lifecycle.transition(&lead, &slug("demo"), None).is_ok());
        assert!(lifecycle.next(&lead).first().unwrap().is_ready());
    }

    #[test]
    fn next_lists_what_may_be_entered_and_what_it_needs() {
        let next = demo().next(&lead_in(&LeadStatus::NEW));
        let shown: Vec<_> = next
            .iter()
            .map(|next| (next.definition.slug.as_str(), next.needs_reason()))
            .collect();
        assert_eq!(shown, [("demo", false), ("won", false), ("lost", true)]);
        assert!(demo().next(&lead_in(&LeadStatus::WON)).is_empty());
        assert!(demo().next(&lead_in(&slug("gone"))).is_empty());
        let json = serde_json::to_value(&next).unwrap();
        assert_eq!(json[0]["missing"], serde_json::json!(["company", "value"]));
        assert_eq!(json[2]["definition"]["reason"], "required");
    }

    #[test]
    fn the_leads_of_a_retiring_status_go_where_it_says() {
        let lifecycle = demo();
        let moved = lifecycle.retirement(&lead_in(&slug("old"))).unwrap();
        assert_eq!(moved.to.slug, "demo");
        assert_eq!(lifecycle.retirement(&lead_in(&LeadStatus::NEW)), None);
    }

    #[test]
    fn a_guard_refuses_by_its_name() {
        let lifecycle = Lifecycle::sales();
        let moved = lifecycle.refused_by_guard(
            Some(&LeadStatus::NEW),
            &LeadStatus::WON,
            "signed",
            "the contract is not signed",
        );
        assert_eq!(moved.code(), "guard");
        assert_eq!(
            moved.to_string(),
            "cannot move from \"new\" to \"won\": the contract is not signed (guard \"signed\")"
        );
        assert_eq!(moved.allowed().len(), 5);
        let created = lifecycle.refused_by_guard(None, &LeadStatus::WON, "signed", "no");
        assert_eq!(
            created.to_string(),
            "cannot start in \"won\": no (guard \"signed\")"
        );
        assert_eq!(created.allowed().len(), 6);
    }
}
