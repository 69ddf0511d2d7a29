//! Destination Authoring: destinations of one's own, described in configuration and templates, tried,
//! reviewed and offered to those who activate.
//!
//! In: the document set, the caller, request bodies. Out: document changes with the answer, or a refusal
//! that names every fault. Pure: no clock, no chance, no I/O; how secrets are sealed comes in as a function.
//!
//! Always: a secret enters a document sealed only and is never shown; what is accepted has no dangling
//! reference, and nothing that is referred to can be removed; customers see a private destination in its
//! author's sandbox only, and of a public one only what was approved.

mod builtin;
mod catalog;
mod error;
mod ids;
mod kind;
mod links;
mod objects;
mod publish;
mod secrets;
mod snapshot;
mod specs;
mod testing;

pub use catalog::{Catalog, CatalogEntry, Catalogs, Origin, catalog, connection_spec_id};
pub use error::{Error, Result};
pub use kind::Kind;
pub use objects::Change;
pub use secrets::REDACTED;
pub use specs::auth_name;
pub use testing::{InstanceParts, PROFILES_MAX, instance, preview_files};

/// The five operations on destinations, servers, audience templates and credentials.
pub mod authored {
    pub use crate::objects::{create, delete, get, list, replace};
}
/// Publish requests and their review.
pub mod publishing {
    pub use crate::publish::{Verdict, create, decide, get, list, reviews};
}
/// Samples and renderings, before anything is connected.
pub mod trial {
    pub use crate::testing::{render, render_fields, sample_profiles, sample_template};
}

/// Reads a request body; a key that is given twice is refused with its path.
///
/// # Errors
/// What is no JSON, or where a key is given twice.
pub fn read_body(bytes: &[u8]) -> Result<serde_json::Value> {
    destination::read_json(bytes).map_err(|fault| match fault.path.is_empty() {
        true => Error::refused(format!("the body is not valid JSON: {}", fault.message)),
        false => Error::Invalid(vec![fault]),
    })
}

/// The base path of this API.
pub const BASE_PATH: &str = "/data/core/activation/authoring";

/// What this room needs from outside.
pub struct Outside<'a> {
    /// Seals a secret before it goes into a document.
    pub seal: &'a dyn Fn(&str) -> String,
}
