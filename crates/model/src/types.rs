//! Static types of profile and event fields, as the query language sees them (pql.md §3).
//!
//! `xdm` makes them from union schemas; `pql` checks queries against them.

use smol_str::SmolStr;
use std::sync::Arc;

/// A static type. `Any` is what is known where no schema is (design, §11.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Nothing is known: every path is legal, absent is null.
    Any,
    /// XDM string, URI or enumeration.
    String,
    /// XDM byte, short, integer, long.
    Integer,
    /// XDM number.
    Double,
    /// XDM boolean.
    Boolean,
    /// XDM date-time.
    Timestamp,
    /// XDM date: a whole UTC day.
    Date,
    /// An array of items of one type.
    Array(Arc<Type>),
    /// Named fields, sorted by name; no others exist.
    Object(Arc<Vec<(SmolStr, Type)>>),
    /// Keys are data; the values share one type.
    Map(Arc<Type>),
}

impl Type {
    /// An object type; fields are sorted here, the first of two equal names is kept.
    pub fn object(mut fields: Vec<(SmolStr, Type)>) -> Type {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields.dedup_by(|a, b| a.0 == b.0);
        Type::Object(Arc::new(fields))
    }

    /// The type of a direct field: `None` where an object has no such field or the type has none.
    pub fn field(&self, name: &str) -> Option<&Type> {
        match self {
            Type::Any => Some(&Type::Any),
            Type::Object(fields) => fields.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|i| &fields[i].1),
            Type::Map(value) => Some(value),
            _ => None,
        }
    }

    /// The type at a dotted path; arrays are looked through (pql.md §6).
    pub fn at(&self, path: &str) -> Option<&Type> {
        path.split('.').try_fold(self, |at, name| {
            let at = match at {
                Type::Array(item) => item,
                other => other,
            };
            at.field(name)
        })
    }
}
