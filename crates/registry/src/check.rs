//! The rules of a tenant resource's body: known members, names of fields, what may extend what.
//!
//! In: a body as a client sends it. Out: the body as it is stored, without the members that the
//! registry itself writes, with `meta:xdmType` everywhere. A member that would have no effect is
//! refused by name.

use crate::error::Error;
use crate::kind::Kind;
use crate::view::{View, direct_refs, members, reference};
use serde_json::{Map, Value as Json, json};
use xdm::{Behavior, Format};

/// Members that the registry writes; clients send them back, they are replaced.
const WRITTEN_BY_REGISTRY: &[&str] = &[
    "$id",
    "$schema",
    "meta:altId",
    "meta:resourceType",
    "version",
    "imsOrg",
    "refs",
    "meta:class",
    "meta:extends",
    "meta:extensible",
    "meta:abstract",
    "meta:xdmType",
    "meta:registryMetadata",
    "meta:containerId",
    "meta:sandboxId",
    "meta:sandboxType",
    "meta:tenantNamespace",
    "meta:descriptorStatus",
    "meta:usageCount",
    "meta:descriptors",
];

const OF_ALL: &[&str] = &["title", "description", "type", "allOf", "meta:status", "meta:tags", "meta:createdDate"];
const OF_SCHEMA: &[&str] = &["meta:immutableTags"];
const OF_FIELDS: &[&str] = &["definitions", "properties", "required"];

const OF_FIELD: &[&str] = &[
    "type",
    "title",
    "description",
    "format",
    "enum",
    "meta:enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "$ref",
    "$ref ",
    "default",
    "examples",
    "isRequired",
    "meta:xdmType",
    "meta:xdmField",
    "meta:status",
    "meta:titleId",
    "meta:descriptionId",
    "meta:usereditable",
    "meta:referencedFrom",
    "meta:refProperty",
    "meta:immutable",
    "meta:ui",
];

/// Rules with the types that they apply to and what their value must be.
const RULES: &[(&str, &[&str], RuleValue)] = &[
    ("format", &["string"], RuleValue::Text),
    ("pattern", &["string"], RuleValue::Text),
    ("minLength", &["string"], RuleValue::Count),
    ("maxLength", &["string"], RuleValue::Count),
    ("minimum", &["integer", "number"], RuleValue::Number),
    ("maximum", &["integer", "number"], RuleValue::Number),
    ("exclusiveMinimum", &["number"], RuleValue::Number),
    ("exclusiveMaximum", &["number"], RuleValue::Number),
    ("items", &["array"], RuleValue::Field),
    ("minItems", &["array"], RuleValue::Count),
    ("maxItems", &["array"], RuleValue::Count),
    ("uniqueItems", &["array"], RuleValue::Flag),
    ("properties", &["object"], RuleValue::Field),
    ("additionalProperties", &["object"], RuleValue::Any),
    ("enum", &["string"], RuleValue::Any),
];

#[derive(Clone, Copy)]
enum RuleValue {
    Text,
    Count,
    Number,
    Flag,
    Field,
    Any,
}

impl RuleValue {
    fn wanted(self, value: &Json) -> Option<&'static str> {
        let (fits, wanted) = match self {
            RuleValue::Text => (value.is_string(), "a text"),
            RuleValue::Count => (value.is_u64(), "a whole number from 0"),
            RuleValue::Number => (value.is_number(), "a number"),
            RuleValue::Flag => (value.is_boolean(), "true or false"),
            RuleValue::Field => (value.is_object(), "an object"),
            RuleValue::Any => (true, ""),
        };
        (!fits).then_some(wanted)
    }
}

const DEPTH_MAX: usize = 32;

/// Checks a body and gives what is stored.
pub(crate) fn stored_body(view: &View<'_>, tenant: &str, kind: Kind, id: &str, body: &Json) -> Result<Json, Error> {
    let Json::Object(given) = body else { return Err(Error::invalid("the body must be a JSON object")) };
    let mut out = Map::new();
    out.insert("$id".into(), json!(id));
    for (key, value) in given {
        let known = OF_ALL.contains(&key.as_str())
            || (kind == Kind::Schema && OF_SCHEMA.contains(&key.as_str()))
            || (kind != Kind::Schema && OF_FIELDS.contains(&key.as_str()))
            || (kind == Kind::FieldGroup && key == "meta:intendedToExtend");
        if known {
            out.insert(key.clone(), value.clone());
        } else if !WRITTEN_BY_REGISTRY.contains(&key.as_str()) {
            return Err(Error::invalid(format!("a {} has no member {key}", kind.noun())));
        }
    }
    check_head(kind, &out)?;
    let mut out = Json::Object(out);
    let checker = Checker { tenant, kind };
    checker.resource(view, &out)?;
    check_composition(view, kind, id, &out)?;
    xdm::annotate(&mut out);
    Ok(out)
}

fn check_head(kind: Kind, body: &Map<String, Json>) -> Result<(), Error> {
    match body.get("title").and_then(Json::as_str) {
        Some(title) if !title.trim().is_empty() => {}
        _ => return Err(Error::invalid(format!("title: a {} needs a title, a text that is not empty", kind.noun()))),
    }
    if let Some(description) = body.get("description")
        && !description.is_string()
    {
        return Err(Error::invalid("description: must be a text"));
    }
    match body.get("type") {
        None => {}
        Some(t) if t == "object" => {}
        Some(other) => return Err(Error::invalid(format!("type: must be object, is {other}"))),
    }
    match body.get("meta:immutableTags") {
        None => Ok(()),
        Some(Json::Array(tags)) if tags.iter().all(|t| t == "union") => Ok(()),
        Some(other) => Err(Error::invalid(format!("meta:immutableTags: must be [\"union\"], is {other}"))),
    }
}

struct Checker<'a> {
    tenant: &'a str,
    kind: Kind,
}

impl Checker<'_> {
    fn resource(&self, view: &View<'_>, body: &Json) -> Result<(), Error> {
        for (i, part) in body.get("allOf").into_iter().flat_map(|a| a.as_array().into_iter().flatten()).enumerate() {
            self.part(body, part, &format!("/allOf/{i}"))?;
            if let Some(target) = reference(part)
                && !target.starts_with('#')
                && view.body(target.split('#').next().unwrap_or_default()).is_none()
            {
                return Err(Error::invalid(format!("/allOf/{i}/$ref: the resource {target} does not exist")));
            }
        }
        for (name, definition) in body.get("definitions").map(members).into_iter().flatten() {
            let at = format!("/definitions/{name}");
            if !names_reference(body, &format!("#{at}")) {
                return Err(Error::invalid(format!("{at}: is not used; name it in allOf as #{at}")));
            }
            self.fields(definition, &at, 0)?;
        }
        self.fields(body, "", 0)
    }

    fn part(&self, body: &Json, part: &Json, at: &str) -> Result<(), Error> {
        let target = reference(part).ok_or_else(|| Error::invalid(format!("{at}/$ref: is missing")))?;
        for (key, _) in members(part) {
            if !matches!(key.as_str(), "$ref" | "$ref " | "type" | "meta:xdmType" | "meta:refProperty") {
                return Err(Error::invalid(format!("{at}: an item of allOf has no member {key}")));
            }
        }
        if let Some(fragment) = target.strip_prefix('#')
            && (self.kind == Kind::Schema || body.pointer(fragment).is_none())
        {
            return Err(Error::invalid(format!("{at}/$ref: {target} names no definition of this resource")));
        }
        Ok(())
    }

    /// Top-level fields: of a data type any name, else the tenant's namespace only.
    fn fields(&self, node: &Json, at: &str, depth: usize) -> Result<(), Error> {
        let Some(properties) = node.get("properties") else { return Ok(()) };
        if self.kind == Kind::DataType {
            return self.properties(node, at, depth);
        }
        let namespace = format!("_{}", self.tenant);
        for (name, field) in members(properties) {
            if *name != namespace {
                return Err(Error::namespace(format!(
                    "A custom field is defined under an invalid namespace: {at}/properties/{name}. All custom fields must be defined under a top-level field named {namespace}."
                )));
            }
            self.field(field, &format!("{at}/properties/{name}"), depth)?;
        }
        self.required(node, at)
    }

    fn properties(&self, node: &Json, at: &str, depth: usize) -> Result<(), Error> {
        let Some(properties) = node.get("properties") else { return Ok(()) };
        if !properties.is_object() {
            return Err(Error::invalid(format!("{at}/properties: must be an object")));
        }
        let mut seen: Vec<String> = Vec::new();
        for (name, field) in members(properties) {
            let here = format!("{at}/properties/{name}");
            check_name(name, &here)?;
            let folded = name.to_ascii_lowercase();
            if seen.contains(&folded) {
                return Err(Error::invalid(format!(
                    "{here}: the name is already used at this level; names differ by more than case"
                )));
            }
            seen.push(folded);
            self.field(field, &here, depth + 1)?;
        }
        self.required(node, at)
    }

    fn required(&self, node: &Json, at: &str) -> Result<(), Error> {
        let Some(required) = node.get("required") else { return Ok(()) };
        let names =
            required.as_array().ok_or_else(|| Error::invalid(format!("{at}/required: must be an array of names")))?;
        for name in names {
            let exists = name.as_str().is_some_and(|n| node.get("properties").is_some_and(|p| p.get(n).is_some()));
            if !exists {
                return Err(Error::invalid(format!("{at}/required: {name} is no field of this object")));
            }
        }
        Ok(())
    }

    fn field(&self, field: &Json, at: &str, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("{at}: fields are nested deeper than {DEPTH_MAX} levels")));
        }
        if !field.is_object() {
            return Err(Error::invalid(format!("{at}: a field must be an object, is {field}")));
        }
        for (key, value) in members(field) {
            if !OF_FIELD.contains(&key.as_str()) {
                return Err(Error::invalid(format!("{at}: a field has no member {key}")));
            }
            if key == "isRequired" && *value != json!(false) {
                return Err(Error::invalid(format!(
                    "{at}/isRequired: name the field in `required` of its object instead"
                )));
            }
        }
        self.field_type(field, at)?;
        self.properties(field, at, depth)?;
        for key in ["items", "additionalProperties"] {
            match field.get(key) {
                Some(inner @ Json::Object(_)) => self.field(inner, &format!("{at}/{key}"), depth + 1)?,
                Some(other) if key == "items" => {
                    return Err(Error::invalid(format!("{at}/items: must be one field for all items, is {other}")));
                }
                Some(Json::Bool(false)) | None => {}
                Some(other) => return Err(Error::invalid(format!("{at}/{key}: must be a field, is {other}"))),
            }
        }
        Ok(())
    }

    /// A rule that would have no effect on its field is refused.
    fn rules(&self, field: &Json, name: &str, at: &str) -> Result<(), Error> {
        for (rule, types, wanted) in RULES {
            let Some(value) = field.get(*rule) else { continue };
            if !types.contains(&name) {
                let types = types.join(" or ");
                return Err(Error::invalid(format!(
                    "{at}/{rule}: is a rule for fields of type {types}, the field is {name}"
                )));
            }
            if let Some(wanted) = wanted.wanted(value) {
                return Err(Error::invalid(format!("{at}/{rule}: must be {wanted}, is {value}")));
            }
        }
        let mut annotated = field.clone();
        xdm::annotate(&mut annotated);
        match field.get("meta:xdmType") {
            Some(given) if *given != annotated["meta:xdmType"] => Err(Error::invalid(format!(
                "{at}/meta:xdmType: is {given}, but type, format and bounds of the field make it {}",
                annotated["meta:xdmType"]
            ))),
            _ => Ok(()),
        }
    }

    fn field_type(&self, field: &Json, at: &str) -> Result<(), Error> {
        if reference(field).is_some() {
            return Ok(());
        }
        let name = field.get("type").and_then(Json::as_str);
        match name {
            Some("string" | "number" | "integer" | "boolean" | "object") => {}
            Some("array") if field.get("items").is_some() => {}
            Some("array") => {
                return Err(Error::invalid(format!("{at}/items: is missing; an array states what its items are")));
            }
            _ => {
                let given = field.get("type").map_or("nothing".to_owned(), Json::to_string);
                return Err(Error::invalid(format!(
                    "{at}/type: must be string, number, integer, boolean, object or array, is {given}"
                )));
            }
        }
        self.rules(field, name.unwrap_or_default(), at)?;
        if field.get("properties").is_some() && field.get("additionalProperties").is_some_and(Json::is_object) {
            return Err(Error::invalid(format!(
                "{at}: a field has properties or additionalProperties (a map), not both"
            )));
        }
        if let Some(format) = field.get("format")
            && format.as_str().and_then(Format::parse).is_none()
        {
            let known: Vec<&str> = Format::ALL.iter().map(|(n, _)| *n).collect();
            return Err(Error::invalid(format!(
                "{at}/format: {format} is not checked here; use one of {}",
                known.join(", ")
            )));
        }
        if let Some(allowed) = field.get("enum")
            && !(name == Some("string")
                && allowed.as_array().is_some_and(|a| !a.is_empty() && a.iter().all(Json::is_string)))
        {
            return Err(Error::invalid(format!("{at}/enum: must be an array of texts, of a field of type string")));
        }
        Ok(())
    }
}

fn names_reference(node: &Json, wanted: &str) -> bool {
    match node {
        Json::Object(inner) => reference(node) == Some(wanted) || inner.values().any(|v| names_reference(v, wanted)),
        Json::Array(items) => items.iter().any(|v| names_reference(v, wanted)),
        _ => false,
    }
}

/// Custom names: letters, digits, `-`, `_`, not starting with `_` (profile.md §2.2).
fn check_name(name: &str, at: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.starts_with('_') || !name.chars().all(allowed) {
        return Err(Error::invalid(format!(
            "{at}: a field name has letters, digits, - and _ only and does not start with _"
        )));
    }
    Ok(())
}

fn check_composition(view: &View<'_>, kind: Kind, id: &str, body: &Json) -> Result<(), Error> {
    let refs = direct_refs(body);
    if let Some(own) = refs.iter().find(|r| *r == id) {
        return Err(Error::invalid(format!("allOf: {own} cannot extend itself")));
    }
    match kind {
        Kind::Schema => check_schema(view, id, &refs),
        Kind::Class => {
            let behaviors: Vec<&String> = refs.iter().filter(|r| Behavior::parse(r).is_some()).collect();
            match behaviors.as_slice() {
                [_] => Ok(()),
                [] => Err(Error::invalid(
                    "allOf: a class extends one behavior, https://ns.adobe.com/xdm/data/record or …/time-series",
                )),
                _ => Err(Error::invalid(format!("allOf: a class extends one behavior, not {}", behaviors.len()))),
            }
        }
        Kind::FieldGroup => check_intended(view, body),
        Kind::DataType | Kind::Behavior => Ok(()),
    }
}

fn check_intended(view: &View<'_>, body: &Json) -> Result<(), Error> {
    let Some(intended) = body.get("meta:intendedToExtend") else { return Ok(()) };
    let list =
        intended.as_array().ok_or_else(|| Error::invalid("meta:intendedToExtend: must be an array of class $ids"))?;
    for class in list {
        let kind = class.as_str().and_then(|id| view.kind(id));
        if !matches!(kind, Some(Kind::Class | Kind::Behavior)) {
            return Err(Error::invalid(format!("meta:intendedToExtend: {class} is no class")));
        }
    }
    Ok(())
}

fn check_schema(view: &View<'_>, id: &str, refs: &[String]) -> Result<(), Error> {
    let classes: Vec<&String> = refs.iter().filter(|r| view.kind(r) == Some(Kind::Class)).collect();
    let class = match classes.as_slice() {
        [class] => class.as_str(),
        [] => return Err(Error::invalid("allOf: a schema extends exactly one class; none is named")),
        _ => return Err(Error::invalid(format!("allOf: a schema extends exactly one class, not {}", classes.len()))),
    };
    let lineage = view.body(class).map(|class_body| view.compose(class, class_body).extends).unwrap_or_default();
    for group in refs.iter().filter(|r| *r != class && *r != id) {
        if view.kind(group) != Some(Kind::FieldGroup) {
            return Err(Error::invalid(format!(
                "allOf: {group} is no field group; a schema has one class and field groups"
            )));
        }
        let intended = view.body(group).and_then(|g| g.get("meta:intendedToExtend")).and_then(Json::as_array);
        let fits = intended.is_none_or(|list| {
            list.is_empty()
                || list.iter().filter_map(Json::as_str).any(|i| i == class || lineage.iter().any(|l| l == i))
        });
        if !fits {
            return Err(Error::invalid(format!(
                "allOf: the field group {group} is not intended to extend the class {class}"
            )));
        }
    }
    Ok(())
}
