//! Whether records, indexes and counters say the same.

mod tenant;

use crate::SledRepository;
use crate::error::Result;
use crate::key::{PREFIX, TenantNumber};
use crate::meta::Tenants;
use crate::open::made_in;
use crate::store::Store;
use crate::table::Table;
use crm_core::lead::{LeadId, TenantId};
use crm_core::repository::RepositoryError;
use std::collections::BTreeSet;
use std::fmt;
use tenant::Check;

/// What [`SledRepository::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verified {
    /// How many tenants were looked at.
    pub tenants: u64,
    /// How many leads.
    pub leads: u64,
    /// How many events.
    pub events: u64,
    /// How many index keys.
    pub keys: u64,
    /// The first 100 faults.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_in_all: u64,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults_in_all == 0
    }

    fn add(&mut self, tenant: Option<&TenantId>, lead: Option<LeadId>, what: &'static str) {
        const SHOWN: usize = 100;
        self.faults_in_all += 1;
        if self.faults.len() < SHOWN {
            let tenant = tenant.cloned();
            self.faults.push(Fault { tenant, lead, what });
        }
    }
}

/// Something that is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Of which tenant; `None` if it is the store's, or of a tenant whose name is lost.
    pub tenant: Option<TenantId>,
    /// With which lead, if it is one's.
    pub lead: Option<LeadId>,
    /// What; never what the lead holds.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.tenant {
            write!(f, "tenant {tenant}: ")?;
        }
        if let Some(lead) = self.lead {
            write!(f, "{lead}: ")?;
        }
        f.write_str(self.what)
    }
}

impl SledRepository {
    /// Reads everything and checks that it agrees: the tenants with their number; the commits with
    /// those that were acknowledged; every lead with its index keys, its last event and the
    /// lifecycle; the counters with the leads; histories with the feed and the commits; and how many
    /// of each there are. Wrong indexes and counters can be [rebuilt](Self::rebuild_indexes).
    ///
    /// One tenant is checked after the other, each as of one moment, and those that are made
    /// meanwhile are not. Commits wait until a tenant is done, some ten seconds for 100,000 leads;
    /// and while one waits, whoever reads more than a single small entry waits with it.
    ///
    /// # Errors
    ///
    /// A failing storage. What is wrong is no error but told.
    pub async fn verify(&self) -> std::result::Result<Verified, RepositoryError> {
        Ok(self.off(Store::verify).await?)
    }
}

impl Store {
    fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        for (tenant, number) in self.verify_tenants(&mut found)? {
            let _held = self.hold();
            // It may have been erased meanwhile.
            if self.number_of(&tenant)? == Some(number) {
                found.tenants += 1;
                Check::new(self, &tenant, number, &mut found).all()?;
            }
        }
        Ok(found)
    }

    /// Whether every head has one owner, a tenant or the note that it is being erased, and there
    /// are as many as there were. Returns the tenants.
    fn verify_tenants(&self, found: &mut Verified) -> Result<Vec<(TenantId, TenantNumber)>> {
        let _held = self.hold();
        for what in &self.unfinished {
            found.add(None, None, what);
        }
        match made_in(&self.tables) {
            Ok(made) if made < self.flusher.made() => {
                found.add(None, None, "commits were lost that had been acknowledged");
            }
            // What of it cannot be read is told below.
            Err(error) if !error.is_damage() => return Err(error),
            _ => {}
        }
        let mut tenants = Vec::new();
        let mut owned = BTreeSet::new();
        for entry in self.tables.tree(Table::Tenants) {
            let (name, number) = entry?;
            let tenant = tenant_of(&name);
            if tenant.is_none() {
                found.add(None, None, "the name of a tenant cannot be read");
            }
            match TenantNumber::of(&number) {
                Some(number) if owned.insert(number) => {
                    tenants.extend(tenant.map(|tenant| (tenant, number)));
                }
                Some(_) => found.add(tenant.as_ref(), None, "it has the number of another tenant"),
                None => found.add(tenant.as_ref(), None, "its number cannot be read"),
            }
        }
        for note in self.tables.tree(Table::Erasing).iter().keys() {
            let note = note?;
            // The notes of leads are no tenants'.
            if note.len() == PREFIX {
                owned.extend(TenantNumber::of(&note));
            }
        }
        let mut heads = 0u64;
        for key in self.tables.tree(Table::Heads).iter().keys() {
            heads += 1;
            if TenantNumber::of(&key?).is_none_or(|number| !owned.contains(&number)) {
                found.add(None, None, "a tenant was lost; its records are still there");
            }
        }
        match Tenants::read(&self.tables) {
            Ok(known) if u64::from(known.heads) == heads => {}
            Ok(_) => found.add(None, None, "tenants were lost or are too many"),
            Err(error) if error.is_damage() => {
                found.add(None, None, "the number of tenants cannot be read");
            }
            Err(error) => return Err(error),
        }
        Ok(tenants)
    }
}

fn tenant_of(name: &[u8]) -> Option<TenantId> {
    std::str::from_utf8(name).ok()?.parse().ok()
}
