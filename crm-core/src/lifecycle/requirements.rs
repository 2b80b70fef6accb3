//! What a status asks of the leads in it: fields, and a reason.

use super::transition::Transition;
use super::{Lifecycle, ReasonRule, StatusDefinition};
use crate::lead::{Field, Invalid, Lead, LeadStatus, ProblemKind, Problems};

impl StatusDefinition {
    /// The required fields that a lead does not have, in the order of the definition.
    #[must_use]
    pub fn missing(&self, lead: &Lead) -> Vec<Field> {
        let required = self.required.iter();
        required
            .filter(|field| !field.is_set(lead))
            .cloned()
            .collect()
    }

    pub(super) fn lacks_reason(&self, reason: Option<&str>) -> bool {
        self.reason == ReasonRule::Required && reason.is_none_or(|text| text.trim().is_empty())
    }

    fn asks_for(&self) -> ProblemKind {
        ProblemKind::RequiredByStatus {
            status: self.slug.to_string(),
        }
    }
}

impl Lifecycle {
    /// The fields that a status requires and a lead does not have. None if there is no such status.
    #[must_use]
    pub fn missing(&self, lead: &Lead, status: &LeadStatus) -> Vec<Field> {
        let definition = self.get(status);
        definition
            .map(|status| status.missing(lead))
            .unwrap_or_default()
    }

    /// Checks whether a new lead may start in the status it has. Changes nothing.
    ///
    /// It may be any status that is not being removed: leads that come from elsewhere have a life
    /// behind them.
    ///
    /// # Errors
    ///
    /// Every problem, each with its field: `status` if it is unknown or being removed, each
    /// required field that is missing, `status_reason` if one is required.
    pub fn enter(&self, lead: &Lead, reason: Option<&str>) -> Result<Transition<'_>, Invalid> {
        let status = self.status(lead.status.as_str())?;
        let mut problems = Problems::default();
        if let Some(destination) = &status.retiring {
            let destination = destination.to_string();
            problems.add("status", ProblemKind::Retiring { destination });
        }
        for field in status.missing(lead) {
            problems.add(field.to_string(), status.asks_for());
        }
        if status.lacks_reason(reason) {
            problems.add("status_reason", status.asks_for());
        }
        problems.finish()?;
        Ok(Transition {
            from: None,
            to: status,
        })
    }

    /// Checks an update that leaves the status as it is: it may not empty a field that the status
    /// requires, nor a reason that it requires. What was empty before, because the rule came later,
    /// does not block it.
    ///
    /// # Errors
    ///
    /// Every field that would be emptied.
    pub fn check_fields(&self, before: &Lead, after: &Lead) -> Result<(), Invalid> {
        let Some(status) = self.get(&after.status) else {
            return Ok(());
        };
        let mut problems = Problems::default();
        for field in status.missing(after) {
            if field.is_set(before) {
                problems.add(field.to_string(), status.asks_for());
            }
        }
        if before.status_reason.is_some() && status.lacks_reason(after.status_reason.as_deref()) {
            problems.add("status_reason", status.asks_for());
        }
        problems.finish()
    }

    /// Whether any rule looks at this field, so that a change of it holds only for the version of
    /// the lifecycle that it was checked against.
    #[must_use]
    pub fn reads(&self, field: &Field) -> bool {
        let mut statuses = self.statuses().iter();
        match field {
            Field::Status => true,
            Field::StatusReason => statuses.any(|status| status.reason == ReasonRule::Required),
            field => statuses.any(|status| status.required.contains(field)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::fixtures::lead_in;
    use crate::lifecycle::{StatusDraft, StatusKind};

    fn lifecycle() -> Lifecycle {
        let budget = Field::custom("budget").unwrap();
        Lifecycle::builder()
            .status("New")
            .status(StatusDraft::new("Demo").require_all([Field::Company, budget]))
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .status(
                StatusDraft::new("Lost")
                    .kind(StatusKind::Lost)
                    .require(Field::Company)
                    .reason_required(),
            )
            .build()
            .unwrap()
    }

    fn slug(text: &str) -> LeadStatus {
        text.parse().unwrap()
    }

    fn told(refused: &Invalid) -> Vec<String> {
        refused.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_new_lead_brings_what_its_status_requires() {
        let lifecycle = lifecycle();
        let started = lifecycle.enter(&lead_in(&LeadStatus::NEW), None).unwrap();
        assert_eq!((started.from, started.to.slug.as_str()), (None, "new"));
        let refused = lifecycle.enter(&lead_in(&LeadStatus::LOST), Some(" "));
        assert_eq!(
            told(&refused.unwrap_err()),
            [
                "company: is required in status \"lost\"",
                "status_reason: is required in status \"lost\""
            ]
        );
        let mut lost = lead_in(&LeadStatus::LOST);
        lost.company = Some("Acme".into());
        assert!(lifecycle.enter(&lost, Some("no budget")).is_ok());
    }

    #[test]
    fn a_new_lead_does_not_start_where_nothing_may_enter() {
        let lifecycle = lifecycle().edit().retire("demo", "new").apply().unwrap();
        let refused = lifecycle.enter(&lead_in(&slug("demo")), None);
        assert_eq!(
            told(&refused.unwrap_err()),
            [
                "status: is being retired: use \"new\" instead",
                "company: is required in status \"demo\"",
                "custom.budget: is required in status \"demo\""
            ]
        );
        let refused = lifecycle.enter(&lead_in(&slug("cold")), None);
        assert_eq!(
            told(&refused.unwrap_err()),
            ["status: is unknown: must be one of new, demo, won, lost"]
        );
    }

    #[test]
    fn an_update_may_not_empty_what_the_status_requires() {
        let lifecycle = lifecycle();
        let mut before = lead_in(&slug("demo"));
        before.company = Some("Acme".into());
        let mut after = before.clone();
        after.notes = Some("called".into());
        assert!(
            lifecycle.check_fields(&before, &after).is_ok(),
            "the budget was missing before"
        );
        after.company = None;
        assert_eq!(
            told(&lifecycle.check_fields(&before, &after).unwrap_err()),
            ["company: is required in status \"demo\""]
        );
        before.status = LeadStatus::NEW;
        after.status = LeadStatus::NEW;
        assert!(lifecycle.check_fields(&before, &after).is_ok());
    }

    #[test]
    fn the_fields_that_rules_read_are_known() {
        let lifecycle = lifecycle();
        let read = [
            Field::Company,
            Field::custom("budget").unwrap(),
            Field::Status,
            Field::StatusReason,
        ];
        assert!(read.iter().all(|field| lifecycle.reads(field)));
        assert!(!lifecycle.reads(&Field::Notes));
        assert!(!lifecycle.reads(&Field::custom("colour").unwrap()));
        assert!(!Lifecycle::sales().reads(&Field::StatusReason));
    }

    #[test]
    fn what_is_missing_is_known_for_any_status() {
        let lead = lead_in(&LeadStatus::NEW);
        let lifecycle = lifecycle();
        assert_eq!(
            lifecycle.missing(&lead, &LeadStatus::LOST),
            [Field::Company]
        );
        assert!(lifecycle.missing(&lead, &slug("cold")).is_empty());
    }
}
