//! Checks the members of a merge policy that stand for themselves and gives the document to store.

use super::PROFILE_CLASS;
use crate::error::Error;
use crate::fields::{Fields, check_name, shown};
use model::{Caller, Collection, DocSet, SandboxId};
use serde_json::{Value as Json, json};

/// Checks the members that a client writes and gives the document without its version.
pub(super) fn document(
    docs: &DocSet,
    caller: &Caller<'_>,
    fields: &Fields<'_>,
    default: bool,
    active_on_edge: bool,
) -> Result<Json, Error> {
    // The last four are the service's own; clients may send back what they got.
    fields.only(&[
        "name",
        "schema",
        "identityGraph",
        "attributeMerge",
        "default",
        "isActiveOnEdge",
        "id",
        "imsOrgId",
        "sandbox",
        "version",
        "updateEpoch",
    ])?;
    fields.must_be("imsOrgId", caller.org)?;
    let schema = fields.required_object("schema", "schema.", &["name"])?;
    if schema.required_text("name")? != PROFILE_CLASS {
        let rule = format!("must be `{PROFILE_CLASS}`; other classes are not supported yet");
        return Err(Error::field("schema.name", rule));
    }
    let graph = fields.required_object("identityGraph", "identityGraph.", &["type"])?;
    let graph = match graph.required_text("type")? {
        graph @ ("pdg" | "none") => graph,
        other => return Err(Error::field("identityGraph.type", format_args!("must be pdg or none, is `{other}`"))),
    };
    let merge = fields.required_object("attributeMerge", "attributeMerge.", &["type", "order"])?;
    let merge = attribute_merge(docs, caller.sandbox, &merge)?;
    let mut document = json!({});
    if let Some(name) = fields.text("name")? {
        check_name("name", name)?;
        document["name"] = name.into();
    }
    document["schema"] = json!({ "name": PROFILE_CLASS });
    document["version"] = Json::Null;
    document["identityGraph"] = json!({ "type": graph });
    document["attributeMerge"] = merge;
    document["isActiveOnEdge"] = fields.flag("isActiveOnEdge")?.unwrap_or(active_on_edge).into();
    document["default"] = fields.flag("default")?.unwrap_or(default).into();
    Ok(document)
}

fn attribute_merge(docs: &DocSet, sandbox: SandboxId, merge: &Fields<'_>) -> Result<Json, Error> {
    const ORDER: &str = "attributeMerge.order";
    let order = merge.array("order")?.map_or(&[][..], Vec::as_slice);
    match merge.required_text("type")? {
        "timestampOrdered" if order.is_empty() => Ok(json!({ "type": "timestampOrdered" })),
        "timestampOrdered" => Err(Error::field(ORDER, "goes with attributeMerge.type dataSetPrecedence only")),
        "dataSetPrecedence" if order.is_empty() => {
            Err(Error::field(ORDER, "must name at least one data set when attributeMerge.type is dataSetPrecedence"))
        }
        "dataSetPrecedence" => {
            for (i, item) in order.iter().enumerate() {
                let at = format!("{ORDER}[{i}]");
                let id = item
                    .as_str()
                    .ok_or_else(|| Error::field(&at, format_args!("must be a data set id, is {}", shown(item))))?;
                if docs.get(sandbox, Collection::Dataset, id).is_none() {
                    return Err(Error::field(at, format_args!("there is no data set `{id}`")));
                }
                if order[..i].contains(item) {
                    return Err(Error::field(at, format_args!("names data set `{id}` a second time")));
                }
            }
            Ok(json!({ "type": "dataSetPrecedence", "order": order }))
        }
        other => {
            let rule = format!("must be timestampOrdered or dataSetPrecedence, is `{other}`");
            Err(Error::field("attributeMerge.type", rule))
        }
    }
}
