//! Opening: the lock, the format, the counts, and what a crash left to be finished.

use crate::count::check_counts;
use crate::disk::{Disk, data_file, sync_directory};
use crate::error::{Error, Result, disagrees};
use crate::flush::Flusher;
use crate::guard;
use crate::meta;
use crate::options::{OpenCheck, SledBuilder};
use crate::store::Store;
use crate::table::{Head, Table, Tables};
use crate::transaction::transact_alone;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the lock of another store on the same path is waited for: one that has just been
/// dropped takes a moment to let go.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn open(options: &SledBuilder) -> Result<Store> {
    guard::caught(|| {
        let path = &options.path;
        wait_for_lock(path)?;
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(options.cache_bytes)
            .open()?;
        let tables = if meta::is_described(&db)? {
            Tables::open(&db)?
        } else {
            describe(&db)?
        };
        let disk = Disk::new(db, path)?;
        let made = made_in(&tables)?;
        if options.check != OpenCheck::Nothing {
            check_counts(&tables, options.check)?;
            if made < disk.noted()? {
                return Err(Error::Damaged("the last commits"));
            }
        }
        let (opening, first_position) = meta::count_opening(&tables)?;
        transact_alone(&tables, opening)?;
        let is_current = meta::indexes_are_current(&tables)?;
        let flusher = Flusher::new(disk, options, made);
        let store = Store::new(tables, flusher, first_position);
        store.set_outdated(!is_current);
        store.finish_erasing()?;
        // Also so that no position of this opening is used again, whatever the durability.
        store.flusher.sync_now()?;
        sync_directory(path)?;
        Ok(store)
    })
}

/// How many commits there are and have been.
fn made_in(tables: &Tables) -> Result<u64> {
    let mut made = meta::Tenants::read(tables)?.made;
    for head in tables.tree(Table::Heads).iter().values() {
        let head = Head::from_bytes(&head?).ok_or_else(|| disagrees(Table::Heads))?;
        made = made.saturating_add(head.made);
    }
    Ok(made)
}

/// sled tells a lock from other failures by its message only, so it is tried here first.
fn wait_for_lock(path: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = match File::options().write(true).open(data_file(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::Directory(error)),
        };
        match file.try_lock() {
            // Closing the file lets go of it.
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Error::Directory(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(Error::InUse);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}

/// Makes an empty database a store. One that is not empty is somebody else's, or has lost what it
/// said of itself: either way nothing is written to it.
fn describe(db: &sled::Db) -> Result<Tables> {
    for name in db.tree_names() {
        if !db.open_tree(name)?.is_empty() {
            return Err(disagrees(Table::Meta));
        }
    }
    let tables = Tables::open(db)?;
    transact_alone(&tables, meta::describe())?;
    Ok(tables)
}
