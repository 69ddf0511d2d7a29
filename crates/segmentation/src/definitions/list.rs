//! `GET /segment/definitions`: filters, order, pages.

use super::shown_doc;
use crate::Parameters;
use crate::error::Error;
use crate::page::Query;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::cmp::Ordering;
use std::sync::Arc;

const PATH: &str = "/segment/definitions";
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
const METHODS: [&str; 3] = ["batch", "continuous", "synchronous"];

/// One page: `{"segments":[…],"page":{…},"link":{"next"?}}`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let filters = METHODS.map(|method| format!("evaluationInfo.{method}.enabled"));
    let [batch, continuous, synchronous] = filters.each_ref().map(String::as_str);
    let query = Query::of(parameters, &["start", "limit", "page", "sort", batch, continuous, synchronous])?;
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let start = match (query.number("start", 0, usize::MAX)?, query.number("page", 0, usize::MAX)?) {
        (Some(_), Some(_)) => return Err(Error::field("page", "excludes start; give one of them")),
        (Some(start), None) => start,
        (None, page) => page.unwrap_or(0).saturating_mul(limit),
    };
    let order = Order::read(query.one("sort")?)?;
    let mut found: Vec<&Arc<Doc>> = docs.iter(caller.sandbox, Collection::Audience).collect();
    for (method, filter) in METHODS.iter().zip(&filters) {
        if let Some(wanted) = query.flag(filter)? {
            found.retain(|doc| doc.body["evaluationInfo"][*method]["enabled"] == wanted);
        }
    }
    found.sort_by(|a, b| order.compare(a, b));
    let segments: Vec<Json> = found.iter().skip(start).take(limit).map(|doc| shown_doc(docs, caller, doc)).collect();
    let end = start.saturating_add(limit);
    let mut link = json!({});
    if end < found.len() {
        link["next"] = query.next(PATH, end, limit).into();
    }
    let (sort_field, descending) = order.0[0];
    Ok(json!({
        "page": {
            "totalCount": found.len(),
            "totalPages": found.len().div_ceil(limit),
            "sortField": sort_field,
            "sort": if descending { "desc" } else { "asc" },
            "pageSize": segments.len(),
            "limit": limit,
        },
        "segments": segments,
        "link": link,
    }))
}

/// Sort keys, the first decides first; never empty. True means descending.
struct Order(Vec<(&'static str, bool)>);

impl Order {
    const FIELDS: [&'static str; 6] = ["creationTime", "updateTime", "updateEpoch", "name", "id", "internalId"];

    /// Reads `name:asc,updateTime:desc`; without a direction a key is ascending.
    fn read(text: Option<&str>) -> Result<Order, Error> {
        let Some(text) = text else { return Ok(Order(vec![("creationTime", true)])) };
        let key = |key: &str| {
            let (name, direction) = key.split_once(':').unwrap_or((key, "asc"));
            let field = Order::FIELDS.into_iter().find(|field| *field == name);
            match (field, direction) {
                (Some(field), "asc") => Ok((field, false)),
                (Some(field), "desc") => Ok((field, true)),
                _ => {
                    let rule =
                        format!("must be FIELD:asc or FIELD:desc, FIELD of {}, is `{key}`", Order::FIELDS.join(", "));
                    Err(Error::field("sort", rule))
                }
            }
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Order)
    }

    fn compare(&self, a: &Doc, b: &Doc) -> Ordering {
        let by = |field: &str| match field {
            "name" => a.body["name"].as_str().cmp(&b.body["name"].as_str()),
            "id" => a.id.cmp(&b.id),
            "updateTime" | "updateEpoch" => a.updated_at.cmp(&b.updated_at),
            "creationTime" => a.created_at.cmp(&b.created_at).then(a.no.cmp(&b.no)),
            _ => a.no.cmp(&b.no),
        };
        let directed = |&(field, descending): &(&str, bool)| if descending { by(field).reverse() } else { by(field) };
        self.0.iter().map(directed).find(|order| order.is_ne()).unwrap_or_else(|| a.no.cmp(&b.no))
    }
}
