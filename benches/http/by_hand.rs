//! The server by hand: create, get, and a list that counts. The same SQL, tables and durability as
//! ours, the same check of the token; no limits, no time limits, no request ids, no rules.

use crate::{Result, tables};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use crm_core::chrono::{DateTime, Utc};
use crm_core::lead::{Lead, LeadId};
use crm_core::record::LeadRecord;
use crm_core::serde_json::{self, json};
use crm_store_sqlx::sqlx::postgres::{PgPool, PgPoolOptions};
use crm_store_sqlx::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use crm_store_sqlx::sqlx::{self, AssertSqlSafe, Row as _};
use email_address::EmailAddress;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::str::FromStr as _;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

const LEAD: &str = "id, version, status, assigned_to, source, created_at, updated_at, \
     status_changed_at, archived_at, value_currency, value_minor, first_name, last_name, email, \
     company, phone, tags, status_reason, notes, custom";

#[derive(Clone)]
enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

type App = State<Arc<Pools>>;
type Answer = std::result::Result<Response, Failed>;

/// Whatever went wrong.
pub(crate) struct Failed(StatusCode);

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = json!({"result": "error", "message": "It failed.", "errors": {}});
        (self.0, Json(body)).into_response()
    }
}

impl From<sqlx::Error> for Failed {
    fn from(_: sqlx::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[derive(Serialize)]
struct PlainMoney {
    minor_units: i64,
    currency: String,
}

/// A lead, with the fields of ours.
#[derive(Serialize)]
struct PlainLead {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    company: Option<String>,
    status: String,
    assigned_to: Option<String>,
    created_at: DateTime<Utc>,
    phone: Option<String>,
    source: Option<String>,
    notes: Option<String>,
    value: Option<PlainMoney>,
    tags: Vec<String>,
    custom: serde_json::Value,
    status_reason: Option<String>,
    updated_at: DateTime<Utc>,
    status_changed_at: DateTime<Utc>,
    archived_at: Option<DateTime<Utc>>,
    version: i64,
}

macro_rules! plain {
    ($row:expr) => {{
        let row = $row;
        let id: &[u8] = row.try_get(0)?;
        let id: [u8; 16] = id.try_into().unwrap_or_default();
        let time = |micros: i64| DateTime::from_timestamp_micros(micros).unwrap_or_default();
        let tags: Option<&str> = row.try_get(16)?;
        let custom: Option<&str> = row.try_get(19)?;
        let currency: Option<String> = row.try_get(9)?;
        let minor: Option<i64> = row.try_get(10)?;
        let value = currency.zip(minor);
        let archived_at: Option<i64> = row.try_get(8)?;
        PlainLead {
            id: LeadId::from_bytes(id).to_string(),
            first_name: row.try_get(11)?,
            last_name: row.try_get(12)?,
            email: row.try_get(13)?,
            company: row.try_get(14)?,
            status: row.try_get(2)?,
            assigned_to: row.try_get(3)?,
            created_at: time(row.try_get(5)?),
            phone: row.try_get(15)?,
            source: row.try_get(4)?,
            notes: row.try_get(18)?,
            value: value.map(|(currency, minor_units)| PlainMoney {
                minor_units,
                currency,
            }),
            tags: tags
                .and_then(|tags| serde_json::from_str(tags).ok())
                .unwrap_or_default(),
            custom: custom
                .and_then(|custom| serde_json::from_str(custom).ok())
                .unwrap_or_else(|| json!({})),
            status_reason: row.try_get(17)?,
            updated_at: time(row.try_get(6)?),
            status_changed_at: time(row.try_get(7)?),
            archived_at: archived_at.map(time),
            version: row.try_get(1)?,
        }
    }};
}

pub(crate) async fn serve(addr: &str, url: &str) -> Result<()> {
    let pools = match url.strip_prefix("sqlite:") {
        Some(path) => sqlite(path).await?,
        None => Pools::Postgres(
            PgPoolOptions::new()
                .max_connections(10)
                .connect(url)
                .await?,
        ),
    };
    let token: [u8; 32] = Sha256::digest(std::env::var("CRM_ADMIN_TOKEN")?).into();
    let router = Router::new()
        .route("/v1/crm/leads", get(list).post(create))
        .route("/v1/crm/leads/{id}", get(one))
        .layer(from_fn_with_state(token, authorize))
        .with_state(Arc::new(pools));
    let listener = TcpListener::bind(addr).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// One connection that writes and four that read, as ours has; every commit is synced.
async fn sqlite(path: &str) -> Result<Pools> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new().test_before_acquire(false);
    let writer = options.clone().pragma("cache_size", "-65536");
    let readers = options.pragma("cache_size", "-4096");
    Ok(Pools::Sqlite {
        writer: pool.clone().max_connections(1).connect_with(writer).await?,
        readers: pool.max_connections(4).connect_with(readers).await?,
    })
}

async fn authorize(
    State(known): State<[u8; 32]>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Answer {
    let header = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let given: [u8; 32] = Sha256::digest(token.unwrap_or_default()).into();
    if !bool::from(given.ct_eq(&known)) {
        return Err(Failed(StatusCode::UNAUTHORIZED));
    }
    Ok(next.run(request).await)
}

async fn one(State(pools): App, Path(id): Path<String>) -> Answer {
    let id = LeadId::from_str(&id).map_err(|_| Failed(StatusCode::NOT_FOUND))?;
    let id = id.as_bytes().to_vec();
    let lead = match &*pools {
        Pools::Sqlite { readers, .. } => {
            let sql = AssertSqlSafe(format!(
                "SELECT {LEAD} FROM crm_leads
                WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = ?) AND id = ?"
            ));
            let row = sqlx::query(sql).bind("default").bind(id);
            let row = row.fetch_optional(readers).await?;
            row.map(|row| Ok::<_, sqlx::Error>(plain!(&row)))
        }
        Pools::Postgres(pool) => {
            let sql = AssertSqlSafe(format!(
                "SELECT {LEAD} FROM crm_leads
                WHERE tenant = (SELECT tenant FROM crm_tenants WHERE name = $1) AND id = $2"
            ));
            let row = sqlx::query(sql).bind("default").bind(id);
            let row = row.fetch_optional(pool).await?;
            row.map(|row| Ok(plain!(&row)))
        }
    };
    let lead = lead.transpose()?.ok_or(Failed(StatusCode::NOT_FOUND))?;
    let body = One {
        result: "success",
        lead,
    };
    Ok(Json(body).into_response())
}

#[derive(Serialize)]
struct One {
    result: &'static str,
    lead: PlainLead,
}

#[derive(Serialize)]
struct Many {
    result: &'static str,
    leads: Vec<PlainLead>,
    total_count: i64,
}

#[derive(Deserialize)]
struct Filter {
    status: Option<String>,
    limit: Option<i64>,
}

/// A page, and how many there are by `COUNT(*)`.
async fn list(State(pools): App, Query(filter): Query<Filter>) -> Answer {
    let limit = filter.limit.unwrap_or(50).clamp(1, 1_000);
    let status = filter.status;
    let mut leads = Vec::new();
    let total_count = match &*pools {
        Pools::Sqlite { readers, .. } => {
            let by = if status.is_some() {
                "AND status = ?2"
            } else {
                "AND ?2 IS NULL"
            };
            let rows = sqlx::query(AssertSqlSafe(format!(
                "SELECT {LEAD} FROM crm_leads WHERE tenant = 1 AND archived = ?1 {by}
                ORDER BY created_at DESC, id DESC LIMIT ?3"
            )));
            let rows = rows.bind(false).bind(status.clone()).bind(limit);
            for row in rows.fetch_all(readers).await? {
                leads.push(plain!(&row));
            }
            let count = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT count(*) FROM crm_leads WHERE tenant = 1 AND archived = ?1 {by}"
            )));
            count.bind(false).bind(status).fetch_one(readers).await?
        }
        Pools::Postgres(pool) => {
            let by = if status.is_some() {
                "AND status = $2"
            } else {
                "AND $2::text IS NULL"
            };
            let rows = sqlx::query(AssertSqlSafe(format!(
                "SELECT {LEAD} FROM crm_leads WHERE tenant = 1 AND archived = $1 {by}
                ORDER BY created_at DESC, id DESC LIMIT $3"
            )));
            let rows = rows.bind(false).bind(status.clone()).bind(limit);
            for row in rows.fetch_all(pool).await? {
                leads.push(plain!(&row));
            }
            let count = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT count(*) FROM crm_leads WHERE tenant = 1 AND archived = $1 {by}"
            )));
            count.bind(false).bind(status).fetch_one(pool).await?
        }
    };
    let body = Many {
        result: "success",
        leads,
        total_count,
    };
    Ok(Json(body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    first_name: String,
    last_name: String,
    email: String,
    company: Option<String>,
    phone: Option<String>,
    source: Option<String>,
    assigned_to: Option<String>,
    notes: Option<String>,
}

/// In SQLite only: rows, words, counters and event in one transaction.
async fn create(State(pools): App, Json(typed): Json<Typed>) -> Answer {
    let Pools::Sqlite { writer, .. } = &*pools else {
        return Err(Failed(StatusCode::NOT_IMPLEMENTED));
    };
    let names = [&typed.first_name, &typed.last_name];
    let is_good =
        names.iter().all(|name| !name.trim().is_empty()) && EmailAddress::is_valid(&typed.email);
    if !is_good {
        return Err(Failed(StatusCode::UNPROCESSABLE_ENTITY));
    }
    let now = Utc::now();
    let lead = Lead::try_from(LeadRecord {
        id: *crm_core::uuid::Uuid::now_v7().as_bytes(),
        first_name: Some(typed.first_name.into()),
        last_name: Some(typed.last_name.into()),
        email: Some(typed.email.into()),
        company: typed.company.map(Into::into),
        status: "new".into(),
        assigned_to: typed.assigned_to.map(Into::into),
        created_at: now.timestamp_micros(),
        phone: typed.phone.map(Into::into),
        source: typed.source.map(Into::into),
        notes: typed.notes.map(Into::into),
        value: None,
        tags: Vec::new(),
        custom: None,
        status_reason: None,
        updated_at: now.timestamp_micros(),
        status_changed_at: now.timestamp_micros(),
        archived_at: None,
        version: 1,
    });
    let lead = lead.map_err(|_| Failed(StatusCode::UNPROCESSABLE_ENTITY))?;
    tables::create(writer, &lead).await?;
    let body = json!({
        "result": "success",
        "lead_id": lead.id.to_string(),
        "message": "Lead created successfully.",
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
