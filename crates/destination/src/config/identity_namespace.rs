//! The identity namespaces of the receiving system, and what may be mapped into each (`identityNamespaces`).

use super::read::{At, Object};
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

fn transformation(at: At<'_>) -> Option<Transformation> {
    at.one_of(Transformation::SPELLINGS)
}
