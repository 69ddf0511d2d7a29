//! The rules of a data set's body: members, schema, tags, file description.

use crate::error::Error;
use crate::kind::Kind;
use crate::union;
use crate::view::{View, is_union_tagged, members, tenant_kind};
use model::{DocSet, SandboxId};
use serde_json::{Map, Value as Json};
use xdm::Behavior;

/// Members that a client may write.
const WRITABLE: &[&str] =
    &["name", "description", "tags", "schemaRef", "fileDescription", "enableErrorDiagnostics", "classification"];
/// Members that the catalog writes; clients may send them back.
const WRITTEN_BY_CATALOG: &[&str] = &[
    "id",
    "version",
    "imsOrg",
    "created",
    "updated",
    "createdClient",
    "createdUser",
    "updatedUser",
    "namespace",
    "files",
    "sandboxId",
];

/// Takes over the members that a client may write; any other is refused by name.
pub(super) fn put_members(stored: &mut Map<String, Json>, given: &Map<String, Json>) -> Result<(), Error> {
    for (key, value) in given {
        if WRITABLE.contains(&key.as_str()) {
            stored.insert(key.clone(), value.clone());
        } else if !WRITTEN_BY_CATALOG.contains(&key.as_str()) {
            return Err(Error::catalog(400, format!("{key}: is not served; a data set has {}", WRITABLE.join(", "))));
        }
    }
    Ok(())
}

/// The rules of a whole data set.
pub(super) fn check(docs: &DocSet, sandbox: SandboxId, body: &Json) -> Result<(), Error> {
    let refuse = |detail: String| Err(Error::catalog(400, detail));
    match body.get("name") {
        Some(Json::String(name)) if !name.trim().is_empty() => {}
        other => return refuse(format!("name: must be a text that is not empty, is {}", shown(other))),
    }
    if let Some(other) = body.get("description").filter(|d| !d.is_string()) {
        return refuse(format!("description: must be a text, is {other}"));
    }
    if let Some(other) = body.get("enableErrorDiagnostics").filter(|d| !d.is_boolean()) {
        return refuse(format!("enableErrorDiagnostics: must be true or false, is {other}"));
    }
    let schema = check_schema_ref(docs, sandbox, &body["schemaRef"])?;
    check_file_description(body.get("fileDescription"))?;
    check_tags(body, &schema)?;
    check_classification(body.get("classification"), &schema)
}

/// The schema of a data set, as far as its rules need it.
struct SchemaOf {
    id: String,
    in_union: bool,
    is_union: bool,
    behavior: Behavior,
}

fn check_schema_ref(docs: &DocSet, sandbox: SandboxId, reference: &Json) -> Result<SchemaOf, Error> {
    let id =
        reference["id"].as_str().ok_or_else(|| Error::catalog(400, "schemaRef.id: must be the $id of a schema"))?;
    if let Some((key, _)) = members(reference).find(|(k, _)| !matches!(k.as_str(), "id" | "contentType")) {
        return Err(Error::catalog(400, format!("schemaRef.{key}: there is no such member")));
    }
    let content_type = reference["contentType"].as_str().unwrap_or_default();
    let compact: String = content_type.chars().filter(|c| !c.is_whitespace()).collect();
    let known = compact.strip_prefix("application/vnd.adobe.xed").and_then(|rest| rest.split_once("+json;version=1"));
    if !known.is_some_and(|(form, minor)| {
        matches!(form, "" | "-full" | "-notext" | "-full-notext" | "-full-desc")
            && (minor.is_empty() || minor.starts_with('.'))
    }) {
        return Err(Error::catalog(
            400,
            format!(
                "schemaRef.contentType: must be application/vnd.adobe.xed-full+json;version=1, is {content_type:?}"
            ),
        ));
    }
    let view = View::new(docs, sandbox);
    if let Some(class) = union::class_of_union(&view, id) {
        let behavior = view.body(&class).and_then(|b| view.behavior(&class, b)).unwrap_or(Behavior::Record);
        return Ok(SchemaOf { id: id.to_owned(), in_union: false, is_union: true, behavior });
    }
    let doc = view.tenant(id).filter(|_| tenant_kind(id) == Some(Kind::Schema));
    let doc =
        doc.ok_or_else(|| Error::catalog(400, format!("schemaRef.id: there is no schema {id} in this sandbox")))?;
    let behavior = view.behavior(id, &doc.body).unwrap_or(Behavior::Record);
    Ok(SchemaOf { id: id.to_owned(), in_union: is_union_tagged(&doc.body), is_union: false, behavior })
}

fn check_tags(body: &Json, schema: &SchemaOf) -> Result<(), Error> {
    let Some(tags) = body.get("tags") else { return Ok(()) };
    let is_list = |v: &Json| v.as_array().is_some_and(|a| a.iter().all(Json::is_string));
    if !tags.is_object() {
        return Err(Error::catalog(400, format!("tags: must be an object of arrays of texts, is {tags}")));
    }
    if let Some((name, value)) = members(tags).find(|(_, v)| !is_list(v)) {
        return Err(Error::catalog(400, format!("tags.{name}: must be an array of texts, is {value}")));
    }
    for (tag, keys) in [
        ("unifiedProfile", &["enabled", "isUpsert", "enabledAt"][..]),
        ("unifiedIdentity", &["enabled", "enabledAt"][..]),
    ] {
        for (key, value) in tag_values(body, tag) {
            if !keys.contains(&key) || (key != "enabledAt" && !matches!(value, "true" | "false")) {
                return Err(Error::catalog(
                    400,
                    format!("tags.{tag}: {key}:{value} is unknown; use enabled:true or enabled:false"),
                ));
            }
        }
    }
    for (value, _) in tag_values(body, "acp_validationContext") {
        if !matches!(value, "enabled" | "disabled") {
            return Err(Error::catalog(
                400,
                format!("tags.acp_validationContext: must be enabled or disabled, is {value}"),
            ));
        }
    }
    if flag(body, "unifiedProfile", "enabled") && !schema.in_union {
        let why = if schema.is_union { "is itself a union" } else { "is not enabled for Profile (union)" };
        return Err(Error::catalog(400, format!("tags.unifiedProfile: the schema {} {why}", schema.id)));
    }
    if flag(body, "unifiedProfile", "isUpsert") && schema.behavior != Behavior::Record {
        return Err(Error::catalog(
            400,
            "tags.unifiedProfile: isUpsert is for records only; the schema describes events",
        ));
    }
    Ok(())
}

fn check_file_description(description: Option<&Json>) -> Result<(), Error> {
    let Some(description) = description else { return Ok(()) };
    if !description.is_object() {
        return Err(Error::catalog(400, format!("fileDescription: must be an object, is {description}")));
    }
    for (key, value) in members(description) {
        let texts = || value.is_string() || value.as_array().is_some_and(|a| a.iter().all(Json::is_string));
        let fits = match key.as_str() {
            "format" => matches!(value.as_str(), Some("parquet" | "json" | "text" | "csv" | "delimited" | "avro" | "")),
            "delimiters" | "quotes" | "escapes" | "nullMarkers" => texts(),
            "header" => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
            "charset" => matches!(value.as_str(), Some("US-ASCII" | "UTF-8" | "ISO-8859-1" | "")),
            "persisted" | "containerFormat" => value.is_boolean() || value.is_string(),
            _ => return Err(Error::catalog(400, format!("fileDescription.{key}: there is no such member"))),
        };
        if !fits {
            return Err(Error::catalog(400, format!("fileDescription.{key}: {value} is not allowed")));
        }
    }
    Ok(())
}

fn check_classification(classification: Option<&Json>, schema: &SchemaOf) -> Result<(), Error> {
    let Some(classification) = classification else { return Ok(()) };
    let behavior = match schema.behavior {
        Behavior::Record => "record",
        Behavior::TimeSeries => "time-series",
        Behavior::Adhoc => "adhoc",
    };
    for (key, value) in members(classification) {
        let wanted = match key.as_str() {
            "dataBehavior" => behavior,
            "managedBy" => "CUSTOMER",
            _ => return Err(Error::catalog(400, format!("classification.{key}: there is no such member"))),
        };
        if value != wanted {
            return Err(Error::catalog(400, format!("classification.{key}: must be {wanted}, is {value}")));
        }
    }
    Ok(())
}

fn shown(value: Option<&Json>) -> String {
    value.map_or_else(|| "missing".to_owned(), Json::to_string)
}

/// Whether a tag says `name:true`.
pub(super) fn flag(body: &Json, tag: &str, name: &str) -> bool {
    tag_values(body, tag).any(|(key, value)| key == name && value == "true")
}

/// The `key:value` entries of a tag; published examples also write a blank after the colon.
fn tag_values<'a>(body: &'a Json, tag: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let entries = body.get("tags").and_then(|t| t.get(tag)).and_then(Json::as_array).into_iter().flatten();
    entries.filter_map(Json::as_str).map(|e| e.split_once(':').map_or((e.trim(), ""), |(k, v)| (k.trim(), v.trim())))
}
