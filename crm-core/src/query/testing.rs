//! Leads for tests.

use crate::lead::{Lead, LeadId, LeadStatus, NewLead, Problems};
use chrono::{DateTime, TimeDelta, Utc};

/// So many seconds after the start of 1970.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// A new lead of which only a phone is known.
pub(crate) fn lead(number: u128) -> Lead {
    let id = LeadId::from_bytes(number.to_be_bytes());
    let new = NewLead::unnamed().phone("112");
    let mut problems = Problems::default();
    let lead = new.draft(id, LeadStatus::NEW, at(0), &mut problems);
    problems.finish().unwrap();
    lead
}
