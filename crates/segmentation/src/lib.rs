//! Audiences, merge policies and identity namespaces: their documents, rules and compiled form; and the work
//! that clients ask for beside the stream: segment jobs, schedules, previews, exports, uploads, search.
//!
//! Floor 5. In: the document set, the caller, a JSON body or query parameters. Out: document changes
//! and JSON in AEP's shapes, or an error that names the field, the rule and what was given. Compiled:
//! [`audiences`], [`merge_policies::merge_policies`], [`namespaces::namespaces`].
//!
//! Always: pure; nothing here evaluates an audience. A member of a body that is not understood is
//! refused by name, never dropped.

pub mod audience_api;
mod audiences;
pub mod conversion;
mod cron;
pub mod definitions;
mod error;
mod evaluation;
pub mod export_jobs;
mod expression;
pub mod external;
mod fields;
pub mod jobs;
mod lifecycle;
pub mod merge_policies;
mod names;
pub mod namespaces;
mod page;
pub mod preview;
mod query;
mod sandbox;
pub mod schedules;
pub mod search;

pub use audiences::{AudienceSpec, audiences};
pub use error::{Error, Kind};
pub use merge_policies::{AttributeMerge, IdentityGraph, MergePolicy};
pub use namespaces::{Namespace, NamespaceError};

/// Decoded query parameters of a request, in order.
pub type Parameters = [(String, String)];
