//! What is read of a value, so that nobody needs to gather the rest.
//!
//! In: what [`Template::reads`](crate::Template::reads) found. Out: answers for whoever builds a context, and the
//! context without what is not read. Always: a render of what [`Reads::prune`] leaves gives the same text or the
//! same error as a render of the whole (a limit of the render may be met later).

use crate::value::{List, Map, Value};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is read of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// All of it, or nobody knows.
    Whole,
    /// These parts of a list or a map; of any other value all.
    Parts(Box<Parts>),
}

/// Parts of a list or a map. Even without any the value must be there, null if it is null, a list if it is a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The keys, the number and the order of its entries or items.
    pub keys: bool,
    /// Of the values of a map under these keys.
    pub named: BTreeMap<SmolStr, Reads>,
    /// Of every item of a list.
    pub items: Option<Reads>,
    /// Of every value of a map, besides what is named.
    pub values: Option<Reads>,
}

impl Reads {
    /// That the value is there, and of which kind.
    pub fn nothing() -> Reads {
        Reads::Parts(Box::default())
    }

    /// Is everything read?
    pub fn is_whole(&self) -> bool {
        *self == Reads::Whole
    }

    /// Must all entries or items be there, even those whose values are not read (null will do for them)?
    pub fn keys(&self) -> bool {
        match self {
            Reads::Whole => true,
            Reads::Parts(parts) => parts.keys,
        }
    }

    /// What is read of the value under a key, if this is a map; `None` if nobody looks at that value.
    pub fn child(&self, name: &str) -> Option<Cow<'_, Reads>> {
        let Reads::Parts(parts) = self else { return Some(Cow::Borrowed(self)) };
        match (parts.named.get(name), &parts.values) {
            (Some(named), Some(every)) => {
                let mut both = named.clone();
                both.merge(every);
                Some(Cow::Owned(both))
            }
            (named, every) => named.or(every.as_ref()).map(Cow::Borrowed),
        }
    }

    /// What is read of each item, if this is a list; `None` if nobody looks at the items.
    pub fn item(&self) -> Option<&Reads> {
        match self {
            Reads::Whole => Some(self),
            Reads::Parts(parts) => parts.items.as_ref(),
        }
    }

    /// Adds what another template, or another place, reads of the same value.
    pub fn merge(&mut self, other: &Reads) {
        let (Reads::Parts(parts), Reads::Parts(more)) = (&mut *self, other) else {
            *self = Reads::Whole;
            return;
        };
        parts.keys |= more.keys;
        for (name, reads) in &more.named {
            match parts.named.get_mut(name) {
                Some(known) => known.merge(reads),
                None => {
                    parts.named.insert(name.clone(), reads.clone());
                }
            }
        }
        for (known, reads) in [(&mut parts.items, &more.items), (&mut parts.values, &more.values)] {
            match (known, reads) {
                (Some(known), Some(reads)) => known.merge(reads),
                (known, Some(reads)) => *known = Some(reads.clone()),
                (_, None) => {}
            }
        }
    }

    /// The value without what is not read.
    pub fn prune(&self, value: &Value) -> Value {
        let Reads::Parts(parts) = self else { return value.clone() };
        match value {
            Value::Map(map) => {
                let kept = map.entries.iter().filter_map(|(key, value)| {
                    let read = match key {
                        Value::Str(name) => self.child(name),
                        _ => parts.values.as_ref().map(Cow::Borrowed),
                    };
                    let left = match read {
                        Some(read) => read.prune(value),
                        None if parts.keys => Value::Null,
                        None => return None,
                    };
                    Some((key.clone(), left))
                });
                Value::Map(Arc::new(Map::of(kept.collect(), map.json)))
            }
            Value::List(list) => Value::List(Arc::new(parts.pruned(list))),
            Value::Array(list) => Value::Array(Arc::new(parts.pruned(list))),
            other => other.clone(),
        }
    }

    /// The paths that are read, sorted: `a.b` all of it, `a.b?` whether it is there and of which kind, `a.b#` its
    /// keys or their number, `a[]` the items of a list, `a{}` the values of a map; `*` is everything.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        match self {
            Reads::Whole => paths.push("*".to_owned()),
            Reads::Parts(parts) => parts.paths("", &mut paths),
        }
        paths.sort();
        paths.dedup();
        paths
    }
}

impl Parts {
    fn pruned(&self, list: &List) -> List {
        let left = |item| self.items.as_ref().map_or(Value::Null, |reads| reads.prune(item));
        let kept = self.keys || self.items.is_some();
        List::of(list.items.iter().filter(|_| kept).map(left).collect(), list.json)
    }

    fn paths(&self, path: &str, paths: &mut Vec<String>) {
        if self.keys {
            paths.push(format!("{path}#"));
        }
        let dot = if path.is_empty() { "" } else { "." };
        let named = self.named.iter().map(|(name, reads)| (format!("{path}{dot}{name}"), reads));
        let items = self.items.iter().map(|reads| (format!("{path}[]"), reads));
        let values = self.values.iter().map(|reads| (format!("{path}{{}}"), reads));
        for (path, reads) in named.chain(items).chain(values) {
            match reads {
                Reads::Parts(parts) if **parts == Parts::default() => paths.push(format!("{path}?")),
                Reads::Parts(parts) => parts.paths(&path, paths),
                Reads::Whole => paths.push(path),
            }
        }
    }
}
