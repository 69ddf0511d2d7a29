//! The mapping of a case: its rows, or what the configuration suggests, with the required ones.

use super::file::MappingRow;
use crate::config::{CustomerDataField, DestinationConfig, RequiredMapping, Transformation, find_field};
use crate::message::{AttributeMap, IdentityMap, Mapping, Source};
use model::SmolStr;

const IDENTITY: &str = "identityMap.";
const ATTRIBUTE: &str = "attributes.";

/// The mapping of a flow to the destination. An error names the row.
pub(crate) fn mapping(config: &DestinationConfig, rows: Option<&[MappingRow]>) -> Result<Mapping, String> {
    let mut mapping = Mapping::default();
    match rows {
        Some(rows) => {
            for (at, row) in rows.iter().enumerate() {
                add(config, row, &mut mapping).map_err(|why| format!("mapping[{at}]: {why}"))?;
            }
        }
        None => suggest(config, &mut mapping),
    }
    for (at, required) in config.schema.required_mappings.iter().enumerate() {
        require(config, required, &mut mapping).map_err(|why| format!("requiredMappings[{at}]: {why}"))?;
    }
    Ok(mapping)
}

fn add(config: &DestinationConfig, row: &MappingRow, mapping: &mut Mapping) -> Result<(), String> {
    let source = Source::parse(row.source_type.as_deref().unwrap_or(Source::SCHEMA_PATH), &row.source)?;
    let transform = match row.transformation.as_deref() {
        None => None,
        Some(text) => Some(Transformation::parse(text).ok_or(format!("transformation: `{text}` is not known"))?),
    };
    match row.target.strip_prefix(IDENTITY) {
        Some(target) if config.identity_namespace(target).is_none() => {
            let known: Vec<&str> = config.identity_namespaces.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("target: the destination has no identity namespace `{target}`; it has {}", known.join(", ")))
        }
        Some(target) => {
            let target = SmolStr::new(target);
            mapping.identities.push(IdentityMap { source, target, transform, mandatory: false });
            Ok(())
        }
        None => {
            mapping.attributes.push(attribute(config, source, bare(&row.target), transform));
            Ok(())
        }
    }
}

fn bare(target: &str) -> &str {
    target.strip_prefix(ATTRIBUTE).unwrap_or(target)
}

fn attribute(
    config: &DestinationConfig,
    source: Source,
    target: &str,
    transform: Option<Transformation>,
) -> AttributeMap {
    let predefined = find_field(&config.schema.profile_fields, target).is_some();
    AttributeMap { source, target: SmolStr::new(target), transform, predefined, mandatory: false }
}

/// Every identity namespace from the source of the same name and from those that it accepts, every profile field
/// from the attribute of the same name.
fn suggest(config: &DestinationConfig, mapping: &mut Mapping) {
    for (name, namespace) in &config.identity_namespaces {
        let own = std::iter::once(name).filter(|own| !namespace.accepted_global.contains_key(*own));
        for source in own.chain(namespace.accepted_global.keys()) {
            let source = Source::Namespace(source.clone());
            mapping.identities.push(IdentityMap { source, target: name.clone(), transform: None, mandatory: false });
        }
    }
    for (names, _) in attributes(config) {
        let target = names.join(".");
        mapping.attributes.push(attribute(config, Source::Attribute(names), &target, None));
    }
}

/// The destination's own attributes that hold a value: the names on the way to each, and its field.
pub(crate) fn attributes(config: &DestinationConfig) -> Vec<(Vec<SmolStr>, &CustomerDataField)> {
    fn walk<'c>(
        fields: &'c [CustomerDataField],
        around: &[SmolStr],
        found: &mut Vec<(Vec<SmolStr>, &'c CustomerDataField)>,
    ) {
        for field in fields {
            let names = [around, std::slice::from_ref(&field.name)].concat();
            match field.properties() {
                [] => found.push((names, field)),
                inner => walk(inner, &names, found),
            }
        }
    }
    let mut found = Vec::new();
    walk(&config.schema.profile_fields, &[], &mut found);
    found
}

fn require(config: &DestinationConfig, required: &RequiredMapping, mapping: &mut Mapping) -> Result<(), String> {
    let (target, is_mandatory) = match required {
        RequiredMapping::Fixed { source, destination } => {
            let source = Source::required(source)?;
            match destination.strip_prefix(IDENTITY) {
                Some(target) if !mapping.identities.iter().any(|m| m.target == target && m.source == source) => {
                    let target = SmolStr::new(target);
                    mapping.identities.push(IdentityMap { source, target, transform: None, mandatory: false });
                }
                Some(_) => {}
                None => {
                    mapping.attributes.retain(|m| m.target != bare(destination));
                    mapping.attributes.push(attribute(config, source, bare(destination), None));
                }
            }
            return Ok(());
        }
        RequiredMapping::Target { destination, mandatory, .. } => (destination, *mandatory),
    };
    match target.strip_prefix(IDENTITY) {
        Some(target) => {
            let rows = mapping.identities.iter_mut().filter(|m| m.target == target);
            rows.for_each(|m| m.mandatory |= is_mandatory);
        }
        None => {
            let rows = mapping.attributes.iter_mut().filter(|m| m.target == bare(target));
            rows.for_each(|m| m.mandatory |= is_mandatory);
        }
    }
    Ok(())
}
