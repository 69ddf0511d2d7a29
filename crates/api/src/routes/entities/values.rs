//! Single values of a request for entities: each is read strictly, and its refusal names it.

use super::Refusal;
use super::ask::Subject;
use super::events::{Cursor, Filter};
use serde_json::Value as Json;

pub(super) const PROFILE: &str = "_xdm.context.profile";
pub(super) const EVENT: &str = "_xdm.context.experienceevent";
/// Property filters per request.
const FILTERS_MAX: usize = 3;

pub(super) fn subject(
    schema: Option<&str>,
    at: &str,
    related: Option<&str>,
    related_at: &str,
) -> Result<Subject, Refusal> {
    match (schema, related) {
        (None, _) => Err(Refusal::invalid(format!("{at}: is missing"))),
        (Some(PROFILE), None | Some(PROFILE)) => Ok(Subject::Profile),
        (Some(EVENT), Some(PROFILE)) => Ok(Subject::Events),
        (Some(EVENT), None) => Err(Refusal::invalid(format!("{related_at}: is missing; events need {PROFILE}"))),
        (Some(PROFILE | EVENT), Some(other)) => {
            Err(Refusal::invalid(format!("{related_at}: {other:?} is not served; only {PROFILE} is")))
        }
        (Some(other), _) => {
            Err(Refusal::invalid(format!("{at}: {other:?} is not served yet; {PROFILE} and {EVENT} are")))
        }
    }
}

pub(super) fn no_computed_attributes(with: Option<&Json>) -> Result<(), Refusal> {
    let text = |t: &str| Some(t.eq_ignore_ascii_case("true")).filter(|yes| *yes || t.eq_ignore_ascii_case("false"));
    match with {
        None => Ok(()),
        Some(value) => match value.as_bool().or_else(|| value.as_str().and_then(text)) {
            Some(false) => Ok(()),
            Some(true) => Err(Refusal::invalid("withCA: computed attributes are not served yet")),
            None => Err(Refusal::invalid(format!("withCA: must be true or false, is {value}"))),
        },
    }
}

pub(super) fn member_text<'a>(object: &'a Json, name: &str, at: &str) -> Result<Option<&'a str>, Refusal> {
    match &object[name] {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        other => Err(Refusal::invalid(format!("{at}: must be a string, is {other}"))),
    }
}

pub(super) fn paths(list: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let path = |text: &str| {
        let names: Vec<String> = text.trim().split('.').map(str::to_owned).collect();
        match names.iter().any(String::is_empty) {
            true => Err(Refusal::invalid(format!("fields: {text:?} is not a dotted path"))),
            false => Ok(names),
        }
    };
    list.split(',').map(path).collect()
}

pub(super) fn body_fields(fields: &Json) -> Result<Vec<Vec<String>>, Refusal> {
    let wrong = || Refusal::invalid(format!("fields: must be an array of dotted paths, is {fields}"));
    match fields {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => {
            let paths_of = |item: &Json| item.as_str().ok_or_else(wrong).and_then(paths);
            items.iter().map(paths_of).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
        }
        _ => Err(wrong()),
    }
}

pub(super) fn time(name: &str, given: Option<&Json>) -> Result<Option<i64>, Refusal> {
    let whole = |n: f64| Some(n).filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
    match given {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().and_then(whole))
            .map(Some)
            .ok_or_else(|| Refusal::invalid(format!("{name}: must be whole milliseconds since 1970, is {value}"))),
    }
}

pub(super) fn limit(given: Option<&Json>) -> Result<usize, Refusal> {
    let wrong = || Refusal::invalid("limit: must be a whole number from 1");
    match time("limit", given).map_err(|_| wrong())? {
        None => Ok(1000),
        Some(n) => usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(wrong),
    }
}

/// A `+` in a query may arrive as a blank.
pub(super) fn descending(orderby: Option<&str>) -> Result<bool, Refusal> {
    match orderby {
        None | Some("timestamp" | "+timestamp" | " timestamp") => Ok(false),
        Some("-timestamp") => Ok(true),
        Some(other) => Err(Refusal::invalid(format!("orderby: must be timestamp or -timestamp, is {other:?}"))),
    }
}

pub(super) fn filters<'a>(given: impl Iterator<Item = &'a str>) -> Result<Vec<Filter>, Refusal> {
    let parse = |text: &str| {
        let wrong = || Refusal::invalid(format!("property: must be `path operator value`, is {text:?}"));
        Filter::parse(text).ok_or_else(wrong)
    };
    let filters = given.map(parse).collect::<Result<Vec<_>, _>>()?;
    match filters.len() > FILTERS_MAX {
        true => Err(Refusal::invalid(format!("property: at most {FILTERS_MAX} filters, {} were given", filters.len()))),
        false => Ok(filters),
    }
}

pub(super) fn cursor(text: &str) -> Result<Cursor, Refusal> {
    Cursor::parse(text).ok_or_else(|| Refusal::invalid(format!("start: {text:?} is not a place that an answer named")))
}
