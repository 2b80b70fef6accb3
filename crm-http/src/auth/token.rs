//! What an access token is, apart from its secret.

use super::Permission;
use super::document::{self, StoredToken};
use crm_core::chrono::{DateTime, Utc};
use crm_core::lead::{Invalid, ProblemKind, UserId};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The longest name of a token: characters.
const MAX_NAME: usize = 100;

/// The id of an access token: no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub(super) [u8; 16]);

const TOKEN: &str = "token_";

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TOKEN}{}", document::hex(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let id = text.strip_prefix(TOKEN).and_then(document::unhex);
        id.map(Self).ok_or_else(|| {
            let expected = "the id of a token, such as token_0123456789abcdef0123456789abcdef";
            Invalid::one("id", ProblemKind::Malformed { expected })
        })
    }
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A token that somebody is about to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub(super) user: UserId,
    pub(super) name: Option<String>,
    pub(super) permissions: Vec<Permission>,
    pub(super) own_leads_only: bool,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) created_by: Option<UserId>,
}

impl NewToken {
    /// A token of this user that allows nothing yet and does not expire.
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            name: None,
            permissions: Vec::new(),
            own_leads_only: false,
            expires_at: None,
            created_by: None,
        }
    }

    /// What people call it, at most 100 characters.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// It allows this too.
    #[must_use]
    pub fn allow(mut self, permission: Permission) -> Self {
        if !self.permissions.contains(&permission) {
            self.permissions.push(permission);
        }
        self
    }

    /// It allows everything.
    #[must_use]
    pub fn allow_all(self) -> Self {
        Permission::ALL.into_iter().fold(self, Self::allow)
    }

    /// Only the leads assigned to its user exist for it.
    #[must_use]
    pub const fn own_leads_only(mut self) -> Self {
        self.own_leads_only = true;
        self
    }

    /// From this time on it is nobody's.
    #[must_use]
    pub const fn expires_at(mut self, time: DateTime<Utc>) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Who makes it.
    #[must_use]
    pub fn created_by(mut self, user: UserId) -> Self {
        self.created_by = Some(user);
        self
    }

    /// Checks what was given, at this time.
    pub(super) fn check(&self, now: DateTime<Utc>) -> Result<(), Invalid> {
        let problem = match &self.name {
            Some(name) if name.trim().is_empty() => Some(("name", ProblemKind::Blank)),
            Some(name) if name.chars().any(char::is_control) => {
                Some(("name", ProblemKind::ControlCharacter))
            }
            Some(name) if name.chars().count() > MAX_NAME => {
                let (max, unit) = (MAX_NAME, "characters");
                Some(("name", ProblemKind::TooLong { max, unit }))
            }
            _ if self.permissions.is_empty() => Some(("permissions", ProblemKind::Missing)),
            _ if self.expires_at.is_some_and(|end| end <= now) => {
                let expected = "a time that is yet to come";
                Some(("expires_at", ProblemKind::Malformed { expected }))
            }
            _ => None,
        };
        problem.map_or(Ok(()), |(field, kind)| Err(Invalid::one(field, kind)))
    }
}

/// A token that was made, with its text: the only time that it is told.
#[derive(Clone)]
#[non_exhaustive]
pub struct CreatedToken {
    /// The text to call with.
    pub token: String,
    /// Everything else.
    pub info: TokenInfo,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// Its id.
    pub id: TokenId,
    /// What people call it.
    pub name: Option<String>,
    /// Whose it is.
    pub user: UserId,
    /// What it allows.
    pub permissions: Vec<Permission>,
    /// Whether only its user's leads exist for it.
    pub own_leads_only: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

impl TokenInfo {
    pub(super) fn new(id: [u8; 16], stored: StoredToken) -> Self {
        Self {
            id: TokenId(id),
            name: stored.name,
            user: stored.user,
            permissions: stored.permissions,
            own_leads_only: stored.own_leads_only,
            created_at: stored.created_at,
            created_by: stored.created_by,
            expires_at: stored.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_parses_from_what_it_shows() {
        let id = TokenId([0xab; 16]);
        assert_eq!(id.to_string().parse::<TokenId>().unwrap(), id);
        for wrong in ["", "token_", "lead_01h455vb4pex5vsknk084sn02q", "token_X"] {
            assert!(wrong.parse::<TokenId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_allows_nothing_or_is_over_already_is_refused() {
        let now = DateTime::UNIX_EPOCH;
        let new = || NewToken::new("u".parse().unwrap());
        assert!(new().check(now).is_err());
        assert!(new().allow_all().check(now).is_ok());
        assert!(new().allow_all().expires_at(now).check(now).is_err());
        assert!(new().allow_all().name("n".repeat(101)).check(now).is_err());
    }

    #[test]
    fn a_created_token_is_not_shown_by_accident() {
        let hash = super::super::secret::SecretHash::of_text("x");
        let stored = StoredToken::new(hash, "u".parse().unwrap(), DateTime::UNIX_EPOCH);
        let created = CreatedToken {
            token: "crm_secret".to_owned(),
            info: TokenInfo::new([1; 16], stored),
        };
        assert!(!format!("{created:?}").contains("secret"));
    }
}
