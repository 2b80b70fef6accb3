//! In what order: sorts, their names, and the bytes that sort like their values.

use crate::lead::{Invalid, Lead, Money, ProblemKind};
use crate::text;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use super::filter::micros;

/// The order of a list. The default is newest first.
///
/// Leads without the value come last in both directions. Leads with the same value are ordered by
/// their ids, in the direction of the sort. Texts are compared by [`text::sort_key`], names by
/// [`text::name_key`].
///
/// It is written as in a URL, descending with a `-` before the name:
///
/// ```
/// use crm_core::query::Sort;
///
/// assert_eq!("-created_at".parse::<Sort>()?, Sort::created().descending());
/// assert_eq!(Sort::name().to_string(), "name");
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// The value compared.
    pub by: SortBy,
    /// Which end comes first.
    pub direction: Direction,
}

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The smallest: A before B, old before new.
    Ascending,
    /// The largest: B before A, new before old.
    Descending,
}

/// What leads are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SortBy {
    /// `created_at`
    CreatedAt,
    /// `updated_at`
    UpdatedAt,
    /// `status_changed_at`
    StatusChangedAt,
    /// `name`: last name, then first name
    Name,
    /// `company`
    Company,
    /// `email`
    Email,
    /// `status`: its position in the lifecycle
    Status,
    /// `value`: currency, then amount
    Value,
}

impl Sort {
    const fn by(by: SortBy) -> Self {
        Self {
            by,
            direction: Direction::Ascending,
        }
    }

    /// By the time of creation, oldest first.
    #[must_use]
    pub const fn created() -> Self {
        Self::by(SortBy::CreatedAt)
    }

    /// By the time of the last change, oldest first.
    #[must_use]
    pub const fn updated() -> Self {
        Self::by(SortBy::UpdatedAt)
    }

    /// By the time the status was entered, longest in it first.
    #[must_use]
    pub const fn status_changed() -> Self {
        Self::by(SortBy::StatusChangedAt)
    }

    /// By last name, then first name.
    #[must_use]
    pub const fn name() -> Self {
        Self::by(SortBy::Name)
    }

    /// By company.
    #[must_use]
    pub const fn company() -> Self {
        Self::by(SortBy::Company)
    }

    /// By e-mail address.
    #[must_use]
    pub const fn email() -> Self {
        Self::by(SortBy::Email)
    }

    /// By the position of the status in the lifecycle.
    #[must_use]
    pub const fn status() -> Self {
        Self::by(SortBy::Status)
    }

    /// By currency, then by amount.
    #[must_use]
    pub const fn value() -> Self {
        Self::by(SortBy::Value)
    }

    /// The same, smallest first.
    #[must_use]
    pub const fn ascending(mut self) -> Self {
        self.direction = Direction::Ascending;
        self
    }

    /// The same, largest first.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.direction = Direction::Descending;
        self
    }
}

impl Default for Sort {
    fn default() -> Self {
        Self::created().descending()
    }
}

impl SortBy {
    /// Everything leads can be sorted by.
    pub const ALL: [Self; 8] = [
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::StatusChangedAt,
        Self::Name,
        Self::Company,
        Self::Email,
        Self::Status,
        Self::Value,
    ];

    /// Its name in URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::StatusChangedAt => "status_changed_at",
            Self::Name => "name",
            Self::Company => "company",
            Self::Email => "email",
            Self::Status => "status",
            Self::Value => "value",
        }
    }

    pub(crate) const fn kind(self) -> ValueKind {
        match self {
            Self::CreatedAt | Self::UpdatedAt | Self::StatusChangedAt => ValueKind::Time,
            Self::Name | Self::Company | Self::Email => ValueKind::Text,
            Self::Status => ValueKind::Status,
            Self::Value => ValueKind::Money,
        }
    }
}

/// What the bytes of a sort value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Eight bytes; every lead has one.
    Time,
    /// UTF-8 without 0x00.
    Text,
    /// A slug; every lead has one.
    Status,
    /// Eleven bytes.
    Money,
}

impl fmt::Display for SortBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::Ascending => "",
            Direction::Descending => "-",
        };
        write!(f, "{sign}{}", self.by)
    }
}

impl FromStr for Sort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, direction) = match text.strip_prefix('-') {
            Some(name) => (name, Direction::Descending),
            None => (text, Direction::Ascending),
        };
        match SortBy::ALL.into_iter().find(|by| by.as_str() == name) {
            Some(by) => Ok(Self { by, direction }),
            None => {
                let names = SortBy::ALL.into_iter().map(SortBy::as_str);
                let known = names.flat_map(|name| [name.to_owned(), format!("-{name}")]);
                let kind = ProblemKind::Unknown {
                    known: known.collect(),
                };
                Err(Invalid::one("sort", kind))
            }
        }
    }
}

impl Serialize for Sort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::lead::label::parsed(deserializer)
    }
}

/// The value a lead is sorted by, as bytes that compare like the values; `None` if the lead has
/// none.
///
/// Times are the microseconds since 1970 as a big-endian `i64` with its sign bit flipped. Texts are
/// their sort keys, at most [`text::MAX_SORT_KEY`] bytes without 0x00. Money is the three letters
/// of the currency, then the minor units like a time. A status is its slug: its position is not the
/// lead's to know.
#[must_use]
pub fn sort_value(by: SortBy, lead: &Lead) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    write_sort_value(by, lead, &mut bytes).then_some(bytes)
}

/// Appends what [`sort_value`] returns, and tells whether there was a value.
pub fn write_sort_value(by: SortBy, lead: &Lead, bytes: &mut Vec<u8>) -> bool {
    let text = match by {
        SortBy::CreatedAt => return write_time(lead.created_at, bytes),
        SortBy::UpdatedAt => return write_time(lead.updated_at, bytes),
        SortBy::StatusChangedAt => return write_time(lead.status_changed_at, bytes),
        SortBy::Value => return write_money(lead.value, bytes),
        SortBy::Status => {
            bytes.extend_from_slice(lead.status.as_str().as_bytes());
            return true;
        }
        SortBy::Name => text::name_key(lead.first_name.as_deref(), lead.last_name.as_deref()),
        SortBy::Company => lead.company.as_deref().map(text::sort_key),
        SortBy::Email => lead
            .email
            .as_ref()
            .map(|email| text::sort_key(email.as_str())),
    };
    bytes.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
    text.is_some()
}

fn write_time(time: DateTime<Utc>, bytes: &mut Vec<u8>) -> bool {
    bytes.extend_from_slice(&micros_key(micros(time)));
    true
}

fn write_money(value: Option<Money>, bytes: &mut Vec<u8>) -> bool {
    if let Some(value) = value {
        bytes.extend_from_slice(value.currency().code().as_bytes());
        bytes.extend_from_slice(&micros_key(value.minor_units()));
    }
    value.is_some()
}

/// A number as bytes that compare like numbers.
pub(crate) const fn micros_key(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::testing::{at, lead};
    use proptest::prelude::*;

    #[test]
    fn every_sort_parses_from_its_name() {
        for by in SortBy::ALL {
            for sort in [Sort::by(by), Sort::by(by).descending()] {
                assert_eq!(sort.to_string().parse::<Sort>().unwrap(), sort);
            }
        }
        for wrong in ["", "-", "--name", "Name", "created", "name "] {
            let refused = wrong.parse::<Sort>().unwrap_err().to_string();
            assert!(refused.contains("-created_at"), "{refused}");
        }
        assert_eq!(Sort::default().to_string(), "-created_at");
    }

    #[test]
    fn a_lead_without_the_value_has_no_bytes() {
        let bare = lead(1);
        for by in [SortBy::Name, SortBy::Company, SortBy::Email, SortBy::Value] {
            assert_eq!(sort_value(by, &bare), None, "{by}");
        }
        let mut marks = lead(2);
        marks.company = Some("\u{301}".into());
        assert_eq!(
            sort_value(SortBy::Company, &marks),
            Some(Vec::new()),
            "a text that folds to nothing is a text"
        );
    }

    proptest! {
        #[test]
        fn times_compare_like_their_bytes(a in -9_000_000_000i64..9_000_000_000, b in -9_000_000_000i64..9_000_000_000) {
            let bytes = |seconds| {
                let mut lead = lead(1);
                lead.created_at = at(seconds);
                sort_value(SortBy::CreatedAt, &lead).unwrap()
            };
            prop_assert_eq!(bytes(a).cmp(&bytes(b)), a.cmp(&b));
        }

        #[test]
        fn money_compares_like_its_bytes(a in (0i64..1 << 50, "USD|EUR|JPY"), b in (0i64..3, "USD|EUR|JPY")) {
            let money = |(minor, code): &(i64, String)| Money::new(*minor, code).unwrap();
            let bytes = |value| {
                let mut lead = lead(1);
                lead.value = Some(value);
                sort_value(SortBy::Value, &lead).unwrap()
            };
            let (a, b) = (money(&a), money(&b));
            prop_assert_eq!(bytes(a).cmp(&bytes(b)), a.cmp(&b));
        }
    }
}
