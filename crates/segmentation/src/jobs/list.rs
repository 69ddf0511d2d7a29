//! `GET /segment/jobs`: filters, order, pages.

use super::shown_doc;
use crate::Parameters;
use crate::error::Error;
use crate::page::Query;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const PATH: &str = "/segment/jobs";
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
const STATUSES: [&str; 7] = ["NEW", "QUEUED", "PROCESSING", "CANCELLING", "CANCELLED", "FAILED", "SUCCEEDED"];
const FIELDS: [&str; 4] = ["creationTime", "updateTime", "updateEpoch", "status"];

/// One page: `{"_page":{…},"children":[…],"_links":{"next"?}}`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["snapshot.name", "start", "limit", "status", "sort", "property"])?;
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let start = query.number("start", 0, usize::MAX)?.unwrap_or(0);
    let mut found: Vec<&Arc<Doc>> = docs.iter(caller.sandbox, Collection::SegmentJob).collect();
    // Jobs make no named snapshots, so none has the name that is asked for.
    if query.one("snapshot.name")?.is_some() {
        found.clear();
    }
    if let Some(status) = query.one("status")? {
        check_status("status", status)?;
        found.retain(|doc| doc.body["status"] == status);
    }
    for property in query.all("property") {
        let property = Property::parse(property)?;
        found.retain(|doc| property.holds(doc));
    }
    sort(&mut found, query.one("sort")?)?;
    let children: Vec<Json> = found.iter().skip(start).take(limit).map(|doc| shown_doc(docs, caller, doc)).collect();
    let end = start.saturating_add(limit);
    let mut links = json!({});
    if end < found.len() {
        links["next"] = json!({ "href": query.next(PATH, end, limit) });
    }
    Ok(json!({
        "_page": { "totalCount": found.len(), "pageSize": children.len() },
        "children": children,
        "_links": links,
    }))
}

fn check_status(field: &str, status: &str) -> Result<(), Error> {
    match STATUSES.contains(&status) {
        true => Ok(()),
        false => Err(Error::field(field, format_args!("must be one of {}, is `{status}`", STATUSES.join(", ")))),
    }
}

/// What a job must have.
enum Property<'a> {
    Segment(&'a str),
    Status(&'a str),
}

impl<'a> Property<'a> {
    /// Reads `segments~segmentId==ID` or `status==STATUS`.
    fn parse(text: &'a str) -> Result<Property<'a>, Error> {
        match text.strip_prefix("property=").unwrap_or(text).split_once("==") {
            Some(("segments~segmentId", id)) if !id.is_empty() => Ok(Property::Segment(id)),
            Some(("status", status)) => check_status("property: status", status).map(|()| Property::Status(status)),
            _ => {
                let rule = format!("must be segments~segmentId==ID or status==STATUS, is `{text}`");
                Err(Error::field("property", rule))
            }
        }
    }

    fn holds(&self, doc: &Doc) -> bool {
        match self {
            Property::Status(status) => doc.body["status"] == *status,
            Property::Segment(id) => {
                let all = doc.body["segments"].as_array();
                all.into_iter().flatten().any(|item| item["segmentId"] == *id || item["segmentId"] == "*")
            }
        }
    }
}

fn sort(found: &mut [&Arc<Doc>], text: Option<&str>) -> Result<(), Error> {
    let (name, descending) = match text.map(|text| text.split_once(':').unwrap_or((text, "asc"))) {
        None => ("creationTime", true),
        Some((name, "asc")) => (name, false),
        Some((name, "desc")) => (name, true),
        Some(_) => ("", false),
    };
    match name {
        "creationTime" => found.sort_by_key(|doc| doc.no),
        "updateTime" | "updateEpoch" => found.sort_by_key(|doc| (doc.updated_at, doc.no)),
        "status" => {
            found.sort_by(|a, b| a.body["status"].as_str().cmp(&b.body["status"].as_str()).then(a.no.cmp(&b.no)))
        }
        _ => {
            let rule = format!(
                "must be FIELD:asc or FIELD:desc, FIELD of {}, is `{}`",
                FIELDS.join(", "),
                text.unwrap_or_default()
            );
            return Err(Error::field("sort", rule));
        }
    }
    if descending {
        found.reverse();
    }
    Ok(())
}
