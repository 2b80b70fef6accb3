//! Whether records, indexes and counters say the same.

mod tenant;

use crate::SledRepository;
use crate::error::{Result, disagrees};
use crate::key::TenantNumber;
use crate::store::Store;
use crate::table::Table;
use crm_core::lead::{LeadId, TenantId};
use crm_core::repository::RepositoryError;
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

    fn add(&mut self, tenant: &TenantId, lead: Option<LeadId>, what: &'static str) {
        const SHOWN: usize = 100;
        self.faults_in_all += 1;
        if self.faults.len() < SHOWN {
            self.faults.push(Fault {
                tenant: tenant.clone(),
                lead,
                what,
            });
        }
    }
}

/// Something that is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Of which tenant.
    pub tenant: TenantId,
    /// With which lead, if it is one's.
    pub lead: Option<LeadId>,
    /// What; never what the lead holds.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}: ", self.tenant)?;
        if let Some(lead) = self.lead {
            write!(f, "{lead}: ")?;
        }
        f.write_str(self.what)
    }
}

impl SledRepository {
    /// Reads everything and checks that it agrees: every lead with its index keys, its last event
    /// and the lifecycle; the counters with the leads; histories with the feed and the commits; and
    /// how many of each there are. Wrong indexes and counters can be
    /// [rebuilt](Self::rebuild_indexes).
    ///
    /// Commits wait until it ends, some ten seconds for 100,000 leads.
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
        let _held = self.hold();
        let mut found = Verified::default();
        for entry in self.tables.tree(Table::Tenants) {
            let (name, number) = entry?;
            let name = std::str::from_utf8(&name)
                .ok()
                .and_then(|name| name.parse().ok());
            let tenant: TenantId = name.ok_or_else(|| disagrees(Table::Tenants))?;
            let number = TenantNumber::of(&number).ok_or_else(|| disagrees(Table::Tenants))?;
            found.tenants += 1;
            Check::new(self, &tenant, number, &mut found).all()?;
        }
        Ok(found)
    }
}
