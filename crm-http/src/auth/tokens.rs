//! Access tokens that are kept in the storage: made, looked up, listed, revoked.

use super::cache::Cache;
use super::document::{self, StoredToken};
use super::index::{self, SHARDS, Shard};
use super::secret::{Secret, SecretHash};
use super::token::{CreatedToken, NewToken, TokenId, TokenInfo};
use super::{AuthenticationError, Authenticator, Permission, Principal};
use async_trait::async_trait;
use crm_core::chrono::{DateTime, Utc};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::CommitId;
use crm_core::lead::{Invalid, ProblemKind, TenantId};
use crm_core::query::Limit;
use crm_core::repository::{
    ChangeSet, Document, DocumentChange, DocumentKey, RepositoryError, RepositoryErrorKind,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most access tokens of a tenant, about: they are spread over index documents by chance, and
/// none is made once its index document is full.
pub const TOKENS_PER_TENANT: usize = SHARDS as usize * index::PER_SHARD;

/// How often a change is made anew on top of somebody else's, or repeated.
const MAX_ATTEMPTS: u32 = 20;

/// Access tokens, kept as documents of the tenant they belong to: they survive a restart and are
/// valid in every process that shares the storage.
///
/// Of a token only a hash is stored. Its text names its tenant, so that it is found without a
/// search. A look-up is remembered for five seconds, by the clock of the [`Crm`]: so long may a
/// token that was revoked in another process still be good in this one. Here it ends at once.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::lead::TenantId;
/// use crm_core::memory::MemoryRepository;
/// use crm_http::auth::{Authenticator, NewToken, Permission, StoredTokens};
///
/// # pollster::block_on(async {
/// let crm = Crm::open(MemoryRepository::new()).await?;
/// let tokens = StoredTokens::new(&crm);
/// let new = NewToken::new("user_456".parse()?).allow(Permission::Read);
/// let created = tokens.create(&TenantId::DEFAULT, new).await?;
///
/// let caller = tokens.authenticate(&created.token).await?.ok_or("nobody's")?;
/// assert!(caller.may(Permission::Read) && !caller.may(Permission::Write));
///
/// assert!(tokens.revoke(&TenantId::DEFAULT, created.info.id).await?);
/// assert!(tokens.authenticate(&created.token).await?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct StoredTokens {
    crm: Crm,
    cache: Arc<Cache>,
    given: Vec<(SecretHash, Principal)>,
}

impl StoredTokens {
    /// The tokens in the storage of an unrestricted `Crm`.
    #[must_use]
    pub fn new(crm: &Crm) -> Self {
        Self {
            crm: crm.clone(),
            cache: Arc::default(),
            given: Vec::new(),
        }
    }

    /// The same, with one more token that is not stored, such as from an environment variable: any
    /// text, valid while the process runs. It should be long and hard to guess.
    #[must_use]
    pub fn with_given(mut self, token: &str, principal: Principal) -> Self {
        self.given.push((SecretHash::of_text(token), principal));
        self
    }

    /// Makes a token.
    ///
    /// # Errors
    ///
    /// A blank or too long name; an end that is past; no permission; more than
    /// [`TOKENS_PER_TENANT`] (field `tokens`); a restricted `Crm`; a failing storage.
    pub async fn create(&self, tenant: &TenantId, new: NewToken) -> Result<CreatedToken, CrmError> {
        let now = self.now();
        new.check(now)?;
        let secret = Secret::generate(tenant.clone())
            .map_err(|error| RepositoryError::with_source(RepositoryErrorKind::Other, error))?;
        let mut stored = StoredToken::new(secret.hash(), new.user, now);
        stored.name = new.name;
        stored.permissions = new.permissions;
        stored.own_leads_only = new.own_leads_only;
        stored.created_by = new.created_by;
        stored.expires_at = new.expires_at;
        let key = document::key(&secret.id)?;
        self.change(tenant, &secret.id, |shard| {
            if shard.is_full() {
                let (max, unit) = (TOKENS_PER_TENANT, "tokens: revoke some first");
                return Err(Invalid::one("tokens", ProblemKind::TooLong { max, unit }).into());
            }
            shard.insert(&secret.id);
            let token = DocumentChange::put(key.clone(), None, stored.write())?;
            Ok(Some(token))
        })
        .await?;
        Ok(CreatedToken {
            token: secret.expose(),
            info: TokenInfo::new(secret.id, stored),
        })
    }

    /// Ends a token, at once in this process and within five seconds in every other. False if
    /// there is no such token.
    ///
    /// # Errors
    ///
    /// A restricted `Crm`; a failing storage.
    pub async fn revoke(&self, tenant: &TenantId, id: TokenId) -> Result<bool, CrmError> {
        // From before the commit until after it, and also if the caller leaves in between.
        let _revoking = Revoking::begin(self, id);
        let mut attempt = 0;
        loop {
            let Some(stored) = self.document(tenant, &document::key(&id.0)?).await? else {
                return Ok(false);
            };
            let revoked = self
                .change(tenant, &id.0, |shard| {
                    shard.remove(&id.0);
                    Ok(Some(DocumentChange::remove(&stored)))
                })
                .await;
            match revoked {
                Ok(()) => return Ok(true),
                // Somebody else has revoked it meanwhile.
                Err(CrmError::Repository(error))
                    if error.is_conflict() && attempt < MAX_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The tokens of a tenant in the order of their ids, expired ones included, from the first or
    /// after one, and whether there are more.
    ///
    /// # Errors
    ///
    /// A restricted `Crm`; a failing storage.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: Option<TokenId>,
        limit: Limit,
    ) -> Result<(Vec<TokenInfo>, bool), CrmError> {
        let mut found = Vec::new();
        let first = after.map_or(0, |id| index::shard_of(&id.0));
        for number in first..SHARDS {
            let (shard, _) = self.shard(tenant, number).await?;
            for id in shard.after(after.as_ref().map(|id| &id.0)) {
                if found.len() == limit.as_usize() {
                    return Ok((found, true));
                }
                let stored = self.document(tenant, &document::key(&id)?).await?;
                let token = stored.and_then(|stored| StoredToken::read(&stored.bytes));
                found.extend(token.map(|token| TokenInfo::new(id, token)));
            }
        }
        Ok((found, false))
    }

    /// Whether a stored token that has not expired allows to administer.
    ///
    /// # Errors
    ///
    /// A restricted `Crm`; a failing storage.
    pub async fn has_administrator(&self, tenant: &TenantId) -> Result<bool, CrmError> {
        let now = self.now();
        let mut after = None;
        loop {
            let (tokens, more) = self.list(tenant, after, Limit::MAX).await?;
            let is_good = |token: &TokenInfo| {
                token.permissions.contains(&Permission::Administer)
                    && !token.own_leads_only
                    && token.expires_at.is_none_or(|end| now < end)
            };
            if tokens.iter().any(is_good) {
                return Ok(true);
            }
            after = tokens.last().map(|token| token.id);
            if !more || after.is_none() {
                return Ok(false);
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        crm_core::clock::to_micros(self.crm.clock().now())
    }

    async fn document(
        &self,
        tenant: &TenantId,
        key: &DocumentKey,
    ) -> Result<Option<Document>, CrmError> {
        Ok(self.crm.repository()?.document(tenant, key).await?)
    }

    async fn shard(
        &self,
        tenant: &TenantId,
        number: u8,
    ) -> Result<(Shard, Option<Document>), CrmError> {
        let Some(stored) = self.document(tenant, &index::key(number)?).await? else {
            return Ok((Shard::default(), None));
        };
        let what = "the index of access tokens";
        let shard = Shard::read(&stored.bytes).ok_or(RepositoryErrorKind::Corrupt { what })?;
        Ok((shard, Some(stored)))
    }

    /// Changes a token and its index document together.
    async fn change(
        &self,
        tenant: &TenantId,
        id: &[u8; 16],
        edit: impl Fn(&mut Shard) -> Result<Option<DocumentChange>, CrmError>,
    ) -> Result<(), CrmError> {
        let number = index::shard_of(id);
        let index_key = index::key(number)?;
        let mut attempt = 0;
        loop {
            let (mut shard, stored) = self.shard(tenant, number).await?;
            let token = edit(&mut shard)?;
            let index = DocumentChange::put(index_key.clone(), stored.as_ref(), shard.write())?;
            let changes =
                ChangeSet::of_documents(CommitId::random(), token.into_iter().chain([index]))?;
            match self.commit(tenant, &changes).await {
                Ok(()) => return Ok(()),
                // Somebody else's token came or went.
                Err(error) if is_about(&error, &index_key) && attempt < MAX_ATTEMPTS => {
                    attempt += 1;
                    self.wait(attempt).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Commits, and repeats what is safe to repeat under the same id.
    async fn commit(&self, tenant: &TenantId, changes: &ChangeSet) -> Result<(), RepositoryError> {
        let repository = self
            .crm
            .repository()
            .map_err(|error| RepositoryError::with_source(RepositoryErrorKind::Other, error))?;
        let mut attempt = 0;
        loop {
            match repository.commit(tenant, changes).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_retryable() && attempt < 3 => {
                    attempt += 1;
                    self.wait(attempt).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn wait(&self, attempt: u32) {
        let wait = Duration::from_millis(u64::from(attempt.min(20)));
        self.crm.clock().sleep(wait).await;
    }

    async fn look_up(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Principal>, CrmError> {
        let Some(secret) = Secret::parse(token) else {
            return Ok(None);
        };
        let stored = self
            .document(&secret.tenant, &document::key(&secret.id)?)
            .await?;
        let Some(stored) = stored.and_then(|stored| StoredToken::read(&stored.bytes)) else {
            return Ok(None);
        };
        if !stored.belongs_to(&secret.hash()) || stored.is_expired(now) {
            return Ok(None);
        }
        let principal = stored.principal(secret.tenant.clone());
        let (key, end) = (Cache::key(token), stored.expires_at);
        self.cache.put(key, secret.id, principal.clone(), end, now);
        Ok(Some(principal))
    }
}

/// A token that is being revoked: the cache does not remember it.
struct Revoking<'a> {
    tokens: &'a StoredTokens,
    id: TokenId,
}

impl<'a> Revoking<'a> {
    fn begin(tokens: &'a StoredTokens, id: TokenId) -> Self {
        tokens.cache.revoking(&id.0, tokens.now());
        Self { tokens, id }
    }
}

impl Drop for Revoking<'_> {
    fn drop(&mut self) {
        self.tokens.cache.revoked(&self.id.0, self.tokens.now());
    }
}

#[async_trait]
impl Authenticator for StoredTokens {
    async fn authenticate(&self, token: &str) -> Result<Option<Principal>, AuthenticationError> {
        if !self.given.is_empty() {
            let hash = SecretHash::of_text(token);
            if let Some((_, principal)) = self.given.iter().find(|(known, _)| known.is(&hash)) {
                return Ok(Some(principal.clone()));
            }
        }
        let now = self.now();
        if let Some(principal) = self.cache.get(&Cache::key(token), now) {
            return Ok(Some(principal));
        }
        self.look_up(token, now)
            .await
            .map_err(AuthenticationError::new)
    }
}

impl fmt::Debug for StoredTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTokens")
            .field("given", &self.given.len())
            .finish_non_exhaustive()
    }
}

fn is_about(error: &RepositoryError, index: &DocumentKey) -> bool {
    matches!(error.kind(), RepositoryErrorKind::DocumentConflict { key, .. } if key == index)
}
