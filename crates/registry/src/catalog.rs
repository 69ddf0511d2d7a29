//! The catalog: data sets (profile.md §7.5).
//!
//! A data set names the schema of its records and says by tags whether they feed profiles
//! (`unifiedProfile`) and the identity graph (`unifiedIdentity`).
//!
//! Always: the schema of a data set exists and does not change; a data set feeds profiles only while
//! its schema is in a union.

mod check;
mod query;

use crate::error::Error;
use crate::json_patch;
use crate::view::members;
use check::{check, flag, put_members};
use model::{Caller, Collection, DatasetNo, Doc, DocChange, DocSet, SandboxId, SmolStr};
use query::Query;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// What the engine needs of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its number.
    pub no: DatasetNo,
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: String,
    /// The `$id` of its schema.
    pub schema_id: SmolStr,
    /// Its records feed profiles.
    pub profile_enabled: bool,
    /// Its identities feed the graph.
    pub identity_enabled: bool,
    /// Its records update attributes instead of replacing the fragment.
    pub upsert: bool,
}

/// The data set of this id.
pub fn dataset(docs: &DocSet, sandbox: SandboxId, id: &str) -> Option<DatasetInfo> {
    docs.get(sandbox, Collection::Dataset, id).map(|doc| info(doc))
}

/// All data sets of a sandbox.
pub fn datasets(docs: &DocSet, sandbox: SandboxId) -> impl Iterator<Item = DatasetInfo> {
    docs.iter(sandbox, Collection::Dataset).map(|doc| info(doc))
}

fn info(doc: &Doc) -> DatasetInfo {
    DatasetInfo {
        no: DatasetNo(doc.no),
        id: doc.id.clone(),
        name: doc.body["name"].as_str().unwrap_or_default().to_owned(),
        schema_id: doc.body["schemaRef"]["id"].as_str().unwrap_or_default().into(),
        profile_enabled: flag(&doc.body, "unifiedProfile", "enabled"),
        identity_enabled: flag(&doc.body, "unifiedIdentity", "enabled"),
        upsert: flag(&doc.body, "unifiedProfile", "isUpsert"),
    }
}

/// Creates a data set (`POST /dataSets`); the answer is `["@/dataSets/ID"]`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json) -> Result<(Vec<DocChange>, Json), Error> {
    let Json::Object(given) = body else { return Err(Error::catalog(400, "the body must be a JSON object")) };
    let mut stored = Map::new();
    put_members(&mut stored, given)?;
    if !stored.contains_key("name") {
        return Err(Error::catalog(400, "name: is missing"));
    }
    if !stored.contains_key("schemaRef") {
        return Err(Error::catalog(400, "schemaRef: is missing; a data set names the schema of its records"));
    }
    let stored = Json::Object(stored);
    check(docs, caller.sandbox, &stored)?;
    let id = caller.hex24();
    Ok((vec![DocChange::put(caller.sandbox, Collection::Dataset, id.clone(), stored, caller.client)], answer(&id)))
}

/// Changes a data set: an object replaces the members that it names (`null` removes one), an array is
/// JSON Patch. Both forms are taken at `/dataSets/{id}` and `/v2/dataSets/{id}`.
pub fn patch(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller.sandbox, id)?;
    let mut wanted = doc.body.clone();
    match body {
        Json::Array(_) => {
            if wanted.get("tags").is_none() {
                wanted["tags"] = json!({});
            }
            json_patch::apply(&mut wanted, body).map_err(|e| Error::catalog(400, e))?;
        }
        Json::Object(given) => merge(&mut wanted, given),
        _ => return Err(Error::catalog(400, "the body must be an object or an array of JSON Patch operations")),
    }
    rewrite(docs, caller, doc, &wanted)
}

/// Rewrites a data set (`PUT /dataSets/{id}`); its schema stays.
pub fn replace(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller.sandbox, id)?;
    let mut wanted = body.clone();
    if wanted.is_object() && wanted.get("schemaRef").is_none() {
        wanted["schemaRef"] = doc.body["schemaRef"].clone();
    }
    rewrite(docs, caller, doc, &wanted)
}

/// Deletes a data set (`DELETE /dataSets/{id}`).
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller.sandbox, id)?;
    if let Some(policy) = docs.iter(caller.sandbox, Collection::MergePolicy).find(|policy| prefers(policy, id)) {
        let name = policy.body["name"].as_str().unwrap_or_default();
        let detail = format!("the data set {id} is in the order of the merge policy {} ({name:?})", policy.id);
        return Err(Error::catalog(400, detail));
    }
    let change = DocChange::delete(caller.sandbox, Collection::Dataset, doc.id.clone(), caller.client);
    Ok((vec![change], answer(&doc.id)))
}

/// One data set, keyed by its id (`GET /dataSets/{id}`).
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str, parameters: &[(String, String)]) -> Result<Json, Error> {
    let mut shown = None;
    for (key, value) in parameters {
        match key.as_str() {
            "properties" => shown = Some(query::names(value)),
            _ => return Err(Error::catalog(400, format!("{key} is no query parameter of this look-up"))),
        }
    }
    let doc = find(docs, caller.sandbox, id)?;
    Ok(Json::Object(Map::from_iter([(doc.id.to_string(), query::project(wire(docs, caller, doc), shown.as_deref()))])))
}

/// Data sets keyed by id (`GET /dataSets`).
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &[(String, String)]) -> Result<Json, Error> {
    let query = Query::parse(parameters)?;
    let stored = docs.iter(caller.sandbox, Collection::Dataset);
    Ok(query.page(stored.map(|doc| (doc.id.to_string(), wire(docs, caller, doc))).collect()))
}

fn merge(into: &mut Json, given: &Map<String, Json>) {
    let Json::Object(into) = into else { return };
    for (key, value) in given {
        match (into.get_mut(key), value) {
            (_, Json::Null) => {
                into.shift_remove(key);
            }
            (Some(old @ Json::Object(_)), Json::Object(more)) => merge(old, more),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn rewrite(docs: &DocSet, caller: &Caller<'_>, doc: &Doc, wanted: &Json) -> Result<(Vec<DocChange>, Json), Error> {
    let Json::Object(given) = wanted else { return Err(Error::catalog(400, "the body must be a JSON object")) };
    let mut stored = Map::new();
    put_members(&mut stored, given)?;
    if stored.get("schemaRef").map(|s| &s["id"]) != Some(&doc.body["schemaRef"]["id"]) {
        return Err(Error::catalog(400, "schemaRef: the schema of a data set does not change"));
    }
    if !stored.contains_key("name") {
        return Err(Error::catalog(400, "name: is missing"));
    }
    let stored = Json::Object(stored);
    check(docs, caller.sandbox, &stored)?;
    Ok((
        vec![DocChange::put(caller.sandbox, Collection::Dataset, doc.id.clone(), stored, caller.client)],
        answer(&doc.id),
    ))
}

fn find<'a>(docs: &'a DocSet, sandbox: SandboxId, id: &str) -> Result<&'a Arc<Doc>, Error> {
    let found = docs.get(sandbox, Collection::Dataset, id);
    found.ok_or_else(|| Error::catalog(404, format!("there is no data set {id}")))
}

/// Whether attributes of a data set come before others under a merge policy: without it, its profiles would change.
fn prefers(policy: &Doc, dataset: &str) -> bool {
    policy.body["attributeMerge"]["order"].as_array().is_some_and(|order| order.iter().any(|id| id == dataset))
}

fn answer(id: &str) -> Json {
    json!([format!("@/dataSets/{id}")])
}

fn wire(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    let sandbox = docs.get(SandboxId(0), Collection::Sandbox, caller.sandbox_name);
    let mut out = Map::new();
    out.insert("name".into(), doc.body["name"].clone());
    out.extend(members(&doc.body).map(|(k, v)| (k.clone(), v.clone())));
    out.insert("version".into(), json!(format!("1.0.{}", doc.revision - 1)));
    out.insert("imsOrg".into(), json!(caller.org));
    out.insert("sandboxId".into(), sandbox.map_or_else(|| json!(caller.sandbox_name), |s| s.body["id"].clone()));
    out.insert("namespace".into(), json!("ACP"));
    out.insert("created".into(), json!(doc.created_at.0));
    out.insert("updated".into(), json!(doc.updated_at.0));
    out.insert("createdClient".into(), json!(doc.created_by.as_str()));
    out.insert("createdUser".into(), json!(doc.created_by.as_str()));
    out.insert("updatedUser".into(), json!(doc.updated_by.as_str()));
    out.insert("files".into(), json!(format!("@/dataSetFiles?dataSetId={}", doc.id)));
    Json::Object(out)
}
