//! The transaction: all writes of a draft or none.
//!
//! Inside of it sled's process-wide lock is held, and any other use of sled would wait for good. So
//! it only writes, and checks by what it replaces that nothing changed since that was read. sled
//! may run it more than once, and each time it leaves the same behind.

use crate::draft::{Before, Write};
use crate::error::{Error, Result, disagrees};
use crate::table::{Table, Tables};
use sled::Tree;
use sled::transaction::{
    ConflictableTransactionError, TransactionError, Transactional as _, TransactionalTree,
};
use std::cell::Cell;

/// How a transaction ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Ending {
    /// Everything is written.
    Made,
    /// Something was changed since it was read, or the commit was made before; nothing is written.
    Changed,
}

/// Why a transaction failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Whether it may have been made all the same.
    pub(crate) is_doubtful: bool,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

enum Abort {
    Changed,
    Disagrees(Table),
}

/// Writes all of it or nothing.
pub(crate) fn transact(
    tables: &Tables,
    mut writes: Vec<Write>,
) -> std::result::Result<Ending, Failed> {
    // Meta, tenants and heads come first: if they are as they were read, so is everything else.
    writes.sort_by_key(|write| write.table);
    let groups: Vec<&[Write]> = writes.chunk_by(|a, b| a.table == b.table).collect();
    let trees: Vec<&Tree> = groups
        .iter()
        .filter_map(|group| group.first())
        .map(|write| tables.tree(write.table))
        .collect();
    let is_written = Cell::new(false);
    // Stays so after a panic or a failure, which leave nobody knows what.
    tables.set_being_written(true);
    let made = trees.as_slice().transaction(|views| {
        is_written.set(false);
        for (view, group) in views.iter().zip(&groups) {
            for write in *group {
                write_one(view, write)?;
            }
        }
        is_written.set(true);
        Ok(())
    });
    if !matches!(made, Err(TransactionError::Storage(_))) {
        tables.set_being_written(false);
    }
    match made {
        Ok(()) => Ok(Ending::Made),
        Err(TransactionError::Abort(Abort::Changed)) => Ok(Ending::Changed),
        Err(TransactionError::Abort(Abort::Disagrees(table))) => Err(Failed {
            error: disagrees(table),
            is_doubtful: false,
        }),
        Err(TransactionError::Storage(error)) => Err(Failed {
            error: error.into(),
            is_doubtful: is_written.get(),
        }),
    }
}

fn write_one(
    view: &TransactionalTree,
    write: &Write,
) -> std::result::Result<(), ConflictableTransactionError<Abort>> {
    let old = match &write.after {
        Some(value) => view.insert(&write.key, value)?,
        None => view.remove(&write.key)?,
    };
    let abort = match (&write.before, old) {
        (Before::Absent, None) | (Before::Present, Some(_)) => return Ok(()),
        (Before::Exactly(known), Some(old)) if *known == old => return Ok(()),
        (Before::Exactly(_), _) => Abort::Changed,
        // A head or tenant that was not there when it was looked for, or a commit that was not.
        (Before::Absent, Some(_)) if write.table <= Table::Heads => Abort::Changed,
        (Before::Absent, Some(_)) if write.table == Table::Commits => Abort::Changed,
        (Before::Absent | Before::Present, _) => Abort::Disagrees(write.table),
    };
    Err(ConflictableTransactionError::Abort(abort))
}

/// Writes what nobody else can have changed meanwhile.
pub(crate) fn transact_alone(tables: &Tables, writes: Vec<Write>) -> Result<()> {
    match transact(tables, writes)? {
        Ending::Made => Ok(()),
        Ending::Changed => Err(disagrees(Table::Heads)),
    }
}
