//! The mapping of a flow onto the target schema of an authored destination: which source attribute
//! or identity becomes which target attribute or identity.
//!
//! In: profile selectors `{path, operator, identity?, mapping?}` as clients write them, and the rules
//! of the destination. Out: the stored selectors with the required mappings added, or what is wrong,
//! naming the field. [`read`] turns stored selectors into a [`Mapping`].
//!
//! A source or target that starts with `identityMap.` is an identity namespace, any other one an
//! attribute. Served are attribute to attribute, identity to identity and attribute to identity.
//! Existence is asked only for what is new, so that a flow whose field is gone can still be changed.

use crate::rules::{Fixed, Rules, accepted, dotted, taken};
use crate::{Catalog, Lookups, schema};
use destination::config::{DestinationConfig, IdentityNamespace, Transformation};
use destination::message::{AttributeMap, IdentityMap, Mapping, Source};
use model::{SmolStr, Type};
use serde_json::{Value as Json, json};
use std::sync::Arc;

type Checked<T> = Result<T, String>;

const IDENTITY: &str = "identityMap.";
const MEMBERS: [&str; 10] = [
    "sourceType",
    "source",
    "destination",
    "identity",
    "primaryIdentity",
    "functionVersion",
    "copyModeMapping",
    "sourceAttribute",
    "destinationXdmPath",
    "transformation",
];

/// One row, read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    source: Source,
    /// The target attribute, or the target namespace where `to_identity`.
    target: SmolStr,
    to_identity: bool,
    /// What the customer asked to be done.
    transformation: Option<Transformation>,
}

/// Checks `given` and completes it; `old` are the stored selectors that it replaces.
pub(crate) fn settle(given: &[Json], old: &[Json], rules: &Rules, lookups: &Lookups<'_>) -> Checked<Vec<Json>> {
    let mut out: Vec<Json> = Vec::with_capacity(given.len());
    let mut rows: Vec<Row> = Vec::with_capacity(given.len());
    for (i, selector) in given.iter().enumerate() {
        let at = format!("profileSelectors.selectors[{i}]");
        let (stored, row) = read_row(selector, &at)?;
        if rows.iter().any(|other| clash(other, &row)) {
            return Err(format!("{at}.value.mapping.destination {} is mapped twice", row.target));
        }
        if !rules.fixed().any(|fixed| is_fixed(&fixed, &stored)) {
            check_allowed(&row, rules, &at)?;
            if !old.contains(&stored) {
                check_exists(&row, rules, lookups, &at)?;
            }
        }
        out.push(stored);
        rows.push(row);
    }
    add_required(&mut out, &mut rows, rules)?;
    check_counts(&rows, rules)?;
    Ok(out)
}

/// One row of a mapping, before there is a flow.
#[derive(Debug, Clone, Copy)]
pub struct MappingRow<'a> {
    /// `text/x.schema-path` unless said.
    pub source_type: Option<&'a str>,
    /// `identityMap.<Namespace>`, the path of an attribute, or what the type says.
    pub source: &'a str,
    /// `identityMap.<Namespace>`, or a target attribute.
    pub target: &'a str,
    /// What is to be done with the value.
    pub transformation: Option<&'a str>,
}

/// What a flow with audiences would answer to a mapping, where nothing is known of the sandbox: every attribute is
/// there and holds a single value. Target attributes that are asked from the receiving system are taken as they are.
///
/// # Errors
/// Why every flow refuses it, as [`dataflows::create`](crate::dataflows::create) says it.
pub fn check_mapping(
    config: &Arc<DestinationConfig>,
    rows: &[MappingRow<'_>],
    namespace_is_custom: &dyn Fn(&str) -> Option<bool>,
) -> Checked<()> {
    let rules = Rules::new(config, None);
    let lookups = Lookups {
        audience_namespace: &|_| None,
        attribute_type: &|_| Ok(Type::String),
        namespace_is_custom,
        target_attributes: &|| None,
        catalog: &Catalog::default(),
    };
    let selector = |row: &MappingRow<'_>| {
        let transformation = row.transformation.map_or(Json::Null, Json::from);
        selector_of(row.source_type.unwrap_or(Source::SCHEMA_PATH), row.source, row.target, &transformation)
    };
    let given: Vec<Json> = rows.iter().map(selector).collect();
    let settled = settle(&given, &[], &rules, &lookups)?;
    check_complete(&settled, &rules)
}

/// What a flow with mapped audiences still lacks.
pub(crate) fn check_complete(selectors: &[Json], rules: &Rules) -> Checked<()> {
    let mapped = |destination: &str| selectors.iter().any(|s| s["value"]["mapping"]["destination"] == destination);
    if let Some((missing, _)) = rules.chosen().find(|(destination, _)| !mapped(destination)) {
        return Err(format!(
            "profileSelectors: the destination requires a mapping to {missing}; map it before or with audiences"
        ));
    }
    let identity = |s: &Json| s["value"]["mapping"]["destination"].as_str().is_some_and(|d| d.starts_with(IDENTITY));
    if rules.needs_identity() && !selectors.iter().any(identity) {
        let rule = "at least one target identity must be mapped before or with audiences";
        return Err(format!("profileSelectors: {rule}; known: {}", rules.namespaces()));
    }
    Ok(())
}

/// The mapping that stored selectors say. What no longer can be meant is left out, and so is what the
/// destination no longer takes: its namespace may have gone, and with it the transformation of what is sent.
pub(crate) fn read(selectors: &[Json], rules: &Rules) -> Mapping {
    let mut mapping = Mapping::default();
    for selector in selectors {
        let given = &selector["value"]["mapping"];
        let Ok(row) = row_of(given) else { continue };
        if !rules.fixed().any(|fixed| is_fixed(&fixed, selector)) && check_allowed(&row, rules, "").is_err() {
            continue;
        }
        let Row { source, target, to_identity, transformation: transform } = row;
        let destination = given["destination"].as_str().unwrap_or_default();
        let mandatory = rules.chosen().any(|(chosen, mandatory)| mandatory && chosen == destination);
        match to_identity {
            true => mapping.identities.push(IdentityMap { source, target, transform, mandatory }),
            false => {
                let predefined = rules.is_predefined(&target);
                mapping.attributes.push(AttributeMap { source, target, transform, predefined, mandatory });
            }
        }
    }
    mapping
}

fn row_of(mapping: &Json) -> Checked<Row> {
    let text = |name: &str| mapping[name].as_str().unwrap_or_default();
    let source = Source::parse(text("sourceType"), text("source"))?;
    let (target, to_identity) = match text("destination").strip_prefix(IDENTITY) {
        Some(code) => (code.into(), true),
        None => (text("destination").into(), false),
    };
    Ok(Row { source, target, to_identity, transformation: Transformation::parse(text("transformation")) })
}

/// Two rows write the same target attribute, or are the same row.
fn clash(a: &Row, b: &Row) -> bool {
    a.to_identity == b.to_identity && a.target == b.target && (!a.to_identity || a.source == b.source)
}

fn is_fixed(fixed: &Fixed<'_>, stored: &Json) -> bool {
    let mapping = &stored["value"]["mapping"];
    mapping["sourceType"] == fixed.source_type
        && mapping["source"] == fixed.source
        && mapping["destination"] == fixed.destination
}

/// The stored form of a row.
fn selector_of(source_type: &str, source: &str, destination: &str, transformation: &Json) -> Json {
    let mut mapping = json!({
        "sourceType": source_type,
        "source": source,
        "destination": destination,
        "identity": destination.starts_with(IDENTITY),
        "primaryIdentity": false,
        "functionVersion": 0,
        "copyModeMapping": false,
        "sourceAttribute": source,
        "destinationXdmPath": destination,
    });
    if !transformation.is_null() {
        mapping["transformation"] = transformation.clone();
    }
    let mut value = json!({ "path": source, "operator": "EXISTS", "mapping": mapping });
    if let Some(code) = source.strip_prefix(IDENTITY) {
        value["identity"] = json!({ "namespace": code });
    }
    json!({ "type": "JSON_PATH", "value": value })
}

/// Checks the frame of one selector and gives its stored form.
fn read_row(selector: &Json, at: &str) -> Checked<(Json, Row)> {
    let value = crate::transformation::framed(selector, "JSON_PATH", at)?;
    let at = format!("{at}.value");
    schema::members(value, &["path", "operator", "identity", "mapping"], &at)?;
    let path = match value.get("path").and_then(Json::as_str) {
        Some(path) if !path.trim().is_empty() => path,
        _ => return Err(format!("{at}.path is missing")),
    };
    if let Some(operator) = value.get("operator").filter(|operator| **operator != "EXISTS") {
        return Err(format!("{at}.operator must be EXISTS, not {operator}"));
    }
    let mapping = value.get("mapping").unwrap_or(&Json::Null);
    check_members(mapping, &format!("{at}.mapping"))?;
    let source_type = mapping["sourceType"].as_str().unwrap_or(Source::SCHEMA_PATH);
    let source = mapping["source"].as_str().unwrap_or(path);
    let destination = mapping["destination"].as_str().unwrap_or(source);
    check_agreement(&selector["value"], path, source, destination, &at)?;
    let stored = selector_of(source_type, source, destination, &mapping["transformation"]);
    let row = row_of(&stored["value"]["mapping"]).map_err(|reason| format!("{at}.mapping.source: {reason}"))?;
    Ok((stored, row))
}

fn check_members(mapping: &Json, at: &str) -> Checked<()> {
    if mapping.is_null() {
        return Ok(());
    }
    let fields = mapping.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    schema::members(fields, &MEMBERS, at)?;
    for name in ["sourceType", "source", "destination", "sourceAttribute", "destinationXdmPath", "transformation"] {
        match fields.get(name) {
            None | Some(Json::Null) => {}
            Some(Json::String(text)) if !text.trim().is_empty() && !text.chars().any(char::is_control) => {}
            Some(_) => return Err(format!("{at}.{name} must be a text without control characters")),
        }
    }
    let types = [Source::SCHEMA_PATH, "text/x.aep-xl", "text/plain"];
    match fields.get("transformation").and_then(Json::as_str) {
        Some(given) if Transformation::parse(given).is_none() => {
            let known = Transformation::Sha256Lower.spelling();
            return Err(format!("{at}.transformation must be {known}, not {given:?}"));
        }
        _ => {}
    }
    match fields.get("sourceType").and_then(Json::as_str) {
        Some(given) if !types.contains(&given) => {
            Err(format!("{at}.sourceType must be one of: {}; given: {given}", types.join(", ")))
        }
        _ => Ok(()),
    }
}

/// What is said twice must agree.
fn check_agreement(value: &Json, path: &str, source: &str, destination: &str, at: &str) -> Checked<()> {
    let mapping = &value["mapping"];
    if path != source {
        return Err(format!("{at}.path {path} and mapping.source {source} must be the same"));
    }
    for (name, expected) in [
        ("sourceAttribute", json!(source)),
        ("destinationXdmPath", json!(destination)),
        ("identity", json!(destination.starts_with(IDENTITY))),
        ("primaryIdentity", json!(false)),
        ("functionVersion", json!(0)),
        ("copyModeMapping", json!(false)),
    ] {
        if !mapping[name].is_null() && mapping[name] != expected {
            return Err(format!("{at}.mapping.{name} must be {expected} here, not {}", mapping[name]));
        }
    }
    let namespace = &value["identity"]["namespace"];
    let fits = match source.strip_prefix(IDENTITY) {
        Some(code) => value["identity"].is_null() || namespace == code,
        None => value["identity"].is_null(),
    };
    if !fits {
        return Err(format!("{at}.identity does not fit: the source is {source}"));
    }
    Ok(())
}

/// What the destination's rules say of a mapping that it does not fix.
fn check_allowed(row: &Row, rules: &Rules, at: &str) -> Checked<()> {
    let at = format!("{at}.value.mapping");
    let target = row.target.as_str();
    let destination = if row.to_identity { format!("{IDENTITY}{target}") } else { target.to_owned() };
    let chosen = rules.chosen().any(|(chosen, _)| chosen == destination);
    if rules.config.schema.required_mappings_only && !chosen {
        return Err(format!("{at}.destination {destination}: this destination takes its required mappings only"));
    }
    match (&row.source, row.to_identity) {
        (Source::Alias | Source::ByStatus { .. }, _) => {
            Err(format!("{at}.sourceType: expressions and macros are for the destination's required mappings"))
        }
        (Source::Namespace(code), false) => Err(format!(
            "{at}: identity {code} cannot be mapped to the attribute {target}; map it to {IDENTITY}<namespace>"
        )),
        (source, true) => {
            if !rules.config.schema.identity_required && !chosen {
                return Err(format!("{at}.destination {destination}: this destination takes no identities"));
            }
            let unknown =
                || format!("{at}.destination {destination} is not known there; known: {}", rules.namespaces());
            let namespace = rules.namespace(target).ok_or_else(unknown)?;
            if matches!(source, Source::Attribute(_)) && !namespace.accepts_attributes {
                return Err(format!("{at}.source: {destination} takes no attributes; it takes {}", taken(namespace)));
            }
            check_transformation(row, namespace, &at)
        }
        (Source::Attribute(_), false) if row.transformation.is_some() => {
            Err(format!("{at}.transformation applies to target identities only"))
        }
        (Source::Attribute(_), false) if chosen => Ok(()),
        (source, false) => check_target_attribute(source, target, rules, &at),
    }
}

fn check_target_attribute(source: &Source, target: &str, rules: &Rules, at: &str) -> Checked<()> {
    if rules.keeps_names() {
        let source = dotted(source).unwrap_or_default();
        return match source == target {
            true => Ok(()),
            false => Err(format!("{at}.destination {target}: this destination takes the source names; use {source}")),
        };
    }
    match &rules.attributes {
        None => Ok(()),
        Some(known) if known.iter().any(|name| name == target) => Ok(()),
        Some(known) if known.is_empty() => {
            Err(format!("{at}.destination {target}: this destination takes no attributes"))
        }
        Some(known) => Err(format!("{at}.destination {target} is not known there; known: {}", known.join(", "))),
    }
}

fn check_transformation(row: &Row, namespace: &IdentityNamespace, at: &str) -> Checked<()> {
    let Some(given) = row.transformation else { return Ok(()) };
    if let Source::Namespace(code) = &row.source
        && let Some(required) = accepted(namespace, code)
    {
        return match *required == Some(given) {
            true => Ok(()),
            false => Err(format!("{at}.transformation does not apply to the namespace {code} here")),
        };
    }
    match namespace.transformation == Some(given) {
        true => Ok(()),
        false => Err(format!("{at}.transformation: {IDENTITY}{} does not offer {}", row.target, given.spelling())),
    }
}

/// Asks the sandbox whether the source is there and fits.
fn check_exists(row: &Row, rules: &Rules, lookups: &Lookups<'_>, at: &str) -> Checked<()> {
    let at = format!("{at}.value.mapping.source");
    match &row.source {
        Source::Attribute(names) => {
            let (path, first) = (names.join("."), names.first().map_or("", SmolStr::as_str));
            if matches!(first, "identityMap" | "segmentMembership") {
                return Err(format!("{at} {path}: {first} is no attribute"));
            }
            match (lookups.attribute_type)(&path).map_err(|reason| format!("{at} {path}: {reason}"))? {
                Type::Array(_) | Type::Map(_) | Type::Object(_) => Err(format!(
                    "{at} {path} holds an array, a map or an object; a streaming destination takes single values"
                )),
                _ => Ok(()),
            }
        }
        Source::Namespace(code) => {
            let custom = (lookups.namespace_is_custom)(code)
                .ok_or_else(|| format!("{at} {IDENTITY}{code} names no identity namespace"))?;
            let Some(namespace) = rules.namespace(&row.target) else { return Ok(()) };
            match accepted(namespace, code).is_some() || (custom && namespace.accepts_custom_namespaces) {
                true => Ok(()),
                false => Err(format!(
                    "{at} {IDENTITY}{code}: {IDENTITY}{} does not take this namespace; it takes {}",
                    row.target,
                    taken(namespace)
                )),
            }
        }
        Source::Alias | Source::ByStatus { .. } => Ok(()),
    }
}

/// Adds the required mappings with both sides fixed that are not there.
fn add_required(out: &mut Vec<Json>, rows: &mut Vec<Row>, rules: &Rules) -> Checked<()> {
    for fixed in rules.fixed() {
        if out.iter().any(|stored| is_fixed(&fixed, stored)) {
            continue;
        }
        let stored = selector_of(fixed.source_type, fixed.source, fixed.destination, &Json::Null);
        let row = row_of(&stored["value"]["mapping"])?;
        if rows.iter().any(|other| clash(other, &row)) {
            return Err(format!(
                "profileSelectors: {} is fixed to {} by the destination; leave it out",
                fixed.destination, fixed.source
            ));
        }
        out.push(stored);
        rows.push(row);
    }
    Ok(())
}

fn check_counts(rows: &[Row], rules: &Rules) -> Checked<()> {
    let mut namespaces: Vec<&str> = rows.iter().filter(|row| row.to_identity).map(|row| row.target.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let attributes = rows.iter().filter(|row| !row.to_identity).count();
    for (count, max, what) in [
        (attributes, rules.config.max_profile_attributes, "attributes"),
        (namespaces.len(), rules.config.max_identity_attributes, "identity namespaces"),
    ] {
        if count > max as usize {
            return Err(format!("profileSelectors: the destination takes at most {max} {what}; given: {count}"));
        }
    }
    Ok(())
}
