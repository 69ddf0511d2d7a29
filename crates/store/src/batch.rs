//! A set of row changes that a store applies whole or not at all.

use crate::rows::{KEY_BYTES_MAX, is_key};
use crate::{Error, ErrorKind, Keyspace, Result};

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the row lives.
    pub keyspace: Keyspace,
    /// Its key.
    pub key: Vec<u8>,
    /// Its new value; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// Row changes in the order they were made. Of several changes to one row the last counts.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a row.
    pub fn put(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(Change { keyspace, key: key.into(), value: Some(value.into()) });
    }

    /// Removes a row, which need not exist.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>) {
        self.push(Change { keyspace, key: key.into(), value: None });
    }

    /// No change at all.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Count of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.changes.iter()
    }

    /// The changes sorted by keyspace and key, one per row: what an engine applies.
    /// An error if one of the keys is not a key (see [`is_key`](crate::is_key)).
    pub fn into_changes(mut self) -> Result<Vec<Change>> {
        if let Some(bad) = self.changes.iter().find(|change| !is_key(&change.key)) {
            let (name, len) = (bad.keyspace.name(), bad.key.len());
            let message = format!("a key of keyspace {name} must have 1 to {KEY_BYTES_MAX} bytes, not {len}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        // The sort is stable, so among changes of one row the last made is the last in its run.
        self.changes.sort_by(|a, b| (a.keyspace, &a.key).cmp(&(b.keyspace, &b.key)));
        self.changes.reverse();
        self.changes.dedup_by(|next, kept| next.keyspace == kept.keyspace && next.key == kept.key);
        self.changes.reverse();
        Ok(self.changes)
    }

    fn push(&mut self, change: Change) {
        self.bytes += change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        self.changes.push(change);
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
