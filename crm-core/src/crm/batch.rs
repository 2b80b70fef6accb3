//! Creating many leads at once: those that are right, in one commit.

use super::rules::Rules;
use super::write::{MAX_ATTEMPTS, is_about_rules, unexpected};
use super::{Crm, CrmError};
use crate::event::{CommitId, Stamp};
use crate::lead::{Invalid, Lead, LeadId, NewLead, ProblemKind, Version};
use crate::repository::{Change, ChangeSet, MAX_CHANGES, RepositoryError};

impl Crm {
    /// Creates many leads in one commit, those that are right; for a new tenant its lifecycle is
    /// stored before. The answer has one entry for each,
    /// in order: the lead, or why it was refused.
    ///
    /// An idempotency key does not apply here.
    ///
    /// # Errors
    ///
    /// More than [`MAX_CHANGES`] leads; a failing storage, and then none was created, unless
    /// [`outcome_is_unknown`](CrmError::outcome_is_unknown).
    pub async fn create_many(
        &self,
        new: &[NewLead],
    ) -> Result<Vec<Result<Lead, CrmError>>, CrmError> {
        self.ready()?;
        let ids = self.new_ids(new)?;
        let stamp = self.stamp(CommitId::random());
        let mut known = self.known_rules().await?;
        let mut attempt = 0;
        loop {
            let rules = known.rules();
            let (answers, changes) = self.plan_creations(new, &ids, rules, &stamp).await;
            let doubtful = answers.iter().any(is_doubtful);
            if doubtful && !known.is_fresh() {
                known = self.fresh_rules().await?;
                continue;
            }
            if changes.is_empty() {
                return Ok(answers);
            }
            let committed = match self.store_rules(rules).await {
                Ok(version) => {
                    let set = ChangeSet::new(stamp.commit, Some(version), changes)?;
                    self.commit(&set).await
                }
                Err(error) => Err(error),
            };
            match committed {
                Ok(_) => return Ok(answers),
                Err(error) if attempt < MAX_ATTEMPTS && is_about_rules(&error) => {
                    attempt += 1;
                    self.back_off(attempt).await;
                    known = self.fresh_rules().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What [`create_many`](Self::create_many) would answer, without creating anything.
    #[cfg(feature = "csv")]
    pub(crate) async fn check_many(
        &self,
        new: &[NewLead],
    ) -> Result<Vec<Result<(), CrmError>>, CrmError> {
        self.ready()?;
        let ids = self.new_ids(new)?;
        let stamp = self.stamp(CommitId::random());
        let mut known = self.known_rules().await?;
        loop {
            let (answers, _) = self.plan_creations(new, &ids, known.rules(), &stamp).await;
            if known.is_fresh() || !answers.iter().any(is_doubtful) {
                return Ok(answers.into_iter().map(|answer| answer.map(drop)).collect());
            }
            known = self.fresh_rules().await?;
        }
    }

    fn new_ids(&self, new: &[NewLead]) -> Result<Vec<LeadId>, Invalid> {
        if new.len() > MAX_CHANGES {
            let kind = ProblemKind::TooLong {
                max: MAX_CHANGES,
                unit: "leads",
            };
            return Err(Invalid::one("leads", kind));
        }
        let mut ids: Vec<LeadId> = new.iter().map(|_| LeadId::new(self.now())).collect();
        // Ids of one millisecond are random; in order, leads created alike list in the given order.
        ids.sort_unstable();
        Ok(ids)
    }

    /// What becomes of each lead, and the changes of those that are right.
    async fn plan_creations(
        &self,
        new: &[NewLead],
        ids: &[LeadId],
        rules: &Rules,
        stamp: &Stamp,
    ) -> (Vec<Result<Lead, CrmError>>, Vec<Change>) {
        let mut answers = Vec::with_capacity(new.len());
        let mut changes = Vec::with_capacity(new.len());
        for (new, id) in new.iter().zip(ids) {
            let plan = self.plan_creation(*id, new, &rules.lifecycle, stamp).await;
            answers.push(plan.map(|plan| {
                changes.extend(plan.change);
                plan.lead
            }));
        }
        (answers, changes)
    }

    /// Stores the default lifecycle of a tenant that has none yet; says which version is stored.
    async fn store_rules(&self, rules: &Rules) -> Result<Version, RepositoryError> {
        if let Some(version) = rules.stored {
            return Ok(version);
        }
        let lifecycle = rules.lifecycle.clone();
        let version = lifecycle.version();
        let change = Change::ReplaceLifecycle {
            expected: None,
            lifecycle,
        };
        let set =
            ChangeSet::new(CommitId::random(), Some(version), vec![change]).map_err(unexpected)?;
        self.commit(&set).await?;
        Ok(version)
    }
}

/// Whether rules that are out of date may be the reason for a refusal.
fn is_doubtful(answer: &Result<Lead, CrmError>) -> bool {
    answer.as_ref().is_err_and(CrmError::depends_on_rules)
}
