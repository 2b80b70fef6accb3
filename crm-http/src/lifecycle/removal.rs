//! Removing statuses that leads are in, which may take longer than a request.
//!
//! A removal is marked in the lifecycle first, and nothing enters the status from then on. Moving
//! its leads goes on when the caller hangs up, or has waited for half of the time that a request may
//! take, at most ten seconds: then the answer is 202. If the process ends, whoever repeats the
//! request, or calls `Crm::resume_removals`, goes on where it stopped.

use super::change::{applied, commit, plain};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Conditions;
use axum::http::StatusCode;
use crm_core::crm::{Crm, CrmError};
use crm_core::lead::{LeadStatus, TenantId};
use crm_core::lifecycle::Lifecycle;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
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
    crm: &Crm,
    conditions: &Conditions,
    find: impl Fn(&Lifecycle) -> Result<(LeadStatus, Option<LeadStatus>), ApiError> + Send + Sync,
) -> Result<Removal, ApiError> {
    let (lifecycle, marked) = commit(crm, conditions, |lifecycle| {
        let (status, destination) = find(lifecycle)?;
        let known = lifecycle.get(&status);
        let Some(destination) = destination.or_else(|| known?.retiring.clone()) else {
            let edit = lifecycle.edit().remove(&status);
            applied(&edit, &plain)?;
            return Ok((edit, None));
        };
        let edit = lifecycle.edit().retire(&status, &destination);
        applied(&edit, &plain)?;
        // What the end would refuse is refused before anything begins.
        applied(&edit.clone().remove(&status), &plain)?;
        Ok((edit, Some(status)))
    })
    .await?;
    match marked {
        None => Ok(Removal::Done(lifecycle)),
        Some(status) => finish(app, crm, lifecycle, vec![status]).await,
    }
}

/// Moves the leads of statuses that were marked, and removes these.
pub(crate) async fn finish(
    app: &App,
    crm: &Crm,
    marked: Lifecycle,
    statuses: Vec<LeadStatus>,
) -> Result<Removal, ApiError> {
    let begin = |status| app.removals.begin(crm.tenant_id(), status);
    let begun: Vec<Underway> = statuses.iter().filter_map(begin).collect();
    let others_are_at_it = begun.len() < statuses.len();
    let wait = (app.limits.timeout / 2).min(LONGEST_WAIT);
    let crm = crm.clone();
    let moving = async move {
        for underway in begun {
            let moved = move_out(&crm, &underway.key.1).await;
            if let Err(error) = moved {
                tracing::warn!(error = %error, "the removal of a status stopped");
                return Err(error);
            }
        }
        crm.lifecycle().await
    };
    // A task of its own, which goes on when the request ends.
    let task = tokio::spawn(moving.in_current_span());
    let lifecycle = match timeout(wait, task).await {
        Ok(Ok(moved)) => moved?,
        Ok(Err(_)) => return Err(ApiError::internal()),
        Err(_) => return Ok(Removal::GoesOn(marked)),
    };
    let is_left = |status: &LeadStatus| lifecycle.get(status).is_some();
    if !statuses.iter().any(is_left) {
        return Ok(Removal::Done(lifecycle));
    }
    if others_are_at_it {
        return Ok(Removal::GoesOn(lifecycle));
    }
    let message = "Somebody took the removal back meanwhile.";
    Err(ApiError::new(StatusCode::CONFLICT, message))
}

/// Unless somebody took the removal back meanwhile, which then holds.
async fn move_out(crm: &Crm, status: &LeadStatus) -> Result<(), CrmError> {
    let lifecycle = crm.lifecycle().await?;
    let known = lifecycle.get(status);
    if let Some(destination) = known.and_then(|known| known.retiring.as_ref()) {
        crm.remove_status_into(status, destination).await?;
    }
    Ok(())
}
