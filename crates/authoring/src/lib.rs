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

/// The base path of this API.
pub const BASE_PATH: &str = "/data/core/activation/authoring";

/// What this room needs from outside.
pub struct Outside<'a> {
    /// Seals a secret before it goes into a document.
    pub seal: &'a dyn Fn(&str) -> String,
}
