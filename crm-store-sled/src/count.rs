//! Whether anything was lost: how many entries there are, and how many there should be.

use crate::error::{Error, Result, disagrees};
use crate::key::{PREFIX, TenantNumber};
use crate::meta::Tenants;
use crate::options::OpenCheck;
use crate::table::{Head, Table, Tables};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Tenants counted at a time, which bounds what is kept of them.
const AT_ONCE: usize = 1_000;
/// With fewer tenants than this, the indexes of each are counted in parts.
const FEW: usize = 16;

/// Compares the counts of every tenant with its head.
pub(crate) fn check_counts(tables: &Tables, check: OpenCheck) -> Result<()> {
    check_tenants(tables)?;
    let counted: Vec<Table> = Table::COUNTED
        .into_iter()
        .filter(|table| check == OpenCheck::Counts || !is_index(*table))
        .collect();
    let mut heads = tables.tree(Table::Heads).iter();
    loop {
        let mut some = Vec::new();
        for entry in heads.by_ref().take(AT_ONCE) {
            let (key, head) = entry?;
            let head = Head::from_bytes(&head).ok_or_else(|| disagrees(Table::Heads))?;
            let number = TenantNumber::of(&key).ok_or_else(|| disagrees(Table::Heads))?;
            some.push((number, head));
        }
        if some.is_empty() {
            return Ok(());
        }
        check_heads(tables, &some, &counted)?;
    }
}

const fn is_index(table: Table) -> bool {
    matches!(table, Table::Keys | Table::Counters)
}

/// Every head is a tenant's, or one's that is being erased; and there are as many as there were.
fn check_tenants(tables: &Tables) -> Result<()> {
    let count = |table| -> Result<u64> {
        let mut entries = 0;
        for key in tables.tree(table).iter().keys() {
            let key = key?;
            // The notes of leads are no tenants'.
            entries += u64::from(table != Table::Erasing || key.len() == PREFIX);
        }
        Ok(entries)
    };
    let heads = count(Table::Heads)?;
    let owners = count(Table::Tenants)? + count(Table::Erasing)?;
    if heads != u64::from(Tenants::read(tables)?.heads) || heads != owners {
        return Err(disagrees(Table::Tenants));
    }
    Ok(())
}

/// Entries to be counted, and where their number is added.
struct Part<'a> {
    table: Table,
    from: Vec<u8>,
    to: Vec<u8>,
    sum: &'a AtomicU64,
}

fn check_heads(tables: &Tables, heads: &[(TenantNumber, Head)], counted: &[Table]) -> Result<()> {
    let sums: Vec<_> = heads
        .iter()
        .flat_map(|(number, head)| counted.iter().map(move |table| (*number, head, *table)))
        .map(|(number, head, table)| (number, head, table, AtomicU64::new(0)))
        .collect();
    let mut parts = Vec::new();
    for (number, _, table, sum) in &sums {
        let split = *table == Table::Keys && heads.len() < FEW;
        let starts = if split { 0..=u8::MAX } else { 0..=0 };
        let (first, end) = number.range();
        let mut from = first;
        for byte in starts.skip(1) {
            let to = number.key(&[&[byte]]);
            parts.push(Part {
                table: *table,
                from: std::mem::replace(&mut from, to.clone()),
                to,
                sum,
            });
        }
        parts.push(Part {
            table: *table,
            from,
            to: end,
            sum,
        });
    }
    count_parts(tables, &parts)?;
    for (_, head, table, sum) in &sums {
        if sum.load(Ordering::Relaxed) != head.count(*table) {
            return Err(disagrees(*table));
        }
    }
    Ok(())
}

/// Counts all parts, on as many threads as there are processors.
fn count_parts(tables: &Tables, parts: &[Part<'_>]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut entries = 0;
            let range = (part.from.clone(), part.to.clone());
            for entry in tables.range(part.table, range) {
                entry?;
                entries += 1;
            }
            part.sum.fetch_add(entries, Ordering::Relaxed);
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(8)).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for helper in helpers {
            // A panic of sled's is told as one.
            let helped = helper.join().unwrap_or(Err(Error::Panicked));
            done = done.and(helped);
        }
        done
    })
}
