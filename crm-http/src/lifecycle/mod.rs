//! The lifecycle in the conventions of the leads API: what statuses there are, what each asks of a
//! lead, and which moves between them are allowed.
//!
//! A status is named by its slug or its number. `PUT` changes the fields that it names, and so does
//! `PATCH`. Every edit makes a new version of the whole lifecycle, which is the `ETag` of all of
//! these routes; one with `If-Match` that names another version is refused with 412. Edits take no
//! `Idempotency-Key`: one that is repeated changes nothing, or is refused because of the first.
//!
//! `change`, `listing` and `removal` also serve the documented lead statuses API.

mod answer;
mod body;
pub(crate) mod change;
pub(crate) mod listing;
mod one;
pub(crate) mod removal;
mod several;
mod whole;

use crate::auth::Permission;
use crate::routes::Table;
use crm_core::lead::LeadStatus;
use crm_core::lifecycle::{Lifecycle, StatusDefinition, StatusId};
use utoipa_axum::routes;

pub(crate) fn routes(table: Table) -> Table {
    table
        .needs(Permission::Read, routes!(listing::list_lead_statuses))
        .needs(Permission::Administer, routes!(one::create_lead_status))
        .needs(Permission::Read, routes!(whole::lifecycle_diagram))
        .needs(
            Permission::Administer,
            routes!(whole::reorder_lead_statuses),
        )
        .needs(Permission::Read, routes!(whole::get_policy))
        .needs(Permission::Administer, routes!(whole::replace_policy))
        .needs(Permission::Administer, routes!(several::edit_lead_statuses))
        .needs(Permission::Read, routes!(one::get_lead_status))
        .needs(Permission::Administer, routes!(one::update_lead_status))
        .needs(Permission::Administer, routes!(one::patch_lead_status))
        .needs(Permission::Administer, routes!(one::delete_lead_status))
}

/// The status of this number; else, of this slug.
pub(crate) fn named<'a>(lifecycle: &'a Lifecycle, typed: &str) -> Option<&'a StatusDefinition> {
    numbered(lifecycle, typed).or_else(|| {
        let slug: LeadStatus = typed.parse().ok()?;
        lifecycle.get(&slug)
    })
}

/// The status of this number, in digits.
pub(crate) fn numbered<'a>(lifecycle: &'a Lifecycle, typed: &str) -> Option<&'a StatusDefinition> {
    // A sign, which the parser takes, is no part of a number here.
    let is_plain = typed.bytes().all(|byte| byte.is_ascii_digit());
    let number = typed.parse().ok().filter(|_| is_plain)?;
    lifecycle.by_id(StatusId::new(number))
}
