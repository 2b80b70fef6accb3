//! One tenant as of one moment, and its indexes as core searches them.

use crate::error::{Error, Result};
use crate::key::{TenantNumber, rest};
use crate::lock::Held;
use crate::store::{Known, Store};
use crate::table::Table;
use crate::value;
use crm_core::index::{IndexKey, IndexReader};
use crm_core::lead::{Lead, LeadId, TenantId};
use crm_core::record;
use sled::IVec;
use std::cell::{Cell, RefCell};

/// How many keys and leads are read as of one moment. A search that needs more goes on while others
/// write: it would keep them waiting for as long as it takes.
const AS_OF_ONE_MOMENT: u32 = 20_000;

/// Reads of one tenant.
pub(crate) struct Reader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) known: Option<Known>,
    pub(crate) number: TenantNumber,
    held: RefCell<Option<Held<'a>>>,
    left: Cell<u32>,
}

impl Store {
    /// Begins to read a tenant, as of this moment.
    pub(crate) fn reader(&self, tenant: &TenantId) -> Result<Reader<'_>> {
        let held = self.hold();
        let known = self.tenant(tenant)?;
        let number = known
            .as_ref()
            .map_or(TenantNumber::NONE, |known| known.number);
        Ok(Reader {
            store: self,
            known,
            number,
            held: RefCell::new(Some(held)),
            left: Cell::new(AS_OF_ONE_MOMENT),
        })
    }
}

impl Reader<'_> {
    /// Notes that something was read, and lets others write once it was much.
    fn spend(&self) {
        match self.left.get() {
            0 => {}
            1 => {
                self.left.set(0);
                drop(self.held.take());
            }
            left => self.left.set(left - 1),
        }
    }
}

/// An index key as sled holds it, with the tenant before it.
#[derive(Debug)]
pub(crate) struct StoredKey(IVec);

impl AsRef<[u8]> for StoredKey {
    fn as_ref(&self) -> &[u8] {
        rest(&self.0)
    }
}

/// A range of index keys.
pub(crate) struct Keys<'r, 's> {
    keys: sled::Iter,
    reader: &'r Reader<'s>,
}

impl Keys<'_, '_> {
    fn read(&self, entry: Option<sled::Result<(IVec, IVec)>>) -> Option<Result<StoredKey>> {
        self.reader.spend();
        match entry? {
            Ok((key, _)) => Some(Ok(StoredKey(key))),
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Iterator for Keys<'_, '_> {
    type Item = Result<StoredKey>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.keys.next();
        self.read(entry)
    }
}

impl DoubleEndedIterator for Keys<'_, '_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.keys.next_back();
        self.read(entry)
    }
}

impl<'s> IndexReader for Reader<'s> {
    type Error = Error;
    type Key<'a>
        = StoredKey
    where
        Self: 'a;
    type Keys<'a>
        = Keys<'a, 's>
    where
        Self: 'a;
    type Record<'a>
        = Lead
    where
        Self: 'a;

    fn keys(&self, from: &[u8], to: &[u8]) -> Keys<'_, 's> {
        let range = (self.number.key(&[from]), self.number.key(&[to]));
        Keys {
            keys: self.store.tables.range(Table::Keys, range),
            reader: self,
        }
    }

    fn lead(&self, id: LeadId) -> Result<Option<Lead>> {
        self.spend();
        let key = self.number.lead(id);
        let record = if self.left.get() > 0 {
            value::read(&self.store.tables, Table::Leads, &key)?
        } else {
            self.store.value_unlocked(Table::Leads, &key)?
        };
        Ok(record
            .map(|record| record::decode_lead(&record))
            .transpose()?)
    }

    fn into_lead(record: Lead) -> Lead {
        record
    }

    fn counter(&self, key: &IndexKey) -> Result<i128> {
        self.store.counter(self.number, key)
    }
}
