//! From the text of a cell to a value: dates, names, amounts, tags.

use crate::lead::{Currency, Invalid, Money, ProblemKind, limits};
use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, NaiveTime, Utc};

/// What is understood without being asked for: forms that mean one thing only.
const ALWAYS: [&str; 5] = [
    "%+",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
];

/// How dates may be written, in the order in which they are tried.
#[derive(Debug, Clone)]
pub(super) struct Dates(Vec<Vec<Item<'static>>>);

impl Dates {
    pub(super) fn new(formats: &[String]) -> Result<Self, Invalid> {
        let given = formats.iter().map(String::as_str);
        let all = given.chain(ALWAYS).map(|format| {
            let items = StrftimeItems::new(format).parse_to_owned().ok()?;
            tells_dates_apart(&items).then_some(items)
        });
        all.collect::<Option<_>>().map(Self).ok_or_else(|| {
            let expected = "strftime formats with day, month and year, such as %d.%m.%Y %H:%M";
            Invalid::one("date_formats", ProblemKind::Malformed { expected })
        })
    }

    /// The time that is written, in UTC unless it names another offset; a date alone is its
    /// midnight.
    pub(super) fn parse(&self, text: &str) -> Option<DateTime<Utc>> {
        self.0.iter().find_map(|items| read(items, text))
    }
}

/// Whether what is written in a format can be read back from it: `%d.%m.` has no year, and
/// `%I:%M` leaves out half of the day.
fn tells_dates_apart(items: &[Item<'static>]) -> bool {
    let Some(day) = chrono::NaiveDate::from_ymd_opt(2001, 2, 3) else {
        return false;
    };
    let day = |time: NaiveTime| day.and_time(time).and_utc();
    let Some(time) = NaiveTime::from_hms_opt(16, 5, 0) else {
        return false;
    };
    let written = day(time).format_with_items(items.iter()).to_string();
    read(items, &written).is_some_and(|found| found == day(time) || found == day(NaiveTime::MIN))
}

fn read(items: &[Item<'static>], text: &str) -> Option<DateTime<Utc>> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    let has_time = parsed.hour_div_12().is_some()
        || parsed.hour_mod_12().is_some()
        || parsed.minute().is_some()
        || parsed.timestamp().is_some();
    // `%Y` reads `21` as the year 21.
    if parsed.year().is_some_and(|year| year < 1_000) {
        return None;
    }
    if parsed.offset().is_some() {
        return Some(parsed.to_datetime().ok()?.to_utc());
    }
    let naive = if has_time {
        parsed.to_naive_datetime_with_offset(0).ok()?
    } else {
        parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN)
    };
    Some(naive.and_utc())
}

/// First and last name of a full name: `Doe, John`, or the last word is the last name, with what
/// follows it as in `John Smith, Jr.`
pub(super) fn split_name(name: &str) -> (Option<&str>, Option<&str>) {
    let name = name.trim();
    let (first, last) = match name.split_once(',') {
        Some((names, suffix)) if is_suffix(suffix) => {
            match names.rsplit_once(char::is_whitespace) {
                Some((first, last)) => (first, name.get(first.len()..).unwrap_or(last)),
                None => ("", name),
            }
        }
        Some((last, first)) => (first, last),
        None => match name.rsplit_once(char::is_whitespace) {
            Some(both) => both,
            None => ("", name),
        },
    };
    let given = |part: &'_ str| !part.trim().is_empty();
    (
        Some(first.trim()).filter(|part| given(part)),
        Some(last.trim()).filter(|part| given(part)),
    )
}

/// What stands behind a comma and is no first name.
fn is_suffix(text: &str) -> bool {
    const SUFFIXES: [&str; 12] = [
        "jr", "sr", "ii", "iii", "iv", "phd", "md", "dds", "esq", "cpa", "mba", "rn",
    ];
    let plain: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    SUFFIXES.contains(&plain.to_ascii_lowercase().as_str())
}

/// An amount: digits, a point before decimals, and commas between thousands where they cannot be
/// taken for anything else.
pub(super) fn amount(text: &str, currency: &str) -> Result<Money, Invalid> {
    let code: Currency = currency.trim().parse()?;
    let text = text.trim();
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(positive) if unsigned(positive, code).is_ok() => {
            let (min, max) = (0, limits::MAX_MINOR_UNITS);
            Err(Invalid::one("amount", ProblemKind::OutOfRange { min, max }))
        }
        _ => unsigned(text, code),
    }
}

fn unsigned(text: &str, code: Currency) -> Result<Money, Invalid> {
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    // With three decimals, `1,250` may be one and a quarter.
    if code.exponent() != 3 && is_grouped(whole) {
        return Money::parse(&text.replace(',', ""), code.code());
    }
    Money::parse(text, code.code())
}

/// `1,250` and `12,345,678`, not `12,50` or `1,2`.
fn is_grouped(whole: &str) -> bool {
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    (1..=3).contains(&first.len())
        && digits(first)
        && rest.peek().is_some()
        && rest.all(|group| group.len() == 3 && digits(group))
}

/// The tags in a cell.
pub(super) fn tags<'a>(text: &'a str, separators: &'a [char]) -> impl Iterator<Item = &'a str> {
    text.split(separators)
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_suffix_is_no_first_name() {
        assert_eq!(
            split_name("John Smith, Jr."),
            (Some("John"), Some("Smith, Jr."))
        );
        assert_eq!(split_name("Doe, John"), (Some("John"), Some("Doe")));
    }

    fn dates(formats: &[&str]) -> Result<Dates, Invalid> {
        let formats: Vec<String> = formats.iter().map(ToString::to_string).collect();
        Dates::new(&formats)
    }

    #[test]
    fn dates_are_read_in_the_forms_given_and_in_iso() {
        let dates = dates(&["%d %b, %Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%y %I:%M %p"]).unwrap();
        for (text, expected) in [
            ("15 Apr, 2021 00:03:00", "2021-04-15T00:03:00Z"),
            ("02/03/2021", "2021-03-02T00:00:00Z"),
            ("12/31/21 04:05 PM", "2021-12-31T16:05:00Z"),
            ("2021-04-15", "2021-04-15T00:00:00Z"),
            ("2021-04-15 10:30", "2021-04-15T10:30:00Z"),
            ("2021-04-15 10:30:01", "2021-04-15T10:30:01Z"),
            ("2021-04-15T10:30:01.5", "2021-04-15T10:30:01.500Z"),
            ("2021-04-15T10:30:00+02:00", "2021-04-15T08:30:00Z"),
            ("2021-04-15T10:30:00Z", "2021-04-15T10:30:00Z"),
        ] {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(dates.parse(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "31/31/2026",
            "2026-02-30",
            "yesterday",
            "15 Apr",
            "2021-04-15x",
            "02/03/21",
        ] {
            assert_eq!(dates.parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_format_that_names_no_day_is_refused() {
        for right in [
            "%d.%m.%y",
            "%s",
            "%A, %d %B %Y",
            "%j/%Y",
            "%d %b %Y %H:%M %z",
        ] {
            assert!(dates(&[right]).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "%",
            "%Q",
            "%H:%M",
            "%d.%m.",
            "%d.%m.%Y %I:%M",
            "dd.mm.yyyy",
        ] {
            let refused = dates(&["%d.%m.%Y", wrong]).unwrap_err();
            assert_eq!(refused.problems()[0].field(), "date_formats", "{wrong}");
        }
    }

    #[test]
    fn full_names_are_split() {
        for (name, first, last) in [
            ("John Doe", Some("John"), Some("Doe")),
            ("Doe, John", Some("John"), Some("Doe")),
            (" Mary Ann  O'Neill ", Some("Mary Ann"), Some("O'Neill")),
            ("Doe,", None, Some("Doe")),
            (", John", Some("John"), None),
            ("雨桐", None, Some("雨桐")),
            ("", None, None),
            (",", None, None),
        ] {
            assert_eq!(split_name(name), (first, last), "{name}");
        }
    }

    #[test]
    fn amounts_are_never_guessed() {
        let minor = |text, code| amount(text, code).map(|money| money.minor_units()).ok();
        assert_eq!(minor("1250.5", "USD"), Some(125_050));
        assert_eq!(minor("1,250", "usd"), Some(125_000));
        assert_eq!(minor("12,345,678.90", "EUR"), Some(1_234_567_890));
        assert_eq!(minor("1,250", "JPY"), Some(1_250));
        for wrong in [
            "12,50", "1.250,00", "1,2,3", ",250", "1,,250", "1250,", "$5", "call me", "",
        ] {
            assert_eq!(minor(wrong, "EUR"), None, "{wrong}");
        }
        assert_eq!(minor("1,250", "KWD"), None, "one and a quarter, or 1,250?");
        let field = |text, code| amount(text, code).unwrap_err().problems()[0].clone();
        assert_eq!(field("1", "ZZZ").field(), "currency");
        assert!(matches!(
            field("-4500", "USD").kind(),
            ProblemKind::OutOfRange { min: 0, .. }
        ));
        assert!(matches!(
            field("-x", "USD").kind(),
            ProblemKind::Malformed { .. }
        ));
    }

    #[test]
    fn tags_are_split_and_trimmed() {
        let all: Vec<_> = tags("a; b,,c d ;", &[';', ',']).collect();
        assert_eq!(all, ["a", "b", "c d"]);
        assert_eq!(tags("a; b", &[]).collect::<Vec<_>>(), ["a; b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_none(text in "\\PC{0,30}|[-+0-9:,.TZ /]{0,30}") {
            let dates = dates(&["%d %b, %Y %H:%M:%S", "%d/%m/%y", "%s"]).unwrap();
            let _ = dates.parse(&text);
            let _ = amount(&text, "USD");
            let (first, last) = split_name(&text);
            prop_assert!(first.is_none_or(|part| text.contains(part)));
            prop_assert!(last.is_none_or(|part| text.contains(part)));
        }
    }
}
