//! Search over audiences: namespaces, entities, taxonomy (profile.md §9.6).
//!
//! Always: only what is stored is found. There are no folders, so every audience lies in `root`.

mod lucene;
#[cfg(test)]
mod tests;

use crate::Parameters;
use crate::error::Error;
use crate::lifecycle;
use crate::page::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lucene::Lucene;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The one kind of document that is searched.
const CLASS: &str = "_xdm.context.segmentdefinition";
const ROOT: &str = "root";
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 50;
/// Namespaces with the kind of their documents; those of Audience Manager have none here.
const NAMESPACES: [(&str, Option<Collection>); 4] = [
    ("AEPSegments", Some(Collection::Audience)),
    (crate::external::NAMESPACE, Some(Collection::ExternalAudience)),
    ("AAMSegments", None),
    ("AAMTraits", None),
];

/// The version of searches that a header asks for; there is one.
pub fn check_version(given: Option<&str>) -> Result<(), Error> {
    match given {
        None | Some("1.0" | "1") => Ok(()),
        Some(other) => Err(Error::field("x-ups-search-version", format_args!("must be `1.0`, is `{other}`"))),
    }
}

/// `GET /search/namespaces`: namespaces that hold what is searched for, with counts.
pub fn namespaces(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["schema.name", "schemaClass", "s"])?;
    check_class(&query)?;
    let search = search(&query)?;
    let count = |(name, kind): (&str, Option<Collection>)| {
        let count = found(docs, caller, kind, &search).len();
        (count > 0).then(|| json!({ "namespace": name, "displayName": name, "count": count }))
    };
    let all: Vec<Json> = NAMESPACES.into_iter().filter_map(count).collect();
    Ok(json!({ "totalCount": all.len().to_string(), "namespaces": all, "status": { "message": "Success" } }))
}

/// `GET /search/entities`: audiences of a namespace, or of a folder.
pub fn entities(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let known = ["schema.name", "schemaClass", "namespace", "s", "entityId", "limit", "page", "contentType"];
    let query = Query::of(parameters, &known)?;
    check_class(&query)?;
    let kind = namespace(&query)?;
    let search = search(&query)?;
    query.flag("contentType")?;
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let page = query.number("page", 0, usize::MAX)?.unwrap_or(0);
    let mut all = found(docs, caller, kind, &search);
    if let Some(folder) = query.one("entityId")?.filter(|folder| *folder != ROOT) {
        // What is below an audience: nothing. What is below an unknown id: nothing, too.
        if !all.iter().any(|doc| doc.id == folder) {
            return Ok(page_of(&[], 0, limit, page, &format!("Cannot find entityId {folder}.")));
        }
        all.clear();
    }
    let shown: Vec<Json> =
        all.iter().skip(page.saturating_mul(limit)).take(limit).map(|doc| entity(caller, doc)).collect();
    Ok(page_of(&shown, all.len(), limit, page, "Success"))
}

fn page_of(entities: &[Json], total: usize, limit: usize, page: usize, message: &str) -> Json {
    json!({
        "entities": entities,
        "page": {
            // A client library asks for ever while the page is the number of pages.
            "totalCount": total, "totalPages": total.div_ceil(limit).max(1),
            "pageOffset": page, "pageSize": entities.len(),
        },
        "status": { "message": message },
    })
}

/// `GET /search/taxonomy`: the way from the root to an audience.
pub fn taxonomy(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["schema.name", "schemaClass", "namespace", "entityId"])?;
    check_class(&query)?;
    let kind = namespace(&query)?;
    let id = query.one("entityId")?.ok_or_else(|| Error::field("entityId", "is required"))?;
    let doc = kind.and_then(|kind| docs.get(caller.sandbox, kind, id));
    let (way, message) = match doc {
        Some(doc) => (vec![entity(caller, doc)], "Success".to_owned()),
        None => (Vec::new(), format!("Cannot find entityId {id}.")),
    };
    let way: Vec<Json> = way
        .into_iter()
        .map(|entity| {
            json!({
                "id": entity["id"], "base64EncodedSourceId": entity["base64EncodedSourceId"],
                "name": entity["name"], "parentFolderId": entity["parentFolderId"],
            })
        })
        .collect();
    Ok(json!({ "taxonomy": way, "status": { "message": message } }))
}

/// Two names of one parameter are in use.
fn check_class(query: &Query<'_>) -> Result<(), Error> {
    match (query.one("schema.name")?, query.one("schemaClass")?) {
        (None, None) => Err(Error::field("schema.name", format_args!("is required: `{CLASS}`"))),
        (a, b) => match a.into_iter().chain(b).find(|class| *class != CLASS) {
            Some(other) => Err(Error::field("schema.name", format_args!("must be `{CLASS}`, is `{other}`"))),
            None => Ok(()),
        },
    }
}

fn namespace(query: &Query<'_>) -> Result<Option<Collection>, Error> {
    let given = query.one("namespace")?.ok_or_else(|| Error::field("namespace", "is required"))?;
    match NAMESPACES.iter().find(|(name, _)| *name == given) {
        Some((_, kind)) => Ok(*kind),
        None => {
            let rule = format!("must be one of {}, is `{given}`", NAMESPACES.map(|(name, _)| name).join(", "));
            Err(Error::field("namespace", rule))
        }
    }
}

fn search(query: &Query<'_>) -> Result<Option<Lucene>, Error> {
    let parse = |text| Lucene::parse(text).map_err(|rule| Error::field("s", rule));
    query.one("s")?.map(parse).transpose()
}

/// What fits, by name.
fn found<'a>(
    docs: &'a DocSet,
    caller: &Caller<'_>,
    kind: Option<Collection>,
    search: &Option<Lucene>,
) -> Vec<&'a Arc<Doc>> {
    let all = kind.into_iter().flat_map(|kind| docs.iter(caller.sandbox, kind));
    let mut found: Vec<_> = all.filter(|doc| search.as_ref().is_none_or(|search| fits(search, doc))).collect();
    found.sort_by(|a, b| a.body["name"].as_str().cmp(&b.body["name"].as_str()).then(a.no.cmp(&b.no)));
    found
}

fn fits(search: &Lucene, doc: &Doc) -> bool {
    search.holds(&|field| match field {
        "id" | "entityId" => vec![doc.id.to_string()],
        "lifecycleState" => vec![lifecycle::state(doc).to_owned()],
        "labels" => {
            let labels = doc.body["labels"].as_array().into_iter().flatten();
            labels.filter_map(Json::as_str).map(str::to_owned).collect()
        }
        field => doc.body[field].as_str().map(str::to_owned).into_iter().collect(),
    })
}

fn entity(caller: &Caller<'_>, doc: &Doc) -> Json {
    let mut out = json!({
        "id": doc.id.as_str(),
        "base64EncodedSourceId": URL_SAFE_NO_PAD.encode(format!("{}-{}", doc.id, caller.sandbox_name)),
        "sourceId": { "id": doc.id.as_str() },
        "isFolder": false,
        "parentFolderId": ROOT,
        "name": doc.body["name"],
    });
    if let Some(description) = doc.body.get("description") {
        out["description"] = description.clone();
    }
    out
}
