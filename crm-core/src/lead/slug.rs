//! Statuses and sources: open sets of slugs, because teams define their own.

use super::label::{Label, label_type};
use super::limits::MAX_SLUG;
use super::{Invalid, ProblemKind};
use crate::text;

/// The status of a lead, as its slug: `new`, `contacted`, `qualified`, …
///
/// A slug is 1 to 40 lower-case ASCII letters, digits and underscores, and does not begin with an
/// underscore. Which statuses exist is the [`Lifecycle`](crate::lifecycle::Lifecycle)'s business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeadStatus(Label);

label_type!(LeadStatus, status_slug);

impl LeadStatus {
    /// `new`
    pub const NEW: Self = Self(Label::Static("new"));
    /// `contacted`
    pub const CONTACTED: Self = Self(Label::Static("contacted"));
    /// `qualified`
    pub const QUALIFIED: Self = Self(Label::Static("qualified"));
    /// `proposal`
    pub const PROPOSAL: Self = Self(Label::Static("proposal"));
    /// `converted`
    pub const CONVERTED: Self = Self(Label::Static("converted"));
    /// `won`
    pub const WON: Self = Self(Label::Static("won"));
    /// `lost`
    pub const LOST: Self = Self(Label::Static("lost"));
}

/// Where a lead came from, as its slug.
///
/// The same syntax as [`LeadStatus`]. The five documented sources are constants; a team may use
/// others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeadSource(Label);

label_type!(LeadSource, source_slug);

impl LeadSource {
    /// `website`
    pub const WEBSITE: Self = Self(Label::Static("website"));
    /// `referral`
    pub const REFERRAL: Self = Self(Label::Static("referral"));
    /// `cold_call`
    pub const COLD_CALL: Self = Self(Label::Static("cold_call"));
    /// `event`
    pub const EVENT: Self = Self(Label::Static("event"));
    /// `other`
    pub const OTHER: Self = Self(Label::Static("other"));
    /// The documented sources, in their order.
    pub const DOCUMENTED: [Self; 5] = [
        Self::WEBSITE,
        Self::REFERRAL,
        Self::COLD_CALL,
        Self::EVENT,
        Self::OTHER,
    ];
}

const WELL_KNOWN: [&str; 12] = [
    "new",
    "contacted",
    "qualified",
    "proposal",
    "converted",
    "won",
    "lost",
    "website",
    "referral",
    "cold_call",
    "event",
    "other",
];

fn status_slug(text: &str) -> Result<Label, Invalid> {
    slug("status", text)
}

fn source_slug(text: &str) -> Result<Label, Invalid> {
    slug("source", text)
}

fn slug(field: &'static str, text: &str) -> Result<Label, Invalid> {
    if let Some(known) = WELL_KNOWN.into_iter().find(|known| *known == text) {
        return Ok(Label::Static(known));
    }
    let kind = if text.trim().is_empty() {
        ProblemKind::Blank
    } else if text.len() > MAX_SLUG {
        ProblemKind::TooLong {
            max: MAX_SLUG,
            unit: "bytes",
        }
    } else if text.starts_with('_')
        || !text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    {
        ProblemKind::Malformed {
            expected: "a slug of a-z, 0-9 and _, not beginning with _, such as cold_call",
        }
    } else {
        return Ok(Label::from(text));
    };
    Err(Invalid::one(field, kind))
}

/// Makes a slug of the name people see: `Cold Call` and `cold-call` give `cold_call`. `None` if no
/// ASCII letter or digit is left.
pub(crate) fn slug_of(name: &str) -> Option<String> {
    let mut slug = String::new();
    let mut gap = false;
    for c in text::fold(name).chars() {
        if c.is_ascii_alphanumeric() {
            if gap && !slug.is_empty() {
                slug.push('_');
            }
            gap = false;
            slug.push(c);
        } else {
            gap = true;
        }
        if slug.len() >= MAX_SLUG {
            break;
        }
    }
    slug.truncate(MAX_SLUG);
    (!slug.is_empty()).then_some(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slugs_are_taken() {
        for right in ["new", "cold_call", "a", "7_days", &"x".repeat(MAX_SLUG)] {
            assert!(right.parse::<LeadStatus>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            " ",
            "Cold Call",
            "_x",
            "é",
            "a-b",
            "a\0",
            &"x".repeat(MAX_SLUG + 1),
        ] {
            assert!(wrong.parse::<LeadSource>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_gives_its_slug() {
        assert_eq!(slug_of("Cold Call").as_deref(), Some("cold_call"));
        assert_eq!(slug_of("  Señor—Demo (2)").as_deref(), Some("senor_demo_2"));
        assert_eq!(slug_of("Статус"), None);
        let long = slug_of(&"ab ".repeat(40)).unwrap();
        assert!(long.parse::<LeadStatus>().is_ok(), "{long}");
    }
}
