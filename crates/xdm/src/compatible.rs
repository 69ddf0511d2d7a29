//! Compatibility mode: full XDM names become the names that data carries.
//!
//! | full name | in data |
//! |---|---|
//! | `xdm:firstName` | `firstName` |
//! | `@id`, `@type` | `_id`, `_type` |
//! | `repo:createDate` | `_repo.createDate` |
//! | `https://ns.adobe.com/experience/mcid` | `_experience.mcid` |
//! | `https://ns.adobe.com/xdm/channels/email` | `_channels.email` |
//! | anything else | unchanged |
//!
//! The full name stays in `meta:xdmField`. `patternProperties` name no field and are left out, as
//! are repeated licence texts. Documents that carry data names already come out unchanged, so the
//! mapping may be applied twice.

use serde_json::{Map, Value as Json, json};

/// The path in data of a full XDM field name; one name unless the name has a foreign prefix.
pub fn compatible_path(name: &str) -> Vec<String> {
    if let Some(rest) = name.strip_prefix("xdm:") {
        return vec![rest.to_owned()];
    }
    if let Some(rest) = name.strip_prefix('@') {
        return vec![format!("_{rest}")];
    }
    if let Some(rest) = name.strip_prefix("https://ns.adobe.com/") {
        let rest = rest.strip_prefix("xdm/").unwrap_or(rest);
        let mut path: Vec<String> = rest.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        if let Some(first) = path.first_mut() {
            first.insert(0, '_');
            return path;
        }
    }
    match name.split_once(':') {
        Some((prefix, rest)) if !prefix.is_empty() && !rest.is_empty() && !name.contains('/') => {
            vec![format!("_{prefix}"), rest.to_owned()]
        }
        _ => vec![name.to_owned()],
    }
}

/// A schema document with data names throughout.
pub fn compatible(doc: &Json) -> Json {
    let Json::Object(node) = doc else { return doc.clone() };
    let mut out = Map::new();
    for (key, value) in node {
        match key.as_str() {
            "meta:license" | "patternProperties" => {}
            "properties" => {
                let mut properties = Map::new();
                for (name, field) in value.as_object().into_iter().flatten() {
                    put_field(&mut properties, name, compatible(field));
                }
                out.insert(key.clone(), Json::Object(properties));
            }
            "definitions" => {
                let mapped = value.as_object().into_iter().flatten().map(|(n, d)| (n.clone(), compatible(d)));
                out.insert(key.clone(), Json::Object(mapped.collect()));
            }
            "allOf" => {
                let mapped = value.as_array().into_iter().flatten().map(compatible);
                out.insert(key.clone(), Json::Array(mapped.collect()));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), compatible(value));
            }
            "required" => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    for name in node.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        require(&mut out, &compatible_path(name));
    }
    Json::Object(out)
}

/// The inverse of [`compatible`]: fields get the names in `meta:xdmField` back, and wrappers that
/// hold nothing else (`_repo`) disappear. Tenant fields have no other name and stay.
pub fn full_names(doc: &Json) -> Json {
    let Json::Object(node) = doc else { return doc.clone() };
    let mut out = Map::new();
    let mut renamed: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in node {
        match (key.as_str(), value) {
            ("properties", Json::Object(fields)) => {
                let mut properties = Map::new();
                for (name, field) in fields {
                    let names = put_full_name(&mut properties, name, field);
                    renamed.push((name.clone(), names));
                }
                out.insert(key.clone(), Json::Object(properties));
            }
            ("definitions", Json::Object(parts)) => {
                out.insert(key.clone(), Json::Object(parts.iter().map(|(n, d)| (n.clone(), full_names(d))).collect()));
            }
            ("allOf", Json::Array(parts)) => {
                out.insert(key.clone(), Json::Array(parts.iter().map(full_names).collect()));
            }
            ("items" | "additionalProperties", inner) => {
                out.insert(key.clone(), full_names(inner));
            }
            ("meta:xdmField", _) => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    if let Some(Json::Array(required)) = out.get_mut("required") {
        let full =
            required.iter().filter_map(Json::as_str).flat_map(|name| match renamed.iter().find(|(n, _)| n == name) {
                Some((_, names)) => names.clone(),
                None => vec![name.to_owned()],
            });
        *required = full.map(Json::from).collect();
    }
    Json::Object(out)
}

/// Places a field under its full name; gives the names that stand for it when it is required.
fn put_full_name(properties: &mut Map<String, Json>, name: &str, field: &Json) -> Vec<String> {
    if let Some(full) = field.get("meta:xdmField").and_then(Json::as_str) {
        properties.insert(full.to_owned(), full_names(field));
        return vec![full.to_owned()];
    }
    let inner = field.get("properties").and_then(Json::as_object);
    let is_wrapper = name.starts_with('_')
        && inner.is_some_and(|fields| {
            !fields.is_empty()
                && fields.values().all(|f| {
                    let full = f.get("meta:xdmField").and_then(Json::as_str);
                    full.is_some_and(|full| compatible_path(full).first().is_some_and(|first| first == name))
                })
        });
    match inner.filter(|_| is_wrapper) {
        Some(fields) => {
            let required = field.get("required").and_then(Json::as_array);
            let is_required = |n: &str| required.is_some_and(|r| r.iter().any(|x| x == n));
            let named = fields.iter().map(|(n, f)| (is_required(n), put_full_name(properties, n, f)));
            named.filter(|(needed, _)| *needed).flat_map(|(_, names)| names).collect()
        }
        None => {
            properties.insert(name.to_owned(), full_names(field));
            vec![name.to_owned()]
        }
    }
}

/// Places a field at its data path; wrapper objects are made on the way.
fn put_field(properties: &mut Map<String, Json>, name: &str, mut field: Json) {
    let path = compatible_path(name);
    let changed = path.len() != 1 || path[0] != name;
    if changed && let Json::Object(field) = &mut field {
        field.insert("meta:xdmField".into(), Json::from(name));
    }
    let mut at = properties;
    let (last, wrappers) = path.split_last().expect("a path has at least one name");
    for wrapper in wrappers {
        let node = at.entry(wrapper.clone()).or_insert_with(|| json!({"type": "object", "properties": {}}));
        if !node.get("properties").is_some_and(Json::is_object) {
            *node = json!({"type": "object", "properties": {}});
        }
        at = node["properties"].as_object_mut().expect("just made an object");
    }
    at.insert(last.clone(), field);
}

/// Marks a data path as required: in this node, and inside its wrappers.
fn require(node: &mut Map<String, Json>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let list = node.entry("required").or_insert_with(|| json!([]));
    if let Json::Array(list) = list
        && !list.iter().any(|n| n == first.as_str())
    {
        list.push(Json::from(first.as_str()));
    }
    if let Some(Json::Object(inner)) = node.get_mut("properties").and_then(|p| p.get_mut(first)) {
        require(inner, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_data() {
        let cases = [
            ("xdm:firstName", "firstName"),
            ("@id", "_id"),
            ("repo:createDate", "_repo.createDate"),
            ("https://ns.adobe.com/experience/mcid", "_experience.mcid"),
            ("https://ns.adobe.com/xdm/channels/direct-mail", "_channels.direct-mail"),
            ("plain", "plain"),
            ("_tenant", "_tenant"),
        ];
        for (name, path) in cases {
            assert_eq!(compatible_path(name).join("."), path, "{name}");
        }
    }

    #[test]
    fn wrappers_are_shared_and_required_follows() {
        let doc = json!({
            "properties": {"repo:a": {"type": "string"}, "repo:b": {"type": "string"}, "xdm:c": {"type": "string"}},
            "required": ["repo:a", "xdm:c"],
        });
        let expected = json!({
            "properties": {
                "_repo": {
                    "type": "object",
                    "properties": {
                        "a": {"type": "string", "meta:xdmField": "repo:a"},
                        "b": {"type": "string", "meta:xdmField": "repo:b"},
                    },
                    "required": ["a"],
                },
                "c": {"type": "string", "meta:xdmField": "xdm:c"},
            },
            "required": ["_repo", "c"],
        });
        assert_eq!(compatible(&doc), expected);
        assert_eq!(full_names(&expected), doc);
    }
}
