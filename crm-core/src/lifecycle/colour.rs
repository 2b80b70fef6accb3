//! The colour of a status, as the web writes it.

use crate::lead::{Invalid, ProblemKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A colour, written `#RRGGBB`. Letters may be typed in either case and are shown in capitals.
///
/// ```
/// use crm_core::lifecycle::Colour;
///
/// let blue: Colour = "#28b8da".parse()?;
/// assert_eq!(blue.to_string(), "#28B8DA");
/// assert_eq!(Colour::default().to_string(), "#757575");
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour([u8; 3]);

impl Colour {
    /// From its red, green and blue parts.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }
}

/// Grey, `#757575`.
impl Default for Colour {
    fn default() -> Self {
        Self::rgb(0x75, 0x75, 0x75)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02X}{green:02X}{blue:02X}")
    }
}

impl fmt::Debug for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Colour {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse(text).ok_or_else(|| {
            Invalid::one(
                "colour",
                ProblemKind::Malformed {
                    expected: "# and six hexadecimal digits, such as #28B8DA",
                },
            )
        })
    }
}

fn parse(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#')?;
    // A sign is taken by `from_str_radix`, so the digits are looked at first.
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(Colour::rgb(red, green, blue))
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_reads_back_as_it_is_written() {
        for (typed, shown) in [("#28b8da", "#28B8DA"), ("#000000", "#000000")] {
            assert_eq!(typed.parse::<Colour>().unwrap().to_string(), shown);
        }
        let json = serde_json::to_string(&Colour::default()).unwrap();
        assert_eq!(json, "\"#757575\"");
        assert_eq!(
            serde_json::from_str::<Colour>(&json).unwrap(),
            Colour::default()
        );
    }

    #[test]
    fn what_is_not_a_colour_is_refused() {
        for wrong in [
            "", "#", "28B8DA", "#28B8D", "#28B8DA0", "#+8B8DA", "#28B8Dé", "red",
        ] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong:?}");
        }
    }
}
