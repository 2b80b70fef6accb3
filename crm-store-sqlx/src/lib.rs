#![doc = include_str!("docs.md")]
// Without a database there is nothing here.
#![cfg(any(feature = "postgres", feature = "sqlite"))]

mod about;
mod check;
mod effect;
mod error;
mod event_row;
mod lead_row;
mod migrate;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod value;
mod verified;

#[cfg(feature = "postgres")]
pub use postgres::{PostgresBuilder, PostgresRepository};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteBuilder, SqliteDurability, SqliteRepository};
pub use verified::{Fault, Verified};

/// The version of sqlx whose pools and connections these repositories take.
pub use sqlx;
