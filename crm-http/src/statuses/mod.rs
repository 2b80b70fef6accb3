//! The lead statuses API, as documented, under a base path that the application chooses. Its
//! conventions stay in here: the header `authtoken`, bare arrays in the order of `statusorder`,
//! values that are strings, 404 where nothing is found, and errors with `"status":false`.
//!
//! What it reads and edits is the lifecycle that leads go by. How its fields are meant:
//!
//! - `id` is the number of the status, which is never given to another one.
//! - `statusorder` is the place in the order: 1, 2, 3 and so on, without gaps. A status that is
//!   given a place gets it, and whoever had it moves on by one; so of two that are given the same,
//!   the later is first. 0 is the first place as well, and a number beyond the end is the end. A
//!   new status without one goes before the first closed one if it is open, else to the end.
//! - `color` is `#28B8DA` for a new status that gives none, and `#757575` where it is given empty.
//! - `isdefault` is `1` where leads become customers, which is the kind `won`. Setting it to 1
//!   makes a status won; setting it to 0 opens one that was won, and leaves others as they are.
//!   Several may be won. A lifecycle must keep an open status to start in and a closed one to end
//!   in: what would break that is refused.
//!
//! Ours after these are `slug`, `kind` (open, won, lost), `probability` (percent) and
//! `retiring_into`: the slug of the status that the leads of this one move to while it is being
//! removed, else empty. What a list or a status shows can be sent back as it is. What of a status
//! is not told here is at `/v1/crm/lead-statuses`.

mod dialect;
mod fields;
mod form;
mod item;
mod list;
mod one;
mod remove;

pub(crate) use dialect::{add_refusals, spoken};

use crate::auth::Permission;
use crate::routes::Table;
use utoipa_axum::routes;

pub(crate) fn routes(table: Table) -> Table {
    table
        .needs(Permission::Read, routes!(list::list_statuses))
        .needs(Permission::Administer, routes!(one::add_status))
        .needs(Permission::Read, routes!(one::show_status))
        .needs(Permission::Administer, routes!(one::update_status))
        .needs(Permission::Administer, routes!(remove::remove_status))
        .needs(Permission::Administer, routes!(remove::delete_status))
}
