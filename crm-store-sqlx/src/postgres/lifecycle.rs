//! Lifecycles: every version as it is, and the one in force as rows that leads refer to.

use super::sql::Sql;
use crate::error::{Error, Result};
use crate::value::{Value, stored};
use crm_core::lead::{LeadStatus, TenantId, Version};
use crm_core::lifecycle::{Lifecycle, StatusDefinition, StatusKind};
use sqlx::PgConnection;

/// The lifecycle in force.
pub(super) async fn get(
    connection: &mut PgConnection,
    tenant: &TenantId,
) -> Result<Option<Lifecycle>> {
    let sql = "
        SELECT rules
        FROM crm_lifecycles
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1)
        ORDER BY version DESC
        LIMIT 1
    ";
    let rules = sqlx::query_scalar(sql).bind(tenant.as_str());
    parsed(rules.fetch_optional(connection).await?)
}

pub(super) async fn get_at(
    connection: &mut PgConnection,
    tenant: &TenantId,
    version: Version,
) -> Result<Option<Lifecycle>> {
    let sql = "
        SELECT rules
        FROM crm_lifecycles
        WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND version = $2
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
    connection: &mut PgConnection,
    tenant: i64,
    lifecycle: &Lifecycle,
) -> Result<()> {
    let slugs: Vec<&str> = lifecycle.order().map(LeadStatus::as_str).collect();
    let sql = "
        WITH rules AS (
            INSERT INTO crm_lifecycles (tenant, version, rules) VALUES ($1, $2, $3)
        )
        UPDATE crm_tenants SET lifecycle = $2, statuses = $4 WHERE tenant = $1
    ";
    sqlx::query(sql)
        .bind(tenant)
        .bind(stored(lifecycle.version().get()))
        .bind(serde_json::to_string(lifecycle)?)
        .bind(slugs)
        .execute(&mut *connection)
        .await?;

    let statuses: Vec<(i64, &StatusDefinition)> = (0..).zip(lifecycle.statuses()).collect();
    let mut sql = Sql::about(tenant);
    sql.push("INSERT INTO crm_statuses (tenant, ").push(COLUMNS);
    sql.push(") SELECT $1, new.* FROM ");
    sql.rows(&statuses, 9, |(position, status), column| {
        let number = |number| Value::Number(Some(number));
        match column {
            0 => Value::text(Some(status.slug.as_str())),
            1 => number(i64::from(status.id.get())),
            2 => number(*position),
            3 => Value::text(Some(&status.name)),
            4 => Value::Text(Some(status.colour.to_string().into())),
            5 => Value::text(Some(match status.kind {
                StatusKind::Open => "open",
                StatusKind::Won => "won",
                StatusKind::Lost => "lost",
            })),
            6 => number(i64::from(status.probability)),
            7 => Value::Number(status.stuck_after.map(|after| after.num_seconds())),
            _ => Value::text(status.retiring.as_ref().map(LeadStatus::as_str)),
        }
    });
    sql.push(
        " AS new ON CONFLICT (tenant, slug) DO UPDATE SET
            number = excluded.number,
            position = excluded.position,
            name = excluded.name,
            colour = excluded.colour,
            kind = excluded.kind,
            probability = excluded.probability,
            stuck_after = excluded.stuck_after,
            retiring_to = excluded.retiring_to",
    );
    sql.execute(connection).await
}

const COLUMNS: &str =
    "slug, number, position, name, colour, kind, probability, stuck_after, retiring_to";

/// Replaces the transitions: all pairs that the policy allows, whether it lists or computes them.
pub(super) async fn put_transitions(
    connection: &mut PgConnection,
    tenant: i64,
    lifecycle: &Lifecycle,
) -> Result<()> {
    sqlx::query("DELETE FROM crm_transitions WHERE tenant = $1")
        .bind(tenant)
        .execute(&mut *connection)
        .await?;
    let (from, to): (Vec<&str>, Vec<&str>) = lifecycle
        .order()
        .flat_map(|from| lifecycle.order().map(move |to| (from, to)))
        .filter(|(from, to)| lifecycle.allows(from, to))
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .unzip();
    let sql = "
        INSERT INTO crm_transitions (tenant, from_status, to_status)
        SELECT $1, new.* FROM unnest($2, $3) AS new
    ";
    let query = sqlx::query(sql).bind(tenant).bind(from).bind(to);
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn remove_statuses(
    connection: &mut PgConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<()> {
    if statuses.is_empty() {
        return Ok(());
    }
    let slugs: Vec<&str> = statuses.iter().map(LeadStatus::as_str).collect();
    let sql = "DELETE FROM crm_statuses WHERE tenant = $1 AND slug = ANY($2)";
    let query = sqlx::query(sql).bind(tenant).bind(slugs);
    query.execute(connection).await?;
    Ok(())
}
