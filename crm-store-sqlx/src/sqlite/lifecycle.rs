//! Lifecycles: every version as it is, and the one in force as rows that leads refer to.

use super::write::ROWS;
use crate::error::{Error, Result};
use crate::value::stored;
use crm_core::lead::{LeadStatus, TenantId, Version};
use crm_core::lifecycle::{Lifecycle, StatusKind};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// The lifecycle in force.
pub(super) async fn get(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<Option<Lifecycle>> {
    let sql = "
        SELECT rules
        FROM crm_lifecycles
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?)
        ORDER BY version DESC
        LIMIT 1
    ";
    let rules = sqlx::query_scalar(sql).bind(tenant.as_str());
    parsed(rules.fetch_optional(connection).await?)
}

pub(super) async fn get_at(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    version: Version,
) -> Result<Option<Lifecycle>> {
    let sql = "
        SELECT rules
        FROM crm_lifecycles
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND version = ?
    ";
    let rules = sqlx::query_scalar(sql)
        .bind(tenant.as_str())
        .bind(stored(version.get()));
    parsed(rules.fetch_optional(connection).await?)
}

fn parsed(rules: Option<String>) -> Result<Option<Lifecycle>> {
    let parsed = rules.map(|rules| serde_json::from_str(&rules));
    parsed
        .transpose()
        .map_err(|_| Error::Damaged("a lifecycle"))
}

/// Stores a version, and the statuses it has. Those that it has no more stay for the moment.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    tenant: i64,
    lifecycle: &Lifecycle,
) -> Result<()> {
    let sql = "INSERT INTO crm_lifecycles (tenant, version, rules) VALUES (?, ?, ?)";
    sqlx::query(sql)
        .bind(tenant)
        .bind(stored(lifecycle.version().get()))
        .bind(serde_json::to_string(lifecycle)?)
        .execute(&mut *connection)
        .await?;

    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO crm_statuses (tenant, slug, number, position, name, colour, kind, \
         probability, stuck_after, retiring_to) ",
    );
    query.push_values(
        (0i64..).zip(lifecycle.statuses()),
        |mut row, (position, status)| {
            row.push_bind(tenant)
                .push_bind(status.slug.as_str().to_owned())
                .push_bind(i64::from(status.id.get()))
                .push_bind(position)
                .push_bind(status.name.clone())
                .push_bind(status.colour.to_string())
                .push_bind(match status.kind {
                    StatusKind::Open => "open",
                    StatusKind::Won => "won",
                    StatusKind::Lost => "lost",
                })
                .push_bind(i64::from(status.probability))
                .push_bind(status.stuck_after.map(|after| after.num_seconds()))
                .push_bind(status.retiring.as_ref().map(|to| to.as_str().to_owned()));
        },
    );
    query.push(
        " ON CONFLICT (tenant, slug) DO UPDATE SET \
         number = excluded.number, \
         position = excluded.position, \
         name = excluded.name, \
         colour = excluded.colour, \
         kind = excluded.kind, \
         probability = excluded.probability, \
         stuck_after = excluded.stuck_after, \
         retiring_to = excluded.retiring_to",
    );
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}

/// Replaces the transitions: all pairs that the policy allows, whether it lists or computes them.
pub(super) async fn put_transitions(
    connection: &mut SqliteConnection,
    tenant: i64,
    lifecycle: &Lifecycle,
) -> Result<()> {
    sqlx::query("DELETE FROM crm_transitions WHERE tenant = ?")
        .bind(tenant)
        .execute(&mut *connection)
        .await?;
    let allowed: Vec<(&LeadStatus, &LeadStatus)> = lifecycle
        .order()
        .flat_map(|from| lifecycle.order().map(move |to| (from, to)))
        .filter(|(from, to)| lifecycle.allows(from, to))
        .collect();
    for chunk in allowed.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO crm_transitions (tenant, from_status, to_status) ",
        );
        query.push_values(chunk, |mut row, (from, to)| {
            row.push_bind(tenant)
                .push_bind(from.as_str().to_owned())
                .push_bind(to.as_str().to_owned());
        });
        let query = query.build().persistent(false);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn remove_statuses(
    connection: &mut SqliteConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<()> {
    if statuses.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM crm_statuses WHERE tenant = ");
    query.push_bind(tenant).push(" AND slug IN (");
    let mut list = query.separated(", ");
    for status in statuses {
        list.push_bind(status.as_str().to_owned());
    }
    list.push_unseparated(")");
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}
