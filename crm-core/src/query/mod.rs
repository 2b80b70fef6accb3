//! Questions about leads: which ones, in what order, which page of them.
//!
//! [`LeadQuery`] is what an application builds and every backend answers; [`LeadFilter`] is its
//! part that says which leads, and [`LeadFilter::matches`] the meaning that every backend's own
//! way of finding them is held against. Pages follow each other by [`Cursor`]s, which hold the
//! sort value and the id of the last lead and nothing a server has to remember.
//!
//! How a query is answered is not decided here but in [`index`](crate::index), or by a database.

mod builder;
mod check;
mod cursor;
mod filter;
mod page;
mod position;
mod sort;
#[cfg(test)]
pub(crate) mod testing;
mod words;

pub use builder::LeadQuery;
pub use cursor::{Binding, Cursor, InvalidCursor};
pub use filter::{Archived, Assignee, EmailKey, LeadFilter, TagKey, TimeRange};
pub use page::{Limit, Page, Total, TotalCount};
pub use position::Position;
pub use sort::{Direction, Sort, SortBy, sort_value, write_sort_value};
pub use words::{MAX_SEARCH, SearchWords, search_words};

pub(crate) use filter::{micros, micros_up};
pub(crate) use sort::{ValueKind, micros_key};
pub(crate) use words::first_with_prefix;

/// The most values of one any-of filter, and the most tags of a filter.
pub const MAX_VALUES: usize = 100;
