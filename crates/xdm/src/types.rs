//! Static types of schemas, and of the union of several.
//!
//! A union holds every field of its members plus what the service makes itself: `identityMap` and
//! `segmentMembership` for records, `identityMap`, `_id` and `timestamp` for events.

use crate::format::Format;
use crate::schema::{Behavior, Kind, Node, Schema};
use model::Type;
use smol_str::SmolStr;
use std::sync::Arc;

impl Schema {
    /// The type of one record of this schema.
    pub fn value_type(&self) -> Type {
        node_type(&self.root)
    }
}

/// The type of records (or of events) of all these schemas. Where two disagree, the first wins;
/// the registry refuses such a pair before.
pub fn union_type<'a>(schemas: impl IntoIterator<Item = &'a Schema>, behavior: Behavior) -> Type {
    let service = match behavior {
        Behavior::Record => vec![
            (SmolStr::new("identityMap"), identity_map_type()),
            (SmolStr::new("segmentMembership"), segment_membership_type()),
        ],
        Behavior::TimeSeries => vec![
            (SmolStr::new("_id"), Type::String),
            (SmolStr::new("identityMap"), identity_map_type()),
            (SmolStr::new("timestamp"), Type::Timestamp),
        ],
        Behavior::Adhoc => Vec::new(),
    };
    schemas.into_iter().fold(Type::object(service), |union, schema| unite(union, schema.value_type()))
}

/// `identityMap`: namespace code → identities.
pub fn identity_map_type() -> Type {
    let item = Type::object(vec![
        (SmolStr::new("id"), Type::String),
        (SmolStr::new("authenticatedState"), Type::String),
        (SmolStr::new("primary"), Type::Boolean),
    ]);
    Type::Map(Arc::new(Type::Array(Arc::new(item))))
}

/// `segmentMembership`: membership namespace → audience id → membership.
pub fn segment_membership_type() -> Type {
    let payload = Type::object(vec![
        (SmolStr::new("payloadType"), Type::String),
        (SmolStr::new("payloadBooleanValue"), Type::Boolean),
        (SmolStr::new("payloadNumberValue"), Type::Double),
        (SmolStr::new("payloadPropensityValue"), Type::Double),
        (SmolStr::new("payloadStringValue"), Type::String),
    ]);
    let membership = Type::object(vec![
        (SmolStr::new("status"), Type::String),
        (SmolStr::new("lastQualificationTime"), Type::Timestamp),
        (SmolStr::new("validUntil"), Type::Timestamp),
        (SmolStr::new("version"), Type::String),
        (SmolStr::new("payload"), payload),
        (SmolStr::new("timerSpec"), Type::String),
    ]);
    Type::Map(Arc::new(Type::Map(Arc::new(membership))))
}

fn node_type(node: &Node) -> Type {
    match &node.kind {
        Kind::Any => Type::Any,
        Kind::Text(rules) => match rules.as_ref().and_then(|r| r.format) {
            Some(Format::Date) => Type::Date,
            Some(Format::DateTime) => Type::Timestamp,
            _ => Type::String,
        },
        Kind::Integer { .. } => Type::Integer,
        Kind::Number { .. } => Type::Double,
        Kind::Boolean => Type::Boolean,
        Kind::Array { items, .. } => Type::Array(Arc::new(node_type(items))),
        Kind::Object { open: true, .. } => Type::Any,
        Kind::Object { fields, .. } => {
            Type::object(fields.iter().map(|f| (f.name.clone(), node_type(&f.node))).collect())
        }
        Kind::Map(value) => Type::Map(Arc::new(node_type(value))),
    }
}

fn unite(first: Type, second: Type) -> Type {
    match (first, second) {
        (Type::Object(a), Type::Object(b)) => {
            let mut fields = (*a).clone();
            for (name, b) in b.iter() {
                match fields.iter_mut().find(|(n, _)| n == name) {
                    Some((_, a)) => *a = unite(a.clone(), b.clone()),
                    None => fields.push((name.clone(), b.clone())),
                }
            }
            Type::object(fields)
        }
        (Type::Array(a), Type::Array(b)) => Type::Array(Arc::new(unite((*a).clone(), (*b).clone()))),
        (Type::Map(a), Type::Map(b)) => Type::Map(Arc::new(unite((*a).clone(), (*b).clone()))),
        (first, _) => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_union_holds_the_fields_of_all_and_the_service_parts() {
        let schema =
            |properties| Schema::from_json(&json!({"type": "object", "properties": properties})).expect("compiles");
        let a = schema(json!({"person": {"type": "object", "properties": {"age": {"type": "integer"}}}}));
        let b =
            schema(json!({"person": {"type": "object", "properties": {"born": {"type": "string", "format": "date"}}}}));
        let union = union_type([&a, &b], Behavior::Record);
        assert_eq!(union.at("person.age"), Some(&Type::Integer));
        assert_eq!(union.at("person.born"), Some(&Type::Date));
        assert_eq!(union.at("identityMap.Email.id"), Some(&Type::String));
        assert_eq!(union.at("segmentMembership.ups.x.status"), Some(&Type::String));
        assert_eq!(union.at("person.shoe"), None);
    }
}
