//! What a write wants, and what that comes to: the one path that every change of a lead takes.

use super::rules::Rules;
use super::{Attempt, Crm, CrmError};
use crate::event::{LeadEvent, Stamp};
use crate::lead::{
    Field, FieldPatch, Invalid, Lead, LeadId, LeadPatch, LeadStatus, NewLead, ProblemKind, Problems,
};
use crate::lifecycle::Lifecycle;
use crate::repository::Change;
use chrono::{DateTime, Utc};

/// A wish about one lead.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create { id: LeadId, new: Box<NewLead> },
    Change { id: LeadId, wish: Wish },
}

/// A wish about a lead that is there.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    Update(Box<LeadPatch>),
    Transition { to: String, reason: Option<String> },
    Archive,
    Restore,
    Delete,
}

/// What a wish comes to.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The lead as it will be; the last state of one that is deleted.
    pub(super) lead: Lead,
    /// `None` if nothing changes.
    pub(super) change: Option<Change>,
    /// Whether a rule of the lifecycle was read.
    pub(super) reads_rules: bool,
}

impl Operation {
    /// What the operation is called in idempotency keys; stable.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Change { wish, .. } => match wish {
                Wish::Update(_) => "update",
                Wish::Transition { .. } => "transition",
                Wish::Archive => "archive",
                Wish::Restore => "restore",
                Wish::Delete => "delete",
            },
        }
    }

    /// What the caller asked for, as bytes that are the same when the same is asked again.
    pub(super) fn payload(&self) -> Vec<u8> {
        let json = match self {
            // The id is made anew each time; the time of creation is not in the JSON of a new lead.
            Self::Create { new, .. } => serde_json::to_vec(&(new, new.wanted_creation())),
            Self::Change { id, wish } => match wish {
                Wish::Update(patch) => serde_json::to_vec(&(id, patch)),
                Wish::Transition { to, reason } => serde_json::to_vec(&(id, to, reason)),
                Wish::Archive | Wish::Restore | Wish::Delete => serde_json::to_vec(id),
            },
        };
        // Plain structs with string keys: serde_json has no way to fail on them.
        json.unwrap_or_default()
    }
}

impl Crm {
    /// Checks a wish against everything: what was typed, scope, lifecycle, guards.
    pub(super) async fn plan(
        &self,
        operation: &Operation,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Result<Plan, CrmError> {
        match operation {
            Operation::Create { .. } if self.expected.is_some() => {
                let expected = "none: a lead that is yet to be created has no version";
                Err(Invalid::one("version", ProblemKind::Malformed { expected }).into())
            }
            Operation::Create { id, new } => {
                self.plan_creation(*id, new, &rules.lifecycle, stamp).await
            }
            Operation::Change { id, wish } => {
                let before = self.visible(*id).await?;
                if let Some(expected) = self.expected
                    && before.version != expected
                {
                    return Err(CrmError::Conflict {
                        lead: *id,
                        expected,
                        found: before.version,
                    });
                }
                self.plan_change(before, wish, &rules.lifecycle, stamp)
                    .await
            }
        }
    }

    async fn plan_change(
        &self,
        before: Lead,
        wish: &Wish,
        lifecycle: &Lifecycle,
        stamp: &Stamp,
    ) -> Result<Plan, CrmError> {
        let archived = before.is_archived();
        match wish {
            Wish::Update(_) | Wish::Transition { .. } if archived => {
                Err(CrmError::Archived(before.id))
            }
            Wish::Update(patch) => self.plan_patch(&before, patch, lifecycle, stamp).await,
            Wish::Transition { to, reason } => {
                let to = lifecycle.status(to)?.slug.clone();
                if to == before.status {
                    // Refused, not ignored: of many callers who try the same move, one makes it.
                    lifecycle.transition(&before, &to, reason.as_deref())?;
                }
                let mut patch = LeadPatch::new().status(to);
                if let Some(reason) = reason {
                    patch = patch.status_reason(reason.clone());
                }
                self.plan_patch(&before, &patch, lifecycle, stamp).await
            }
            Wish::Archive if archived => Ok(Plan::unchanged(before)),
            Wish::Archive => Ok(Plan::archiving(&before, Some(stamp.at), stamp)),
            Wish::Restore if !archived => Ok(Plan::unchanged(before)),
            Wish::Restore => Ok(Plan::archiving(&before, None, stamp)),
            Wish::Delete => {
                let event = LeadEvent::deleted(&before, stamp);
                let change = Change::Delete {
                    lead: before.id,
                    expected: before.version,
                    before: Box::new(before.clone()),
                    event,
                };
                Ok(Plan {
                    lead: before,
                    change: Some(change),
                    reads_rules: false,
                })
            }
        }
    }

    pub(super) async fn plan_creation(
        &self,
        id: LeadId,
        new: &NewLead,
        lifecycle: &Lifecycle,
        stamp: &Stamp,
    ) -> Result<Plan, CrmError> {
        let mut problems = Problems::default();
        let status = match new.wanted_status() {
            None => lifecycle.initial(),
            Some(wanted) => problems
                .keep(lifecycle.status(wanted))
                .map_or(lifecycle.initial(), |known| &known.slug),
        };
        let status = status.clone();
        let mut lead = new.draft(id, status, stamp.at, &mut problems);
        let taken = self.take_into_scope(&mut lead);
        if let Err(invalid) = lifecycle.enter(&lead, lead.status_reason.as_deref()) {
            problems.add_new(invalid);
        }
        problems.finish()?;
        taken?;
        self.ask_guards(None, &lead, lifecycle).await?;
        let event = LeadEvent::created(&lead, stamp);
        let change = Change::Create {
            lead: lead.clone(),
            event,
        };
        Ok(Plan {
            lead,
            change: Some(change),
            reads_rules: true,
        })
    }

    async fn plan_patch(
        &self,
        before: &Lead,
        patch: &LeadPatch,
        lifecycle: &Lifecycle,
        stamp: &Stamp,
    ) -> Result<Plan, CrmError> {
        let mut problems = Problems::default();
        let mut after = patch.apply(before, &mut problems);
        let reason = problems.keep(patch.wanted_reason()).unwrap_or_default();
        let to = patch
            .wanted_status()
            .and_then(|typed| problems.keep(lifecycle.status(typed)));
        problems.finish()?;
        let moves = to
            .map(|to| to.slug.clone())
            .filter(|to| *to != before.status);
        if let Some(to) = moves {
            let reason = match reason {
                FieldPatch::Set(reason) => Some(reason),
                FieldPatch::Keep | FieldPatch::Clear => None,
            };
            lifecycle.transition(&after, &to, reason.as_deref())?;
            after.status = to;
            after.status_reason = reason;
            after.status_changed_at = stamp.at;
            self.ask_guards(Some(&before.status), &after, lifecycle)
                .await?;
        } else {
            match reason {
                FieldPatch::Keep => {}
                FieldPatch::Clear => after.status_reason = None,
                FieldPatch::Set(reason) => after.status_reason = Some(reason),
            }
            lifecycle.check_fields(before, &after)?;
        }
        let fields = before.differences(&after);
        if fields.is_empty() {
            return Ok(Plan::unchanged(after));
        }
        if !self.sight.sees(&after) {
            return Err(CrmError::OutOfScope);
        }
        // Rules read whether a field is there, so only emptying one can break them.
        let reads_rules = fields.iter().any(|field| {
            *field == Field::Status || (field.is_set(before) && !field.is_set(&after))
        });
        after.updated_at = stamp.at;
        after.version = before.version.next();
        let event = LeadEvent::changed(before, &after, fields, stamp);
        let change = Change::Update {
            lead: after.clone(),
            before: Box::new(before.clone()),
            event,
        };
        Ok(Plan {
            lead: after,
            change: Some(change),
            reads_rules,
        })
    }

    /// A lead that this handle sees.
    pub(super) async fn visible(&self, id: LeadId) -> Result<Lead, CrmError> {
        let found = self.shared.repository.get(&self.tenant, &[id]).await?.pop();
        found
            .filter(|lead| self.sight.sees(lead))
            .ok_or(CrmError::NotFound(id))
    }

    fn take_into_scope(&self, lead: &mut Lead) -> Result<(), CrmError> {
        if let super::scope::Sight::Of(user) = &self.sight
            && lead.assigned_to.is_none()
        {
            lead.assigned_to = Some(user.clone());
        }
        if self.sight.sees(lead) {
            Ok(())
        } else {
            Err(CrmError::OutOfScope)
        }
    }

    async fn ask_guards(
        &self,
        from: Option<&LeadStatus>,
        lead: &Lead,
        lifecycle: &Lifecycle,
    ) -> Result<(), CrmError> {
        let attempt = Attempt {
            tenant: &self.tenant,
            actor: self.actor.as_ref(),
            from,
            lead,
        };
        for (name, guard) in &self.shared.guards {
            if let Err(message) = guard.check(&attempt).await {
                return Err(lifecycle
                    .refused_by_guard(from, &lead.status, name, message)
                    .into());
            }
        }
        Ok(())
    }
}

impl Plan {
    const fn unchanged(lead: Lead) -> Self {
        Self {
            lead,
            change: None,
            reads_rules: false,
        }
    }

    fn archiving(before: &Lead, archived_at: Option<DateTime<Utc>>, stamp: &Stamp) -> Self {
        let mut after = before.clone();
        after.archived_at = archived_at;
        after.updated_at = stamp.at;
        after.version = before.version.next();
        let event = LeadEvent::changed(before, &after, Vec::new(), stamp);
        let change = Change::Update {
            lead: after.clone(),
            before: Box::new(before.clone()),
            event,
        };
        Self {
            lead: after,
            change: Some(change),
            reads_rules: false,
        }
    }
}
