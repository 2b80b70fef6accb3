//! Leads for the tests of this module.

use crate::lead::{Lead, LeadId, LeadStatus, NewLead, Problems};
use chrono::DateTime;

/// A lead known by its phone only.
pub(super) fn lead_in(status: &LeadStatus) -> Lead {
    let mut problems = Problems::default();
    let lead = NewLead::unnamed().phone("+263 77 123 4567").draft(
        LeadId::from_bytes([1; 16]),
        status.clone(),
        DateTime::UNIX_EPOCH,
        &mut problems,
    );
    problems.finish().unwrap();
    lead
}
