//! Flow Service: which systems profiles flow between, and what flows.
//!
//! In: the document set, the caller, request bodies. Out: document changes with the answer, or
//! one precise refusal. Pure: no clock, no chance, no I/O; what other rooms know (whether an
//! audience or a field exists, how secrets are sealed) comes in as functions.
//!
//! The chain is base connection (account) → source and target connection → flow. [`compile()`]
//! turns the flows of a sandbox into what the engine works with.
//!
//! Always: a secret enters a document sealed only and leaves it never; an accepted setting
//! works; members of a stored body that start with `_` are ours and never shown; an etag
//! changes with every accepted change.

mod base_connection;
mod catalog;
mod compile;
mod entity;
mod error;
mod flow;
mod http_target;
mod listing;
mod mapping;
mod patch;
mod rules;
mod runs;
mod schema;
mod sdk_target;
mod source_connection;
mod specs;
mod target_connection;
mod transformation;

use model::{DocChange, SmolStr, Type};
use serde_json::Value as Json;

/// Base connections: accounts and streaming inlets.
pub mod connections {
    pub use crate::base_connection::{TOKENS, create, delete, get, list, patch};
}
/// Source connections.
pub mod source_connections {
    pub use crate::source_connection::{create, delete, get, list, patch};
}
/// Target connections.
pub mod target_connections {
    pub use crate::target_connection::{create, delete, get, list, patch, patched};
}
/// Dataflows.
pub mod dataflows {
    pub use crate::flow::{LastRun, act, create, delete, get, list, patch, using_audience};
}

pub use catalog::{Catalog, SdkDestination};
pub use compile::{
    Auth, ClientCredentialsForm, FlowSpec, HttpDestination, Inlet, MappedAudience, Retry, SdkTarget, Target, Triggers,
    compile, inlets,
};
pub use error::{Error, Result};
pub use listing::{PAGE_MAX, Query, SEARCH_PAGE_MAX};
pub use mapping::{MappingRow, check_mapping};
pub use rules::SEGMENTATION_SERVICE;
pub use runs::{
    AudienceFigures, RunFigures, get_run, list_runs, refuse_run_action, refuse_run_create, refuse_run_write, run_json,
};
pub use sdk_target::delivery_properties;
pub use specs::{
    HTTP_API, HTTP_API_FLOW, PROFILE_STORE, PROVIDER, STREAMING_INLET, get_connection_spec, get_flow_spec,
    list_connection_specs, list_flow_specs, refuse_spec_write,
};

/// The base path of this API.
pub const BASE_PATH: &str = "/data/foundation/flowservice";

/// What this room needs from outside to answer for connections.
pub struct Outside<'a> {
    /// Seals a secret before it goes into a document.
    pub seal: &'a dyn Fn(&str) -> String,
    /// Where messages are sent to, without a slash at the end; `/collection/{inletId}` is appended.
    pub inlet_base: &'a str,
    /// `Ok` when requests may be sent to a URL; else why not.
    pub reachable: &'a dyn Fn(&url::Url) -> std::result::Result<(), String>,
    /// What can be connected to.
    pub catalog: &'a Catalog,
    /// The values that the receiving system offers at the moment for a customer data field with a
    /// dynamic list, by the path of the field; `None` when they cannot be had, and the value is taken
    /// as it is.
    pub offered_values: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

/// What this room asks about the rest of the sandbox before it accepts a mapping.
pub struct Lookups<'a> {
    /// What segment memberships call the namespace of an audience (`ups`); `None` when there is no such audience.
    pub audience_namespace: &'a dyn Fn(&str) -> Option<SmolStr>,
    /// The type of a dotted path in the union schema of profiles; else what is wrong.
    pub attribute_type: &'a dyn Fn(&str) -> std::result::Result<Type, String>,
    /// Whether an identity namespace is a custom one; `None` when there is no such namespace.
    pub namespace_is_custom: &'a dyn Fn(&str) -> Option<bool>,
    /// The target attributes that the receiving system lists at the moment; `None` when they cannot
    /// be had, and the mapping is taken as it is.
    pub target_attributes: &'a dyn Fn() -> Option<Vec<String>>,
    /// What can be connected to.
    pub catalog: &'a Catalog,
}

/// An accepted request: the changes to append, then the answer to give.
#[derive(Debug)]
pub struct Decision {
    /// Changes, in order, to be appended together.
    pub changes: Vec<DocChange>,
    /// HTTP status.
    pub status: u16,
    /// The body; null means an empty one.
    pub body: Json,
    /// Headers beside the usual ones; names are lower case.
    pub headers: Vec<(&'static str, String)>,
}

/// Reads a request body. An empty one is null, which each endpoint refuses or not by its own rule.
pub fn parse_body(bytes: &[u8]) -> Result<Json> {
    if bytes.is_empty() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(format!("the body is not valid JSON: {error}")))
}

#[cfg(test)]
mod tests;
