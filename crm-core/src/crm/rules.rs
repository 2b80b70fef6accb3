//! Which lifecycle a write is checked against: the last one seen, read again when it may be old.
//!
//! The cache makes nothing wrong: a commit under rules that were replaced is refused by the
//! repository, and a refusal by cached rules is checked again against fresh ones before anybody is
//! told.

use super::{Crm, CrmError};
use crate::lead::{LeadStatus, TenantId, Version};
use crate::lifecycle::Lifecycle;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Tenants kept. Beyond it the cache is emptied: a read each is cheaper than bookkeeping.
const MAX_TENANTS: usize = 10_000;

/// The lifecycle of a tenant.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) lifecycle: Lifecycle,
    /// The version that is stored; `None` if the tenant's first commit has yet to store it.
    pub(super) stored: Option<Version>,
}

impl Rules {
    pub(super) fn order(&self) -> Vec<LeadStatus> {
        self.lifecycle.order().cloned().collect()
    }
}

#[derive(Debug)]
pub(super) struct RulesCache {
    default: Lifecycle,
    known: RwLock<HashMap<TenantId, Rules>>,
}

impl RulesCache {
    pub(super) fn new(default: Lifecycle) -> Self {
        Self {
            default,
            known: RwLock::default(),
        }
    }

    fn get(&self, tenant: &TenantId) -> Option<Rules> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tenant)
            .cloned()
    }

    pub(super) fn put(&self, tenant: &TenantId, rules: Rules) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TENANTS && !known.contains_key(tenant) {
            known.clear();
        }
        known.insert(tenant.clone(), rules);
    }
}

/// Rules, and whether they were read for this very try.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Cached(Rules),
    Fresh(Rules),
}

impl Known {
    pub(super) const fn rules(&self) -> &Rules {
        match self {
            Self::Cached(rules) | Self::Fresh(rules) => rules,
        }
    }

    pub(super) const fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh(_))
    }

    /// The same for a later try: what was read for an earlier one may be old by then.
    pub(super) fn remembered(self) -> Self {
        match self {
            Self::Cached(rules) | Self::Fresh(rules) => Self::Cached(rules),
        }
    }
}

impl Crm {
    /// The last lifecycle seen, or the stored one if none was.
    pub(super) async fn known_rules(&self) -> Result<Known, CrmError> {
        match self.shared.rules.get(&self.tenant) {
            Some(rules) => Ok(Known::Cached(rules)),
            None => self.fresh_rules().await,
        }
    }

    /// The stored lifecycle, or the default if there is none.
    pub(super) async fn fresh_rules(&self) -> Result<Known, CrmError> {
        let rules = match self.shared.repository.lifecycle(&self.tenant).await? {
            Some(lifecycle) => Rules {
                stored: Some(lifecycle.version()),
                lifecycle,
            },
            None => Rules {
                lifecycle: self.shared.rules.default.clone(),
                stored: None,
            },
        };
        self.shared.rules.put(&self.tenant, rules.clone());
        Ok(Known::Fresh(rules))
    }
}
