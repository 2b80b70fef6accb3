//! Writing: plan, commit, and on a conflict read again, check again, try again.

use super::operation::{Operation, Plan, Wish};
use super::rules::Rules;
use super::scope::Sight;
use super::{CommitNotice, Crm, CrmError};
use crate::event::{CommitId, LeadEvent, Stamp};
use crate::lead::{Invalid, Lead, LeadId, LeadPatch, NewLead};
use crate::repository::{
    Applied, Change, ChangeSet, Committed, Fingerprint, RepositoryError, RepositoryErrorKind,
};
use std::time::Duration;

/// How often a write is tried. Each conflict means that somebody else's write was made, so only a
/// crowd on one lead comes near it.
pub(super) const MAX_ATTEMPTS: u32 = 100;
/// The first tries follow one another at once; then waits grow up to the longest.
const EAGER_ATTEMPTS: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_millis(50);

impl Crm {
    /// Creates a lead in the lifecycle's initial status, or in the one it names.
    ///
    /// # Errors
    ///
    /// [`Invalid`](CrmError::Invalid) with every problem of every field, those included that the
    /// status requires; [`Refused`](CrmError::Refused) by the status or a guard; a failing storage.
    pub async fn create(&self, new: NewLead) -> Result<Lead, CrmError> {
        let id = LeadId::new(self.now());
        self.write(&Operation::Create {
            id,
            new: Box::new(new),
        })
        .await?
        .lead()
    }

    /// Changes fields, and the status if the patch names one. A patch that changes nothing commits
    /// nothing and returns the lead as it is.
    ///
    /// # Errors
    ///
    /// [`Invalid`](CrmError::Invalid) with every problem; [`Refused`](CrmError::Refused) by the
    /// lifecycle or a guard; [`NotFound`](CrmError::NotFound); [`Archived`](CrmError::Archived);
    /// [`Conflict`](CrmError::Conflict) if the handle names a version; a failing storage.
    pub async fn update(&self, id: LeadId, patch: LeadPatch) -> Result<Lead, CrmError> {
        self.change(id, Wish::Update(Box::new(patch))).await
    }

    /// Moves a lead to another status.
    ///
    /// # Errors
    ///
    /// [`Refused`](CrmError::Refused), saying which rule failed and what is allowed; being there
    /// already is one. Otherwise as [`update`](Self::update).
    pub async fn transition(&self, id: LeadId, to: impl Into<String>) -> Result<Lead, CrmError> {
        self.change(
            id,
            Wish::Transition {
                to: to.into(),
                reason: None,
            },
        )
        .await
    }

    /// Moves a lead to another status, saying why.
    ///
    /// # Errors
    ///
    /// As [`transition`](Self::transition), and a reason that is blank or over 500 characters.
    pub async fn transition_because(
        &self,
        id: LeadId,
        to: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<Lead, CrmError> {
        self.change(
            id,
            Wish::Transition {
                to: to.into(),
                reason: Some(reason.into()),
            },
        )
        .await
    }

    /// Gives a lead to a user.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn assign(&self, id: LeadId, user: impl Into<String>) -> Result<Lead, CrmError> {
        self.update(id, LeadPatch::new().assigned_to(user)).await
    }

    /// Takes a lead from its user.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn unassign(&self, id: LeadId) -> Result<Lead, CrmError> {
        self.update(id, LeadPatch::new().clear(crate::lead::Field::AssignedTo))
            .await
    }

    /// Puts a lead into the archive: lists and reports leave it out, nothing is lost. Archiving an
    /// archived lead changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](CrmError::NotFound); [`Conflict`](CrmError::Conflict) if the handle names a
    /// version; a failing storage.
    pub async fn archive(&self, id: LeadId) -> Result<Lead, CrmError> {
        self.change(id, Wish::Archive).await
    }

    /// Takes a lead out of the archive. Restoring one that is not archived changes nothing.
    ///
    /// # Errors
    ///
    /// As [`archive`](Self::archive).
    pub async fn restore(&self, id: LeadId) -> Result<Lead, CrmError> {
        self.change(id, Wish::Restore).await
    }

    /// Deletes a lead for good. Its events keep who, when and between which statuses; everything
    /// that was typed is erased from them, and a last event says that it was deleted.
    ///
    /// # Errors
    ///
    /// As [`archive`](Self::archive).
    pub async fn delete(&self, id: LeadId) -> Result<(), CrmError> {
        self.write(&Operation::Change {
            id,
            wish: Wish::Delete,
        })
        .await
        .map(drop)
    }

    async fn change(&self, id: LeadId, wish: Wish) -> Result<Lead, CrmError> {
        self.write(&Operation::Change { id, wish }).await?.lead()
    }

    async fn write(&self, operation: &Operation) -> Result<Written, CrmError> {
        self.ready()?;
        let (commit, fingerprint) = self.identity(operation);
        if let Some(done) = self.done_before(commit, fingerprint).await? {
            return Ok(done);
        }
        match self.write_once(operation, commit, fingerprint).await {
            // The same request may have been carried out meanwhile: then this one is its
            // repetition, and what it found is its own effect.
            Err(error) => match self.done_before(commit, fingerprint).await {
                Ok(Some(done)) => Ok(done),
                Err(CrmError::KeyReused) => Err(CrmError::KeyReused),
                // The first error says what is known of the write; a failing look-up says nothing.
                Ok(None) | Err(_) => Err(error),
            },
            written => written,
        }
    }

    async fn write_once(
        &self,
        operation: &Operation,
        commit: CommitId,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Written, CrmError> {
        let mut known = self.known_rules().await?;
        let mut attempt = 0;
        loop {
            let rules = known.rules();
            let plan = match self.plan(operation, rules, &self.stamp(commit)).await {
                Err(error) if error.depends_on_rules() && !known.is_fresh() => {
                    known = self.fresh_rules().await?;
                    continue;
                }
                plan => plan?,
            };
            let Some(set) = plan.change_set(rules, commit)? else {
                return Ok(Written::now(plan.lead));
            };
            let set = match fingerprint {
                Some(fingerprint) => set.with_fingerprint(fingerprint),
                None => set,
            };
            match self.commit(&set).await {
                Ok(done) if fingerprint.is_some() && done.applied == Applied::Before => {
                    return match self.repeated(&done).await {
                        // It was made, perhaps by this very call: not that nothing was changed.
                        Err(CrmError::Repository(error)) => {
                            Err(outcome_unknown(commit, error).into())
                        }
                        answer => answer,
                    };
                }
                Ok(_) => return Ok(Written::now(plan.lead)),
                Err(error) if attempt < MAX_ATTEMPTS && self.may_try_again(&error) => {
                    attempt += 1;
                    self.back_off(attempt).await;
                    known = if is_about_rules(&error) {
                        self.fresh_rules().await?
                    } else {
                        known.remembered()
                    };
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Commits, repeats what is safe to repeat, and tells the observers.
    pub(super) async fn commit(&self, set: &ChangeSet) -> Result<Committed, RepositoryError> {
        let mut attempt = 0;
        // Whether a try before may have been made although it failed.
        let mut in_doubt = false;
        let done = loop {
            let error = match self.shared.repository.commit(&self.tenant, set).await {
                Ok(done) => break done,
                Err(error) => error,
            };
            in_doubt |= error.is_outcome_unknown();
            if error.is_retryable() && attempt < EAGER_ATTEMPTS {
                attempt += 1;
                self.back_off(EAGER_ATTEMPTS + attempt).await;
            } else if in_doubt && !error.rules_out_earlier_tries() {
                return Err(outcome_unknown(set.commit(), error));
            } else {
                return Err(error);
            }
        };
        if let Some(lifecycle) = set.lifecycle() {
            let stored = Some(lifecycle.version());
            self.shared.rules.put(
                &self.tenant,
                Rules {
                    lifecycle: lifecycle.clone(),
                    stored,
                },
            );
        }
        // What a repeated try finds done was done by the try before it, unless it was the same
        // request made elsewhere, which creates another lead.
        let is_own = in_doubt && done.leads == set.outcome().leads;
        if done.applied == Applied::Now || is_own {
            self.tell(set).await;
        }
        Ok(done)
    }

    async fn tell(&self, set: &ChangeSet) {
        if self.shared.observers.is_empty() {
            return;
        }
        let events: Vec<LeadEvent> = set.events().cloned().collect();
        if events.is_empty() {
            return;
        }
        let leads: Vec<Lead> = set.leads().cloned().collect();
        let happened = CommitNotice {
            tenant: &self.tenant,
            events: &events,
            leads: &leads,
        };
        for observer in &self.shared.observers {
            observer.notice(&happened).await;
        }
    }

    /// The id of a write, and what tells its payload from another's, if the caller gave a key.
    pub(super) fn identity(&self, operation: &Operation) -> (CommitId, Option<Fingerprint>) {
        let Some(key) = &self.key else {
            return (CommitId::random(), None);
        };
        let user = self.actor.as_ref().map_or("", |user| user.as_str());
        let sight = match &self.sight {
            Sight::All => "",
            Sight::Of(user) => user.as_str(),
            Sight::Nothing => "\0",
        };
        let name = operation.name().as_bytes();
        let commit = CommitId::of(&[
            self.tenant.as_str().as_bytes(),
            user.as_bytes(),
            sight.as_bytes(),
            name,
            key.as_bytes(),
        ]);
        let payload = operation.payload();
        (
            commit,
            Some(Fingerprint::of(&[key.as_bytes(), name, &payload])),
        )
    }

    /// The answer to a request with a key, if it was carried out before.
    async fn done_before(
        &self,
        commit: CommitId,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Option<Written>, CrmError> {
        let Some(fingerprint) = fingerprint else {
            return Ok(None);
        };
        match self
            .shared
            .repository
            .committed(&self.tenant, commit)
            .await?
        {
            None => Ok(None),
            Some(done) if !done.is_of(fingerprint) => Err(CrmError::KeyReused),
            Some(done) => self.repeated(&done).await.map(Some),
        }
    }

    async fn repeated(&self, done: &Committed) -> Result<Written, CrmError> {
        let Some((id, _)) = done.leads.first().copied() else {
            return Err(RepositoryErrorKind::Corrupt {
                what: "a commit without a lead",
            }
            .into());
        };
        let lead = self.shared.repository.get(&self.tenant, &[id]).await?.pop();
        if lead.as_ref().is_some_and(|lead| !self.sight.sees(lead)) {
            return Err(CrmError::NotFound(id));
        }
        Ok(Written { id, lead })
    }

    pub(super) fn stamp(&self, commit: CommitId) -> Stamp {
        Stamp {
            at: self.now(),
            actor: self.actor.clone(),
            commit,
        }
    }

    fn may_try_again(&self, error: &RepositoryError) -> bool {
        let raced = matches!(error.kind(), RepositoryErrorKind::Conflict { .. });
        is_about_rules(error) || (raced && self.expected.is_none())
    }

    /// Waits a little, longer after each try, and not as long as everybody else who waits.
    pub(super) async fn back_off(&self, attempt: u32) {
        if attempt <= EAGER_ATTEMPTS {
            return;
        }
        let longest = Duration::from_millis(1)
            .saturating_mul(1 << (attempt - EAGER_ATTEMPTS).min(10))
            .min(LONGEST_WAIT);
        // A random id is at hand, and its last bytes are as random as any.
        let jitter = CommitId::random().as_uuid().as_u128() & 0xff;
        let wait = longest.mul_f64(0.5 + f64::from(u8::try_from(jitter).unwrap_or(0)) / 512.0);
        self.shared.clock.sleep(wait).await;
    }
}

/// Whether the rules that a change was checked against are not the stored ones.
pub(super) const fn is_about_rules(error: &RepositoryError) -> bool {
    matches!(
        error.kind(),
        RepositoryErrorKind::StaleLifecycle { .. } | RepositoryErrorKind::UnknownStatus { .. }
    )
}

/// The error of a commit that an earlier try of it may have made.
fn outcome_unknown(commit: CommitId, error: RepositoryError) -> RepositoryError {
    if error.is_outcome_unknown() {
        return error;
    }
    RepositoryError::with_source(RepositoryErrorKind::OutcomeUnknown { commit }, error)
}

/// A change set that core itself made wrong.
pub(super) fn unexpected(invalid: Invalid) -> RepositoryError {
    RepositoryError::with_source(RepositoryErrorKind::Other, invalid)
}

/// What a write left behind.
struct Written {
    id: LeadId,
    /// `None` if the lead was deleted since.
    lead: Option<Lead>,
}

impl Written {
    const fn now(lead: Lead) -> Self {
        Self {
            id: lead.id,
            lead: Some(lead),
        }
    }

    fn lead(self) -> Result<Lead, CrmError> {
        self.lead.ok_or(CrmError::Gone(self.id))
    }
}

impl Plan {
    /// The change as a set, with the lifecycle it was checked against, which a tenant's first
    /// commit stores with it. `None` if nothing changes.
    pub(super) fn change_set(
        &self,
        rules: &Rules,
        commit: CommitId,
    ) -> Result<Option<ChangeSet>, Invalid> {
        let Some(change) = self.change.clone() else {
            return Ok(None);
        };
        let mut changes = Vec::with_capacity(2);
        let checked_against = match rules.stored {
            Some(version) => self.reads_rules.then_some(version),
            None => {
                let lifecycle = rules.lifecycle.clone();
                let version = lifecycle.version();
                changes.push(Change::ReplaceLifecycle {
                    expected: None,
                    lifecycle,
                });
                Some(version)
            }
        };
        changes.push(change);
        ChangeSet::new(commit, checked_against, changes).map(Some)
    }
}
