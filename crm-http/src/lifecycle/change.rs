//! An edit of the lifecycle: what somebody wants of a status becomes steps of core's edit, and what
//! core finds wrong with them becomes errors of fields.

use crate::error::{ApiError, FieldErrors};
use crate::extract::Conditions;
use crm_core::chrono::TimeDelta;
use crm_core::crm::{Crm, CrmError};
use crm_core::lead::{Field, LeadStatus};
use crm_core::lifecycle::{
    Fault, Lifecycle, LifecycleEdit, LifecycleInvalid, Place, ReasonRule, StatusDraft, StatusKind,
};
use crm_core::repository::RepositoryErrorKind;

/// How often an edit is made anew on top of somebody else's.
const MAX_ATTEMPTS: u32 = 20;

/// What somebody wants a status to be. What is not given stays.
#[derive(Debug, Default, Clone)]
pub(crate) struct StatusChange {
    pub(crate) name: Option<String>,
    /// For a new status only.
    pub(crate) slug: Option<String>,
    pub(crate) colour: Option<String>,
    /// The first is 1; beyond the end is the end.
    pub(crate) place: Option<usize>,
    pub(crate) kind: Option<StatusKind>,
    pub(crate) probability: Option<u8>,
    pub(crate) stuck_after: Option<Option<TimeDelta>>,
    pub(crate) required: Option<Vec<Field>>,
    pub(crate) reason: Option<ReasonRule>,
    pub(crate) becomes_initial: bool,
    /// Every status that may be entered from it.
    pub(crate) transitions: Option<Vec<String>>,
    /// Its removal is taken back.
    pub(crate) stays: bool,
}

impl StatusChange {
    /// An edit that adds such a status, and the slug it will have.
    pub(crate) fn add_to(
        &self,
        lifecycle: &Lifecycle,
        field_name: FieldName<'_>,
    ) -> Result<(LifecycleEdit, LeadStatus), ApiError> {
        let edit = lifecycle.edit().add(self.draft());
        let added = applied(&edit, field_name)?;
        let mut statuses = added.statuses().iter();
        let new = statuses.find(|status| lifecycle.by_id(status.id).is_none());
        let slug = new.ok_or_else(ApiError::internal)?.slug.clone();
        let rest = Self {
            place: self.place,
            becomes_initial: self.becomes_initial,
            transitions: self.transitions.clone(),
            ..Self::default()
        };
        let edit = rest.steps(&added, &slug, edit);
        applied(&edit, field_name)?;
        Ok((edit, slug))
    }

    fn draft(&self) -> StatusDraft {
        let mut draft = StatusDraft::new(self.name.clone().unwrap_or_default());
        if let Some(slug) = &self.slug {
            draft = draft.slug(slug);
        }
        if let Some(colour) = &self.colour {
            draft = draft.colour(colour);
        }
        if let Some(kind) = self.kind {
            draft = draft.kind(kind);
        }
        if let Some(percent) = self.probability {
            draft = draft.probability(percent);
        }
        if let Some(Some(threshold)) = self.stuck_after {
            draft = draft.stuck_after(threshold);
        }
        if let Some(fields) = &self.required {
            draft = draft.require_all(fields.iter().cloned());
        }
        match self.reason {
            Some(ReasonRule::Required) => draft.reason_required(),
            _ => draft,
        }
    }

    /// The steps that make a status of the lifecycle so, after those of the edit.
    pub(crate) fn steps(
        &self,
        lifecycle: &Lifecycle,
        slug: &LeadStatus,
        mut edit: LifecycleEdit,
    ) -> LifecycleEdit {
        if let Some(name) = &self.name {
            edit = edit.rename(slug, name);
        }
        if let Some(colour) = &self.colour {
            edit = edit.recolour(slug, colour);
        }
        // Before the probability, which it sets.
        if let Some(kind) = self.kind {
            edit = edit.set_kind(slug, kind);
        }
        if let Some(percent) = self.probability {
            edit = edit.set_probability(slug, percent);
        }
        if let Some(threshold) = self.stuck_after {
            edit = edit.set_stuck_after(slug, threshold);
        }
        if let Some(fields) = &self.required {
            edit = edit.set_required(slug, fields.iter().cloned());
        }
        if let Some(rule) = self.reason {
            edit = edit.set_reason(slug, rule);
        }
        if let Some(place) = self.place {
            edit = edit.move_to(slug, place.saturating_sub(1));
        }
        if self.becomes_initial {
            edit = edit.set_initial(slug);
        }
        if self.stays {
            edit = edit.unretire(slug);
        }
        match &self.transitions {
            Some(wanted) => lead_to(wanted, lifecycle, slug, edit),
            None => edit,
        }
    }
}

/// Allows the moves that are wanted and forbids the others. Where that is what the policy says
/// already, it stays as it is.
fn lead_to(
    wanted: &[String],
    lifecycle: &Lifecycle,
    slug: &LeadStatus,
    edit: LifecycleEdit,
) -> LifecycleEdit {
    let others = lifecycle.statuses().iter().filter(|status| {
        let is_wanted = wanted.iter().any(|wanted| status.slug == **wanted);
        // What is being removed is not among the moves that are shown.
        status.slug != *slug && !status.is_retiring() && !is_wanted
    });
    let edit = others.fold(edit, |edit, other| edit.forbid(slug, &other.slug));
    wanted.iter().fold(edit, |edit, to| edit.allow(slug, to))
}

/// How errors call a field of a status.
pub(crate) type FieldName<'a> = &'a dyn Fn(&LeadStatus, &str) -> String;

/// As core calls it.
pub(crate) fn plain(_: &LeadStatus, field: &str) -> String {
    field.to_owned()
}

/// What comes out of an edit.
pub(crate) fn applied(
    edit: &LifecycleEdit,
    field_name: FieldName<'_>,
) -> Result<Lifecycle, ApiError> {
    edit.apply()
        .map_err(|invalid| refusal(&invalid, field_name))
}

fn refusal(invalid: &LifecycleInvalid, field_name: FieldName<'_>) -> ApiError {
    let mut errors = FieldErrors::default();
    for fault in invalid.faults() {
        match fault {
            Fault::Definition { status, problem } => {
                let field = field_name(status, problem.field());
                errors.add(field, problem.kind().to_string());
            }
            Fault::DuplicateName { status, .. } => {
                errors.add(field_name(status, "name"), fault.to_string());
            }
            Fault::DuplicateSlug { status } => {
                errors.add(field_name(status, "slug"), fault.to_string());
            }
            Fault::RetiringIntoItself { status } | Fault::RetiringIntoRetiring { status, .. } => {
                errors.add(field_name(status, "move_to"), fault.to_string());
            }
            Fault::EdgeToItself { .. } => errors.add("transitions", fault.to_string()),
            Fault::OrderIncomplete { .. } | Fault::OrderRepeats { .. } => {
                errors.add("order", fault.to_string());
            }
            Fault::UnknownStatus { place, .. } => {
                let field = match place {
                    Place::Rule => "transitions",
                    Place::Order => "order",
                    Place::Destination => "move_to",
                    _ => "lifecycle",
                };
                errors.add(field, fault.to_string());
            }
            fault => errors.add("lifecycle", fault.to_string()),
        }
    }
    ApiError::unprocessable(errors)
}

/// Makes an edit that is planned on the lifecycle as it is, anew if somebody else was faster.
/// Returns what it made of the lifecycle, and what the plan told.
pub(crate) async fn commit<T>(
    crm: &Crm,
    conditions: &Conditions,
    plan: impl Fn(&Lifecycle) -> Result<(LifecycleEdit, T), ApiError> + Send,
) -> Result<(Lifecycle, T), ApiError> {
    // Before anything is said about statuses.
    crm.repository()?;
    let mut attempt = 0;
    loop {
        let current = crm.lifecycle().await?;
        conditions.must_be_at(current.version())?;
        let (edit, told) = plan(&current)?;
        let pinned = crm.if_version(current.version());
        match pinned.edit_lifecycle(|_| edit.clone()).await {
            Ok(edited) => return Ok((edited, told)),
            Err(error) if attempt < MAX_ATTEMPTS && was_overtaken(&error) => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

const fn was_overtaken(error: &CrmError) -> bool {
    let CrmError::Repository(error) = error else {
        return false;
    };
    matches!(error.kind(), RepositoryErrorKind::StaleLifecycle { .. })
}
