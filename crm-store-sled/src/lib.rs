#![doc = include_str!("docs.md")]

mod commit;
mod count;
mod counters;
mod disk;
mod draft;
mod erase;
mod error;
mod export;
mod flush;
mod guard;
mod key;
mod lock;
mod meta;
mod open;
mod options;
mod queue;
mod read;
mod reader;
mod rebuild;
mod repository;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod value;
mod verify;

pub use export::Exported;
pub use options::{Durability, OpenCheck, SledBuilder};
pub use repository::SledRepository;
pub use verify::{Fault, Verified};
