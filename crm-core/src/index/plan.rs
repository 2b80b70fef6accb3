//! Which ranges of keys to walk for a query.

use super::Shelf;
use super::entries::{start_key, write_assignee, write_part};
use super::key::{Index, NULL, Prefix, VALUE};
use super::range::{Holds, KeyRange, Listing, Segment};
use crate::query::{LeadFilter, Position, SortBy, ValueKind, micros, micros_key, micros_up};

/// How to find the leads of a query.
#[derive(Debug)]
pub(super) enum Plan {
    /// The keys of this way are the answer.
    Exact(Way),
    /// Each of these ways holds the answer and more.
    Race(Vec<Way>),
}

/// Keys among which are those of all leads that match.
#[derive(Debug)]
pub(super) struct Way {
    /// Whether the keys come in the order of the list and begin where the page does.
    pub(super) is_ordered: bool,
    /// Set if a lead can have several of the keys: for each of its words that begins with this.
    pub(super) word: Option<String>,
    pub(super) segments: Vec<Segment>,
    covers: Parts,
}

/// A set of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts(u16);

impl Parts {
    const NONE: Self = Self(0);
    const STATUS: Self = Self(1);
    const ASSIGNEE: Self = Self(1 << 1);
    const SOURCE: Self = Self(1 << 2);
    const TAGS: Self = Self(1 << 3);
    const CREATED: Self = Self(1 << 4);
    const UPDATED: Self = Self(1 << 5);
    const SINCE: Self = Self(1 << 6);
    const EMAIL: Self = Self(1 << 7);
    const WORDS: Self = Self(1 << 8);
    /// One of several tags or words: it narrows, but what it finds has to be looked at.
    const SOME: Self = Self(1 << 9);

    fn of(filter: &LeadFilter) -> Self {
        // A filter that this does not know must not be left out.
        let LeadFilter {
            archived: _,
            statuses,
            assignee,
            sources,
            tags,
            created,
            updated,
            in_status_since,
            email,
            words,
        } = filter;
        Self::NONE
            .and_if(!statuses.is_empty(), Self::STATUS)
            .and_if(assignee.is_some(), Self::ASSIGNEE)
            .and_if(!sources.is_empty(), Self::SOURCE)
            .and_if(!tags.is_empty(), Self::TAGS)
            .and_if(!created.is_unbounded(), Self::CREATED)
            .and_if(!updated.is_unbounded(), Self::UPDATED)
            .and_if(in_status_since.is_some(), Self::SINCE)
            .and_if(email.is_some(), Self::EMAIL)
            .and_if(!words.is_empty(), Self::WORDS)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn and_if(self, is_set: bool, other: Self) -> Self {
        if is_set { self.and(other) } else { self }
    }

    const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Plan {
    /// For a page of a list.
    pub(super) fn list(filter: &LeadFilter, listing: &Listing<'_>) -> Self {
        let listing = Some(listing);
        Planner { filter, listing }.plan()
    }

    /// For counting. A filter that the counters know has no way.
    pub(super) fn count(filter: &LeadFilter) -> Self {
        let listing = None;
        Planner { filter, listing }.plan()
    }
}

impl Way {
    /// Whether this way is sure to arrive before another: it has no key that the other has not, and
    /// whatever ends the other early ends it, too.
    fn beats(&self, other: &Self) -> bool {
        self.covers != other.covers
            && self.covers.contains(other.covers)
            && !other.covers.contains(Parts::SOME)
            && (self.is_ordered || !other.is_ordered)
    }
}

struct Planner<'a> {
    filter: &'a LeadFilter,
    listing: Option<&'a Listing<'a>>,
}

impl Planner<'_> {
    fn plan(&self) -> Plan {
        let parts = Parts::of(self.filter);
        let statuses = self.statuses();
        let with_user = self.assignee_and_statuses(&statuses);
        let users = with_user.as_ref().unwrap_or(&statuses);
        let mut ways = Vec::new();

        let sorted_by = self.listing.map(|listing| listing.sort.by);
        if let Some(listing) = self.listing {
            let own = match listing.sort.by {
                by @ (SortBy::CreatedAt | SortBy::UpdatedAt) => self.by_value(users, by),
                by @ SortBy::StatusChangedAt => self.by_value(&statuses, by),
                SortBy::Status => Some(self.by_status(listing)),
                by => self.by_value(&Given::nothing(), by),
            };
            match own {
                // Most lists end here.
                Some(own) if own.covers.contains(parts) => return Plan::Exact(own),
                own => ways.extend(own),
            }
        }
        for (given, by) in [
            (users, SortBy::CreatedAt),
            (users, SortBy::UpdatedAt),
            (&statuses, SortBy::StatusChangedAt),
        ] {
            // Without a range of its own, an index has no other leads than the first.
            let narrows = by == SortBy::CreatedAt || self.range_of(by).covers != Parts::NONE;
            if narrows && sorted_by != Some(by) {
                ways.extend(self.by_value(given, by));
            }
        }
        self.add_single_filters(&mut ways);

        let is_exact =
            |way: &Way| way.covers.contains(parts) && (way.is_ordered || self.listing.is_none());
        if let Some(exact) = ways.iter().position(is_exact) {
            return Plan::Exact(ways.swap_remove(exact));
        }
        let is_beaten = |way: &Way| ways.iter().any(|other| other.beats(way));
        let beaten: Vec<bool> = ways.iter().map(is_beaten).collect();
        let mut beaten = beaten.into_iter();
        ways.retain(|_| beaten.next() != Some(true));
        Plan::Race(ways)
    }

    fn add_single_filters(&self, ways: &mut Vec<Way>) {
        let filter = self.filter;
        if !filter.sources.is_empty() {
            let sources = filter.sources.iter();
            let sources = sources.map(|source| part(source.as_str())).collect();
            let given = Given::new(Prefix::Source, Parts::SOURCE, sources);
            ways.extend(self.by_value(&given, SortBy::CreatedAt));
        }
        let covers = match filter.tags.len() {
            1 => Parts::TAGS,
            _ => Parts::SOME,
        };
        for tag in &filter.tags {
            let given = Given::new(Prefix::Tag, covers, vec![part(tag.as_str())]);
            ways.extend(self.by_value(&given, SortBy::CreatedAt));
        }
        if let Some(email) = &filter.email {
            let given = Given::new(Prefix::Email, Parts::EMAIL, vec![part(email.as_str())]);
            ways.extend(self.by_value(&given, SortBy::CreatedAt));
        }
        ways.extend(filter.words.iter().map(|word| self.by_word(word)));
    }

    fn statuses(&self) -> Given {
        let statuses = self.filter.statuses.iter();
        let parts: Vec<_> = statuses.map(|status| part(status.as_str())).collect();
        if parts.is_empty() {
            return Given::nothing();
        }
        Given::new(Prefix::Status, Parts::STATUS, parts)
    }

    fn assignee_and_statuses(&self, statuses: &Given) -> Option<Given> {
        let assignee = self.filter.assignee.as_ref()?;
        let mut who = Vec::new();
        write_assignee(assignee, &mut who);
        let parts = statuses
            .parts
            .iter()
            .map(|status| [&who[..], status].concat());
        let (prefix, covers) = match statuses.prefix {
            Prefix::Nothing => (Prefix::Assignee, Parts::ASSIGNEE),
            _ => (
                Prefix::AssigneeAndStatus,
                Parts::ASSIGNEE.and(Parts::STATUS),
            ),
        };
        Some(Given::new(prefix, covers, parts.collect()))
    }

    /// The way through an index with values, unless it neither narrows nor orders.
    fn by_value(&self, given: &Given, by: SortBy) -> Option<Way> {
        let index = Index::find(given.prefix, by)?;
        let range = self.range_of(by);
        let covers = given.covers.and(range.covers);
        let listing = self.listing.filter(|listing| listing.sort.by == by);
        if listing.is_none() && covers == Parts::NONE {
            return None;
        }
        let mut segments = vec![Segment {
            holds: Holds::Values,
            ranges: self.ranges(index, given, Some(VALUE), &range),
        }];
        if by.kind() != ValueKind::Time {
            segments.push(Segment {
                holds: Holds::Nulls,
                ranges: self.ranges(index, given, Some(NULL), &Range::all()),
            });
        }
        if let Some(listing) = listing
            && let Some(after) = listing.after
        {
            if after.key.is_none() {
                segments.retain(|segment| segment.holds == Holds::Nulls);
            }
            if let Some(first) = segments.first_mut() {
                first.begin_after(&listing.suffix(after), listing.sort.direction);
            }
        }
        Some(Way {
            is_ordered: listing.is_some(),
            word: None,
            segments,
            covers,
        })
    }

    /// The way through the statuses in their order.
    fn by_status(&self, listing: &Listing<'_>) -> Way {
        let reached = listing.after.and_then(Position::text);
        let wanted = &self.filter.statuses;
        let mut segments = Vec::with_capacity(listing.statuses.len());
        let behind = |status: &&&_| reached.is_some_and(|slug| ***status != slug);
        for &status in listing.statuses.iter().skip_while(behind) {
            if !wanted.is_empty() && !wanted.contains(status) {
                continue;
            }
            let given = Given::new(Prefix::Status, Parts::STATUS, vec![part(status.as_str())]);
            let mut segment = Segment {
                holds: Holds::Status(status.clone()),
                ranges: self.ranges(Index::STATUS, &given, None, &Range::all()),
            };
            if let Some(after) = listing.after
                && reached.is_some_and(|slug| *status == slug)
            {
                segment.begin_after(&listing.suffix(after), listing.sort.direction);
            }
            segments.push(segment);
        }
        Way {
            is_ordered: true,
            word: None,
            segments,
            covers: Parts::NONE.and_if(!wanted.is_empty(), Parts::STATUS),
        }
    }

    /// The way through all words that begin with this.
    fn by_word(&self, word: &str) -> Way {
        let given = Given::new(Prefix::Word, Parts::SOME, vec![word.as_bytes().to_vec()]);
        let words = Segment {
            holds: Holds::Words,
            ranges: self.ranges(Index::WORD, &given, None, &Range::all()),
        };
        Way {
            is_ordered: false,
            word: Some(word.to_owned()),
            segments: vec![words],
            covers: given.covers,
        }
    }

    fn ranges(
        &self,
        index: Index,
        given: &Given,
        marker: Option<u8>,
        within: &Range,
    ) -> Vec<KeyRange> {
        let mut ranges = Vec::with_capacity(given.parts.len());
        let mut prefix = Vec::with_capacity(64);
        for &shelf in Shelf::all_of(self.filter.archived) {
            for part in &given.parts {
                start_key(index, shelf, &mut prefix);
                prefix.extend_from_slice(part);
                prefix.extend(marker);
                ranges.extend(KeyRange::new(&prefix, within.from, within.before));
            }
        }
        ranges
    }

    /// The filter's range of a time.
    fn range_of(&self, by: SortBy) -> Range {
        let filter = self.filter;
        let (range, part) = match by {
            SortBy::CreatedAt => (filter.created, Parts::CREATED),
            SortBy::UpdatedAt => (filter.updated, Parts::UPDATED),
            SortBy::StatusChangedAt => {
                // Up to a time is before the next microsecond.
                let next = |time| micros(time).saturating_add(1);
                return Range::new(None, filter.in_status_since.map(next), Parts::SINCE);
            }
            _ => return Range::all(),
        };
        Range::new(range.from.map(micros_up), range.before.map(micros_up), part)
    }
}

/// What an index is asked for: for each value of an any-of filter, the bytes between the index's
/// number and the sort value.
struct Given {
    prefix: Prefix,
    covers: Parts,
    parts: Vec<Vec<u8>>,
}

impl Given {
    const fn new(prefix: Prefix, covers: Parts, parts: Vec<Vec<u8>>) -> Self {
        Self {
            prefix,
            covers,
            parts,
        }
    }

    fn nothing() -> Self {
        Self::new(Prefix::Nothing, Parts::NONE, vec![Vec::new()])
    }
}

/// A range of times, as the bytes in keys.
struct Range {
    from: Option<[u8; 8]>,
    before: Option<[u8; 8]>,
    covers: Parts,
}

impl Range {
    const fn all() -> Self {
        Self {
            from: None,
            before: None,
            covers: Parts::NONE,
        }
    }

    fn new(from: Option<i64>, before: Option<i64>, part: Parts) -> Self {
        Self {
            from: from.map(micros_key),
            before: before.map(micros_key),
            covers: Parts::NONE.and_if(from.is_some() || before.is_some(), part),
        }
    }
}

fn part(text: &str) -> Vec<u8> {
    let mut part = Vec::with_capacity(text.len() + 1);
    write_part(text, &mut part);
    part
}
