//! What an application adds of its own: guards before a commit, observers after it.

use crate::event::LeadEvent;
use crate::lead::{Lead, LeadStatus, TenantId, UserId};
use async_trait::async_trait;

/// A lead about to enter a status: on creation, by a transition or an update, in bulk or by an
/// import.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// Who wants it.
    pub actor: Option<&'a UserId>,
    /// The status it is in; `None` for a lead about to be created.
    pub from: Option<&'a LeadStatus>,
    /// The lead as it will be, in the status it is about to enter.
    pub lead: &'a Lead,
}

/// A rule of the application's own, checked after the lifecycle's.
///
/// A closure is a guard: it returns `Err` with a message for the person who tried. It may run more
/// than once for one attempt, so it must change nothing.
///
/// ```
/// # use crm_core::crm::{Attempt, Crm};
/// # use crm_core::lead::{LeadStatus, NewLead};
/// # use crm_core::memory::MemoryRepository;
/// # pollster::block_on(async {
/// let crm = Crm::builder(MemoryRepository::new())
///     .guard("big_deals_need_an_owner", |attempt: &Attempt<'_>| {
///         if attempt.lead.status == LeadStatus::QUALIFIED && attempt.lead.assigned_to.is_none() {
///             return Err("assign the lead before qualifying it".to_owned());
///         }
///         Ok(())
///     })
///     .open()
///     .await?;
/// let lead = crm.create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// let refused = crm.transition(lead.id, LeadStatus::QUALIFIED).await.unwrap_err();
/// assert!(refused.to_string().contains("assign the lead before qualifying it"));
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Guard: Send + Sync + 'static {
    /// Lets the attempt pass, or says why not.
    ///
    /// # Errors
    ///
    /// A message for the person who tried.
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), String>;
}

#[async_trait]
impl<F> Guard for F
where
    F: Fn(&Attempt<'_>) -> Result<(), String> + Send + Sync + 'static,
{
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), String> {
        self(attempt)
    }
}

/// What a commit did.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommitNotice<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The events, one for each lead that changed.
    pub events: &'a [LeadEvent],
    /// The leads as they are now, deleted ones left out.
    pub leads: &'a [Lead],
}

/// Told of every commit of leads that this [`Crm`](crate::crm::Crm) made, after it was made; edits
/// of the lifecycle have no events. It must not panic: the caller would not learn of the commit.
///
/// Best effort: a crash between the commit and the observer loses the call. What must not be lost
/// reads the change feed, [`Crm::events`](crate::crm::Crm::events). A closure is an observer.
#[async_trait]
pub trait Observer: Send + Sync + 'static {
    /// Takes notice. The caller of the change waits for it, so long work belongs elsewhere.
    async fn notice(&self, happened: &CommitNotice<'_>);
}

#[async_trait]
impl<F> Observer for F
where
    F: Fn(&CommitNotice<'_>) + Send + Sync + 'static,
{
    async fn notice(&self, happened: &CommitNotice<'_>) {
        self(happened);
    }
}
