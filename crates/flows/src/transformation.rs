//! The transformation of an audience flow: which audiences, which attributes, which triggers.
//!
//! In: what a client wrote, and the form stored before. Out: the stored form, one
//! `GeneralTransform` with both selector lists, each audience stamped with `createTime` and
//! `updateTime` (epoch seconds as text, ours alone), or what is wrong, naming the field.
//!
//! The HTTP API destination exports every identity and keeps attribute paths, so mapped
//! identities, renamed attributes, mandatory fields and file settings have no effect there and
//! are refused. What an authored destination takes, its rules say (`mapping`). Existence is asked
//! only for what is new, so that a flow whose audience was deleted can still be changed.

use crate::rules::Rules;
use crate::{Lookups, mapping, schema};
use model::Timestamp;
use serde_json::{Map, Value as Json, json};

type Checked<T> = Result<T, String>;

/// The four switches, in the order of [`crate::Triggers`].
pub(crate) const TRIGGERS: [&str; 4] =
    ["attributeChanges", "segmentationChanges", "externalSegmentationChanges", "identityChanges"];

/// Members of a file-based export.
const FILE_ONLY: [&str; 4] = ["exportMode", "schedule", "filenameTemplate", "fileNameTemplate"];

/// Checks and stamps `given`; `before` is the stored form that it replaces, `rules` are those of an
/// authored destination.
pub(crate) fn settle(
    given: &Json,
    before: Option<&Json>,
    rules: Option<&Rules>,
    lookups: &Lookups<'_>,
    now: Timestamp,
) -> Checked<Json> {
    let list = match given {
        Json::Null => &Vec::new(),
        Json::Array(list) => list,
        _ => return Err("transformations must be an array".into()),
    };
    let params = match list.as_slice() {
        [] => json!({}),
        [one] => general_params(one)?,
        _ => return Err("transformations must hold one GeneralTransform".into()),
    };
    let at = "transformations[0].params";
    let known = [
        "segmentSelectors",
        "profileSelectors",
        "mandatoryFields",
        "primaryFields",
        "profileMapping",
        "activationTriggers",
    ];
    let fields = params.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    schema::members(fields, &known, at)?;
    let mut out = Map::new();
    for name in ["mandatoryFields", "primaryFields"] {
        keep_empty(&mut out, &params, name, &json!([]), "applies to file-based destinations only")?;
    }
    keep_empty(
        &mut out,
        &params,
        "profileMapping",
        &json!({}),
        "(mapping sets) is not served yet; use profileSelectors",
    )?;
    let audiences = settle_audiences(selectors(&params, "segmentSelectors")?, before, rules, lookups, now)?;
    let given = selectors(&params, "profileSelectors")?;
    let attributes = match rules {
        Some(rules) => {
            let old = before.map_or(&[][..], |before| stored_selectors(before, "profileSelectors"));
            let settled = mapping::settle(given, old, rules, lookups)?;
            if !audiences.is_empty() {
                mapping::check_complete(&settled, rules)?;
            }
            settled
        }
        None => {
            check_attributes(given, before, lookups)?;
            given.to_vec()
        }
    };
    out.insert("segmentSelectors".into(), json!({ "selectors": audiences }));
    out.insert("profileSelectors".into(), json!({ "selectors": attributes }));
    if let Some(triggers) = triggers(&params["activationTriggers"])? {
        out.insert("activationTriggers".into(), triggers);
    }
    Ok(json!([{ "name": "GeneralTransform", "params": out }]))
}

/// The selectors of a stored form; `list` is `segmentSelectors` or `profileSelectors`.
pub(crate) fn stored_selectors<'j>(transformations: &'j Json, list: &str) -> &'j [Json] {
    transformations[0]["params"][list]["selectors"].as_array().map_or(&[], Vec::as_slice)
}

fn general_params(transformation: &Json) -> Checked<Json> {
    let at = "transformations[0]";
    let fields = transformation.as_object().ok_or_else(|| format!("{at} must be an object {{name, params}}"))?;
    schema::members(fields, &["name", "params"], at)?;
    match transformation["name"].as_str() {
        Some("GeneralTransform" | "General Transform") => {
            Ok(transformation.get("params").cloned().unwrap_or_else(|| json!({})))
        }
        Some(name) => Err(format!("{at}.name must be GeneralTransform, not {name:?}")),
        None => Err(format!("{at}.name is missing")),
    }
}

fn keep_empty(out: &mut Map<String, Json>, params: &Json, name: &str, empty: &Json, reason: &str) -> Checked<()> {
    match params.get(name) {
        None | Some(Json::Null) => Ok(()),
        Some(given) if given == empty => {
            out.insert(name.into(), empty.clone());
            Ok(())
        }
        Some(_) => Err(format!("transformations[0].params.{name} {reason}; leave it empty")),
    }
}

fn selectors<'j>(params: &'j Json, list: &str) -> Checked<&'j [Json]> {
    let at = format!("transformations[0].params.{list}");
    let Some(given) = params.get(list) else { return Ok(&[]) };
    let fields = given.as_object().ok_or_else(|| format!("{at} must be an object {{selectors}}"))?;
    schema::members(fields, &["selectors"], &at)?;
    match &given["selectors"] {
        Json::Null => Ok(&[]),
        Json::Array(selectors) => Ok(selectors),
        _ => Err(format!("{at}.selectors must be an array")),
    }
}

/// Checks the frame `{type, value}` and gives the value.
pub(crate) fn framed<'j>(selector: &'j Json, kind: &str, at: &str) -> Checked<&'j Map<String, Json>> {
    let fields = selector.as_object().ok_or_else(|| format!("{at} must be an object {{type, value}}"))?;
    schema::members(fields, &["type", "value"], at)?;
    if selector["type"] != kind {
        return Err(format!("{at}.type must be {kind}, not {}", selector["type"]));
    }
    selector["value"].as_object().ok_or_else(|| format!("{at}.value must be an object"))
}

fn settle_audiences(
    given: &[Json],
    before: Option<&Json>,
    rules: Option<&Rules>,
    lookups: &Lookups<'_>,
    now: Timestamp,
) -> Checked<Vec<Json>> {
    let old = before.map_or(&[][..], |before| stored_selectors(before, "segmentSelectors"));
    let mut out: Vec<Json> = Vec::with_capacity(given.len());
    for (i, selector) in given.iter().enumerate() {
        let at = format!("segmentSelectors.selectors[{i}]");
        let value = framed(selector, "PLATFORM_SEGMENT", &at)?;
        check_audience_members(value, rules, &at)?;
        let id = selector["value"]["id"].as_str().unwrap_or_default();
        if out.iter().any(|other| other["value"]["id"] == id) {
            return Err(format!("{at}.value.id {id} is mapped twice"));
        }
        let known = old.iter().find(|other| other["value"]["id"] == id);
        if known.is_none() {
            let namespace = (lookups.audience_namespace)(id);
            let namespace = namespace.ok_or_else(|| format!("{at}.value.id {id} names no audience"))?;
            rules.map_or(Ok(()), |rules| rules.check_audience_namespace(&namespace, &at))?;
        }
        out.push(stamped(selector, known, now));
    }
    Ok(out)
}

fn check_audience_members(value: &Map<String, Json>, rules: Option<&Rules>, at: &str) -> Checked<()> {
    for name in value.keys().map(String::as_str) {
        if FILE_ONLY.contains(&name) {
            return Err(format!("{at}.value.{name} applies to file-based destinations only"));
        }
        if matches!(name, "systemSegmentId" | "namespace" | "enrichmentInfo") {
            return Err(format!("{at}.value.{name} (external audiences) is not served yet"));
        }
    }
    let at = format!("{at}.value");
    let known = ["id", "name", "description", "createTime", "updateTime", "mappingId"];
    schema::members(value, &known[..if rules.is_some() { 6 } else { 5 }], &at)?;
    check_mapping_id(value.get("mappingId").unwrap_or(&Json::Null), rules, &at)?;
    match value.get("id").and_then(Json::as_str) {
        Some(id) if !id.is_empty() => {}
        _ => return Err(format!("{at}.id is missing")),
    }
    match ["name", "description"].iter().find(|name| value.get(**name).is_some_and(|v| !v.is_string() && !v.is_null()))
    {
        Some(name) => Err(format!("{at}.{name} must be a string")),
        None => Ok(()),
    }
}

/// The id of the audience at the receiver is given where the destination asks for it, and only there.
fn check_mapping_id(given: &Json, rules: Option<&Rules>, at: &str) -> Checked<()> {
    match (rules.is_some_and(Rules::mapping_id_entered), given) {
        (false, Json::Null) => Ok(()),
        (false, _) => Err(format!("{at}.mappingId does not apply: this destination finds the mapping id by itself")),
        (true, Json::String(id)) if !id.trim().is_empty() && !id.chars().any(char::is_control) => Ok(()),
        (true, Json::Null) => Err(format!("{at}.mappingId is missing: the id of the audience at the destination")),
        (true, _) => Err(format!("{at}.mappingId must be a text without control characters")),
    }
}

/// Keeps the times of an untouched selector and the creation time of a replaced one.
fn stamped(selector: &Json, known: Option<&Json>, now: Timestamp) -> Json {
    let plain = |selector: &Json| {
        let mut value = selector["value"].as_object().cloned().unwrap_or_default();
        value.shift_remove("createTime");
        value.shift_remove("updateTime");
        value
    };
    let mut value = plain(selector);
    let seconds = json!((now.0.div_euclid(1000)).to_string());
    let unchanged = known.is_some_and(|known| plain(known) == value);
    let create = known.map_or(seconds.clone(), |known| known["value"]["createTime"].clone());
    let update = known.filter(|_| unchanged).map_or(seconds, |known| known["value"]["updateTime"].clone());
    value.insert("createTime".into(), create);
    value.insert("updateTime".into(), update);
    json!({ "type": "PLATFORM_SEGMENT", "value": value })
}

fn check_attributes(given: &[Json], before: Option<&Json>, lookups: &Lookups<'_>) -> Checked<()> {
    let old = before.map_or(&[][..], |before| stored_selectors(before, "profileSelectors"));
    let mut seen: Vec<&str> = Vec::with_capacity(given.len());
    for (i, selector) in given.iter().enumerate() {
        let at = format!("profileSelectors.selectors[{i}]");
        let value = framed(selector, "JSON_PATH", &at)?;
        let at = format!("{at}.value");
        schema::members(value, &["path", "operator", "identity", "mapping"], &at)?;
        let path = match value.get("path").and_then(Json::as_str) {
            Some(path) if !path.is_empty() => path,
            _ => return Err(format!("{at}.path is missing")),
        };
        if let Some(operator) = value.get("operator").filter(|operator| **operator != "EXISTS") {
            return Err(format!("{at}.operator must be EXISTS, not {operator}"));
        }
        if value.get("identity").is_some_and(|identity| !identity.is_null()) {
            return Err(format!(
                "{at}.identity: identities cannot be mapped to this destination; all of them are exported"
            ));
        }
        if let Some(mapping) = value.get("mapping") {
            check_mapping(mapping, path, &format!("{at}.mapping"))?;
        }
        if seen.contains(&path) {
            return Err(format!("{at}.path {path} is mapped twice"));
        }
        seen.push(path);
        if !old.iter().any(|other| other["value"]["path"] == path) {
            check_path(path, &at, lookups)?;
        }
    }
    Ok(())
}

fn check_path(path: &str, at: &str, lookups: &Lookups<'_>) -> Checked<()> {
    let first = path.split('.').next().unwrap_or_default();
    if matches!(first, "identityMap" | "segmentMembership") {
        return Err(format!("{at}.path {path}: {first} is part of every export and cannot be mapped"));
    }
    (lookups.attribute_type)(path).map(|_| ()).map_err(|reason| format!("{at}.path {path}: {reason}"))
}

/// The long form that older clients send: it must say no more than the path does.
fn check_mapping(mapping: &Json, path: &str, at: &str) -> Checked<()> {
    let fields = mapping.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    for (name, value) in fields {
        let allowed: &[Json] = match name.as_str() {
            "sourceType" => &[json!("text/x.schema-path")],
            "source" => &[json!(path), json!("segmentMembership.status")],
            "destination" | "sourceAttribute" | "destinationXdmPath" => &[json!(path)],
            "identity" | "primaryIdentity" | "copyModeMapping" => &[json!(false)],
            "functionVersion" => &[json!(0)],
            _ => return Err(format!("{at}.{name} is not known here")),
        };
        if !allowed.contains(value) {
            let given = &allowed[0];
            return Err(format!(
                "{at}.{name} must be {given}: this destination keeps paths and exports all identities"
            ));
        }
    }
    Ok(())
}

fn triggers(given: &Json) -> Checked<Option<Json>> {
    if given.is_null() {
        return Ok(None);
    }
    let at = "transformations[0].params.activationTriggers";
    let fields = given.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    schema::members(fields, &TRIGGERS, at)?;
    if let Some((name, _)) = fields.iter().find(|(_, value)| !value.is_boolean()) {
        return Err(format!("{at}.{name} must be true or false"));
    }
    Ok(Some(given.clone()))
}
