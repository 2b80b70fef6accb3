//! A lead that somebody is about to create.

use super::limits::{MAX_COMPANY, MAX_NAME};
use super::money::MoneyInput;
use super::{
    CustomFields, Invalid, Lead, LeadId, LeadStatus, Money, ProblemKind, Problems, UNSTORABLE_TIME,
    UserId, Version, check, check_tags, is_storable,
};
use crate::clock::to_micros;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a person fills in for a new lead.
///
/// Setters take what was typed; [`Crm::create`](crate::crm::Crm::create) checks all of it at once
/// and names every problem. In JSON, unknown fields are an error.
///
/// ```
/// use crm_core::lead::{LeadSource, NewLead};
///
/// let lead = NewLead::new("John", "Doe", "john@example.com")?
///     .company("Acme Corp")
///     .phone("+263771234567")
///     .source(LeadSource::WEBSITE);
///
/// // Where the lifecycle allows it, a phone or a company is enough:
/// let caller = NewLead::unnamed().phone("+263771234567");
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewLead {
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    company: Option<String>,
    status: Option<String>,
    assigned_to: Option<String>,
    phone: Option<String>,
    source: Option<String>,
    notes: Option<String>,
    value: Option<MoneyInput>,
    #[serde(deserialize_with = "null_is_empty")]
    tags: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    custom: BTreeMap<String, serde_json::Value>,
    status_reason: Option<String>,
    // Not in JSON: who may write history is the application's decision, made in its code.
    #[serde(skip)]
    created_at: Option<DateTime<Utc>>,
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

impl NewLead {
    /// A lead with the three fields that the presets require.
    ///
    /// # Errors
    ///
    /// Every problem of the three, each with its field.
    pub fn new(
        first_name: impl Into<String>,
        last_name: impl Into<String>,
        email: impl Into<String>,
    ) -> Result<Self, Invalid> {
        let new = Self::unnamed()
            .first_name(first_name)
            .last_name(last_name)
            .email(email);
        new.check()?;
        Ok(new)
    }

    /// A lead without anything yet.
    #[must_use]
    pub fn unnamed() -> Self {
        Self::default()
    }

    /// First name, 1 to 100 characters.
    #[must_use]
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = Some(name.into());
        self
    }

    /// Last name, 1 to 100 characters.
    #[must_use]
    pub fn last_name(mut self, name: impl Into<String>) -> Self {
        self.last_name = Some(name.into());
        self
    }

    /// E-mail address, at most 254 bytes.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Company, 1 to 200 characters.
    #[must_use]
    pub fn company(mut self, company: impl Into<String>) -> Self {
        self.company = Some(company.into());
        self
    }

    /// Phone number as typed, at most 40 characters.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into());
        self
    }

    /// Where the lead came from: a [`LeadSource`](super::LeadSource), or another slug.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The user who will work the lead.
    #[must_use]
    pub fn assigned_to(mut self, user: impl Into<String>) -> Self {
        self.assigned_to = Some(user.into());
        self
    }

    /// Free text, at most 16 KiB.
    #[must_use]
    pub fn notes(mut self, notes: impl Into<String>) -> Self {
        self.notes = Some(notes.into());
        self
    }

    /// What the lead may be worth.
    #[must_use]
    pub fn value(mut self, value: Money) -> Self {
        self.value = Some(value.into());
        self
    }

    /// One more tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// A custom field.
    #[must_use]
    pub fn custom(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.custom.insert(key.into(), value.into());
        self
    }

    /// The status to start in, instead of the lifecycle's initial one.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Why it starts in that status, at most 500 characters.
    #[must_use]
    pub fn status_reason(mut self, reason: impl Into<String>) -> Self {
        self.status_reason = Some(reason.into());
        self
    }

    /// When the lead was created, if that was not just now: for imports. It counts as being in its
    /// status since then. A time that is ahead by up to a day, as one written in another zone is,
    /// becomes now; a later one is refused.
    #[must_use]
    pub fn created_at(mut self, at: DateTime<Utc>) -> Self {
        self.created_at = Some(at);
        self
    }

    /// Checks what the fields hold, without knowing a lifecycle.
    ///
    /// # Errors
    ///
    /// Every problem, each with its field.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut problems = Problems::default();
        // Whether a time is past is for those to say who have a clock.
        let at = DateTime::from_timestamp(LAST_SECOND, 0).unwrap_or_default();
        drop(self.draft(
            LeadId::from_bytes([0; 16]),
            LeadStatus::NEW,
            at,
            &mut problems,
        ));
        problems.finish()
    }

    /// The status asked for, as typed.
    pub(crate) fn wanted_status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// The time of creation, if one was given.
    pub(crate) const fn wanted_creation(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }

    /// The e-mail as typed.
    #[cfg(feature = "csv")]
    pub(crate) fn typed_email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The lead these fields make. A field with a problem is left empty and the problem noted.
    pub(crate) fn draft(
        &self,
        id: LeadId,
        status: LeadStatus,
        now: DateTime<Utc>,
        problems: &mut Problems,
    ) -> Lead {
        let mut line = |field, typed: &Option<String>, max| {
            typed
                .as_deref()
                .and_then(|text| problems.keep(check::line(field, text, max)))
        };
        let first_name = line("first_name", &self.first_name, MAX_NAME);
        let last_name = line("last_name", &self.last_name, MAX_NAME);
        let email = self
            .email
            .as_deref()
            .and_then(|text| problems.keep(text.parse()));
        let company = self
            .company
            .as_deref()
            .and_then(|text| problems.keep(check::line("company", text, MAX_COMPANY)));
        let phone = self
            .phone
            .as_deref()
            .and_then(|text| problems.keep(text.parse()));
        let source = self
            .source
            .as_deref()
            .and_then(|text| problems.keep(text.parse()));
        let assigned_to = self.assigned_to.as_deref().and_then(|text| {
            let user = text
                .parse::<UserId>()
                .map_err(|invalid| invalid.renamed("assigned_to"));
            problems.keep(user)
        });
        let notes = self
            .notes
            .as_deref()
            .and_then(|text| problems.keep(check::notes(text)));
        let value = self
            .value
            .as_ref()
            .and_then(|value| problems.keep(value.check()));
        let tags = problems.keep(check_tags(self.tags.iter().map(String::as_str)));
        let custom = problems.keep(CustomFields::new(self.custom.clone()));
        let status_reason = self
            .status_reason
            .as_deref()
            .and_then(|text| problems.keep(check::reason(text)));
        let now = to_micros(now);
        let mut created_at = self.created_at.map_or(now, to_micros);
        if !is_storable(created_at) {
            problems.add("created_at", UNSTORABLE_TIME);
        } else if created_at > now {
            // A time that was written without its zone may be ahead by less than a day.
            if self.created_at.is_some() && created_at - now > TimeDelta::days(1) {
                problems.add("created_at", ProblemKind::Future);
            }
            created_at = now;
        }
        let nothing_given = self.first_name.is_none()
            && self.last_name.is_none()
            && self.email.is_none()
            && self.phone.is_none()
            && self.company.is_none();
        if nothing_given {
            problems.add("lead", ProblemKind::Unidentified);
        }
        Lead {
            id,
            first_name,
            last_name,
            email,
            company,
            status,
            assigned_to,
            created_at,
            phone,
            source,
            notes,
            value,
            tags: tags.unwrap_or_default(),
            custom: custom.unwrap_or_default(),
            status_reason,
            updated_at: now,
            status_changed_at: created_at,
            archived_at: None,
            version: Version::FIRST,
        }
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for NewLead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLead").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(invalid: &Invalid) -> Vec<&str> {
        invalid
            .problems()
            .iter()
            .map(|problem| problem.field())
            .collect()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let refused = NewLead::unnamed()
            .first_name(" ")
            .last_name("x".repeat(10 << 20))
            .email("john@")
            .company("a\0")
            .phone("none")
            .source("Cold Call")
            .assigned_to("")
            .notes("\u{7}")
            .tag("")
            .custom("", 1)
            .check()
            .unwrap_err();
        assert_eq!(
            fields(&refused),
            [
                "first_name",
                "last_name",
                "email",
                "company",
                "phone",
                "source",
                "assigned_to",
                "notes",
                "tags",
                "custom"
            ]
        );
        assert!(
            refused.to_string().len() < 1_000,
            "messages do not repeat the input"
        );
    }

    #[test]
    fn a_lead_is_known_by_something() {
        assert_eq!(
            fields(&NewLead::unnamed().notes("hello").check().unwrap_err()),
            ["lead"]
        );
        assert!(NewLead::unnamed().company("Acme").check().is_ok());
    }

    #[test]
    fn unknown_json_fields_are_an_error() {
        let refused = serde_json::from_str::<NewLead>(r#"{"first_name":"A","surname":"B"}"#);
        assert!(refused.unwrap_err().to_string().contains("surname"));
        let taken: NewLead =
            serde_json::from_str(r#"{"first_name":"A","company":null,"custom":null,"tags":["x"]}"#)
                .unwrap();
        assert_eq!(taken, NewLead::unnamed().first_name("A").tag("x"));
    }
}
