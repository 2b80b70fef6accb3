#![doc = include_str!("docs.md")]
// Without a database there is nothing here.
#![cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]

mod about;
mod arm;
mod check;
mod count;
mod effect;
mod error;
mod event_row;
mod filter;
mod find;
mod lead_row;
mod list;
mod migrate;
#[cfg(feature = "mysql")]
mod mysql;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
mod reading;
mod rebuild;
#[cfg(test)]
mod shapes;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statement;
mod value;
mod verified;
mod verify;

#[cfg(feature = "mysql")]
pub use mysql::{MySqlBuilder, MySqlRepository};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresBuilder, PostgresRepository};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteBuilder, SqliteDurability, SqliteRepository};
pub use verified::{Fault, Verified};

/// The version of sqlx whose pools and connections these repositories take.
pub use sqlx;
