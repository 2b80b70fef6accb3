//! How a lead is reached: e-mail address and phone number, each kept as typed.

use super::label::parsed;
use super::limits::{MAX_EMAIL, MAX_PHONE, MIN_PHONE_DIGITS};
use super::{Invalid, ProblemKind};
use crate::text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// An e-mail address (RFC 5321 and 5322, UTF-8 as in RFC 6531), at most 254 bytes, with a domain.
///
/// It is kept as typed, less white space around it; [`key`](Self::key) is what addresses are
/// compared by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// A phone number as typed, at most 40 characters with at least three digits.
///
/// [`key`](Self::key) is what numbers are compared by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl EmailAddress {
    /// As typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is the same for two spellings of one address: [`text::email_key`].
    #[must_use]
    pub fn key(&self) -> String {
        text::email_key(&self.0)
    }
}

impl PhoneNumber {
    /// As typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is the same for two spellings of one number: [`text::phone_key`].
    #[must_use]
    pub fn key(&self) -> String {
        text::phone_key(&self.0)
    }
}

impl EmailAddress {
    /// An address that was checked when it was typed. It is not judged again: what counts as an
    /// address may change, what is stored may not become unreadable by it.
    pub(crate) fn stored(address: &str) -> Self {
        Self(address.to_owned())
    }
}

impl PhoneNumber {
    /// A number that was checked when it was typed; see [`EmailAddress::stored`].
    pub(crate) fn stored(number: &str) -> Self {
        Self(number.to_owned())
    }
}

impl FromStr for EmailAddress {
    type Err = Invalid;

    fn from_str(typed: &str) -> Result<Self, Invalid> {
        let address = typed.trim();
        let kind = if address.is_empty() {
            ProblemKind::Blank
        } else if address.len() > MAX_EMAIL {
            ProblemKind::TooLong {
                max: MAX_EMAIL,
                unit: "bytes",
            }
        } else if address.contains('\0') {
            ProblemKind::Nul
        } else if !is_email(address) {
            ProblemKind::Malformed {
                expected: "an e-mail address such as name@example.com",
            }
        } else {
            return Ok(Self(address.to_owned()));
        };
        Err(Invalid::one("email", kind))
    }
}

fn is_email(address: &str) -> bool {
    let options = email_address::Options::default()
        .without_display_text()
        .with_required_tld();
    !address.chars().any(char::is_control)
        && email_address::EmailAddress::parse_with_options(address, options).is_ok()
}

impl FromStr for PhoneNumber {
    type Err = Invalid;

    fn from_str(typed: &str) -> Result<Self, Invalid> {
        let number = typed.trim();
        let kind = if number.is_empty() {
            ProblemKind::Blank
        } else if number.len() > MAX_PHONE * 4 || number.chars().count() > MAX_PHONE {
            ProblemKind::TooLong {
                max: MAX_PHONE,
                unit: "characters",
            }
        } else if number.contains('\0') {
            ProblemKind::Nul
        } else if number.chars().any(char::is_control) {
            ProblemKind::ControlCharacter
        } else if text::phone_key(number).chars().count() < MIN_PHONE_DIGITS {
            ProblemKind::Malformed {
                expected: "a phone number with at least 3 digits",
            }
        } else {
            return Ok(Self(number.to_owned()));
        };
        Err(Invalid::one("phone", kind))
    }
}

macro_rules! typed_text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        // Personal data: a log that prints a lead with `{:?}` must not hold it.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer)
            }
        }
    };
}

typed_text!(EmailAddress);
typed_text!(PhoneNumber);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_domain_and_no_spaces() {
        for right in [
            "john@example.com",
            " John.Doe+crm@Example.COM ",
            "josé@münchen.example",
        ] {
            assert!(right.parse::<EmailAddress>().is_ok(), "{right}");
        }
        let long = format!("{}@example.com", "x".repeat(300));
        for wrong in [
            "",
            "  ",
            "john",
            "john@",
            "@example.com",
            "jo hn@example.com",
            "a@b@example.com",
            "John <john@example.com>",
            "john@example",
            "john@example.com\n.org",
            "j\0@example.com",
            long.as_str(),
        ] {
            assert!(wrong.parse::<EmailAddress>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn spellings_of_one_address_share_a_key() {
        let key = |text: &str| text.parse::<EmailAddress>().unwrap().key();
        assert_eq!(key("John@Example.com"), key("john@example.COM"));
        assert_ne!(key("josé@example.com"), key("jose@example.com"));
    }

    #[test]
    fn a_phone_is_kept_as_typed() {
        let phone: PhoneNumber = " +263 (77) 123-4567 ".parse().unwrap();
        assert_eq!(phone, "+263 (77) 123-4567");
        assert_eq!(phone.key(), "263771234567");
        for wrong in ["", "call me", "12", "123\n4567", &"1".repeat(41)] {
            assert!(wrong.parse::<PhoneNumber>().is_err(), "{wrong:?}");
        }
        assert!(
            "٠١٢٣٤٥٦".parse::<PhoneNumber>().is_ok(),
            "digits of other scripts are digits"
        );
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let email: EmailAddress = "john@example.com".parse().unwrap();
        assert!(!format!("{email:?}").contains("john"));
    }
}
