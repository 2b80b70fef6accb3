//! What a check of everything that is stored found.

use crm_core::lead::{LeadId, TenantId};
use std::fmt;

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verified {
    /// How many tenants were looked at.
    pub tenants: u64,
    /// How many leads.
    pub leads: u64,
    /// How many words and tags that leads are found by.
    pub keys: u64,
    /// The first 100 faults.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_in_all: u64,
}

/// Something that is wrong in a database.
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

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults_in_all == 0
    }

    pub(crate) fn add(&mut self, tenant: &TenantId, lead: Option<LeadId>, what: &'static str) {
        const SHOWN: usize = 100;
        self.faults_in_all += 1;
        if self.faults.len() < SHOWN {
            let tenant = tenant.clone();
            self.faults.push(Fault { tenant, lead, what });
        }
    }
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
