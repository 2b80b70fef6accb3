//! Which part of the answer: limits, pages and totals.

use super::Cursor;
use crate::lead::{Invalid, ProblemKind};
use serde::Serialize;
use std::fmt;

/// How many items a page holds at most: 1 to 1,000, by default 50.
///
/// ```
/// use crm_core::query::Limit;
///
/// assert_eq!(Limit::new(200)?.get(), 200);
/// assert_eq!(
///     Limit::new(0).unwrap_err().to_string(),
///     "limit: is out of range: must be between 1 and 1000",
/// );
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(u16);

impl Limit {
    /// 50.
    pub const DEFAULT: Self = Self(50);
    /// 1,000.
    pub const MAX: Self = Self(1_000);

    /// From a number of items.
    ///
    /// # Errors
    ///
    /// A number that is not between 1 and 1,000 (field `limit`).
    pub fn new(items: u32) -> Result<Self, Invalid> {
        match u16::try_from(items) {
            Ok(items) if (1..=Self::MAX.0).contains(&items) => Ok(Self(items)),
            _ => Err(Invalid::one(
                "limit",
                ProblemKind::OutOfRange {
                    min: 1,
                    max: Self::MAX.0.into(),
                },
            )),
        }
    }

    /// The number of items.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.into()
    }

    /// The number of items, as lengths are counted.
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a page tells how many items there are in all.
///
/// A total of a filter by nothing but status and assignee is kept by the backend and costs nothing;
/// any other is counted, which takes as long as there are leads to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Total {
    /// No.
    #[default]
    Skip,
    /// Yes, whatever it takes.
    Exact,
    /// Up to this number, and beyond it only that there are more.
    UpTo(u64),
}

/// How many items there are in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct TotalCount {
    count: u64,
    is_exact: bool,
}

impl TotalCount {
    /// Exactly so many.
    #[must_use]
    pub const fn exact(count: u64) -> Self {
        Self {
            count,
            is_exact: true,
        }
    }

    /// More than so many.
    #[must_use]
    pub const fn more_than(count: u64) -> Self {
        Self {
            count,
            is_exact: false,
        }
    }

    /// The number, of which [`is_exact`](Self::is_exact) tells whether there are more.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are no more than [`count`](Self::count).
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.is_exact
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
    /// How many items there are on all pages, if that was asked for.
    pub total: Option<TotalCount>,
}

impl<T> Page<T> {
    /// A page without a total.
    #[must_use]
    pub const fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self {
            items,
            next,
            total: None,
        }
    }

    /// The last page, with nothing on it.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new(Vec::new(), None)
    }

    /// The same page with other items, one for each.
    #[must_use]
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(item).collect(),
            next: self.next,
            total: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_in_range() {
        for wrong in [0, 1_001, 65_536 + 5, 10_000_000, u32::MAX] {
            assert!(Limit::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Limit::new(1_000).unwrap(), Limit::MAX);
        assert_eq!(Limit::default().as_usize(), 50);
    }

    #[test]
    fn a_mapped_page_keeps_its_total() {
        let mut page = Page::new(vec![1, 2], None);
        page.total = Some(TotalCount::more_than(7));
        let mapped = page.map(|number| number.to_string());
        assert_eq!(mapped.items, ["1", "2"]);
        assert!(mapped.total.is_some_and(|total| !total.is_exact()));
    }
}
