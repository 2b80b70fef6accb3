//! What a key-value backend stores beside its leads so that lists, totals and searches walk only
//! what they show.
//!
//! A backend keeps three things: the leads by id, a sorted set of keys, and counters. With every
//! lead it writes it puts and deletes the keys of [`index_changes`] and adds the deltas of
//! [`counter_changes`], in the same transaction. To answer, it implements [`IndexReader`] (a range
//! of keys, a lead by its id, a counter) and calls [`find`] and [`count`], which hold the plan.
//! Everything here is one tenant's: the backend keeps those of different tenants apart.
//!
//! SQL backends need none of this at run time: they keep the same values as columns and leave the
//! plan to their database.
//!
//! # Keys
//!
//! ```text
//! [index] [archived] [what it is filtered by 0x00]… [0x01 value | 0x02] [id]
//!    1        1                                           or nothing      16   bytes
//! ```
//!
//! Values are those of [`sort_value`](crate::query::sort_value), texts ended by 0x00; 0x02 stands
//! for no value, so such leads come last. In byte order, the keys of one index are therefore
//! ordered by what they are filtered by, then value, then id, and each says where it ends.
//!
//! # Costs
//!
//! Per page, in keys read and leads fetched:
//!
//! | query | keys | leads |
//! | --- | --- | --- |
//! | every sort without filter; created and updated by status, by assignee, by both; status changed by status; source, one tag or e-mail in created order; ranges of the time sorted by | the page, one more, and one for each further value of an any-of filter | the page |
//! | any other | (*w* + 2) × the least of: the matches of a filter or word, the leads up to the end of the page in the order asked for; *w* being the number of filters and words | 2 × the same least |
//!
//! No statistics are kept to find the least: all ways are tried in step, and the first to arrive
//! wins. So a text search costs its rarest word's matches, unless a page is filled sooner. A way
//! that arrives by counting its keys is then walked again to fetch the leads, so that no list of
//! ids has to be held: memory is that of the page.
//!
//! Totals by nothing but statuses, assignee and archived leads read counters, one for each status;
//! totals by one of the other filters above read its keys; any other is counted like a list.

mod changes;
#[cfg(test)]
mod costs;
mod count;
mod counters;
mod entries;
mod find;
mod key;
mod plan;
mod range;
mod reader;
#[cfg(test)]
mod testing;
mod walk;

pub use changes::{IndexChanges, index_changes};
pub use count::count;
pub use counters::{Counter, CounterChange, Measure, Shelf, counter_changes, counters_for};
pub use entries::index_entries;
pub use find::{FindError, find};
pub use key::IndexKey;
pub use reader::IndexReader;

/// The version of the keys' layout. A backend stores it beside them, together with
/// [`FOLDING_VERSION`](crate::text::FOLDING_VERSION); when either differs, the keys and counters
/// must be made anew before they are used.
pub const LAYOUT_VERSION: u32 = 1;
