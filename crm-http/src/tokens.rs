//! The API of access tokens: made, listed, revoked. Their texts are told once.

use crate::app::App;
use crate::auth::{NewToken, Permission, StoredTokens, TokenInfo};
use crate::error::{ApiError, FieldErrors, json};
use crate::extract::{
    Body, Caller, JsonBody, Kind, NoParams, Parameters, Params, TokenPath, Values,
};
use crate::routes::Table;
use crate::seal::bad_cursor;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crm_core::chrono::{DateTime, Utc};
use crm_core::query::Limit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(crate) fn routes(table: Table) -> Table {
    table
        .needs(Permission::Administer, routes!(list_tokens))
        .needs(Permission::Administer, routes!(create_token))
        .needs(Permission::Administer, routes!(revoke_token))
}

/// A token to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// Whose it is: recorded on everything that is done with it.
    #[schema(required, nullable = false, min_length = 1, max_length = 128)]
    user: Option<String>,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// What it allows.
    #[schema(required, nullable = false, min_items = 1, value_type = Vec<Permission>)]
    permissions: Option<Vec<String>>,
    /// Which leads exist for it: `all`, the default, or `own`, those assigned to its user.
    #[schema(pattern = "^(all|own)$")]
    leads: Option<String>,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

impl Body for TokenBody {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("user", Kind::Text),
        ("name", Kind::Text),
        ("permissions", Kind::Texts),
        ("leads", Kind::Text),
        ("expires_at", Kind::Text),
    ];
}

impl TokenBody {
    fn check(self) -> Result<NewToken, ApiError> {
        let mut errors = FieldErrors::default();
        let user = match self.user.map(|user| user.parse()) {
            Some(Ok(user)) => Some(user),
            Some(Err(invalid)) => {
                errors.add_all(&invalid);
                None
            }
            None => {
                errors.add("user", "is required");
                None
            }
        };
        let mut permissions = Vec::new();
        for name in self.permissions.unwrap_or_default() {
            match name.parse::<Permission>() {
                Ok(permission) => permissions.push(permission),
                Err(invalid) => errors.add_all(&invalid),
            }
        }
        if permissions.is_empty() && errors.iter().all(|(field, _)| field != "permissions") {
            errors.add("permissions", "is required");
        }
        let own_leads_only = match self.leads.as_deref() {
            None | Some("all") => false,
            Some("own") => true,
            Some(_) => {
                errors.add("leads", "is unknown: must be one of all, own");
                false
            }
        };
        let expires_at = self.expires_at.and_then(|typed| {
            let parsed = DateTime::parse_from_rfc3339(&typed).ok();
            if parsed.is_none() {
                let what = "is malformed: expected a time such as 2026-01-15T10:30:00Z";
                errors.add("expires_at", what);
            }
            Some(parsed?.with_timezone(&Utc))
        });
        errors.finish()?;
        let mut new = NewToken::new(user.ok_or_else(ApiError::internal)?);
        new = permissions.into_iter().fold(new, NewToken::allow);
        if let Some(name) = self.name {
            new = new.name(name);
        }
        if own_leads_only {
            new = new.own_leads_only();
        }
        if let Some(end) = expires_at {
            new = new.expires_at(end);
        }
        Ok(new)
    }
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
struct TokenCreated {
    #[schema(example = "success")]
    result: &'static str,
    /// Its id, to revoke it by.
    #[schema(example = "token_0123456789abcdef0123456789abcdef")]
    token_id: String,
    /// Its text, which is told only here.
    token: String,
    message: &'static str,
}

/// What is known of a token.
#[derive(Debug, Serialize, ToSchema)]
struct TokenItem {
    /// Its id.
    id: String,
    /// What people call it.
    name: Option<String>,
    /// Whose it is.
    user: String,
    /// What it allows.
    permissions: Vec<&'static str>,
    /// `all` or `own`.
    leads: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Who made it.
    created_by: Option<String>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
}

impl From<TokenInfo> for TokenItem {
    fn from(info: TokenInfo) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name,
            user: info.user.into(),
            permissions: info
                .permissions
                .iter()
                .map(|known| known.as_str())
                .collect(),
            leads: if info.own_leads_only { "own" } else { "all" },
            created_at: info.created_at,
            created_by: info.created_by.map(Into::into),
            expires_at: info.expires_at,
        }
    }
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
struct TokenList {
    #[schema(example = "success")]
    result: &'static str,
    tokens: Vec<TokenItem>,
    /// What to send as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
struct TokenRevoked {
    #[schema(example = "success")]
    result: &'static str,
    message: &'static str,
}

/// Which tokens.
#[derive(Debug)]
pub(crate) struct TokenParams {
    limit: u32,
    cursor: Option<String>,
}

impl Parameters for TokenParams {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];

    fn read(mut values: Values, app: &App, errors: &mut FieldErrors) -> Self {
        Self {
            limit: values.limit(app, errors),
            cursor: values.take("cursor"),
        }
    }
}

fn tokens(app: &App) -> Result<&StoredTokens, ApiError> {
    // The routes are only there with them.
    app.tokens.as_ref().ok_or_else(ApiError::internal)
}

/// List access tokens
///
/// Those of the caller's tenant, expired ones included. Their texts are not told.
#[utoipa::path(
    get,
    path = "/v1/crm/tokens",
    tag = "Access tokens",
    params(
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 1,000; 50 by default.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "Tokens, by id.", body = TokenList))
)]
async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<TokenParams>,
) -> Result<Response, ApiError> {
    // Tokens are the tenant's: whoever sees only some leads has no business with them.
    caller.crm.repository()?;
    let tenant = caller.crm.tenant_id();
    let limit = Limit::new(params.limit)?;
    let after = params
        .cursor
        .map(|text| text.parse().map_err(|_| bad_cursor()));
    let (found, more) = tokens(&app)?
        .list(tenant, after.transpose()?, limit)
        .await?;
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let body = TokenList {
        result: "success",
        tokens: found.into_iter().map(Into::into).collect(),
        next_cursor: next,
    };
    Ok(json(StatusCode::OK, &body))
}

/// Create access token
///
/// For a user of the caller's tenant. The answer is the only one that tells its text.
#[utoipa::path(
    post,
    path = "/v1/crm/tokens",
    tag = "Access tokens",
    request_body = TokenBody,
    responses((status = 201, description = "It was made.", body = TokenCreated))
)]
async fn create_token(
    State(app): State<App>,
    caller: Caller,
    _: NoParams,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<Response, ApiError> {
    caller.crm.repository()?;
    let new = body.check()?.created_by(caller.principal.user.clone());
    let created = tokens(&app)?.create(caller.crm.tenant_id(), new).await?;
    let body = TokenCreated {
        result: "success",
        token_id: created.info.id.to_string(),
        token: created.token,
        message: "Access token created successfully. It is shown only once.",
    };
    Ok(json(StatusCode::CREATED, &body))
}

/// Revoke access token
///
/// At once in the process that answers, within five seconds in every other.
#[utoipa::path(
    delete,
    path = "/v1/crm/tokens/{id}",
    tag = "Access tokens",
    params(("id" = String, Path, description = "The id of the token.")),
    responses(
        (status = 200, description = "It was revoked.", body = TokenRevoked),
        (status = 404, description = "There is no such token."),
    )
)]
async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    TokenPath(id): TokenPath,
    _: NoParams,
) -> Result<Response, ApiError> {
    caller.crm.repository()?;
    if !tokens(&app)?.revoke(caller.crm.tenant_id(), id).await? {
        return Err(ApiError::not_found("There is no such access token."));
    }
    let body = TokenRevoked {
        result: "success",
        message: "Access token revoked successfully.",
    };
    Ok(json(StatusCode::OK, &body))
}
