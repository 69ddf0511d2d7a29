//! Descriptors: what a field of a schema means (profile.md §3.5).
//!
//! `xdm:descriptorIdentity` decides which fields are identities and which one is primary; its field
//! becomes required. `xdm:descriptorDeprecated` and `xdm:alternateDisplayInfo` are shown by look-ups;
//! relationship descriptors are kept and checked when a schema joins a union.
//!
//! Always: a schema has at most one primary identity; every descriptor names a field that exists.

use crate::accept::{self, DescriptorItem};
use crate::document::{self, Record};
use crate::error::Error;
use crate::kind::Container;
use crate::listing::Query;
use crate::resource::decode;
use crate::view::{View, is_union_tagged, members};
use model::{Caller, Collection, Doc, DocChange, DocSet, NamespaceId, SandboxId};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Finds a namespace by its code, or by its number written out.
pub type Namespaces<'a> = &'a dyn Fn(&str) -> Option<NamespaceId>;

const IDENTITY: &str = "xdm:descriptorIdentity";
const REFERENCE: &str = "xdm:descriptorReferenceIdentity";
const ONE_TO_ONE: &str = "xdm:descriptorOneToOne";
const RELATIONSHIP: &str = "xdm:descriptorRelationship";

/// Members of every descriptor.
const COMMON: &[&str] =
    &["@type", "xdm:sourceSchema", "xdm:sourceVersion", "xdm:sourceProperty", "xdm:title", "xdm:description"];
/// Members that the registry writes; clients may send them back.
const WRITTEN_BY_REGISTRY: &[&str] = &[
    "@id",
    "imsOrg",
    "version",
    "meta:containerId",
    "meta:sandboxId",
    "meta:sandboxType",
    "meta:registryMetadata",
    "meta:tenantNamespace",
    "createdUser",
    "createdClient",
    "createClient",
    "updatedUser",
    "created",
    "update",
    "updated",
];
/// Each kind with its further members.
const KINDS: &[(&str, &[&str])] = &[
    (IDENTITY, &["xdm:namespace", "xdm:property", "xdm:isPrimary"]),
    ("xdm:alternateDisplayInfo", &["xdm:note", "meta:enum", "xdm:excludeMetaEnum"]),
    (
        ONE_TO_ONE,
        &["xdm:destinationSchema", "xdm:destinationVersion", "xdm:destinationProperty", "xdm:destinationNamespace"],
    ),
    (REFERENCE, &["xdm:identityNamespace"]),
    (
        RELATIONSHIP,
        &[
            "xdm:destinationSchema",
            "xdm:destinationVersion",
            "xdm:destinationProperty",
            "xdm:cardinality",
            "xdm:destinationNamespace",
            "xdm:sourceToDestinationTitle",
            "xdm:destinationToSourceTitle",
        ],
    ),
    ("xdm:descriptorDeprecated", &[]),
];

/// A list of descriptors (`GET /{container}/descriptors`).
pub fn list(
    docs: &DocSet,
    caller: &Caller<'_>,
    container: Container,
    accept: &str,
    parameters: &[(String, String)],
) -> Result<Json, Error> {
    let form = accept::descriptor_list_form(accept)?;
    let mut parameters = parameters.to_vec();
    if !parameters.iter().any(|(key, _)| key.eq_ignore_ascii_case("orderby")) {
        parameters.push(("orderby".into(), "@id".into()));
    }
    let query = Query::parse(&parameters)?;
    let stored: Vec<Json> = match container {
        Container::Global => Vec::new(),
        Container::Tenant => docs.iter(caller.sandbox, Collection::Descriptor).map(|d| wire(docs, caller, d)).collect(),
    };
    let mut page = query.page(stored);
    let item = |d: &Json| match form.item {
        DescriptorItem::Id => d["@id"].clone(),
        DescriptorItem::Link => json!(format!("/tenant/descriptors/{}", d["@id"].as_str().unwrap_or_default())),
        DescriptorItem::Object => d.clone(),
    };
    if form.paged {
        page.items = page.items.iter().map(item).collect();
        return Ok(query.body(page, "/data/foundation/schemaregistry/tenant/descriptors"));
    }
    let mut groups = Map::new();
    for descriptor in &page.items {
        let group = groups.entry(descriptor["@type"].as_str().unwrap_or_default()).or_insert_with(|| json!([]));
        if let Json::Array(group) = group {
            group.push(item(descriptor));
        }
    }
    Ok(Json::Object(groups))
}

/// One descriptor (`GET /{container}/descriptors/{id}`).
pub fn get(docs: &DocSet, caller: &Caller<'_>, container: Container, id: &str, accept: &str) -> Result<Json, Error> {
    // Look-ups are documented without an Accept header.
    if !matches!(accept, "" | "*/*" | "application/json") {
        accept::descriptor_form(accept)?;
    }
    match container {
        Container::Global => Err(Error::not_found(id, "1")),
        Container::Tenant => find(docs, caller, id).map(|doc| wire(docs, caller, doc)),
    }
}

/// Creates a descriptor (`POST /tenant/descriptors`).
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    body: &Json,
    namespaces: Namespaces<'_>,
) -> Result<(Vec<DocChange>, Json), Error> {
    put(docs, caller, None, body, namespaces)
}

/// Rewrites a descriptor (`PUT /tenant/descriptors/{id}`).
pub fn replace(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    body: &Json,
    namespaces: Namespaces<'_>,
) -> Result<(Vec<DocChange>, Json), Error> {
    let old = find(docs, caller, id)?;
    put(docs, caller, Some(old), body, namespaces)
}

/// Deletes a descriptor (`DELETE /tenant/descriptors/{id}`).
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Vec<DocChange>, Error> {
    let doc = find(docs, caller, id)?;
    let view = View::new(docs, caller.sandbox);
    if is_primary(&doc.body) && view.body(schema_of(&doc.body)).is_some_and(is_union_tagged) {
        return Err(Error::descriptor(format!(
            "the primary identity of {} cannot be removed: the schema is enabled for Profile (union)",
            schema_of(&doc.body)
        )));
    }
    Ok(vec![DocChange::delete(caller.sandbox, Collection::Descriptor, doc.id.clone(), caller.client)])
}

fn put(
    docs: &DocSet,
    caller: &Caller<'_>,
    old: Option<&Arc<Doc>>,
    body: &Json,
    namespaces: Namespaces<'_>,
) -> Result<(Vec<DocChange>, Json), Error> {
    let stored = checked(docs, caller, old, body, namespaces)?;
    let id = old.map_or_else(|| caller.hex32(), |doc| doc.id.clone());
    let answer = wire_of(docs, caller, &id, &stored, &Record::next(old.map(|doc| &**doc), caller));
    Ok((vec![DocChange::put(caller.sandbox, Collection::Descriptor, id, stored, caller.client)], answer))
}

/// The body as it is stored, or what is wrong with it.
fn checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    old: Option<&Arc<Doc>>,
    body: &Json,
    namespaces: Namespaces<'_>,
) -> Result<Json, Error> {
    let Json::Object(given) = body else { return Err(Error::descriptor("the body must be a JSON object")) };
    let text = |key: &str| match given.get(key) {
        Some(Json::String(text)) if !text.is_empty() => Ok(text.as_str()),
        Some(other) => Err(Error::descriptor(format!("{key}: must be a text that is not empty, is {other}"))),
        None => Err(Error::descriptor(format!("{key}: is missing"))),
    };
    let kind = text("@type")?;
    let Some((_, own)) = KINDS.iter().find(|(k, _)| *k == kind) else {
        let known: Vec<&str> = KINDS.iter().map(|(k, _)| *k).collect();
        return Err(Error::descriptor(format!("@type: {kind} is not served; use one of {}", known.join(", "))));
    };
    let mut stored = Map::new();
    for (key, value) in given {
        if COMMON.contains(&key.as_str()) || own.contains(&key.as_str()) {
            stored.insert(key.clone(), value.clone());
        } else if !WRITTEN_BY_REGISTRY.contains(&key.as_str()) {
            return Err(Error::descriptor(format!("{key}: a descriptor of type {kind} has no such member")));
        }
    }
    let view = View::new(docs, caller.sandbox);
    let schema = text("xdm:sourceSchema")?;
    let schema_body = view
        .tenant(schema)
        .map(|doc| &doc.body)
        .filter(|_| crate::view::tenant_kind(schema) == Some(crate::kind::Kind::Schema));
    let schema_body = schema_body
        .ok_or_else(|| Error::descriptor(format!("xdm:sourceSchema: {schema} is no schema of this sandbox")))?;
    check_version(&mut stored, "xdm:sourceVersion")?;
    let flat = view.resolve(schema_body)?;
    let path = text("xdm:sourceProperty")?;
    let field = field_at(&flat, path)
        .ok_or_else(|| Error::descriptor(format!("xdm:sourceProperty: the schema {schema} has no field {path}")))?;
    if let Some(old) = old
        && (old.body["@type"] != kind || schema_of(&old.body) != schema)
    {
        return Err(Error::descriptor(
            "@type and xdm:sourceSchema of a descriptor do not change; delete it and create another",
        ));
    }
    let others: Vec<&Arc<Doc>> =
        of(docs, caller.sandbox, schema).filter(|d| old.is_none_or(|o| o.id != d.id)).collect();
    let mut stored = Json::Object(stored);
    match kind {
        IDENTITY => check_identity(&mut stored, field, path, &others, namespaces)?,
        ONE_TO_ONE | RELATIONSHIP => check_destination(&view, &mut stored, kind)?,
        REFERENCE => {
            let code = text("xdm:identityNamespace")?;
            namespaces(code)
                .ok_or_else(|| Error::descriptor(format!("xdm:identityNamespace: there is no namespace {code}")))?;
        }
        _ => {}
    }
    check_primary_kept(old, &stored, is_union_tagged(schema_body))?;
    Ok(stored)
}

fn check_primary_kept(old: Option<&Arc<Doc>>, stored: &Json, tagged: bool) -> Result<(), Error> {
    let Some(old) = old.filter(|o| tagged && is_primary(&o.body)) else { return Ok(()) };
    let same = ["xdm:sourceProperty", "xdm:namespace", "xdm:isPrimary"].iter().all(|k| old.body[*k] == stored[*k]);
    if same { Ok(()) } else { Err(Error::descriptor("the primary identity of a schema in a union does not change")) }
}

fn check_version(stored: &mut Map<String, Json>, key: &str) -> Result<(), Error> {
    match stored.entry(key).or_insert_with(|| json!(1)) {
        Json::Number(n) if n.as_i64() == Some(1) => Ok(()),
        other => Err(Error::descriptor(format!("{key}: must be 1, is {other}"))),
    }
}

fn check_identity(
    stored: &mut Json,
    field: &Json,
    path: &str,
    others: &[&Arc<Doc>],
    namespaces: Namespaces<'_>,
) -> Result<(), Error> {
    if field["type"] != "string" {
        let found = field["meta:xdmType"].as_str().unwrap_or("of no type");
        return Err(Error::descriptor(format!(
            "xdm:sourceProperty: an identity is a string, the field {path} is {found}"
        )));
    }
    let property = stored.get("xdm:property").cloned().unwrap_or_else(|| json!("xdm:code"));
    if property != "xdm:code" && property != "xdm:id" {
        return Err(Error::descriptor(format!("xdm:property: must be xdm:code or xdm:id, is {property}")));
    }
    let namespace = match stored.get("xdm:namespace") {
        Some(Json::String(code)) if !code.is_empty() => code.clone(),
        Some(Json::Number(id)) => id.to_string(),
        Some(other) => return Err(Error::descriptor(format!("xdm:namespace: must be a code or a number, is {other}"))),
        None => return Err(Error::descriptor("xdm:namespace: is missing; an identity belongs to a namespace")),
    };
    if property == "xdm:id" && namespace.parse::<u32>().is_err() {
        return Err(Error::descriptor(format!(
            "xdm:namespace: with xdm:property xdm:id it is a number, is {namespace}"
        )));
    }
    let id = namespaces(&namespace)
        .ok_or_else(|| Error::descriptor(format!("xdm:namespace: there is no namespace {namespace}")))?;
    let primary = match stored.get("xdm:isPrimary") {
        None => false,
        Some(Json::Bool(primary)) => *primary,
        Some(other) => return Err(Error::descriptor(format!("xdm:isPrimary: must be true or false, is {other}"))),
    };
    for other in others.iter().filter(|o| o.body["@type"] == IDENTITY) {
        if primary && is_primary(&other.body) {
            return Err(Error::descriptor(format!(
                "xdm:isPrimary: the schema has a primary identity already, descriptor {}",
                other.id
            )));
        }
        if other.body["xdm:sourceProperty"] == stored["xdm:sourceProperty"]
            && namespace_text(&other.body).is_some_and(|n| namespaces(&n) == Some(id))
        {
            return Err(Error::descriptor(format!(
                "xdm:sourceProperty: the descriptor {} says the same already",
                other.id
            )));
        }
    }
    stored["xdm:property"] = property;
    stored["xdm:isPrimary"] = json!(primary);
    Ok(())
}

fn check_destination(view: &View<'_>, stored: &mut Json, kind: &str) -> Result<(), Error> {
    let destination = stored["xdm:destinationSchema"].as_str().unwrap_or_default().to_owned();
    let body = view.tenant(&destination).map(|doc| &doc.body);
    let body = body.ok_or_else(|| {
        Error::descriptor(format!("xdm:destinationSchema: {destination:?} is no schema of this sandbox"))
    })?;
    if let Json::Object(stored) = stored {
        check_version(stored, "xdm:destinationVersion")?;
    }
    if let Some(path) = stored.get("xdm:destinationProperty") {
        let flat = view.resolve(body)?;
        if path.as_str().and_then(|p| field_at(&flat, p)).is_none() {
            return Err(Error::descriptor(format!("xdm:destinationProperty: {destination} has no field {path}")));
        }
    }
    let cardinality = stored.get("xdm:cardinality").and_then(Json::as_str);
    match (kind, stored.get("xdm:cardinality")) {
        (_, None) => Ok(()),
        (RELATIONSHIP, Some(_)) if matches!(cardinality, Some("M:1" | "1:1" | "1:M" | "M:M")) => Ok(()),
        (_, Some(other)) => {
            Err(Error::descriptor(format!("xdm:cardinality: must be M:1, 1:1, 1:M or M:M, is {other}")))
        }
    }
}

/// The field at a slash path without `properties`; not through arrays or maps.
fn field_at<'a>(flat: &'a Json, path: &str) -> Option<&'a Json> {
    let path = path.strip_prefix('/')?;
    path.split('/').try_fold(flat, |at, name| at.get("properties")?.get(name))
}

/// Refuses a change that takes a described field away or makes an identity another type.
pub(crate) fn check_still_valid(view: &View<'_>, schema: &str, flat: &Json) -> Result<(), Error> {
    for descriptor in of(view.docs, view.sandbox, schema) {
        let path = descriptor.body["xdm:sourceProperty"].as_str().unwrap_or_default();
        let field = field_at(flat, path);
        let fits = field.is_some_and(|f| descriptor.body["@type"] != IDENTITY || f["type"] == "string");
        if !fits {
            return Err(Error::in_use(format!(
                "the field {path} of {schema} is used by the descriptor {}",
                descriptor.id
            )));
        }
    }
    Ok(())
}

/// What a schema needs to join a union (profile.md §3.6).
pub(crate) fn check_union_identity(view: &View<'_>, schema: &str, flat: &Json) -> Result<(), Error> {
    if flat.pointer("/properties/identityMap").is_none() && primary_path(view.docs, view.sandbox, schema).is_none() {
        return Err(Error::union_without_identity());
    }
    let all: Vec<&Arc<Doc>> = of(view.docs, view.sandbox, schema).collect();
    for relation in all.iter().filter(|d| d.body["@type"] == ONE_TO_ONE) {
        let path = &relation.body["xdm:sourceProperty"];
        if !all.iter().any(|d| d.body["@type"] == REFERENCE && d.body["xdm:sourceProperty"] == *path) {
            return Err(Error::union_without_reference());
        }
    }
    Ok(())
}

/// The path of the schema's primary identity.
pub(crate) fn primary_path(docs: &DocSet, sandbox: SandboxId, schema: &str) -> Option<String> {
    let primary = of(docs, sandbox, schema).find(|d| is_primary(&d.body))?;
    primary.body["xdm:sourceProperty"].as_str().map(str::to_owned)
}

/// The identity descriptors of a schema: path, namespace as written, primary.
pub(crate) fn identities(
    docs: &DocSet,
    sandbox: SandboxId,
    schema: &str,
) -> impl Iterator<Item = (String, String, bool)> {
    of(docs, sandbox, schema).filter(|d| d.body["@type"] == IDENTITY).filter_map(|d| {
        let path = d.body["xdm:sourceProperty"].as_str()?.to_owned();
        Some((path, namespace_text(&d.body)?, is_primary(&d.body)))
    })
}

/// The descriptors of a schema as the wire shows them.
pub(crate) fn of_schema(view: &View<'_>, caller: &Caller<'_>, schema: &str) -> Vec<Json> {
    of(view.docs, view.sandbox, schema).map(|doc| wire(view.docs, caller, doc)).collect()
}

fn of<'a>(docs: &'a DocSet, sandbox: SandboxId, schema: &str) -> impl Iterator<Item = &'a Arc<Doc>> {
    docs.iter(sandbox, Collection::Descriptor).filter(move |d| schema_of(&d.body) == schema)
}

fn schema_of(body: &Json) -> &str {
    body["xdm:sourceSchema"].as_str().unwrap_or_default()
}

fn is_primary(body: &Json) -> bool {
    body["@type"] == IDENTITY && body["xdm:isPrimary"] == true
}

fn namespace_text(body: &Json) -> Option<String> {
    match &body["xdm:namespace"] {
        Json::String(code) => Some(code.clone()),
        Json::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    let id = decode(id);
    docs.get(caller.sandbox, Collection::Descriptor, &id).ok_or_else(|| Error::not_found(&id, "1"))
}

fn wire(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    wire_of(docs, caller, &doc.id, &doc.body, &Record::of(doc))
}

fn wire_of(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json, record: &Record) -> Json {
    let mut out = Map::new();
    out.insert("@id".into(), json!(id));
    out.extend(members(body).map(|(k, v)| (k.clone(), v.clone())));
    out.insert("imsOrg".into(), json!(caller.org));
    out.insert("version".into(), json!("1"));
    document::put_owner(docs, caller, &mut out);
    out.insert("meta:registryMetadata".into(), record.metadata(body));
    Json::Object(out)
}
