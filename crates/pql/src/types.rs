//! Static types of expressions: what the schema says of fields, carried through the operators.
//!
//! `Any` is compatible with everything: what is not known is not refused.

use crate::ast::Comparison;
use model::{SmolStr, Type};
use std::sync::Arc;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ty {
    /// A value of the schema's types.
    Of(Type),
    /// The literal `null`.
    Null,
    /// The result of `groupBy`: types of key and item.
    Groups(Type, Type),
}

/// What two values must share to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Any,
    Text,
    Number,
    Boolean,
    Time,
    Array,
    Object,
    Groups,
}

impl Ty {
    pub(crate) const ANY: Ty = Ty::Of(Type::Any);
    pub(crate) const BOOLEAN: Ty = Ty::Of(Type::Boolean);
    pub(crate) const TEXT: Ty = Ty::Of(Type::String);
    pub(crate) const INTEGER: Ty = Ty::Of(Type::Integer);
    pub(crate) const NUMBER: Ty = Ty::Of(Type::Double);
    pub(crate) const TIME: Ty = Ty::Of(Type::Timestamp);
    pub(crate) const DATE: Ty = Ty::Of(Type::Date);

    pub(crate) fn array(item: Type) -> Ty {
        Ty::Of(Type::Array(Arc::new(item)))
    }

    /// The type as the schema would say it.
    pub(crate) fn known(&self) -> Type {
        match self {
            Ty::Of(known) => known.clone(),
            _ => Type::Any,
        }
    }

    /// The type of the items of an array.
    pub(crate) fn item(&self) -> Type {
        match self {
            Ty::Of(Type::Array(item)) => (**item).clone(),
            _ => Type::Any,
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Ty::Of(known) => class(known),
            Ty::Null => Class::Any,
            Ty::Groups(..) => Class::Groups,
        }
    }

    /// The type of either of two.
    pub(crate) fn or(&self, other: &Ty) -> Ty {
        match (self, other) {
            (Ty::Null, known) | (known, Ty::Null) => known.clone(),
            (a, b) if a == b => a.clone(),
            (a, b) if a.class() == Class::Number && b.class() == Class::Number => Ty::NUMBER,
            _ => Ty::ANY,
        }
    }

    /// The type as a message names it.
    pub(crate) fn describe(&self) -> &'static str {
        match self.class() {
            Class::Any => "a value",
            Class::Text => "a String",
            Class::Number => "a number",
            Class::Boolean => "a Boolean",
            Class::Time => "a date or time",
            Class::Array => "an array",
            Class::Object => "an object",
            Class::Groups => "groups",
        }
    }
}

/// The name of a type as the language has it.
pub(crate) fn name(of: &Type) -> String {
    match of {
        Type::Any => "unknown".into(),
        Type::String => "String".into(),
        Type::Integer => "Integer".into(),
        Type::Double => "Double".into(),
        Type::Boolean => "Boolean".into(),
        Type::Timestamp => "Timestamp".into(),
        Type::Date => "Date".into(),
        Type::Array(item) => format!("Array({})", name(item)),
        Type::Object(_) => "Object".into(),
        Type::Map(value) => format!("Map(String, {})", name(value)),
    }
}

pub(crate) fn class(known: &Type) -> Class {
    match known {
        Type::Any => Class::Any,
        Type::String => Class::Text,
        Type::Integer | Type::Double => Class::Number,
        Type::Boolean => Class::Boolean,
        Type::Timestamp | Type::Date => Class::Time,
        Type::Array(_) => Class::Array,
        Type::Object(_) | Type::Map(_) => Class::Object,
    }
}

/// The type of a property; projects through arrays (pql.md §6). `None`: there is no such property.
pub(crate) fn member(of: &Type, name: &str) -> Option<Type> {
    match of {
        Type::Array(item) => Some(match member(item, name)? {
            Type::Array(inner) => Type::Array(inner),
            scalar => Type::Array(Arc::new(scalar)),
        }),
        other => other.field(name).cloned(),
    }
}

/// The names of the properties of a type.
pub(crate) fn members(of: &Type) -> Vec<&str> {
    match of {
        Type::Array(item) => members(item),
        Type::Object(fields) => fields.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// True where a value of the type is text that stands for a date or instant.
pub(crate) fn is_time(of: &Type) -> bool {
    match of {
        Type::Array(item) => is_time(item),
        other => class(other) == Class::Time,
    }
}

/// Why two types can not be compared; `None` if they can.
pub(crate) fn incomparable(op: Comparison, left: &Ty, right: &Ty) -> Option<String> {
    let scalar = |ty: &Ty| match ty {
        Ty::Of(Type::Array(item)) => Ty::Of((**item).clone()),
        other => other.clone(),
    };
    if left.class() == Class::Array && right.class() == Class::Array {
        if !op.is_equality() {
            return Some(format!("two arrays are compared with `=` and `!=`, not with `{}`", op.text()));
        }
        return unlike_items(left, right);
    }
    let (left, right) = (scalar(left), scalar(right));
    let (a, b) = (left.class(), right.class());
    let alike = a == b
        || a == Class::Any
        || b == Class::Any
        || matches!((a, b), (Class::Text, Class::Time) | (Class::Time, Class::Text));
    if !alike {
        return Some(format!("{} can not be compared with {}", left.describe(), right.describe()));
    }
    let unordered = |class| matches!(class, Class::Boolean | Class::Object | Class::Array);
    let ordered = op.is_equality() || !(unordered(a) || unordered(b));
    let which = if unordered(a) { left } else { right };
    (!ordered).then(|| format!("{} has no order: `{}` does not apply", which.describe(), op.text()))
}

/// Why the items of two arrays can not be equal; `None` if they can.
pub(crate) fn unlike_items(left: &Ty, right: &Ty) -> Option<String> {
    let (left, right) = (Ty::Of(left.item()), Ty::Of(right.item()));
    let arrays = [left.class(), right.class()].iter().filter(|class| **class == Class::Array).count();
    let unlike = if arrays == 1 { None } else { incomparable(Comparison::Equal, &left, &right) };
    unlike.map(|why| format!("the items have no type in common: {why}"))
}

/// Why two expressions can not be the branches of an `if`; `None` if they can (pql.md §11.5). Where truth is asked for,
/// an array stands for a Boolean, and text can stand for an instant.
pub(crate) fn unlike_branches(then: &Ty, otherwise: &Ty) -> Option<String> {
    use Class::{Any, Array, Boolean, Text, Time};
    let (a, b) = (then.class(), otherwise.class());
    let stands_for = |a, b| matches!((a, b), (Any, _) | (Array, Boolean) | (Text, Time));
    let alike = a == b || stands_for(a, b) || stands_for(b, a);
    let message =
        || format!("both branches have one type: this is {}, the other {}", otherwise.describe(), then.describe());
    (!alike).then(message)
}

/// The profile type with what every profile has, and the event type with what every event has.
pub(crate) fn complete(profile: &Type, event: &Type) -> (Type, Type) {
    let event = with_fields(event, &[("timestamp", Type::Timestamp), ("_id", Type::String)], &[]);
    let history = Type::Array(Arc::new(event.clone()));
    let maps = [("segmentMembership", Type::Any), ("identityMap", Type::Any)];
    (with_fields(profile, &[("xEvent", history)], &maps), event)
}

/// An object type with fields that replace its own, and fields that it gets if it lacks them.
fn with_fields(of: &Type, replaced: &[(&str, Type)], lacking: &[(&str, Type)]) -> Type {
    let Type::Object(fields) = of else { return of.clone() };
    let named = |list: &[(&str, Type)]| list.iter().map(|(n, t)| (SmolStr::new(n), t.clone())).collect::<Vec<_>>();
    let mut all = named(replaced);
    all.extend(fields.iter().cloned());
    all.extend(named(lacking));
    Type::object(all)
}
