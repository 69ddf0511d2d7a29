//! What an authored destination allows of the mapping of a flow.

use destination::config::{
    CustomerDataField, DestinationConfig, IdentityNamespace, MappingId, MappingSource, RequiredMapping,
};
use destination::message::Source;
use model::SmolStr;
use std::sync::Arc;

/// What segment memberships call the audiences that this server evaluates.
pub const SEGMENTATION_SERVICE: &str = "ups";

/// The rules of one destination.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) config: Arc<DestinationConfig>,
    /// Target attributes by dotted path; `None` where any name is taken.
    pub(crate) attributes: Option<Vec<SmolStr>>,
}

/// A required mapping whose both sides are fixed.
pub(crate) struct Fixed<'r> {
    pub(crate) source_type: &'static str,
    pub(crate) source: &'r str,
    pub(crate) destination: &'r str,
}

impl Rules {
    /// The rules of a configuration. `listed`: the target attributes that the receiving system lists, where
    /// they are asked from it.
    pub(crate) fn new(config: &Arc<DestinationConfig>, listed: Option<Vec<SmolStr>>) -> Rules {
        let schema = &config.schema;
        let attributes = if schema.dynamic_schema.is_some() {
            listed
        } else if schema.profile_required {
            None
        } else {
            let mut paths = Vec::new();
            collect(&schema.profile_fields, "", &mut paths);
            Some(paths)
        };
        Rules { config: config.clone(), attributes }
    }

    /// Target attributes have the names of the source.
    pub(crate) fn keeps_names(&self) -> bool {
        self.config.schema.use_customer_schema_for_attribute_mapping
    }

    /// The rule of a target namespace.
    pub(crate) fn namespace(&self, name: &str) -> Option<&IdentityNamespace> {
        self.config.identity_namespace(name)
    }

    /// Nothing can be activated without a target identity.
    pub(crate) fn needs_identity(&self) -> bool {
        self.config.schema.identity_required
    }

    /// One of the destination's own attributes.
    pub(crate) fn is_predefined(&self, target: &str) -> bool {
        let schema = &self.config.schema;
        !self.keeps_names() && destination::config::find_field(&schema.profile_fields, target).is_some()
    }

    /// Customers enter the id of an audience at the receiver.
    pub(crate) fn mapping_id_entered(&self) -> bool {
        self.config.segment_mapping.by == Some(MappingId::UserInput)
    }

    /// The required mappings whose both sides are fixed.
    pub(crate) fn fixed(&self) -> impl Iterator<Item = Fixed<'_>> {
        self.config.schema.required_mappings.iter().filter_map(|required| match required {
            RequiredMapping::Fixed { source, destination } => {
                let (source_type, source) = match source {
                    MappingSource::SchemaPath(path) => ("text/x.schema-path", path.as_str()),
                    MappingSource::Expression(text) => ("text/x.aep-xl", text.as_str()),
                    MappingSource::SegmentAlias => ("text/plain", "metadata.segment.alias"),
                };
                Some(Fixed { source_type, source, destination })
            }
            RequiredMapping::Target { .. } => None,
        })
    }

    /// The targets whose source the customer must choose, each with whether profiles without it stay out.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = (&str, bool)> {
        self.config.schema.required_mappings.iter().filter_map(|required| match required {
            RequiredMapping::Target { destination, mandatory, .. } => Some((destination.as_str(), *mandatory)),
            RequiredMapping::Fixed { .. } => None,
        })
    }

    /// Names of target namespaces, for messages.
    pub(crate) fn namespaces(&self) -> String {
        let names: Vec<&str> = self.config.identity_namespaces.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    /// May audiences of this namespace be mapped?
    pub(crate) fn check_audience_namespace(&self, namespace: &str, at: &str) -> Result<(), String> {
        match self.config.schema.segment_namespaces.admits(namespace) {
            true => Ok(()),
            false => Err(format!("{at}: the destination takes no audiences of namespace {namespace:?}")),
        }
    }
}

fn collect(fields: &[CustomerDataField], at: &str, paths: &mut Vec<SmolStr>) {
    for field in fields {
        let path = if at.is_empty() { field.name.to_string() } else { format!("{at}.{}", field.name) };
        match field.properties() {
            [] => paths.push(path.into()),
            inner => collect(inner, &path, paths),
        }
    }
}

/// Whether a standard namespace is taken; within, the transformation that is always applied.
pub(crate) fn accepted<'n>(
    namespace: &'n IdentityNamespace,
    code: &str,
) -> Option<&'n Option<destination::config::Transformation>> {
    let mut accepted = namespace.accepted_global.iter();
    accepted.find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, required)| required)
}

/// What a target namespace takes, for a message.
pub(crate) fn taken(namespace: &IdentityNamespace) -> String {
    let mut takes: Vec<&str> = namespace.accepted_global.keys().map(SmolStr::as_str).collect();
    if namespace.accepts_custom_namespaces {
        takes.push("custom namespaces");
    }
    if namespace.accepts_attributes {
        takes.push("attributes");
    }
    if takes.is_empty() { "nothing".into() } else { takes.join(", ") }
}

/// The dotted path of an attribute source.
pub(crate) fn dotted(source: &Source) -> Option<SmolStr> {
    match source {
        Source::Attribute(names) => Some(names.join(".").into()),
        _ => None,
    }
}
