//! A lead, what people fill in, and what they change: values that cannot be built wrong.
//!
//! Which fields a lead *must* have is not decided here but by its status, in
//! [`lifecycle`](crate::lifecycle). This module says what a field may hold.

mod check;
mod contact;
mod custom;
mod field;
mod id;
mod invalid;
pub(crate) mod label;
pub mod limits;
mod money;
mod new;
mod patch;
mod slug;
mod tag;

pub(crate) use check::line as check_line;
pub use contact::{EmailAddress, PhoneNumber};
pub use custom::CustomFields;
pub use field::{CustomKey, Field, FieldValue};
pub use id::{LeadId, TenantId, UserId};
pub(crate) use invalid::Problems;
pub use invalid::{Invalid, Problem, ProblemKind};
pub use money::{Currency, Money};
pub use new::NewLead;
pub(crate) use patch::FieldPatch;
pub use patch::LeadPatch;
pub(crate) use slug::slug_of;
pub use slug::{LeadSource, LeadStatus};
pub use tag::Tag;

pub(crate) use custom::write_value as write_canonical_json;
pub(crate) use tag::check_tags;

use chrono::{DateTime, Datelike as _, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How often something stored was written: 1 when it is created, one more with each change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version of what has just been created.
    pub const FIRST: Self = Self(1);

    /// From its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A person, or a company, who may become a customer.
///
/// Made by [`Crm`](crate::crm::Crm) from a [`NewLead`], changed by a [`LeadPatch`]. A `Lead` is a
/// value: changing a field of one changes nothing that is stored.
///
/// Its JSON has the fields of the documented leads API first, in that order, then the others;
/// absent values are `null`. All times are UTC, in whole microseconds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
#[non_exhaustive]
pub struct Lead {
    /// Who this is.
    pub id: LeadId,
    /// At most [`limits::MAX_NAME`] characters.
    pub first_name: Option<String>,
    /// At most [`limits::MAX_NAME`] characters.
    pub last_name: Option<String>,
    /// The e-mail address, as typed.
    pub email: Option<EmailAddress>,
    /// At most [`limits::MAX_COMPANY`] characters.
    pub company: Option<String>,
    /// Where in its lifecycle the lead is.
    pub status: LeadStatus,
    /// The user who works the lead.
    pub assigned_to: Option<UserId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The phone number, as typed.
    pub phone: Option<PhoneNumber>,
    /// Where it came from.
    pub source: Option<LeadSource>,
    /// Free text, at most [`limits::MAX_NOTES`] bytes.
    pub notes: Option<String>,
    /// What it may be worth.
    pub value: Option<Money>,
    /// At most [`limits::MAX_TAGS`], each once.
    pub tags: Vec<Tag>,
    /// Fields of the application.
    pub custom: CustomFields,
    /// The reason given when the status was entered.
    pub status_reason: Option<String>,
    /// When anything of it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it entered its status.
    pub status_changed_at: DateTime<Utc>,
    /// When it was archived, if it is.
    pub archived_at: Option<DateTime<Utc>>,
    /// How often it was written.
    pub version: Version,
}

impl Lead {
    /// Whether it is archived.
    #[must_use]
    pub const fn is_archived(&self) -> bool {
        self.archived_at.is_some()
    }

    /// First and last name, or what there is of them; failing these the company, the e-mail, the
    /// phone.
    #[must_use]
    pub fn display_name(&self) -> String {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => format!("{first} {last}"),
            (Some(only), None) | (None, Some(only)) => only.clone(),
            (None, None) => {
                let email = || self.email.as_ref().map(|email| email.as_str());
                let phone = || self.phone.as_ref().map(|phone| phone.as_str());
                self.company
                    .as_deref()
                    .or_else(email)
                    .or_else(phone)
                    .unwrap_or_default()
                    .to_owned()
            }
        }
    }

    /// Checks everything that the types of the fields do not: lengths, characters, times, that the
    /// lead is known by something.
    ///
    /// # Errors
    ///
    /// Every problem, each with its field.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut problems = Problems::default();
        let mut line = |field, value: &Option<String>, max| {
            let Some(text) = value else { return };
            if let Some(line) = problems.keep(check::trimmed_line(field, text, max))
                && line != *text
            {
                let expected = "a text without white space around it";
                problems.add(field, ProblemKind::Malformed { expected });
            }
        };
        line("first_name", &self.first_name, limits::MAX_NAME);
        line("last_name", &self.last_name, limits::MAX_NAME);
        line("company", &self.company, limits::MAX_COMPANY);
        line("status_reason", &self.status_reason, limits::MAX_REASON);
        if let Some(notes) = &self.notes {
            problems.keep(check::checked_notes(notes));
        }
        // One is no more than there may be, and not said twice.
        if self.tags.len() > 1 {
            let tags = problems.keep(check_tags(self.tags.iter().map(Tag::as_str)));
            if tags.is_some_and(|each_once| each_once.len() != self.tags.len()) {
                problems.add("tags", ProblemKind::Duplicate);
            }
        }
        if self.version < Version::FIRST {
            let max = i64::MAX;
            problems.add("version", ProblemKind::OutOfRange { min: 1, max });
        }
        let times = [
            ("created_at", Some(self.created_at)),
            ("updated_at", Some(self.updated_at)),
            ("status_changed_at", Some(self.status_changed_at)),
            ("archived_at", self.archived_at),
        ];
        for (field, time) in times {
            if let Some(time) = time
                && !is_storable(time)
            {
                problems.add(field, UNSTORABLE_TIME);
            }
        }
        if !self.is_identified() {
            problems.add("lead", ProblemKind::Unidentified);
        }
        problems.finish()
    }

    pub(crate) fn is_identified(&self) -> bool {
        self.first_name.is_some()
            || self.last_name.is_some()
            || self.email.is_some()
            || self.phone.is_some()
            || self.company.is_some()
    }

    /// The fields in which two states of a lead differ, in the order of [`Field::NAMED`], then the
    /// custom ones by key.
    pub(crate) fn differences(&self, after: &Self) -> Vec<Field> {
        let mut differing = Vec::new();
        let mut note = |differs: bool, field: Field| {
            if differs {
                differing.push(field);
            }
        };
        note(self.first_name != after.first_name, Field::FirstName);
        note(self.last_name != after.last_name, Field::LastName);
        note(self.email != after.email, Field::Email);
        note(self.company != after.company, Field::Company);
        note(self.phone != after.phone, Field::Phone);
        note(self.source != after.source, Field::Source);
        note(self.assigned_to != after.assigned_to, Field::AssignedTo);
        note(self.notes != after.notes, Field::Notes);
        note(self.value != after.value, Field::Value);
        note(self.tags != after.tags, Field::Tags);
        note(self.status != after.status, Field::Status);
        note(
            self.status_reason != after.status_reason,
            Field::StatusReason,
        );
        if self.custom != after.custom {
            differing.extend(Field::custom_differences(&self.custom, &after.custom));
        }
        differing
    }
}

pub(crate) const UNSTORABLE_TIME: ProblemKind = ProblemKind::Malformed {
    expected: "a time between the years 1 and 9999, in microseconds",
};

/// Whether a time is one that JSON shows in four digits and that backends keep exactly.
pub(crate) fn is_storable(time: DateTime<Utc>) -> bool {
    (1..=9999).contains(&time.year()) && time.timestamp_subsec_nanos().is_multiple_of(1_000)
}

/// Personal data stays out of logs: who, where and which version, nothing that was typed.
impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A lead as it comes out of JSON, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    id: LeadId,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    email: Option<EmailAddress>,
    #[serde(default)]
    company: Option<String>,
    status: LeadStatus,
    #[serde(default)]
    assigned_to: Option<UserId>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    phone: Option<PhoneNumber>,
    #[serde(default)]
    source: Option<LeadSource>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    value: Option<Money>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    custom: CustomFields,
    #[serde(default)]
    status_reason: Option<String>,
    updated_at: DateTime<Utc>,
    status_changed_at: DateTime<Utc>,
    #[serde(default)]
    archived_at: Option<DateTime<Utc>>,
    version: Version,
}

impl TryFrom<Unchecked> for Lead {
    type Error = Invalid;

    fn try_from(from: Unchecked) -> Result<Self, Invalid> {
        let lead = Self {
            id: from.id,
            first_name: from.first_name,
            last_name: from.last_name,
            email: from.email,
            company: from.company,
            status: from.status,
            assigned_to: from.assigned_to,
            created_at: from.created_at,
            phone: from.phone,
            source: from.source,
            notes: from.notes,
            value: from.value,
            tags: from.tags,
            custom: from.custom,
            status_reason: from.status_reason,
            updated_at: from.updated_at,
            status_changed_at: from.status_changed_at,
            archived_at: from.archived_at,
            version: from.version,
        };
        lead.check()?;
        Ok(lead)
    }
}
