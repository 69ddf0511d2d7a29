//! What the engine needs of schemas and data sets, compiled when they change.

use crate::descriptor::{self, Namespaces};
use crate::error::Error;
use crate::union::{self, EXPERIENCE_EVENT, PROFILE};
use crate::view::View;
use model::{DocSet, NamespaceId, SandboxId, SmolStr, Type};
use std::sync::Arc;
use xdm::{Behavior, Schema};

/// A field that holds an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPath {
    /// Names from the root of a record.
    pub path: Vec<SmolStr>,
    /// The namespace of its value.
    pub namespace: NamespaceId,
    /// True for the primary identity of the schema.
    pub primary: bool,
}

/// The compiled form of a tenant schema or of a union, by `$id`.
pub fn compile_schema(docs: &DocSet, sandbox: SandboxId, schema_id: &str) -> Result<Arc<Schema>, Error> {
    let view = View::new(docs, sandbox);
    let flat = match union::class_of_union(&view, schema_id) {
        Some(class) => union::resolve(&view, &class)?,
        None => {
            let doc = view.tenant(schema_id).ok_or_else(|| Error::not_found(schema_id, "1"))?;
            view.resolve_schema(schema_id, &doc.body)?
        }
    };
    Schema::from_json(&flat).map(Arc::new).map_err(|e| Error::invalid(e.to_string()))
}

/// The identities that a schema's descriptors name, the primary one first. A namespace that
/// `namespaces` does not know is left out; descriptors are checked against it when they are made.
pub fn identity_paths(
    docs: &DocSet,
    sandbox: SandboxId,
    schema_id: &str,
    namespaces: Namespaces<'_>,
) -> Vec<IdentityPath> {
    let mut paths: Vec<IdentityPath> = descriptor::identities(docs, sandbox, schema_id)
        .filter_map(|(path, namespace, primary)| {
            let path = path.trim_matches('/').split('/').map(SmolStr::new).collect();
            Some(IdentityPath { path, namespace: namespaces(&namespace)?, primary })
        })
        .collect();
    paths.sort_by_key(|p| !p.primary);
    paths
}

/// The types of profiles and of events: all fields of the union schemas of the two classes, with the
/// parts that the service makes. A class without a union has type `Any` (design, §11.11).
pub fn union_types(docs: &DocSet, sandbox: SandboxId) -> (Type, Type) {
    let view = View::new(docs, sandbox);
    let of = |class: &str, behavior: Behavior| {
        let members = union::members_of(&view, class);
        let schemas: Vec<Arc<Schema>> =
            members.iter().filter_map(|(id, _)| compile_schema(docs, sandbox, id).ok()).collect();
        if schemas.is_empty() { Type::Any } else { xdm::union_type(schemas.iter().map(|s| &**s), behavior) }
    };
    (of(PROFILE, Behavior::Record), of(EXPERIENCE_EVENT, Behavior::TimeSeries))
}
