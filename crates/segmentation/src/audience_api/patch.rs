//! PATCH of an audience: `add`, `replace` and `remove` on the members that clients write.
//!
//! What the values may be is decided afterwards, on the whole document.

use crate::error::Error;
use crate::fields::{Fields, shown};
use serde_json::{Value as Json, json};

/// The members that a path may begin with.
const ROOTS: [&str; 11] = [
    "name",
    "description",
    "expression",
    "schema",
    "mergePolicyId",
    "evaluationInfo",
    "payloadSchema",
    "dataGovernancePolicy",
    "ttlInDays",
    "labels",
    "lifecycleState",
];

/// Applies one operation, or an array of them, to `document`.
pub(super) fn apply(document: &mut Json, body: &Json) -> Result<(), Error> {
    match body {
        Json::Array(operations) if operations.is_empty() => {
            Err(Error::field("body", "must have at least one operation"))
        }
        Json::Array(operations) => operations.iter().enumerate().try_for_each(|(i, operation)| match operation {
            Json::Object(_) => apply_one(document, operation).map_err(|error| error.within(&format!("[{i}]."))),
            other => {
                Err(Error::field(format_args!("[{i}]"), format_args!("must be an operation, is {}", shown(other))))
            }
        }),
        operation if operation.get("op").is_some() => apply_one(document, operation),
        other => {
            let rule = "must be an array of operations {\"op\", \"path\", \"value\"}";
            Err(Error::field("body", format_args!("{rule}, is {}", shown(other))))
        }
    }
}

/// True if an operation that was applied names a member or something in it.
pub(super) fn is_about(body: &Json, member: &str) -> bool {
    let operations = body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice);
    let roots = operations.iter().filter_map(|operation| operation["path"].as_str()?.split('/').nth(1));
    roots.into_iter().any(|root| root == member)
}

fn apply_one(document: &mut Json, operation: &Json) -> Result<(), Error> {
    let fields = Fields::of_body(operation)?;
    fields.only(&["op", "path", "value"])?;
    let path = fields.required_text("path")?;
    let names: Vec<&str> = path.strip_prefix('/').unwrap_or_default().split('/').collect();
    if !ROOTS.contains(&names[0]) || names.iter().any(|name| name.is_empty()) {
        let rule = format!("must begin with / and one of {}, is `{path}`", ROOTS.join(", "));
        return Err(Error::field("path", rule));
    }
    let value = fields.get("value");
    match (fields.required_text("op")?, value) {
        ("add" | "replace", Some(value)) => set(document, path, &names, value),
        ("add" | "replace", None) => Err(Error::field("value", "is required")),
        ("remove", None) => remove(document, path, &names),
        ("remove", Some(_)) => Err(Error::field("value", "does not belong to remove")),
        (other, _) => Err(Error::field("op", format_args!("must be add, replace or remove, is `{other}`"))),
    }
}

/// An array takes a number or `-`, at its end.
fn set(document: &mut Json, path: &str, names: &[&str], value: &Json) -> Result<(), Error> {
    let mut at = document;
    for (i, name) in names.iter().enumerate() {
        let last = i + 1 == names.len();
        at = match at {
            Json::Array(items) => match (*name, name.parse::<usize>()) {
                ("-", _) if last => {
                    items.push(Json::Null);
                    items.last_mut().ok_or_else(|| nothing(path))?
                }
                (_, Ok(place)) if place < items.len() => &mut items[place],
                _ => return Err(nothing(path)),
            },
            Json::Object(members) => members.entry(*name).or_insert_with(|| if last { Json::Null } else { json!({}) }),
            _ => return Err(nothing(path)),
        };
    }
    *at = value.clone();
    Ok(())
}

fn remove(document: &mut Json, path: &str, names: &[&str]) -> Result<(), Error> {
    let (Some(last), parents) = (names.last(), &names[..names.len() - 1]) else { return Err(nothing(path)) };
    let mut at = document;
    for name in parents {
        at = match at {
            Json::Object(members) => members.get_mut(*name).ok_or_else(|| nothing(path))?,
            _ => return Err(nothing(path)),
        };
    }
    let removed = match at {
        Json::Object(members) => members.shift_remove(*last).is_some(),
        Json::Array(items) => match last.parse::<usize>() {
            Ok(place) if place < items.len() => {
                items.remove(place);
                true
            }
            _ => false,
        },
        _ => false,
    };
    if removed { Ok(()) } else { Err(nothing(path)) }
}

fn nothing(path: &str) -> Error {
    Error::field("path", format_args!("there is nothing at `{path}`"))
}
