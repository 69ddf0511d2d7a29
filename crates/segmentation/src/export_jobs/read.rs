//! Checks the body of an export job, and reads a stored one.

use crate::definitions::read::{check_schema, policy};
use crate::error::Error;
use crate::fields::{Fields, shown};
use crate::merge_policies::PROFILE_CLASS;
use model::{Caller, Collection, DocSet, SmolStr, Timestamp};
use serde_json::{Value as Json, json};

const STATUSES: [&str; 3] = ["realized", "existing", "exited"];
/// The schema of the data sets that exports are written to.
const UNION: &str = "https://ns.adobe.com/xdm/context/profile__union";
/// What profiles hold beside their attributes.
const OF_THE_SERVICE: [&str; 3] = ["identityMap", "segmentMembership", "identities"];

/// What the exporter must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Dotted paths of the fields; empty for all.
    pub fields: Vec<Vec<SmolStr>>,
    /// The merge policy.
    pub merge_policy: SmolStr,
    /// The audiences; empty for every profile.
    pub segments: Vec<Wanted>,
    /// Only memberships that came to be in this time, in milliseconds.
    pub qualified: (i64, i64),
    /// Only profiles that changed from this instant on.
    pub changed_from: Option<Timestamp>,
    /// Also profiles without attributes.
    pub empty_profiles: bool,
    /// Events to go with each profile.
    pub events: Option<Events>,
    /// The data set.
    pub dataset: SmolStr,
    /// One batch for each audience.
    pub segment_per_batch: bool,
}

/// One audience of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: SmolStr,
    /// Which members.
    pub statuses: Vec<SmolStr>,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Dotted paths of their fields; empty for all.
    pub fields: Vec<Vec<SmolStr>>,
}

impl Plan {
    pub(super) fn of(body: &Json) -> Plan {
        let text = |value: &Json| SmolStr::new(value.as_str().unwrap_or_default());
        let filter = &body["filter"];
        let time = |value: &Json| value.as_str().and_then(instant);
        let wanted = |segment: &Json| Wanted {
            id: text(&segment["segmentId"]),
            statuses: segment["status"].as_array().into_iter().flatten().map(text).collect(),
        };
        let range = &filter["segmentQualificationTime"];
        Plan {
            fields: paths(body["fields"].as_str()),
            merge_policy: text(&body["mergePolicy"]["id"]),
            segments: filter["segments"].as_array().into_iter().flatten().map(wanted).collect(),
            qualified: (
                time(&range["startTime"]).map_or(i64::MIN, |t| t.0),
                time(&range["endTime"]).map_or(i64::MAX, |t| t.0),
            ),
            changed_from: time(&filter["fromIngestTimestamp"]),
            empty_profiles: filter["emptyProfiles"] == true,
            events: body
                .get("additionalFields")
                .map(|more| Events { fields: paths(more["eventList"]["fields"].as_str()) }),
            dataset: text(&body["destination"]["datasetId"]),
            segment_per_batch: body["destination"]["segmentPerBatch"] == true,
        }
    }
}

/// Dotted paths of a list with commas; `.*` at an end stands for everything below.
fn paths(list: Option<&str>) -> Vec<Vec<SmolStr>> {
    let list = list.unwrap_or_default().split(',').map(str::trim).filter(|path| !path.is_empty());
    list.map(|path| path.strip_suffix(".*").unwrap_or(path).split('.').map(SmolStr::new).collect()).collect()
}

/// A date-time; a blank may stand for the `T`.
fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&text.replacen(' ', "T", 1)))
}

/// The document of an accepted job.
pub(super) fn document(docs: &DocSet, caller: &Caller<'_>, schema: &pql::Schema, body: &Json) -> Result<Json, Error> {
    let fields = Fields::of_body(body)?;
    fields.only(&["fields", "mergePolicy", "filter", "additionalFields", "destination", "schema"])?;
    check_schema(&fields)?;
    let mut document = json!({ "jobType": "BATCH" });
    if let Some(list) = fields.text("fields")? {
        check_paths("fields", list, &|path| known(schema, path))?;
        document["fields"] = list.into();
    }
    document["mergePolicy"] = merge_policy(docs, caller, &fields)?;
    document["filter"] = filter(docs, caller, &fields)?;
    if let Some(more) = fields.object("additionalFields", "additionalFields.", &["eventList"])? {
        document["additionalFields"] = events(schema, &more)?;
    }
    document["destination"] = destination(docs, caller, &fields)?;
    if document["destination"]["segmentPerBatch"] == true && document["filter"]["segments"].is_null() {
        return Err(Error::field("destination.segmentPerBatch", "needs filter.segments: each of them gets a batch"));
    }
    document["schema"] = json!({ "name": PROFILE_CLASS });
    Ok(document)
}

fn known(schema: &pql::Schema, path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    OF_THE_SERVICE.contains(&first) || schema.profile.at(path).is_some()
}

fn check_paths(field: &str, list: &str, is_known: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    for path in list.split(',').map(str::trim) {
        let bare = path.strip_suffix(".*").unwrap_or(path);
        if bare.is_empty() || bare.split('.').any(|name| name.is_empty() || name.contains('*')) {
            let rule = format!("must be paths such as `person.name.*` with commas between them, one is `{path}`");
            return Err(Error::field(field, rule));
        }
        if !is_known(bare) {
            return Err(Error::field(field, format_args!("the union schema has no field `{bare}`")));
        }
    }
    Ok(())
}

fn merge_policy(docs: &DocSet, caller: &Caller<'_>, fields: &Fields<'_>) -> Result<Json, Error> {
    let given = fields.object("mergePolicy", "mergePolicy.", &["id", "version"])?;
    let id = match &given {
        Some(given) => json!({ "mergePolicyId": given.required_text("id")? }),
        None => json!({}),
    };
    let found = policy(docs, caller.sandbox, &Fields::of_body(&id)?).map_err(|error| match given {
        Some(_) => Error::field("mergePolicy.id", error.to_string().trim_start_matches("mergePolicyId: ")),
        None => Error::field("mergePolicy", error.to_string().trim_start_matches("mergePolicyId: ")),
    })?;
    let stored = docs.get(caller.sandbox, Collection::MergePolicy, &found.id);
    let version = stored.and_then(|doc| doc.body["version"].as_u64()).unwrap_or(1);
    if let Some(other) = given.and_then(|given| given.get("version"))
        && other.as_f64() != Some(version as f64)
    {
        let rule = format!("must be {version}, the version that the merge policy has, is {}", shown(other));
        return Err(Error::field("mergePolicy.version", rule));
    }
    Ok(json!({ "id": found.id.as_str(), "version": version }))
}

fn filter(docs: &DocSet, caller: &Caller<'_>, fields: &Fields<'_>) -> Result<Json, Error> {
    let known = ["segments", "segmentQualificationTime", "fromIngestTimestamp", "emptyProfiles"];
    let Some(filter) = fields.object("filter", "filter.", &known)? else { return Ok(json!({})) };
    let mut stored = json!({});
    if let Some(segments) = filter.array("segments")?.filter(|segments| !segments.is_empty()) {
        stored["segments"] = wanted(docs, caller, segments)?;
    }
    const RANGE: &str = "segmentQualificationTime";
    if let Some(range) = filter.object(RANGE, "filter.segmentQualificationTime.", &["startTime", "endTime"])? {
        let (start, end) = (time(&range, "startTime")?, time(&range, "endTime")?);
        if stored["segments"].is_null() {
            return Err(Error::field(filter.path(RANGE), "needs filter.segments: the memberships whose time it is"));
        }
        if let (Some((_, start)), Some((_, end))) = (&start, &end)
            && end < start
        {
            return Err(Error::field(range.path("endTime"), "lies before startTime"));
        }
        let text = |time: Option<(Json, Timestamp)>| time.map_or(Json::Null, |(text, _)| text);
        stored[RANGE] = json!({ "startTime": text(start), "endTime": text(end) });
        if let Some(members) = stored[RANGE].as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
    }
    if let Some((text, _)) = time(&filter, "fromIngestTimestamp")? {
        stored["fromIngestTimestamp"] = text;
    }
    stored["emptyProfiles"] = filter.flag("emptyProfiles")?.unwrap_or(false).into();
    Ok(stored)
}

fn wanted(docs: &DocSet, caller: &Caller<'_>, segments: &[Json]) -> Result<Json, Error> {
    let mut stored: Vec<Json> = Vec::new();
    for (i, item) in segments.iter().enumerate() {
        let at = |error: Error| error.within(&format!("filter.segments[{i}]."));
        let fields = Fields::of_body(item).map_err(at)?;
        fields.only(&["segmentId", "segmentNs", "status"]).map_err(at)?;
        let id = fields.required_text("segmentId").map_err(at)?;
        let external = docs.get(caller.sandbox, Collection::ExternalAudience, id).is_some();
        if !external && docs.get(caller.sandbox, Collection::Audience, id).is_none() {
            return Err(at(Error::field("segmentId", format_args!("there is no audience `{id}`"))));
        }
        if stored.iter().any(|other| other["segmentId"] == id) {
            return Err(at(Error::field("segmentId", format_args!("`{id}` is given twice"))));
        }
        let namespace = if external { crate::external::NAMESPACE } else { "ups" };
        let given = fields.text("segmentNs").map_err(at)?.unwrap_or(namespace);
        if !given.eq_ignore_ascii_case(namespace) {
            let rule = format!("memberships of this audience are in `{namespace}`, `{given}` was given");
            return Err(at(Error::field("segmentNs", rule)));
        }
        let statuses = match fields.array("status").map_err(at)? {
            None => vec!["realized", "existing"],
            Some(list) => list.iter().map(status).collect::<Result<_, _>>().map_err(at)?,
        };
        if statuses.is_empty() {
            return Err(at(Error::field("status", "must have at least one status")));
        }
        stored.push(json!({ "segmentId": id, "segmentNs": namespace, "status": statuses }));
    }
    Ok(stored.into())
}

fn status(value: &Json) -> Result<&str, Error> {
    let known = value.as_str().filter(|status| STATUSES.contains(status));
    known.ok_or_else(|| {
        Error::field("status", format_args!("must hold {}, holds {}", STATUSES.join(", "), shown(value)))
    })
}

/// A date-time as it was given, and what it means.
fn time(fields: &Fields<'_>, name: &str) -> Result<Option<(Json, Timestamp)>, Error> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    match instant(text) {
        Some(at) => Ok(Some((text.into(), at))),
        None => Err(Error::field(fields.path(name), format_args!("must be a date-time of RFC 3339, is `{text}`"))),
    }
}

fn events(schema: &pql::Schema, more: &Fields<'_>) -> Result<Json, Error> {
    let list = more.required_object("eventList", "additionalFields.eventList.", &["fields", "filter"])?;
    let mut stored = json!({});
    if let Some(text) = list.text("fields")?.filter(|text| !text.trim().is_empty()) {
        let is_known = |path: &str| {
            let first = path.split('.').next().unwrap_or_default();
            matches!(first, "_id" | "timestamp" | "identityMap") || schema.event.at(path).is_some()
        };
        check_paths("additionalFields.eventList.fields", text, &is_known)?;
        stored["fields"] = text.into();
    }
    if let Some(filter) = list.object("filter", "additionalFields.eventList.filter.", &["fromIngestTimestamp"])?
        && filter.get("fromIngestTimestamp").is_some()
    {
        let rule = "is not supported: the time at which an event was received is not kept";
        return Err(Error::field(filter.path("fromIngestTimestamp"), rule));
    }
    Ok(json!({ "eventList": stored }))
}

fn destination(docs: &DocSet, caller: &Caller<'_>, fields: &Fields<'_>) -> Result<Json, Error> {
    let destination = fields.required_object("destination", "destination.", &["datasetId", "segmentPerBatch"])?;
    let id = destination.required_text("datasetId")?;
    let refused = |rule: String| Err(Error::field("destination.datasetId", rule));
    let Some(dataset) = docs.get(caller.sandbox, Collection::Dataset, id) else {
        return refused(format!("there is no data set `{id}`"));
    };
    let schema = dataset.body["schemaRef"]["id"].as_str().unwrap_or_default();
    if schema != UNION {
        return refused(format!("must be a data set of the schema {UNION}; `{id}` has the schema {schema}"));
    }
    let per_batch = destination.flag("segmentPerBatch")?.unwrap_or(false);
    Ok(json!({ "datasetId": id, "segmentPerBatch": per_batch }))
}
