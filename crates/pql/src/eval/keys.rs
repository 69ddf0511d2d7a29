//! Equality by key: where all items of a list are of one kind, finding an equal one takes no search.
//!
//! Always: two values with keys of one kind are equal if and only if their keys are.

use super::Run;
use crate::value::V;
use model::SmolStr;
use std::collections::HashSet;

/// A scalar, so that equal ones of its kind have equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Text(SmolStr),
    Bool(bool),
    /// A whole number, or a double that equals one.
    Whole(i64),
    /// The bits of any other double.
    Double(u64),
    /// A day stands for its first instant.
    Time(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Number,
    Time,
}

/// Doubles from here on are above every `i64`.
const WHOLE_BEYOND: f64 = 9_223_372_036_854_775_808.0;

impl Key {
    fn of(value: &V<'_>) -> Option<Key> {
        Some(match value {
            V::Bool(b) => Key::Bool(*b),
            V::Int(n) => Key::Whole(*n),
            V::Double(n) if n.fract() == 0.0 && (-WHOLE_BEYOND..WHOLE_BEYOND).contains(n) => Key::Whole(*n as i64),
            V::Double(n) if n.is_nan() => return None,
            V::Double(n) => Key::Double(n.to_bits()),
            V::Time(ms) | V::Date(ms) => Key::Time(*ms),
            V::Own(text) => Key::Text(text.clone()),
            _ => Key::Text(SmolStr::new(value.as_str()?)),
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Key::Text(_) => Kind::Text,
            Key::Bool(_) => Kind::Bool,
            Key::Whole(_) | Key::Double(_) => Kind::Number,
            Key::Time(_) => Kind::Time,
        }
    }
}

/// The keys of values that are all of one kind, none of them null; they are paid for.
pub(crate) fn keys<'v, 'a: 'v>(run: &mut Run<'a>, values: impl Iterator<Item = &'v V<'a>>) -> Option<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::new();
    for value in values {
        let key = Key::of(value)?;
        if keys.last().is_some_and(|last| last.kind() != key.kind()) {
            return None;
        }
        let bytes = value.as_str().map_or(0, str::len);
        if !run.pays_key(bytes) || !(matches!(value, V::Own(_)) || run.makes_text(bytes)) {
            return None;
        }
        keys.push(key);
    }
    Some(keys)
}

/// A list in which items are looked for more than once.
pub(crate) struct Lookup<'a> {
    list: V<'a>,
    known: Option<(Kind, HashSet<Key>)>,
}

impl<'a> Lookup<'a> {
    /// `times`: how many items will be looked for. A few in a short list are faster compared.
    pub(crate) fn new(run: &mut Run<'a>, list: &V<'a>, times: usize) -> Lookup<'a> {
        const PAIRS_MIN: usize = 256;
        let len = list.array_len().unwrap_or(0);
        let mut known = None;
        if len.saturating_mul(times) >= PAIRS_MIN && run.makes_items(3 * len) {
            let items: Vec<V<'a>> = list.items().filter(|item| !item.is_null()).collect();
            let keys = keys(run, items.iter());
            known = keys.and_then(|keys| Some((keys.first()?.kind(), keys.into_iter().collect())));
        }
        Lookup { list: list.clone(), known }
    }

    /// Whether an item of the list equals this one, which is not null.
    pub(crate) fn holds(&self, run: &mut Run<'a>, item: &V<'a>) -> bool {
        match (&self.known, Key::of(item)) {
            (Some((kind, known)), Some(key)) if key.kind() == *kind => {
                !(run.pay(1) && run.pays_key(item.as_str().map_or(0, str::len))) || known.contains(&key)
            }
            _ => run.contains(&self.list, item),
        }
    }
}
