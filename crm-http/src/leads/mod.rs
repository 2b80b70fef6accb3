//! The leads API, as documented, and what goes beyond the document.
//!
//! `PUT` changes the fields that it names, as the document says, and so does `PATCH`. A lead's
//! version is its `ETag`; a write with `If-Match` that names another is refused with 412, and
//! changes nothing. A write with an `Idempotency-Key` happens once, however often it is sent.

pub(crate) mod answer;
mod body;
mod list;
mod one;
mod report;
mod transition;
mod write;

use crate::auth::Permission;
use crate::routes::Table;
use utoipa_axum::routes;

pub(crate) fn routes(table: Table) -> Table {
    table
        .needs(Permission::Read, routes!(list::list_leads))
        .needs(Permission::Write, routes!(write::create_lead))
        .needs(Permission::Read, routes!(one::get_lead))
        .needs(Permission::Write, routes!(write::update_lead))
        .needs(Permission::Write, routes!(write::patch_lead))
        .needs(Permission::Delete, routes!(write::delete_lead))
        .needs(Permission::Write, routes!(write::archive_lead))
        .needs(Permission::Write, routes!(write::restore_lead))
        .needs(Permission::Read, routes!(one::lead_history))
        .needs(Permission::Read, routes!(transition::next_statuses))
        .needs(Permission::Write, routes!(transition::transition_lead))
        .needs(Permission::Read, routes!(report::pipeline))
        .needs(Permission::Read, routes!(report::events))
}
