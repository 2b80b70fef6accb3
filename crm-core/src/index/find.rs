//! Answering a query: one page of leads.

use super::plan::{Plan, Way};
use super::range::{Listing, Place};
use super::walk::{Step, Walk, race};
use super::{IndexReader, count};
use crate::lead::{Invalid, Lead, LeadId, LeadStatus, TenantId};
use crate::query::{Direction, InvalidCursor, LeadFilter, LeadQuery, Page, Position, Total};
use std::borrow::Borrow as _;
use std::collections::BTreeMap;

/// Why a page could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError<E> {
    /// The query is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The cursor is not one of this query.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// The backend could not read.
    #[error("the index could not be read")]
    Reader(#[source] E),
}

/// Finds a page of leads, and the total if it is asked for.
///
/// `order` is the order of the statuses in the tenant's lifecycle; only a list sorted by status
/// needs it, and holds no lead whose status is not in it. What this costs stands in the
/// [module's documentation](super).
///
/// # Errors
///
/// A query that [`check`](LeadQuery::check) refuses, a cursor of another query, and what the reader
/// says.
pub fn find<R: IndexReader>(
    reader: &R,
    tenant: &TenantId,
    query: &LeadQuery,
    order: &[LeadStatus],
) -> Result<Page<Lead>, FindError<R::Error>> {
    query.check()?;
    let opened = query.open(tenant, order)?;
    let after = opened.as_ref().map(|opened| &opened.position);
    let finder = Finder {
        reader,
        filter: query.filter(),
        listing: Listing::new(query.sorting(), order, after),
        limit: query.page_limit().as_usize(),
    };
    let (items, last) = finder.page().map_err(FindError::Reader)?;
    let next = last.map(|last| match &opened {
        Some(opened) => opened.cursor_at(&last),
        None => query.cursor_at(tenant, order, &last),
    });
    let mut page = Page::new(items, next);
    let total = |up_to| count(reader, query.filter(), up_to).map_err(FindError::Reader);
    page.total = match query.wanted_total() {
        Total::Skip => None,
        Total::Exact => Some(total(None)?),
        Total::UpTo(number) => Some(total(Some(number))?),
    };
    Ok(page)
}

/// How many leads to make room for before any is found.
const MOST_AT_FIRST: usize = 64;

/// The leads of a page, and the position of the last of them if there are more.
type Found = (Vec<Lead>, Option<Position>);

struct Finder<'a, R> {
    reader: &'a R,
    filter: &'a LeadFilter,
    listing: Listing<'a>,
    limit: usize,
}

/// A way with what was found on it so far.
struct Runner<'w, 'r, R: IndexReader> {
    way: &'w Way,
    walk: Walk<'w, 'r, R>,
    /// Ids, not leads: the pages of all the ways but one are never shown.
    page: Vec<LeadId>,
    last: Option<Position>,
    has_more: bool,
}

impl<R: IndexReader> Finder<'_, R> {
    fn page(&self) -> Result<Found, R::Error> {
        match Plan::list(self.filter, &self.listing) {
            Plan::Exact(way) => self.walk_page(&way),
            Plan::Race(ways) => self.race_page(&ways),
        }
    }

    /// The lead, if it matches.
    fn matching(&self, id: LeadId) -> Result<Option<R::Record<'_>>, R::Error> {
        let lead = self.reader.lead(id)?;
        Ok(lead.filter(|lead| self.filter.matches(lead.borrow())))
    }

    fn walk<'w>(&self, way: &'w Way) -> Walk<'w, '_, R> {
        let direction = if way.is_ordered {
            self.listing.sort.direction
        } else {
            Direction::Ascending
        };
        Walk::new(self.reader, &way.segments, direction)
    }

    /// Every key is one of a lead that matches, in order: one more than the page tells whether
    /// another follows.
    fn walk_page(&self, way: &Way) -> Result<Found, R::Error> {
        let mut walk = self.walk(way);
        let mut items = Vec::with_capacity(self.limit.min(MOST_AT_FIRST));
        let mut last = None;
        while let Some(step) = walk.step()? {
            if items.len() == self.limit {
                let position = |step: Step<'_, '_, R>| step.position(self.listing.sort.by);
                return Ok((items, last.map(position)));
            }
            let lead = if R::IS_SNAPSHOT {
                self.reader.lead(step.id())?
            } else {
                self.matching(step.id())?
            };
            if let Some(lead) = lead {
                items.push(R::into_lead(lead));
                if items.len() == self.limit {
                    last = Some(step);
                }
            }
        }
        Ok((items, None))
    }

    fn race_page(&self, ways: &[Way]) -> Result<Found, R::Error> {
        let runners = ways.iter().map(|way| Runner {
            way,
            walk: self.walk(way),
            page: Vec::new(),
            last: None,
            has_more: false,
        });
        let winner = race(runners.collect(), |runner| self.advance(runner))?;
        match winner {
            Some(winner) if winner.way.is_ordered => self.fetch_page(winner),
            Some(winner) => self.gather_page(winner.way),
            None => Ok((Vec::new(), None)),
        }
    }

    /// One key further. An ordered way is done when its page is full and another lead would follow,
    /// the others at their ends.
    fn advance(&self, runner: &mut Runner<'_, '_, R>) -> Result<bool, R::Error> {
        let Some(step) = runner.walk.step()? else {
            return Ok(true);
        };
        if !runner.way.is_ordered || self.matching(step.id())?.is_none() {
            return Ok(false);
        }
        if runner.page.len() == self.limit {
            runner.has_more = true;
            return Ok(true);
        }
        runner.page.push(step.id());
        if runner.page.len() == self.limit {
            runner.last = Some(step.position(self.listing.sort.by));
        }
        Ok(false)
    }

    fn fetch_page(&self, winner: Runner<'_, '_, R>) -> Result<Found, R::Error> {
        let mut items = Vec::with_capacity(winner.page.len());
        for id in winner.page {
            items.extend(self.matching(id)?.map(R::into_lead));
        }
        Ok((items, winner.last.filter(|_| winner.has_more)))
    }

    /// Looks at every lead of a way, and keeps the first of them in the order of the list.
    fn gather_page(&self, way: &Way) -> Result<Found, R::Error> {
        let by = self.listing.sort.by;
        let after = match self.listing.after {
            Some(after) => self.listing.place(after),
            None => None,
        };
        let mut first: BTreeMap<Place, Lead> = BTreeMap::new();
        let mut walk = self.walk(way);
        while let Some(step) = walk.step()? {
            let Some(lead) = self.matching(step.id())? else {
                continue;
            };
            let Some(place) = self.listing.place(&Position::of(by, lead.borrow())) else {
                continue;
            };
            let is_shown = after.as_ref().is_some_and(|after| place <= *after);
            let is_full = first.len() > self.limit;
            let is_late = is_full
                && first
                    .last_key_value()
                    .is_some_and(|(last, _)| place > *last);
            if is_shown || is_late {
                continue;
            }
            first.insert(place, R::into_lead(lead));
            if first.len() > self.limit + 1 {
                first.pop_last();
            }
        }
        let has_more = first.len() > self.limit;
        if has_more {
            first.pop_last();
        }
        let items: Vec<Lead> = first.into_values().collect();
        let last = items.last().filter(|_| has_more);
        let last = last.map(|last| Position::of(by, last));
        Ok((items, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::{ORDER, Shelves, any_filter, any_lead, any_sort};
    use crate::query::testing::{at, lead};
    use crate::query::{Archived, Cursor, Sort, SortBy, TotalCount};
    use crate::text;
    use chrono::TimeDelta;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    fn tenant() -> TenantId {
        TenantId::DEFAULT
    }

    fn found(shelves: &Shelves, query: &LeadQuery) -> Page<Lead> {
        find(shelves, &tenant(), query, &ORDER).unwrap()
    }

    /// The order that the documentation promises, said in another way than the keys do.
    fn compare(sort: Sort, a: &Lead, b: &Lead) -> Ordering {
        fn values<T: Ord>(sort: Sort, a: Option<T>, b: Option<T>) -> Ordering {
            match (a, b) {
                (Some(a), Some(b)) => directed(sort, a.cmp(&b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            }
        }
        fn directed(sort: Sort, order: Ordering) -> Ordering {
            match sort.direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            }
        }
        let name =
            |lead: &Lead| text::name_key(lead.first_name.as_deref(), lead.last_name.as_deref());
        let company = |lead: &Lead| lead.company.as_deref().map(text::sort_key);
        let email = |lead: &Lead| {
            lead.email
                .as_ref()
                .map(|email| text::sort_key(email.as_str()))
        };
        let status = |lead: &Lead| ORDER.iter().position(|status| *status == lead.status);
        let order = match sort.by {
            SortBy::CreatedAt => values(sort, Some(a.created_at), Some(b.created_at)),
            SortBy::UpdatedAt => values(sort, Some(a.updated_at), Some(b.updated_at)),
            SortBy::StatusChangedAt => {
                values(sort, Some(a.status_changed_at), Some(b.status_changed_at))
            }
            SortBy::Name => values(sort, name(a), name(b)),
            SortBy::Company => values(sort, company(a), company(b)),
            SortBy::Email => values(sort, email(a), email(b)),
            SortBy::Status => values(sort, status(a), status(b)),
            SortBy::Value => values(sort, a.value, b.value),
        };
        order.then_with(|| directed(sort, a.id.cmp(&b.id)))
    }

    fn expected<'a>(leads: impl IntoIterator<Item = &'a Lead>, query: &LeadQuery) -> Vec<LeadId> {
        let leads = leads.into_iter();
        let mut matching: Vec<_> = leads.filter(|lead| query.filter().matches(lead)).collect();
        matching.sort_by(|a, b| compare(query.sorting(), a, b));
        matching.iter().map(|lead| lead.id).collect()
    }

    /// All pages, each with the next of these limits, and something done between them.
    fn paged(
        shelves: &mut Shelves,
        query: &LeadQuery,
        limits: &[u32],
        mut between: impl FnMut(&mut Shelves),
    ) -> Vec<LeadId> {
        let mut ids = Vec::new();
        let mut query = query.clone();
        for limit in limits.iter().cycle().take(1_000) {
            query = query.limit(*limit);
            let page = found(shelves, &query);
            assert!(page.items.len() <= query.page_limit().as_usize());
            ids.extend(page.items.iter().map(|lead| lead.id));
            let Some(next) = page.next else { return ids };
            assert!(
                !page.items.is_empty(),
                "a page with a next one holds something"
            );
            let next: Cursor = next.to_string().parse().unwrap();
            query = query.after(next);
            between(shelves);
        }
        panic!("the pages have no end")
    }

    proptest! {
        // Each case walks 48 lists.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_sort_lists_all_in_every_archived_mode(
            leads in vec(any_lead(), 0..25),
            limit in 1u32..6,
        ) {
            let mut shelves = Shelves::of(&leads);
            for by in SortBy::ALL {
                for archived in [Archived::Exclude, Archived::Only, Archived::Include] {
                    let sort: Sort = by.as_str().parse().unwrap();
                    for sort in [sort, sort.descending()] {
                        let query = LeadQuery::new().archived(archived).sort(sort);
                        let ids = paged(&mut shelves, &query, &[limit], |_| {});
                        prop_assert_eq!(&ids, &expected(&leads, &query), "{} {:?}", sort, archived);
                    }
                }
            }
        }
    }

    proptest! {

        #[test]
        fn pages_hold_what_matches_in_order(
            leads in vec(any_lead(), 0..40),
            query in any_filter(),
            sort in any_sort(),
            limits in vec(1u32..6, 1..4),
        ) {
            let mut shelves = Shelves::of(&leads);
            let query = query.sort(sort);
            let ids = paged(&mut shelves, &query, &limits, |_| {});
            prop_assert_eq!(&ids, &expected(&leads, &query));
        }

        #[test]
        fn leads_that_stay_appear_once_while_others_come_and_go(
            staying in vec(any_lead(), 0..25),
            others in vec(any_lead(), 1..25),
            query in any_filter(),
            sort in any_sort(),
            limits in vec(1u32..5, 1..4),
            turns in vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let mut shelves = Shelves::of(&staying);
            let query = query.sort(sort);
            let mut turns = turns.iter().cycle();
            let ids = paged(&mut shelves, &query, &limits, |shelves| {
                for _ in 0..3 {
                    let other = turns.next().unwrap().get(&others);
                    if shelves.leads.contains_key(&other.id) {
                        shelves.remove(other.id);
                    } else {
                        shelves.put(other.clone());
                    }
                }
            });
            let stayed = |id: &LeadId| staying.iter().any(|lead| lead.id == *id);
            let ids: Vec<_> = ids.into_iter().filter(stayed).collect();
            prop_assert_eq!(ids, expected(&staying, &query));
        }

        #[test]
        fn totals_are_what_matches(
            leads in vec(any_lead(), 0..40),
            query in any_filter(),
            up_to in 0u64..6,
        ) {
            let shelves = Shelves::of(&leads);
            let number = u64::try_from(expected(&leads, &query).len()).unwrap();
            let total = |total| found(&shelves, &query.clone().total(total)).total;
            prop_assert_eq!(total(Total::Skip), None);
            let exact = total(Total::Exact).unwrap();
            prop_assert_eq!((exact.count(), exact.is_exact()), (number, true));
            let bounded = total(Total::UpTo(up_to)).unwrap();
            prop_assert_eq!(bounded.count(), number.min(up_to));
            prop_assert_eq!(bounded.is_exact(), number <= up_to);
        }
    }

    #[test]
    fn a_cursor_of_another_tenant_or_query_is_refused() {
        let shelves = Shelves::of(&[lead(1), lead(2)]);
        let query = LeadQuery::new().limit(1);
        let next = found(&shelves, &query).next.unwrap();
        let other: TenantId = "other".parse().unwrap();
        for (tenant, query) in [(other, query.clone()), (tenant(), query.status("new"))] {
            let refused = find(&shelves, &tenant, &query.after(next.clone()), &ORDER);
            assert!(matches!(
                refused,
                Err(FindError::Cursor(InvalidCursor::OtherQuery))
            ));
        }
    }

    #[test]
    fn ranges_between_two_microseconds_mean_what_the_filter_means() {
        let mut leads = [lead(1), lead(2), lead(3)];
        for (lead, micros) in leads.iter_mut().zip(-1i64..) {
            let time = at(0) + TimeDelta::microseconds(micros);
            (lead.created_at, lead.status_changed_at) = (time, time);
        }
        let shelves = Shelves::of(&leads);
        for nanos in (-2_000..=2_000).step_by(500) {
            let time = at(0) + TimeDelta::nanoseconds(nanos);
            for query in [
                LeadQuery::new().created_from(time),
                LeadQuery::new().created_before(time),
                LeadQuery::new().in_status_since(time),
            ] {
                let query = query.sort(Sort::created()).total(Total::Exact);
                let page = found(&shelves, &query);
                let ids: Vec<_> = page.items.iter().map(|lead| lead.id).collect();
                assert_eq!(ids, expected(&leads, &query), "{query:?}");
                let total = u64::try_from(ids.len()).unwrap();
                assert_eq!(page.total, Some(TotalCount::exact(total)), "{query:?}");
            }
        }
    }

    #[test]
    fn a_wrong_query_finds_nothing() {
        let shelves = Shelves::of(&[lead(1)]);
        for wrong in [LeadQuery::new().limit(0), LeadQuery::new().status("New!")] {
            let refused = find(&shelves, &tenant(), &wrong, &ORDER);
            assert!(matches!(refused, Err(FindError::Invalid(_))));
        }
    }

    #[test]
    fn a_list_by_status_knows_each_status_once() {
        let shelves = Shelves::of(&[lead(1), lead(2)]);
        let twice = [LeadStatus::NEW, LeadStatus::NEW];
        let query = LeadQuery::new().sort(Sort::status());
        let page = find(&shelves, &tenant(), &query, &twice).unwrap();
        assert_eq!(page.items.len(), 2);
        let none = find(&shelves, &tenant(), &query, &[]).unwrap();
        assert!(none.items.is_empty());
    }

    // A store whose reads are not of one moment: the key is older than the lead.
    #[test]
    fn a_lead_that_moved_on_is_not_shown_where_it_was() {
        let mut shelves = Shelves::of(&[lead(1), lead(2), lead(3)]);
        let mut moved = lead(2);
        moved.status = LeadStatus::LOST;
        moved.created_at = at(100);
        shelves.leads.insert(moved.id, moved);
        let query = LeadQuery::new().status("new").sort(Sort::created());
        let ids = paged(&mut shelves, &query, &[1], |_| {});
        assert_eq!(ids, [lead(1).id, lead(3).id]);

        // The page continues from where the key was, not from where the lead went.
        let query = LeadQuery::new().sort(Sort::created());
        let ids = paged(&mut shelves, &query, &[1], |_| {});
        assert_eq!(ids, [lead(1).id, lead(2).id, lead(3).id]);
    }
}
