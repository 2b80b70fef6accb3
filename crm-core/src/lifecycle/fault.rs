//! What is wrong with a lifecycle: every fault at once, each naming its status.

use super::StatusId;
use super::definition::MAX_STATUSES;
use crate::lead::limits::MAX_SLUG;
use crate::lead::{LeadStatus, Problem};
use std::fmt;

/// A lifecycle, or an edit of one, that was refused, with everything that is wrong with it.
///
/// ```
/// use crm_core::lifecycle::{Fault, Lifecycle};
///
/// let refused = Lifecycle::builder().status("New").status("new").build().unwrap_err();
/// assert_eq!(refused.faults().len(), 2);
/// assert!(refused.faults().contains(&Fault::NoClosedStatus));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LifecycleInvalid {
    faults: Vec<Fault>,
}

impl LifecycleInvalid {
    pub(super) const fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    /// Everything that is wrong; never empty.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for LifecycleInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing wrong with a lifecycle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It has no status at all.
    #[error("a lifecycle needs at least one open and one closed status")]
    NoStatuses,
    /// It has too many statuses; nothing else was looked at.
    #[error("there are {count} statuses: at most {MAX_STATUSES} are possible")]
    TooManyStatuses {
        /// How many there are.
        count: usize,
    },
    /// A part of a status is not what it may be: its name, colour, probability, …
    #[error("status \"{status}\": {problem}")]
    Definition {
        /// The status.
        status: LeadStatus,
        /// The part, as it is called in JSON, and what is wrong with it.
        problem: Problem,
    },
    /// Two statuses have the same slug.
    #[error("two statuses have the slug \"{status}\"")]
    DuplicateSlug {
        /// The slug.
        status: LeadStatus,
    },
    /// Two statuses have names that people cannot tell apart.
    #[error("\"{status}\" has the same name as \"{other}\"")]
    DuplicateName {
        /// The later of the two.
        status: LeadStatus,
        /// The earlier of the two.
        other: LeadStatus,
    },
    /// Two statuses have the same id.
    #[error("\"{status}\" has the same id as \"{other}\": {id}")]
    DuplicateId {
        /// The later of the two.
        status: LeadStatus,
        /// The earlier of the two.
        other: LeadStatus,
        /// The id of both.
        id: StatusId,
    },
    /// A status has an id that this lifecycle has not given out.
    #[error("\"{status}\" has the id {id}: ids begin at 1 and the next one is {next}")]
    IdNotIssued {
        /// The status.
        status: LeadStatus,
        /// Its id.
        id: StatusId,
        /// The id the next new status would get.
        next: StatusId,
    },
    /// Every id was given out.
    #[error("no status can be added: every id was used")]
    IdsExhausted,
    /// There is no open status for new leads to start in.
    #[error("there is no open status for new leads to start in")]
    NoInitialStatus,
    /// There is no closed status for leads to end in.
    #[error("there is no won or lost status for leads to end in")]
    NoClosedStatus,
    /// New leads would start in a closed status.
    #[error("new leads cannot start in \"{status}\": it is closed")]
    InitialClosed {
        /// The initial status.
        status: LeadStatus,
    },
    /// New leads would start in a status that is being removed.
    #[error("new leads cannot start in \"{status}\": it is being retired")]
    InitialRetiring {
        /// The initial status.
        status: LeadStatus,
    },
    /// A status is named that does not exist.
    #[error("there is no status {slug:?}, named {place}")]
    UnknownStatus {
        /// What was named, cut to the length of a slug.
        slug: String,
        /// Where.
        place: Place,
    },
    /// A rule leads from a status to itself.
    #[error("a rule leads from \"{status}\" to itself")]
    EdgeToItself {
        /// The status.
        status: LeadStatus,
    },
    /// No path leads from the initial status to this one.
    #[error("\"{status}\" cannot be reached from the initial status")]
    Unreachable {
        /// The status.
        status: LeadStatus,
    },
    /// No path leads from this open status to a closed one.
    #[error("no won or lost status can be reached from \"{status}\"")]
    DeadEnd {
        /// The status.
        status: LeadStatus,
    },
    /// A status would be removed with its leads going nowhere.
    #[error("\"{status}\" cannot be retired into itself")]
    RetiringIntoItself {
        /// The status.
        status: LeadStatus,
    },
    /// A status would be removed with its leads going into one that is being removed too.
    #[error("\"{status}\" cannot be retired into \"{destination}\", which is being retired too")]
    RetiringIntoRetiring {
        /// The status.
        status: LeadStatus,
        /// Where its leads would go.
        destination: LeadStatus,
    },
    /// An order leaves statuses out.
    #[error("the order leaves out {}", slugs(missing))]
    OrderIncomplete {
        /// What it leaves out.
        missing: Vec<LeadStatus>,
    },
    /// An order names a status more than once.
    #[error("the order names \"{status}\" more than once")]
    OrderRepeats {
        /// The status.
        status: LeadStatus,
    },
}

impl Fault {
    pub(super) fn unknown(slug: &str, place: Place) -> Self {
        // What was named may be of any length, and only a slug can be a status.
        let shown = slug.get(..slug.floor_char_boundary(MAX_SLUG));
        Self::UnknownStatus {
            slug: shown.unwrap_or_default().to_owned(),
            place,
        }
    }
}

/// Where a status was named that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// As the status that new leads start in.
    Initial,
    /// In a rule of an explicit policy.
    Rule,
    /// As the destination of a status that is being removed.
    Destination,
    /// As the status to change.
    Edit,
    /// In an order.
    Order,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initial => "as the initial status",
            Self::Rule => "in a rule",
            Self::Destination => "as a destination",
            Self::Edit => "as a status to change",
            Self::Order => "in an order",
        })
    }
}

fn slugs(statuses: &[LeadStatus]) -> String {
    let slugs: Vec<&str> = statuses.iter().map(LeadStatus::as_str).collect();
    slugs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::ProblemKind;

    #[test]
    fn every_fault_is_told_in_one_line() {
        let refused = LifecycleInvalid::new(vec![
            Fault::Definition {
                status: LeadStatus::NEW,
                problem: Problem::new("probability", ProblemKind::OutOfRange { min: 0, max: 100 }),
            },
            Fault::unknown("Demo \"1\"\n", Place::Rule),
            Fault::OrderIncomplete {
                missing: vec![LeadStatus::WON, LeadStatus::LOST],
            },
        ]);
        assert_eq!(
            refused.to_string(),
            "status \"new\": probability: is out of range: must be between 0 and 100; \
             there is no status \"Demo \\\"1\\\"\\n\", named in a rule; \
             the order leaves out won, lost"
        );
    }

    #[test]
    fn a_huge_unknown_name_is_not_repeated() {
        let fault = Fault::unknown(&"é".repeat(10 << 20), Place::Initial);
        assert!(fault.to_string().len() < 200, "{fault}");
    }
}
