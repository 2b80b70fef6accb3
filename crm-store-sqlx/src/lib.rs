#![doc = include_str!("docs.md")]
// Without a database there is nothing here.
#![cfg(feature = "sqlite")]

mod check;
mod effect;
mod error;
mod event_row;
mod lead_row;
mod migrate;
mod plan;
mod sqlite;
mod value;
mod verified;

pub use sqlite::{SqliteBuilder, SqliteDurability, SqliteRepository};
pub use verified::{Fault, Verified};

/// The version of sqlx whose pools and connections these repositories take.
pub use sqlx;
