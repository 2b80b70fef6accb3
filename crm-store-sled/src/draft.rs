//! What a transaction will write: read and computed before it begins.

use crate::key::{self, TenantNumber};
use crate::table::{Head, Table};
use crate::value::{cut, pieces_of};
use sled::IVec;

/// One entry to be written.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) table: Table,
    pub(crate) key: IVec,
    pub(crate) before: Before,
    /// `None` removes it.
    pub(crate) after: Option<IVec>,
}

/// What an entry must be before it is written.
#[derive(Debug)]
pub(crate) enum Before {
    Absent,
    Present,
    Exactly(IVec),
}

/// The writes to one tenant, its head among them.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) tenant: TenantNumber,
    before: Option<Head>,
    pub(crate) head: Head,
    writes: Vec<Write>,
}

impl Draft {
    /// Of a tenant with this head; `None` if this makes it.
    pub(crate) fn new(tenant: TenantNumber, before: Option<Head>) -> Self {
        Self {
            tenant,
            before,
            head: before.unwrap_or_default(),
            writes: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(crate) fn insert(&mut self, table: Table, key: impl Into<IVec>, value: impl Into<IVec>) {
        self.head.add(table, 1);
        self.writes.push(Write {
            table,
            key: key.into(),
            before: Before::Absent,
            after: Some(value.into()),
        });
    }

    pub(crate) fn replace(&mut self, table: Table, key: Vec<u8>, value: impl Into<IVec>) {
        self.writes.push(Write {
            table,
            key: key.into(),
            before: Before::Present,
            after: Some(value.into()),
        });
    }

    pub(crate) fn remove(&mut self, table: Table, key: impl Into<IVec>) {
        self.head.add(table, -1);
        self.writes.push(Write {
            table,
            key: key.into(),
            before: Before::Present,
            after: None,
        });
    }

    /// Puts a value of any size where `old` is stored, if anything is.
    pub(crate) fn put_value(&mut self, table: Table, key: Vec<u8>, old: Option<&[u8]>, new: &[u8]) {
        let (entry, pieces) = cut(new);
        self.put_pieces(table, &key, old.map_or(0, pieces_of), &pieces);
        match old {
            Some(_) => self.replace(table, key, entry),
            None => self.insert(table, key, entry),
        }
    }

    /// Removes a value of any size.
    pub(crate) fn remove_value(&mut self, table: Table, key: Vec<u8>, old: &[u8]) {
        self.put_pieces(table, &key, pieces_of(old), &[]);
        self.remove(table, key);
    }

    fn put_pieces(&mut self, table: Table, key: &[u8], had: u16, pieces: &[&[u8]]) {
        let mut number = 0;
        for piece in pieces {
            let key = key::piece(table, key, number);
            if number < had {
                self.replace(Table::Pieces, key, *piece);
            } else {
                self.insert(Table::Pieces, key, *piece);
            }
            number = number.saturating_add(1);
        }
        for number in number..had {
            self.remove(Table::Pieces, key::piece(table, key, number));
        }
    }

    /// The writes, with the head as it will be.
    pub(crate) fn finish(mut self) -> Vec<Write> {
        self.writes.push(Write {
            table: Table::Heads,
            key: self.tenant.key(&[]).into(),
            before: match self.before {
                Some(head) => Before::Exactly(head.to_bytes().into()),
                None => Before::Absent,
            },
            after: Some(self.head.to_bytes().into()),
        });
        self.writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::table::Tables;
    use crate::transaction::{Ending, transact};
    use crate::value;

    fn tables() -> Tables {
        let db = sled::Config::new().temporary(true).open().unwrap();
        Tables::open(&db).unwrap()
    }

    const TENANT: TenantNumber = TenantNumber::new(1);

    fn put(tables: &Tables, before: Option<Head>, old: Option<&[u8]>, new: &[u8]) -> Head {
        let mut draft = Draft::new(TENANT, before);
        draft.put_value(Table::Documents, TENANT.key(&[b"k"]), old, new);
        let head = draft.head;
        assert_eq!(transact(tables, draft.finish()).unwrap(), Ending::Made);
        head
    }

    #[test]
    fn a_value_grows_and_shrinks_and_leaves_nothing_behind() {
        let tables = tables();
        let key = TENANT.key(&[b"k"]);
        let mut head = None;
        let mut old = None;
        for size in [10, 20_000, 9_000, 9_001, 0, 12_000] {
            let new = vec![7; size];
            head = Some(put(&tables, head, old.as_deref(), &new));
            old = tables.get(Table::Documents, &key).unwrap();
            let read = value::read(&tables, Table::Documents, &key)
                .unwrap()
                .unwrap();
            assert_eq!(&*read, &new[..], "{size}");
            let pieces = tables.tree(Table::Pieces).len();
            assert_eq!(head.unwrap().count(Table::Pieces), pieces as u64, "{size}");
        }
        let mut draft = Draft::new(TENANT, head);
        draft.remove_value(Table::Documents, key, &old.unwrap());
        assert_eq!(draft.head, Head::default());
        assert_eq!(transact(&tables, draft.finish()).unwrap(), Ending::Made);
        assert!(tables.tree(Table::Pieces).is_empty());
    }

    #[test]
    fn a_transaction_on_a_head_that_changed_writes_nothing() {
        let tables = tables();
        let head = put(&tables, None, None, b"one");
        let mut draft = Draft::new(TENANT, None);
        draft.insert(Table::Leads, TENANT.key(&[b"l"]), b"lead".as_slice());
        assert_eq!(transact(&tables, draft.finish()).unwrap(), Ending::Changed);
        let mut draft = Draft::new(TENANT, Some(Head::default()));
        draft.insert(Table::Leads, TENANT.key(&[b"l"]), b"lead".as_slice());
        assert_eq!(transact(&tables, draft.finish()).unwrap(), Ending::Changed);
        assert!(tables.tree(Table::Leads).is_empty());
        let stored = tables.get(Table::Heads, &TENANT.key(&[])).unwrap().unwrap();
        assert_eq!(Head::from_bytes(&stored), Some(head));
    }

    #[test]
    fn an_entry_that_should_not_be_there_is_damage() {
        let tables = tables();
        let head = put(&tables, None, None, b"one");
        let mut draft = Draft::new(TENANT, Some(head));
        draft.insert(Table::Documents, TENANT.key(&[b"k"]), b"two".as_slice());
        let failed = transact(&tables, draft.finish()).unwrap_err();
        assert!(matches!(failed.error, Error::Damaged("the documents")));
        assert!(!failed.is_doubtful);
        let mut draft = Draft::new(TENANT, Some(head));
        draft.remove(Table::Keys, TENANT.key(&[b"k"]));
        let failed = transact(&tables, draft.finish()).unwrap_err();
        assert!(matches!(failed.error, Error::Damaged("the indexes")));
    }
}
