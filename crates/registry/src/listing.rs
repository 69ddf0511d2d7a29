//! Filtering, order and pages of registry lists (profile.md §3.3).
//!
//! A page may be longer than `limit`: entries that share the value at its end stay together, so
//! that `start`, the value after which the next page begins, loses none.

use crate::error::Error;
use fancy_regex::Regex;
use serde_json::{Value as Json, json};
use std::cmp::Ordering;

const LIMIT_DEFAULT: usize = 300;
const LIMIT_MAX: usize = 500;

/// The query of a list.
pub(crate) struct Query {
    filters: Vec<Filter>,
    order: Vec<(String, bool)>,
    order_text: String,
    start: Option<String>,
    limit: usize,
}

/// `name OP value`.
pub(crate) struct Filter {
    name: String,
    test: Test,
}

enum Test {
    Exists,
    Compare(fn(Ordering) -> bool, String),
    NotEqual(String),
    Match(Regex),
}

/// One page.
pub(crate) struct Page {
    pub(crate) items: Vec<Json>,
    pub(crate) next: Option<String>,
}

impl Query {
    /// Reads query parameters; unknown ones are refused.
    pub(crate) fn parse(parameters: &[(String, String)]) -> Result<Query, Error> {
        let mut query = Query {
            filters: Vec::new(),
            order: Vec::new(),
            order_text: "title".into(),
            start: None,
            limit: LIMIT_DEFAULT,
        };
        for (key, value) in parameters {
            match key.as_str() {
                "property" => query.filters.extend(Filter::parse_all(value)?),
                "orderby" | "orderBy" => query.order_text.clone_from(value),
                "start" => query.start = Some(value.clone()),
                "limit" => {
                    let limit = value.parse().ok().filter(|l| *l <= LIMIT_MAX);
                    query.limit =
                        limit.ok_or_else(|| Error::query(format!("limit: must be 0 to {LIMIT_MAX}, is {value}")))?;
                }
                _ => return Err(Error::query(format!("{key} is no query parameter of this list"))),
            }
        }
        let fields = query.order_text.split(',').map(str::trim).filter(|f| !f.is_empty());
        query.order =
            fields.map(|f| f.strip_prefix('-').map_or((f.to_owned(), false), |f| (f.to_owned(), true))).collect();
        if query.order.is_empty() {
            return Err(Error::query("orderby: names no field"));
        }
        Ok(query)
    }

    /// Filters, sorts and cuts one page of full documents.
    pub(crate) fn page(&self, documents: Vec<Json>) -> Page {
        let mut items: Vec<Json> =
            documents.into_iter().filter(|d| self.filters.iter().all(|f| f.accepts(d))).collect();
        items.sort_by(|a, b| self.compare(a, b));
        let (first, descending) = &self.order[0];
        if let Some(start) = &self.start {
            items.retain(|item| {
                let order = compare_text(member(item, first), start);
                if *descending { order == Ordering::Less } else { order == Ordering::Greater }
            });
        }
        let mut size = self.limit.min(items.len());
        while size > 0 && size < items.len() && member(&items[size - 1], first) == member(&items[size], first) {
            size += 1;
        }
        let next = (size > 0 && size < items.len()).then(|| text(member(&items[size - 1], first)));
        items.truncate(size);
        Page { items, next }
    }

    /// `results`, `_page`, `_links`.
    pub(crate) fn body(&self, page: Page, path: &str) -> Json {
        let href = page.next.as_ref().map(|next| {
            let encode = |t: &str| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string();
            json!({ "href": format!("{path}?orderby={}&start={}&limit={}", encode(&self.order_text), encode(next), self.limit) })
        });
        json!({
            "_page": { "orderby": self.order_text, "next": page.next, "count": page.items.len() },
            "results": page.items,
            "_links": { "next": href },
        })
    }

    fn compare(&self, a: &Json, b: &Json) -> Ordering {
        let by_field = self.order.iter().map(|(name, descending)| {
            let order = compare(member(a, name), member(b, name));
            if *descending { order.reverse() } else { order }
        });
        by_field.fold(Ordering::Equal, Ordering::then).then_with(|| text(a.get("$id")).cmp(&text(b.get("$id"))))
    }
}

impl Filter {
    /// Filters joined by commas; a comma inside a value belongs to the value.
    pub(crate) fn parse_all(given: &str) -> Result<Vec<Filter>, Error> {
        let has_operator = |piece: &str| piece.contains(['=', '<', '>', '~']);
        let mut pieces: Vec<String> = Vec::new();
        for piece in given.split(',') {
            match pieces.last_mut() {
                Some(last) if has_operator(last) && !has_operator(piece) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.to_owned()),
            }
        }
        pieces.iter().map(|piece| Filter::parse(piece)).collect()
    }

    /// `title==X`, `!=`, `<`, `>`, `<=`, `>=`, `~` (regular expression), or a bare name.
    pub(crate) fn parse(given: &str) -> Result<Filter, Error> {
        const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "~", "<", ">"];
        let found =
            OPERATORS.iter().filter_map(|op| Some((given.find(op)?, *op))).min_by_key(|(at, op)| (*at, 3 - op.len()));
        let Some((at, op)) = found else {
            return Ok(Filter { name: given.to_owned(), test: Test::Exists });
        };
        let (name, value) = (given[..at].trim().to_owned(), given[at + op.len()..].trim().to_owned());
        if name.is_empty() {
            return Err(Error::query(format!("property: {given} names no property")));
        }
        let test = match op {
            "==" => Test::Compare(Ordering::is_eq, value),
            "!=" => Test::NotEqual(value),
            "<" => Test::Compare(Ordering::is_lt, value),
            ">" => Test::Compare(Ordering::is_gt, value),
            "<=" => Test::Compare(Ordering::is_le, value),
            ">=" => Test::Compare(Ordering::is_ge, value),
            _ => Test::Match(
                Regex::new(&value)
                    .map_err(|e| Error::query(format!("property: {value} is no regular expression: {e}")))?,
            ),
        };
        Ok(Filter { name, test })
    }

    /// True if the document passes. Of an array one item suffices.
    pub(crate) fn accepts(&self, document: &Json) -> bool {
        let value = member(document, &self.name);
        match &self.test {
            Test::Exists => value.is_some_and(|v| !v.is_null()),
            Test::NotEqual(wanted) => !any(value, |v| compare_text(Some(v), wanted).is_eq()),
            Test::Compare(accept, wanted) => any(value, |v| accept(compare_text(Some(v), wanted))),
            Test::Match(pattern) => any(value, |v| pattern.is_match(&text(Some(v))).unwrap_or(false)),
        }
    }
}

fn any(value: Option<&Json>, test: impl Fn(&Json) -> bool) -> bool {
    match value {
        None | Some(Json::Null) => false,
        Some(Json::Array(items)) => items.iter().any(test),
        Some(value) => test(value),
    }
}

/// A top-level member, or a dotted path; `created` and `updated` are those of the registry.
pub(crate) fn member<'a>(document: &'a Json, name: &str) -> Option<&'a Json> {
    if let Some(value) = document.get(name) {
        return Some(value);
    }
    match name {
        "created" => return document.pointer("/meta:registryMetadata/repo:createdDate"),
        "updated" => return document.pointer("/meta:registryMetadata/repo:lastModifiedDate"),
        _ => {}
    }
    // Names hold dots and slashes themselves, so every split is tried.
    name.match_indices('.').find_map(|(at, _)| member(document.get(&name[..at])?, &name[at + 1..]))
}

pub(crate) fn compare(a: Option<&Json>, b: Option<&Json>) -> Ordering {
    match (a, b) {
        (Some(Json::Number(a)), Some(Json::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (a, b) => text(a).cmp(&text(b)),
    }
}

fn compare_text(value: Option<&Json>, wanted: &str) -> Ordering {
    match value {
        Some(Json::Number(n)) => match wanted.parse::<f64>() {
            Ok(wanted) => n.as_f64().partial_cmp(&Some(wanted)).unwrap_or(Ordering::Equal),
            Err(_) => n.to_string().as_str().cmp(wanted),
        },
        other => text(other).as_str().cmp(wanted),
    }
}

fn text(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(s)) => s.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(parameters: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let documents = ["b", "a", "d", "c", "c"].iter().enumerate();
        let documents =
            documents.map(|(i, t)| json!({"$id": i.to_string(), "title": t, "n": i, "tags": ["x", t]})).collect();
        let owned: Vec<(String, String)> = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let page = Query::parse(&owned).expect("valid").page(documents);
        (page.items.iter().map(|i| i["title"].as_str().unwrap_or_default().to_owned()).collect(), page.next)
    }

    #[test]
    fn pages_keep_equal_values_together() {
        assert_eq!(
            titles(&[("orderby", "title"), ("limit", "3")]),
            (["a", "b", "c", "c"].map(str::to_owned).to_vec(), Some("c".into()))
        );
        assert_eq!(titles(&[("orderby", "title"), ("start", "c")]), (vec!["d".to_owned()], None));
        assert_eq!(titles(&[("orderby", "-title"), ("start", "b")]), (vec!["a".to_owned()], None));
    }

    #[test]
    fn filters_are_joined_by_and() {
        assert_eq!(titles(&[("property", "n>=1"), ("property", "title!=c")]).0, ["a", "d"]);
        assert_eq!(titles(&[("property", "tags==d")]).0, ["d"]);
        assert_eq!(titles(&[("property", "title~^[ab]$")]).0, ["a", "b"]);
        assert_eq!(titles(&[("property", "n>=1,title!=c")]).0, ["a", "d"]);
        assert_eq!(titles(&[("property", "title==a,b")]).0, Vec::<String>::new());
        assert_eq!(titles(&[("property", "nothing")]).0, Vec::<String>::new());
        assert!(Query::parse(&[("limit".into(), "501".into())]).is_err());
    }
}
