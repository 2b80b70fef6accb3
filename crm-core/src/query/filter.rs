//! Which leads: the filters of a query, and what each of them means.

use super::SearchWords;
use crate::lead::{EmailAddress, Lead, LeadSource, LeadStatus, Tag, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Which leads a query is about: those that pass every filter. The default is all leads that are
/// not archived.
///
/// Built by [`LeadQuery`](super::LeadQuery), which checks what people type. The fields are public
/// for those who answer queries; a backend answers `unsupported` to a filter it does not know, and
/// can be sure that [`matches`](Self::matches) is what every other backend does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeadFilter {
    /// Whether archived leads count.
    pub archived: Archived,
    /// In any of these statuses; empty for all.
    pub statuses: BTreeSet<LeadStatus>,
    /// Worked by this user, or by nobody.
    pub assignee: Option<Assignee>,
    /// From any of these sources; empty for all.
    pub sources: BTreeSet<LeadSource>,
    /// With every one of these tags.
    pub tags: BTreeSet<TagKey>,
    /// Created in this range.
    pub created: TimeRange,
    /// Last changed in this range.
    pub updated: TimeRange,
    /// In the present status since this time or longer.
    pub in_status_since: Option<DateTime<Utc>>,
    /// With this e-mail address.
    pub email: Option<EmailKey>,
    /// Found by these words.
    pub words: SearchWords,
}

impl LeadFilter {
    /// Whether a lead passes every filter: the reference that all backends are held against.
    #[must_use]
    pub fn matches(&self, lead: &Lead) -> bool {
        let since = |time| micros(lead.status_changed_at) <= micros(time);
        let has = |tag: &TagKey| lead.tags.iter().any(|of_lead| of_lead.key() == tag.0);
        let address = |key: &EmailKey| lead.email.as_ref().is_some_and(|own| own.key() == key.0);
        let source = || lead.source.as_ref();
        self.archived.includes(lead)
            && (self.statuses.is_empty() || self.statuses.contains(&lead.status))
            && self.assignee.as_ref().is_none_or(|who| who.works(lead))
            && (self.sources.is_empty() || source().is_some_and(|own| self.sources.contains(own)))
            && self.created.contains(lead.created_at)
            && self.updated.contains(lead.updated_at)
            && self.in_status_since.is_none_or(since)
            && self.tags.iter().all(has)
            && self.email.as_ref().is_none_or(address)
            && self.words.find(lead)
    }
}

/// Whether archived leads count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Archived {
    /// Only leads that are not archived.
    #[default]
    Exclude,
    /// Only archived leads.
    Only,
    /// All leads.
    Include,
}

impl Archived {
    fn includes(self, lead: &Lead) -> bool {
        match self {
            Self::Exclude => !lead.is_archived(),
            Self::Only => lead.is_archived(),
            Self::Include => true,
        }
    }
}

/// Who works a lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Assignee {
    /// Nobody yet.
    Nobody,
    /// This user.
    User(UserId),
}

impl Assignee {
    /// Who works this lead.
    #[must_use]
    pub fn of(lead: &Lead) -> Self {
        lead.assigned_to.clone().map_or(Self::Nobody, Self::User)
    }

    fn works(&self, lead: &Lead) -> bool {
        match (self, &lead.assigned_to) {
            (Self::Nobody, None) => true,
            (Self::User(wanted), Some(user)) => wanted == user,
            (Self::Nobody, Some(_)) | (Self::User(_), None) => false,
        }
    }
}

impl From<UserId> for Assignee {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

/// A range of times, compared in whole microseconds, the precision that is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct TimeRange {
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub before: Option<DateTime<Utc>>,
}

impl TimeRange {
    /// Whether every time is inside.
    #[must_use]
    pub const fn is_unbounded(&self) -> bool {
        self.from.is_none() && self.before.is_none()
    }

    /// Whether a time is inside.
    #[inline]
    #[must_use]
    pub fn contains(&self, time: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| micros(time) >= micros_up(from))
            && self
                .before
                .is_none_or(|before| micros(time) < micros_up(before))
    }

    /// The range in microseconds since 1970, the precision that is stored: the first that is
    /// inside, and the first that no longer is.
    ///
    /// ```
    /// use crm_core::query::TimeRange;
    ///
    /// let mut range = TimeRange::default();
    /// range.from = Some("1970-01-01T00:00:00.0000015Z".parse()?);
    /// assert_eq!(range.micros(), (Some(2), None));
    /// # Ok::<(), crm_core::chrono::ParseError>(())
    /// ```
    #[must_use]
    pub fn micros(&self) -> (Option<i64>, Option<i64>) {
        (self.from.map(micros_up), self.before.map(micros_up))
    }
}

/// Microseconds since 1970, rounded down. Chrono's years fit into an `i64` of them.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// Microseconds since 1970, rounded up: the first stored time that is not before this one.
pub(crate) fn micros_up(time: DateTime<Utc>) -> i64 {
    let part = i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000));
    micros(time).saturating_add(part)
}

/// What is the same for all spellings of an e-mail address: [`EmailAddress::key`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailKey(String);

impl EmailKey {
    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&EmailAddress> for EmailKey {
    fn from(address: &EmailAddress) -> Self {
        Self(address.key())
    }
}

/// Personal data: not shown.
impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailKey(…)")
    }
}

/// What is the same for all spellings of a tag: [`Tag::key`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TagKey(String);

impl TagKey {
    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Tag> for TagKey {
    fn from(tag: &Tag) -> Self {
        Self(tag.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::LeadQuery;
    use crate::query::testing::{at, lead};

    fn found(query: LeadQuery, lead: &Lead) -> bool {
        query.check().unwrap();
        query.into_filter().matches(lead)
    }

    #[test]
    fn each_filter_means_what_it_says() {
        let mut john = lead(1);
        john.status = LeadStatus::QUALIFIED;
        john.assigned_to = Some("user_456".parse().unwrap());
        john.source = Some(LeadSource::WEBSITE);
        john.tags = vec!["VIP".parse().unwrap(), "Renewal".parse().unwrap()];
        john.email = Some("John@Example.com".parse().unwrap());
        john.created_at = at(10);
        john.updated_at = at(20);
        john.status_changed_at = at(15);
        let query = LeadQuery::new;

        for right in [
            query(),
            query().status("new").status("qualified"),
            query().assigned_to("user_456"),
            query().source("event").source("website"),
            query().tag("vip").tag("RENEWAL"),
            query().created_from(at(10)).created_before(at(11)),
            query().updated_from(at(20)).updated_before(at(21)),
            query().in_status_since(at(15)),
            query().email("john@EXAMPLE.com"),
            query().archived(Archived::Include),
        ] {
            assert!(found(right.clone(), &john), "{right:?}");
        }
        for wrong in [
            query().status("new"),
            query().assigned_to("user_4567"),
            query().unassigned(),
            query().source("event"),
            query().tag("vip").tag("x"),
            query().created_from(at(11)),
            query().created_before(at(10)),
            query().updated_from(at(21)),
            query().updated_before(at(20)),
            query().in_status_since(at(14)),
            query().email("johnny@example.com"),
            query().archived(Archived::Only),
        ] {
            assert!(!found(wrong.clone(), &john), "{wrong:?}");
        }

        john.archived_at = Some(at(30));
        john.assigned_to = None;
        assert!(!found(query(), &john));
        assert!(found(query().archived(Archived::Only).unassigned(), &john));
    }

    #[test]
    fn a_lead_without_a_field_passes_no_filter_on_it() {
        let bare = lead(1);
        assert!(!found(LeadQuery::new().source("website"), &bare));
        assert!(!found(LeadQuery::new().email("a@example.com"), &bare));
        assert!(!found(LeadQuery::new().assigned_to("u"), &bare));
    }

    #[test]
    fn ranges_are_compared_in_microseconds() {
        let mut lead = lead(1);
        lead.created_at = "2026-01-15T10:30:00.000001Z".parse().unwrap();
        let within: DateTime<Utc> = "2026-01-15T10:30:00.0000005Z".parse().unwrap();
        let after: DateTime<Utc> = "2026-01-15T10:30:00.0000015Z".parse().unwrap();
        assert!(found(LeadQuery::new().created_from(within), &lead));
        assert!(!found(LeadQuery::new().created_from(after), &lead));
        assert!(!found(LeadQuery::new().created_before(within), &lead));
        assert!(found(LeadQuery::new().created_before(after), &lead));
        // The far ends of what a time can be do not overflow.
        let all = LeadQuery::new()
            .created_from(DateTime::<Utc>::MIN_UTC)
            .created_before(DateTime::<Utc>::MAX_UTC);
        assert!(found(all, &lead));
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let query = LeadQuery::new().email("john@example.com").search("doe");
        let shown = format!("{query:?}");
        assert!(!shown.contains("john") && !shown.contains("doe"), "{shown}");
    }
}
