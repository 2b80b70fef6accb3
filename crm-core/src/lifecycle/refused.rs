//! Why a lead may not move, said so that a person knows what to do next.

use crate::lead::{Field, LeadStatus};
use std::fmt;

/// A move that was refused: which rule failed, and what is allowed instead.
///
/// Its text names statuses and fields, never what a lead holds.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
// Boxed, so that a check that succeeds does not make room for it.
pub struct TransitionRefused(Box<Refused>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Refused {
    from: Option<LeadStatus>,
    to: LeadStatus,
    rule: RefusedRule,
    allowed: Vec<LeadStatus>,
}

/// The rule that forbids a move.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RefusedRule {
    /// The lead is in that status.
    AlreadyThere,
    /// There is no such status: the one to enter, or the one that the lead is in, which happens
    /// when the lifecycle at hand is older than the lead.
    UnknownStatus {
        /// The status there is not.
        status: LeadStatus,
        /// The statuses there are, in order.
        known: Vec<LeadStatus>,
    },
    /// The policy does not lead there.
    NotAllowed,
    /// The status is being removed.
    Retiring {
        /// Where its leads go.
        destination: LeadStatus,
    },
    /// The lead does not have what the status requires.
    Missing {
        /// The fields it does not have, in the order of the definition.
        fields: Vec<Field>,
    },
    /// The status needs a reason and none was given.
    ReasonRequired,
    /// The application's own check refused it.
    Guard {
        /// The name the guard was registered under.
        name: String,
        /// What the guard said.
        message: String,
    },
}

impl TransitionRefused {
    pub(super) fn new(
        from: Option<LeadStatus>,
        to: LeadStatus,
        rule: RefusedRule,
        allowed: Vec<LeadStatus>,
    ) -> Self {
        Self(Box::new(Refused {
            from,
            to,
            rule,
            allowed,
        }))
    }

    /// The status that the lead is in; `None` if it is being created.
    #[must_use]
    pub fn from(&self) -> Option<&LeadStatus> {
        self.0.from.as_ref()
    }

    /// The status it was to enter.
    #[must_use]
    pub fn to(&self) -> &LeadStatus {
        &self.0.to
    }

    /// The rule that forbids it.
    #[must_use]
    pub fn rule(&self) -> &RefusedRule {
        &self.0.rule
    }

    /// The statuses it may enter instead, in order.
    #[must_use]
    pub fn allowed(&self) -> &[LeadStatus] {
        &self.0.allowed
    }

    /// The rule as a word that never changes: `already_there`, `unknown_status`, `not_allowed`,
    /// `retiring`, `missing_fields`, `reason_required` or `guard`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.0.rule {
            RefusedRule::AlreadyThere => "already_there",
            RefusedRule::UnknownStatus { .. } => "unknown_status",
            RefusedRule::NotAllowed => "not_allowed",
            RefusedRule::Retiring { .. } => "retiring",
            RefusedRule::Missing { .. } => "missing_fields",
            RefusedRule::ReasonRequired => "reason_required",
            RefusedRule::Guard { .. } => "guard",
        }
    }
}

impl fmt::Display for TransitionRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused {
            from,
            to,
            rule,
            allowed,
        } = &*self.0;
        match (from, rule) {
            (_, RefusedRule::AlreadyThere) => write!(f, "the lead is already in \"{to}\": ")?,
            (Some(from), _) => write!(f, "cannot move from \"{from}\" to \"{to}\": ")?,
            (None, _) => write!(f, "cannot start in \"{to}\": ")?,
        }
        match rule {
            RefusedRule::AlreadyThere | RefusedRule::NotAllowed => {
                if allowed.is_empty() {
                    f.write_str("nothing is allowed next, it is final")
                } else {
                    write!(f, "allowed next are {}", listed(allowed))
                }
            }
            RefusedRule::UnknownStatus { status, known } => write!(
                f,
                "there is no status \"{status}\", there are {}",
                listed(known)
            ),
            RefusedRule::Retiring { destination } => {
                write!(f, "it is being retired, use \"{destination}\" instead")
            }
            RefusedRule::Missing { fields } => {
                let verb = if fields.len() == 1 { "is" } else { "are" };
                write!(f, "{} {verb} required first", spoken(fields))
            }
            RefusedRule::ReasonRequired => f.write_str("a reason is required"),
            RefusedRule::Guard { name, message } => write!(f, "{message} (guard \"{name}\")"),
        }
    }
}

fn listed(statuses: &[LeadStatus]) -> String {
    let slugs: Vec<&str> = statuses.iter().map(LeadStatus::as_str).collect();
    slugs.join(", ")
}

/// `company`, `company and value`, `company, phone and value`.
fn spoken(fields: &[Field]) -> String {
    let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_listed_as_people_say_them() {
        let fields = [Field::Company, Field::Phone, Field::Value];
        assert_eq!(spoken(&fields[..1]), "company");
        assert_eq!(spoken(&fields[..2]), "company and phone");
        assert_eq!(spoken(&fields), "company, phone and value");
        assert_eq!(spoken(&[]), "");
    }

    #[test]
    fn a_refusal_is_as_small_as_a_pointer() {
        assert_eq!(size_of::<TransitionRefused>(), size_of::<usize>());
    }
}
