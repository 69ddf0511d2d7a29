//! What a request for entities asks: read strictly from query parameters or a JSON body.
//!
//! A parameter or member that is not understood is refused by name. `limit`, `orderby` and the time
//! range are checked everywhere and concern events only, as documented.

use super::Refusal;
use super::events::{Cursor, EventQuery, Filter};
use model::NamespaceId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use std::fmt;

const PROFILE: &str = "_xdm.context.profile";
const EVENT: &str = "_xdm.context.experienceevent";
/// Property filters per request.
const FILTERS_MAX: usize = 3;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Profile,
    Events,
}

/// How to answer, whoever is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    pub(super) subject: Subject,
    pub(super) policy: Option<String>,
    /// Paths to show; empty for all.
    pub(super) fields: Vec<Vec<String>>,
    pub(super) events: EventQuery,
}

/// An identity, or an XID when no namespace is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) namespace: Option<NamespaceName>,
}

/// How a namespace is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NamespaceName {
    Code(String),
    Id(NamespaceId),
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NamespaceName::Code(code) => write!(f, "{code:?}"),
            NamespaceName::Id(id) => write!(f, "{id}"),
        }
    }
}

/// One identity of a body.
pub(super) struct Asked {
    /// The identity as it came.
    pub(super) shown_identity: Json,
    /// Its id as text, for errors.
    pub(super) shown: String,
    pub(super) named: Result<Named, Refusal>,
    /// Where its page of events starts.
    pub(super) after: Option<Cursor>,
}

impl Ask {
    /// The same, from this place on.
    pub(super) fn at(&self, after: Option<Cursor>) -> Ask {
        let mut ask = self.clone();
        ask.events.after = after;
        ask
    }
}

/// Query parameters, found without regard to case (`orderby`, `orderBy`).
struct Parameters<'a>(&'a [(String, String)]);

impl<'a> Parameters<'a> {
    fn of(parameters: &'a [(String, String)], known: &[&str]) -> Result<Parameters<'a>, Refusal> {
        match parameters.iter().find(|(name, _)| !known.iter().any(|k| k.eq_ignore_ascii_case(name))) {
            Some((name, _)) => Err(Refusal::invalid(format!("{name}: is not a supported query parameter"))),
            None => Ok(Parameters(parameters)),
        }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(n, v)| n.eq_ignore_ascii_case(name) && !v.is_empty());
        found.map(|(_, v)| v.as_str()).collect::<Vec<_>>().into_iter()
    }

    fn one(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::invalid(format!("{name}: is given more than once"))),
            (first, None) => Ok(first),
        }
    }

    fn number(&self, name: &str) -> Result<Option<Json>, Refusal> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse::<i64>().map(Json::from).ok();
        let number = number.or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Json::from));
        number.map(Some).ok_or_else(|| Refusal::invalid(format!("{name}: must be a number, is {text:?}")))
    }
}

/// A GET: how to answer, and whom.
pub(super) fn of_query(parameters: &[(String, String)]) -> Result<(Ask, Named), Refusal> {
    let known = [
        "schema.name",
        "relatedSchema.name",
        "entityId",
        "entityIdNS",
        "relatedEntityId",
        "relatedEntityIdNS",
        "fields",
        "mergePolicyId",
        "startTime",
        "endTime",
        "limit",
        "orderby",
        "property",
        "withCA",
        "start",
    ];
    let q = Parameters::of(parameters, &known)?;
    let subject = subject(q.one("schema.name")?, "schema.name", q.one("relatedSchema.name")?, "relatedSchema.name")?;
    no_computed_attributes(q.one("withCA")?.map(Json::from).as_ref())?;
    let mut ask = Ask {
        subject,
        policy: q.one("mergePolicyId")?.map(str::to_owned),
        fields: q.one("fields")?.map(paths).transpose()?.unwrap_or_default(),
        events: EventQuery {
            from: time("startTime", q.number("startTime")?.as_ref())?,
            to: time("endTime", q.number("endTime")?.as_ref())?,
            limit: limit(q.number("limit")?.as_ref())?,
            descending: descending(q.one("orderby")?)?,
            filters: filters(q.all("property"))?,
            after: q.one("start")?.map(cursor).transpose()?,
            id: None,
        },
    };
    let (id, namespace) = match subject {
        Subject::Profile => {
            if !ask.events.filters.is_empty() {
                return Err(Refusal::invalid(format!("property: filters events only; schema.name is {PROFILE}")));
            }
            if q.one("relatedEntityId")?.is_some() || q.one("relatedEntityIdNS")?.is_some() {
                return Err(Refusal::invalid(format!("relatedEntityId: needs schema.name={EVENT}")));
            }
            ("entityId", "entityIdNS")
        }
        Subject::Events => {
            ask.events.id = event_id(&q)?;
            ("relatedEntityId", "relatedEntityIdNS")
        }
    };
    let named = Named {
        id: q.one(id)?.ok_or_else(|| Refusal::invalid(format!("{id}: is missing")))?.to_owned(),
        namespace: q.one(namespace)?.map(|code| NamespaceName::Code(code.to_owned())),
    };
    Ok((ask, named))
}

/// The one event that `entityId` names. Clients also repeat the profile there; that narrows nothing.
fn event_id(q: &Parameters<'_>) -> Result<Option<String>, Refusal> {
    let (event, related) = (q.one("entityId")?, q.one("relatedEntityId")?);
    if event == related && q.one("entityIdNS")? == q.one("relatedEntityIdNS")? {
        return Ok(None);
    }
    match q.one("entityIdNS")? {
        Some(_) => Err(Refusal::invalid("entityIdNS: an event has no namespace; its profile is relatedEntityId")),
        None => Ok(event.map(str::to_owned)),
    }
}

/// A DELETE: under which policy, and whom.
pub(super) fn of_deletion(parameters: &[(String, String)]) -> Result<(Ask, Named), Refusal> {
    Parameters::of(parameters, &["schema.name", "entityId", "entityIdNS", "mergePolicyId"])?;
    match of_query(parameters)? {
        (Ask { subject: Subject::Events, .. }, _) => {
            Err(Refusal::invalid(format!("schema.name: only {PROFILE} can be deleted")))
        }
        asked => Ok(asked),
    }
}

/// A POST: how to answer, and whom.
pub(super) fn of_body(body: &Json) -> Result<(Ask, Vec<Asked>), Refusal> {
    let members = body.as_object().ok_or_else(|| Refusal::invalid("the body must be an object"))?;
    let known =
        ["schema", "relatedSchema", "fields", "identities", "timeFilter", "limit", "mergePolicyId", "withCA", "start"];
    for name in members.keys() {
        if !known.contains(&name.as_str()) && !name.eq_ignore_ascii_case("orderby") {
            return Err(Refusal::invalid(format!("{name}: is not a supported member")));
        }
    }
    let schema = member_text(&body["schema"], "name", "schema.name")?;
    let related = member_text(&body["relatedSchema"], "name", "relatedSchema.name")?;
    let subject = subject(schema, "schema.name", related, "relatedSchema.name")?;
    no_computed_attributes(members.get("withCA"))?;
    let orderby = ["orderBy", "orderby"].into_iter().find_map(|name| members.get(name));
    let orderby = match orderby {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.as_str()),
        Some(other) => return Err(Refusal::invalid(format!("orderby: must be a string, is {other}"))),
    };
    let after = member_text(body, "start", "start")?.filter(|s| !s.is_empty()).map(cursor).transpose()?;
    let ask = Ask {
        subject,
        policy: member_text(body, "mergePolicyId", "mergePolicyId")?.map(str::to_owned),
        fields: body_fields(&body["fields"])?,
        events: EventQuery {
            from: time("timeFilter.startTime", body["timeFilter"].get("startTime"))?,
            to: time("timeFilter.endTime", body["timeFilter"].get("endTime"))?,
            limit: limit(members.get("limit"))?,
            descending: descending(orderby)?,
            filters: Vec::new(),
            after: after.clone(),
            id: None,
        },
    };
    let identities = body["identities"]
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| Refusal::invalid("identities: must be an array of at least one identity"))?;
    Ok((ask, identities.iter().map(|identity| asked(identity, subject, after.as_ref())).collect()))
}

fn asked(identity: &Json, subject: Subject, after: Option<&Cursor>) -> Asked {
    let (id, namespace) = match subject {
        Subject::Profile => ("entityId", "entityIdNS"),
        Subject::Events => ("relatedEntityId", "relatedEntityIdNS"),
    };
    let own = identity["start"].as_str().filter(|s| !s.is_empty()).map(cursor).transpose();
    let (own, refusal) = match own {
        Ok(own) => (own, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let named = refusal.map_or_else(|| named(identity, id, namespace), Err);
    let shown = match &identity[id] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    Asked { shown_identity: identity.clone(), shown, named, after: own.or_else(|| after.cloned()) }
}

fn named(identity: &Json, id: &str, namespace: &str) -> Result<Named, Refusal> {
    let members = identity.as_object().ok_or_else(|| Refusal::invalid("identities: an item must be an object"))?;
    if let Some(name) = members.keys().find(|n| ![id, namespace, "start"].contains(&n.as_str())) {
        return Err(Refusal::invalid(format!("identities.{name}: is not a supported member here")));
    }
    let text = match &identity[id] {
        Json::String(text) if !text.is_empty() => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => return Err(Refusal::invalid(format!("{id}: is missing"))),
    };
    let given = &identity[namespace];
    let by_code = given["code"].as_str().map(|code| NamespaceName::Code(code.to_owned()));
    let number = given["id"].as_u64().or_else(|| given["id"].as_str().and_then(|t| t.parse().ok()));
    let by_id = number.and_then(|n| u32::try_from(n).ok()).map(|n| NamespaceName::Id(NamespaceId(n)));
    let namespace = match (given, by_code.or(by_id)) {
        (Json::Null, _) => None,
        (_, Some(name)) => Some(name),
        _ => return Err(Refusal::invalid(format!("{namespace}: must hold `code` or `id`, is {given}"))),
    };
    Ok(Named { id: text, namespace })
}

/// The address of the next page of a GET.
pub(super) fn next_address(parameters: &[(String, String)], start: &str) -> String {
    let mut address = format!("/entities?start={start}");
    for (name, value) in parameters.iter().filter(|(name, _)| name != "start") {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        address.push_str(&format!("&{name}={value}"));
    }
    address
}

/// The body of the next page of one identity of a POST.
pub(super) fn next_payload(body: &Json, identity: &Json, start: &str) -> Json {
    let mut payload = body.clone();
    let mut identity = identity.clone();
    identity["start"] = start.into();
    payload["identities"] = json!([identity]);
    payload
}

fn subject(schema: Option<&str>, at: &str, related: Option<&str>, related_at: &str) -> Result<Subject, Refusal> {
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

fn no_computed_attributes(with: Option<&Json>) -> Result<(), Refusal> {
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

fn member_text<'a>(object: &'a Json, name: &str, at: &str) -> Result<Option<&'a str>, Refusal> {
    match &object[name] {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        other => Err(Refusal::invalid(format!("{at}: must be a string, is {other}"))),
    }
}

fn paths(list: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let path = |text: &str| {
        let names: Vec<String> = text.trim().split('.').map(str::to_owned).collect();
        match names.iter().any(String::is_empty) {
            true => Err(Refusal::invalid(format!("fields: {text:?} is not a dotted path"))),
            false => Ok(names),
        }
    };
    list.split(',').map(path).collect()
}

fn body_fields(fields: &Json) -> Result<Vec<Vec<String>>, Refusal> {
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

fn time(name: &str, given: Option<&Json>) -> Result<Option<i64>, Refusal> {
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

fn limit(given: Option<&Json>) -> Result<usize, Refusal> {
    let wrong = || Refusal::invalid("limit: must be a whole number from 1");
    match time("limit", given).map_err(|_| wrong())? {
        None => Ok(1000),
        Some(n) => usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(wrong),
    }
}

/// A `+` in a query may arrive as a blank.
fn descending(orderby: Option<&str>) -> Result<bool, Refusal> {
    match orderby {
        None | Some("timestamp" | "+timestamp" | " timestamp") => Ok(false),
        Some("-timestamp") => Ok(true),
        Some(other) => Err(Refusal::invalid(format!("orderby: must be timestamp or -timestamp, is {other:?}"))),
    }
}

fn filters<'a>(given: impl Iterator<Item = &'a str>) -> Result<Vec<Filter>, Refusal> {
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

fn cursor(text: &str) -> Result<Cursor, Refusal> {
    Cursor::parse(text).ok_or_else(|| Refusal::invalid(format!("start: {text:?} is not a place that an answer named")))
}
