//! The tests behind `is`.
//!
//! In: a value. Out: yes or no. Always: `defined` is handled by the caller where it may catch.

use crate::error::{Raised, fault};
use crate::print::Changed;
use crate::value::{Thing, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Predicate {
    Empty,
    Null,
    Defined,
    Even,
    Odd,
    Map,
    Iterable,
}

pub(crate) const NAMES: [(&str, Predicate); 7] = [
    ("empty", Predicate::Empty),
    ("null", Predicate::Null),
    ("defined", Predicate::Defined),
    ("even", Predicate::Even),
    ("odd", Predicate::Odd),
    ("map", Predicate::Map),
    ("iterable", Predicate::Iterable),
];

pub(crate) fn find(name: &str) -> Option<Predicate> {
    NAMES.iter().find(|(n, _)| *n == name).map(|(_, p)| *p)
}

impl Predicate {
    pub(crate) fn holds(self, value: &Value, changed: &Changed) -> Raised<bool> {
        Ok(match self {
            Predicate::Empty => is_empty(value, changed),
            Predicate::Null => matches!(value, Value::Null),
            Predicate::Defined => !matches!(value, Value::Null),
            Predicate::Even => whole(value)? % 2 == 0,
            Predicate::Odd => whole(value)? % 2 != 0,
            Predicate::Map => match value {
                Value::Map(_) => true,
                Value::Opaque(thing) => matches!(thing.0, Thing::View(_)),
                _ => false,
            },
            Predicate::Iterable => matches!(value, Value::List(_) | Value::Array(_)),
        })
    }
}

pub(crate) fn is_empty(value: &Value, changed: &Changed) -> bool {
    match value {
        Value::Null => true,
        Value::Str(s) => {
            let blanks = s.bytes().position(|b| b > b' ');
            changed.spend(crate::print::reading(blanks.unwrap_or(s.len())));
            blanks.is_none()
        }
        Value::List(list) => changed.items(list).is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn whole(value: &Value) -> Raised<i64> {
    match value {
        Value::Long(v) => Ok(*v),
        Value::Int(v) => Ok((*v).into()),
        other => Err(fault(format!("`even` and `odd` need a whole number, not {}", other.kind()))),
    }
}
