//! Reading and editing the lifecycle of a tenant.

use super::rules::Rules;
use super::write::is_about_rules;
use super::{Crm, CrmError};
use crate::event::CommitId;
use crate::lead::{LeadStatus, Version};
use crate::lifecycle::{Lifecycle, LifecycleEdit};
use crate::repository::{Change, ChangeSet, RepositoryError};

/// How often an edit is made anew on top of somebody else's.
const MAX_EDITS: u32 = 20;

impl Crm {
    /// The lifecycle in force, read from the storage; the default if the tenant has none yet.
    ///
    /// # Errors
    ///
    /// A failing storage.
    pub async fn lifecycle(&self) -> Result<Lifecycle, CrmError> {
        self.ready()?;
        Ok(self.fresh_rules().await?.rules().lifecycle.clone())
    }

    /// The lifecycle as it was at a version: what an old event's rules were.
    ///
    /// # Errors
    ///
    /// A failing storage.
    pub async fn lifecycle_at(&self, version: Version) -> Result<Option<Lifecycle>, CrmError> {
        self.ready()?;
        Ok(self
            .shared
            .repository
            .lifecycle_at(&self.tenant, version)
            .await?)
    }

    /// Edits the lifecycle. It is in force at once, in every process that shares the storage.
    ///
    /// The closure may run more than once: when somebody else edits at the same time, it is run
    /// again on top of their edit. With [`if_version`](Self::if_version) it is not: the version
    /// then is the lifecycle's.
    ///
    /// A status that leads are in cannot be removed this way; see
    /// [`remove_status_into`](Self::remove_status_into).
    ///
    /// ```
    /// # use crm_core::crm::Crm;
    /// # use crm_core::lead::{Field, LeadStatus};
    /// # use crm_core::memory::MemoryRepository;
    /// # pollster::block_on(async {
    /// # let crm = Crm::open(MemoryRepository::new()).await?;
    /// let lifecycle = crm
    ///     .edit_lifecycle(|edit| {
    ///         edit.add("Demo").set_required(LeadStatus::QUALIFIED, vec![Field::Company])
    ///     })
    ///     .await?;
    /// let order: Vec<_> = lifecycle.order().map(|status| status.as_str()).collect();
    /// assert_eq!(order, ["new", "contacted", "qualified", "demo", "converted", "lost"]);
    /// # Ok::<(), crm_core::crm::CrmError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Lifecycle`](CrmError::Lifecycle) listing every fault the edit would leave;
    /// [`OutOfScope`](CrmError::OutOfScope) for a restricted handle; a failing storage, whose kind
    /// is `StatusInUse` where a removed status has leads.
    pub async fn edit_lifecycle(
        &self,
        edit: impl Fn(LifecycleEdit) -> LifecycleEdit + Send,
    ) -> Result<Lifecycle, CrmError> {
        self.ready()?;
        self.must_see_all()?;
        let mut attempt = 0;
        loop {
            let known = self.fresh_rules().await?;
            let rules = known.rules();
            if let Some(expected) = self.expected
                && rules.lifecycle.version() != expected
            {
                let stale = crate::repository::RepositoryErrorKind::StaleLifecycle {
                    found: rules.stored,
                };
                return Err(RepositoryError::from(stale).into());
            }
            let edited = edit(rules.lifecycle.edit()).apply()?;
            if edited == rules.lifecycle {
                return Ok(edited);
            }
            match self.store(edited, rules).await {
                Ok(edited) => return Ok(edited),
                Err(error)
                    if attempt < MAX_EDITS && self.expected.is_none() && is_about_rules(&error) =>
                {
                    attempt += 1;
                    self.back_off(attempt).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes a status that no lead is in.
    ///
    /// # Errors
    ///
    /// A status with leads: `StatusInUse`, naming how many; say where they go with
    /// [`remove_status_into`](Self::remove_status_into). Otherwise as
    /// [`edit_lifecycle`](Self::edit_lifecycle).
    pub async fn remove_status(&self, status: &LeadStatus) -> Result<Lifecycle, CrmError> {
        self.edit_lifecycle(|edit| edit.remove(status.clone()))
            .await
    }

    /// The lifecycle is everybody's: a handle restricted to some leads may only read it.
    pub(super) fn must_see_all(&self) -> Result<(), CrmError> {
        if self.sight.is_all() {
            Ok(())
        } else {
            Err(CrmError::OutOfScope)
        }
    }

    async fn store(&self, edited: Lifecycle, rules: &Rules) -> Result<Lifecycle, RepositoryError> {
        let change = Change::ReplaceLifecycle {
            expected: rules.stored,
            lifecycle: edited.clone(),
        };
        let version = edited.version();
        let set = ChangeSet::new(CommitId::random(), Some(version), vec![change])
            .map_err(super::write::unexpected)?;
        self.commit(&set).await?;
        Ok(edited)
    }
}
