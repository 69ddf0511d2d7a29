//! From a rendered schema to target fields (`SCHEMA`).
//!
//! In: JSON-Schema-like JSON: `{"type":"object","properties":{<key>:{"title","type","properties"?}}}`. Out: one field
//! per leaf, named by its dotted path, in the order of the schema. Always: depth and number of fields are bounded.

use crate::select::kind;
use serde_json::Value as Json;

/// Target fields of a schema at most: what a destination can map by default.
pub const FIELDS_MAX: usize = 2_000;
/// Objects within objects at most.
const DEPTH_MAX: usize = 16;
/// The types that a leaf can have.
const LEAVES: &[&str] = &["string", "integer", "number", "boolean", "array"];

/// The target fields that a schema server gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetFields {
    /// Title of the schema.
    pub title: Option<String>,
    /// One per leaf.
    pub fields: Vec<TargetField>,
}

/// One field that can be mapped onto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetField {
    /// Its name; within objects dotted, as in `address.city`.
    pub name: String,
    /// What is shown.
    pub title: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// `string`, `integer`, `number`, `boolean` or `array`.
    pub kind: String,
    /// Whether the schema requires it.
    pub required: bool,
}

/// Reads a schema; `name` is the response field that it came from.
pub(crate) fn fields(name: &str, schema: &Json) -> Result<TargetFields, String> {
    let mut found = TargetFields { title: words(schema, "title", name)?, fields: Vec::new() };
    object(schema, name, "", 0, true, &mut found.fields)?;
    Ok(found)
}

fn object(
    schema: &Json,
    at: &str,
    prefix: &str,
    depth: usize,
    required: bool,
    found: &mut Vec<TargetField>,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{at}: objects are nested deeper than {DEPTH_MAX}"));
    }
    match schema.get("type") {
        Some(Json::String(kind)) if kind == "object" => {}
        _ => return Err(format!("{at}.type: must be \"object\"")),
    }
    let properties = match schema.get("properties") {
        Some(Json::Object(properties)) => properties,
        Some(other) => return Err(format!("{at}.properties: must be an object, not {}", kind(other))),
        None => return Err(format!("{at}.properties: is missing")),
    };
    let names: Vec<&str> = match schema.get("required") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        Some(other) => return Err(format!("{at}.required: must be a list, not {}", kind(other))),
    };
    for (key, schema) in properties {
        let at = format!("{at}.properties.{key}");
        if key.is_empty() || key.contains('.') {
            return Err(format!("{at}: a name must not be empty or hold a dot"));
        }
        let path = format!("{prefix}{key}");
        let required = required && names.contains(&key.as_str());
        property(schema, &at, path, depth, required, found)?;
    }
    Ok(())
}

fn property(
    schema: &Json,
    at: &str,
    path: String,
    depth: usize,
    required: bool,
    found: &mut Vec<TargetField>,
) -> Result<(), String> {
    let kind = match schema.get("type") {
        Some(Json::String(kind)) => kind.as_str(),
        _ if !schema.is_object() => return Err(format!("{at}: must be an object, not {}", kind(schema))),
        Some(other) => return Err(format!("{at}.type: must be text, not {}", kind(other))),
        None if schema.get("properties").is_some() => "object",
        None => "string",
    };
    if kind == "object" {
        return object(schema, at, &format!("{path}."), depth + 1, required, found);
    }
    if !LEAVES.contains(&kind) {
        return Err(format!("{at}.type: must be object, {}; given \"{kind}\"", LEAVES.join(", ")));
    }
    if found.len() >= FIELDS_MAX {
        return Err(format!("{at}: a schema has at most {FIELDS_MAX} fields"));
    }
    let (title, description) = (words(schema, "title", at)?, words(schema, "description", at)?);
    found.push(TargetField { name: path, title, description, kind: kind.to_owned(), required });
    Ok(())
}

fn words(schema: &Json, name: &str, at: &str) -> Result<Option<String>, String> {
    match schema.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{at}.{name}: must be text, not {}", kind(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// JSON that is nearly a schema.
    fn nearly_a_schema() -> impl Strategy<Value = Json> {
        let word = || prop::sample::select(vec!["object", "string", "array", "null", "a.b", "", "x"]);
        let leaf = prop_oneof![Just(json!(null)), Just(json!(7)), word().prop_map(Json::from)];
        leaf.prop_recursive(6, 64, 4, move |inner| {
            let name = prop::sample::select(vec!["type", "properties", "title", "required", "a", "b", "a.b"]);
            let any = prop::collection::vec((name, inner.clone()), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect::<Json>());
            let object = (word(), any.clone()).prop_map(|(kind, fields)| json!({ "type": kind, "properties": fields }));
            prop_oneof![any, object, prop::collection::vec(inner, 0..3).prop_map(Json::from)]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_rendered_names_are_sound_or_the_fault_is_placed(schema in nearly_a_schema()) {
            match fields("schema", &schema) {
                Ok(found) => {
                    let sound = |f: &TargetField| f.name.split('.').all(|part| !part.is_empty()) && LEAVES.contains(&f.kind.as_str());
                    prop_assert!(found.fields.iter().all(sound), "{found:?}");
                }
                Err(fault) => prop_assert!(fault.starts_with("schema"), "{fault}"),
            }
        }
    }

    #[test]
    fn leaves_become_fields_in_order() {
        let schema = json!({"type": "object", "title": "Shop", "required": ["id", "address"], "properties": {
            "id": {"type": "integer", "title": "Number"},
            "address": {"type": "object", "required": ["city"], "properties": {
                "city": {"type": "string"}, "zip": {"title": "Code"}}},
            "tags": {"type": "array"},
        }});
        let found = fields("schema", &schema).expect("sound");
        let seen: Vec<(&str, &str, bool)> =
            found.fields.iter().map(|f| (f.name.as_str(), f.kind.as_str(), f.required)).collect();
        let expected = [
            ("id", "integer", true),
            ("address.city", "string", true),
            ("address.zip", "string", false),
            ("tags", "array", false),
        ];
        assert_eq!((found.title.as_deref(), seen.as_slice()), (Some("Shop"), expected.as_slice()));
    }

    #[test]
    fn what_is_no_schema_is_told() {
        let leaf = |leaf: Json| json!({"type": "object", "properties": {"a": leaf}});
        for (schema, told) in [
            (json!([]), "schema.type: must be \"object\""),
            (json!({"type": "object"}), "schema.properties: is missing"),
            (json!({"type": "object", "properties": []}), "schema.properties: must be an object, not a list"),
            (leaf(json!(1)), "schema.properties.a: must be an object, not a number"),
            (
                leaf(json!({"type": "date"})),
                "schema.properties.a.type: must be object, string, integer, number, boolean, array; given \"date\"",
            ),
            (leaf(json!({"type": "object"})), "schema.properties.a.properties: is missing"),
            (leaf(json!({"type": "string", "title": 1})), "schema.properties.a.title: must be text, not a number"),
        ] {
            assert_eq!(fields("schema", &schema), Err(told.to_owned()));
        }
        let deep = (0..40).fold(json!({"type": "string"}), |inner, _| leaf(inner));
        assert!(fields("schema", &deep).expect_err("deep").contains("nested deeper"));
        let wide =
            (0..=FIELDS_MAX).map(|n| (format!("f{n}"), json!({"type": "string"}))).collect::<serde_json::Map<_, _>>();
        let wide = json!({"type": "object", "properties": wide});
        assert!(fields("schema", &wide).expect_err("wide").contains("at most"));
    }
}
