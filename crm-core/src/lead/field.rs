//! The fields of a lead, by name: what a status requires, what a change changed.

use super::custom::{CustomFields, check_key};
use super::label::{Label, parsed};
use super::{Invalid, Lead, Money, ProblemKind, Tag};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A field that people fill in, or the status. Written as in JSON: `first_name`, `custom.budget`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `first_name`
    FirstName,
    /// `last_name`
    LastName,
    /// `email`
    Email,
    /// `company`
    Company,
    /// `phone`
    Phone,
    /// `source`
    Source,
    /// `assigned_to`
    AssignedTo,
    /// `notes`
    Notes,
    /// `value`
    Value,
    /// `tags`
    Tags,
    /// `status`
    Status,
    /// `status_reason`
    StatusReason,
    /// `custom.KEY`
    Custom(CustomKey),
}

/// The key of a custom field: 1 to 64 characters, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomKey(Label);

impl CustomKey {
    /// Takes a key.
    ///
    /// # Errors
    ///
    /// A key that is blank, too long, or holds control characters.
    pub fn new(key: &str) -> Result<Self, Invalid> {
        check_key(key).map_err(|kind| Invalid::one("custom", kind))?;
        Ok(Self(Label::from(key)))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CustomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const CUSTOM: &str = "custom.";

impl Field {
    /// The fields with a place of their own, in the order of a lead's JSON.
    pub const NAMED: [Self; 12] = [
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Company,
        Self::Phone,
        Self::Source,
        Self::AssignedTo,
        Self::Notes,
        Self::Value,
        Self::Tags,
        Self::Status,
        Self::StatusReason,
    ];

    /// A custom field.
    ///
    /// # Errors
    ///
    /// As [`CustomKey::new`].
    pub fn custom(key: &str) -> Result<Self, Invalid> {
        CustomKey::new(key).map(Self::Custom)
    }

    fn name(&self) -> &str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Company => "company",
            Self::Phone => "phone",
            Self::Source => "source",
            Self::AssignedTo => "assigned_to",
            Self::Notes => "notes",
            Self::Value => "value",
            Self::Tags => "tags",
            Self::Status => "status",
            Self::StatusReason => "status_reason",
            Self::Custom(key) => &key.0,
        }
    }

    /// Whether a lead has something in this field.
    #[must_use]
    pub fn is_set(&self, lead: &Lead) -> bool {
        match self {
            Self::FirstName => lead.first_name.is_some(),
            Self::LastName => lead.last_name.is_some(),
            Self::Email => lead.email.is_some(),
            Self::Company => lead.company.is_some(),
            Self::Phone => lead.phone.is_some(),
            Self::Source => lead.source.is_some(),
            Self::AssignedTo => lead.assigned_to.is_some(),
            Self::Notes => lead.notes.is_some(),
            Self::Value => lead.value.is_some(),
            Self::Tags => !lead.tags.is_empty(),
            Self::Status => true,
            Self::StatusReason => lead.status_reason.is_some(),
            Self::Custom(key) => lead.custom.get(&key.0).is_some(),
        }
    }

    /// What a lead has in this field.
    #[must_use]
    pub fn of(&self, lead: &Lead) -> FieldValue {
        fn text(value: Option<&str>) -> FieldValue {
            value.map_or(FieldValue::Empty, |text| FieldValue::Text(text.to_owned()))
        }
        match self {
            Self::FirstName => text(lead.first_name.as_deref()),
            Self::LastName => text(lead.last_name.as_deref()),
            Self::Email => text(lead.email.as_ref().map(|email| email.as_str())),
            Self::Company => text(lead.company.as_deref()),
            Self::Phone => text(lead.phone.as_ref().map(|phone| phone.as_str())),
            Self::Source => text(lead.source.as_ref().map(|source| source.as_str())),
            Self::AssignedTo => text(lead.assigned_to.as_ref().map(|user| user.as_str())),
            Self::Notes => text(lead.notes.as_deref()),
            Self::Value => lead.value.map_or(FieldValue::Empty, FieldValue::Money),
            Self::Tags if lead.tags.is_empty() => FieldValue::Empty,
            Self::Tags => FieldValue::Tags(lead.tags.clone()),
            Self::Status => text(Some(lead.status.as_str())),
            Self::StatusReason => text(lead.status_reason.as_deref()),
            Self::Custom(key) => lead
                .custom
                .get(&key.0)
                .map_or(FieldValue::Empty, |value| FieldValue::Json(value.clone())),
        }
    }

    /// The custom fields that differ between two leads.
    pub(crate) fn custom_differences(before: &CustomFields, after: &CustomFields) -> Vec<Self> {
        let keys = before
            .iter()
            .map(|(key, _)| key)
            .chain(after.iter().map(|(key, _)| key));
        let keys: std::collections::BTreeSet<&str> = keys.collect();
        keys.into_iter()
            .filter(|key| before.get(key) != after.get(key))
            .map(|key| Self::Custom(CustomKey(Label::from(key))))
            .collect()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Custom(key) = self {
            write!(f, "{CUSTOM}{}", &*key.0)
        } else {
            f.pad(self.name())
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Field {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(key) = text.strip_prefix(CUSTOM) {
            return Self::custom(key);
        }
        Self::NAMED
            .into_iter()
            .find(|field| field.name() == text)
            .ok_or_else(|| {
                let mut known: Vec<String> = Self::NAMED.iter().map(ToString::to_string).collect();
                known.push("custom.KEY".to_owned());
                Invalid::one("field", ProblemKind::Unknown { known })
            })
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// What a field held before or after a change. In JSON it is the plain value.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum FieldValue {
    /// Nothing; JSON `null`.
    Empty,
    /// A text, an id or a slug.
    Text(String),
    /// An amount.
    Money(Money),
    /// Tags.
    Tags(Vec<Tag>),
    /// A custom field's value.
    Json(serde_json::Value),
}

/// Values may be personal: only their kind is shown.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Text(_) => "Text(…)",
            Self::Money(_) => "Money(…)",
            Self::Tags(_) => "Tags(…)",
            Self::Json(_) => "Json(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_parses_from_its_name() {
        for field in Field::NAMED {
            assert_eq!(field.to_string().parse::<Field>().unwrap(), field);
        }
        assert_eq!(
            "custom.budget".parse::<Field>().unwrap(),
            Field::custom("budget").unwrap()
        );
        let refused = "surname".parse::<Field>().unwrap_err();
        assert!(refused.to_string().contains("last_name"), "{refused}");
        assert!("custom.".parse::<Field>().is_err());
    }
}
