//! Several statuses changed and removed in one call, as one edit.

use super::answer::LifecycleChanged;
use super::body::StatusBody;
use super::change::applied;
use super::named;
use super::one::removed;
use super::removal::mark_and_move;
use super::whole::few;
use crate::app::App;
use crate::error::{ApiError, FieldErrors};
use crate::extract::{Body, Caller, Conditions, JsonBody, Kind, NoParams};
use axum::extract::State;
use axum::response::Response;
use crm_core::lead::LeadStatus;
use crm_core::lifecycle::{Lifecycle, LifecycleEdit, MAX_STATUSES, StatusDefinition};
use serde::Deserialize;
use utoipa::ToSchema;

/// Edits of several statuses.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeadStatusEdits)]
pub(super) struct EditsBody {
    /// Statuses to be changed, each with what it is to be.
    #[schema(max_items = 100)]
    update: Option<Vec<UpdateBody>>,
    /// Statuses to be deleted, each with where its leads go, if it has any.
    #[schema(max_items = 100)]
    delete: Option<Vec<DeleteBody>>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = LeadStatusUpdate)]
pub(super) struct UpdateBody {
    /// The statuses, by numbers or slugs: what follows is done to each.
    #[schema(required, nullable = false, min_items = 1, max_items = 100)]
    statuses: Option<Vec<String>>,
    /// What they are to be; without `slug` and `transitions`.
    #[serde(flatten)]
    change: StatusBody,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = LeadStatusDeletion)]
pub(super) struct DeleteBody {
    /// The statuses, by numbers or slugs.
    #[schema(required, nullable = false, min_items = 1, max_items = 100)]
    statuses: Option<Vec<String>>,
    /// The status that their leads go to, by number or slug.
    move_to: Option<String>,
}

impl Body for EditsBody {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        (
            "update",
            Kind::Objects(&[
                ("statuses", Kind::Texts),
                ("name", Kind::Text),
                ("colour", Kind::Text),
                ("order", Kind::Integer),
                ("kind", Kind::Text),
                ("probability", Kind::Integer),
                ("stuck_after_seconds", Kind::Integer),
                ("required", Kind::Texts),
                ("reason", Kind::Text),
                ("initial", Kind::Flag),
                ("retiring", Kind::Text),
            ]),
        ),
        (
            "delete",
            Kind::Objects(&[("statuses", Kind::Texts), ("move_to", Kind::Text)]),
        ),
    ];
}

/// Edit several lead statuses
///
/// All of it is one edit of the lifecycle, or nothing of it is done: a status with leads that is to
/// be deleted without a destination refuses the whole. Leads of deleted statuses move afterwards;
/// if that takes long, the answer is 202 and moving goes on.
#[utoipa::path(
    post,
    path = "/v1/crm/lead-statuses/bulk",
    tag = "Lifecycle",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that the edit is meant for.")),
    request_body = EditsBody,
    responses(
        (status = 200, description = "All of it was done.", body = LifecycleChanged),
        (status = 202, description = "All of it was done, and leads are still moving.", body = LifecycleChanged),
        (status = 412, description = "The lifecycle is not at the version that If-Match names."),
    )
)]
pub(super) async fn edit_lead_statuses(
    State(app): State<App>,
    caller: Caller,
    conditions: Conditions,
    _: NoParams,
    JsonBody(body): JsonBody<EditsBody>,
) -> Result<Response, ApiError> {
    let updates = body.update.unwrap_or_default();
    let deletions = body.delete.unwrap_or_default();
    few("update", updates.len(), MAX_STATUSES)?;
    few("delete", deletions.len(), MAX_STATUSES)?;
    if updates.is_empty() && deletions.is_empty() {
        return Err(ApiError::invalid("update", "is required, or delete"));
    }
    let plan = move |lifecycle: &Lifecycle| {
        let mut draft = Draft::of(lifecycle);
        for (index, update) in updates.iter().enumerate() {
            draft.update(index, update);
        }
        for (index, deletion) in deletions.iter().enumerate() {
            draft.delete(index, deletion);
        }
        draft.finish()
    };
    let removal = mark_and_move(&app, &caller, &conditions, plan).await?;
    Ok(removed(&removal, "Lead statuses edited successfully."))
}

/// The edit so far.
struct Draft<'a> {
    lifecycle: &'a Lifecycle,
    edit: LifecycleEdit,
    /// What stands in errors before the fields of a status.
    paths: Vec<(LeadStatus, String)>,
    /// Those whose leads move before they go.
    marked: Vec<LeadStatus>,
    errors: FieldErrors,
}

impl<'a> Draft<'a> {
    fn of(lifecycle: &'a Lifecycle) -> Self {
        Self {
            lifecycle,
            edit: lifecycle.edit(),
            paths: Vec::new(),
            marked: Vec::new(),
            errors: FieldErrors::default(),
        }
    }

    fn update(&mut self, index: usize, update: &UpdateBody) {
        let path = format!("update[{index}].");
        let mut errors = FieldErrors::default();
        let wanted = update.change.read(&mut errors);
        for status in self.found(&path, update.statuses.as_deref()) {
            let is_initial = *self.lifecycle.initial() == status.slug;
            update.change.check_against(status, is_initial, &mut errors);
            let edit = self.edit.clone();
            self.edit = wanted.steps(self.lifecycle, &status.slug, edit);
        }
        for (field, problems) in errors.iter() {
            for problem in problems {
                self.errors.add(format!("{path}{field}"), problem);
            }
        }
    }

    fn delete(&mut self, index: usize, deletion: &DeleteBody) {
        let path = format!("delete[{index}].");
        let destination = deletion.move_to.as_deref().map(|typed| {
            let found = named(self.lifecycle, typed).map(|found| &found.slug);
            if found.is_none() {
                let field = format!("{path}move_to");
                self.errors.add(field, "is no lead status");
            }
            found
        });
        for status in self.found(&path, deletion.statuses.as_deref()) {
            let destination = destination.flatten().or(status.retiring.as_ref());
            let edit = self.edit.clone();
            self.edit = match destination {
                None => edit.remove(&status.slug),
                Some(destination) => {
                    self.marked.push(status.slug.clone());
                    edit.retire(&status.slug, destination)
                }
            };
        }
    }

    /// The statuses that are named, each once.
    fn found(&mut self, path: &str, typed: Option<&[String]>) -> Vec<&'a StatusDefinition> {
        let typed = typed.unwrap_or_default();
        let field = format!("{path}statuses");
        if typed.is_empty() {
            self.errors.add(field, "is required");
            return Vec::new();
        }
        if typed.len() > MAX_STATUSES {
            let what = format!("is too long: at most {MAX_STATUSES}");
            self.errors.add(field, what);
            return Vec::new();
        }
        let mut statuses: Vec<&StatusDefinition> = Vec::with_capacity(typed.len());
        for (index, typed) in typed.iter().enumerate() {
            let field = format!("{field}[{index}]");
            match named(self.lifecycle, typed) {
                None => self.errors.add(field, "is no lead status"),
                Some(found) if statuses.iter().any(|known| known.id == found.id) => {
                    self.errors.add(field, "is given more than once");
                }
                Some(found) => {
                    self.paths.push((found.slug.clone(), path.to_owned()));
                    statuses.push(found);
                }
            }
        }
        statuses
    }

    fn finish(self) -> Result<(LifecycleEdit, Vec<LeadStatus>), ApiError> {
        self.errors.finish()?;
        let field_name = |status: &LeadStatus, field: &str| {
            let path = self.paths.iter().rfind(|(known, _)| known == status);
            let path = path.map_or("", |(_, path)| path);
            format!("{path}{field}")
        };
        applied(&self.edit, &field_name)?;
        // What the end would refuse is refused before anything begins.
        let end = self.edit.clone();
        let end = self.marked.iter().fold(end, LifecycleEdit::remove);
        applied(&end, &field_name)?;
        Ok((self.edit, self.marked))
    }
}
