//! Which changes of a schema are additive (profile.md §2.3).
//!
//! In: the flat tree before and after. Out: one line per change that would break data already
//! accepted. Titles, descriptions and labels are free; so are new fields and loosened rules.

use serde_json::{Map, Value as Json};

/// Every breaking change, as `path: what`.
pub(crate) fn breaking_changes(before: &Json, after: &Json) -> Vec<String> {
    let mut found = Vec::new();
    if let (Json::Object(before), Json::Object(after)) = (before, after) {
        compare(before, after, "", &mut found);
    }
    found
}

fn compare(before: &Map<String, Json>, after: &Map<String, Json>, path: &str, found: &mut Vec<String>) {
    let shown = if path.is_empty() { "/" } else { path };
    for key in ["type", "meta:xdmType", "format"] {
        if before.get(key) != after.get(key) {
            found.push(format!("{shown}: {key} changes from {} to {}", text(before.get(key)), text(after.get(key))));
            return;
        }
    }
    compare_rules(before, after, shown, found);
    let names = |node: &Map<String, Json>| -> Vec<String> {
        let list = node.get("required").and_then(Json::as_array).into_iter().flatten();
        list.filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let old = names(before);
    for name in names(after).iter().filter(|n| !old.contains(n)) {
        found.push(format!("{path}/{name}: becomes required"));
    }
    if let Some(Json::Object(fields)) = before.get("properties") {
        for (name, field) in fields {
            let here = format!("{path}/{name}");
            match (field, after.get("properties").and_then(|p| p.get(name))) {
                (Json::Object(before), Some(Json::Object(after))) => compare(before, after, &here, found),
                _ => found.push(format!("{here}: is removed")),
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(Json::Object(before)), Some(Json::Object(after))) = (before.get(key), after.get(key)) {
            compare(before, after, &format!("{path}/{key}"), found);
        }
    }
}

fn compare_rules(before: &Map<String, Json>, after: &Map<String, Json>, path: &str, found: &mut Vec<String>) {
    let number = |node: &Map<String, Json>, key: &str| node.get(key).and_then(Json::as_f64);
    for key in ["minimum", "exclusiveMinimum", "minLength", "minItems"] {
        if let Some(new) = number(after, key)
            && number(before, key).is_none_or(|old| new > old)
        {
            found.push(format!("{path}: {key} is tightened from {} to {new}", text(before.get(key))));
        }
    }
    for key in ["maximum", "exclusiveMaximum", "maxLength", "maxItems"] {
        if let Some(new) = number(after, key)
            && number(before, key).is_none_or(|old| new < old)
        {
            found.push(format!("{path}: {key} is tightened from {} to {new}", text(before.get(key))));
        }
    }
    if let Some(new) = after.get("pattern")
        && before.get("pattern") != Some(new)
    {
        found.push(format!("{path}: pattern changes from {} to {new}", text(before.get("pattern"))));
    }
    if after.get("uniqueItems") == Some(&Json::Bool(true)) && before.get("uniqueItems") != Some(&Json::Bool(true)) {
        found.push(format!("{path}: items become unique"));
    }
    if let Some(allowed) = after.get("enum").and_then(Json::as_array) {
        match before.get("enum").and_then(Json::as_array) {
            None => found.push(format!("{path}: an enum is added")),
            Some(old) => {
                for value in old.iter().filter(|v| !allowed.contains(v)) {
                    found.push(format!("{path}: the enum value {value} is removed"));
                }
            }
        }
    }
}

fn text(value: Option<&Json>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Json::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_additive_changes_pass() {
        let before = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string", "enum": ["x", "y"]},
            "b": {"type": "integer", "minimum": 0},
            "c": {"type": "object", "properties": {"d": {"type": "string"}}},
        }});
        let after = json!({"type": "object", "required": [], "properties": {
            "a": {"type": "string", "title": "A", "enum": ["x", "y", "z"]},
            "b": {"type": "integer", "minimum": -1},
            "c": {"type": "object", "properties": {"d": {"type": "string"}, "e": {"type": "string"}}},
            "f": {"type": "string"},
        }});
        assert_eq!(breaking_changes(&before, &after), Vec::<String>::new());
        assert_eq!(
            breaking_changes(&after, &before),
            [
                "/a: becomes required",
                "/a: the enum value \"z\" is removed",
                "/b: minimum is tightened from -1 to 0",
                "/c/e: is removed",
                "/f: is removed"
            ]
        );
        let retyped = json!({"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "integer"}, "c": {"type": "object"}}});
        assert_eq!(
            breaking_changes(&before, &retyped),
            ["/a: type changes from \"string\" to \"boolean\"", "/c/d: is removed"]
        );
    }
}
