//! The place in a list of leads where a page ends, and the cursor that carries it.

use super::sort::ValueKind;
use super::{Binding, Cursor, InvalidCursor, LeadQuery, SortBy, sort_value};
use crate::lead::{Lead, LeadId, LeadStatus, TenantId};

/// The last lead of a page: what it is sorted by, and its id. The next page begins after it.
#[derive(Clone, PartialEq, Eq)]
pub struct Position {
    /// Its [`sort_value`]; `None` if it has none, and so is among the last.
    pub key: Option<Vec<u8>>,
    /// Its id.
    pub id: LeadId,
}

/// A cursor that was opened.
pub(crate) struct Opened {
    pub(crate) position: Position,
    binding: Binding,
}

impl Opened {
    /// The cursor to the page after this position, in the same list.
    pub(crate) fn cursor_at(&self, last: &Position) -> Cursor {
        Cursor::seal(self.binding, &last.to_bytes())
    }
}

const HAS_VALUE: u8 = 1;
const HAS_NONE: u8 = 2;
const ID: usize = 16;

impl Position {
    /// The position of a lead in a list sorted by this.
    #[must_use]
    pub fn of(by: SortBy, lead: &Lead) -> Self {
        Self {
            key: sort_value(by, lead),
            id: lead.id,
        }
    }

    /// In a list sorted by a time, the microseconds since 1970.
    #[must_use]
    pub fn micros(&self) -> Option<i64> {
        let bytes = self.key.as_deref()?.try_into().ok()?;
        Some(i64::from_be_bytes(bytes) ^ i64::MIN)
    }

    /// In a list sorted by a text, its sort key; in one sorted by status, the slug. `None` if the
    /// lead has no value.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// In a list sorted by value, the currency's code and the minor units. `None` if the lead has
    /// no value.
    #[must_use]
    pub fn money(&self) -> Option<(&str, i64)> {
        let (code, amount) = self.key.as_deref()?.split_at_checked(3)?;
        let amount = i64::from_be_bytes(amount.try_into().ok()?) ^ i64::MIN;
        Some((std::str::from_utf8(code).ok()?, amount))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let key = self.key.as_deref();
        let mut bytes = Vec::with_capacity(1 + key.map_or(0, <[u8]>::len) + ID);
        bytes.push(if key.is_some() { HAS_VALUE } else { HAS_NONE });
        bytes.extend_from_slice(key.unwrap_or_default());
        bytes.extend_from_slice(self.id.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, id) = bytes.split_last_chunk::<ID>()?;
        let key = match body.split_first()? {
            (&HAS_VALUE, key) => Some(key.to_vec()),
            (&HAS_NONE, []) => None,
            _ => return None,
        };
        let id = LeadId::from_bytes(*id);
        Some(Self { key, id })
    }

    /// Whether a list sorted by this can have such a position. A cursor can be made up, so a
    /// backend relies on this and not on who made it.
    fn fits(&self, by: SortBy, order: &[LeadStatus]) -> bool {
        match by.kind() {
            ValueKind::Time => self.micros().is_some(),
            ValueKind::Text => {
                self.key.is_none() || self.text().is_some_and(|text| !text.contains('\0'))
            }
            ValueKind::Money => self.key.is_none() || self.money().is_some(),
            ValueKind::Status => self
                .text()
                .is_some_and(|slug| order.iter().any(|known| known == slug)),
        }
    }
}

/// A position may hold a name or an e-mail address: only the id is shown.
impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Position")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl LeadQuery {
    /// The cursor to the page after this lead. `order` is the order of the statuses, which a cursor
    /// of a list sorted by status depends on.
    #[must_use]
    pub fn cursor_after(&self, tenant: &TenantId, order: &[LeadStatus], last: &Lead) -> Cursor {
        self.cursor_at(tenant, order, &Position::of(self.sorting().by, last))
    }

    /// The cursor to the page after this position.
    ///
    /// A backend whose reads are not all of one moment makes the position from what it found in its
    /// index, because the lead may have moved on in the meantime.
    #[must_use]
    pub fn cursor_at(&self, tenant: &TenantId, order: &[LeadStatus], last: &Position) -> Cursor {
        Cursor::seal(self.binding(tenant, order), &last.to_bytes())
    }

    /// Where the page begins: after this position, or at the start if there is none.
    ///
    /// # Errors
    ///
    /// A cursor of another query or tenant, or made up.
    pub fn position(
        &self,
        tenant: &TenantId,
        order: &[LeadStatus],
    ) -> Result<Option<Position>, InvalidCursor> {
        let opened = self.open(tenant, order)?;
        Ok(opened.map(|opened| opened.position))
    }

    /// Opens the cursor, if there is one, and keeps what it was bound to for the cursor to the next
    /// page.
    pub(crate) fn open(
        &self,
        tenant: &TenantId,
        order: &[LeadStatus],
    ) -> Result<Option<Opened>, InvalidCursor> {
        let Some(cursor) = self.cursor() else {
            return Ok(None);
        };
        let binding = self.binding(tenant, order);
        let position = Position::from_bytes(cursor.open(binding)?)
            .filter(|position| position.fits(self.sorting().by, order))
            .ok_or(InvalidCursor::Malformed)?;
        Ok(Some(Opened { position, binding }))
    }

    /// Tenant, filter and sort, and the order of the statuses where it matters. Not the limit and
    /// the total, which may change from page to page.
    fn binding(&self, tenant: &TenantId, order: &[LeadStatus]) -> Binding {
        let order = match self.sorting().by {
            SortBy::Status => order,
            _ => &[],
        };
        // Fails only for types that do not know their length, which a filter holds none of.
        let question = (self.filter(), self.sorting(), order);
        let question = postcard::to_extend(&question, Vec::with_capacity(128));
        Binding::new(
            "leads",
            &[tenant.as_str().as_bytes(), &question.unwrap_or_default()],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Money;
    use crate::query::testing::{at, lead};
    use crate::query::{Archived, Limit, Sort, Total};

    const ORDER: [LeadStatus; 3] = [LeadStatus::NEW, LeadStatus::CONTACTED, LeadStatus::LOST];

    fn someone() -> Lead {
        let mut lead = lead(7);
        lead.first_name = Some("John".into());
        lead.last_name = Some("Doe".into());
        lead.value = Some(Money::new(1_250, "USD").unwrap());
        lead.created_at = at(-5);
        lead
    }

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    fn reopened(query: LeadQuery, lead: &Lead) -> Position {
        let cursor = query.cursor_after(&tenant(), &ORDER, lead);
        let returned = cursor.to_string().parse().unwrap();
        let query = query.after(returned);
        query.position(&tenant(), &ORDER).unwrap().unwrap()
    }

    #[test]
    fn a_cursor_brings_back_value_and_id() {
        let john = someone();
        for by in SortBy::ALL {
            let sort: Sort = by.as_str().parse().unwrap();
            let position = reopened(LeadQuery::new().sort(sort), &john);
            assert_eq!(position, Position::of(by, &john), "{by}");
        }
        let of = |by| Position::of(by, &john);
        assert_eq!(of(SortBy::CreatedAt).micros(), Some(-5_000_000));
        assert_eq!(of(SortBy::Name).text(), Some("doe\u{1}john"));
        assert_eq!(of(SortBy::Value).money(), Some(("USD", 1_250)));
        assert_eq!(of(SortBy::Status).text(), Some("new"));
        assert_eq!(of(SortBy::Email).key, None);
    }

    #[test]
    fn limit_and_total_may_change_from_page_to_page() {
        let query = LeadQuery::new().status("new");
        let cursor = query.cursor_after(&tenant(), &ORDER, &someone());
        let next = query.limit(7).total(Total::Exact).after(cursor);
        assert!(next.position(&tenant(), &ORDER).is_ok());
        assert_eq!(next.page_limit(), Limit::new(7).unwrap());
    }

    #[test]
    fn a_cursor_of_another_query_is_refused() {
        let base = || LeadQuery::new().status("new").sort(Sort::name());
        let cursor = base().cursor_after(&tenant(), &ORDER, &someone());
        for other in [
            base().status("lost"),
            base().sort(Sort::name().descending()),
            base().sort(Sort::company()),
            base().archived(Archived::Only),
            base().unassigned(),
            base().assigned_to("u"),
            base().source("website"),
            base().tag("vip"),
            base().created_from(at(1)),
            base().created_before(at(1)),
            base().updated_from(at(1)),
            base().updated_before(at(1)),
            base().in_status_since(at(1)),
            base().email("john@example.com"),
            base().search("john"),
        ] {
            assert_eq!(
                other
                    .clone()
                    .after(cursor.clone())
                    .position(&tenant(), &ORDER),
                Err(InvalidCursor::OtherQuery),
                "{other:?}"
            );
        }
        let same = base().after(cursor);
        assert_eq!(
            same.position(&TenantId::DEFAULT, &ORDER),
            Err(InvalidCursor::OtherQuery)
        );
        assert!(same.position(&tenant(), &ORDER).is_ok());
    }

    #[test]
    fn only_a_list_by_status_depends_on_the_order_of_the_statuses() {
        let mut reordered = ORDER;
        reordered.reverse();
        for (sort, result) in [
            (Sort::status(), Err(InvalidCursor::OtherQuery)),
            (Sort::name(), Ok(())),
        ] {
            let query = LeadQuery::new().sort(sort);
            let cursor = query.cursor_after(&tenant(), &ORDER, &someone());
            let position = query.after(cursor).position(&tenant(), &reordered);
            assert_eq!(position.map(drop), result);
        }
    }

    #[test]
    fn a_made_up_position_is_refused() {
        let id = [7; 16];
        let made_up = |sort: Sort, position: &[u8]| {
            let query = LeadQuery::new().sort(sort);
            let binding = query.binding(&tenant(), &ORDER);
            let query = query.after(Cursor::seal(binding, position));
            query.position(&tenant(), &ORDER)
        };
        for (sort, head) in [
            (Sort::created(), &b""[..]),
            (Sort::created(), b"\x00"),
            (Sort::created(), b"\x02"),
            (Sort::created(), b"\x011234567"),
            (Sort::created(), b"\x01123456789"),
            (Sort::name(), b"\x01\xff"),
            (Sort::name(), b"\x01a\0b"),
            (Sort::name(), b"\x02a"),
            (Sort::value(), b"\x01USD"),
            (Sort::status(), b"\x01qualified"),
            (Sort::status(), b"\x02"),
        ] {
            let position = [head, &id].concat();
            assert_eq!(
                made_up(sort, &position),
                Err(InvalidCursor::Malformed),
                "{sort} {head:?}"
            );
        }
        assert_eq!(
            made_up(Sort::name(), b"short"),
            Err(InvalidCursor::Malformed)
        );
        assert!(made_up(Sort::name(), &[&b"\x02"[..], &id].concat()).is_ok());
    }
}
