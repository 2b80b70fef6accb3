//! What people ask about a pipeline: definitions here, once, so every team counts alike.
//!
//! - A lead is *stuck* when it has been in its status for as long as the status's threshold or
//!   longer, counted from when it entered it.
//! - The *weighted value* of a status is the value of its leads times the status's win
//!   probability.
//!
//! Archived leads are in no report.

mod pipeline;
mod stuck;

pub use pipeline::{Pipeline, PipelineStage, StageValue};
pub(crate) use stuck::StuckError;
pub use stuck::{StuckLead, StuckQuery};
