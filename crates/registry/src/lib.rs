//! Schema registry and catalog: XDM resources, descriptors, unions, data sets (profile.md §2, §3, §7.5).
//!
//! Floor 5, pure. In: a [`model::DocSet`], a [`model::Caller`], a request. Out: the changes to make
//! durable and the answer as the wire shows it, or an [`Error`] in the shape of its service.
//!
//! Always: every stored schema resolves and compiles; a schema that is in a union or used by a data
//! set changes additively only; the members of a union agree on the type of each path.

mod accept;
pub mod catalog;
mod check;
mod compile;
pub mod descriptor;
mod document;
mod error;
mod evolution;
mod impact;
mod json_patch;
mod kind;
mod library;
mod listing;
pub mod resource;
mod stats;
pub mod union;
mod view;

pub use catalog::{DatasetInfo, dataset};
pub use compile::{IdentityPath, compile_schema, identity_paths, union_types};
pub use descriptor::Namespaces;
pub use error::Error;
pub use kind::{Container, Kind};
pub use library::{Library, Standard, library};
pub use stats::stats;
