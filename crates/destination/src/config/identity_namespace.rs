//! The identity namespaces of the receiving system, and what may be mapped into each (`identityNamespaces`).

use super::destination::DestinationConfig;
use super::fault::Fault;
use super::read::{At, Object, not_among};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How a value is changed before it is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transformation {
    /// `sha256(lower($))`: lower case, then SHA-256 as 64 lower-case hexadecimal digits.
    Sha256Lower,
}

impl Transformation {
    const SPELLINGS: &[(&str, Transformation)] = &[("sha256(lower($))", Transformation::Sha256Lower)];

    /// The transformation of this spelling, if it is a documented one.
    pub fn parse(text: &str) -> Option<Transformation> {
        Self::SPELLINGS.iter().find(|(spelling, _)| *spelling == text).map(|(_, value)| *value)
    }

    /// Its documented spelling.
    pub fn spelling(self) -> &'static str {
        match self {
            Transformation::Sha256Lower => "sha256(lower($))",
        }
    }
}

/// One target namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityNamespace {
    /// Whether profile attributes may be mapped into it.
    pub accepts_attributes: bool,
    /// Whether identities of custom namespaces may be mapped into it.
    pub accepts_custom_namespaces: bool,
    /// Standard source namespaces that may be mapped into it, each with what is always applied to it.
    pub accepted_global: BTreeMap<SmolStr, Option<Transformation>>,
    /// What may be applied on request to an attribute or an identity of a custom namespace.
    pub transformation: Option<Transformation>,
}

pub(crate) fn namespaces(at: &At<'_>) -> Option<Vec<(SmolStr, IdentityNamespace)>> {
    let mut read = Vec::new();
    for (name, at) in at.entries()? {
        if name.trim().is_empty() {
            at.fault("the name of a namespace must not be empty");
        }
        if let Some(namespace) = at.object(namespace) {
            read.push((SmolStr::new(name), namespace));
        }
    }
    Some(read)
}

fn namespace(object: &Object<'_>) -> Option<IdentityNamespace> {
    let mut accepted_global = BTreeMap::new();
    for (name, at) in object.get("acceptedGlobalNamespaces").and_then(|at| at.entries()).unwrap_or_default() {
        let required = at.object(|accepted| Some(accepted.get("requiredTransformation").and_then(transformation)));
        accepted_global.insert(SmolStr::new(name), required.flatten());
    }
    Some(IdentityNamespace {
        accepts_attributes: object.flag("acceptsAttributes").unwrap_or(false),
        accepts_custom_namespaces: object.flag("acceptsCustomNamespaces").unwrap_or(false),
        accepted_global,
        transformation: object.get_any("transformation", &["allowedAttributesTransformation"]).and_then(transformation),
    })
}

/// Faults of what names namespaces: required mappings onto an identity, and groups of identities.
pub(crate) fn check_named(config: &DestinationConfig, groups_path: &str) -> Vec<Fault> {
    let known: Vec<&str> = config.identity_namespaces.iter().map(|(name, _)| name.as_str()).collect();
    let mut faults = Vec::new();
    for (index, mapping) in config.schema.required_mappings.iter().enumerate() {
        let Some(name) = mapping.destination().strip_prefix("identityMap.") else { continue };
        if !known.contains(&name) {
            let path = format!("schemaConfig.requiredMappings[{index}].destination");
            faults.push(Fault::new(path, unknown(name, &known)));
        }
    }
    let key = config.aggregation.as_ref().and_then(|aggregation| aggregation.key.as_ref());
    // Elsewhere `groups` is not read (destination-sdk.md §3.10).
    let Some(key) = key.filter(|key| key.include_identity && !key.one_identity_per_group) else { return faults };
    for (index, group) in key.groups.iter().enumerate() {
        let path = format!("{groups_path}[{index}].namespaces");
        for (at, name) in group.iter().enumerate() {
            // Without any namespace nothing can be mapped, which the interface accepts (§8.1).
            if !known.is_empty() && !known.contains(&name.as_str()) {
                faults.push(Fault::new(format!("{path}[{at}]"), unknown(name, &known)));
            }
            if group[..at].contains(name) {
                faults.push(Fault::new(format!("{path}[{at}]"), format!("{name:?} is given twice in this group")));
            }
        }
        let same =
            |other: &Vec<SmolStr>| other.iter().all(|n| group.contains(n)) && group.iter().all(|n| other.contains(n));
        if let Some(other) = key.groups[..index].iter().position(same) {
            let message = format!("is the same group as groups[{other}]: every identity would be sent twice");
            faults.push(Fault::new(path, message));
        }
    }
    faults
}

fn unknown(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("names a namespace, but identityNamespaces is empty; given {name:?}");
    }
    format!("names a namespace that identityNamespaces lacks: {}", not_among(name, known))
}

fn transformation(at: At<'_>) -> Option<Transformation> {
    at.one_of(Transformation::SPELLINGS)
}
