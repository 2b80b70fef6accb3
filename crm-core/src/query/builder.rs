//! What an application asks: filter, sort, page and total in one value.

use super::{
    Archived, Assignee, Cursor, EmailKey, LeadFilter, Limit, MAX_VALUES, SearchWords, Sort, TagKey,
    Total,
};
use crate::lead::{EmailAddress, Invalid, LeadSource, ProblemKind, Tag, UserId};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fmt;

/// Which leads, in what order, and which page of them.
///
/// All filters must be met. Those that can be given more than once say so; giving any other again
/// replaces what was there. Setters take what was typed; [`check`](Self::check) names every problem
/// at once.
///
/// ```
/// use crm_core::lead::LeadStatus;
/// use crm_core::query::{LeadQuery, Sort};
///
/// let query = LeadQuery::new()
///     .status(LeadStatus::QUALIFIED)
///     .assigned_to("user_456")
///     .sort(Sort::updated().descending())
///     .limit(50);
/// query.check()?;
///
/// let refused = LeadQuery::new().email("john@").limit(0).check().unwrap_err();
/// let fields: Vec<_> = refused.problems().iter().map(|problem| problem.field()).collect();
/// assert_eq!(fields, ["email", "limit"]);
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct LeadQuery {
    pub(super) filter: LeadFilter,
    sort: Sort,
    limit: Limit,
    total: Total,
    after: Option<Cursor>,
    /// What was typed as a status and is no slug: perhaps a status by the name people see.
    pub(super) unresolved_statuses: Vec<String>,
    /// By field, so that a field set again forgets what was wrong with it before.
    pub(super) problems: BTreeMap<&'static str, Invalid>,
}

/// The longest text kept for a status that is no slug, in bytes.
const MAX_STATUS_TEXT: usize = 200;

impl LeadQuery {
    /// All leads that are not archived, newest first, 50 a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In this status. Can be given more than once: any of them.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        let typed = status.into();
        let given = self.filter.statuses.len() + self.unresolved_statuses.len();
        if let Ok(status) = typed.parse() {
            let known = self.filter.statuses.contains(&status);
            if self.has_room("status", given, known) {
                self.filter.statuses.insert(status);
            }
        } else if typed.len() > MAX_STATUS_TEXT {
            let kind = ProblemKind::TooLong {
                max: MAX_STATUS_TEXT,
                unit: "bytes",
            };
            self.note::<()>("status", Err(Invalid::one("status", kind)));
        } else {
            let known = self.unresolved_statuses.contains(&typed);
            if self.has_room("status", given, known) && !known {
                self.unresolved_statuses.push(typed);
            }
        }
        self
    }

    /// In any of these statuses. None at all is a problem: it would find nothing, or everything.
    #[must_use]
    pub fn statuses<S: Into<String>>(mut self, statuses: impl IntoIterator<Item = S>) -> Self {
        let mut statuses = statuses.into_iter().peekable();
        if statuses.peek().is_none() {
            let missing = Invalid::one("status", ProblemKind::Missing);
            self.note::<()>("status", Err(missing));
        }
        // One more than allowed is enough to be refused.
        statuses.take(MAX_VALUES + 1).fold(self, Self::status)
    }

    /// Worked by this user.
    #[must_use]
    pub fn assigned_to(mut self, user: impl Into<String>) -> Self {
        let user = user.into().parse::<UserId>();
        let user = user.map_err(|invalid| invalid.renamed("assigned_to"));
        self.filter.assignee = self.note("assigned_to", user).map(Assignee::User);
        self
    }

    /// Worked by nobody.
    #[must_use]
    pub fn unassigned(mut self) -> Self {
        self.filter.assignee = self.note("assigned_to", Ok(Assignee::Nobody));
        self
    }

    /// From this source. Can be given more than once: any of them.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        match source.into().parse::<LeadSource>() {
            Ok(source) => {
                let known = self.filter.sources.contains(&source);
                if self.has_room("source", self.filter.sources.len(), known) {
                    self.filter.sources.insert(source);
                }
            }
            Err(invalid) => drop(self.note::<()>("source", Err(invalid))),
        }
        self
    }

    /// With this tag, however it is spelled. Can be given more than once: all of them.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        match tag.into().parse::<Tag>() {
            Ok(tag) => {
                let key = TagKey::from(&tag);
                let known = self.filter.tags.contains(&key);
                if self.has_room("tag", self.filter.tags.len(), known) {
                    self.filter.tags.insert(key);
                }
            }
            Err(invalid) => drop(self.note::<()>("tag", Err(invalid.renamed("tag")))),
        }
        self
    }

    /// Created at this time or later.
    #[must_use]
    pub fn created_from(mut self, time: DateTime<Utc>) -> Self {
        self.filter.created.from = Some(time);
        self
    }

    /// Created before this time.
    #[must_use]
    pub fn created_before(mut self, time: DateTime<Utc>) -> Self {
        self.filter.created.before = Some(time);
        self
    }

    /// Last changed at this time or later.
    #[must_use]
    pub fn updated_from(mut self, time: DateTime<Utc>) -> Self {
        self.filter.updated.from = Some(time);
        self
    }

    /// Last changed before this time.
    #[must_use]
    pub fn updated_before(mut self, time: DateTime<Utc>) -> Self {
        self.filter.updated.before = Some(time);
        self
    }

    /// In its present status since this time or longer.
    #[must_use]
    pub fn in_status_since(mut self, time: DateTime<Utc>) -> Self {
        self.filter.in_status_since = Some(time);
        self
    }

    /// With this e-mail address, however it is spelled.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        let email = email.into().parse::<EmailAddress>();
        self.filter.email = self.note("email", email).as_ref().map(EmailKey::from);
        self
    }

    /// Found by every word of this text: each must begin some word of the lead's name, e-mail,
    /// company or phone. At most 200 characters.
    #[must_use]
    pub fn search(mut self, text: impl Into<String>) -> Self {
        let words = SearchWords::parse(&text.into());
        self.filter.words = self.note("q", words).unwrap_or_default();
        self
    }

    /// Whether archived leads count; they do not by default.
    #[must_use]
    pub fn archived(mut self, archived: Archived) -> Self {
        self.filter.archived = archived;
        self
    }

    /// In this order; newest first by default.
    #[must_use]
    pub fn sort(mut self, sort: impl Into<Sort>) -> Self {
        self.sort = sort.into();
        self
    }

    /// At most so many on a page, 1 to 1,000; 50 by default.
    #[must_use]
    pub fn limit(mut self, leads: u32) -> Self {
        self.limit = self.note("limit", Limit::new(leads)).unwrap_or_default();
        self
    }

    /// The page after the one that gave this cursor.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Whether to tell how many leads there are on all pages.
    #[must_use]
    pub fn total(mut self, total: Total) -> Self {
        self.total = total;
        self
    }

    /// Which leads.
    #[must_use]
    pub const fn filter(&self) -> &LeadFilter {
        &self.filter
    }

    /// Which leads, to be narrowed by whoever answers for what a caller may see.
    #[must_use]
    pub const fn filter_mut(&mut self) -> &mut LeadFilter {
        &mut self.filter
    }

    /// Which leads, without the rest of the query.
    #[must_use]
    pub fn into_filter(self) -> LeadFilter {
        self.filter
    }

    /// In what order.
    #[must_use]
    pub const fn sorting(&self) -> Sort {
        self.sort
    }

    /// How many on a page.
    #[must_use]
    pub const fn page_limit(&self) -> Limit {
        self.limit
    }

    /// Where the page begins, if it is not the first.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }

    /// Whether to tell how many there are in all.
    #[must_use]
    pub const fn wanted_total(&self) -> Total {
        self.total
    }

    fn note<T>(&mut self, field: &'static str, given: Result<T, Invalid>) -> Option<T> {
        match given {
            Ok(value) => {
                self.problems.remove(field);
                Some(value)
            }
            Err(invalid) => {
                self.problems.insert(field, invalid);
                None
            }
        }
    }

    /// Whether an any-of filter can take one more value, which it may have already.
    fn has_room(&mut self, field: &'static str, given: usize, known: bool) -> bool {
        if given < MAX_VALUES || known {
            return true;
        }
        let kind = ProblemKind::TooLong {
            max: MAX_VALUES,
            unit: "values",
        };
        self.note::<()>(field, Err(Invalid::one(field, kind)));
        false
    }
}

impl From<LeadFilter> for LeadQuery {
    fn from(filter: LeadFilter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }
}

/// What was typed and not understood may be anything: it is not shown.
impl fmt::Debug for LeadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadQuery")
            .field("filter", &self.filter)
            .field("sort", &self.sort)
            .field("limit", &self.limit)
            .field("total", &self.total)
            .field("after", &self.after)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Problem;

    fn fields(refused: &Invalid) -> Vec<&str> {
        let problems = refused.problems().iter();
        problems.map(Problem::field).collect()
    }

    #[test]
    fn what_is_given_again_replaces_what_was_wrong() {
        let query = LeadQuery::new()
            .limit(0)
            .email("john@")
            .assigned_to("")
            .search("?")
            .limit(7)
            .email("john@example.com")
            .unassigned()
            .search("john");
        query.check().unwrap();
        assert_eq!(query.page_limit().get(), 7);
        assert_eq!(query.filter().assignee, Some(Assignee::Nobody));
    }

    #[test]
    fn any_of_nothing_is_not_everything() {
        let refused = LeadQuery::new().statuses([""; 0]).check().unwrap_err();
        assert_eq!(fields(&refused), ["status"]);
    }

    #[test]
    fn values_are_bounded_in_number_and_length() {
        let endless = (0u64..).map(|number| format!("s{number}"));
        let refused = LeadQuery::new().statuses(endless).check().unwrap_err();
        assert_eq!(fields(&refused), ["status"]);
        let named = (0..=MAX_VALUES).map(|number| format!("Status {number}"));
        let query = LeadQuery::new().statuses(named);
        assert_eq!(query.unresolved_statuses().len(), MAX_VALUES);
        assert!(query.check_with(&[]).is_err());
        let many = |set: fn(LeadQuery, String) -> LeadQuery| {
            let names = (0..=MAX_VALUES).map(|number| format!("v{number}"));
            names.fold(LeadQuery::new(), set).check()
        };
        assert!(many(LeadQuery::source).is_err());
        assert!(many(LeadQuery::tag).is_err());
        let again = (0..=MAX_VALUES).fold(LeadQuery::new(), |query, _| query.tag("VIP"));
        again.check().unwrap();

        let huge = LeadQuery::new().status("S".repeat(10 << 20));
        assert!(huge.unresolved_statuses().is_empty() && huge.check().is_err());
    }
}
