//! The mapping of a flow: which source field becomes which field of the target schema, and how it is changed.
//!
//! In: the selectors of a flow, or required mappings, as text. Out: [`Mapping`]. Always: what cannot be meant is an
//! error that names the rule; only mappings that work can be built.

use crate::config::{IdentityNamespace, MappingSource, Transformation};
use model::{SmolStr, Status};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// All mappings of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Mappings onto target identity namespaces.
    pub identities: Vec<IdentityMap>,
    /// Mappings onto target attributes.
    pub attributes: Vec<AttributeMap>,
}

/// One mapping onto a target identity namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityMap {
    /// Where the identities come from.
    pub source: Source,
    /// The target namespace.
    pub target: SmolStr,
    /// What the user asked to be done with them. A transformation that the destination requires for the source
    /// namespace is done in any case.
    pub transform: Option<Transformation>,
    /// A profile without any such identity is not sent.
    pub mandatory: bool,
}

/// One mapping onto a target attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeMap {
    /// Where the value comes from.
    pub source: Source,
    /// The name of the target attribute.
    pub target: SmolStr,
    /// What is done with it.
    pub transform: Option<Transformation>,
    /// One of the destination's own `profileFields`: templates see the bare value, and nothing where there is none.
    /// All others appear as `{"value": …}`, and as `{}` where there is no value.
    pub predefined: bool,
    /// A profile without a value is not sent.
    pub mandatory: bool,
}

/// Where a mapped value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// All identities of a namespace, by its code.
    Namespace(SmolStr),
    /// An attribute of the profile, by the names of its path.
    Attribute(Vec<SmolStr>),
    /// The alias of the audience that the message is about (`metadata.segment.alias`).
    Alias,
    /// One of two texts, by the status in the audience that the message is about.
    ByStatus {
        /// The status that is asked for.
        status: Status,
        /// The text if it is the status.
        then: SmolStr,
        /// The text otherwise.
        otherwise: SmolStr,
    },
}

/// The token that stands for the audience in expressions of required mappings.
const AUDIENCE_TOKEN: &str = "aep_seg_id";

impl Source {
    /// The `sourceType` of attributes and identities, which a mapping has unless it says otherwise.
    pub const SCHEMA_PATH: &str = "text/x.schema-path";

    /// Parses `source` of a mapping by its `sourceType` (destination-sdk.md §3.6).
    pub fn parse(source_type: &str, source: &str) -> Result<Source, String> {
        match source_type {
            Source::SCHEMA_PATH => Source::path(source),
            "text/x.aep-xl" => by_status(source).ok_or(format!(
                "an expression has the form iif(segmentMembership.ups.{AUDIENCE_TOKEN}.status==\"exited\", \"1\", \"0\"), \
                 given `{source}`"
            )),
            "text/plain" if source == "metadata.segment.alias" => Ok(Source::Alias),
            "text/plain" => Err(format!("the only macro is `metadata.segment.alias`, given `{source}`")),
            other => Err(format!("one of text/x.schema-path, text/x.aep-xl, text/plain is needed, given `{other}`")),
        }
    }

    /// The fixed source of a required mapping.
    pub fn required(source: &MappingSource) -> Result<Source, String> {
        match source {
            MappingSource::SchemaPath(path) => Source::path(path),
            MappingSource::Expression(text) => Source::parse("text/x.aep-xl", text),
            MappingSource::SegmentAlias => Ok(Source::Alias),
        }
    }

    /// Parses a path: `identityMap.Email`, or that of an attribute.
    pub fn path(source: &str) -> Result<Source, String> {
        if let Some(namespace) = source.strip_prefix("identityMap.") {
            return match namespace.is_empty() {
                true => Err(format!("`{source}` names no namespace")),
                false => Ok(Source::Namespace(SmolStr::new(namespace))),
            };
        }
        if source.split('.').any(|name| name.trim().is_empty()) {
            return Err(format!("`{source}` is no path of names"));
        }
        Ok(Source::Attribute(source.split('.').map(SmolStr::new).collect()))
    }

    /// Whether the value depends on the audience that a message is about.
    pub(crate) fn of_audience(&self) -> bool {
        matches!(self, Source::Alias | Source::ByStatus { .. })
    }
}

/// Reads `iif(segmentMembership.NS.aep_seg_id.status=="exited", "1", "0")`.
fn by_status(text: &str) -> Option<Source> {
    let inner = text.trim().strip_prefix("iif")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let path = inner.trim_start().strip_prefix("segmentMembership.")?;
    let (namespace, rest) = path.split_once('.')?;
    let rest = rest.strip_prefix(AUDIENCE_TOKEN)?.strip_prefix(".status")?.trim_start();
    let (equal, rest) = match rest.strip_prefix("==") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("!=")?),
    };
    let (status, rest) = quoted(rest)?;
    let (first, rest) = quoted(rest.trim_start().strip_prefix(',')?)?;
    let (second, rest) = quoted(rest.trim_start().strip_prefix(',')?)?;
    let status = match status {
        "realized" => Status::Realized,
        "exited" => Status::Exited,
        _ => return None,
    };
    let (then, otherwise) = if equal { (first, second) } else { (second, first) };
    (rest.trim().is_empty() && !namespace.is_empty()).then(|| Source::ByStatus {
        status,
        then: SmolStr::new(then),
        otherwise: SmolStr::new(otherwise),
    })
}

/// A quoted text at the start, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote)
}

/// A value as templates see it after its transformation.
pub(crate) fn transform(how: Option<Transformation>, value: &str) -> SmolStr {
    match how {
        None => SmolStr::new(value),
        // Blanks around an address are no part of it (activation.md §4.3).
        Some(Transformation::Sha256Lower) => digest(&lower(value.trim())),
    }
}

/// What a target namespace requires to be done with identities of a source.
pub(crate) fn required_transformation(namespace: &IdentityNamespace, source: &Source) -> Option<Transformation> {
    let Source::Namespace(code) = source else { return None };
    let mut accepted = namespace.accepted_global.iter();
    *accepted.find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, required)| required)?
}

fn lower(text: &str) -> Cow<'_, str> {
    let small = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    if text.bytes().all(small) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Lower-case hex of the SHA-256 of the UTF-8 text.
fn digest(text: &str) -> SmolStr {
    let mut hex = [0u8; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha256::digest(text.as_bytes())) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    SmolStr::new(std::str::from_utf8(&hex).unwrap_or_default())
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let attribute = |names: &[&str]| Ok(Source::Attribute(names.iter().map(SmolStr::new).collect()));
        let choice = |status, then, otherwise| {
            Ok(Source::ByStatus { status, then: SmolStr::new(then), otherwise: SmolStr::new(otherwise) })
        };
        let cases: &[(&str, &str, Result<Source, ()>)] = &[
            ("text/x.schema-path", "personalEmail.address", attribute(&["personalEmail", "address"])),
            ("text/x.schema-path", "identityMap.Email", Ok(Source::Namespace("Email".into()))),
            ("text/x.schema-path", "identityMap.", Err(())),
            ("text/x.schema-path", "a..b", Err(())),
            ("text/plain", "metadata.segment.alias", Ok(Source::Alias)),
            ("text/plain", "metadata.segment.name", Err(())),
            (
                "text/x.aep-xl",
                "iif(segmentMembership.ups.aep_seg_id.status==\"exited\", \"1\", \"0\")",
                choice(Status::Exited, "1", "0"),
            ),
            (
                "text/x.aep-xl",
                "iif( segmentMembership.ups.aep_seg_id.status != 'realized','a','b' )",
                choice(Status::Realized, "b", "a"),
            ),
            ("text/x.aep-xl", "iif(x, 1, 0)", Err(())),
            ("text/html", "a", Err(())),
        ];
        for (source_type, source, expected) in cases {
            assert_eq!(&Source::parse(source_type, source).map_err(drop), expected, "{source}");
        }
    }

    #[test]
    fn the_hash_folds_case_first() {
        let hash = |text| transform(Some(Transformation::Sha256Lower), text);
        assert_eq!(hash("Odile@Ex.Test"), "9a42fc80ac0eb640d483e0b77a6e1071139d052d1340882007088128c9055093");
        assert_eq!(hash("Ä"), hash("ä"));
        assert_eq!(transform(None, "Ä"), "Ä");
    }
}
