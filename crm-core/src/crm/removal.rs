//! Removing a status that leads are in: resumable after any interruption.
//!
//! Three steps, each its own commit: the status is marked retiring, so nothing enters it any more;
//! its leads move, a bounded number at a time; the definition goes, which the repository refuses
//! while a lead is left. Whoever repeats the call, or calls
//! [`resume_removals`](crate::crm::Crm::resume_removals), goes on where it stopped.

use super::write::{MAX_ATTEMPTS, is_about_rules};
use super::{Crm, CrmError};
use crate::event::{CommitId, LeadEvent};
use crate::lead::{Lead, LeadId, LeadStatus};
use crate::lifecycle::{Lifecycle, StatusDefinition};
use crate::query::{Archived, LeadQuery, Sort};
use crate::repository::{Change, ChangeSet, MAX_CHANGES, RepositoryError, RepositoryErrorKind};
use std::collections::HashSet;

impl Crm {
    /// Removes a status and moves its leads, archived ones included, to another.
    ///
    /// These moves are part of the edit, not transitions: the destination's entry rules and the
    /// guards do not apply to them. Each lead's timeline tells that its status was removed. Nothing
    /// can enter the status from the first moment on. If the call is interrupted, repeating it, or
    /// [`resume_removals`](Self::resume_removals), goes on.
    ///
    /// # Errors
    ///
    /// [`Lifecycle`](CrmError::Lifecycle) if the lifecycle would be broken without the status, or
    /// the destination does not exist; otherwise as [`edit_lifecycle`](Self::edit_lifecycle).
    pub async fn remove_status_into(
        &self,
        status: &LeadStatus,
        destination: &LeadStatus,
    ) -> Result<Lifecycle, CrmError> {
        self.ready()?;
        // What the end will refuse is refused before anything begins.
        let known = self.lifecycle().await?;
        known
            .edit()
            .retire(status.clone(), destination.clone())
            .remove(status.clone())
            .apply()?;
        let retiring = self
            .edit_lifecycle(|edit| edit.retire(status.clone(), destination.clone()))
            .await?;
        // A version that the caller named was that of the first edit.
        self.unpinned().finish_removal(retiring, status).await
    }

    /// Goes on with every removal that was interrupted. Does nothing if there is none.
    ///
    /// # Errors
    ///
    /// As [`remove_status_into`](Self::remove_status_into).
    pub async fn resume_removals(&self) -> Result<Lifecycle, CrmError> {
        self.must_see_all()?;
        let mut lifecycle = self.lifecycle().await?;
        let is_retiring = |status: &&StatusDefinition| status.is_retiring();
        while let Some(next) = lifecycle.statuses().iter().find(is_retiring) {
            let status = next.slug.clone();
            lifecycle = self.unpinned().finish_removal(lifecycle, &status).await?;
        }
        Ok(lifecycle)
    }

    /// Goes on with the removal of one status that was interrupted. Does nothing if there is no such
    /// status, or somebody took its removal back.
    ///
    /// ```
    /// # use crm_core::crm::Crm;
    /// # use crm_core::lead::{LeadStatus, NewLead};
    /// # use crm_core::memory::MemoryRepository;
    /// # pollster::block_on(async {
    /// # let crm = Crm::open(MemoryRepository::new()).await?;
    /// let john = NewLead::new("John", "Doe", "john@example.com")?.status(LeadStatus::CONTACTED);
    /// let john = crm.create(john).await?;
    /// let (from, to) = (LeadStatus::CONTACTED, LeadStatus::NEW);
    /// crm.edit_lifecycle(|edit| edit.retire(from.clone(), to.clone())).await?;
    ///
    /// // The process ended before it moved any lead; the next one goes on.
    /// let lifecycle = crm.resume_removal(&from).await?;
    /// assert!(lifecycle.get(&from).is_none());
    /// assert_eq!(crm.get(john.id).await?.status, to);
    /// # Ok::<(), crm_core::crm::CrmError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`remove_status_into`](Self::remove_status_into).
    pub async fn resume_removal(&self, status: &LeadStatus) -> Result<Lifecycle, CrmError> {
        self.must_see_all()?;
        let lifecycle = self.lifecycle().await?;
        self.unpinned().finish_removal(lifecycle, status).await
    }

    /// The same, not bound to one version: what is begun has several steps.
    fn unpinned(&self) -> Self {
        Self {
            expected: None,
            ..self.clone()
        }
    }

    async fn finish_removal(
        &self,
        mut lifecycle: Lifecycle,
        status: &LeadStatus,
    ) -> Result<Lifecycle, CrmError> {
        // After a conflict fewer at a time, and without the lead it was about: those that somebody
        // works on all the time must not hold up the others.
        let mut at_once = MAX_CHANGES;
        let mut busy: HashSet<LeadId> = HashSet::new();
        let mut conflicts = 0;
        loop {
            let Some(definition) = lifecycle.get(status) else {
                return Ok(lifecycle);
            };
            let Some(destination) = definition.retiring.clone() else {
                // Somebody took the removal back.
                return Ok(lifecycle);
            };
            let reason = format!("status \"{}\" was removed", definition.name);
            let mut leads = self.leads_in(status, at_once + busy.len()).await?;
            if leads.iter().any(|lead| !busy.contains(&lead.id)) {
                leads.retain(|lead| !busy.contains(&lead.id));
            }
            if leads.is_empty() {
                // Of this version only: a later one may have taken the removal back.
                let pinned = self.if_version(lifecycle.version());
                match pinned
                    .edit_lifecycle(|edit| edit.remove(status.clone()))
                    .await
                {
                    // One more entered just before the status was marked, or the rules were changed.
                    Err(CrmError::Repository(error))
                        if matches!(
                            error.kind(),
                            RepositoryErrorKind::StatusInUse { .. }
                                | RepositoryErrorKind::StaleLifecycle { .. }
                        ) => {}
                    done => return done,
                }
            } else {
                let set = self.moves(&leads, &destination, &reason, &lifecycle)?;
                match self.commit(&set).await {
                    Ok(_) => {
                        at_once = (at_once * 2).min(MAX_CHANGES);
                        busy.clear();
                        conflicts = 0;
                    }
                    // Read again: a lead was changed, or the rules were.
                    Err(error) if conflicts < MAX_ATTEMPTS && was_overtaken(&error) => {
                        if let RepositoryErrorKind::Conflict { lead, .. } = error.kind() {
                            at_once = (at_once / 2).max(1);
                            busy.insert(*lead);
                        }
                        conflicts += 1;
                        self.back_off(conflicts).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            lifecycle = self.lifecycle().await?;
        }
    }

    async fn leads_in(&self, status: &LeadStatus, most: usize) -> Result<Vec<Lead>, CrmError> {
        let query = LeadQuery::new()
            .status(status.clone())
            .archived(Archived::Include)
            .sort(Sort::created().ascending())
            .limit(u32::try_from(most.min(MAX_CHANGES)).unwrap_or(u32::MAX));
        Ok(self
            .shared
            .repository
            .find(&self.tenant, &query)
            .await?
            .items)
    }

    fn moves(
        &self,
        leads: &[Lead],
        destination: &LeadStatus,
        reason: &str,
        lifecycle: &Lifecycle,
    ) -> Result<ChangeSet, CrmError> {
        let commit = CommitId::random();
        let stamp = self.stamp(commit);
        let changes = leads
            .iter()
            .map(|before| {
                let mut lead = before.clone();
                lead.status = destination.clone();
                lead.status_reason = Some(reason.to_owned());
                lead.status_changed_at = stamp.at;
                lead.updated_at = stamp.at;
                lead.version = before.version.next();
                let event = LeadEvent::changed(before, &lead, before.differences(&lead), &stamp);
                Change::Update {
                    lead,
                    before: Box::new(before.clone()),
                    event,
                }
            })
            .collect();
        Ok(ChangeSet::new(commit, Some(lifecycle.version()), changes)?)
    }
}

/// Whether leads or rules were changed, or a lead deleted, since they were read.
const fn was_overtaken(error: &RepositoryError) -> bool {
    error.is_conflict()
        || is_about_rules(error)
        || matches!(error.kind(), RepositoryErrorKind::Gone { .. })
}
