//! JSON Patch as the Flow Service takes it: `add`, `replace`, `remove`, in order, all or nothing.
//!
//! `op` is read without case; a `value` beside `remove` is ignored. Paths follow RFC 6901 and
//! indices RFC 6902: each operation sees what the ones before it made.

use crate::error::{Error, Result};
use serde_json::Value as Json;

/// One parsed operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    verb: Verb,
    /// The path as given.
    pub(crate) path: String,
    value: Json,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// Reads the body of a PATCH.
pub(crate) fn parse(body: &Json) -> Result<Vec<Operation>> {
    let operations = match body {
        Json::Null => return Err(Error::new(1405, "the body must hold at least one patch operation")),
        Json::Array(operations) if operations.is_empty() => {
            return Err(Error::new(1405, "the body must hold at least one patch operation"));
        }
        Json::Array(operations) => operations,
        _ => return Err(Error::invalid("the body must be an array of patch operations")),
    };
    operations.iter().enumerate().map(|(i, operation)| parse_one(i, operation)).collect()
}

fn parse_one(i: usize, operation: &Json) -> Result<Operation> {
    let fields = operation.as_object().ok_or_else(|| Error::new(1455, format!("[{i}] must be an object")))?;
    let op = operation["op"].as_str().ok_or_else(|| Error::new(1455, format!("[{i}].op is missing")))?;
    let verb = match op.to_ascii_lowercase().as_str() {
        "add" => Verb::Add,
        "replace" => Verb::Replace,
        "remove" => Verb::Remove,
        _ => return Err(Error::new(1434, format!("[{i}].op {op:?} is not supported; use add, replace or remove"))),
    };
    let path = operation["path"].as_str().ok_or_else(|| Error::new(1455, format!("[{i}].path is missing")))?;
    if !path.starts_with('/') {
        return Err(Error::new(1455, format!("[{i}].path {path:?} must start with /")));
    }
    if let Some(name) = fields.keys().find(|name| !["op", "path", "value"].contains(&name.as_str())) {
        return Err(Error::new(1455, format!("[{i}].{name} is not known; known: op, path, value")));
    }
    if verb != Verb::Remove && !fields.contains_key("value") {
        return Err(Error::new(1455, format!("[{i}].value is missing")));
    }
    Ok(Operation { verb, path: path.to_owned(), value: operation["value"].clone() })
}

/// Applies all operations to a copy.
pub(crate) fn apply(document: &Json, operations: &[Operation]) -> Result<Json> {
    let mut document = document.clone();
    for (i, operation) in operations.iter().enumerate() {
        apply_one(&mut document, operation)
            .map_err(|reason| Error::new(1455, format!("[{i}].path {:?} {reason}", operation.path)))?;
    }
    Ok(document)
}

fn apply_one(document: &mut Json, operation: &Operation) -> std::result::Result<(), String> {
    let (parents, last) = operation.path.rsplit_once('/').ok_or("must start with /")?;
    let parent = document.pointer_mut(parents).ok_or("points at nothing")?;
    let name = last.replace("~1", "/").replace("~0", "~");
    match parent {
        Json::Object(fields) => {
            if operation.verb != Verb::Add && !fields.contains_key(&name) {
                return Err("points at nothing".into());
            }
            match operation.verb {
                Verb::Remove => {
                    fields.shift_remove(&name);
                }
                Verb::Add | Verb::Replace => {
                    fields.insert(name, operation.value.clone());
                }
            }
            Ok(())
        }
        Json::Array(items) => apply_item(items, operation, &name),
        _ => Err("points into a plain value".into()),
    }
}

fn apply_item(items: &mut Vec<Json>, operation: &Operation, name: &str) -> std::result::Result<(), String> {
    if name == "-" && operation.verb == Verb::Add {
        items.push(operation.value.clone());
        return Ok(());
    }
    let index =
        Some(name).filter(|name| *name == "0" || !name.starts_with(['0', '+'])).and_then(|n| n.parse::<usize>().ok());
    let index = index.ok_or_else(|| format!("has {name:?} where an index belongs"))?;
    let bound = if operation.verb == Verb::Add { items.len() + 1 } else { items.len() };
    if index >= bound {
        return Err(format!("has index {index}, but there are {} items", items.len()));
    }
    match operation.verb {
        Verb::Add => items.insert(index, operation.value.clone()),
        Verb::Replace => items[index] = operation.value.clone(),
        Verb::Remove => {
            items.remove(index);
        }
    }
    Ok(())
}
