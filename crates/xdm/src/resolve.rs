//! Flattens a schema document: `$ref`, `allOf` and `definitions` become one tree of `properties`.
//!
//! In: a document with data names (see [`crate::compatible`]) and a way to find others by `$id`.
//! Out: a document with the same head (`$id`, `title`, `meta:*` …), `properties` and `required`.
//!
//! Two parts that define the same path must agree on its type; the later title wins. Keywords
//! beside a `$ref` override those of its target. An `allOf` item with `meta:refProperty` takes only
//! the named paths of its target.
//!
//! Always: a document that refers to itself is unrolled [`CYCLES_MAX`] times, then the field is left
//! out; nesting deeper than [`DEPTH_MAX`] is an error.

use serde_json::{Map, Value as Json, json};
use std::fmt;

/// How often one reference may contain itself.
const CYCLES_MAX: usize = 2;
/// How deep a document and its references may nest.
const DEPTH_MAX: usize = 64;
/// How many nodes one flat tree may have.
const NODES_MAX: usize = 100_000;

/// Why a document could not be flattened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No document has this `$id`, or the document has no such part.
    #[error("the reference {0} does not resolve")]
    Unknown(String),
    /// Two parts give one path different types.
    #[error("the field {path} is defined as {first} and as {second}")]
    Conflict {
        /// The slash path of the field.
        path: String,
        /// The type given first.
        first: String,
        /// The type given by the later part.
        second: String,
    },
    /// Deeper than [`DEPTH_MAX`] or larger than [`NODES_MAX`].
    #[error("the schema is nested too deep or has too many fields")]
    TooLarge,
    /// A member has the wrong JSON type.
    #[error("{0}")]
    Malformed(String),
}

type Lookup<'f, 'a> = &'f dyn Fn(&str) -> Option<&'a Json>;

/// Flattens `doc`. `lookup` finds other documents by `$id`.
pub fn resolve<'a>(doc: &'a Json, lookup: Lookup<'_, 'a>) -> Result<Json, ResolveError> {
    let mut walk = Walk { lookup, stack: Vec::new(), nodes: 0 };
    let mut flat = walk.flatten(doc, doc, 0)?.unwrap_or_default();
    complete(&mut flat);
    Ok(Json::Object(flat))
}

/// Adds `type: object` and `meta:xdmType` wherever they are implied, in a document as written.
pub fn annotate(doc: &mut Json) {
    let Json::Object(node) = doc else { return };
    let is_resource = node.contains_key("allOf") || node.contains_key("$id");
    let refers = reference_of(node).is_some_and(|r| !r.contains('#'));
    if (node.contains_key("properties") || is_resource || refers) && !node.contains_key("type") {
        node.insert("type".into(), json!("object"));
    }
    if let Some(xdm_type) = xdm_type(node) {
        node.insert("meta:xdmType".into(), Json::from(xdm_type));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(key) {
            annotate(inner);
        }
    }
    for key in ["properties", "definitions"] {
        if let Some(Json::Object(fields)) = node.get_mut(key) {
            fields.values_mut().for_each(annotate);
        }
    }
    if let Some(Json::Array(parts)) = node.get_mut("allOf") {
        parts.iter_mut().for_each(annotate);
    }
}

struct Walk<'f, 'a> {
    lookup: Lookup<'f, 'a>,
    stack: Vec<String>,
    nodes: usize,
}

impl<'a> Walk<'_, 'a> {
    /// One node as a flat node; `None` where a cycle is cut.
    fn flatten(
        &mut self,
        node: &'a Json,
        base: &'a Json,
        depth: usize,
    ) -> Result<Option<Map<String, Json>>, ResolveError> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(ResolveError::TooLarge);
        }
        let Json::Object(node) = node else {
            return Err(ResolveError::Malformed(format!("a schema must be an object, found {}", brief(node))));
        };
        let mut out = Map::new();
        if let Some(reference) = reference_of(node) {
            match self.follow(reference, base, depth)? {
                Some(target) => out = target,
                None => return Ok(None),
            }
        }
        for part in node.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            if let Some(mut flat) = self.flatten(part, base, depth + 1)? {
                flat.retain(|key, _| {
                    matches!(key.as_str(), "type" | "properties" | "required" | "additionalProperties")
                });
                merge_node(&mut out, flat, "")?;
            }
        }
        let mut own = self.own_members(node, base, depth)?;
        if out.contains_key("type") || out.contains_key("properties") {
            // Beside a reference the wire repeats a type; the target's is the true one.
            own.remove("type");
            own.remove("meta:xdmType");
        }
        // What stands beside a reference overrides its target; fields of both are united.
        for key in ["properties", "required"] {
            if let Some(value) = own.remove(key) {
                merge_node(&mut out, Map::from_iter([(key.to_owned(), value)]), "")?;
            }
        }
        for (key, value) in own {
            out.insert(key, value);
        }
        if let Some(paths) = node.get("meta:refProperty").and_then(Json::as_array) {
            prune(&mut out, &paths.iter().filter_map(Json::as_str).collect::<Vec<_>>());
            out.remove("meta:refProperty");
        }
        Ok(Some(out))
    }

    fn own_members(
        &mut self,
        node: &'a Map<String, Json>,
        base: &'a Json,
        depth: usize,
    ) -> Result<Map<String, Json>, ResolveError> {
        let mut own = Map::new();
        for (key, value) in node {
            match key.as_str() {
                "$ref" | "$ref " | "allOf" | "definitions" | "oneOf" | "anyOf" => {}
                "properties" => {
                    let fields = value.as_object().ok_or_else(|| malformed("properties", "an object", value))?;
                    let mut flat_fields = Map::new();
                    for (name, field) in fields {
                        if let Some(flat) = self.flatten(field, base, depth + 1)? {
                            flat_fields.insert(name.clone(), Json::Object(flat));
                        }
                    }
                    own.insert(key.clone(), Json::Object(flat_fields));
                }
                "items" | "additionalProperties" if value.is_object() => {
                    let flat = self.flatten(value, base, depth + 1)?.unwrap_or_default();
                    own.insert(key.clone(), Json::Object(flat));
                }
                _ => {
                    own.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(own)
    }

    fn follow(
        &mut self,
        reference: &str,
        base: &'a Json,
        depth: usize,
    ) -> Result<Option<Map<String, Json>>, ResolveError> {
        let (id, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let unknown = || ResolveError::Unknown(reference.to_owned());
        let doc = if id.is_empty() { base } else { (self.lookup)(id).ok_or_else(unknown)? };
        let target = doc.pointer(fragment).ok_or_else(unknown)?;
        let home = doc.get("$id").and_then(Json::as_str).unwrap_or_default();
        let key = format!("{home}#{fragment}");
        if self.stack.iter().filter(|k| **k == key).count() >= CYCLES_MAX {
            return Ok(None);
        }
        self.stack.push(key);
        let flat = self.flatten(target, doc, depth + 1);
        self.stack.pop();
        let Some(mut flat) = flat? else { return Ok(None) };
        if fragment.is_empty() {
            flat.retain(|key, _| !is_head(key));
            flat.insert("meta:referencedFrom".into(), Json::from(id));
        }
        Ok(Some(flat))
    }
}

/// The target of `$ref`; the published documents also spell it with a trailing blank.
fn reference_of(node: &Map<String, Json>) -> Option<&str> {
    node.get("$ref").or_else(|| node.get("$ref ")).and_then(Json::as_str)
}

/// Members that belong to a resource, not to a place where it is used.
fn is_head(key: &str) -> bool {
    matches!(
        key,
        "$id"
            | "$schema"
            | "version"
            | "imsOrg"
            | "refs"
            | "auditable"
            | "meta:altId"
            | "meta:resourceType"
            | "meta:extensible"
            | "meta:abstract"
            | "meta:tags"
            | "meta:intendedToExtend"
            | "meta:extends"
            | "meta:status"
            | "meta:createdDate"
            | "meta:registryMetadata"
            | "meta:containerId"
            | "meta:sandboxId"
            | "meta:sandboxType"
            | "meta:tenantNamespace"
            | "meta:class"
            | "meta:immutableTags"
            | "meta:descriptorStatus"
            | "meta:conditionalField"
            | "meta:conditionalValue"
    )
}

/// Unites the fields of `part` with those of `into`, both flat.
pub fn merge(into: &mut Json, part: &Json) -> Result<(), ResolveError> {
    let (Json::Object(into), Json::Object(part)) = (into, part) else {
        return Err(ResolveError::Malformed("a schema must be an object".into()));
    };
    let mut part = part.clone();
    part.retain(|key, _| matches!(key.as_str(), "type" | "properties" | "required"));
    merge_node(into, part, "")
}

fn merge_node(into: &mut Map<String, Json>, part: Map<String, Json>, path: &str) -> Result<(), ResolveError> {
    let (first, second) = (type_text(into), type_text(&part));
    if let (Some(first), Some(second)) = (first, second)
        && first != second
    {
        return Err(ResolveError::Conflict { path: slash(path), first, second });
    }
    for (key, value) in part {
        match (key.as_str(), into.get_mut(&key), value) {
            ("properties", Some(Json::Object(fields)), Json::Object(more)) => merge_fields(fields, more, path)?,
            ("required", Some(Json::Array(names)), Json::Array(more)) => {
                for name in more {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            ("items" | "additionalProperties", Some(Json::Object(node)), Json::Object(more)) => {
                merge_node(node, more, &format!("{path}/{key}"))?;
            }
            ("enum", Some(Json::Array(allowed)), Json::Array(more)) => {
                for value in more {
                    if !allowed.contains(&value) {
                        allowed.push(value);
                    }
                }
            }
            ("meta:enum", Some(Json::Object(labels)), Json::Object(more)) => labels.extend(more),
            (_, _, value) => {
                into.insert(key, value);
            }
        }
    }
    Ok(())
}

fn merge_fields(fields: &mut Map<String, Json>, more: Map<String, Json>, path: &str) -> Result<(), ResolveError> {
    for (name, field) in more {
        let here = format!("{path}/{name}");
        match (fields.get_mut(&name), field) {
            (Some(Json::Object(old)), Json::Object(field)) => merge_node(old, field, &here)?,
            (_, field) => {
                fields.insert(name, field);
            }
        }
    }
    Ok(())
}

fn slash(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

/// What two definitions of one path must agree on.
fn type_text(node: &Map<String, Json>) -> Option<String> {
    let implied = if node.contains_key("properties") { Some("object") } else { None };
    let name = node.get("type").and_then(Json::as_str).or(implied)?;
    Some(match (name, node.get("format").and_then(Json::as_str)) {
        ("string", Some(format @ ("date" | "date-time"))) => format.to_owned(),
        ("object", _) if node.get("additionalProperties").is_some_and(Json::is_object) => "map".to_owned(),
        _ => name.to_owned(),
    })
}

/// Keeps only the named slash paths of a flat node.
fn prune(node: &mut Map<String, Json>, paths: &[&str]) {
    let Some(Json::Object(fields)) = node.get_mut("properties") else { return };
    fields.retain(|name, field| {
        let below: Vec<&str> = paths.iter().filter_map(|p| p.strip_prefix('/')?.strip_prefix(name.as_str())).collect();
        let whole = below.iter().any(|rest| rest.is_empty());
        let deeper: Vec<&str> = below.into_iter().filter(|rest| rest.starts_with('/')).collect();
        if whole {
            return true;
        }
        if deeper.is_empty() {
            return false;
        }
        if let Json::Object(field) = field {
            prune(field, &deeper);
        }
        true
    });
    let kept: Vec<String> = fields.keys().cloned().collect();
    if let Some(Json::Array(required)) = node.get_mut("required") {
        required.retain(|name| kept.iter().any(|k| name == k.as_str()));
    }
}

/// Adds what the wire shows on every node: `type` of objects, and `meta:xdmType`.
fn complete(node: &mut Map<String, Json>) {
    if node.contains_key("properties") && !node.contains_key("type") {
        node.insert("type".into(), json!("object"));
    }
    if let Some(xdm_type) = xdm_type(node) {
        node.insert("meta:xdmType".into(), Json::from(xdm_type));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(Json::Object(inner)) = node.get_mut(key) {
            complete(inner);
        }
    }
    if let Some(Json::Object(fields)) = node.get_mut("properties") {
        for field in fields.values_mut() {
            if let Json::Object(field) = field {
                complete(field);
            }
        }
    }
}

/// The `meta:xdmType` of a node (profile.md §2.2).
pub(crate) fn xdm_type(node: &Map<String, Json>) -> Option<&'static str> {
    Some(match node.get("type").and_then(Json::as_str)? {
        "string" => match node.get("format").and_then(Json::as_str) {
            Some("date") => "date",
            Some("date-time") => "date-time",
            _ => "string",
        },
        "number" => "number",
        "boolean" => "boolean",
        "array" => "array",
        "integer" => {
            let bound = |key: &str| node.get(key).and_then(Json::as_f64).map(f64::abs);
            match (bound("minimum"), bound("maximum")) {
                (Some(low), Some(high)) if low > 0.0 && low <= 128.0 && high <= 128.0 => "byte",
                (Some(low), Some(high)) if low > 0.0 && low <= 32_768.0 && high <= 32_768.0 => "short",
                (Some(low), Some(high)) if low > 2_147_483_648.0 || high > 2_147_483_648.0 => "long",
                _ => match node.get("meta:xdmType").and_then(Json::as_str) {
                    Some("long") => "long",
                    Some("short") => "short",
                    Some("byte") => "byte",
                    _ => "int",
                },
            }
        }
        "object"
            if node.get("additionalProperties").is_some_and(Json::is_object) && !node.contains_key("properties") =>
        {
            "map"
        }
        "object" => "object",
        _ => return None,
    })
}

fn malformed(member: &str, wanted: &str, found: &Json) -> ResolveError {
    ResolveError::Malformed(format!("{member} must be {wanted}, found {}", brief(found)))
}

/// A JSON value in a message: its kind for long ones.
fn brief(value: &Json) -> impl fmt::Display + use<> {
    match value {
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_and_all_of_become_properties() {
        let base = json!({"$id": "b", "title": "Base", "definitions": {"x": {"properties": {"a": {"type": "string"}}, "required": ["a"]}}, "allOf": [{"$ref": "#/definitions/x"}]});
        let doc = json!({"$id": "d", "title": "Doc", "allOf": [{"$ref": "b"}], "properties": {"b": {"title": "mine", "$ref": "b"}}});
        let flat = resolve(&doc, &|id| (id == "b").then_some(&base)).expect("resolves");
        let expected = json!({
            "type": "object",
            "properties": {
                "a": {"type": "string", "meta:xdmType": "string"},
                "b": {"title": "mine", "properties": {"a": {"type": "string", "meta:xdmType": "string"}}, "required": ["a"], "meta:referencedFrom": "b", "type": "object", "meta:xdmType": "object"},
            },
            "required": ["a"],
            "$id": "d",
            "title": "Doc",
            "meta:xdmType": "object",
        });
        assert_eq!(flat, expected);
    }

    #[test]
    fn two_types_of_one_path_conflict() {
        let doc = json!({"allOf": [
            {"properties": {"a": {"properties": {"b": {"type": "string"}}}}},
            {"properties": {"a": {"properties": {"b": {"type": "integer"}}}}},
        ]});
        let error = resolve(&doc, &|_| None).expect_err("conflict");
        assert_eq!(error.to_string(), "the field /a/b is defined as string and as integer");
    }

    #[test]
    fn cycles_are_cut() {
        let doc = json!({"$id": "tree", "properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}});
        let flat = resolve(&doc, &|_| None).expect("resolves");
        assert!(flat.pointer("/properties/child/properties/child/properties/name").is_some());
        assert!(flat.pointer("/properties/child/properties/child/properties/child").is_none());
    }

    #[test]
    fn a_reference_may_take_only_some_fields() {
        let base = json!({"$id": "b", "properties": {"a": {"type": "string"}, "c": {"properties": {"d": {"type": "string"}, "e": {"type": "string"}}}}});
        let doc = json!({"allOf": [{"$ref": "b", "meta:refProperty": ["/c/d"]}]});
        let flat = resolve(&doc, &|_| Some(&base)).expect("resolves");
        assert!(flat.pointer("/properties/a").is_none());
        assert!(flat.pointer("/properties/c/properties/d").is_some());
        assert!(flat.pointer("/properties/c/properties/e").is_none());
    }

    #[test]
    fn an_unknown_reference_is_named() {
        let doc = json!({"allOf": [{"$ref": "https://ns.adobe.com/nowhere"}]});
        assert_eq!(resolve(&doc, &|_| None), Err(ResolveError::Unknown("https://ns.adobe.com/nowhere".into())));
    }
}
