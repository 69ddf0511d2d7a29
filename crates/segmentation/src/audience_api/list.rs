//! `GET /audiences`: filters, order, pages.

use super::shown_doc;
use crate::Parameters;
use crate::error::Error;
use crate::merge_policies::PROFILE_CLASS;
use crate::page::Query;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::cmp::Ordering;
use std::sync::Arc;

const PATH: &str = "@/audiences";
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 1000;
const FIELDS: [&str; 6] = ["name", "id", "audienceId", "creationTime", "updateTime", "updateEpoch"];

/// One page: `{"children":[…],"_page":{…},"_links":{"next"?}}`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let known = ["start", "limit", "sort", "property", "name", "description", "entityType"];
    let query = Query::of(parameters, &known)?;
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let start = query.number("start", 0, usize::MAX)?.unwrap_or(0);
    let (field, descending) = order(query.one("sort")?)?;
    let filters = query.all("property").map(Property::parse).collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<&Arc<Doc>> = match query.one("entityType")? {
        None | Some(PROFILE_CLASS) => all(docs, caller).collect(),
        // There are no audiences of accounts or of anything else.
        Some(_) => Vec::new(),
    };
    for member in ["name", "description"] {
        if let Some(part) = query.one(member)?.map(str::to_lowercase) {
            found.retain(|doc| doc.body[member].as_str().is_some_and(|text| text.to_lowercase().contains(&part)));
        }
    }
    if !filters.is_empty() {
        found.retain(|doc| {
            let shown = shown_doc(docs, caller, doc);
            filters.iter().all(|filter| filter.holds(&shown))
        });
    }
    found.sort_by(|a, b| {
        let by = compare(field, a, b);
        if descending { by.reverse() } else { by }.then(a.no.cmp(&b.no))
    });
    let children: Vec<Json> = found.iter().skip(start).take(limit).map(|doc| shown_doc(docs, caller, doc)).collect();
    let end = start.saturating_add(limit);
    let mut page = json!({
        "totalCount": found.len(),
        "totalPages": found.len().div_ceil(limit),
        "sortField": field,
        "sort": if descending { "desc" } else { "asc" },
        "pageSize": children.len(),
        "limit": limit,
        "start": start,
    });
    let mut links = json!({});
    if end < found.len() {
        page["next"] = end.into();
        links["next"] = json!({ "href": query.next(PATH, end, limit) });
    }
    Ok(json!({ "children": children, "_page": page, "_links": links }))
}

/// Definitions, and external audiences.
fn all<'a>(docs: &'a DocSet, caller: &Caller<'_>) -> impl Iterator<Item = &'a Arc<Doc>> + use<'a> {
    let sandbox = caller.sandbox;
    docs.iter(sandbox, Collection::Audience).chain(docs.iter(sandbox, Collection::ExternalAudience))
}

/// `FIELD:asc` or `FIELD:desc`; the newest first without it.
fn order(sort: Option<&str>) -> Result<(&'static str, bool), Error> {
    let Some(text) = sort else { return Ok(("creationTime", true)) };
    let (name, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let field = FIELDS.into_iter().find(|field| *field == name);
    match (field, direction) {
        (Some(field), "asc") => Ok((field, false)),
        (Some(field), "desc") => Ok((field, true)),
        _ => {
            let rule = format!("must be FIELD:asc or FIELD:desc, FIELD of {}, is `{text}`", FIELDS.join(", "));
            Err(Error::field("sort", rule))
        }
    }
}

fn compare(field: &str, a: &Doc, b: &Doc) -> Ordering {
    match field {
        "name" => a.body["name"].as_str().cmp(&b.body["name"].as_str()),
        "id" | "audienceId" => a.id.cmp(&b.id),
        "creationTime" => a.created_at.cmp(&b.created_at),
        _ => a.updated_at.cmp(&b.updated_at),
    }
}

/// What a filter may begin with: the members that are shown.
const MEMBERS: [&str; 33] = [
    "id",
    "audienceId",
    "schema",
    "profileInstanceId",
    "name",
    "description",
    "expression",
    "mergePolicyId",
    "evaluationInfo",
    "payloadSchema",
    "dataGovernancePolicy",
    "ttlInDays",
    "type",
    "originName",
    "namespace",
    "audienceType",
    "fields",
    "sourceSpec",
    "overridePerformanceWarnings",
    "imsOrgId",
    "sandbox",
    "isSystem",
    "lifecycleState",
    "labels",
    "dependents",
    "dependencies",
    "createdBy",
    "creationTime",
    "createEpoch",
    "updateTime",
    "updateEpoch",
    "definedOn",
    "_etag",
];
/// Words of one meaning (profile.md §13).
const EXTERNAL_TYPES: [&str; 2] = [crate::external::TYPE, "ExternalAudience"];

/// `property=MEMBER==VALUE` or `MEMBER!=VALUE`; dots lead into objects.
struct Property<'a> {
    path: &'a str,
    value: &'a str,
    equal: bool,
}

impl<'a> Property<'a> {
    fn parse(text: &'a str) -> Result<Property<'a>, Error> {
        // The published example repeats the parameter's own name in its value.
        let bare = text.strip_prefix("property=").unwrap_or(text);
        let parts = bare.split_once("==").map(|parts| (parts, true));
        match parts.or_else(|| bare.split_once("!=").map(|parts| (parts, false))) {
            Some(((path, _), _)) if !MEMBERS.contains(&path.split('.').next().unwrap_or_default()) => {
                let rule = format!("`{path}` is no member of an audience: {} are", MEMBERS.join(", "));
                Err(Error::field("property", rule))
            }
            Some((("type", value), equal)) if EXTERNAL_TYPES.contains(&value) => {
                Ok(Property { path: "type", value: EXTERNAL_TYPES[0], equal })
            }
            Some(((path, value), equal)) => Ok(Property { path, value, equal }),
            None => Err(Error::field("property", format_args!("must be MEMBER==VALUE or MEMBER!=VALUE, is `{text}`"))),
        }
    }

    fn holds(&self, shown: &Json) -> bool {
        let value = self.path.split('.').fold(shown, |at, name| &at[name]);
        let equal = match value {
            Json::String(text) => text == self.value,
            Json::Array(items) => items.iter().any(|item| item == self.value),
            Json::Null => false,
            other => self.value == other.to_string().as_str(),
        };
        equal == self.equal
    }
}
