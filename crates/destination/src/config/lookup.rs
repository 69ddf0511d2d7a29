//! Lists and schemas that are asked from the receiving system (`dynamicEnum`), and what they depend on.

use super::data_field::{Choices, CustomerDataField, find_field};
use super::delivery::{AuthenticationRule, authentication_rule};
use super::fault::Fault;
use super::read::{Object, not_among};
use serde_json::Value as Json;
use smol_str::SmolStr;

/// A list of values that a server of the receiving system gives.
#[derive(Clone, Debug)]
pub struct DynamicEnum {
    /// Fields whose values the lookup needs; they can be filled in first.
    pub query_params: Vec<SmolStr>,
    /// The lookup server.
    pub destination_server_id: String,
    /// How the call is authenticated.
    pub authentication_rule: AuthenticationRule,
    /// Where the list is in the rendered answer.
    pub value: LookupPath,
}

/// A target schema that a server of the receiving system gives.
#[derive(Clone, Debug)]
pub struct DynamicSchema {
    /// The lookup server.
    pub destination_server_id: String,
    /// How the call is authenticated.
    pub authentication_rule: AuthenticationRule,
    /// Name of the schema on that server.
    pub value: String,
}

/// A path into JSON: `$`, `$.list`, `$.a[0]['b c']`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupPath {
    /// As it was configured.
    pub source: String,
    steps: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Name(String),
    Index(usize),
}

impl LookupPath {
    /// Reads a path, or says what is wrong with it.
    pub fn parse(source: &str) -> Result<LookupPath, String> {
        const RULE: &str = "must be a path like $, $.list or $.a[0]['b']";
        let wrong = || format!("{RULE}; given {source:?}");
        let mut rest = source.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                if name.is_empty() || name.contains([' ', '*', '?', '(', ')', '\'', '"']) {
                    return Err(wrong());
                }
                steps.push(Place::Name(name.to_owned()));
                rest = &after[end..];
            } else {
                let inner = rest.strip_prefix('[').ok_or_else(wrong)?;
                let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
                let (place, after) = match quote {
                    Some(quote) => {
                        let (name, after) = inner[1..].split_once(quote).ok_or_else(wrong)?;
                        (Place::Name(name.to_owned()), after.strip_prefix(']').ok_or_else(wrong)?)
                    }
                    None => {
                        let (index, after) = inner.split_once(']').ok_or_else(wrong)?;
                        (Place::Index(index.parse().map_err(|_| wrong())?), after)
                    }
                };
                steps.push(place);
                rest = after;
            }
        }
        Ok(LookupPath { source: source.to_owned(), steps })
    }

    /// What is at this path.
    pub fn select<'j>(&self, json: &'j Json) -> Option<&'j Json> {
        self.steps.iter().try_fold(json, |at, step| match step {
            Place::Name(name) => at.get(name.as_str()),
            Place::Index(index) => at.get(*index),
        })
    }
}

pub(crate) fn dynamic_enum(object: &Object<'_>) -> Option<DynamicEnum> {
    let query_params = object.get("queryParams").and_then(|at| at.list(|item| item.filled().map(SmolStr::new)));
    let server = object.need("destinationServerId").and_then(|at| at.filled().map(str::to_owned));
    let rule = object.need("authenticationRule").and_then(|at| authentication_rule(&at));
    let format = object.need("responseFormat").and_then(|at| at.one_of(&[("NAME_VALUE", ())]));
    let at = object.need("value")?;
    let value = LookupPath::parse(at.filled()?).map_err(|message| at.fault(message)).ok();
    format?;
    Some(DynamicEnum {
        query_params: query_params.unwrap_or_default(),
        destination_server_id: server?,
        authentication_rule: rule?,
        value: value?,
    })
}

pub(crate) fn dynamic_schema(object: &Object<'_>) -> Option<DynamicSchema> {
    let server = object.need("destinationServerId").and_then(|at| at.filled().map(str::to_owned));
    let rule = object.need("authenticationRule").and_then(|at| authentication_rule(&at));
    let value = object.need("value").and_then(|at| at.filled().map(str::to_owned));
    object.need("responseFormat").and_then(|at| at.one_of(&[("SCHEMA", ())]))?;
    Some(DynamicSchema { destination_server_id: server?, authentication_rule: rule?, value: value? })
}

/// Faults of what lookups depend on: fields that do not exist, and fields that wait for each other.
///
/// A name is a field of the same level, or a path from the top (`group.field`).
pub(crate) fn check_dependencies(fields: &[CustomerDataField], top: &str) -> Vec<Fault> {
    let mut needs = Vec::new();
    let mut faults = Vec::new();
    collect(fields, fields, "", top, &mut needs, &mut faults);
    for (path, place, _) in &needs {
        let mut seen: Vec<&str> = Vec::new();
        let mut open: Vec<&str> = vec![path];
        while let Some(at) = open.pop() {
            let next = needs.iter().filter(|(from, ..)| from == at).flat_map(|(.., to)| to.iter().map(String::as_str));
            for to in next.collect::<Vec<_>>() {
                if !seen.contains(&to) {
                    seen.push(to);
                    open.push(to);
                }
            }
        }
        if seen.contains(&path.as_str()) {
            let message = format!("the lookup of {path:?} depends on itself");
            faults.push(Fault::new(format!("{place}.dynamicEnum.queryParams"), message));
        }
    }
    faults
}

type Need = (String, String, Vec<String>);

fn collect(
    all: &[CustomerDataField],
    level: &[CustomerDataField],
    group: &str,
    place: &str,
    needs: &mut Vec<Need>,
    faults: &mut Vec<Fault>,
) {
    for (index, field) in level.iter().enumerate() {
        let path = if group.is_empty() { field.name.to_string() } else { format!("{group}.{}", field.name) };
        let place = format!("{place}[{index}]");
        if let Choices::Dynamic(dynamic) = &field.choices {
            let mut to = Vec::new();
            for (at, name) in dynamic.query_params.iter().enumerate() {
                if level.iter().any(|sibling| sibling.name == *name) {
                    to.push(if group.is_empty() { name.to_string() } else { format!("{group}.{name}") });
                } else if find_field(all, name).is_some() {
                    to.push(name.to_string());
                } else {
                    let names: Vec<&str> = level.iter().map(|sibling| sibling.name.as_str()).collect();
                    let message = format!("must name a customer data field: {}", not_among(name, &names));
                    faults.push(Fault::new(format!("{place}.dynamicEnum.queryParams[{at}]"), message));
                }
            }
            needs.push((path.clone(), place.clone(), to));
        }
        collect(all, field.properties(), &path, &format!("{place}.properties"), needs, faults);
    }
}
