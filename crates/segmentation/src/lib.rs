//! Audiences, merge policies and identity namespaces: their documents, rules and compiled form.
//!
//! Floor 5. In: the document set, the caller, a JSON body or query parameters. Out: document changes
//! and JSON in AEP's shapes, or an error that names the field, the rule and what was given. Compiled:
//! [`audiences`], [`merge_policies::merge_policies`], [`namespaces::namespaces`].
//!
//! Always: pure; nothing here evaluates an audience. A member of a body that is not understood is
//! refused by name, never dropped.

mod audiences;
pub mod definitions;
mod error;
mod evaluation;
mod fields;
pub mod merge_policies;
pub mod namespaces;
mod page;
mod query;
mod sandbox;

pub use audiences::{AudienceSpec, audiences};
pub use error::{Error, Kind};
pub use merge_policies::{AttributeMerge, IdentityGraph, MergePolicy};
pub use namespaces::{Namespace, NamespaceError};

/// Decoded query parameters of a request, in order.
pub type Parameters = [(String, String)];
