//! Base connections: the account at a destination, the profile store, or a streaming inlet.
//!
//! Parameters are checked against the schema that the connection spec shows. Those with
//! `format: "password"` are sealed on the way in and shown as `<redacted>`.
//! An inlet gets an `inletId` of 64 hexadecimal digits when it is created; it never changes.

use crate::entity::{self, COMMON_FIELDS};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::{Catalog, Decision, HTTP_API, Outside, PROFILE_STORE, STREAMING_INLET, patch as json_patch, schema, specs};
use model::{Caller, Collection, Doc, DocChange, DocSet};
use serde_json::{Map, Value as Json, json};
use url::Url;

const KIND: Collection = Collection::BaseConnection;
pub(crate) const REDACTED: &str = "<redacted>";
/// The way to authenticate with a fixed token, by its name in every connection spec that offers it.
const BEARER: &str = "Bearer token";
/// Where the tokens of an account lie in its document, sealed. They go when the account changes.
pub const TOKENS: &str = "_tokens";

/// `POST /connections`.
pub fn create(caller: &Caller<'_>, body: &Json, outside: &Outside<'_>) -> Result<Decision> {
    let fields = entity::fields(body)?;
    let known = ["name", "description", "auth", "connectionSpec", "providerId"];
    schema::members(fields, &known, "").map_err(Error::invalid)?;
    let mut stored = entity::labels(body).map_err(Error::invalid)?;
    let spec = specs::connection_spec(outside.catalog, body)?;
    if !body["providerId"].is_null() && body["providerId"] != spec["providerId"] {
        return Err(Error::invalid(format!("providerId must be {} for this connection spec", spec["providerId"])));
    }
    stored.insert("connectionSpec".into(), json!({ "id": spec["id"], "version": specs::VERSION }));
    if let Some(auth) = auth(spec, &body["auth"], outside)? {
        stored.insert("auth".into(), auth);
    }
    stored.insert("state".into(), json!("enabled"));
    if spec["id"] == STREAMING_INLET {
        stored.insert("_inletId".into(), json!(format!("{}{}", caller.hex32(), caller.hex32())));
    }
    let id = caller.uuid();
    let change = DocChange::put(caller.sandbox, KIND, id.clone(), Json::Object(stored), caller.client);
    Ok(entity::created(vec![change], KIND, &id))
}

/// The base connection that a source connection on the profile store gets when it names none.
pub(crate) fn implicit_profile_store(caller: &Caller<'_>, name: &str) -> DocChange {
    let body = json!({
        "name": name,
        "connectionSpec": { "id": PROFILE_STORE, "version": specs::VERSION },
        "state": "enabled",
        "_implicit": true,
    });
    DocChange::put(caller.sandbox, KIND, caller.uuid(), body, caller.client)
}

/// `GET /connections/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str, outside: &Outside<'_>) -> Result<Json> {
    Ok(entity::only(shown(docs, entity::find(docs, caller, KIND, id)?, caller, outside)))
}

/// `GET /connections` and `POST /connections/search`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, query: &Query, outside: &Outside<'_>) -> Result<Json> {
    let items = docs.iter(caller.sandbox, KIND).map(|doc| shown(docs, doc, caller, outside)).collect();
    let fields = [&COMMON_FIELDS[..], &["version", "connectionSpec", "auth"]].concat();
    listing::page(items, query, "/connections", &fields)
}

/// `PATCH /connections/{id}`: `/name`, `/description`, `/auth/params` as a whole.
pub fn patch(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    if_match: Option<&str>,
    body: &Json,
    outside: &Outside<'_>,
) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    entity::check_if_match(doc, if_match)?;
    let operations = json_patch::parse(body)?;
    for operation in &operations {
        match operation.path.as_str() {
            "/name" | "/description" | "/auth/params" => {}
            path if path.starts_with("/connectionSpec") => {
                return Err(Error::new(1414, "the connection spec of a connection cannot change"));
            }
            path => {
                let known = "/name, /description, /auth/params";
                return Err(Error::new(1455, format!("path {path:?} cannot be patched; known: {known}")));
            }
        }
    }
    let mut next = json_patch::apply(&doc.body, &operations)?;
    entity::labels(&next).map_err(|detail| Error::new(1455, detail))?;
    if operations.iter().any(|operation| operation.path == "/auth/params") {
        let spec = spec_of(doc, outside.catalog)
            .ok_or_else(|| Error::new(1413, "the connection spec of this connection is not served"))?;
        let auth = auth(spec, &next["auth"], outside)?;
        next["auth"] = auth.unwrap_or_default();
        // The tokens of another account are of no use to this one.
        if next["auth"] != doc.body["auth"]
            && let Some(fields) = next.as_object_mut()
        {
            fields.shift_remove(TOKENS);
        }
    }
    Ok(entity::changed(caller, KIND, doc, next))
}

/// `DELETE /connections/{id}`: refused while a flow uses it.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    let uses = |kind, flow: &Doc, member: &str| {
        let ids = flow.body[member].as_array().into_iter().flatten().filter_map(Json::as_str);
        let mut connections = ids.filter_map(|id| docs.get(caller.sandbox, kind, id));
        connections.any(|connection| connection.body["baseConnectionId"] == id)
    };
    let user = docs.iter(caller.sandbox, Collection::Flow).find(|flow| {
        uses(Collection::SourceConnection, flow, "sourceConnectionIds")
            || uses(Collection::TargetConnection, flow, "targetConnectionIds")
    });
    if let Some(flow) = user {
        return Err(Error::new(
            1418,
            format!("base connection {id} is used by flow {}; delete the flow first", flow.id),
        ));
    }
    Ok(entity::deleted(vec![DocChange::delete(caller.sandbox, KIND, doc.id.clone(), caller.client)]))
}

fn spec_of<'c>(doc: &Doc, catalog: &'c Catalog) -> Option<&'c Json> {
    catalog.connection_spec(doc.body["connectionSpec"]["id"].as_str()?)
}

fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>, outside: &Outside<'_>) -> Json {
    let mut out = entity::shown(docs, doc, caller);
    let auth_spec =
        spec_of(doc, outside.catalog).and_then(|spec| specs::auth_spec(spec, doc.body["auth"]["specName"].as_str()?));
    let params = out.get_mut("auth").and_then(|auth| auth["params"].as_object_mut());
    if let (Some(auth_spec), Some(params)) = (auth_spec, params) {
        for name in specs::secrets(&auth_spec["spec"]) {
            if let Some(value) = params.get_mut(name) {
                *value = json!(REDACTED);
            }
        }
        if let Some(inlet) = doc.body["_inletId"].as_str() {
            params.insert("inletId".into(), json!(inlet));
            params.insert("inletUrl".into(), json!(format!("{}/collection/{inlet}", outside.inlet_base)));
        }
    }
    Json::Object(out)
}

/// Checks `auth` against the spec and seals its secrets; `None` where the spec takes none.
fn auth(spec: &Json, given: &Json, outside: &Outside<'_>) -> Result<Option<Json>> {
    if spec["authSpec"].is_null() {
        return match given {
            Json::Null => Ok(None),
            _ => Err(Error::invalid("auth does not apply to this connection spec")),
        };
    }
    let fields = given.as_object().ok_or_else(|| Error::invalid("auth must be an object {specName, params}"))?;
    schema::members(fields, &["specName", "params"], "auth").map_err(Error::invalid)?;
    let name = given["specName"].as_str().ok_or_else(|| Error::new(1415, "auth.specName is missing"))?;
    let auth_spec = specs::auth_spec(spec, name).ok_or_else(|| unknown_auth(spec, name))?;
    let params = match &given["params"] {
        Json::Null => Map::new(),
        Json::Object(params) => canonical_names(spec, params)?,
        _ => return Err(Error::invalid("auth.params must be an object")),
    };
    let params = Json::Object(params);
    schema::check(&auth_spec["spec"], &params, "auth.params").map_err(Error::invalid)?;
    if let Some(url) = params["accessTokenUrl"].as_str() {
        check_token_url(url, outside)?;
    }
    if auth_spec["name"] == BEARER
        && let Some(token) = params["token"].as_str()
    {
        check_header_text("auth.params.token", token)?;
    }
    let mut params = params;
    for name in specs::secrets(&auth_spec["spec"]) {
        if let Some(secret) = params[name].as_str() {
            if secret == REDACTED {
                return Err(Error::invalid(format!(
                    "auth.params.{name} is the shown placeholder; give the secret itself"
                )));
            }
            params[name] = json!((outside.seal)(secret));
        }
    }
    Ok(Some(json!({ "specName": auth_spec["name"], "params": params })))
}

fn unknown_auth(spec: &Json, name: &str) -> Error {
    let known: Vec<&str> =
        spec["authSpec"].as_array().into_iter().flatten().filter_map(|a| a["name"].as_str()).collect();
    Error::new(
        1415,
        format!("auth.specName {name:?} is not known for this connection spec; known: {}", known.join(", ")),
    )
}

/// Reads the parameter names of the first HTTP API version.
fn canonical_names(spec: &Json, params: &Map<String, Json>) -> Result<Map<String, Json>> {
    const OLDER: [(&str, &str); 3] =
        [("authEndpoint", "accessTokenUrl"), ("Client ID", "clientId"), ("Client Secret", "clientSecret")];
    let mut out = Map::new();
    for (name, value) in params {
        let older = OLDER.iter().find(|(old, _)| spec["id"] == HTTP_API && old == name);
        let name = older.map_or(name.as_str(), |(_, new)| new);
        if out.insert(name.to_owned(), value.clone()).is_some() {
            return Err(Error::invalid(format!("auth.params.{name} is given twice, under its older name too")));
        }
    }
    Ok(out)
}

/// Refuses a secret that cannot stand in the header that it is for. The secret itself is not told.
fn check_header_text(at: &str, secret: &str) -> Result<()> {
    let stands = secret.bytes().all(|b| matches!(b, b' '..=b'~')) && secret.trim_matches(' ') == secret;
    if stands {
        return Ok(());
    }
    let rule = "must stand in an HTTP header: printable ASCII characters, no line breaks, no blank at either end";
    Err(Error::invalid(format!("{at} {rule}")))
}

fn check_token_url(text: &str, outside: &Outside<'_>) -> Result<()> {
    let refuse = |rule: &str| Err(Error::invalid(format!("auth.params.accessTokenUrl {rule}")));
    let Ok(url) = Url::parse(text) else { return refuse("must be an http or https URL") };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("must be an http or https URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not hold credentials; give clientId and clientSecret");
    }
    if url.fragment().is_some() {
        return refuse("must not have a fragment");
    }
    if url.query_pairs().count() > 1 {
        return refuse("may have at most one query parameter");
    }
    (outside.reachable)(&url).map_err(|reason| Error::invalid(format!("auth.params.accessTokenUrl: {reason}")))
}
