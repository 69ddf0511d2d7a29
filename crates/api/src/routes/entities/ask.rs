//! What a request for entities asks: read strictly from query parameters or a JSON body.
//!
//! A parameter or member that is not understood is refused by name. `limit`, `orderby` and the time
//! range are checked everywhere and concern events only, as documented.

use super::Refusal;
use super::events::{Cursor, EventQuery};
use super::values::{
    EVENT, PROFILE, body_fields, cursor, descending, filters, limit, member_text, no_computed_attributes, paths,
    subject, time,
};
use model::NamespaceId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use std::fmt;

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
