//! What callers send: core's own types, whose fields are named here and described for OpenAPI.

use crate::extract::{Body, Kind};
use crm_core::lead::{LeadPatch, NewLead};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The fields that people fill in.
const FIELDS: &[(&str, Kind)] = &[
    ("first_name", Kind::Text),
    ("last_name", Kind::Text),
    ("email", Kind::Text),
    ("company", Kind::Text),
    ("status", Kind::Text),
    ("assigned_to", Kind::Text),
    ("phone", Kind::Text),
    ("source", Kind::Text),
    ("notes", Kind::Text),
    ("value", Kind::Money),
    ("tags", Kind::Texts),
    ("custom", Kind::Object),
    ("status_reason", Kind::Text),
];

impl Body for NewLead {
    const FIELDS: &'static [(&'static str, Kind)] = FIELDS;
}

impl Body for LeadPatch {
    const FIELDS: &'static [(&'static str, Kind)] = FIELDS;
}

/// A move to another status.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TransitionBody {
    /// The status to enter.
    #[schema(
        max_length = 40,
        pattern = "^[a-z0-9][a-z0-9_]*$",
        required,
        nullable = false,
        example = "contacted"
    )]
    pub(crate) status: Option<String>,
    /// Why, at most 500 characters. Some statuses need it.
    #[schema(max_length = 500)]
    pub(crate) status_reason: Option<String>,
}

impl Body for TransitionBody {
    const FIELDS: &'static [(&'static str, Kind)] =
        &[("status", Kind::Text), ("status_reason", Kind::Text)];
}

/// What a lead may be worth.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes core's type")]
pub(crate) struct MoneyBody {
    /// In the currency's smallest unit: cents.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1_250_000)]
    minor_units: i64,
    /// A code of ISO 4217.
    #[schema(min_length = 3, max_length = 3, example = "USD")]
    currency: String,
}

/// A lead to be created. Which fields it must have is the lifecycle's decision: by default
/// `first_name`, `last_name` and `email`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLead)]
#[expect(dead_code, reason = "describes core's type")]
pub(crate) struct NewLeadBody {
    /// Lead's first name, at most 100 characters.
    #[schema(max_length = 100, example = "John")]
    first_name: Option<String>,
    /// Lead's last name, at most 100 characters.
    #[schema(max_length = 100, example = "Doe")]
    last_name: Option<String>,
    /// Lead's email address, at most 254 bytes.
    #[schema(max_length = 254, format = Email, example = "john@example.com")]
    email: Option<String>,
    /// Company name, at most 200 characters.
    #[schema(max_length = 200, example = "Acme Corp")]
    company: Option<String>,
    /// The status to start in, if not the first one.
    #[schema(max_length = 40, pattern = "^[a-z0-9][a-z0-9_]*$")]
    status: Option<String>,
    /// User ID to assign the lead to.
    #[schema(max_length = 128)]
    assigned_to: Option<String>,
    /// Phone number, at most 40 characters.
    #[schema(max_length = 40, example = "+263771234567")]
    phone: Option<String>,
    /// Lead source: `website`, `referral`, `cold_call`, `event`, `other`, or another slug.
    #[schema(max_length = 40, pattern = "^[a-z0-9][a-z0-9_]*$", example = "website")]
    source: Option<String>,
    /// Additional notes, at most 16 KiB.
    #[schema(max_length = 16384)]
    notes: Option<String>,
    /// What the lead may be worth.
    value: Option<MoneyBody>,
    /// At most 50 tags of 50 characters.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
    /// Fields of the application, at most 16 KiB of JSON.
    custom: Option<BTreeMap<String, Value>>,
    /// Why it starts in its status, at most 500 characters.
    #[schema(max_length = 500)]
    status_reason: Option<String>,
}

/// What changes of a lead: the fields that are named. `null` empties one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeadPatch)]
#[expect(dead_code, reason = "describes core's type")]
pub(crate) struct LeadPatchBody {
    /// Updated first name.
    #[schema(max_length = 100)]
    first_name: Option<String>,
    /// Updated last name.
    #[schema(max_length = 100)]
    last_name: Option<String>,
    /// Updated email address.
    #[schema(max_length = 254, format = Email)]
    email: Option<String>,
    /// Updated company.
    #[schema(max_length = 200)]
    company: Option<String>,
    /// Updated status. Which moves are allowed is the lifecycle's decision.
    #[schema(
        max_length = 40,
        pattern = "^[a-z0-9][a-z0-9_]*$",
        nullable = false,
        example = "qualified"
    )]
    status: Option<String>,
    /// Updated user assignment.
    #[schema(max_length = 128)]
    assigned_to: Option<String>,
    /// Updated phone number.
    #[schema(max_length = 40)]
    phone: Option<String>,
    /// Updated source.
    #[schema(max_length = 40, pattern = "^[a-z0-9][a-z0-9_]*$")]
    source: Option<String>,
    /// Updated notes.
    #[schema(max_length = 16384, example = "Interested in enterprise plan")]
    notes: Option<String>,
    /// Updated value.
    value: Option<MoneyBody>,
    /// All tags that it has from now on.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
    /// Fields of the application that change; `null` removes one, the others stay.
    custom: Option<BTreeMap<String, Value>>,
    /// Why the status is entered; only with `status`.
    #[schema(max_length = 500)]
    status_reason: Option<String>,
}
