//! JSON Patch: `add`, `remove`, `replace`.
//!
//! Published examples also write paths without the leading slash and `/meta:immutableTags-` for
//! the end of an array; both are read.

use serde_json::Value as Json;

/// Applies operations in order; the message names the operation that fails.
pub(crate) fn apply(doc: &mut Json, operations: &Json) -> Result<(), String> {
    let operations = operations.as_array().ok_or("the body must be an array of JSON Patch operations")?;
    for (i, operation) in operations.iter().enumerate() {
        apply_one(doc, operation).map_err(|message| format!("operation {i}: {message}"))?;
    }
    Ok(())
}

fn apply_one(doc: &mut Json, operation: &Json) -> Result<(), String> {
    let text = |key: &str| operation.get(key).and_then(Json::as_str).ok_or_else(|| format!("{key} is missing"));
    let (op, path) = (text("op")?, text("path")?);
    let value = || operation.get("value").cloned().ok_or_else(|| "value is missing".to_owned());
    let (parent, last) = split(path);
    let missing = || format!("the path {path} does not exist");
    match op {
        "add" if is_end_of_tags(&parent, &last) => {
            let tags = doc.as_object_mut().ok_or_else(missing)?.entry(TAGS).or_insert_with(|| Json::Array(Vec::new()));
            tags.as_array_mut().ok_or_else(missing)?.push(value()?);
            Ok(())
        }
        "add" | "replace" => apply_at(doc, op, &parent, &last, value()?, missing),
        "remove" => apply_at(doc, op, &parent, &last, Json::Null, missing),
        other => Err(format!("op must be add, remove or replace, is {other}")),
    }
}

const TAGS: &str = "meta:immutableTags";

/// `/meta:immutableTags/-`, also as the published example has it; the array is made if need be.
fn is_end_of_tags(parent: &[String], last: &str) -> bool {
    match parent {
        [] => last.strip_suffix('-') == Some(TAGS),
        [one] => one == TAGS && last == "-",
        _ => false,
    }
}

fn apply_at(
    doc: &mut Json,
    op: &str,
    parent: &[String],
    last: &str,
    value: Json,
    missing: impl Fn() -> String,
) -> Result<(), String> {
    match get_mut(doc, parent).ok_or_else(&missing)? {
        Json::Object(members) => match op {
            "add" => {
                members.insert(last.to_owned(), value);
            }
            "replace" => *members.get_mut(last).ok_or_else(missing)? = value,
            _ => {
                members.shift_remove(last).ok_or_else(missing)?;
            }
        },
        Json::Array(items) => {
            let index: Option<usize> = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            let index = index.filter(|i| *i < items.len() || (op == "add" && *i == items.len())).ok_or_else(missing)?;
            match op {
                "add" => items.insert(index, value),
                "replace" => items[index] = value,
                _ => {
                    items.remove(index);
                }
            }
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn split(path: &str) -> (Vec<String>, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut tokens: Vec<String> = path.split('/').map(|t| t.replace("~1", "/").replace("~0", "~")).collect();
    let last = tokens.pop().unwrap_or_default();
    (tokens, last)
}

fn get_mut<'a>(doc: &'a mut Json, tokens: &[String]) -> Option<&'a mut Json> {
    tokens.iter().try_fold(doc, |at, token| match at {
        Json::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
        other => other.get_mut(token),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_apply_in_order() {
        let mut doc = json!({"a": {"b/c": 1}, "list": [1, 3]});
        let operations = json!([
            {"op": "replace", "path": "/a/b~1c", "value": 2},
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "add", "path": "title", "value": "T"},
            {"op": "add", "path": "/meta:immutableTags-", "value": "union"},
            {"op": "remove", "path": "/list/0"},
        ]);
        apply(&mut doc, &operations).expect("applies");
        assert_eq!(doc, json!({"a": {"b/c": 2}, "list": [2, 3, 4], "title": "T", "meta:immutableTags": ["union"]}));
        let failure = apply(&mut doc, &json!([{"op": "remove", "path": "/nothing"}])).expect_err("missing");
        assert_eq!(failure, "operation 0: the path /nothing does not exist");
    }
}
