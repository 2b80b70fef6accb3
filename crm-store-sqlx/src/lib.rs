//! Leads of crm-kit in SQL databases, over [sqlx](https://docs.rs/sqlx).

mod check;
mod effect;
mod error;
mod event_row;
mod lead_row;
mod migrate;
mod plan;
#[cfg(feature = "sqlite")]
mod sqlite;
mod value;

#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteBuilder, SqliteDurability, SqliteRepository};

/// The version of sqlx whose pools and connections these repositories take.
pub use sqlx;
