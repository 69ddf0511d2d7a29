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
    /// All but the last hold [`PIECE`]: one long piece would be moved as it grows, in memory fresh from the system.
    pieces: Vec<Vec<Change>>,
    bytes: usize,
}

/// Changes that lie together.
const PIECE: usize = 256;

/// The changes of a batch in the order they were made.
pub type Iter<'a> = std::iter::Flatten<std::slice::Iter<'a, Vec<Change>>>;

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
        self.pieces.is_empty()
    }

    /// Count of changes.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> Iter<'_> {
        self.pieces.iter().flatten()
    }

    /// The changes sorted by keyspace and key, one per row: what an engine applies.
    /// An error if one of the keys is not a key (see [`is_key`](crate::is_key)).
    pub fn into_changes(self) -> Result<Changes> {
        if let Some(bad) = self.iter().find(|change| !is_key(&change.key)) {
            let (name, len) = (bad.keyspace.name(), bad.key.len());
            let message = format!("a key of keyspace {name} must have 1 to {KEY_BYTES_MAX} bytes, not {len}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let row = |at: u32| {
            let change = &self.pieces[at as usize / PIECE][at as usize % PIECE];
            (change.keyspace, change.key.as_slice())
        };
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        // The sort is stable, so among changes of one row the last made is the last in its run.
        order.sort_by(|a, b| row(*a).cmp(&row(*b)));
        order.reverse();
        order.dedup_by(|next, kept| row(*next) == row(*kept));
        Ok(Changes { pieces: self.pieces, order })
    }

    fn push(&mut self, change: Change) {
        self.bytes += change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(change),
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(change);
                self.pieces.push(piece);
            }
            None => self.pieces.push(vec![change]),
        }
    }
}

/// The changes of a batch sorted by keyspace and key, one per row.
#[derive(Debug)]
pub struct Changes {
    pieces: Vec<Vec<Change>>,
    /// Places of those that are left, the last first.
    order: Vec<u32>,
}

impl Iterator for Changes {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let at = self.order.pop()? as usize;
        let change = self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)?;
        let (key, value) = (std::mem::take(&mut change.key), change.value.take());
        Some(Change { keyspace: change.keyspace, key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.order.len(), Some(self.order.len()))
    }
}

impl ExactSizeIterator for Changes {}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Change;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
