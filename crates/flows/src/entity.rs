//! What all stored entities share: common members, etags, lookup by id, answers to changes.

use crate::error::{Error, Result};
use crate::{BASE_PATH, Decision};
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Where documents of the whole organisation are kept.
const ORGANISATION_WIDE: SandboxId = SandboxId(0);

/// The members that every entity shows.
pub(crate) const COMMON_FIELDS: [&str; 14] = [
    "id",
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "createdClient",
    "updatedClient",
    "sandboxId",
    "sandboxName",
    "imsOrgId",
    "name",
    "description",
    "state",
    "etag",
];

/// The path word of a kind.
pub(crate) fn plural(kind: Collection) -> &'static str {
    match kind {
        Collection::BaseConnection => "connections",
        Collection::SourceConnection => "sourceConnections",
        Collection::TargetConnection => "targetConnections",
        _ => "flows",
    }
}

/// The document of an id, or 404.
pub(crate) fn find<'d>(docs: &'d DocSet, caller: &Caller<'_>, kind: Collection, id: &str) -> Result<&'d Arc<Doc>> {
    docs.get(caller.sandbox, kind, id).ok_or_else(|| Error::not_found(plural(kind), id))
}

/// The etag of one revision, quotes included.
///
/// It is made from id and revision: the log position of a change is not known yet when the
/// answer that carries the new etag is made, the revision is.
pub(crate) fn etag(id: &str, revision: u32) -> String {
    let mixed = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("\"{mixed:08x}-0000-0200-0000-{revision:012x}\"")
}

/// The common members and the visible members of the stored body.
pub(crate) fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>) -> Map<String, Json> {
    let tag = etag(&doc.id, doc.revision);
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| out.insert(name.to_owned(), value);
    put("id", json!(doc.id.as_str()));
    put("createdAt", json!(doc.created_at.0));
    put("updatedAt", json!(doc.updated_at.0));
    put("createdBy", json!(doc.created_by.as_str()));
    put("updatedBy", json!(doc.updated_by.as_str()));
    put("createdClient", json!(doc.created_by.as_str()));
    put("updatedClient", json!(doc.updated_by.as_str()));
    put("sandboxId", sandbox_id(docs, caller));
    put("sandboxName", json!(caller.sandbox_name));
    put("imsOrgId", json!(caller.org));
    for (name, value) in doc.body.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_')) {
        out.insert(name.clone(), value.clone());
    }
    out.insert("version".into(), json!(tag));
    out.insert("etag".into(), json!(tag));
    out
}

/// The UUID of the sandbox; where its document has none, its number.
pub(crate) fn sandbox_id(docs: &DocSet, caller: &Caller<'_>) -> Json {
    let sandbox = docs.get(ORGANISATION_WIDE, Collection::Sandbox, caller.sandbox_name);
    match sandbox.map(|doc| &doc.body["id"]) {
        Some(Json::String(id)) => json!(id),
        _ => json!(caller.sandbox.to_string()),
    }
}

/// GET by id answers a list of one.
pub(crate) fn only(item: Json) -> Json {
    json!({ "items": [item] })
}

/// Checks `If-Match`, which a change of an existing entity must carry.
pub(crate) fn check_if_match(doc: &Doc, if_match: Option<&str>) -> Result<()> {
    let given =
        if_match.ok_or_else(|| Error::new(1403, "the If-Match header is missing; give the etag with its quotes"))?;
    let current = etag(&doc.id, doc.revision);
    if given.trim() == current {
        return Ok(());
    }
    let detail = format!("supplied version [{given}] does not match current version on entity [{current}]");
    Err(Error::with_status(1404, 412, detail))
}

/// The body of a create or action as an object.
pub(crate) fn fields(body: &Json) -> Result<&Map<String, Json>> {
    match body {
        Json::Null => Err(Error::new(1405, "the body is empty")),
        Json::Object(fields) if fields.is_empty() => Err(Error::new(1405, "the body is empty")),
        Json::Object(fields) if fields.contains_key("state") => {
            Err(Error::new(1410, "state cannot be given on create; use the action endpoint afterwards"))
        }
        Json::Object(fields) => Ok(fields),
        _ => Err(Error::invalid("the body must be an object")),
    }
}

/// The `name` and `description` that every entity has.
pub(crate) fn labels(body: &Json) -> std::result::Result<Map<String, Json>, String> {
    let mut out = Map::new();
    match body["name"].as_str() {
        Some(name) if !name.trim().is_empty() => out.insert("name".into(), json!(name)),
        Some(_) => return Err("name must not be empty".into()),
        None if body["name"].is_null() => return Err("name is missing".into()),
        None => return Err("name must be a string".into()),
    };
    match &body["description"] {
        Json::Null => {}
        Json::String(text) => {
            out.insert("description".into(), json!(text));
        }
        _ => return Err("description must be a string".into()),
    }
    Ok(out)
}

/// Checks an optional `data` member: `{format, schema: null}` with one of the formats.
pub(crate) fn data(body: &Json, formats: &[&str]) -> Result<Option<Json>> {
    let given = &body["data"];
    if given.is_null() {
        return Ok(None);
    }
    let fields = given.as_object().ok_or_else(|| Error::invalid("data must be an object"))?;
    crate::schema::members(fields, &["format", "schema", "properties"], "data").map_err(Error::invalid)?;
    for name in ["schema", "properties"] {
        if !given[name].is_null() {
            return Err(Error::invalid(format!("data.{name} does not apply to this connection spec")));
        }
    }
    match given["format"].as_str() {
        Some(format) if formats.iter().any(|f| f.eq_ignore_ascii_case(format)) => Ok(Some(given.clone())),
        _ => Err(Error::invalid(format!("data.format must be one of: {}", formats.join(", ")))),
    }
}

/// The answer to a create.
pub(crate) fn created(changes: Vec<DocChange>, kind: Collection, id: &str) -> Decision {
    Decision {
        changes,
        status: 201,
        body: json!({ "id": id, "etag": etag(id, 1) }),
        headers: vec![("location", format!("{BASE_PATH}/{}/{id}", plural(kind)))],
    }
}

/// The answer to a change of `doc` into `body`.
pub(crate) fn changed(caller: &Caller<'_>, kind: Collection, doc: &Doc, body: Json) -> Decision {
    Decision {
        changes: vec![DocChange::put(caller.sandbox, kind, doc.id.clone(), body, caller.client)],
        status: 200,
        body: json!({ "id": doc.id.as_str(), "etag": etag(&doc.id, doc.revision + 1) }),
        headers: Vec::new(),
    }
}

/// The answer to a delete.
pub(crate) fn deleted(changes: Vec<DocChange>) -> Decision {
    Decision { changes, status: 204, body: Json::Null, headers: Vec::new() }
}
