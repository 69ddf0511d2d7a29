//! Union schemas: all fields of the tagged schemas of one class (profile.md §3.6).

use crate::accept::{self, ListForm};
use crate::document;
use crate::error::Error;
use crate::kind::Kind;
use crate::library::{alt_id, library};
use crate::listing::Query;
use crate::resource::decode;
use crate::view::{View, direct_refs, is_union_tagged};
use model::{Caller, DocSet};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// What a union's `$id` and `meta:altId` end with.
const SUFFIX: &str = "__union";
/// The class of profiles.
pub const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
/// The class of events.
pub const EXPERIENCE_EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";

/// The unions of the sandbox (`GET /tenant/unions`).
pub fn list(docs: &DocSet, caller: &Caller<'_>, accept: &str, parameters: &[(String, String)]) -> Result<Json, Error> {
    let form = accept::list_form(accept)?;
    let query = Query::parse(parameters)?;
    let view = View::new(docs, caller.sandbox);
    let documents = classes(&view).iter().map(|class| as_written(&view, caller, class)).collect();
    let mut page = query.page(documents);
    if form == ListForm::Ids {
        page.items = page.items.iter().map(document::summary).collect();
    }
    Ok(query.body(page, "/data/foundation/schemaregistry/tenant/unions"))
}

/// One union (`GET /tenant/unions/{id}`).
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str, accept: &str) -> Result<Json, Error> {
    let (form, version) = accept::form(accept)?;
    let decoded = decode(id);
    let view = View::new(docs, caller.sandbox);
    let known = classes(&view)
        .into_iter()
        .find(|class| decoded.strip_suffix(SUFFIX).is_some_and(|stem| stem == class || stem == alt_id(class)));
    let class =
        known.filter(|_| version.split('.').next() == Some("1")).ok_or_else(|| Error::not_found(&decoded, version))?;
    let mut out = as_written(&view, caller, &class);
    if form.full {
        let flat = resolve(&view, &class)?;
        if let Json::Object(out) = &mut out {
            out.shift_remove("allOf");
            out.insert("properties".into(), flat["properties"].clone());
            if let Some(required) = flat.get("required") {
                out.insert("required".into(), required.clone());
            }
        }
    }
    Ok(document::in_form(out, form))
}

/// How many unions there are.
pub(crate) fn count(view: &View<'_>) -> usize {
    classes(view).len()
}

/// The class of a union's `$id`, if the union has members.
pub(crate) fn class_of_union(view: &View<'_>, id: &str) -> Option<String> {
    let class = id.strip_suffix(SUFFIX)?;
    (!members_of(view, class).is_empty()).then(|| class.to_owned())
}

/// The class of a schema.
pub(crate) fn class_of(view: &View<'_>, schema: &str) -> Option<String> {
    view.body(schema).and_then(|body| view.compose(schema, body).class)
}

/// The tagged schemas of a class.
pub(crate) fn members_of<'a>(view: &View<'a>, class: &str) -> Vec<(&'a str, &'a Json)> {
    let tagged = view.schemas().filter(|(_, body)| is_union_tagged(body));
    tagged.filter(|(id, _)| class_of(view, id).as_deref() == Some(class)).collect()
}

/// One flat tree of the whole union, with the parts that the service makes.
pub(crate) fn resolve(view: &View<'_>, class: &str) -> Result<Json, Error> {
    let mut union =
        json!({ "$id": format!("{class}{SUFFIX}"), "type": "object", "meta:class": class, "properties": {} });
    let lineage = view.body(class).map(|body| view.compose(class, body).extends).unwrap_or_default();
    union["meta:extends"] = json!(lineage);
    let mut from: Vec<(String, Json)> = Vec::new();
    for (id, body) in members_of(view, class) {
        let mut flat = view.resolve(body)?;
        if let Json::Object(flat) = &mut flat {
            // What one member requires the others need not have.
            flat.remove("required");
        }
        xdm::merge(&mut union, &flat).map_err(|e| conflict(e, &from))?;
        from.push((id.to_owned(), flat));
    }
    for part in service_parts(view, class) {
        xdm::merge(&mut union, &part)?;
    }
    Ok(union)
}

fn conflict(error: xdm::ResolveError, from: &[(String, Json)]) -> Error {
    let xdm::ResolveError::Conflict { path, first, second } = &error else { return error.into() };
    let defines = |flat: &Json| {
        path.trim_matches('/')
            .split('/')
            .try_fold(flat, |at, name| at.get("properties").and_then(|p| p.get(name)))
            .is_some()
    };
    let id = from.iter().find(|(_, flat)| defines(flat)).map_or("", |(id, _)| id.as_str());
    Error::merge(format!(
        "Cannot merge incompatible data types. The path {path} has already been defined in schema (id={id}) using a different data type. Types: {first}, {second}"
    ))
}

/// `identityMap`, `segmentMembership` and `timeSeriesEvents` of the profile union; `identityMap` of
/// that of events.
fn service_parts(view: &View<'_>, class: &str) -> Vec<Json> {
    let standard = |id: &str| library().get(id).and_then(|s| view.resolve(&s.body).ok());
    let identity_map = standard("https://ns.adobe.com/xdm/context/identitymap");
    match class {
        PROFILE => {
            let events = json!({ "type": "object", "properties": { "timeSeriesEvents": {
                "title": "Time-series events", "type": "array", "meta:xdmType": "array",
                "items": { "type": "object", "meta:xdmType": "object", "meta:referencedFrom": format!("{EXPERIENCE_EVENT}{SUFFIX}") },
            }}});
            let membership = standard("https://ns.adobe.com/xdm/context/profile-segmentation");
            identity_map.into_iter().chain(membership).chain([events]).collect()
        }
        EXPERIENCE_EVENT => identity_map.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn classes(view: &View<'_>) -> BTreeSet<String> {
    view.schemas().filter(|(_, body)| is_union_tagged(body)).filter_map(|(id, _)| class_of(view, id)).collect()
}

fn as_written(view: &View<'_>, caller: &Caller<'_>, class: &str) -> Json {
    let members = members_of(view, class);
    let mut parts: Vec<String> = vec![class.to_owned()];
    for group in members.iter().flat_map(|(_, body)| direct_refs(body)) {
        if !parts.contains(&group) && view.kind(&group) == Some(Kind::FieldGroup) {
            parts.push(group);
        }
    }
    let class_body = view.body(class);
    let member = |key: &str| class_body.and_then(|b| b.get(key)).cloned().unwrap_or_default();
    let id = format!("{class}{SUFFIX}");
    let mut out = Map::new();
    out.insert("$id".into(), json!(id));
    out.insert("meta:altId".into(), json!(alt_id(&id)));
    out.insert("meta:resourceType".into(), json!("unions"));
    out.insert("version".into(), json!("1.0"));
    out.insert("title".into(), member("title"));
    out.insert("type".into(), json!("object"));
    out.insert("description".into(), member("description"));
    let all_of = parts.iter().map(|id| json!({ "$ref": id, "type": "object", "meta:xdmType": "object" }));
    out.insert("allOf".into(), Json::Array(all_of.collect()));
    out.insert("refs".into(), json!(parts));
    out.insert("imsOrg".into(), json!(caller.org));
    out.insert("meta:extensible".into(), json!(false));
    out.insert("meta:abstract".into(), json!(false));
    out.insert("meta:extends".into(), json!(parts));
    out.insert("meta:xdmType".into(), json!("object"));
    out.insert("meta:class".into(), json!(class));
    out.insert("meta:unionMembers".into(), json!(members.iter().map(|(id, _)| id).collect::<Vec<_>>()));
    document::put_owner(view.docs, caller, &mut out);
    Json::Object(out)
}
