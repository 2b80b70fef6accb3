//! Lead management to embed in a Rust application, over storage of your choice.
//!
//! ```
//! use crm_kit::prelude::*;
//!
//! # pollster::block_on(async {
//! let crm = Crm::open(MemoryRepository::new()).await?;
//!
//! let lead = crm.create(
//!     NewLead::new("John", "Doe", "john@example.com")?
//!         .company("Acme Corp").phone("+263771234567").source(LeadSource::WEBSITE),
//! ).await?;
//!
//! let lead = crm.transition(lead.id, LeadStatus::CONTACTED).await?;
//! let patch = LeadPatch::new().status(LeadStatus::QUALIFIED).notes("Enterprise plan");
//! let lead = crm.as_user("user_456").update(lead.id, patch).await?;
//!
//! let page = crm.list(LeadQuery::new().status(LeadStatus::QUALIFIED).limit(50)).await?;
//! let stuck = crm.stuck(StuckQuery::new()).await?;
//! # assert_eq!((page.items.len(), stuck.items.len()), (1, 0));
//! # Ok::<(), CrmError>(())
//! # }).unwrap();
//! ```
//!
//! This crate holds no logic of its own: it re-exports [`crm_core`] and, by feature, the storage
//! crates.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `csv` | `import`: leads from CSV files |
//! | `http` | `http`: the REST APIs as an axum router |
//! | `sled` | `sled`: leads in a directory, kept by an embedded key-value store |
//! | `sqlite` | `sqlx`: leads in a SQLite file, beside the application's own tables |
//! | `postgres` | `sqlx`: leads in a PostgreSQL database, beside the application's own tables |
//! | `mysql` | `sqlx`: leads in a MySQL or MariaDB database, beside the application's own tables |
//! | `runtime-tokio`, `runtime-smol`, `runtime-async-global-executor` | the async runtime that connections of `sqlite`, `postgres` and `mysql` live on: the application's |
//! | `testing` | `testing`: a clock that tests set, and what storages are tested with; for dev-dependencies |

// A library does not print; its examples do.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub use crm_core::*;
#[cfg(feature = "http")]
pub use crm_http as http;
#[cfg(feature = "sled")]
pub use crm_store_sled as sled;
#[cfg(feature = "sqlx")]
pub use crm_store_sqlx as sqlx;

mod connect;

pub use connect::{ConnectError, connect};

/// What an application needs in most of its files.
pub mod prelude {
    pub use crm_core::clock::{Clock, SystemClock};
    pub use crm_core::crm::{Crm, CrmError, Scope};
    pub use crm_core::event::{EventKind, LeadEvent};
    #[cfg(feature = "csv")]
    pub use crm_core::import::CsvImport;
    pub use crm_core::lead::{
        Field, Invalid, Lead, LeadId, LeadPatch, LeadSource, LeadStatus, Money, NewLead, TenantId,
        UserId, Version,
    };
    pub use crm_core::lifecycle::{Lifecycle, StatusDraft, StatusKind};
    pub use crm_core::memory::MemoryRepository;
    pub use crm_core::query::{Archived, LeadQuery, Page, Sort, Total};
    pub use crm_core::report::{Pipeline, StuckLead, StuckQuery};
    pub use crm_core::repository::{HistoryQuery, Repository};
    #[cfg(feature = "sled")]
    pub use crm_store_sled::SledRepository;
    #[cfg(feature = "mysql")]
    pub use crm_store_sqlx::MySqlRepository;
    #[cfg(feature = "postgres")]
    pub use crm_store_sqlx::PostgresRepository;
    #[cfg(feature = "sqlite")]
    pub use crm_store_sqlx::SqliteRepository;
}
