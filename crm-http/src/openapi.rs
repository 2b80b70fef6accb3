//! The description of the routes in OpenAPI 3.1, made from the handlers.

use crate::extract::Credentials;
use crate::routes::{RouteInfo, Table, operations};
use axum::http::Method;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema};

/// What a caller is told when a request fails.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
struct ErrorBody {
    /// `error`
    #[schema(example = "error")]
    result: String,
    /// A sentence.
    message: String,
    /// What is wrong, by field or parameter; empty if it is not about one.
    errors: BTreeMap<String, Vec<String>>,
    /// With a refused transition: which rule failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// With a refused transition: the statuses that are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<Vec<String>>,
    /// With a lead that was changed meanwhile: the version it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

const ERROR: &str = "Error";

/// What is made where, under which path it is then, and where the answer tells its id.
const MADE: [(&str, &str, &str); 2] = [
    (
        "/v1/crm/leads",
        "/v1/crm/leads/{id}",
        "$response.body#/lead_id",
    ),
    (
        "/v1/crm/tokens",
        "/v1/crm/tokens/{id}",
        "$response.body#/token_id",
    ),
];

/// The description of all tables.
pub(crate) fn describe<'a>(tables: impl Iterator<Item = &'a Table>) -> OpenApi {
    let info = InfoBuilder::new()
        .title("crm-kit")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Leads, the statuses they go through, and their history.",
        ));
    let mut api = OpenApiBuilder::new().info(info.build()).build();
    let components = api.components.get_or_insert_with(Default::default);
    components
        .schemas
        .insert(ERROR.to_owned(), ErrorBody::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let authtoken = ApiKey::Header(ApiKeyValue::new("authtoken"));
    let schemes = [
        (Credentials::Bearer, SecurityScheme::Http(bearer)),
        (Credentials::AuthToken, SecurityScheme::ApiKey(authtoken)),
    ];
    for (credentials, scheme) in schemes {
        components.add_security_scheme(credentials.scheme(), scheme);
    }
    for table in tables {
        table.describe(&mut api);
    }
    for (list, one, id) in MADE {
        link(&mut api, list, one, id);
    }
    api
}

/// Says of what was made which operations there are for it, and that they take its id.
fn link(api: &mut OpenApi, list: &str, one: &str, id: &str) {
    let below = |path: &str| {
        path.strip_prefix(one)
            .is_some_and(|rest| !rest.contains('{'))
    };
    let of_one = api.paths.paths.iter().filter(|(path, _)| below(path));
    let operations = of_one.flat_map(|(_, item)| operations(item.clone()));
    let names: Vec<String> = operations
        .filter_map(|(_, operation)| operation.operation_id)
        .collect();
    let post = api.paths.paths.get_mut(list);
    let Some(made) = post.and_then(|item| item.post.as_mut()) else {
        return;
    };
    let Some(RefOr::T(answer)) = made.responses.responses.get_mut("201") else {
        return;
    };
    for name in names {
        let link = LinkBuilder::new().operation_id(&name).parameter("id", id);
        answer.links.insert(name, link.build().into());
    }
}

/// Adds the refusals that a route may answer with because of what it is, in the conventions of the
/// leads API. Those that the handler describes itself stay.
pub(crate) fn add_refusals(info: &RouteInfo, operation: &mut Operation) {
    let writes = info.method != Method::GET;
    let of_one = info.path.contains("{id}");
    let mut refusals = vec![
        (400, "What was sent cannot be read."),
        (414, "The URL is too long."),
        (422, "A parameter or field is wrong: see errors."),
        (431, "The headers are too long."),
        (500, "The server failed."),
        (503, "The server or its storage is too busy: try again."),
    ];
    if info.permission.is_some() {
        refusals.extend([
            (401, "There is no valid access token."),
            (403, "The access token does not allow it."),
            (429, "Too many requests with this access token: wait."),
        ]);
    }
    if of_one {
        refusals.push((404, "There is no such thing."));
    }
    if operation.request_body.is_some() {
        refusals.push((413, "The body is too large."));
        refusals.push((415, "The body is not JSON in UTF-8."));
    }
    if writes {
        refusals.push((409, "It cannot be done as things are: see message."));
    }
    if writes && of_one {
        refusals.push((410, "It was deleted."));
        refusals.push((412, "It is not at the version that If-Match names."));
    }
    for (status, description) in refusals {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ERROR)))
            .build();
        let refusal = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .build();
        let known = &mut operation.responses.responses;
        known
            .entry(status.to_string())
            .or_insert_with(|| refusal.into());
    }
}

#[cfg(test)]
mod tests {
    use crate::Api;
    use crm_core::crm::Crm;
    use crm_core::memory::MemoryRepository;

    #[test]
    fn what_was_made_names_the_operations_on_it() {
        let crm = pollster::block_on(Crm::open(MemoryRepository::new())).unwrap();
        let described = serde_json::to_value(Api::new(crm).openapi()).unwrap();
        let links =
            |path: &str| described["paths"][path]["post"]["responses"]["201"]["links"].clone();
        let leads = links("/v1/crm/leads");
        assert_eq!(
            leads["get_lead"]["parameters"]["id"],
            "$response.body#/lead_id"
        );
        let operations = leads.as_object().map(serde_json::Map::len);
        assert_eq!(operations, Some(9), "{leads}");
        let tokens = links("/v1/crm/tokens");
        assert_eq!(
            tokens["revoke_token"]["parameters"]["id"],
            "$response.body#/token_id"
        );
    }
}
