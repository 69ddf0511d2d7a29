//! Kinds and containers of registry resources, and their names on the wire.

use model::Collection;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Record, time series, ad hoc.
    Behavior,
    /// What a schema is about.
    Class,
    /// Fields for schemas of certain classes; the wire also says mixin.
    FieldGroup,
    /// Fields for use inside other resources.
    DataType,
    /// One class and any number of field groups.
    Schema,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Behavior, Kind::Class, Kind::FieldGroup, Kind::DataType, Kind::Schema];

    /// The kind of a path segment; `mixins` is the older name of `fieldgroups`.
    pub fn parse(segment: &str) -> Option<Kind> {
        Some(match segment {
            "behaviors" => Kind::Behavior,
            "classes" => Kind::Class,
            "fieldgroups" | "mixins" => Kind::FieldGroup,
            "datatypes" => Kind::DataType,
            "schemas" => Kind::Schema,
            _ => return None,
        })
    }

    /// `meta:resourceType`, and the segment in `$id`.
    pub fn resource_type(self) -> &'static str {
        match self {
            Kind::Behavior => "behaviors",
            Kind::Class => "classes",
            Kind::FieldGroup => "mixins",
            Kind::DataType => "datatypes",
            Kind::Schema => "schemas",
        }
    }

    /// Singular noun for messages.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Behavior => "behavior",
            Kind::Class => "class",
            Kind::FieldGroup => "field group",
            Kind::DataType => "data type",
            Kind::Schema => "schema",
        }
    }

    /// Where tenant resources of this kind are kept.
    pub fn collection(self) -> Option<Collection> {
        match self {
            Kind::Behavior => None,
            Kind::Class => Some(Collection::Class),
            Kind::FieldGroup => Some(Collection::FieldGroup),
            Kind::DataType => Some(Collection::DataType),
            Kind::Schema => Some(Collection::Schema),
        }
    }
}

/// Who owns a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// The standard library; read only.
    Global,
    /// The organisation's own resources in one sandbox.
    Tenant,
}

impl Container {
    /// The container of a path segment.
    pub fn parse(segment: &str) -> Option<Container> {
        match segment {
            "global" => Some(Container::Global),
            "tenant" => Some(Container::Tenant),
            _ => None,
        }
    }

    /// The path segment.
    pub fn name(self) -> &'static str {
        match self {
            Container::Global => "global",
            Container::Tenant => "tenant",
        }
    }
}
