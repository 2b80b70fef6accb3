//! Change sets for the application's own transaction: checked here, committed there.

use super::operation::{Operation, Wish};
use super::{Crm, CrmError};
use crate::lead::{LeadId, LeadPatch, NewLead};
use crate::repository::ChangeSet;

/// A `plan_…` method checks everything that its namesake checks and returns the change set instead
/// of committing it. The application commits it where it likes, such as within a transaction of a
/// SQL backend; that commit refuses it if the lead changed since, or the lifecycle and the change
/// depends on its rules. An idempotency key counts when it is committed. Observers are not told.
///
/// ```
/// # use crm_core::crm::Crm;
/// # use crm_core::lead::{LeadStatus, NewLead};
/// # use crm_core::memory::MemoryRepository;
/// # pollster::block_on(async {
/// # let crm = Crm::open(MemoryRepository::new()).await?;
/// let planned = crm.plan_create(NewLead::new("John", "Doe", "john@example.com")?).await?;
/// crm.repository()?.commit(crm.tenant_id(), &planned).await?;
/// # Ok::<(), crm_core::crm::CrmError>(())
/// # }).unwrap();
/// ```
impl Crm {
    /// Plans [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn plan_create(&self, new: NewLead) -> Result<ChangeSet, CrmError> {
        let id = LeadId::new(self.now());
        let planned = self
            .planned(&Operation::Create {
                id,
                new: Box::new(new),
            })
            .await?;
        planned.ok_or(CrmError::NotFound(id))
    }

    /// Plans [`update`](Self::update); `None` if the patch changes nothing.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn plan_update(
        &self,
        id: LeadId,
        patch: LeadPatch,
    ) -> Result<Option<ChangeSet>, CrmError> {
        self.planned(&Operation::Change {
            id,
            wish: Wish::Update(Box::new(patch)),
        })
        .await
    }

    /// Plans [`transition`](Self::transition).
    ///
    /// # Errors
    ///
    /// As [`transition`](Self::transition).
    pub async fn plan_transition(
        &self,
        id: LeadId,
        to: impl Into<String>,
    ) -> Result<ChangeSet, CrmError> {
        let wish = Wish::Transition {
            to: to.into(),
            reason: None,
        };
        let planned = self.planned(&Operation::Change { id, wish }).await?;
        planned.ok_or(CrmError::NotFound(id))
    }

    /// Plans [`transition_because`](Self::transition_because).
    ///
    /// # Errors
    ///
    /// As [`transition_because`](Self::transition_because).
    pub async fn plan_transition_because(
        &self,
        id: LeadId,
        to: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<ChangeSet, CrmError> {
        let (to, reason) = (to.into(), Some(reason.into()));
        let wish = Wish::Transition { to, reason };
        let planned = self.planned(&Operation::Change { id, wish }).await?;
        planned.ok_or(CrmError::NotFound(id))
    }

    /// Plans [`assign`](Self::assign); `None` if the lead is that user's already.
    ///
    /// # Errors
    ///
    /// As [`assign`](Self::assign).
    pub async fn plan_assign(
        &self,
        id: LeadId,
        user: impl Into<String>,
    ) -> Result<Option<ChangeSet>, CrmError> {
        self.plan_update(id, LeadPatch::new().assigned_to(user))
            .await
    }

    /// Plans [`archive`](Self::archive); `None` if the lead is archived.
    ///
    /// # Errors
    ///
    /// As [`archive`](Self::archive).
    pub async fn plan_archive(&self, id: LeadId) -> Result<Option<ChangeSet>, CrmError> {
        self.planned(&Operation::Change {
            id,
            wish: Wish::Archive,
        })
        .await
    }

    /// Plans [`restore`](Self::restore); `None` if the lead is not archived.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore).
    pub async fn plan_restore(&self, id: LeadId) -> Result<Option<ChangeSet>, CrmError> {
        self.planned(&Operation::Change {
            id,
            wish: Wish::Restore,
        })
        .await
    }

    /// Plans [`delete`](Self::delete).
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn plan_delete(&self, id: LeadId) -> Result<ChangeSet, CrmError> {
        let planned = self
            .planned(&Operation::Change {
                id,
                wish: Wish::Delete,
            })
            .await?;
        planned.ok_or(CrmError::NotFound(id))
    }

    async fn planned(&self, operation: &Operation) -> Result<Option<ChangeSet>, CrmError> {
        self.ready()?;
        // Rules read now: nobody retries for the application.
        let known = self.fresh_rules().await?;
        let (commit, fingerprint) = self.identity(operation);
        let plan = self
            .plan(operation, known.rules(), &self.stamp(commit))
            .await?;
        let set = plan.change_set(known.rules(), commit)?;
        Ok(match fingerprint {
            Some(fingerprint) => set.map(|set| set.with_fingerprint(fingerprint)),
            None => set,
        })
    }
}
