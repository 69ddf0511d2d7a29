//! What a sandbox can connect to: the specs that ship with the server, and the destinations that
//! were authored.
//!
//! An authored destination comes in whole, with its connection spec and its flow spec, from the one
//! who keeps them; this room looks specs up here and nowhere else.

use crate::specs;
use destination::config::{Choices, CustomerDataField, DestinationConfig};
use model::SmolStr;
use serde_json::Value as Json;
use std::sync::Arc;

/// One authored destination, as connections and flows see it.
#[derive(Debug, Clone)]
pub struct SdkDestination {
    /// The destination configuration's id.
    pub destination_id: SmolStr,
    /// Names one state of it: another text means that something changed.
    pub version: SmolStr,
    /// What is configured.
    pub config: Arc<DestinationConfig>,
    /// True where files are exported instead of messages.
    pub file_based: bool,
    /// Shown, and what account and target parameters are checked against.
    pub connection_spec: Json,
    /// Shown; joins the profile store with the connection spec.
    pub flow_spec: Json,
}

impl SdkDestination {
    /// Customer data fields with a dynamic list, as dotted paths.
    pub fn dynamic_fields(&self) -> Vec<String> {
        let mut paths = Vec::new();
        collect_dynamic(&self.config.customer_data_fields, "", &mut paths);
        paths
    }
}

fn collect_dynamic(fields: &[CustomerDataField], at: &str, paths: &mut Vec<String>) {
    for field in fields {
        let path = if at.is_empty() { field.name.to_string() } else { format!("{at}.{}", field.name) };
        collect_dynamic(field.properties(), &path, paths);
        if matches!(field.choices, Choices::Dynamic(_)) {
            paths.push(path);
        }
    }
}

/// All specs of a sandbox. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    destinations: Vec<Arc<SdkDestination>>,
}

impl Catalog {
    /// The shipped specs and these destinations.
    pub fn new(destinations: Vec<Arc<SdkDestination>>) -> Catalog {
        Catalog { destinations }
    }

    /// The authored destinations, in the order of the catalog.
    pub fn destinations(&self) -> &[Arc<SdkDestination>] {
        &self.destinations
    }

    /// The authored destination of a connection spec.
    pub fn destination(&self, connection_spec_id: &str) -> Option<&Arc<SdkDestination>> {
        self.destinations.iter().find(|destination| destination.connection_spec["id"] == connection_spec_id)
    }

    pub(crate) fn connection_specs(&self) -> Vec<Json> {
        let authored = self.destinations.iter().map(|destination| destination.connection_spec.clone());
        specs::shipped_connection_specs().iter().cloned().chain(authored).collect()
    }

    pub(crate) fn flow_specs(&self) -> Vec<Json> {
        let authored = self.destinations.iter().map(|destination| destination.flow_spec.clone());
        specs::shipped_flow_specs().iter().cloned().chain(authored).collect()
    }

    pub(crate) fn connection_spec(&self, id: &str) -> Option<&Json> {
        let shipped = specs::shipped_connection_specs().iter().find(|spec| spec["id"] == id);
        shipped.or_else(|| self.destination(id).map(|destination| &destination.connection_spec))
    }

    pub(crate) fn flow_spec(&self, id: &str) -> Option<&Json> {
        let shipped = specs::shipped_flow_specs().iter().find(|spec| spec["id"] == id);
        let authored = || self.destinations.iter().map(|destination| &destination.flow_spec);
        shipped.or_else(|| authored().find(|spec| spec["id"] == id))
    }
}
