//! Which trees there are, and how many entries each tenant has in them.

use sled::{Db, IVec, Tree};
use std::sync::atomic::{AtomicBool, Ordering};

/// A tree. The numbers are stored, so they are never changed or used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Table {
    Meta,
    Tenants,
    Heads,
    Erasing,
    Leads,
    Keys,
    Counters,
    Events,
    History,
    Commits,
    Lifecycles,
    Documents,
    Pieces,
}

impl Table {
    /// Those whose entries are counted for each tenant.
    pub(crate) const COUNTED: [Self; 9] = [
        Self::Leads,
        Self::Keys,
        Self::Counters,
        Self::Events,
        Self::History,
        Self::Commits,
        Self::Lifecycles,
        Self::Documents,
        Self::Pieces,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Tenants => "tenants",
            Self::Heads => "heads",
            Self::Erasing => "erasing",
            Self::Leads => "leads",
            Self::Keys => "keys",
            Self::Counters => "counters",
            Self::Events => "events",
            Self::History => "history",
            Self::Commits => "commits",
            Self::Lifecycles => "lifecycles",
            Self::Documents => "documents",
            Self::Pieces => "pieces",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Meta => 0,
            Self::Tenants => 1,
            Self::Heads => 2,
            Self::Erasing => 3,
            Self::Leads => 4,
            Self::Keys => 5,
            Self::Counters => 6,
            Self::Events => 7,
            Self::History => 8,
            Self::Commits => 9,
            Self::Lifecycles => 10,
            Self::Documents => 11,
            Self::Pieces => 12,
        }
    }

    fn counted(self) -> Option<usize> {
        Self::COUNTED.iter().position(|table| *table == self)
    }
}

/// The trees, opened.
#[derive(Debug)]
pub(crate) struct Tables {
    meta: Tree,
    tenants: Tree,
    heads: Tree,
    erasing: Tree,
    leads: Tree,
    keys: Tree,
    counters: Tree,
    events: Tree,
    history: Tree,
    commits: Tree,
    lifecycles: Tree,
    documents: Tree,
    pieces: Tree,
    are_being_written: AtomicBool,
}

impl Tables {
    pub(crate) fn open(db: &Db) -> sled::Result<Self> {
        let open = |table: Table| db.open_tree(table.name());
        Ok(Self {
            meta: open(Table::Meta)?,
            tenants: open(Table::Tenants)?,
            heads: open(Table::Heads)?,
            erasing: open(Table::Erasing)?,
            leads: open(Table::Leads)?,
            keys: open(Table::Keys)?,
            counters: open(Table::Counters)?,
            events: open(Table::Events)?,
            history: open(Table::History)?,
            commits: open(Table::Commits)?,
            lifecycles: open(Table::Lifecycles)?,
            documents: open(Table::Documents)?,
            pieces: open(Table::Pieces)?,
            are_being_written: AtomicBool::new(false),
        })
    }

    pub(crate) const fn tree(&self, table: Table) -> &Tree {
        match table {
            Table::Meta => &self.meta,
            Table::Tenants => &self.tenants,
            Table::Heads => &self.heads,
            Table::Erasing => &self.erasing,
            Table::Leads => &self.leads,
            Table::Keys => &self.keys,
            Table::Counters => &self.counters,
            Table::Events => &self.events,
            Table::History => &self.history,
            Table::Commits => &self.commits,
            Table::Lifecycles => &self.lifecycles,
            Table::Documents => &self.documents,
            Table::Pieces => &self.pieces,
        }
    }

    /// Whether a transaction is being applied, or one was left half.
    pub(crate) fn are_being_written(&self) -> bool {
        self.are_being_written.load(Ordering::SeqCst)
    }

    pub(crate) fn set_being_written(&self, are: bool) {
        self.are_being_written.store(are, Ordering::SeqCst);
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.tree(table).get(key)
    }

    pub(crate) fn range(&self, table: Table, (from, to): (Vec<u8>, Vec<u8>)) -> sled::Iter {
        self.tree(table).range(from..to)
    }
}

/// What is known of a tenant beside its leads; written by every commit, which so notices any other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Head {
    /// The position of its last event.
    pub(crate) last: u64,
    /// The version of the lifecycle in force; 0 if there is none.
    pub(crate) lifecycle: u64,
    /// How many commits were ever made.
    pub(crate) made: u64,
    counts: [u64; Table::COUNTED.len()],
}

const HEAD: usize = (3 + Table::COUNTED.len()) * 8;

impl Head {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        let own = [self.last, self.lifecycle, self.made];
        for number in own.into_iter().chain(self.counts) {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != HEAD {
            return None;
        }
        let (numbers, _) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
        let mut head = Self {
            last: numbers.next()?,
            lifecycle: numbers.next()?,
            made: numbers.next()?,
            ..Self::default()
        };
        for count in &mut head.counts {
            *count = numbers.next()?;
        }
        Some(head)
    }

    /// How many entries the tenant has in a table.
    pub(crate) fn count(&self, table: Table) -> u64 {
        let place = table.counted().and_then(|place| self.counts.get(place));
        place.copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, table: Table, entries: i64) {
        if let Some(count) = table.counted().and_then(|place| self.counts.get_mut(place)) {
            *count = count.saturating_add_signed(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const OTHERS: [Table; 4] = [Table::Meta, Table::Tenants, Table::Heads, Table::Erasing];

    #[test]
    fn every_table_has_its_own_name_and_number() {
        let all = || OTHERS.iter().chain(&Table::COUNTED);
        let names: BTreeSet<_> = all().map(|table| table.name()).collect();
        let codes: BTreeSet<_> = all().map(|table| table.code()).collect();
        assert_eq!((names.len(), codes.len()), (13, 13));
    }

    #[test]
    fn a_head_comes_back_from_its_bytes() {
        let mut head = Head {
            last: 7,
            lifecycle: 2,
            made: 5,
            ..Head::default()
        };
        for (entries, table) in (1..).zip(Table::COUNTED) {
            head.add(table, entries);
            assert_eq!(Some(head.count(table)), u64::try_from(entries).ok());
        }
        head.add(Table::Meta, 5);
        assert_eq!(head.count(Table::Meta), 0);
        assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        assert_eq!(Head::from_bytes(&head.to_bytes()[1..]), None);
    }
}
