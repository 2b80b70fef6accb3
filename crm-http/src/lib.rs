//! The REST APIs of crm-kit, as an axum router that an application mounts.
//!
//! ```
//! use crm_core::crm::Crm;
//! use crm_core::memory::MemoryRepository;
//! use crm_http::Api;
//!
//! # pollster::block_on(async {
//! let crm = Crm::open(MemoryRepository::new()).await?;
//! let router: axum::Router = Api::new(crm).with_probes().router();
//! # drop(router);
//! # Ok::<(), crm_core::crm::CrmError>(())
//! # }).unwrap();
//! ```
//!
//! Which module holds what, from the ground up:
//!
//! | module | holds |
//! | --- | --- |
//! | `error` | what a caller is told, and as which status |
//! | [`auth`] | who calls, what they may do, and the access tokens that are kept in the storage |
//! | `extract` | bodies, parameters and headers, each with typed errors |
//! | `routes` | the table in which every route says what it needs |
//! | `limits`, `rate`, `failures`, `layers` | what is in front of every route |
//! | `tasks` | what goes on after a request has ended |
//! | `seal` | cursors, which tell nothing |
//! | `openapi` | the description that is made from the routes |
//! | `lifecycle`, `statuses` | the routes of the lifecycle: all of it, and as documented |
//! | `leads`, `tokens`, `probes`, `description`, `page` | the routes |
//! | `api` | [`Api`], which puts it together |
//! | `serve` | [`serve()`], which serves it on a socket |
//!
//! No rule about leads is in this crate: those are `crm_core`'s.

// A library does not print; its examples do.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod app;
pub mod auth;
mod crowd;
mod description;
mod error;
mod extract;
mod failures;
mod layers;
mod leads;
mod lifecycle;
mod limits;
mod openapi;
#[cfg(feature = "swagger-ui")]
mod page;
mod probes;
mod rate;
mod routes;
mod seal;
mod serve;
mod statuses;
mod tasks;
mod tokens;

pub use api::Api;
pub use limits::Limits;
pub use routes::RouteInfo;
pub use seal::CursorKey;
pub use serve::serve;

pub use axum;
pub use utoipa;
