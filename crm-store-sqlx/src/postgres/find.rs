//! Lists: which statements answer a query.

use super::list::Listing;
use super::{count, lifecycle};
use crate::error::Result;
use crate::plan::{Plan, Way, gathers};
use crate::value::read;
use crm_core::index::counters_for;
use crm_core::lead::{Lead, TenantId};
use crm_core::query::{LeadQuery, Page, SortBy, Total, TotalCount};
use sqlx::{Connection as _, PgConnection, Row as _};

/// All statements see what was committed when the first began.
pub(super) const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A page, read at one moment: most by one statement, any other in a transaction.
pub(super) async fn find(
    connection: &mut PgConnection,
    tenant: &TenantId,
    query: &LeadQuery,
) -> Result<Page<Lead>> {
    query.check()?;
    let plan = Plan::list(query.filter(), query.sorting());
    if let Plan::Exact(way) = &plan
        && query.sorting().by != SortBy::Status
        && let Some(page) = at_once(connection, tenant, query, *way).await?
    {
        return Ok(page);
    }
    let mut moment = connection.begin_with(MOMENT).await?;
    let page = in_steps(&mut moment, tenant, query, &plan).await?;
    moment.commit().await?;
    Ok(page)
}

/// The page and its total by one statement, or `None` if that cannot tell both.
async fn at_once(
    connection: &mut PgConnection,
    tenant: &TenantId,
    query: &LeadQuery,
    way: Way,
) -> Result<Option<Page<Lead>>> {
    let listing = Listing::new(tenant, query, &[])?;
    let wanted = query.wanted_total();
    let counters = match wanted {
        Total::Skip => None,
        _ => match counters_for(query.filter()) {
            Some(counters) => Some(counters),
            None => return Ok(None),
        },
    };
    let sql = listing.walk(way, counters.as_deref());
    let rows = sql.fetch_all(connection).await?;
    let mut page = listing.page(&rows)?;
    page.total = match (wanted, rows.first()) {
        (Total::Skip, _) => None,
        (_, Some(row)) => Some(count::bounded(wanted, read(row.try_get("total")?)?)),
        // No row carries the total. Where the list begins there would be one if there were any.
        (_, None) if query.cursor().is_none() => Some(TotalCount::exact(0)),
        (_, None) => return Ok(None),
    };
    Ok(Some(page))
}

async fn in_steps(
    moment: &mut PgConnection,
    tenant: &TenantId,
    query: &LeadQuery,
    plan: &Plan,
) -> Result<Page<Lead>> {
    let order = match query.sorting().by {
        SortBy::Status => lifecycle::order(moment, tenant).await?,
        _ => Vec::new(),
    };
    let listing = Listing::new(tenant, query, &order)?;
    let sql = match plan {
        Plan::Exact(way) => listing.walk(*way, None),
        Plan::Either(own, ways) => {
            let filter = query.filter();
            let (leads, widths) = count::widths(moment, tenant, filter, Some(*own), ways).await?;
            let narrowest = ways.iter().zip(widths).min_by_key(|(_, width)| *width);
            let page = u64::from(query.page_limit().get());
            match narrowest {
                Some((way, width)) if gathers(width, page, leads) => listing.gather(*way),
                _ => listing.walk(*own, None),
            }
        }
    };
    let rows = sql.fetch_all(moment).await?;
    let mut page = listing.page(&rows)?;
    page.total = match query.wanted_total() {
        Total::Skip => None,
        wanted => Some(count::total(moment, tenant, query.filter(), wanted).await?),
    };
    Ok(page)
}
