//! The opened store: its trees, its lock, and what is known of its tenants.
//!
//! sled has transactions but no snapshots. One lock of our own gives both sides what they need:
//! changes are made one at a time (sled makes them so anyway, under a lock that also covers every
//! other database of the process), and whoever has to see several entries as of one moment keeps
//! changes out for that long. Single entries are read without it: a transaction becomes visible as
//! a whole.

use crate::error::{Error, Result, disagrees};
use crate::flush::Flusher;
use crate::guard;
use crate::key::TenantNumber;
use crate::lock::{Alone, Changing, Held};
use crate::table::{Head, Table, Tables};
use crate::value::{self, Value};
use crm_core::lead::{TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::repository::RepositoryErrorKind;
use crm_core::serde_json;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tenants kept in memory. Beyond it they are forgotten: reading one again is cheap.
const MAX_KNOWN: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) tables: Tables,
    pub(crate) flusher: Flusher,
    /// What numbers of events begin at since the store was opened.
    pub(crate) first_position: u64,
    changing: Changing,
    /// Held while indexes are rebuilt, which is done by one at a time.
    pub(crate) rebuilding: Mutex<()>,
    known: RwLock<HashMap<TenantId, Known>>,
    is_outdated: AtomicBool,
    /// What could not be done on opening because of damage, which was not to be looked for.
    pub(crate) unfinished: Vec<&'static str>,
    /// Keeps others from opening the store. The last field: let go of after sled was closed.
    _lock: File,
}

/// A tenant as it is after its last commit.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) number: TenantNumber,
    pub(crate) head: Head,
    pub(crate) lifecycle: Option<Arc<Lifecycle>>,
}

/// What [`Store::value_at_once`] found.
pub(crate) enum AtOnce {
    Read(Option<Value>),
    /// Others write.
    Busy,
}

impl Store {
    pub(crate) fn new(tables: Tables, flusher: Flusher, first_position: u64, lock: File) -> Self {
        Self {
            tables,
            flusher,
            first_position,
            changing: Changing::default(),
            rebuilding: Mutex::default(),
            known: RwLock::default(),
            is_outdated: AtomicBool::new(false),
            unfinished: Vec::new(),
            _lock: lock,
        }
    }

    /// Nobody changes anything until it is dropped. Never taken twice by one thread.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.changing.hold()
    }

    /// Nobody else changes anything, or is in the middle of reading, until it is dropped.
    pub(crate) fn change(&self) -> Alone<'_> {
        self.changing.change()
    }

    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }

    pub(crate) fn set_outdated(&self, is_outdated: bool) {
        self.is_outdated.store(is_outdated, Ordering::Release);
    }

    /// Whatever reads or writes indexes begins here.
    pub(crate) fn check_indexes(&self) -> Result<()> {
        if self.is_outdated() {
            return Err(RepositoryErrorKind::OutdatedIndexes.into());
        }
        Ok(())
    }

    /// Whatever changes leads begins here.
    pub(crate) fn check_finished(&self) -> Result<()> {
        match self.unfinished.first() {
            Some(what) => Err(Error::Damaged(what)),
            None => Ok(()),
        }
    }

    /// Runs what uses sled. After a panic or a failure of sled's, or of a flush, nothing is answered
    /// any more: what is in memory may be half of a transaction, or more than will ever be on disk.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let done = self.attempted(work)?;
        match self.flusher.failure() {
            Some(failed) => Err(failed),
            None => Ok(done),
        }
    }

    /// The same for what is told of a failure by its ticket: a commit that was made stays made if
    /// something else fails meanwhile.
    pub(crate) fn attempted<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        if let Some(failed) = self.flusher.failure() {
            return Err(failed);
        }
        guard::caught(|| work(self)).map_err(|error| self.note(error))
    }

    /// Notes a failure after which nothing can be relied upon, if it is one.
    pub(crate) fn note(&self, error: Error) -> Error {
        match error {
            Error::Panicked => {
                let _ = self.flusher.fail(Error::Panicked);
                Error::Panicked
            }
            error @ Error::Sled(_) => self.flusher.fail(error),
            error => error,
        }
    }

    /// What is in memory of a tenant. If it is there, it is right.
    pub(crate) fn remembered(&self, tenant: &TenantId) -> Option<Known> {
        self.known.read().get(tenant).cloned()
    }

    /// Only its number.
    pub(crate) fn remembered_number(&self, tenant: &TenantId) -> Option<TenantNumber> {
        self.known.read().get(tenant).map(|known| known.number)
    }

    /// Called only while no change is made, or by who makes it: so nothing old is remembered.
    pub(crate) fn remember(&self, tenant: &TenantId, now: Option<Known>) {
        let mut known = self.known.write();
        match now {
            Some(now) => {
                if known.len() >= MAX_KNOWN && !known.contains_key(tenant) {
                    known.clear();
                }
                known.insert(tenant.clone(), now);
            }
            None => drop(known.remove(tenant)),
        }
    }

    /// For when tenants are changed without being named.
    pub(crate) fn forget_all(&self) {
        let mut known = self.known.write();
        known.clear();
    }

    /// A tenant; `None` if there is none. The lock is held, in whatever way.
    pub(crate) fn tenant(&self, tenant: &TenantId) -> Result<Option<Known>> {
        if let Some(known) = self.remembered(tenant) {
            return Ok(Some(known));
        }
        let Some(number) = self.number_of(tenant)? else {
            return Ok(None);
        };
        let head = self.head(number)?.ok_or_else(|| disagrees(Table::Heads))?;
        let lifecycle = match head.lifecycle {
            0 => None,
            version => self
                .lifecycle_at(number, Version::new(version))?
                .map(Arc::new),
        };
        let known = Known {
            number,
            head,
            lifecycle,
        };
        self.remember(tenant, Some(known.clone()));
        Ok(Some(known))
    }

    pub(crate) fn number_of(&self, tenant: &TenantId) -> Result<Option<TenantNumber>> {
        match self
            .tables
            .get(Table::Tenants, tenant.as_str().as_bytes())?
        {
            Some(number) => TenantNumber::of(&number)
                .map(Some)
                .ok_or_else(|| disagrees(Table::Tenants)),
            None => Ok(None),
        }
    }

    pub(crate) fn head(&self, number: TenantNumber) -> Result<Option<Head>> {
        match self.tables.get(Table::Heads, &number.key(&[]))? {
            Some(bytes) => Head::from_bytes(&bytes)
                .map(Some)
                .ok_or_else(|| disagrees(Table::Heads)),
            None => Ok(None),
        }
    }

    /// A lifecycle, in force or not. The lock is held, in whatever way.
    pub(crate) fn lifecycle_at(
        &self,
        number: TenantNumber,
        version: Version,
    ) -> Result<Option<Lifecycle>> {
        let json = self.value(Table::Lifecycles, &number.lifecycle(version))?;
        json.map(|json| {
            serde_json::from_slice(&json).map_err(|_| Error::Damaged("a stored lifecycle"))
        })
        .transpose()
    }

    /// A value of any size. The lock is held, in whatever way.
    pub(crate) fn value(&self, table: Table, key: &[u8]) -> Result<Option<Value>> {
        value::read(&self.tables, table, key)
    }

    /// A value of any size, if it can be had without waiting for anybody.
    ///
    /// Without the lock, which is only taken where the value is in pieces: another one may be
    /// replacing them. An answer from the middle of a transaction is none, as the transaction may
    /// fail and stay there half.
    pub(crate) fn value_at_once(&self, table: Table, key: &[u8]) -> Result<AtOnce> {
        if self.tables.are_being_written() {
            return Ok(AtOnce::Busy);
        }
        let value = match self.tables.get(table, key)? {
            Some(entry) if value::pieces_of(&entry) > 0 => match self.changing.try_hold() {
                Some(_held) => value::read(&self.tables, table, key)?,
                None => return Ok(AtOnce::Busy),
            },
            entry => entry.map(Value::Whole),
        };
        if self.tables.are_being_written() {
            return Ok(AtOnce::Busy);
        }
        Ok(AtOnce::Read(value))
    }

    /// The same, however long others have to be waited for.
    pub(crate) fn value_unlocked(&self, table: Table, key: &[u8]) -> Result<Option<Value>> {
        match self.value_at_once(table, key)? {
            AtOnce::Read(value) => Ok(value),
            AtOnce::Busy => {
                let _held = self.hold();
                self.value(table, key)
            }
        }
    }
}
