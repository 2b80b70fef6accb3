//! What an application calls: leads in, rules kept, answers out.
//!
//! [`Crm`] is the only way to write. It checks what was typed, the lifecycle's rules and the
//! application's guards, turns the result into a [`ChangeSet`](crate::repository::ChangeSet), and
//! hands it to the [`Repository`]. When somebody else was faster it reads again, checks again and
//! tries again.

mod batch;
mod error;
mod hooks;
mod lifecycles;
mod operation;
mod plans;
mod read;
mod removal;
mod rules;
mod scope;
mod write;

pub use error::CrmError;
pub use hooks::{Attempt, CommitNotice, Guard, Observer};
pub use scope::Scope;

use crate::clock::{Clock, SystemClock, to_micros};
use crate::lead::{Invalid, ProblemKind, TenantId, UserId, Version};
use crate::lifecycle::Lifecycle;
use crate::repository::Repository;
use chrono::{DateTime, Utc};
use rules::RulesCache;
use scope::Sight;
use std::fmt;
use std::sync::Arc;

/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Lead management over a [`Repository`].
///
/// Cheap to clone; a clone, and each handle made by [`as_user`](Self::as_user),
/// [`tenant`](Self::tenant), [`scoped`](Self::scoped), [`if_version`](Self::if_version) and
/// [`with_idempotency_key`](Self::with_idempotency_key), works on the same storage.
///
/// Dropping a future of any method leaves nothing half-done: its commit was made as a whole or not
/// at all.
///
/// ```
/// use crm_core::crm::Crm;
/// use crm_core::lead::{LeadPatch, LeadStatus, NewLead};
/// use crm_core::memory::MemoryRepository;
/// use crm_core::query::LeadQuery;
///
/// # pollster::block_on(async {
/// let crm = Crm::open(MemoryRepository::new()).await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// let lead = crm.transition(lead.id, LeadStatus::CONTACTED).await?;
/// let patch = LeadPatch::new().status(LeadStatus::QUALIFIED).notes("Enterprise plan");
/// crm.as_user("user_456").update(lead.id, patch).await?;
///
/// let page = crm.list(LeadQuery::new().status(LeadStatus::QUALIFIED)).await?;
/// assert_eq!(page.items.len(), 1);
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Crm {
    shared: Arc<Shared>,
    tenant: TenantId,
    actor: Option<UserId>,
    sight: Sight,
    expected: Option<Version>,
    key: Option<Arc<str>>,
    /// What was wrong with the arguments this handle was made from; told by its first call.
    problem: Option<Invalid>,
}

struct Shared {
    repository: Arc<dyn Repository>,
    clock: Arc<dyn Clock>,
    rules: RulesCache,
    guards: Vec<(String, Box<dyn Guard>)>,
    observers: Vec<Box<dyn Observer>>,
}

impl Crm {
    /// Opens a repository with the standard lifecycle and the system's clock.
    ///
    /// # Errors
    ///
    /// The repository cannot be read.
    pub async fn open(repository: impl Repository) -> Result<Self, CrmError> {
        Self::builder(repository).open().await
    }

    /// Opens a repository with more than the defaults.
    pub fn builder(repository: impl Repository) -> CrmBuilder {
        CrmBuilder {
            repository: Arc::new(repository),
            clock: Arc::new(SystemClock),
            lifecycle: Lifecycle::standard(),
            guards: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// The same, with this user recorded on every event it causes.
    ///
    /// An id that is none is reported by the handle's first call.
    #[must_use]
    pub fn as_user(&self, user: impl AsRef<str>) -> Self {
        let mut handle = self.clone();
        match user.as_ref().parse() {
            Ok(user) => handle.actor = Some(user),
            Err(invalid) => handle.blame(invalid),
        }
        handle
    }

    /// The same over another tenant's data.
    ///
    /// An id that is none is reported by the handle's first call.
    #[must_use]
    pub fn tenant(&self, tenant: impl AsRef<str>) -> Self {
        let mut handle = self.clone();
        match tenant.as_ref().parse() {
            Ok(tenant) => handle.tenant = tenant,
            Err(invalid) => handle.blame(invalid),
        }
        handle
    }

    /// The same, restricted: every read, total, history, feed and write sees only the leads of the
    /// scope. A lead outside of it does not exist for this handle; the lifecycle can be read, not
    /// edited. A restricted handle can be restricted further, never widened.
    ///
    /// A lead created through it belongs to its user, and cannot be given away through it.
    #[must_use]
    pub fn scoped(&self, scope: Scope) -> Self {
        let mut handle = self.clone();
        handle.sight = handle.sight.narrowed(scope);
        handle
    }

    /// The same, whose writes happen only if the lead is at this version; otherwise they are a
    /// [`Conflict`](CrmError::Conflict). Without it they apply to whatever the lead is by then. A
    /// lead that is yet to be created has no version: [`create`](Self::create) refuses one.
    #[must_use]
    pub fn if_version(&self, version: Version) -> Self {
        let mut handle = self.clone();
        handle.expected = Some(version);
        handle
    }

    /// The same, whose next write happens once however often it is repeated with this key: the
    /// repetition returns the lead of the first. A write that changes nothing leaves no trace, and
    /// its key is still free. The key belongs to the tenant, the user, the scope
    /// and the kind of write; another request under it is [`KeyReused`](CrmError::KeyReused).
    ///
    /// The key, 1 to 255 bytes, is never stored itself. It should be hard to guess: it protects the
    /// digest that tells requests apart. One that is blank or too long is reported by the handle's
    /// first call.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<Arc<str>>) -> Self {
        let mut handle = self.clone();
        let key: Arc<str> = key.into();
        if key.trim().is_empty() {
            handle.blame(Invalid::one("idempotency_key", ProblemKind::Blank));
        } else if key.len() > MAX_IDEMPOTENCY_KEY {
            let (max, unit) = (MAX_IDEMPOTENCY_KEY, "bytes");
            let kind = ProblemKind::TooLong { max, unit };
            handle.blame(Invalid::one("idempotency_key", kind));
        }
        handle.key = Some(key);
        handle
    }

    /// The tenant this handle works for.
    #[must_use]
    pub const fn tenant_id(&self) -> &TenantId {
        &self.tenant
    }

    /// The repository below, for what `Crm` has no method for: documents, other tenants, erasing
    /// one, and committing change sets that were planned.
    ///
    /// # Errors
    ///
    /// [`OutOfScope`](CrmError::OutOfScope) for a restricted handle: the repository knows no scope.
    pub fn repository(&self) -> Result<&Arc<dyn Repository>, CrmError> {
        self.ready()?;
        self.must_see_all()?;
        Ok(&self.shared.repository)
    }

    /// Where the time comes from: for whatever else must agree with it, such as expiries.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The time, as events will have it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        to_micros(self.shared.clock.now())
    }

    fn blame(&mut self, invalid: Invalid) {
        self.problem.get_or_insert(invalid);
    }

    /// Every public call starts here: a handle made from wrong arguments does nothing.
    fn ready(&self) -> Result<(), CrmError> {
        self.problem
            .clone()
            .map_or(Ok(()), |invalid| Err(invalid.into()))
    }
}

impl fmt::Debug for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crm")
            .field("tenant", &self.tenant)
            .field("actor", &self.actor)
            .field("sight", &self.sight)
            .finish_non_exhaustive()
    }
}

/// How a [`Crm`] is opened: [`Crm::builder`].
pub struct CrmBuilder {
    repository: Arc<dyn Repository>,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    guards: Vec<(String, Box<dyn Guard>)>,
    observers: Vec<Box<dyn Observer>>,
}

impl CrmBuilder {
    /// The lifecycle of tenants that have none stored yet. A tenant's first commit stores it; from
    /// then on it is edited, not replaced. Default: [`Lifecycle::standard`].
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    /// Where the time comes from. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// One more rule, checked whenever a lead is about to enter a status, after the lifecycle's
    /// own. The name is told with its refusals.
    #[must_use]
    pub fn guard(mut self, name: impl Into<String>, guard: impl Guard) -> Self {
        self.guards.push((name.into(), Box::new(guard)));
        self
    }

    /// One more that is told of every commit of leads, after it.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// The repository cannot be read.
    pub async fn open(self) -> Result<Crm, CrmError> {
        let crm = Crm {
            shared: Arc::new(Shared {
                repository: self.repository,
                clock: self.clock,
                rules: RulesCache::new(self.lifecycle),
                guards: self.guards,
                observers: self.observers,
            }),
            tenant: TenantId::DEFAULT,
            actor: None,
            sight: Sight::All,
            expected: None,
            key: None,
            problem: None,
        };
        crm.fresh_rules().await?;
        Ok(crm)
    }
}

impl fmt::Debug for CrmBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrmBuilder")
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}
