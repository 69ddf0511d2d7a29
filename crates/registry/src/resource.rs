//! Classes, field groups, data types, schemas: read and change.
//!
//! In: the documents, the caller, a request. Out: the changes to make durable and the answer, or a
//! refusal that names the member and the rule.
//!
//! Always: after an accepted change every schema still resolves, no schema that is in a union or
//! used by a data set lost or tightened a field, and the members of each union agree.

use crate::accept::{self, AS_WRITTEN, ListForm};
use crate::check::stored_body;
use crate::document::{self, Record};
use crate::error::Error;
use crate::impact;
use crate::json_patch;
use crate::kind::{Container, Kind};
use crate::library::{alt_id, library};
use crate::listing::Query;
use crate::view::{View, is_union_tagged};
use model::{Caller, Collection, Doc, DocChange, DocSet};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A list of resources (`GET /{container}/{kind}`).
pub fn list(
    docs: &DocSet,
    caller: &Caller<'_>,
    container: Container,
    kind: Kind,
    accept: &str,
    parameters: &[(String, String)],
) -> Result<Json, Error> {
    let form = accept::list_form(accept)?;
    let query = Query::parse(parameters)?;
    let view = View::new(docs, caller.sandbox);
    let documents: Result<Vec<Json>, Error> = match (container, kind.collection()) {
        (Container::Global, _) => {
            library().iter().filter(|s| s.kind == kind).map(|s| document::standard(&view, s, AS_WRITTEN)).collect()
        }
        (Container::Tenant, None) => Ok(Vec::new()),
        (Container::Tenant, Some(collection)) => docs
            .iter(caller.sandbox, collection)
            .map(|doc| document::tenant(&view, caller, kind, &doc.body, &Record::of(doc), AS_WRITTEN))
            .collect(),
    };
    let mut page = query.page(documents?);
    if form == ListForm::Ids {
        page.items = page.items.iter().map(document::summary).collect();
    }
    let path =
        |container: Container| format!("/data/foundation/schemaregistry/{}/{}", container.name(), kind.resource_type());
    let mut body = query.body(page, &path(container));
    if container == Container::Tenant {
        body["_links"][format!("global_{}", kind.resource_type())] = json!({ "href": path(Container::Global) });
    }
    Ok(body)
}

/// One resource (`GET /{container}/{kind}/{id}`); `id` is a `meta:altId` or an `$id`, encoded or not.
pub fn get(
    docs: &DocSet,
    caller: &Caller<'_>,
    container: Container,
    kind: Kind,
    id: &str,
    accept: &str,
) -> Result<Json, Error> {
    let (form, version) = accept::form(accept)?;
    let view = View::new(docs, caller.sandbox);
    let decoded = decode(id);
    if version.split('.').next() != Some("1") {
        return Err(Error::not_found(&decoded, version));
    }
    match container {
        Container::Global => {
            let found = if decoded.contains("://") { library().get(&decoded) } else { library().by_alt_id(&decoded) };
            let found = found.filter(|s| s.kind == kind).ok_or_else(|| Error::not_found(&decoded, version))?;
            document::standard(&view, found, form)
        }
        Container::Tenant => {
            let doc = find(docs, caller, kind, id)?;
            document::tenant(&view, caller, kind, &doc.body, &Record::of(doc), form)
        }
    }
}

/// Creates a tenant resource (`POST /tenant/{kind}`).
pub fn create(docs: &DocSet, caller: &Caller<'_>, kind: Kind, body: &Json) -> Result<(Vec<DocChange>, Json), Error> {
    let id = format!("https://ns.adobe.com/{}/{}/{}", caller.tenant, kind.resource_type(), caller.hex32());
    let view = View::new(docs, caller.sandbox);
    let stored = stored_body(&view, caller.tenant, kind, &id, body)?;
    put(&view, caller, kind, None, stored)
}

/// Rewrites a tenant resource (`PUT /tenant/{kind}/{id}`). The union tag stays.
pub fn replace(
    docs: &DocSet,
    caller: &Caller<'_>,
    kind: Kind,
    id: &str,
    body: &Json,
) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller, kind, id)?;
    let own = own_id(doc);
    if let Some(given) = body.get("$id").filter(|given| **given != json!(own)) {
        return Err(Error::invalid(format!("$id: is {given}, but the path names {own}")));
    }
    let view = View::new(docs, caller.sandbox);
    let mut stored = stored_body(&view, caller.tenant, kind, own, body)?;
    if is_union_tagged(&doc.body) {
        stored["meta:immutableTags"] = doc.body["meta:immutableTags"].clone();
    }
    put(&view, caller, kind, Some(doc), stored)
}

/// Changes a tenant resource by JSON Patch (`PATCH /tenant/{kind}/{id}`).
pub fn patch(
    docs: &DocSet,
    caller: &Caller<'_>,
    kind: Kind,
    id: &str,
    operations: &Json,
) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller, kind, id)?;
    let mut body = doc.body.clone();
    json_patch::apply(&mut body, operations).map_err(Error::invalid)?;
    if is_union_tagged(&doc.body) && !is_union_tagged(&body) {
        return Err(Error::breaking("meta:immutableTags: the union tag cannot be removed", Vec::new()));
    }
    let view = View::new(docs, caller.sandbox);
    let stored = stored_body(&view, caller.tenant, kind, own_id(doc), &body)?;
    put(&view, caller, kind, Some(doc), stored)
}

/// Deletes a tenant resource that nothing uses (`DELETE /tenant/{kind}/{id}`); the descriptors of a
/// schema go with it.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, kind: Kind, id: &str) -> Result<Vec<DocChange>, Error> {
    let doc = find(docs, caller, kind, id)?;
    let own = own_id(doc);
    impact::refuse_if_used(&View::new(docs, caller.sandbox), kind, own)?;
    let collection = kind.collection().ok_or_else(Error::read_only)?;
    let descriptors = docs.iter(caller.sandbox, Collection::Descriptor).filter(|d| d.body["xdm:sourceSchema"] == own);
    let mut changes: Vec<DocChange> = descriptors
        .map(|d| DocChange::delete(caller.sandbox, Collection::Descriptor, d.id.clone(), caller.client))
        .collect();
    changes.push(DocChange::delete(caller.sandbox, collection, doc.id.clone(), caller.client));
    Ok(changes)
}

fn put(
    view: &View<'_>,
    caller: &Caller<'_>,
    kind: Kind,
    old: Option<&Arc<Doc>>,
    stored: Json,
) -> Result<(Vec<DocChange>, Json), Error> {
    let collection = kind.collection().ok_or_else(Error::read_only)?;
    let id = stored["$id"].as_str().unwrap_or_default();
    check_title(view, id, &stored)?;
    impact::check_change(view, kind, id, &stored)?;
    let record = Record::next(old.map(|doc| &**doc), caller);
    let answer = document::tenant(view, caller, kind, &stored, &record, AS_WRITTEN)?;
    Ok((vec![DocChange::put(caller.sandbox, collection, alt_id(id), stored, caller.client)], answer))
}

/// Titles are unique across all resources of the sandbox.
fn check_title(view: &View<'_>, id: &str, body: &Json) -> Result<(), Error> {
    for collection in Kind::ALL.iter().filter_map(|k| k.collection()) {
        let taken =
            view.docs.iter(view.sandbox, collection).find(|d| d.body["title"] == body["title"] && d.body["$id"] != id);
        if let Some(other) = taken {
            return Err(Error::title_taken(own_id(other)));
        }
    }
    Ok(())
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, kind: Kind, id: &str) -> Result<&'a Arc<Doc>, Error> {
    let decoded = decode(id);
    let key = if decoded.contains("://") { alt_id(&decoded) } else { decoded.clone() };
    let found = kind.collection().and_then(|collection| docs.get(caller.sandbox, collection, &key));
    found.ok_or_else(|| Error::not_found(&decoded, "1"))
}

pub(crate) fn own_id(doc: &Doc) -> &str {
    doc.body["$id"].as_str().unwrap_or_default()
}

/// A path parameter without its percent escapes.
pub(crate) fn decode(id: &str) -> String {
    percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned()
}
