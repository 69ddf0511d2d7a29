//! The target schema and what users may map (`schemaConfig`).

use super::data_field::{CustomerDataField, fields};
use super::lookup::{DynamicSchema, dynamic_schema};
use super::read::Object;
use smol_str::SmolStr;

/// What users may map.
#[derive(Clone, Debug, Default)]
pub struct SchemaConfig {
    /// Static target attributes.
    pub profile_fields: Vec<CustomerDataField>,
    /// Only the source column is shown; `profile_fields` do not apply.
    pub use_customer_schema_for_attribute_mapping: bool,
    /// A target schema that is asked from the receiving system; in place of `profile_fields`.
    pub dynamic_schema: Option<DynamicSchema>,
    /// Whether profile attributes may be mapped to custom target attributes.
    pub profile_required: bool,
    /// Whether audiences must be mapped; false only for data sets.
    pub segment_required: bool,
    /// Whether identities may be mapped.
    pub identity_required: bool,
    /// Which audiences may be mapped.
    pub segment_namespaces: SegmentNamespaces,
    /// Mappings that are there from the start.
    pub required_mappings: Vec<RequiredMapping>,
    /// Whether users cannot add other mappings.
    pub required_mappings_only: bool,
}

/// Which audiences may be mapped, by their namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SegmentNamespaces {
    /// Neither list is given: only audiences of the Segmentation Service (`ups`).
    #[default]
    SegmentationService,
    /// Only audiences of these namespaces.
    Allow(Vec<SmolStr>),
    /// All audiences but those of these namespaces.
    Deny(Vec<SmolStr>),
}

impl SegmentNamespaces {
    /// Whether audiences of this namespace may be mapped.
    pub fn admits(&self, namespace: &str) -> bool {
        match self {
            SegmentNamespaces::SegmentationService => namespace == "ups",
            SegmentNamespaces::Allow(names) => names.iter().any(|name| name == namespace),
            SegmentNamespaces::Deny(names) => names.iter().all(|name| name != namespace),
        }
    }
}

/// A mapping that is there from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequiredMapping {
    /// Both sides are fixed.
    Fixed {
        /// What is mapped.
        source: MappingSource,
        /// Target attribute, or `identityMap.<Namespace>`.
        destination: String,
    },
    /// The user picks the source.
    Target {
        /// Target attribute, or `identityMap.<Namespace>`.
        destination: String,
        /// Profiles without a value are not exported.
        mandatory: bool,
        /// Rows are unique by this value.
        primary_key: bool,
    },
}

/// The fixed source of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingSource {
    /// `text/x.schema-path`: an attribute path.
    SchemaPath(String),
    /// `text/x.aep-xl`: an expression over the profile.
    Expression(String),
    /// `text/plain`: the macro `metadata.segment.alias`.
    SegmentAlias,
}

impl RequiredMapping {
    /// The target side.
    pub fn destination(&self) -> &str {
        match self {
            RequiredMapping::Fixed { destination, .. } | RequiredMapping::Target { destination, .. } => destination,
        }
    }
}

/// Reads the schema settings. `datasets`: the destination exports data sets, not audiences.
pub(crate) fn schema_config(object: &Object<'_>, datasets: bool) -> Option<SchemaConfig> {
    let dynamic_schema = object
        .get("dynamicSchemaConfig")
        .and_then(|at| at.object(|config| config.need("dynamicEnum").and_then(|at| at.object(dynamic_schema))));
    let config = SchemaConfig {
        profile_fields: object.get("profileFields").and_then(|at| fields(&at)).unwrap_or_default(),
        use_customer_schema_for_attribute_mapping: object.flag("useCustomerSchemaForAttributeMapping").unwrap_or(false),
        dynamic_schema,
        profile_required: object.flag("profileRequired").unwrap_or(false),
        segment_required: object.need("segmentRequired").and_then(|at| at.boolean()).unwrap_or(!datasets),
        identity_required: object.need("identityRequired").and_then(|at| at.boolean()).unwrap_or(false),
        segment_namespaces: segment_namespaces(object),
        required_mappings: required_mappings(object).unwrap_or_default(),
        required_mappings_only: object.flag("requiredMappingsOnly").unwrap_or(false),
    };
    check(object, &config, datasets);
    Some(config)
}

fn check(object: &Object<'_>, config: &SchemaConfig, datasets: bool) {
    let fault = |name: &str, message: &str| object.at.reading.fault(&object.at.path.key(name), message);
    if datasets {
        for (name, value) in [
            ("profileRequired", config.profile_required),
            ("segmentRequired", config.segment_required),
            ("identityRequired", config.identity_required),
        ] {
            if value {
                fault(name, "must be false for sources [\"DATASETS\"]; given true");
            }
        }
    } else if !config.segment_required {
        fault("segmentRequired", "must be true, except for sources [\"DATASETS\"]; given false");
    }
    if !config.profile_fields.is_empty() {
        if config.use_customer_schema_for_attribute_mapping {
            let message = "profileFields do not apply when it is true; give one of the two";
            fault("useCustomerSchemaForAttributeMapping", message);
        }
        if config.dynamic_schema.is_some() {
            fault("dynamicSchemaConfig", "takes the place of profileFields; give one of the two");
        }
    }
    if config.required_mappings_only && config.required_mappings.is_empty() {
        fault("requiredMappingsOnly", "is true, so requiredMappings must hold at least one mapping");
    }
}

fn segment_namespaces(object: &Object<'_>) -> SegmentNamespaces {
    let read = |name: &'static str| {
        let at = object.get(name)?;
        let names = at.list(|item| item.filled().map(SmolStr::new))?;
        Some((at, names))
    };
    match (read("segmentNamespaceAllowList"), read("segmentNamespaceDenyList")) {
        (None, None) => SegmentNamespaces::SegmentationService,
        (None, Some((_, deny))) => SegmentNamespaces::Deny(deny),
        (Some((at, allow)), deny) => {
            if deny.is_some() {
                at.fault("segmentNamespaceAllowList and segmentNamespaceDenyList exclude each other; give one of them");
            }
            SegmentNamespaces::Allow(allow)
        }
    }
}

fn required_mappings(object: &Object<'_>) -> Option<Vec<RequiredMapping>> {
    let at = object.get("requiredMappings")?;
    let mut read: Vec<RequiredMapping> = Vec::new();
    for item in at.items()? {
        let Some(mapping) = item.object(required_mapping) else { continue };
        if read.iter().any(|other| other.destination() == mapping.destination()) {
            let message = format!("the destination {:?} is given twice", mapping.destination());
            item.reading.fault(&item.path.key("destination"), message);
        }
        read.push(mapping);
    }
    Some(read)
}

#[derive(Clone, Copy)]
enum SourceType {
    SchemaPath,
    Expression,
    Plain,
}

const SOURCE_TYPES: &[(&str, SourceType)] = &[
    ("text/x.schema-path", SourceType::SchemaPath),
    ("text/x.aep-xl", SourceType::Expression),
    ("text/plain", SourceType::Plain),
];
const ALIAS: &str = "metadata.segment.alias";

fn required_mapping(object: &Object<'_>) -> Option<RequiredMapping> {
    let kind = object.get("sourceType");
    let source = object.get("source");
    let destination = object.get("destination");
    if destination.is_none() {
        let path = object.at.path.key("destination");
        let reason = if source.is_some() { "; a mapping with a source only is not supported" } else { "" };
        object.at.reading.fault(&path, format!("is required{reason}"));
    }
    let destination = destination.and_then(|at| at.filled().map(str::to_owned));
    if kind.is_none() && source.is_none() {
        let mandatory = object.flag("mandatoryRequired").unwrap_or(false);
        let primary_key = object.flag("primaryKeyRequired").unwrap_or(false);
        return Some(RequiredMapping::Target { destination: destination?, mandatory, primary_key });
    }
    for name in ["mandatoryRequired", "primaryKeyRequired"] {
        object.refuse(name, "is for a mapping of which the user picks the source: without source and sourceType");
    }
    let kind = object.need("sourceType").and_then(|at| at.one_of(SOURCE_TYPES));
    let at = object.need("source")?;
    let text = at.filled()?.to_owned();
    let source = match kind? {
        SourceType::SchemaPath => MappingSource::SchemaPath(text),
        SourceType::Expression => MappingSource::Expression(text),
        SourceType::Plain if text == ALIAS => MappingSource::SegmentAlias,
        SourceType::Plain => {
            at.fault(format!("must be {ALIAS:?} for sourceType text/plain; given {text:?}"));
            return None;
        }
    };
    Some(RequiredMapping::Fixed { source, destination: destination? })
}
