//! PATCH of a merge policy: operations `add` on the paths that AEP documents.
//!
//! Paths name members with a dot (`/identityGraph.type`); a slash is read as well. What the values may
//! be is decided afterwards, on the whole document.

use crate::error::Error;
use crate::fields::{Fields, shown};
use serde_json::Value as Json;

/// Applies one operation, or an array of them, to `document`.
pub(super) fn apply(document: &mut Json, body: &Json) -> Result<(), Error> {
    match body {
        Json::Array(operations) if operations.is_empty() => {
            Err(Error::field("body", "must have at least one operation"))
        }
        Json::Array(operations) => operations.iter().try_for_each(|operation| apply_one(document, operation)),
        operation => apply_one(document, operation),
    }
}

fn apply_one(document: &mut Json, operation: &Json) -> Result<(), Error> {
    let fields = Fields::of_body(operation)?;
    fields.only(&["op", "path", "value"])?;
    match fields.required_text("op")? {
        "add" => {}
        other => return Err(Error::field("op", format_args!("must be add, is `{other}`"))),
    }
    let path = fields.required_text("path")?;
    let value = fields.get("value").ok_or_else(|| Error::field("value", "is required"))?;
    match path.trim_start_matches('/').replace('/', ".").as_str() {
        "name" => document["name"] = value.clone(),
        "schema.name" => document["schema"]["name"] = value.clone(),
        "identityGraph.type" => document["identityGraph"]["type"] = value.clone(),
        "attributeMerge.type" => {
            document["attributeMerge"]["type"] = value.clone();
            if value == "timestampOrdered"
                && let Some(merge) = document["attributeMerge"].as_object_mut()
            {
                merge.remove("order");
            }
        }
        "attributeMerge.order" => document["attributeMerge"]["order"] = value.clone(),
        "default" => document["default"] = flag(path, value)?,
        // The second spelling is that of the published API description.
        "isActiveOnEdge" | "idActiveOnEdge" => document["isActiveOnEdge"] = flag(path, value)?,
        "version" => document["version"] = version(value, &document["version"])?,
        _ => {
            let rule = "must be /name, /schema.name, /identityGraph.type, /attributeMerge.type, /attributeMerge.order, \
                        /default, /isActiveOnEdge or /version";
            return Err(Error::field("path", format_args!("{rule}, is `{path}`")));
        }
    }
    Ok(())
}

/// The API description types every value as a string.
fn flag(path: &str, value: &Json) -> Result<Json, Error> {
    match value {
        Json::Bool(_) => Ok(value.clone()),
        Json::String(text) if text == "true" => Ok(true.into()),
        Json::String(text) if text == "false" => Ok(false.into()),
        other => Err(Error::field(
            format_args!("value of {path}"),
            format_args!("must be true or false, is {}", shown(other)),
        )),
    }
}

/// A version may be raised beyond the next one, never set back.
fn version(value: &Json, next: &Json) -> Result<Json, Error> {
    let given = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match given {
        Some(given) if given >= next.as_u64().unwrap_or(1) => Ok(given.into()),
        _ => {
            let rule = format!("must be a whole number from {next} on, is {}", shown(value));
            Err(Error::field("value of /version", rule))
        }
    }
}
