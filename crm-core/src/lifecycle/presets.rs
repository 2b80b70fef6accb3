//! Lifecycles to start from.

use super::definition::{ReasonRule, StatusDefinition, StatusId, StatusKind};
use super::{Colour, Lifecycle, Parts, Policy};
use crate::lead::{Field, LeadStatus, Version};
use chrono::TimeDelta;
use std::sync::LazyLock;

static STANDARD: LazyLock<Lifecycle> = LazyLock::new(|| {
    preset(vec![
        open(LeadStatus::NEW, "New", BLUE, 10, 3),
        open(LeadStatus::CONTACTED, "Contacted", AMBER, 25, 7),
        open(LeadStatus::QUALIFIED, "Qualified", VIOLET, 60, 14),
        closed(LeadStatus::CONVERTED, "Converted", GREEN, StatusKind::Won),
        closed(LeadStatus::LOST, "Lost", RED, StatusKind::Lost),
    ])
});

static SALES: LazyLock<Lifecycle> = LazyLock::new(|| {
    preset(vec![
        open(LeadStatus::NEW, "New", BLUE, 10, 3),
        open(LeadStatus::CONTACTED, "Contacted", AMBER, 20, 7),
        open(LeadStatus::QUALIFIED, "Qualified", VIOLET, 40, 14),
        open(LeadStatus::PROPOSAL, "Proposal", TEAL, 70, 14),
        closed(LeadStatus::WON, "Won", GREEN, StatusKind::Won),
        closed(LeadStatus::LOST, "Lost", RED, StatusKind::Lost),
    ])
});

const BLUE: Colour = Colour::rgb(0x28, 0xB8, 0xDA);
const AMBER: Colour = Colour::rgb(0xF5, 0xA6, 0x23);
const VIOLET: Colour = Colour::rgb(0x7E, 0x57, 0xC2);
const TEAL: Colour = Colour::rgb(0x00, 0x89, 0x7B);
const GREEN: Colour = Colour::rgb(0x43, 0xA0, 0x47);
const RED: Colour = Colour::rgb(0xE5, 0x39, 0x35);

impl Lifecycle {
    /// New, contacted, qualified, then converted or lost.
    ///
    /// Moves may skip ahead or step back ([`Policy::Forward`]). Every status requires first name,
    /// last name and e-mail; none needs a reason. A lead is stuck after 3 days in new, 7 in
    /// contacted, 14 in qualified.
    ///
    /// ```
    /// use crm_core::lifecycle::Lifecycle;
    ///
    /// let known = Lifecycle::standard().known();
    /// assert_eq!(known, ["new", "contacted", "qualified", "converted", "lost"]);
    /// ```
    #[must_use]
    pub fn standard() -> Self {
        STANDARD.clone()
    }

    /// New, contacted, qualified, proposal, then won or lost.
    ///
    /// The rules are those of [`standard`](Self::standard); a lead is stuck after 14 days in
    /// proposal.
    ///
    /// ```
    /// use crm_core::lifecycle::Lifecycle;
    ///
    /// let known = Lifecycle::sales().known();
    /// assert_eq!(known, ["new", "contacted", "qualified", "proposal", "won", "lost"]);
    /// ```
    #[must_use]
    pub fn sales() -> Self {
        SALES.clone()
    }
}

fn open(slug: LeadStatus, name: &str, colour: Colour, percent: u8, days: i64) -> StatusDefinition {
    StatusDefinition {
        // Numbered by `preset`.
        id: StatusId::new(0),
        slug,
        name: name.to_owned(),
        colour,
        kind: StatusKind::Open,
        probability: percent,
        stuck_after: Some(TimeDelta::days(days)),
        required: vec![Field::FirstName, Field::LastName, Field::Email],
        reason: ReasonRule::Optional,
        retiring: None,
    }
}

fn closed(slug: LeadStatus, name: &str, colour: Colour, kind: StatusKind) -> StatusDefinition {
    StatusDefinition {
        kind,
        probability: kind.settled_probability().unwrap_or_default(),
        stuck_after: None,
        ..open(slug, name, colour, 0, 0)
    }
}

/// The statuses above are valid, which the tests hold them to.
fn preset(mut statuses: Vec<StatusDefinition>) -> Lifecycle {
    let mut next = 1;
    for status in &mut statuses {
        status.id = StatusId::new(next);
        next += 1;
    }
    let parts = Parts {
        version: Version::FIRST,
        statuses,
        initial: Some(LeadStatus::NEW),
        policy: Policy::Forward,
        next_id: StatusId::new(next),
    };
    Lifecycle::assemble(parts, LeadStatus::NEW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::check::check;

    #[test]
    fn the_presets_are_valid() {
        for preset in [Lifecycle::standard(), Lifecycle::sales()] {
            assert_eq!(check(preset.to_parts(), Vec::new()).unwrap(), preset);
        }
    }

    #[test]
    fn the_presets_require_a_name_and_an_e_mail_everywhere_and_a_reason_nowhere() {
        let documented = [Field::FirstName, Field::LastName, Field::Email];
        for preset in [Lifecycle::standard(), Lifecycle::sales()] {
            for status in preset.statuses() {
                assert_eq!(status.required, documented, "{}", status.slug);
                assert_eq!(status.reason, ReasonRule::Optional, "{}", status.slug);
                assert_eq!(
                    status.stuck_after.is_some(),
                    status.kind.is_open(),
                    "{}",
                    status.slug
                );
            }
        }
    }

    #[test]
    fn the_presets_move_as_documented() {
        let sales = Lifecycle::sales();
        let allowed = |from: &LeadStatus| -> Vec<String> {
            let to = sales.order().filter(|to| sales.allows(from, to));
            to.map(ToString::to_string).collect()
        };
        assert_eq!(
            allowed(&LeadStatus::NEW),
            ["contacted", "qualified", "proposal", "won", "lost"]
        );
        assert_eq!(
            allowed(&LeadStatus::PROPOSAL),
            ["new", "contacted", "qualified", "won", "lost"]
        );
        assert_eq!(
            allowed(&LeadStatus::LOST),
            ["new", "contacted", "qualified", "proposal"]
        );
        assert!(allowed(&LeadStatus::WON).is_empty());
    }
}
