//! What a backend lends to be searched.

use super::IndexKey;
use crate::lead::{Lead, LeadId};
use std::borrow::Borrow;

/// Reads the keys, leads and counters of one tenant, as [`index_changes`](super::index_changes) and
/// [`counter_changes`](super::counter_changes) left them.
///
/// All reads of one moment is best. A backend that cannot have it may read on while others write:
/// leads are checked against the filter once more when they are fetched, and pages continue from
/// the keys, so a lead that does not change meanwhile still appears exactly once.
///
/// ```
/// use crm_core::index::{IndexKey, IndexReader, find};
/// use crm_core::lead::{Lead, LeadId, TenantId};
/// use crm_core::query::{LeadQuery, Total};
/// use std::collections::{BTreeMap, BTreeSet, HashMap, btree_set};
/// use std::convert::Infallible;
/// use std::ops::Bound;
///
/// #[derive(Default)]
/// struct Shelves {
///     keys: BTreeSet<IndexKey>,
///     leads: HashMap<LeadId, Lead>,
///     counters: BTreeMap<IndexKey, i128>,
/// }
///
/// impl IndexReader for Shelves {
///     type Error = Infallible;
///     type Key<'a> = &'a IndexKey;
///     type Keys<'a> = std::iter::Map<
///         btree_set::Range<'a, IndexKey>,
///         fn(&'a IndexKey) -> Result<&'a IndexKey, Infallible>,
///     >;
///     type Record<'a> = &'a Lead;
///
///     fn keys(&self, from: &[u8], to: &[u8]) -> Self::Keys<'_> {
///         let range = (Bound::Included(from), Bound::Excluded(to));
///         self.keys.range::<[u8], _>(range).map(Ok)
///     }
///
///     fn lead(&self, id: LeadId) -> Result<Option<&Lead>, Infallible> {
///         Ok(self.leads.get(&id))
///     }
///
///     fn into_lead(lead: &Lead) -> Lead {
///         lead.clone()
///     }
///
///     fn counter(&self, key: &IndexKey) -> Result<i128, Infallible> {
///         Ok(self.counters.get(key).copied().unwrap_or(0))
///     }
/// }
///
/// let query = LeadQuery::new().status("qualified").total(Total::Exact);
/// let page = find(&Shelves::default(), &TenantId::DEFAULT, &query, &[])?;
/// assert!(page.items.is_empty());
/// # Ok::<(), crm_core::index::FindError<Infallible>>(())
/// ```
pub trait IndexReader {
    /// What can go wrong while reading.
    type Error;

    /// A key, as the backend holds it.
    type Key<'a>: AsRef<[u8]>
    where
        Self: 'a;

    /// A range of keys, read as it is asked for, from either end.
    type Keys<'a>: DoubleEndedIterator<Item = Result<Self::Key<'a>, Self::Error>>
    where
        Self: 'a;

    /// A lead, as the backend holds it or has read it.
    type Record<'a>: Borrow<Lead>
    where
        Self: 'a;

    /// Whether all reads through one reader are of one moment, so that a lead is what its key says
    /// and need not be checked once more.
    const IS_SNAPSHOT: bool = false;

    /// The keys from `from` up to but not including `to`, in byte order. `from` is always below
    /// `to`.
    fn keys(&self, from: &[u8], to: &[u8]) -> Self::Keys<'_>;

    /// A lead; `None` if there is none with this id.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn lead(&self, id: LeadId) -> Result<Option<Self::Record<'_>>, Self::Error>;

    /// The lead itself, to be shown: only what a page shows is copied.
    fn into_lead(record: Self::Record<'_>) -> Lead;

    /// A counter; zero if it was never added to.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn counter(&self, key: &IndexKey) -> Result<i128, Self::Error>;
}
