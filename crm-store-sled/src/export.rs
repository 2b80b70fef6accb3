//! Everything of a tenant as text: JSON Lines, for backups that outlive any storage.

use crate::SledRepository;
use crate::commit::document_from;
use crate::error::{Error, Result, disagrees};
use crate::key::rest;
use crate::store::Store;
use crate::table::Table;
use crate::value;
use crm_core::event::LeadEvent;
use crm_core::lead::{Lead, TenantId};
use crm_core::record;
use crm_core::repository::RepositoryError;
use crm_core::serde_json::{self, json};
use sled::IVec;
use std::io::Write;
use std::ops::Bound;
use std::sync::Arc;

/// How much was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// Versions of the lifecycle.
    pub lifecycles: u64,
    /// Leads, archived ones included.
    pub leads: u64,
    /// Events.
    pub events: u64,
    /// Documents.
    pub documents: u64,
}

/// Records written between two moments in which others may commit.
const STEP: usize = 500;

impl SledRepository {
    /// Writes everything of a tenant as JSON Lines, one object a line: `{"lifecycle": …}` for each
    /// version, then `{"lead": …}` by id, `{"event": …}` in the order of the feed, and `{"document":
    /// {"key", "version", "bytes"}}` with the bytes as numbers. Leads and events have the shape
    /// they have in the API. Returns the writer, and how much was written.
    ///
    /// Others can commit meanwhile. Every record is whole, and the events, which come after the
    /// leads, tell all that the leads show and what happened since.
    ///
    /// ```
    /// # use crm_core::crm::Crm;
    /// # use crm_core::lead::{NewLead, TenantId};
    /// # use crm_store_sled::SledRepository;
    /// # pollster::block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// let repository = SledRepository::open(directory.path()).await?;
    /// let crm = Crm::open(repository.clone()).await?;
    /// crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
    ///
    /// let (lines, exported) = repository.export(&TenantId::DEFAULT, Vec::new()).await?;
    /// assert_eq!((exported.leads, exported.events), (1, 1));
    /// assert!(String::from_utf8(lines)?.contains(r#""email":"john@example.com""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The writer's, as the source of an error of kind `Other`; a damaged record, a failing
    /// storage.
    pub async fn export<W: Write + Send + 'static>(
        &self,
        tenant: &TenantId,
        mut to: W,
    ) -> std::result::Result<(W, Exported), RepositoryError> {
        let (store, tenant) = (Arc::clone(&self.store), tenant.clone());
        // Not under the guard: a panic of the writer's is not one of sled's.
        let export = move || {
            store
                .export(&tenant, &mut to)
                .map(|exported| (to, exported))
        };
        Ok(blocking::unblock(export).await?)
    }
}

impl Store {
    fn export(&self, tenant: &TenantId, to: &mut impl Write) -> Result<Exported> {
        let exported = Exported {
            lifecycles: self.export_table(tenant, Table::Lifecycles, to, |_, value| {
                line("lifecycle", Ok(value.to_vec()))
            })?,
            leads: self.export_table(tenant, Table::Leads, to, |_, value| {
                let lead: Lead = record::decode_lead(value)?;
                line("lead", serde_json::to_vec(&lead))
            })?,
            events: self.export_table(tenant, Table::Events, to, |_, value| {
                let event: LeadEvent = record::decode_event(value)?;
                line("event", serde_json::to_vec(&event))
            })?,
            documents: self.export_table(tenant, Table::Documents, to, |key, value| {
                let name = std::str::from_utf8(rest(key)).ok();
                let name = name.and_then(|name| name.parse().ok());
                let document =
                    document_from(&name.ok_or_else(|| disagrees(Table::Documents))?, value)?;
                let shown = json!({
                    "key": document.key.as_str(),
                    "version": document.version,
                    "bytes": document.bytes,
                });
                line("document", serde_json::to_vec(&shown))
            })?,
        };
        to.flush().map_err(Error::Directory)?;
        Ok(exported)
    }

    fn export_table(
        &self,
        tenant: &TenantId,
        table: Table,
        to: &mut impl Write,
        line: impl Fn(&IVec, &[u8]) -> Result<Vec<u8>>,
    ) -> Result<u64> {
        let mut written = 0;
        let mut after = None;
        loop {
            let step = self.guarded(|store| store.step(tenant, table, after.take(), &line))?;
            // The writer may be slow: nobody waits for it.
            to.write_all(&step.lines).map_err(Error::Directory)?;
            written += step.entries;
            after = step.last;
            if after.is_none() {
                return Ok(written);
            }
        }
    }

    /// The next lines of a table, as of one moment.
    fn step(
        &self,
        tenant: &TenantId,
        table: Table,
        after: Option<IVec>,
        line: impl Fn(&IVec, &[u8]) -> Result<Vec<u8>>,
    ) -> Result<Step> {
        let _held = self.hold();
        let mut step = Step::default();
        // Looked up again each time: the tenant may be erased meanwhile. Only its number, so that a
        // tenant that has lost what else is known of it can be saved.
        let Some(number) = self.number_of(tenant)? else {
            return Ok(step);
        };
        let (first, end) = number.range();
        let first = match after {
            Some(last) => Bound::Excluded(last.to_vec()),
            None => Bound::Included(first),
        };
        let range = (first, Bound::Excluded(end));
        let entries = self.tables.tree(table).range::<Vec<u8>, _>(range);
        for entry in entries.take(STEP) {
            let (key, entry) = entry?;
            let value = value::join(&self.tables, table, &key, entry)?;
            step.lines.extend(line(&key, &value)?);
            step.entries += 1;
            step.last = Some(key);
        }
        Ok(step)
    }
}

#[derive(Default)]
struct Step {
    lines: Vec<u8>,
    entries: u64,
    /// The key of the last of them; `None` at the end.
    last: Option<IVec>,
}

/// The value under its kind. Put together as text, which keeps the order of the fields.
fn line(kind: &'static str, value: serde_json::Result<Vec<u8>>) -> Result<Vec<u8>> {
    let value = value.map_err(|_| Error::Damaged("a stored record"))?;
    Ok([b"{\"", kind.as_bytes(), b"\":", &value, b"}\n"].concat())
}
