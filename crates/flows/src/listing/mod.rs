//! Lists over JSON entities: filter, order, page, count, project.
//!
//! In: the shown entities of one kind and the decoded query pairs, or a search body. Out: the
//! list envelope. `_links` is always there and empty on the last page.
//!
//! A continuation token carries the whole query and the place of the last item (its sort keys
//! and id), so that following `next` needs nothing else and items that come or go in between
//! neither repeat nor hide others.

mod filter;
mod order;

use crate::error::{Error, Result};
use filter::Filter;
use order::Order;
use serde_json::{Map, Value as Json, json};

/// Most items of one page of a list.
pub const PAGE_MAX: usize = 100;
/// Most items of one page of a search.
pub const SEARCH_PAGE_MAX: usize = 1000;

/// What a caller asks of a list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    filters: Vec<String>,
    orderby: Option<String>,
    limit: Option<usize>,
    count: bool,
    token: Option<String>,
    projection: Vec<String>,
    page_max: Option<usize>,
}

impl Query {
    /// Reads decoded query pairs.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> Result<Query> {
        let mut query = Query::default();
        for (name, value) in pairs {
            let value = value.as_ref();
            match name.as_ref() {
                "property" => query.filters.push(value.to_owned()),
                "orderby" | "orderBy" => query.orderby = Some(value.to_owned()),
                "limit" => query.limit = Some(limit(value)?),
                "count" => query.count = boolean("count", value)?,
                "continuationToken" => query.token = Some(token(value).to_owned()),
                other => {
                    let known = "property, orderby, limit, count, continuationToken";
                    return Err(Error::new(1451, format!("{other} is not a known parameter; known: {known}")));
                }
            }
        }
        query.checked(PAGE_MAX)
    }

    /// Reads the body of a search: `{queryString, limit, orderby, count, projectionFields}`.
    pub fn from_search(body: &Json) -> Result<Query> {
        let fields = body.as_object().ok_or_else(|| Error::invalid("the search body must be an object"))?;
        let mut query = Query::default();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let text = || value.as_str().ok_or_else(|| Error::invalid(format!("{name} must be a string")));
            match name.as_str() {
                "queryString" => query.filters = text()?.split('&').filter(|p| !p.is_empty()).map(bare).collect(),
                "orderby" => query.orderby = Some(text()?.to_owned()),
                "limit" => query.limit = Some(limit(&value.to_string())?),
                "count" => {
                    query.count = value.as_bool().ok_or_else(|| Error::invalid("count must be true or false"))?
                }
                "projectionFields" => query.projection = text()?.split(',').map(|f| f.trim().to_owned()).collect(),
                "groupByProperty" => return Err(Error::new(1438, "groupByProperty is not served")),
                other => return Err(Error::invalid(format!("{other} is not known in a search body"))),
            }
        }
        query.checked(SEARCH_PAGE_MAX)
    }

    /// The values that a filter `path==…` asks for, so that a caller need not gather the rest.
    pub fn wanted(&self, path: &str) -> Option<Vec<&str>> {
        let mut values = self.filters.iter().filter_map(|filter| filter.strip_prefix(path)?.strip_prefix("=="));
        values.next().map(|values| values.split(',').map(|value| value.trim().trim_matches('"')).collect())
    }

    fn checked(mut self, page_max: usize) -> Result<Query> {
        if self.count && self.limit.is_some() {
            return Err(Error::new(1401, "limit cannot be given together with count=true"));
        }
        self.page_max = Some(page_max);
        Ok(self)
    }
}

/// `property=a==b` as well as `a==b`.
fn bare(part: &str) -> String {
    part.strip_prefix("property=").unwrap_or(part).to_owned()
}

/// Some clients hand back the whole `href` in place of the token.
fn token(value: &str) -> &str {
    value.rsplit_once("continuationToken=").map_or(value, |(_, token)| token)
}

fn limit(value: &str) -> Result<usize> {
    match value.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(Error::new(1452, format!("limit must be a positive whole number, not {value:?}"))),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::new(1452, format!("{name} must be true or false, not {value:?}"))),
    }
}

/// One page of `items`, which are shown under `path` and may have the top-level `fields`.
pub(crate) fn page(items: Vec<Json>, query: &Query, path: &str, fields: &[&str]) -> Result<Json> {
    let page_max = query.page_max.unwrap_or(PAGE_MAX);
    let (query, after) = match &query.token {
        Some(token) => resume(token, query, path)?,
        None => (query.clone(), None),
    };
    let filters = query.filters.iter().map(|text| Filter::parse(text, fields)).collect::<Result<Vec<_>>>()?;
    let order = Order::parse(query.orderby.as_deref(), fields)?;
    for field in &query.projection {
        filter::known(field, fields)?;
    }
    let mut items: Vec<Json> = items.into_iter().filter(|item| filters.iter().all(|f| f.accepts(item))).collect();
    if query.count {
        return Ok(json!({ "count": items.len() }));
    }
    items.sort_by(|a, b| order.compare(a, b));
    if let Some(after) = &after {
        items.retain(|item| order.is_after(item, after));
    }
    let limit = query.limit.unwrap_or(PAGE_MAX).min(page_max);
    let links = match items.get(limit - 1) {
        Some(last) if items.len() > limit => {
            json!({ "next": { "href": format!("{path}?continuationToken={}", mint(&query, path, &order, last)) } })
        }
        _ => json!({}),
    };
    items.truncate(limit);
    if !query.projection.is_empty() {
        items = items.iter().map(|item| project(item, &query.projection)).collect();
    }
    Ok(json!({ "items": items, "_links": links }))
}

fn mint(query: &Query, path: &str, order: &Order, last: &Json) -> String {
    let state = json!({
        "path": path,
        "property": query.filters,
        "orderby": query.orderby,
        "limit": query.limit,
        "fields": query.projection,
        "after": order.keys(last),
    });
    state.to_string().bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The query inside a token, and the keys to go on after. What the request repeats must agree.
fn resume(token: &str, asked: &Query, path: &str) -> Result<(Query, Option<Vec<Json>>)> {
    let refused = || Error::new(1452, "continuationToken is not one that this list gave out");
    let state = unhex(token).and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok()).ok_or_else(refused)?;
    let texts = |name: &str| -> Vec<String> {
        state[name].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let after = state["after"].as_array().cloned().ok_or_else(refused)?;
    if state["path"] != path {
        return Err(refused());
    }
    let query = Query {
        filters: texts("property"),
        orderby: state["orderby"].as_str().map(str::to_owned),
        limit: asked.limit.or_else(|| state["limit"].as_u64().map(|n| (n as usize).max(1))),
        count: asked.count,
        projection: texts("fields"),
        ..Query::default()
    };
    let differs = (!asked.filters.is_empty() && asked.filters != query.filters)
        || (asked.orderby.is_some() && asked.orderby != query.orderby);
    if differs {
        return Err(Error::new(1452, "continuationToken belongs to another property or orderby"));
    }
    Ok((query, Some(after)))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

fn project(item: &Json, fields: &[String]) -> Json {
    let mut out = Map::new();
    for field in fields {
        let names: Vec<&str> = field.split('.').collect();
        if let Some(value) = names.iter().try_fold(item, |at, name| at.get(name)) {
            place(&mut out, &names, value);
        }
    }
    Json::Object(out)
}

fn place(out: &mut Map<String, Json>, names: &[&str], value: &Json) {
    match names {
        [] => {}
        [last] => {
            out.insert((*last).to_owned(), value.clone());
        }
        [first, rest @ ..] => {
            if let Json::Object(inner) = out.entry(*first).or_insert_with(|| json!({})) {
                place(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
