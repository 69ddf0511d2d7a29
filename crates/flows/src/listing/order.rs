//! The order of a list: `orderby=name`, `+name`, `-name`, several with commas.
//!
//! Without one: newest created first. The id decides between equals, so the order is total.

use crate::error::{Error, Result};
use serde_json::Value as Json;
use std::cmp::Ordering;

/// A parsed order.
#[derive(Debug)]
pub(super) struct Order {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    path: Vec<String>,
    descending: bool,
}

impl Order {
    /// Reads `orderby`; the first name of each path must be one of `fields`.
    pub(super) fn parse(orderby: Option<&str>, fields: &[&str]) -> Result<Order> {
        let mut keys = match orderby {
            Some(text) => text.split(',').map(|part| Key::parse(part, fields)).collect::<Result<Vec<_>>>()?,
            None => vec![Key { path: vec!["createdAt".into()], descending: true }],
        };
        keys.push(Key { path: vec!["id".into()], descending: false });
        Ok(Order { keys })
    }

    pub(super) fn compare(&self, a: &Json, b: &Json) -> Ordering {
        let pairs = self.keys.iter().map(|key| key.directed(compare(key.of(a), key.of(b))));
        pairs.fold(Ordering::Equal, Ordering::then)
    }

    /// The sort keys of one item.
    pub(super) fn keys(&self, item: &Json) -> Vec<Json> {
        self.keys.iter().map(|key| key.of(item).clone()).collect()
    }

    /// True when `item` comes after the item that had these sort keys.
    pub(super) fn is_after(&self, item: &Json, keys: &[Json]) -> bool {
        let pairs = self.keys.iter().zip(keys).map(|(key, last)| key.directed(compare(key.of(item), last)));
        pairs.fold(Ordering::Equal, Ordering::then) == Ordering::Greater
    }
}

impl Key {
    fn parse(text: &str, fields: &[&str]) -> Result<Key> {
        // A bare `+` in a query is decoded as a blank.
        let (descending, path) = match text.split_at_checked(1) {
            Some(("-", path)) => (true, path),
            Some(("+" | " ", path)) => (false, path),
            _ => (false, text),
        };
        let path = path.trim();
        if !path.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(Error::new(
                1432,
                format!("orderby {text:?} must be a field name, with + or - before it at most"),
            ));
        }
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        if !fields.contains(&names[0].as_str()) {
            return Err(Error::new(1433, format!("orderby field {path:?} is not known; known: {}", fields.join(", "))));
        }
        Ok(Key { path: names, descending })
    }

    fn of<'j>(&self, item: &'j Json) -> &'j Json {
        self.path.iter().try_fold(item, |at, name| at.get(name)).unwrap_or(&Json::Null)
    }

    fn directed(&self, ordering: Ordering) -> Ordering {
        if self.descending { ordering.reverse() } else { ordering }
    }
}

fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        },
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Json) -> u8 {
    match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        _ => 4,
    }
}
