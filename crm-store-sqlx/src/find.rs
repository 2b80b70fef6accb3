//! Lists: which statements answer a query.

use crate::count;
use crate::error::{Error, Result};
use crate::list::Listing;
use crate::plan::{Plan, Way, gathers};
use crate::reading::{Columns as _, Reading, total_from_row};
use crate::statement::Statement;
use crm_core::index::counters_for;
use crm_core::lead::{Lead, LeadStatus, TenantId};
use crm_core::query::{LeadQuery, Page, SortBy, Total, TotalCount};

/// A page, read at one moment: most by one statement, any other in a transaction.
pub(crate) async fn find<C: Reading>(
    connection: &mut C,
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
    let mut moment = connection.moment().await?;
    let page = in_steps(&mut *moment, tenant, query, &plan).await?;
    moment.commit().await?;
    Ok(page)
}

/// The page and its total by one statement, or `None` if that cannot tell both.
async fn at_once<C: Reading>(
    connection: &mut C,
    tenant: &TenantId,
    query: &LeadQuery,
    way: Way,
) -> Result<Option<Page<Lead>>> {
    let listing = Listing::new(C::DIALECT, tenant, query, &[])?;
    let wanted = query.wanted_total();
    let counters = match wanted {
        Total::Skip => None,
        _ => match counters_for(query.filter()) {
            Some(counters) => Some(counters),
            None => return Ok(None),
        },
    };
    let sql = listing.walk(way, counters.as_deref());
    let rows = connection.rows(sql).await?;
    let mut page = listing.page(&rows)?;
    page.total = match (wanted, rows.first()) {
        (Total::Skip, _) => None,
        (_, Some(row)) => Some(count::bounded(wanted, total_from_row(row)?)),
        // No row carries the total. Where the list begins there would be one if there were any.
        (_, None) if query.cursor().is_none() => Some(TotalCount::exact(0)),
        (_, None) => return Ok(None),
    };
    Ok(Some(page))
}

async fn in_steps<C: Reading>(
    moment: &mut C,
    tenant: &TenantId,
    query: &LeadQuery,
    plan: &Plan,
) -> Result<Page<Lead>> {
    let order = match query.sorting().by {
        SortBy::Status => statuses(moment, tenant).await?,
        _ => Vec::new(),
    };
    let listing = Listing::new(C::DIALECT, tenant, query, &order)?;
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
    let rows = moment.rows(sql).await?;
    let mut page = listing.page(&rows)?;
    page.total = match query.wanted_total() {
        Total::Skip => None,
        wanted => Some(count::total(moment, tenant, query.filter(), wanted).await?),
    };
    Ok(page)
}

/// The statuses in force, in order.
async fn statuses<C: Reading>(moment: &mut C, tenant: &TenantId) -> Result<Vec<LeadStatus>> {
    let mut sql = Statement::of(C::DIALECT, tenant);
    sql.push("SELECT slug FROM crm_statuses WHERE tenant = ");
    sql.tenant().push(" ORDER BY position");
    let rows = moment.rows(sql).await?;
    rows.iter()
        .map(|row| {
            row.some_text(0)?
                .parse()
                .map_err(|_| Error::Damaged("a status"))
        })
        .collect()
}
