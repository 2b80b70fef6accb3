//! The rules of the contract, one function each, by subject. Which there are stands in
//! [`suite`](super::suite).

pub(crate) mod cancellation;
pub(crate) mod commit_ids;
pub(crate) mod commits;
pub(crate) mod conflicts;
pub(crate) mod crm_races;
pub(crate) mod documents;
pub(crate) mod erasure;
pub(crate) mod faults;
pub(crate) mod feed;
pub(crate) mod fidelity;
pub(crate) mod filters;
pub(crate) mod histories;
pub(crate) mod indexes;
pub(crate) mod lifecycles;
pub(crate) mod linearizability;
pub(crate) mod pages;
pub(crate) mod races;
pub(crate) mod read_races;
pub(crate) mod removal;
pub(crate) mod reopening;
pub(crate) mod rule_races;
pub(crate) mod searches;
pub(crate) mod sequences;
pub(crate) mod sorts;
pub(crate) mod status_use;
pub(crate) mod tenants;
pub(crate) mod totals;

/// What nearly every case needs.
mod prelude {
    pub(crate) use crate::event::{CommitId, EventCursor, EventKind, LeadEvent};
    pub(crate) use crate::lead::{Lead, LeadStatus, Money, Version};
    pub(crate) use crate::lifecycle::{Lifecycle, StatusDraft, StatusKind};
    pub(crate) use crate::query::{
        Archived, Direction, InvalidCursor, LeadQuery, Limit, Sort, Total,
    };
    pub(crate) use crate::repository::{
        Applied, Committed, HistoryQuery, MAX_CHANGES, Repository, RepositoryErrorKind as Kind,
    };
    pub(crate) use crate::testing::desk::{Desk, FeedReader, KEY, SHELVES, all_sorts};
    pub(crate) use crate::testing::draft::Draft;
    pub(crate) use crate::testing::leads::{
        Dice, at, changed, id, lead, lead_with, number, numbers, plain, plain_with, scaled, usd,
        village,
    };
    pub(crate) use crate::testing::naive;
    pub(crate) use crate::testing::setup::Setup;

    /// No lead's number.
    pub(crate) const NOBODY: [u64; 0] = [];
    /// No tenant.
    pub(crate) const NO_TENANTS: [crate::lead::TenantId; 0] = [];
}
