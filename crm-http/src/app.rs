//! What every handler has at hand.

use crate::auth::{Authenticator, StoredTokens};
use crate::crowd::Crowd;
use crate::failures::FailureLimit;
use crate::lifecycle::removal::Removals;
use crate::limits::Limits;
use crate::rate::RateLimit;
use crate::seal::Seal;
use crm_core::crm::Crm;
use std::ops::Deref;
use std::sync::Arc;

/// The state of the router. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    /// Unrestricted and of no user: handlers take the caller's.
    pub(crate) crm: Crm,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    /// There if access tokens are made and revoked here.
    pub(crate) tokens: Option<StoredTokens>,
    pub(crate) limits: Limits,
    pub(crate) rate: RateLimit,
    pub(crate) crowd: Crowd,
    pub(crate) removals: Removals,
    pub(crate) failures: FailureLimit,
    pub(crate) seal: Seal,
    /// The routes in OpenAPI, as JSON.
    pub(crate) description: String,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
