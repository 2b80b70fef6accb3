//! What the store says of itself: format, layout of its indexes, how often it was opened, which
//! number the next tenant gets.

use crate::draft::{Before, Write};
use crate::error::{Result, disagrees};
use crate::key::TenantNumber;
use crate::table::{Head, Table, Tables};
use crm_core::index::LAYOUT_VERSION;
use crm_core::repository::RepositoryErrorKind;
use crm_core::text::FOLDING_VERSION;
use sled::IVec;

/// The number of the format written here. Whoever changes the meaning of anything that is stored
/// raises it, and keeps reading the ones before.
pub(crate) const FORMAT: u32 = 1;

/// How counters are stored. Counters are made from the leads, as the indexes are, so whoever changes
/// this raises its number, and stores that have it otherwise ask to be rebuilt.
const COUNTERS_VERSION: u32 = 2;

const FORMAT_KEY: &[u8] = b"format";
const INDEXES_KEY: &[u8] = b"indexes";
const OPENED_KEY: &[u8] = b"opened";
const TENANTS_KEY: &[u8] = b"tenants";

/// Events are numbered on from here after every opening: a reader of the feed whose last events
/// were lost in a crash, as the weaker durabilities allow, so misses none of those that follow.
const POSITIONS_PER_OPENING: u64 = 1 << 40;

fn entry(tables: &Tables, key: &[u8]) -> Result<Option<IVec>> {
    Ok(tables.get(Table::Meta, key)?)
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers = <[[u8; 4]; N]>::try_from(numbers).ok()?;
    rest.is_empty().then(|| numbers.map(u32::from_be_bytes))
}

/// Whether the database says that it is a store; `NewerFormat` if of a newer version. Nothing is
/// written, so that what this version does not know stays as it is.
pub(crate) fn is_described(db: &sled::Db) -> Result<bool> {
    let name = Table::Meta.name();
    if !db
        .tree_names()
        .iter()
        .any(|known| *known == name.as_bytes())
    {
        return Ok(false);
    }
    let Some(bytes) = db.open_tree(name)?.get(FORMAT_KEY)? else {
        return Ok(false);
    };
    match numbers(&bytes) {
        Some([FORMAT]) => Ok(true),
        Some([found]) if found > FORMAT => Err(RepositoryErrorKind::NewerFormat {
            found,
            supported: FORMAT,
        }
        .into()),
        _ => Err(disagrees(Table::Meta)),
    }
}

fn write(key: &[u8], before: Option<IVec>, after: Option<Vec<u8>>) -> Write {
    Write {
        table: Table::Meta,
        key: key.into(),
        before: before.map_or(Before::Absent, Before::Exactly),
        after: after.map(Into::into),
    }
}

/// Describes a new store.
pub(crate) fn describe() -> Vec<Write> {
    vec![
        write(FORMAT_KEY, None, Some(FORMAT.to_be_bytes().into())),
        write(INDEXES_KEY, None, Some(current_indexes())),
        write(OPENED_KEY, None, Some(0u64.to_be_bytes().into())),
        write(TENANTS_KEY, None, Some(Tenants::default().to_bytes())),
    ]
}

fn current_indexes() -> Vec<u8> {
    let versions = [LAYOUT_VERSION, FOLDING_VERSION, COUNTERS_VERSION];
    versions.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Whether the indexes are laid out and folded as here, and complete.
pub(crate) fn indexes_are_current(tables: &Tables) -> Result<bool> {
    let stored = entry(tables, INDEXES_KEY)?;
    Ok(stored.is_some_and(|stored| *stored == *current_indexes()))
}

/// Marks the indexes as incomplete.
pub(crate) fn begin_rebuild(tables: &Tables) -> Result<Vec<Write>> {
    Ok(match entry(tables, INDEXES_KEY)? {
        Some(stored) => vec![write(INDEXES_KEY, Some(stored), None)],
        None => Vec::new(),
    })
}

/// Marks the indexes as those of this version.
pub(crate) fn end_rebuild() -> Vec<Write> {
    vec![write(INDEXES_KEY, None, Some(current_indexes()))]
}

/// Counts an opening. Returns what is to be written, and the position below which no event of this
/// opening is.
pub(crate) fn count_opening(tables: &Tables) -> Result<(Vec<Write>, u64)> {
    let stored = entry(tables, OPENED_KEY)?.ok_or_else(|| disagrees(Table::Meta))?;
    let before = <[u8; 8]>::try_from(&*stored).map_err(|_| disagrees(Table::Meta))?;
    let before = u64::from_be_bytes(before);
    let now = before.saturating_add(1);
    let opening = write(OPENED_KEY, Some(stored), Some(now.to_be_bytes().into()));
    Ok((vec![opening], before.saturating_mul(POSITIONS_PER_OPENING)))
}

/// How many tenants there are and have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tenants {
    /// The last number given to one.
    last: u32,
    /// How many have a head, those being erased included.
    pub(crate) heads: u32,
    /// The commits of those that were erased, and the erasing itself as one each.
    pub(crate) made: u64,
}

impl Tenants {
    fn to_bytes(self) -> Vec<u8> {
        let made = self.made.to_be_bytes();
        [
            &self.last.to_be_bytes()[..],
            &self.heads.to_be_bytes(),
            &made,
        ]
        .concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (last, rest) = bytes.split_first_chunk()?;
        let (heads, rest) = rest.split_first_chunk()?;
        Some(Self {
            last: u32::from_be_bytes(*last),
            heads: u32::from_be_bytes(*heads),
            made: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }

    fn stored(tables: &Tables) -> Result<(Self, IVec)> {
        let stored = entry(tables, TENANTS_KEY)?.ok_or_else(|| disagrees(Table::Meta))?;
        let tenants = Self::from_bytes(&stored).ok_or_else(|| disagrees(Table::Meta))?;
        Ok((tenants, stored))
    }

    pub(crate) fn read(tables: &Tables) -> Result<Self> {
        Ok(Self::stored(tables)?.0)
    }

    /// A number for a new tenant, and what is to be written so that no other gets it.
    pub(crate) fn add(tables: &Tables) -> Result<(TenantNumber, Write)> {
        let (mut tenants, stored) = Self::stored(tables)?;
        // The last number of all is the end of a range.
        if tenants.last >= u32::MAX - 1 {
            return Err(RepositoryErrorKind::Unsupported {
                what: "more than four billion tenants",
            }
            .into());
        }
        tenants.last += 1;
        tenants.heads += 1;
        let write = write(TENANTS_KEY, Some(stored), Some(tenants.to_bytes()));
        Ok((TenantNumber::new(tenants.last), write))
    }

    /// What is to be written when a tenant's head goes.
    pub(crate) fn subtract(tables: &Tables, head: &Head) -> Result<Write> {
        let (mut tenants, stored) = Self::stored(tables)?;
        tenants.heads = tenants.heads.saturating_sub(1);
        tenants.made = tenants.made.saturating_add(head.made).saturating_add(1);
        Ok(write(TENANTS_KEY, Some(stored), Some(tenants.to_bytes())))
    }
}
