//! Filters, order and pages of data set lists.

use crate::error::Error;
use crate::listing::{Filter, compare, member};
use model::Timestamp;
use serde_json::Value as Json;
use std::cmp::Ordering;

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

/// The query of a list.
pub(super) struct Query {
    filters: Vec<Filter>,
    tags: Vec<String>,
    order: Vec<String>,
    descending: bool,
    properties: Option<Vec<String>>,
    start: usize,
    limit: usize,
}

impl Query {
    /// Reads query parameters; unknown ones are refused.
    pub(super) fn parse(parameters: &[(String, String)]) -> Result<Query, Error> {
        let mut query = Query {
            filters: Vec::new(),
            tags: Vec::new(),
            order: vec!["created".into()],
            descending: false,
            properties: None,
            start: 0,
            limit: LIMIT_DEFAULT,
        };
        for (key, value) in parameters {
            query.read(key, value)?;
        }
        Ok(query)
    }

    /// One page of data sets, keyed by id.
    pub(super) fn page(&self, mut found: Vec<(String, Json)>) -> Json {
        found.retain(|(_, d)| self.filters.iter().all(|f| f.accepts(d)) && self.tags.iter().all(|t| has_tag(d, t)));
        found.sort_by(|(a_id, a), (b_id, b)| {
            let fields = self.order.iter().map(|name| compare(member(a, name), member(b, name)));
            let order = fields.fold(Ordering::Equal, Ordering::then);
            (if self.descending { order.reverse() } else { order }).then_with(|| a_id.cmp(b_id))
        });
        let page = found.into_iter().skip(self.start).take(self.limit);
        Json::Object(page.map(|(id, d)| (id, project(d, self.properties.as_deref()))).collect())
    }

    fn read(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let refuse = |rule: &str| Error::catalog(400, format!("{key}: {rule}, is {value}"));
        let filter = |text: &str| Filter::parse(text).map_err(|e| Error::catalog(400, e.detail));
        match key {
            "limit" => {
                self.limit = value
                    .parse()
                    .ok()
                    .filter(|l| (1..=LIMIT_MAX).contains(l))
                    .ok_or_else(|| refuse("must be 1 to 100"))?;
            }
            "start" => self.start = value.parse().map_err(|_| refuse("must be a count of data sets to pass over"))?,
            "orderBy" | "orderby" | "sort" => {
                let (direction, fields) = value.split_once(':').unwrap_or(("asc", value));
                self.descending = match direction {
                    "asc" => false,
                    "desc" => true,
                    _ => return Err(refuse("must be asc:FIELDS or desc:FIELDS")),
                };
                self.order = names(fields);
            }
            "property" => self.filters.extend(Filter::parse_all(value).map_err(|e| Error::catalog(400, e.detail))?),
            "properties" => self.properties = Some(names(value)),
            "tags" => self.tags.extend(names(value)),
            "createdAfter" => self
                .filters
                .push(filter(&format!("created>{}", instant(value).ok_or_else(|| refuse("must be an instant"))?))?),
            "createdBefore" => self
                .filters
                .push(filter(&format!("created<{}", instant(value).ok_or_else(|| refuse("must be an instant"))?))?),
            "version"
            | "created"
            | "updated"
            | "createdClient"
            | "createdUser"
            | "updatedUser"
            | "name"
            | "description"
            | "enableErrorDiagnostics" => {
                let operator = if value.starts_with('~') { "" } else { "==" };
                self.filters.push(filter(&format!("{key}{operator}{value}"))?);
            }
            _ => return Err(Error::catalog(400, format!("{key} is no query parameter of this list"))),
        }
        Ok(())
    }
}

/// Milliseconds, or a date-time.
fn instant(value: &str) -> Option<i64> {
    value.parse().ok().or_else(|| Timestamp::parse_date_or_time(value).map(|t| t.0))
}

/// The parts of a comma list.
pub(super) fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

/// `NAME` or `NAME:VALUE`.
fn has_tag(data_set: &Json, wanted: &str) -> bool {
    let Some(tags) = data_set.get("tags") else { return false };
    let has =
        |name: &str, value: &str| tags.get(name).and_then(Json::as_array).is_some_and(|v| v.iter().any(|v| v == value));
    tags.get(wanted).is_some() || wanted.match_indices(':').any(|(at, _)| has(&wanted[..at], &wanted[at + 1..]))
}

/// Only the named members, or all.
pub(super) fn project(data_set: Json, shown: Option<&[String]>) -> Json {
    let (Some(shown), Json::Object(mut members)) = (shown, data_set.clone()) else { return data_set };
    members.retain(|key, _| shown.iter().any(|s| s == key));
    Json::Object(members)
}
