//! The statements of lists: in the order of an index, or sorted.

use super::count::push_counters;
use super::sql::{Sql, TENANT};
use crate::error::Result;
use crate::lead_row::{LEAD, lead_from_row};
use crate::plan::{Keys, Parts, Way, shelves};
use crm_core::index::Counter;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{Assignee, Direction, LeadFilter, LeadQuery, Page, Position, SortBy};
use sqlx::postgres::PgRow;

/// A query that is being answered.
pub(super) struct Listing<'a> {
    tenant: &'a TenantId,
    query: &'a LeadQuery,
    /// The statuses in order, for a list sorted by status.
    order: &'a [LeadStatus],
    /// Where the page begins.
    position: Option<Position>,
}

/// A piece of an index in which the keys stand in the order of the list.
struct Arm<'a> {
    /// Arms of a lower rank come first.
    rank: usize,
    archived: bool,
    status: Option<&'a str>,
    source: Option<&'a str>,
    /// Of the leads without a value to sort by.
    is_without: bool,
}

impl<'a> Listing<'a> {
    pub(super) fn new(
        tenant: &'a TenantId,
        query: &'a LeadQuery,
        order: &'a [LeadStatus],
    ) -> Result<Self> {
        let position = query.position(tenant, order)?;
        Ok(Self {
            tenant,
            query,
            order,
            position,
        })
    }

    /// A page of the rows that were read: one more than it holds tells that another follows.
    pub(super) fn page(&self, rows: &[PgRow]) -> Result<Page<Lead>> {
        let limit = self.query.page_limit().as_usize();
        let leads = rows.iter().take(limit).map(|row| Ok(lead_from_row!(row)));
        let leads: Vec<Lead> = leads.collect::<Result<_>>()?;
        let last = leads.last().filter(|_| rows.len() > limit);
        let next = last.map(|last| self.query.cursor_after(self.tenant, self.order, last));
        Ok(Page::new(leads, next))
    }

    /// In the order in which the keys of a way stand. With counters, every row carries their sum.
    ///
    /// Of several arms no more than a page is read of each, and these few are put in order: those
    /// of a lower rank first.
    pub(super) fn walk(&self, way: Way, counters: Option<&[Counter]>) -> Sql {
        let mut sql = Sql::of(self.tenant);
        let arms = self.arms(way);
        match arms.as_slice() {
            [] => {
                sql.push("SELECT ")
                    .push(LEAD)
                    .push(" FROM crm_leads WHERE false");
                return sql;
            }
            [arm] => {
                sql.push("SELECT ").push(LEAD);
                self.push_arm(&mut sql, way, arm, counters);
                return sql;
            }
            _ => {}
        }
        for (place, arm) in arms.iter().enumerate() {
            sql.push(if place > 0 { "\nUNION ALL\n(" } else { "(" });
            sql.push("SELECT ").push(LEAD);
            sql.push(", ").push(&arm.rank.to_string()).push(" AS rank");
            self.push_sort_values(&mut sql);
            self.push_arm(&mut sql, way, arm, counters);
            sql.push(")");
        }
        sql.push("\nORDER BY rank, ");
        self.push_order(&mut sql, "sorted_by_");
        self.push_limit(&mut sql);
        sql
    }

    fn push_arm(&self, sql: &mut Sql, way: Way, arm: &Arm<'_>, counters: Option<&[Counter]>) {
        if let Some(counters) = counters {
            sql.push(", ");
            push_counters(sql, counters);
            sql.push(" AS total");
        }
        match way.keys {
            Keys::Tag(place) => self.push_tagged(sql, place, arm),
            Keys::Index(_) => self.push_indexed(sql, way, arm),
            // Words come in no order of leads.
            Keys::Word(_) => {}
        }
        sql.push("\nORDER BY ");
        let is_nobodys = matches!(self.filter().assignee, Some(Assignee::Nobody));
        if is_nobodys && way.covers.contains(Parts::ASSIGNEE) {
            // PostgreSQL does not see that a column that is NULL is the same in all rows, and would
            // take another index for the order.
            sql.push("assigned_to").push(self.direction()).push(", ");
        }
        self.push_order(sql, "");
        self.push_limit(sql);
    }

    /// All matches of a way, sorted.
    pub(super) fn gather(&self, way: Way) -> Sql {
        let mut sql = Sql::of(self.tenant);
        sql.push("SELECT * FROM (SELECT ").push(LEAD).push(", ");
        match sort_columns(self.by()) {
            [] => self.push_rank_of_status(&mut sql),
            [column, ..] => {
                sql.push("(").push(column).push(" IS NULL)::int::bigint");
            }
        }
        sql.push(" AS rank");
        self.push_sort_values(&mut sql);
        sql.push("\n");
        sql.push_leads(way, self.filter());
        sql.push(") AS gathered WHERE true");
        if let Some(position) = &self.position {
            let rank = i64::try_from(self.rank_of(position)).unwrap_or(i64::MAX);
            sql.push(" AND (rank > ").bind(rank);
            sql.push(" OR rank = ").bind(rank);
            self.push_beyond(&mut sql, position, "sorted_by_");
            sql.push(")");
        }
        sql.push("\nORDER BY rank, ");
        self.push_order(&mut sql, "sorted_by_");
        self.push_limit(&mut sql);
        sql
    }

    const fn filter(&self) -> &'a LeadFilter {
        self.query.filter()
    }

    const fn by(&self) -> SortBy {
        self.query.sorting().by
    }

    const fn is_descending(&self) -> bool {
        matches!(self.query.sorting().direction, Direction::Descending)
    }

    fn arms(&self, way: Way) -> Vec<Arm<'a>> {
        let filter = self.filter();
        let sources: Vec<Option<&str>> = match way.covers.contains(Parts::SOURCE) {
            true => filter
                .sources
                .iter()
                .map(|slug| Some(slug.as_str()))
                .collect(),
            false => vec![None],
        };
        let withouts: &[bool] = match is_nullable(self.by()) {
            true => &[false, true],
            false => &[false],
        };
        let first = self
            .position
            .as_ref()
            .map_or(0, |position| self.rank_of(position));
        let mut arms = Vec::new();
        for (rank, status) in self.statuses(way) {
            for &source in &sources {
                for &archived in shelves(filter.archived) {
                    for &is_without in withouts {
                        arms.push(Arm {
                            rank: rank + usize::from(is_without),
                            archived,
                            status,
                            source,
                            is_without,
                        });
                    }
                }
            }
        }
        arms.retain(|arm| arm.rank >= first);
        arms
    }

    /// The statuses of which a way has arms, with the ranks of these.
    fn statuses(&self, way: Way) -> Vec<(usize, Option<&'a str>)> {
        let statuses = &self.filter().statuses;
        if self.by() == SortBy::Status {
            let in_order = self.order.iter();
            let passing = in_order.filter(|slug| statuses.is_empty() || statuses.contains(*slug));
            return passing
                .map(|slug| (self.rank_of_status(slug.as_str()), Some(slug.as_str())))
                .collect();
        }
        if way.covers.contains(Parts::STATUS) {
            return statuses
                .iter()
                .map(|slug| (0, Some(slug.as_str())))
                .collect();
        }
        vec![(0, None)]
    }

    fn rank_of_status(&self, slug: &str) -> usize {
        let place = self.order.iter().position(|known| known == slug);
        let place = place.unwrap_or(self.order.len());
        match self.is_descending() {
            true => self.order.len() - place,
            false => place,
        }
    }

    /// The rank of the arms in which a position is.
    fn rank_of(&self, position: &Position) -> usize {
        match self.by() {
            SortBy::Status => self.rank_of_status(position.text().unwrap_or_default()),
            _ => usize::from(position.key.is_none()),
        }
    }

    fn push_indexed(&self, sql: &mut Sql, way: Way, arm: &Arm<'_>) {
        sql.push("\nFROM crm_leads WHERE tenant = ").push(TENANT);
        push_shelf(sql, arm);
        let mut rest = Parts::of(self.filter());
        if let Some(status) = arm.status {
            sql.push(" AND status = ").bind(status.to_owned());
            rest = rest.without(Parts::STATUS);
        }
        if let Some(source) = arm.source {
            sql.push(" AND source = ").bind(source.to_owned());
            rest = rest.without(Parts::SOURCE);
        }
        if way.covers.contains(Parts::ASSIGNEE) {
            sql.assignee(self.filter());
            rest = rest.without(Parts::ASSIGNEE);
        }
        let rest = self.push_range(sql, rest);
        self.push_place(sql, arm);
        sql.conditions(self.filter(), rest, way.keys);
    }

    /// No more keys than the page has leads: those of a tag come in created order.
    fn push_tagged(&self, sql: &mut Sql, place: usize, arm: &Arm<'_>) {
        let tag = self.filter().tags.iter().nth(place);
        sql.push("\nFROM (SELECT id AS tagged FROM crm_tags WHERE tenant = ")
            .push(TENANT);
        push_shelf(sql, arm);
        sql.push(" AND tag = ")
            .bind(tag.map(|tag| tag.as_str().to_owned()));
        self.push_range(sql, Parts::of(self.filter()));
        self.push_place(sql, arm);
        let direction = self.direction();
        sql.push(" ORDER BY created_at").push(direction);
        sql.push(", id").push(direction);
        self.push_limit(sql);
        sql.push(") AS keys\nJOIN crm_leads ON tenant = ")
            .push(TENANT)
            .push(" AND id = tagged");
    }

    /// The filter by the time that is sorted by, less the end that the position makes needless: of
    /// two such ends, the database would begin at one, and not always at the nearer. Returns the
    /// filters that are left.
    fn push_range(&self, sql: &mut Sql, parts: Parts) -> Parts {
        let filter = self.filter();
        let since = filter.in_status_since.map(|time| time.timestamp_micros());
        let (part, column, (from, before)) = match self.by() {
            SortBy::CreatedAt => (Parts::CREATED, "created_at", filter.created.micros()),
            SortBy::UpdatedAt => (Parts::UPDATED, "updated_at", filter.updated.micros()),
            SortBy::StatusChangedAt => {
                let before = since.map(|since| since.saturating_add(1));
                (Parts::SINCE, "status_changed_at", (None, before))
            }
            _ => return parts,
        };
        let at = self.position.as_ref().and_then(Position::micros);
        let from = from.filter(|from| self.is_descending() || at.is_none_or(|at| at < *from));
        let before = before.filter(|end| !self.is_descending() || at.is_none_or(|at| at >= *end));
        sql.range(column, (from, before));
        parts.without(part)
    }

    /// Where an arm begins.
    fn push_place(&self, sql: &mut Sql, arm: &Arm<'_>) {
        let here = |position: &&Position| self.rank_of(position) == arm.rank;
        let position = self.position.as_ref().filter(here);
        let columns = sort_columns(self.by());
        let column = columns.first().copied().unwrap_or_default();
        if arm.is_without {
            for column in columns {
                sql.push(" AND ").push(column).push(" IS NULL");
            }
        } else if is_nullable(self.by()) && (position.is_none() || self.is_descending()) {
            sql.push(" AND ").push(column).push(" IS NOT NULL");
        }
        if let Some(position) = position {
            self.push_beyond(sql, position, "");
        }
    }

    /// Only what follows a position among those of its rank.
    fn push_beyond(&self, sql: &mut Sql, position: &Position, prefix: &str) {
        let beyond = if self.is_descending() { " < " } else { " > " };
        if self.by() == SortBy::Status || position.key.is_none() {
            sql.push(" AND id").push(beyond);
            sql.bind(position.id.as_bytes().to_vec());
            return;
        }
        sql.push(" AND (");
        for column in sort_columns(self.by()) {
            sql.push(prefix).push(column).push(", ");
        }
        sql.push("id)").push(beyond).push("(");
        match self.by() {
            SortBy::CreatedAt | SortBy::UpdatedAt | SortBy::StatusChangedAt => {
                sql.bind(position.micros());
            }
            SortBy::Value => {
                let money = position.money();
                sql.bind(money.map(|(currency, _)| currency.to_owned()));
                sql.push(", ").bind(money.map(|(_, minor)| minor));
            }
            _ => drop(sql.bind(position.key.clone())),
        }
        sql.push(", ")
            .bind(position.id.as_bytes().to_vec())
            .push(")");
    }

    fn push_rank_of_status(&self, sql: &mut Sql) {
        sql.push("CASE status");
        for slug in self.order {
            let rank = self.rank_of_status(slug.as_str()).to_string();
            sql.push(" WHEN ").bind(slug.as_str().to_owned());
            sql.push(" THEN ").push(&rank).push("::bigint");
        }
        // A CASE of nothing is no SQL.
        sql.push(" WHEN '' THEN 0::bigint END");
    }

    fn push_sort_values(&self, sql: &mut Sql) {
        for column in sort_columns(self.by()) {
            sql.push(", ")
                .push(column)
                .push(" AS sorted_by_")
                .push(column);
        }
    }

    fn push_order(&self, sql: &mut Sql, prefix: &str) {
        let direction = self.direction();
        for column in sort_columns(self.by()) {
            sql.push(prefix).push(column).push(direction);
            sql.push(", ");
        }
        sql.push("id").push(direction);
    }

    /// As a number, not a parameter: a plan for any limit would be one for a tenth of the leads.
    fn push_limit(&self, sql: &mut Sql) {
        sql.push("\nLIMIT ").push(&self.page_and_one().to_string());
    }

    const fn direction(&self) -> &'static str {
        if self.is_descending() { " DESC" } else { "" }
    }

    fn page_and_one(&self) -> usize {
        self.query.page_limit().as_usize() + 1
    }
}

fn push_shelf(sql: &mut Sql, arm: &Arm<'_>) {
    sql.push(match arm.archived {
        true => " AND archived = true",
        false => " AND archived = false",
    });
}

/// The columns that a list is sorted by. A list by status has its order from the statuses.
const fn sort_columns(by: SortBy) -> &'static [&'static str] {
    match by {
        SortBy::CreatedAt => &["created_at"],
        SortBy::UpdatedAt => &["updated_at"],
        SortBy::StatusChangedAt => &["status_changed_at"],
        SortBy::Name => &["name_sort"],
        SortBy::Company => &["company_sort"],
        SortBy::Email => &["email_sort"],
        SortBy::Value => &["value_currency", "value_minor"],
        _ => &[],
    }
}

/// Whether a lead may be without the value.
const fn is_nullable(by: SortBy) -> bool {
    matches!(
        by,
        SortBy::Name | SortBy::Company | SortBy::Email | SortBy::Value
    )
}
