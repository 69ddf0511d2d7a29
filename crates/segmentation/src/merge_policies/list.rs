//! `GET /config/mergePolicies`: filters, order, pages.

use super::{is, shown_doc};
use crate::Parameters;
use crate::error::Error;
use crate::page::Query;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const PATH: &str = "/config/mergePolicies";
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 1000;

/// One page: `{"_page":{…},"_links":{…},"children":[…]}`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["default", "limit", "orderBy", "schema.name", "start"])?;
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let start = query.number("start", 0, usize::MAX)?.unwrap_or(0);
    let (default, class) = (query.flag("default")?, query.one("schema.name")?);
    let mut found: Vec<&Arc<Doc>> = docs
        .iter(caller.sandbox, Collection::MergePolicy)
        .filter(|doc| default.is_none_or(|wanted| is(doc, "default") == wanted))
        .filter(|doc| class.is_none_or(|class| doc.body["schema"]["name"] == class))
        .collect();
    sort(&mut found, query.one("orderBy")?)?;
    let children: Vec<Json> = found.iter().skip(start).take(limit).map(|doc| shown_doc(docs, caller, doc)).collect();
    let end = start.saturating_add(limit);
    let mut page = json!({ "count": children.len() });
    let mut next = json!({});
    if end < found.len() {
        page["next"] = end.to_string().into();
        next = json!({ "href": query.next(PATH, end, limit) });
    }
    Ok(json!({ "_page": page, "_links": { "next": next }, "children": children }))
}

/// `orderBy` names a member; a leading `-` turns the order round.
fn sort(found: &mut [&Arc<Doc>], order_by: Option<&str>) -> Result<(), Error> {
    found.sort_by_key(|doc| doc.no);
    let Some(text) = order_by else { return Ok(()) };
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text.strip_prefix('+').unwrap_or(text).trim_start(), false),
    };
    match name {
        "id" => found.sort_by(|a, b| a.id.cmp(&b.id)),
        "name" => found.sort_by(|a, b| a.body["name"].as_str().cmp(&b.body["name"].as_str())),
        "version" => found.sort_by_key(|doc| doc.body["version"].as_u64()),
        "updateEpoch" => found.sort_by_key(|doc| doc.updated_at),
        _ => {
            let rule = format!("must be id, name, version or updateEpoch, with or without a leading -, is `{text}`");
            return Err(Error::field("orderBy", rule));
        }
    }
    if descending {
        found.reverse();
    }
    Ok(())
}
