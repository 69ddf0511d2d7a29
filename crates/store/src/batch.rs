//! A set of row changes that a store applies whole or not at all.
//!
//! Keys and values lie one after the other in a few long pieces of memory, which a batch that was cleared uses again:
//! who commits thousands of rows a second asks for no memory then.

use crate::rows::{KEY_BYTES_MAX, is_key};
use crate::{Error, ErrorKind, Keyspace, Result};
use std::ops::Range;

/// One change of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Where the row lives.
    pub keyspace: Keyspace,
    /// Its key.
    pub key: &'a [u8],
    /// Its new value; `None` deletes it.
    pub value: Option<&'a [u8]>,
}

/// Row changes in the order they were made. Of several changes to one row the last counts.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pieces: Vec<Vec<u8>>,
    /// How many of the pieces hold something; the others are room.
    used: usize,
    changes: Vec<Place>,
    bytes: usize,
}

/// Where a change lies.
#[derive(Debug, Clone)]
struct Place {
    keyspace: Keyspace,
    piece: usize,
    key: Range<usize>,
    /// The value begins where the key ends; `None` deletes the row.
    value_end: Option<usize>,
}

/// Bytes of a piece, unless one row is longer. One piece for all would be moved as it grows.
const PIECE_BYTES: usize = 256 << 10;
/// Room that a cleared batch keeps.
const KEPT_BYTES: usize = 16 << 20;

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a row.
    pub fn put(&mut self, keyspace: Keyspace, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.put_with(keyspace, key, value.len(), |out| out.extend_from_slice(value));
    }

    /// Sets a row to what `write` appends, about `room` bytes.
    pub fn put_with(
        &mut self,
        keyspace: Keyspace,
        key: impl AsRef<[u8]>,
        room: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.push(keyspace, key.as_ref(), Some(room), write);
    }

    /// Removes a row, which need not exist.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl AsRef<[u8]>) {
        self.push(keyspace, key.as_ref(), None, |_| ());
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

    /// Takes all changes away and keeps room for others.
    pub fn clear(&mut self) {
        self.changes.clear();
        (self.used, self.bytes) = (0, 0);
        let mut kept = 0;
        self.pieces.retain(|piece| {
            let keeps = piece.capacity() <= 2 * PIECE_BYTES && kept < KEPT_BYTES;
            kept += if keeps { piece.capacity() } else { 0 };
            keeps
        });
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        self.changes.iter().map(|place| self.change(place))
    }

    /// The changes sorted by keyspace and key, one per row: what an engine applies.
    /// An error if one of the keys is not a key (see [`is_key`](crate::is_key)).
    pub fn sorted(&self) -> Result<impl ExactSizeIterator<Item = Change<'_>>> {
        if let Some(bad) = self.iter().find(|change| !is_key(change.key)) {
            let (name, len) = (bad.keyspace.name(), bad.key.len());
            let message = format!("a key of keyspace {name} must have 1 to {KEY_BYTES_MAX} bytes, not {len}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut changes: Vec<Change<'_>> = self.iter().collect();
        // The sort is stable, so among changes of one row the last made is the last in its run.
        changes.sort_by(|a, b| row(a).cmp(&row(b)));
        changes.dedup_by(|next, kept| {
            let same = row(next) == row(kept);
            if same {
                *kept = *next;
            }
            same
        });
        Ok(changes.into_iter())
    }

    fn change(&self, place: &Place) -> Change<'_> {
        let piece = &self.pieces[place.piece];
        let value = place.value_end.map(|end| &piece[place.key.end..end]);
        Change { keyspace: place.keyspace, key: &piece[place.key.clone()], value }
    }

    fn push(&mut self, keyspace: Keyspace, key: &[u8], room: Option<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.piece_for(key.len() + room.unwrap_or(0));
        let piece = &mut self.pieces[at];
        let start = piece.len();
        piece.extend_from_slice(key);
        let key = start..piece.len();
        write(piece);
        let end = piece.len();
        self.bytes += end - start;
        self.changes.push(Place { keyspace, piece: at, key, value_end: room.map(|_| end) });
    }

    /// A piece with room for so many bytes.
    fn piece_for(&mut self, bytes: usize) -> usize {
        if let Some(last) = self.used.checked_sub(1).and_then(|last| self.pieces.get(last))
            && last.capacity() - last.len() >= bytes
        {
            return self.used - 1;
        }
        match self.pieces.get_mut(self.used) {
            Some(next) => {
                next.clear();
                next.reserve(bytes);
            }
            None => self.pieces.push(Vec::with_capacity(bytes.max(PIECE_BYTES))),
        }
        self.used += 1;
        self.used - 1
    }
}

fn row<'a>(change: &Change<'a>) -> (Keyspace, &'a [u8]) {
    (change.keyspace, change.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change() -> impl Strategy<Value = (u8, u16, Option<usize>)> {
        (0u8..5, 0u16..40, prop::option::weighted(0.8, prop_oneof![0usize..200, 0usize..3 * PIECE_BYTES]))
    }

    proptest! {
        /// A batch is the list of its changes, also when it is used again.
        #[test]
        fn is_its_changes(rounds in prop::collection::vec(prop::collection::vec(change(), 0..30), 1..4)) {
            let mut batch = Batch::new();
            for changes in rounds {
                let mut naive = Vec::new();
                for (i, (keyspace, key, value)) in changes.into_iter().enumerate() {
                    let (keyspace, key) = (Keyspace::ALL[usize::from(keyspace)], key.to_be_bytes());
                    let value = value.map(|len| vec![i as u8; len]);
                    match &value {
                        // What a row takes may be more than was thought.
                        Some(value) if i % 2 == 0 => batch.put_with(keyspace, key, 3, |out| out.extend(value)),
                        Some(value) => batch.put(keyspace, key, value),
                        None => batch.delete(keyspace, key),
                    }
                    naive.push((keyspace, key, value));
                }
                let made: Vec<_> = batch.iter().map(|c| (c.keyspace, c.key, c.value)).collect();
                let wanted: Vec<_> = naive.iter().map(|(ks, key, v)| (*ks, &key[..], v.as_deref())).collect();
                prop_assert_eq!(&made, &wanted);
                let rows: std::collections::BTreeMap<_, _> = wanted.iter().map(|(ks, k, v)| ((*ks, *k), *v)).collect();
                let sorted: Vec<_> = batch.sorted().unwrap().map(|c| ((c.keyspace, c.key), c.value)).collect();
                prop_assert_eq!(sorted, rows.into_iter().collect::<Vec<_>>());
                let bytes: usize = wanted.iter().map(|(_, k, v)| k.len() + v.map_or(0, <[u8]>::len)).sum();
                prop_assert_eq!((batch.len(), batch.bytes(), batch.is_empty()), (wanted.len(), bytes, wanted.is_empty()));
                batch.clear();
                prop_assert!(batch.is_empty() && batch.bytes() == 0);
            }
        }
    }
}
