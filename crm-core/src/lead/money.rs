//! What a lead is worth.

use super::label::parsed;
use super::limits::MAX_MINOR_UNITS;
use super::{Invalid, ProblemKind, Problems};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// A currency of ISO 4217, by its three-letter code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three letters, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Invalid> {
        // The code as the standard writes it; the length check keeps long input out of upper-casing.
        (code.len() == 3)
            .then(|| iso_currency::Currency::from_code(&code.to_ascii_uppercase()))
            .flatten()
            .map(Self)
            .ok_or_else(|| {
                Invalid::one(
                    "currency",
                    ProblemKind::Malformed {
                        expected: "a currency code of ISO 4217 such as USD",
                    },
                )
            })
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Currency {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.code().hash(state);
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// An amount of money: whole minor units (cents) of a currency, from 0 to 2^53 − 1.
///
/// ```
/// use crm_core::lead::Money;
///
/// let value = Money::new(1_250_050, "USD")?;
/// assert_eq!(value.to_string(), "12500.50 USD");
/// assert_eq!(Money::parse("12500.5", "usd")?, value);
/// assert_eq!(Money::parse("5000", "JPY")?.minor_units(), 5000);
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Money {
    minor_units: i64,
    currency: Currency,
}

impl Money {
    /// An amount in minor units.
    ///
    /// # Errors
    ///
    /// A negative or too large amount (`minor_units`), an unknown currency (`currency`), or both.
    pub fn new(minor_units: i64, currency: &str) -> Result<Self, Invalid> {
        let mut problems = Problems::default();
        if !(0..=MAX_MINOR_UNITS).contains(&minor_units) {
            problems.add(
                "minor_units",
                ProblemKind::OutOfRange {
                    min: 0,
                    max: MAX_MINOR_UNITS,
                },
            );
        }
        let currency = problems.keep(currency.parse());
        match (problems.finish(), currency) {
            (Ok(()), Some(currency)) => Ok(Self {
                minor_units,
                currency,
            }),
            (Err(invalid), _) => Err(invalid),
            (Ok(()), None) => Err(Invalid::one("currency", ProblemKind::Missing)),
        }
    }

    /// An amount as people write it: digits, and after a point no more decimals than the currency
    /// has.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and text that is no such number (`amount`).
    pub fn parse(amount: &str, currency: &str) -> Result<Self, Invalid> {
        let malformed = || {
            Invalid::one(
                "amount",
                ProblemKind::Malformed {
                    expected: "an amount such as 1250 or 1250.50",
                },
            )
        };
        let code: Currency = currency.trim().parse()?;
        let (whole, decimals) = amount.trim().split_once('.').unwrap_or((amount.trim(), ""));
        let places = usize::try_from(code.exponent()).unwrap_or(0);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > places {
            return Err(malformed());
        }
        let minor = format!("{whole}{decimals:0<places$}");
        let out_of_range = || {
            Invalid::one(
                "amount",
                ProblemKind::OutOfRange {
                    min: 0,
                    max: MAX_MINOR_UNITS,
                },
            )
        };
        let minor_units: i64 = minor.parse().map_err(|_| out_of_range())?;
        Self::new(minor_units, code.code())
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor_units(&self) -> i64 {
        self.minor_units
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Writes minor units of a currency as people do: `1234.50`. Sums need more room than one
    /// amount has, hence the `i128`.
    #[must_use]
    pub fn format_minor(minor_units: i128, currency: Currency) -> String {
        let places = usize::try_from(currency.exponent()).unwrap_or(0);
        let sign = if minor_units < 0 { "-" } else { "" };
        let digits = format!(
            "{:0>width$}",
            minor_units.unsigned_abs(),
            width = places + 1
        );
        let (whole, decimals) = digits.split_at(digits.len() - places);
        if decimals.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{decimals}")
        }
    }
}

/// By currency, then by amount: the order in which lists sort.
impl Ord for Money {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.currency, self.minor_units).cmp(&(other.currency, other.minor_units))
    }
}

impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = Self::format_minor(self.minor_units.into(), self.currency);
        write!(f, "{amount} {}", self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

/// Money as it was typed, not yet looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoneyInput {
    pub(crate) minor_units: i64,
    pub(crate) currency: String,
}

impl MoneyInput {
    pub(crate) fn check(&self) -> Result<Money, Invalid> {
        Money::new(self.minor_units, &self.currency).map_err(|invalid| invalid.within("value"))
    }
}

impl From<Money> for MoneyInput {
    fn from(money: Money) -> Self {
        Self {
            minor_units: money.minor_units,
            currency: money.currency.code().to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let input = MoneyInput::deserialize(deserializer)?;
        Self::new(input.minor_units, &input.currency).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_and_written_by_their_currency() {
        assert_eq!(Money::new(5, "USD").unwrap().to_string(), "0.05 USD");
        assert_eq!(Money::new(5, "JPY").unwrap().to_string(), "5 JPY");
        assert_eq!(Money::parse("1.234", "KWD").unwrap().minor_units(), 1234);
        for wrong in [
            "",
            ".",
            "-1",
            "1,000",
            "1.234",
            "call me",
            "1e3",
            "٣",
            "99999999999999999999",
        ] {
            assert!(Money::parse(wrong, "USD").is_err(), "{wrong}");
        }
        assert!(Money::parse("1", "ZZZ").is_err());
    }

    #[test]
    fn every_problem_of_an_amount_is_told() {
        let refused = Money::new(-1, "ZZZ").unwrap_err();
        assert_eq!(refused.problems().len(), 2);
        assert!(Money::new(MAX_MINOR_UNITS + 1, "USD").is_err());
    }

    #[test]
    fn sums_below_zero_are_written_too() {
        let usd = "USD".parse().unwrap();
        assert_eq!(Money::format_minor(-5, usd), "-0.05");
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_back(minor in 0..=MAX_MINOR_UNITS, code in "USD|JPY|KWD|EUR") {
            let money = Money::new(minor, &code).unwrap();
            let text = money.to_string();
            let (amount, code) = text.split_once(' ').unwrap();
            prop_assert_eq!(Money::parse(amount, code).unwrap(), money);
        }
    }
}
