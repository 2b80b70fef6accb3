//! A change to a lead, field by field: keep, clear or set.

use super::limits::{MAX_COMPANY, MAX_NAME};
use super::money::MoneyInput;
use super::{
    CustomFields, Field, Invalid, Lead, Money, ProblemKind, Problems, UserId, check, check_tags,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What to do with one field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum FieldPatch<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Empty it; JSON `null`.
    Clear,
    /// Give it this value.
    Set(T),
}

impl<T> FieldPatch<T> {
    /// Whether the field stays as it is.
    #[must_use]
    pub(crate) const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for FieldPatch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// A field that is there is cleared or set; one that is not there takes the default, `Keep`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for FieldPatch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// What a person changes of a lead.
///
/// Fields not named stay. The fields apply before the status is checked, so a patch may bring what
/// the status requires. A patch that changes nothing commits nothing. In JSON, `null` clears a
/// field, and unknown fields are an error; `custom` is merged key by key, `null` removing a key.
///
/// ```
/// use crm_core::lead::{Field, LeadPatch, LeadStatus};
///
/// let patch = LeadPatch::new()
///     .status(LeadStatus::QUALIFIED)
///     .notes("Interested in enterprise plan")
///     .clear(Field::Phone);
/// let same: LeadPatch = serde_json::from_str(
///     r#"{"status": "qualified", "notes": "Interested in enterprise plan", "phone": null}"#,
/// )?;
/// assert_eq!(patch, same);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeadPatch {
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    first_name: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    last_name: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    email: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    company: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    status: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    assigned_to: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    phone: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    source: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    notes: FieldPatch<String>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    value: FieldPatch<MoneyInput>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    tags: FieldPatch<Vec<String>>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    custom: FieldPatch<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "FieldPatch::is_keep")]
    status_reason: FieldPatch<String>,
}

impl LeadPatch {
    /// A patch that keeps everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the first name.
    #[must_use]
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = FieldPatch::Set(name.into());
        self
    }

    /// Sets the last name.
    #[must_use]
    pub fn last_name(mut self, name: impl Into<String>) -> Self {
        self.last_name = FieldPatch::Set(name.into());
        self
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = FieldPatch::Set(email.into());
        self
    }

    /// Sets the company.
    #[must_use]
    pub fn company(mut self, company: impl Into<String>) -> Self {
        self.company = FieldPatch::Set(company.into());
        self
    }

    /// Moves the lead to a status, if it may go there; being there already changes nothing.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = FieldPatch::Set(status.into());
        self
    }

    /// The reason for the status that this patch names: for the move to it, or, if the lead is there
    /// already, instead of the reason given then.
    #[must_use]
    pub fn status_reason(mut self, reason: impl Into<String>) -> Self {
        self.status_reason = FieldPatch::Set(reason.into());
        self
    }

    /// Gives the lead to a user.
    #[must_use]
    pub fn assigned_to(mut self, user: impl Into<String>) -> Self {
        self.assigned_to = FieldPatch::Set(user.into());
        self
    }

    /// Sets the phone number.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = FieldPatch::Set(phone.into());
        self
    }

    /// Sets the source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = FieldPatch::Set(source.into());
        self
    }

    /// Sets the notes.
    #[must_use]
    pub fn notes(mut self, notes: impl Into<String>) -> Self {
        self.notes = FieldPatch::Set(notes.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: Money) -> Self {
        self.value = FieldPatch::Set(value.into());
        self
    }

    /// Replaces the tags.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = FieldPatch::Set(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Sets one custom field, or removes it if the value is `null`; the others stay.
    #[must_use]
    pub fn custom(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut fields = match self.custom {
            FieldPatch::Set(fields) => fields,
            FieldPatch::Keep | FieldPatch::Clear => BTreeMap::new(),
        };
        fields.insert(key.into(), value.into());
        self.custom = FieldPatch::Set(fields);
        self
    }

    /// Empties a field.
    #[must_use]
    pub fn clear(mut self, field: Field) -> Self {
        match field {
            Field::FirstName => self.first_name = FieldPatch::Clear,
            Field::LastName => self.last_name = FieldPatch::Clear,
            Field::Email => self.email = FieldPatch::Clear,
            Field::Company => self.company = FieldPatch::Clear,
            Field::Phone => self.phone = FieldPatch::Clear,
            Field::Source => self.source = FieldPatch::Clear,
            Field::AssignedTo => self.assigned_to = FieldPatch::Clear,
            Field::Notes => self.notes = FieldPatch::Clear,
            Field::Value => self.value = FieldPatch::Clear,
            Field::Tags => self.tags = FieldPatch::Clear,
            Field::Status => self.status = FieldPatch::Clear,
            Field::StatusReason => self.status_reason = FieldPatch::Clear,
            Field::Custom(key) => return self.custom(key.as_str(), Value::Null),
        }
        self
    }

    /// The status asked for, as typed.
    pub(crate) fn wanted_status(&self) -> Option<&str> {
        match &self.status {
            FieldPatch::Set(status) => Some(status),
            FieldPatch::Keep | FieldPatch::Clear => None,
        }
    }

    /// What becomes of the reason, checked.
    pub(crate) fn wanted_reason(&self) -> Result<FieldPatch<String>, Invalid> {
        Ok(match &self.status_reason {
            FieldPatch::Set(reason) => FieldPatch::Set(check::reason(reason)?),
            FieldPatch::Clear => FieldPatch::Clear,
            FieldPatch::Keep => FieldPatch::Keep,
        })
    }

    /// The lead with these fields changed; status and reason are left to the lifecycle. A field
    /// with a problem stays as it was and the problem is noted.
    pub(crate) fn apply(&self, lead: &Lead, problems: &mut Problems) -> Lead {
        let mut lead = lead.clone();
        let line = |field, max| move |text: &String| check::line(field, text, max);
        patch(
            &self.first_name,
            &mut lead.first_name,
            line("first_name", MAX_NAME),
            problems,
        );
        patch(
            &self.last_name,
            &mut lead.last_name,
            line("last_name", MAX_NAME),
            problems,
        );
        patch(&self.email, &mut lead.email, |text| text.parse(), problems);
        patch(
            &self.company,
            &mut lead.company,
            line("company", MAX_COMPANY),
            problems,
        );
        patch(&self.phone, &mut lead.phone, |text| text.parse(), problems);
        patch(
            &self.source,
            &mut lead.source,
            |text| text.parse(),
            problems,
        );
        let user = |text: &String| {
            text.parse::<UserId>()
                .map_err(|invalid| invalid.renamed("assigned_to"))
        };
        patch(&self.assigned_to, &mut lead.assigned_to, user, problems);
        patch(
            &self.notes,
            &mut lead.notes,
            |text| check::notes(text),
            problems,
        );
        patch(&self.value, &mut lead.value, MoneyInput::check, problems);
        match &self.tags {
            FieldPatch::Keep => {}
            FieldPatch::Clear => lead.tags = Vec::new(),
            FieldPatch::Set(tags) => {
                let tags = problems.keep(check_tags(tags.iter().map(String::as_str)));
                lead.tags = tags.unwrap_or(lead.tags);
            }
        }
        match &self.custom {
            FieldPatch::Keep => {}
            FieldPatch::Clear => lead.custom = CustomFields::default(),
            FieldPatch::Set(fields) => {
                let mut merged: BTreeMap<String, Value> = lead
                    .custom
                    .iter()
                    .map(|(key, value)| (key.to_owned(), value.clone()))
                    .collect();
                merged.extend(fields.clone());
                lead.custom = problems
                    .keep(CustomFields::new(merged))
                    .unwrap_or(lead.custom);
            }
        }
        if self.status == FieldPatch::Clear {
            problems.add("status", ProblemKind::Missing);
        }
        if !self.status_reason.is_keep() && self.status.is_keep() {
            problems.add(
                "status_reason",
                ProblemKind::Malformed {
                    expected: "a status beside it, which it is the reason for",
                },
            );
        }
        if !lead.is_identified() {
            problems.add("lead", ProblemKind::Unidentified);
        }
        lead
    }
}

fn patch<T, U>(
    patch: &FieldPatch<T>,
    value: &mut Option<U>,
    check: impl FnOnce(&T) -> Result<U, Invalid>,
    problems: &mut Problems,
) {
    match patch {
        FieldPatch::Keep => {}
        FieldPatch::Clear => *value = None,
        FieldPatch::Set(typed) => {
            if let Some(checked) = problems.keep(check(typed)) {
                *value = Some(checked);
            }
        }
    }
}

/// What was typed is personal: it is not shown.
impl fmt::Debug for LeadPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadPatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::{LeadId, LeadStatus, NewLead};
    use chrono::DateTime;

    fn lead() -> Lead {
        let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
        let new = new.phone("+263771234567").custom("a", 1).custom("b", 2);
        let mut problems = Problems::default();
        let id = LeadId::from_bytes([7; 16]);
        new.draft(id, LeadStatus::NEW, DateTime::UNIX_EPOCH, &mut problems)
    }

    fn applied(patch: &LeadPatch) -> Result<Lead, Invalid> {
        let mut problems = Problems::default();
        let lead = patch.apply(&lead(), &mut problems);
        problems.finish().map(|()| lead)
    }

    #[test]
    fn null_clears_absent_keeps() {
        let patch: LeadPatch = serde_json::from_str(r#"{"phone":null,"company":"Acme"}"#).unwrap();
        let after = applied(&patch).unwrap();
        assert_eq!(after.phone, None);
        assert_eq!(after.company.as_deref(), Some("Acme"));
        assert_eq!(after.first_name.as_deref(), Some("John"));
        assert_eq!(lead().differences(&after), [Field::Company, Field::Phone]);
    }

    #[test]
    fn custom_fields_merge_key_by_key() {
        let patch: LeadPatch = serde_json::from_str(r#"{"custom":{"a":null,"c":3}}"#).unwrap();
        let after = applied(&patch).unwrap();
        assert_eq!(after.custom.to_canonical_json(), r#"{"b":2,"c":3}"#);
        let gone: LeadPatch = serde_json::from_str(r#"{"custom":null}"#).unwrap();
        assert!(applied(&gone).unwrap().custom.is_empty());
    }

    #[test]
    fn every_problem_is_reported_and_nothing_applied() {
        let patch = LeadPatch::new()
            .first_name("")
            .email("x")
            .clear(Field::Status);
        let refused = applied(&patch).unwrap_err();
        let fields: Vec<_> = refused
            .problems()
            .iter()
            .map(|problem| problem.field())
            .collect();
        assert_eq!(fields, ["first_name", "email", "status"]);
        assert!(applied(&LeadPatch::new().status_reason("why")).is_err());
        assert!(serde_json::from_str::<LeadPatch>(r#"{"id":"x"}"#).is_err());
    }

    #[test]
    fn a_lead_stays_known_by_something() {
        let bare = [
            Field::FirstName,
            Field::LastName,
            Field::Email,
            Field::Phone,
        ]
        .into_iter()
        .fold(LeadPatch::new(), LeadPatch::clear);
        assert!(applied(&bare).is_err());
    }

    #[test]
    fn a_patch_is_its_json() {
        let patch = LeadPatch::new()
            .clear(Field::Notes)
            .tags(["a"])
            .status("lost");
        let json = serde_json::to_string(&patch).unwrap();
        assert_eq!(json, r#"{"status":"lost","notes":null,"tags":["a"]}"#);
        assert_eq!(serde_json::from_str::<LeadPatch>(&json).unwrap(), patch);
    }
}
