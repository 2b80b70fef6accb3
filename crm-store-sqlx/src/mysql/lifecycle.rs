//! Lifecycles: every version as it is, and the one in force as rows that leads refer to.

use super::sql::Sql;
use super::write::insert;
use crate::error::{Error, Result};
use crate::value::{Value, stored};
use crm_core::lead::{LeadStatus, TenantId, Version};
use crm_core::lifecycle::{Lifecycle, StatusKind};
use sqlx::MySqlConnection;

/// The lifecycle in force.
pub(super) async fn get(
    connection: &mut MySqlConnection,
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
    connection: &mut MySqlConnection,
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
    connection: &mut MySqlConnection,
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
    let slugs: Vec<&str> = lifecycle.order().map(LeadStatus::as_str).collect();
    let sql = "UPDATE crm_tenants SET lifecycle = ?, statuses = ? WHERE tenant = ?";
    sqlx::query(sql)
        .bind(stored(lifecycle.version().get()))
        .bind(serde_json::to_string(&slugs)?)
        .bind(tenant)
        .execute(&mut *connection)
        .await?;

    let rows = (0..).zip(lifecycle.statuses()).map(|(position, status)| {
        let number = |number| Value::Number(Some(number));
        [
            number(tenant),
            Value::text(Some(status.slug.as_str())),
            number(i64::from(status.id.get())),
            number(position),
            Value::text(Some(&status.name)),
            Value::Text(Some(status.colour.to_string().into())),
            Value::text(Some(match status.kind {
                StatusKind::Open => "open",
                StatusKind::Won => "won",
                StatusKind::Lost => "lost",
            })),
            number(i64::from(status.probability)),
            Value::Number(status.stuck_after.map(|after| after.num_seconds())),
            Value::text(status.retiring.as_ref().map(LeadStatus::as_str)),
        ]
    });
    let before = "
        INSERT INTO crm_statuses (
            tenant, slug, number, position, name, colour, kind, probability, stuck_after,
            retiring_to
        ) VALUES ";
    let after = "
        ON DUPLICATE KEY UPDATE
            number = VALUES(number),
            position = VALUES(position),
            name = VALUES(name),
            colour = VALUES(colour),
            kind = VALUES(kind),
            probability = VALUES(probability),
            stuck_after = VALUES(stuck_after),
            retiring_to = VALUES(retiring_to)";
    insert(before, rows, after).execute(connection).await
}

/// Replaces the transitions: all pairs that the policy allows, whether it lists or computes them.
pub(super) async fn put_transitions(
    connection: &mut MySqlConnection,
    tenant: i64,
    lifecycle: &Lifecycle,
) -> Result<()> {
    let sql = "
        DELETE crm_transitions FROM crm_transitions FORCE INDEX (PRIMARY)
        WHERE crm_transitions.tenant = ?
    ";
    let query = sqlx::query(sql).bind(tenant);
    query.execute(&mut *connection).await?;
    let rows = lifecycle
        .order()
        .flat_map(|from| lifecycle.order().map(move |to| (from, to)))
        .filter(|(from, to)| lifecycle.allows(from, to))
        .map(|(from, to)| {
            [
                Value::Number(Some(tenant)),
                Value::text(Some(from.as_str())),
                Value::text(Some(to.as_str())),
            ]
        });
    let sql = "INSERT INTO crm_transitions (tenant, from_status, to_status) VALUES ";
    insert(sql, rows, "").execute(connection).await
}

pub(super) async fn remove_statuses(
    connection: &mut MySqlConnection,
    tenant: i64,
    statuses: &[LeadStatus],
) -> Result<()> {
    if statuses.is_empty() {
        return Ok(());
    }
    let mut sql =
        Sql::new("DELETE crm_statuses FROM crm_statuses FORCE INDEX (PRIMARY) WHERE tenant = ");
    sql.bind(tenant).push(" AND slug IN (");
    sql.bind_list(statuses.iter().map(LeadStatus::as_str))
        .push(")");
    sql.execute(connection).await.map(drop)
}
