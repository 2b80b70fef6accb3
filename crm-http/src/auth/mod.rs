//! Who calls, and what they may do.
//!
//! An application that has its own users implements [`Authenticator`]. [`StoredTokens`] is the ready
//! one: access tokens that are kept in the storage, hashed.
//!
//! ```
//! use crm_core::lead::TenantId;
//! use crm_http::auth::{AuthenticationError, Authenticator, Permission, Principal};
//!
//! /// One token for the people on the shop floor.
//! #[derive(Debug)]
//! struct ShopFloor;
//!
//! #[async_trait::async_trait]
//! impl Authenticator for ShopFloor {
//!     async fn authenticate(&self, token: &str) -> Result<Option<Principal>, AuthenticationError> {
//!         let known = token == "let-me-in"; // compare in constant time where it matters
//!         let user = "floor".parse().map_err(AuthenticationError::new)?;
//!         Ok(known.then(|| {
//!             Principal::new(TenantId::DEFAULT, user).allow(Permission::Read).own_leads_only()
//!         }))
//!     }
//! }
//! ```

mod cache;
mod document;
mod index;
mod secret;
mod token;
mod tokens;

pub use token::{CreatedToken, NewToken, TokenId, TokenInfo};
pub use tokens::{StoredTokens, TOKENS_PER_TENANT};

use async_trait::async_trait;
use crm_core::crm::{Crm, Scope};
use crm_core::lead::{Invalid, ProblemKind, TenantId, UserId};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;
use std::fmt::Debug;
use std::str::FromStr;
use utoipa::ToSchema;

/// Says who a token belongs to.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync + 'static {
    /// Whoever this token belongs to; `None` if it is nobody's: unknown, expired or revoked. It is
    /// asked at every request.
    ///
    /// # Errors
    ///
    /// It cannot be said at the moment. The caller is told to try again later.
    async fn authenticate(&self, token: &str) -> Result<Option<Principal>, AuthenticationError>;
}

/// Who a token belongs to could not be found out.
#[derive(Debug)]
pub struct AuthenticationError(Box<dyn Error + Send + Sync + 'static>);

impl AuthenticationError {
    /// With its cause, which no caller is told.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("who calls could not be found out")
    }
}

impl Error for AuthenticationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// What a route asks of its caller. None includes another: a token that may administer cannot itself
/// write, say. It may make tokens that can, though, for any user of its tenant, as that is part of
/// administering: give it to nobody who must not have everything.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Permission {
    /// See leads, lists, histories and reports.
    Read,
    /// Create and change leads.
    Write,
    /// Delete leads for good.
    Delete,
    /// Edit the lifecycle, and make and revoke access tokens.
    Administer,
}

impl Permission {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::Administer];

    /// Its name: `read`, `write`, `delete`, `administer`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.iter().map(ToString::to_string).collect();
            Invalid::one("permissions", ProblemKind::Unknown { known })
        })
    }
}

/// Who calls: whose data, on whose behalf, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// Whose data.
    pub tenant: TenantId,
    /// Who; recorded on every event that is caused.
    pub user: UserId,
    /// What is allowed, each once.
    pub permissions: Vec<Permission>,
    /// Which leads exist for this caller.
    pub scope: Scope,
}

impl Principal {
    /// A user who may do nothing yet, and would see every lead of the tenant.
    #[must_use]
    pub const fn new(tenant: TenantId, user: UserId) -> Self {
        Self {
            tenant,
            user,
            permissions: Vec::new(),
            scope: Scope::All,
        }
    }

    /// The same, who may do this too.
    #[must_use]
    pub fn allow(mut self, permission: Permission) -> Self {
        if !self.may(permission) {
            self.permissions.push(permission);
        }
        self
    }

    /// The same, who may do everything.
    #[must_use]
    pub fn allow_all(self) -> Self {
        Permission::ALL.into_iter().fold(self, Self::allow)
    }

    /// The same, for whom only the leads assigned to them exist.
    #[must_use]
    pub fn own_leads_only(mut self) -> Self {
        self.scope = Scope::AssignedTo(self.user.clone());
        self
    }

    /// Whether this is allowed.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Leads as this caller sees them.
    #[must_use]
    pub fn view(&self, crm: &Crm) -> Crm {
        crm.tenant(&self.tenant)
            .as_user(&self.user)
            .scoped(self.scope.clone())
    }
}
