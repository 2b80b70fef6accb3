//! Opening: the lock, the format, the counts, and what a crash left to be finished.

use crate::count::check_counts;
use crate::disk::{Disk, data_file, directories_of, sync_entries};
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
        let directories = directories_of(path);
        let lock = lock(path)?;
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
        let noted = disk.noted()?;
        let mut unfinished = Vec::new();
        let mut unless_damaged = |what, done: Result<u64>| match done {
            Err(error) if options.check == OpenCheck::Nothing && error.is_damage() => {
                unfinished.push(what);
                Ok(0)
            }
            done => done,
        };
        let made = unless_damaged(
            "how many commits there are cannot be read",
            made_in(&tables),
        )?;
        if options.check != OpenCheck::Nothing {
            check_counts(&tables, options.check)?;
            if made < noted {
                return Err(Error::Damaged("the last commits"));
            }
        }
        let first_position = unless_damaged(
            "how often the store was opened cannot be read",
            count_opening(&tables),
        )?;
        let is_current = meta::indexes_are_current(&tables)?;
        // What was noted stays so: a loss is not forgotten by opening the store without looking.
        let flusher = Flusher::new(disk, options, made.max(noted));
        let mut store = Store::new(tables, flusher, first_position, lock);
        store.set_outdated(!is_current);
        unless_damaged(
            "what was being erased cannot be erased",
            store.finish_erasing().map(|()| 0),
        )?;
        store.unfinished = unfinished;
        // Also so that no position of this opening is used again, whatever the durability.
        store.flusher.sync_now()?;
        for directory in directories {
            sync_entries(&directory).map_err(Error::Directory)?;
        }
        Ok(store)
    })
}

/// Returns the position below which no event of this opening is.
fn count_opening(tables: &Tables) -> Result<u64> {
    let (opening, first_position) = meta::count_opening(tables)?;
    transact_alone(tables, opening)?;
    Ok(first_position)
}

/// How many commits there are and have been.
pub(crate) fn made_in(tables: &Tables) -> Result<u64> {
    let mut made = meta::Tenants::read(tables)?.made;
    for head in tables.tree(Table::Heads).iter().values() {
        let head = Head::from_bytes(&head?).ok_or_else(|| disagrees(Table::Heads))?;
        made = made.saturating_add(head.made);
    }
    Ok(made)
}

/// Locks a file of our own, for as long as the store is open, and waits until sled's is free too.
///
/// sled's lock alone does not do: it comes after sled has made its files, which two openings at once
/// would do over each other, and is told from other failures by a message only.
fn lock(path: &Path) -> Result<File> {
    std::fs::create_dir_all(path).map_err(Error::Directory)?;
    let deadline = Instant::now() + PATIENCE;
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    let ours = options.open(path.join("lock")).map_err(Error::Directory)?;
    wait_for(&ours, deadline)?;
    match File::options().write(true).open(data_file(path)) {
        // Closing the file lets go of it.
        Ok(file) => wait_for(&file, deadline)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::Directory(error)),
    }
    Ok(ours)
}

fn wait_for(file: &File, deadline: Instant) -> Result<()> {
    loop {
        match file.try_lock() {
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
