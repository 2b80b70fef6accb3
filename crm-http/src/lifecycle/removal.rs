//! Removing statuses that leads are in, which may take longer than a request.
//!
//! A removal is marked in the lifecycle first, and nothing enters the status from then on. Marking
//! and moving its leads go on when the caller hangs up, or has waited for half of the time that a
//! request may take, at most ten seconds: then the answer is 202. If the process ends, whoever repeats the
//! request, or calls `Crm::resume_removals`, goes on where it stopped. `serve` waits for it for a while.

use super::change::{applied, commit, plain};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Conditions};
use axum::http::StatusCode;
use crm_core::lead::{LeadStatus, TenantId};
use crm_core::lifecycle::{Lifecycle, LifecycleEdit};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument as _;

const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The removals that go on in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Removals(Arc<Mutex<HashSet<(TenantId, LeadStatus)>>>);

/// How far a removal has come.
#[derive(Debug)]
pub(crate) enum Removal {
    Done(Lifecycle),
    /// Leads are still moving.
    GoesOn(Lifecycle),
}

impl Removals {
    /// Ends when it is dropped. `None` if this process is at it already.
    fn begin(&self, tenant: &TenantId, status: &LeadStatus) -> Option<Underway> {
        let key = (tenant.clone(), status.clone());
        let is_new = self.0.lock().insert(key.clone());
        is_new.then(|| Underway {
            removals: self.clone(),
            key,
        })
    }
}

struct Underway {
    removals: Removals,
    key: (TenantId, LeadStatus),
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.removals.0.lock().remove(&self.key);
    }
}

/// Removes one status. Without a destination it must have no leads, or be on its way out already.
///
/// `find` says which status is meant and where its leads go.
pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    conditions: &Conditions,
    find: impl Fn(&Lifecycle) -> Result<(LeadStatus, Option<LeadStatus>), ApiError> + Send + 'static,
) -> Result<Removal, ApiError> {
    mark_and_move(app, caller, conditions, move |lifecycle| {
        let (status, destination) = find(lifecycle)?;
        let known = lifecycle.get(&status);
        let Some(destination) = destination.or_else(|| known?.retiring.clone()) else {
            let edit = lifecycle.edit().remove(&status);
            applied(&edit, &plain)?;
            return Ok((edit, Vec::new()));
        };
        let edit = lifecycle.edit().retire(&status, &destination);
        applied(&edit, &plain)?;
        // What the end would refuse is refused before anything begins.
        applied(&edit.clone().remove(&status), &plain)?;
        Ok((edit, vec![status]))
    })
    .await
}

/// Makes an edit that marks statuses, moves their leads, and removes them. `plan` says what the
/// edit is, and which statuses it marks.
pub(crate) async fn mark_and_move(
    app: &App,
    caller: &Caller,
    conditions: &Conditions,
    plan: impl Fn(&Lifecycle) -> Result<(LifecycleEdit, Vec<LeadStatus>), ApiError> + Send + 'static,
) -> Result<Removal, ApiError> {
    let (tell, told) = oneshot::channel();
    let (removals, conditions) = (app.removals.clone(), conditions.clone());
    let crm = caller.crm.clone();
    // One task, which goes on when the request ends: a mark that nobody moves the leads of would
    // stay.
    let task = caller.tasks.spawn(
        async move {
            let (lifecycle, marked) = commit(&crm, &conditions, plan).await?;
            let begin = |status| removals.begin(crm.tenant_id(), status);
            let begun: Vec<Underway> = marked.iter().filter_map(begin).collect();
            let begin = Begun {
                others_are_at_it: begun.len() < marked.len(),
                marked: lifecycle.clone(),
                statuses: marked,
            };
            let is_done = begin.statuses.is_empty();
            // Whoever asked may have left.
            drop(tell.send(begin));
            if is_done {
                return Ok(lifecycle);
            }
            for underway in begun {
                if let Err(error) = crm.resume_removal(&underway.key.1).await {
                    tracing::warn!(error = %error, "the removal of a status stopped");
                    return Err(error.into());
                }
            }
            Ok::<_, ApiError>(crm.lifecycle().await?)
        }
        .in_current_span(),
    );
    let Ok(begun) = told.await else {
        // It ended before anything was marked.
        let refused = task.await.map_err(|_| ApiError::internal())?;
        return refused.map(Removal::Done);
    };
    let wait = (app.limits.timeout / 2).min(LONGEST_WAIT);
    let lifecycle = match timeout(wait, task).await {
        Ok(Ok(moved)) => moved?,
        Ok(Err(_)) => return Err(ApiError::internal()),
        Err(_) => return Ok(Removal::GoesOn(begun.marked)),
    };
    let is_left = |status: &LeadStatus| lifecycle.get(status).is_some();
    if !begun.statuses.iter().any(is_left) {
        return Ok(Removal::Done(lifecycle));
    }
    if begun.others_are_at_it {
        return Ok(Removal::GoesOn(lifecycle));
    }
    let message = "Somebody took the removal back meanwhile.";
    Err(ApiError::new(StatusCode::CONFLICT, message))
}

/// An edit that was made, and whose leads move next.
struct Begun {
    marked: Lifecycle,
    statuses: Vec<LeadStatus>,
    others_are_at_it: bool,
}
