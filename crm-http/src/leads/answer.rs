//! What callers get: the documented members first and in the documented order, ours after them.

use crm_core::chrono::{DateTime, Utc};
use crm_core::event::LeadEvent;
use crm_core::lead::Lead;
use crm_core::report::StuckLead;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// `"result": "success"`
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was done.
    Success,
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    pub(crate) result: Outcome,
    pub(crate) message: &'static str,
}

impl Done {
    pub(crate) const fn new(message: &'static str) -> Self {
        Self {
            result: Outcome::Success,
            message,
        }
    }
}

/// A lead was created.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadCreated {
    pub(crate) result: Outcome,
    /// The id of the lead.
    #[schema(example = "lead_01h455vb4pex5vsknk084sn02q")]
    pub(crate) lead_id: String,
    pub(crate) message: &'static str,
}

/// One lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneLead {
    pub(crate) result: Outcome,
    #[schema(value_type = LeadItem)]
    pub(crate) lead: Lead,
}

/// A lead that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedLead {
    pub(crate) result: Outcome,
    pub(crate) message: &'static str,
    #[schema(value_type = LeadItem)]
    pub(crate) lead: Lead,
}

/// A page of leads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadList {
    pub(crate) result: Outcome,
    #[schema(value_type = Vec<ListedLead>)]
    pub(crate) leads: Leads,
    /// How many there are on all pages.
    pub(crate) total_count: u64,
    /// What to send as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// Leads, with how long they have been stuck if that was asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Leads {
    All(Vec<Lead>),
    Stuck(Vec<StuckItem>),
}

/// A lead that has been in its status for too long.
#[derive(Debug, Serialize)]
pub(crate) struct StuckItem {
    #[serde(flatten)]
    lead: Lead,
    due_at: DateTime<Utc>,
    overdue_seconds: i64,
}

impl From<StuckLead> for StuckItem {
    fn from(stuck: StuckLead) -> Self {
        Self {
            lead: stuck.lead,
            due_at: stuck.due_at,
            overdue_seconds: stuck.overdue_seconds,
        }
    }
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    pub(crate) result: Outcome,
    #[schema(value_type = Vec<EventItem>)]
    pub(crate) events: Vec<LeadEvent>,
    /// What to send as `cursor` for the events that follow; null if there are none yet.
    pub(crate) next_cursor: Option<String>,
}

/// What a lead is worth.
#[derive(Serialize, ToSchema)]
#[schema(as = Money)]
pub(crate) struct MoneyItem {
    /// In the currency's smallest unit: cents.
    minor_units: i64,
    /// A code of ISO 4217.
    currency: String,
}

/// A lead.
#[derive(Serialize, ToSchema)]
#[schema(as = Lead)]
pub(crate) struct LeadItem {
    #[schema(example = "lead_01h455vb4pex5vsknk084sn02q")]
    id: String,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    #[schema(required)]
    email: Option<String>,
    #[schema(required)]
    company: Option<String>,
    #[schema(example = "new")]
    status: String,
    /// The user who works it.
    #[schema(required)]
    assigned_to: Option<String>,
    created_at: DateTime<Utc>,
    #[schema(required)]
    phone: Option<String>,
    #[schema(required)]
    source: Option<String>,
    #[schema(required)]
    notes: Option<String>,
    #[schema(required)]
    value: Option<MoneyItem>,
    tags: Vec<String>,
    /// Fields of the application.
    custom: BTreeMap<String, Value>,
    /// The reason given when the status was entered.
    #[schema(required)]
    status_reason: Option<String>,
    updated_at: DateTime<Utc>,
    /// When it entered its status.
    status_changed_at: DateTime<Utc>,
    #[schema(required)]
    archived_at: Option<DateTime<Utc>>,
    /// How often it was written: its `ETag`, without quotation marks.
    version: u64,
}

/// A lead of a list; with `stuck`, also how long it has been stuck.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedLead {
    #[serde(flatten)]
    lead: LeadItem,
    /// When it reached its status's threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime<Utc>>,
    /// For how long it has been overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue_seconds: Option<i64>,
}

/// What happened to a lead in one commit.
#[derive(Serialize, ToSchema)]
#[schema(as = LeadEvent)]
pub(crate) struct EventItem {
    /// The lead.
    lead: String,
    /// The lead's version after it.
    version: u64,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    #[schema(required)]
    actor: Option<String>,
    /// The commit it was part of.
    commit: String,
    /// What, in one word: `created`, `status_changed`, `assigned`, `updated`, `archived`, `restored`,
    /// `deleted`.
    #[schema(example = "status_changed")]
    event: String,
    /// Every field that changed, with its values before and after.
    changes: Vec<Value>,
}
