//! The statements of lists: in the order of an index, or sorted.

use crate::arm::{Arm, is_nullable, rank_of, rank_of_status, sort_columns};
use crate::count::push_counters;
use crate::error::Result;
use crate::lead_row::LEAD;
use crate::plan::{Keys, Parts, Way};
use crate::reading::{Columns, read_lead};
use crate::statement::{Dialect, Statement};
use crate::value::Value;
use crm_core::index::Counter;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{Assignee, Direction, LeadFilter, LeadQuery, Page, Position, SortBy};

/// A query that is being answered.
pub(crate) struct Listing<'a> {
    dialect: &'static Dialect,
    tenant: &'a TenantId,
    query: &'a LeadQuery,
    /// The statuses in order, for a list sorted by status.
    order: &'a [LeadStatus],
    /// Where the page begins.
    position: Option<Position>,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(
        dialect: &'static Dialect,
        tenant: &'a TenantId,
        query: &'a LeadQuery,
        order: &'a [LeadStatus],
    ) -> Result<Self> {
        let position = query.position(tenant, order)?;
        Ok(Self {
            dialect,
            tenant,
            query,
            order,
            position,
        })
    }

    /// A page of the rows that were read: one more than it holds tells that another follows.
    pub(crate) fn page(&self, rows: &[impl Columns]) -> Result<Page<Lead>> {
        let limit = self.query.page_limit().as_usize();
        let leads = rows.iter().take(limit).map(read_lead);
        let leads: Vec<Lead> = leads.collect::<Result<_>>()?;
        let last = leads.last().filter(|_| rows.len() > limit);
        let next = last.map(|last| self.query.cursor_after(self.tenant, self.order, last));
        Ok(Page::new(leads, next))
    }

    /// In the order in which the keys of a way stand. With counters, every row carries their sum
    /// after its lead.
    pub(crate) fn walk(&self, way: Way, counters: Option<&[Counter]>) -> Statement<'_> {
        let mut sql = Statement::of(self.dialect, self.tenant);
        let first = self
            .position
            .as_ref()
            .map(|position| self.rank_of(position));
        let arms = Arm::all(self.query, self.order, way, first.unwrap_or_default());
        match arms.as_slice() {
            [] => drop(
                sql.push("SELECT ")
                    .push(LEAD)
                    .push(" FROM crm_leads WHERE false"),
            ),
            [arm] => self.push_arm(&mut sql, way, arm, counters),
            arms if self.dialect.merges => self.push_merged(&mut sql, way, arms, counters),
            arms => self.push_sorted(&mut sql, way, arms, counters),
        }
        sql
    }

    /// Arms of one rank are merged: `SELECT … UNION ALL SELECT … ORDER BY … LIMIT …`. Ranks follow
    /// each other: SQLite answers the parts of a `UNION ALL` one after the other, and none after
    /// the limit. (As a first value to sort by, the rank would make it sort everything.)
    fn push_merged<'s>(
        &'s self,
        sql: &mut Statement<'s>,
        way: Way,
        arms: &[Arm<'s>],
        counters: Option<&[Counter]>,
    ) {
        let ranks: Vec<&[Arm<'_>]> = arms.chunk_by(|a, b| a.rank == b.rank).collect();
        for (place, arms) in ranks.iter().enumerate() {
            sql.push(if place > 0 { "\nUNION ALL\n" } else { "" });
            sql.push(if ranks.len() > 1 {
                "SELECT * FROM ("
            } else {
                ""
            });
            match arms {
                [arm] => self.push_arm(sql, way, arm, counters),
                arms => {
                    for (place, arm) in arms.iter().enumerate() {
                        sql.push(if place > 0 { "\nUNION ALL\n" } else { "" });
                        self.push_select(sql, counters);
                        self.push_sort_values(sql);
                        self.push_from(sql, way, arm);
                    }
                    self.push_order(sql.push("\nORDER BY "), "sorted_by_");
                    sql.limit(self.page_and_one());
                }
            }
            sql.push(if ranks.len() > 1 { ")" } else { "" });
        }
        if ranks.len() > 1 {
            sql.limit(self.page_and_one());
        }
    }

    /// No more than a page is read of each arm, and these few are put in order, those of a lower
    /// rank first: `(SELECT … ORDER BY … LIMIT …) UNION ALL (…) ORDER BY … LIMIT …`.
    fn push_sorted<'s>(
        &'s self,
        sql: &mut Statement<'s>,
        way: Way,
        arms: &[Arm<'s>],
        counters: Option<&[Counter]>,
    ) {
        for (place, arm) in arms.iter().enumerate() {
            sql.push(if place > 0 { "\nUNION ALL\n(" } else { "(" });
            self.push_select(sql, counters);
            sql.push(", ").push(&arm.rank.to_string());
            sql.push(" AS sorted_by_rank");
            self.push_sort_values(sql);
            self.push_from(sql, way, arm);
            self.push_order_of_arm(sql, way, arm);
            sql.push(")");
        }
        sql.push("\nORDER BY sorted_by_rank, ");
        self.push_order(sql, "sorted_by_");
        sql.limit(self.page_and_one());
    }

    /// `SELECT … FROM … WHERE … ORDER BY … LIMIT …`
    fn push_arm<'s>(
        &'s self,
        sql: &mut Statement<'s>,
        way: Way,
        arm: &Arm<'s>,
        counters: Option<&[Counter]>,
    ) {
        self.push_select(sql, counters);
        self.push_from(sql, way, arm);
        self.push_order_of_arm(sql, way, arm);
    }

    fn push_select(&self, sql: &mut Statement<'_>, counters: Option<&[Counter]>) {
        sql.push("SELECT ").push(LEAD);
        if let Some(counters) = counters {
            push_counters(sql.push(", "), counters);
            sql.push(" AS total");
        }
    }

    fn push_from<'s>(&'s self, sql: &mut Statement<'s>, way: Way, arm: &Arm<'s>) {
        match way.keys {
            Keys::Index(index) => self.push_indexed(sql, index, way, arm),
            Keys::Tag(place) => self.push_tagged(sql, place, arm),
            // Words come in no order of leads.
            Keys::Word(_) => {}
        }
    }

    /// Some databases must be told a column that is NULL in all rows to see the order in which an
    /// index has them, and some must not.
    fn push_order_of_arm(&self, sql: &mut Statement<'_>, way: Way, arm: &Arm<'_>) {
        sql.push("\nORDER BY ");
        let is_nobodys = matches!(self.filter().assignee, Some(Assignee::Nobody));
        if is_nobodys && way.covers.contains(Parts::ASSIGNEE) && self.dialect.orders_by_null {
            sql.push("assigned_to").push(self.direction()).push(", ");
        }
        match arm.is_without && !self.dialect.orders_by_null {
            true => drop(sql.push("id").push(self.direction())),
            false => self.push_order(sql, ""),
        }
        sql.limit(self.page_and_one());
    }

    /// All matches of a way, sorted.
    pub(crate) fn gather(&self, way: Way) -> Statement<'_> {
        let mut sql = Statement::of(self.dialect, self.tenant);
        sql.push("SELECT * FROM (SELECT ").push(LEAD).push(", ");
        match sort_columns(self.by()) {
            [] => self.push_rank_of_status(&mut sql),
            [column, ..] => {
                sql.push("CASE WHEN ").push(column);
                sql.push(" IS NULL THEN 1 ELSE 0 END");
            }
        }
        sql.push(" AS sorted_by_rank");
        self.push_sort_values(&mut sql);
        sql.push("\n").leads_of(way, self.filter());
        sql.push(") AS gathered WHERE true");
        if let Some(position) = &self.position {
            let rank = i64::try_from(self.rank_of(position)).unwrap_or(i64::MAX);
            sql.push(" AND (sorted_by_rank > ").number(rank);
            sql.push(" OR sorted_by_rank = ").number(rank);
            self.push_beyond(&mut sql, position, "sorted_by_");
            sql.push(")");
        }
        sql.push("\nORDER BY sorted_by_rank, ");
        self.push_order(&mut sql, "sorted_by_");
        sql.limit(self.page_and_one());
        sql
    }

    fn push_rank_of_status<'s>(&'s self, sql: &mut Statement<'s>) {
        sql.push("CASE status");
        for slug in self.order {
            let rank = rank_of_status(self.query, self.order, slug.as_str()).to_string();
            sql.push(" WHEN ").text(slug.as_str());
            sql.push(" THEN ").push(&rank);
        }
        // A CASE of nothing is no SQL.
        sql.push(" WHEN '' THEN 0 END");
    }

    fn push_indexed<'s>(&'s self, sql: &mut Statement<'s>, index: &str, way: Way, arm: &Arm<'s>) {
        sql.push("\nFROM ").by_index("crm_leads", index);
        sql.push("\nWHERE tenant = ").tenant();
        sql.and_archived(arm.archived);
        let mut rest = Parts::of(self.filter());
        if let Some(status) = arm.status {
            sql.push(" AND status = ").text(status);
            rest = rest.without(Parts::STATUS);
        }
        if let Some(source) = arm.source {
            sql.push(" AND source = ").text(source);
            rest = rest.without(Parts::SOURCE);
        }
        if way.covers.contains(Parts::ASSIGNEE) {
            sql.and_assignee(self.filter());
            rest = rest.without(Parts::ASSIGNEE);
        }
        let rest = self.push_range(sql, rest);
        self.push_place(sql, arm);
        sql.and_filtered(self.filter(), rest, way.keys);
    }

    /// No more keys than the page has leads: those of a tag come in created order.
    fn push_tagged<'s>(&'s self, sql: &mut Statement<'s>, place: usize, arm: &Arm<'s>) {
        sql.push("\nFROM (SELECT id AS tagged, created_at AS tagged_at");
        sql.push(" FROM crm_tags WHERE tenant = ");
        sql.tenant().and_archived(arm.archived);
        sql.and_tag(self.filter(), place);
        self.push_range(sql, Parts::of(self.filter()));
        self.push_place(sql, arm);
        self.push_order(sql.push(" ORDER BY "), "");
        sql.limit(self.page_and_one());
        sql.push(") AS keyed");
        sql.join_leads_created("tagged", "tagged_at", arm.archived);
    }

    /// The filter by the time that is sorted by, less the end that the position makes needless: of
    /// two such ends, the database would begin at one, and not always at the nearer. Returns the
    /// filters that are left.
    fn push_range(&self, sql: &mut Statement<'_>, parts: Parts) -> Parts {
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
        sql.and_between(column, (from, before));
        parts.without(part)
    }

    /// Where an arm begins.
    fn push_place<'s>(&'s self, sql: &mut Statement<'s>, arm: &Arm<'_>) {
        let here = |position: &&Position| self.rank_of(position) == arm.rank;
        let position = self.position.as_ref().filter(here);
        let columns = sort_columns(self.by());
        let column = columns.first().copied().unwrap_or_default();
        if arm.is_without {
            for column in columns {
                sql.push(" AND ").push(column).push(" IS NULL");
            }
        } else if is_nullable(self.by()) && (position.is_none() || self.is_descending()) {
            sql.push(" AND ").push(column);
            sql.push(match self.by() {
                _ if self.dialect.begins_after_null => " IS NOT NULL",
                SortBy::Value => " >= ''",
                _ => " >= x''",
            });
        }
        if let Some(position) = position {
            self.push_beyond(sql, position, "");
        }
    }

    /// Only what follows a position among those of its rank.
    fn push_beyond<'s>(&self, sql: &mut Statement<'s>, position: &'s Position, prefix: &str) {
        let values = match self.by() {
            SortBy::Status => Vec::new(),
            _ if position.key.is_none() => Vec::new(),
            SortBy::CreatedAt | SortBy::UpdatedAt | SortBy::StatusChangedAt => {
                vec![Value::Number(position.micros())]
            }
            SortBy::Value => {
                let (currency, minor) = position.money().unzip();
                vec![Value::text(currency), Value::Number(minor)]
            }
            _ => vec![Value::bytes(position.key.as_deref())],
        };
        let columns = sort_columns(self.by()).iter();
        let columns = columns.map(|column| format!("{prefix}{column}"));
        let mut place: Vec<_> = columns.zip(values).collect();
        place.push(("id".to_owned(), Value::bytes(Some(position.id.as_bytes()))));
        sql.and_beyond(self.query.sorting().direction, place);
    }

    fn push_sort_values(&self, sql: &mut Statement<'_>) {
        for column in sort_columns(self.by()) {
            sql.push(", ").push(column);
            sql.push(" AS sorted_by_").push(column);
        }
    }

    fn push_order(&self, sql: &mut Statement<'_>, prefix: &str) {
        let direction = self.direction();
        for column in sort_columns(self.by()) {
            sql.push(prefix).push(column).push(direction).push(", ");
        }
        sql.push("id").push(direction);
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

    const fn direction(&self) -> &'static str {
        if self.is_descending() { " DESC" } else { "" }
    }

    fn rank_of(&self, position: &Position) -> usize {
        rank_of(self.query, self.order, position)
    }

    fn page_and_one(&self) -> u64 {
        u64::from(self.query.page_limit().get()) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::shapes::at;
    use crm_core::lead::LeadId;
    use crm_core::query::Sort;

    /// The statement of the page after a lead that was created at that second.
    fn said(dialect: &'static Dialect, query: LeadQuery) -> String {
        let query = query.sort(Sort::created().descending()).limit(2);
        let key = at(1).timestamp_micros() ^ i64::MIN;
        let position = Position {
            key: Some(key.to_be_bytes().to_vec()),
            id: LeadId::from_bytes([1; 16]),
        };
        let tenant = &TenantId::DEFAULT;
        let query = query.clone().after(query.cursor_at(tenant, &[], &position));
        query.check().unwrap();
        let listing = Listing::new(dialect, tenant, &query, &[]).unwrap();
        let Plan::Exact(way) = Plan::list(query.filter(), query.sorting()) else {
            panic!("no index");
        };
        listing.walk(way, None).text.replace(LEAD, "…")
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_is_asked_for_one_list_and_merges_several() {
        let dialect = <sqlx::SqliteConnection as crate::reading::Reading>::DIALECT;
        assert_eq!(
            said(dialect, LeadQuery::new().unassigned()),
            "SELECT …\n\
             FROM crm_leads INDEXED BY crm_leads_created_assignee\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?1) \
             AND archived = false AND assigned_to IS NULL AND (created_at, id) < (?2, ?3)\n\
             ORDER BY assigned_to DESC, created_at DESC, id DESC\n\
             LIMIT 3"
        );
        assert_eq!(
            said(dialect, LeadQuery::new().status("new").status("lost")),
            "SELECT …, created_at AS sorted_by_created_at\n\
             FROM crm_leads INDEXED BY crm_leads_created_status\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?1) \
             AND archived = false AND status = ?2 AND (created_at, id) < (?3, ?4)\n\
             UNION ALL\n\
             SELECT …, created_at AS sorted_by_created_at\n\
             FROM crm_leads INDEXED BY crm_leads_created_status\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?1) \
             AND archived = false AND status = ?5 AND (created_at, id) < (?6, ?7)\n\
             ORDER BY sorted_by_created_at DESC, id DESC\n\
             LIMIT 3"
        );
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_is_asked_for_one_list_and_sorts_pages_of_several() {
        let dialect = <sqlx::PgConnection as crate::reading::Reading>::DIALECT;
        assert_eq!(
            said(dialect, LeadQuery::new().status("new").status("lost")),
            "(SELECT …, 0 AS sorted_by_rank, created_at AS sorted_by_created_at\n\
             FROM crm_leads\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) \
             AND archived = false AND status = $2 AND (created_at, id) < ($3, $4)\n\
             ORDER BY created_at DESC, id DESC\n\
             LIMIT 3)\n\
             UNION ALL\n\
             (SELECT …, 0 AS sorted_by_rank, created_at AS sorted_by_created_at\n\
             FROM crm_leads\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) \
             AND archived = false AND status = $5 AND (created_at, id) < ($6, $7)\n\
             ORDER BY created_at DESC, id DESC\n\
             LIMIT 3)\n\
             ORDER BY sorted_by_rank, sorted_by_created_at DESC, id DESC\n\
             LIMIT 3"
        );
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_is_told_the_index_and_where_in_it_to_begin() {
        let dialect = <sqlx::MySqlConnection as crate::reading::Reading>::DIALECT;
        assert_eq!(
            said(dialect, LeadQuery::new().unassigned()),
            "SELECT …\n\
             FROM crm_leads FORCE INDEX (crm_leads_created_assignee)\n\
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) \
             AND archived = false AND assigned_to IS NULL \
             AND created_at <= ? AND (created_at < ? OR created_at = ? AND id < ?)\n\
             ORDER BY created_at DESC, id DESC\n\
             LIMIT 3"
        );
        assert_eq!(
            said(dialect, LeadQuery::new().tag("vip")),
            "SELECT …\n\
             FROM (SELECT id AS tagged, created_at AS tagged_at FROM crm_tags \
             WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) \
             AND archived = false AND tag = ? \
             AND created_at <= ? AND (created_at < ? OR created_at = ? AND id < ?) \
             ORDER BY created_at DESC, id DESC\n\
             LIMIT 3) AS keyed\n\
             STRAIGHT_JOIN crm_leads FORCE INDEX (PRIMARY) \
             ON tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND id = tagged\n\
             ORDER BY created_at DESC, id DESC\n\
             LIMIT 3"
        );
    }
}
