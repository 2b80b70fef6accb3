//! The domain of crm-kit.
pub mod clock;
pub mod lead;
pub mod text;
