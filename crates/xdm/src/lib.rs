//! Experience Data Model: composition of schemas, their compiled form, validation, static types.
//!
//! In: schema documents as JSON. Out: one flat document ([`resolve`]), a compiled [`Schema`],
//! violations of a record ([`validate`]), and the [`model::Type`] that queries are checked against.
//!
//! Floor 1, pure, usable alone. The way of a document: [`compatible`] (names of the public corpus
//! become names of data) → [`resolve`] (one flat tree) → [`Schema::from_json`] → [`validate`].
//!
//! Always: nothing here panics on a hostile document; recursion is bounded; a valid record is
//! validated without an allocation of our own.

mod compatible;
mod format;
mod number;
mod resolve;
mod schema;
mod types;
mod validate;

pub use compatible::{compatible, compatible_path, full_names};
pub use format::Format;
pub use resolve::{ResolveError, annotate, merge, resolve};
pub use schema::{Behavior, Field, Kind, Node, Schema, SchemaError, TextRules};
pub use types::{identity_map_type, segment_membership_type, union_type};
pub use validate::{VIOLATIONS_MAX, Violation, validate};
