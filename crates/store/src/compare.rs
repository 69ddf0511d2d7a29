//! Compares two stores row by row, and sums one up: the proof that a rebuilt store is the same.

use crate::{Keyspace, Result, Snapshot, Store};
use std::ops::{Bound, ControlFlow};

/// Rows read at a time: two pages are in memory, never two stores.
const PAGE_ROWS: usize = 1024;

/// The first row in which two stores differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its keyspace.
    pub keyspace: Keyspace,
    /// Its key.
    pub key: Vec<u8>,
    /// The value in the first store.
    pub left: Option<Vec<u8>>,
    /// The value in the second.
    pub right: Option<Vec<u8>>,
}

/// Counts and a hash of everything in a store; equal stores have equal digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Rows of each keyspace, in the order of [`Keyspace::ALL`].
    pub rows: [u64; 5],
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// FNV-1a over all rows in order. It finds accidents; it does not withstand an attacker.
    pub hash: u64,
}

/// The first difference between two stores, by keyspace and key.
pub fn compare(left: &dyn Store, right: &dyn Store) -> Result<Option<Difference>> {
    let (left, right) = (left.snapshot()?, right.snapshot()?);
    for keyspace in Keyspace::ALL {
        let mut from = Bound::Unbounded;
        loop {
            let a = page(&*left, keyspace, &from)?;
            let b = page(&*right, keyspace, &from)?;
            if let Some(found) = first_difference(keyspace, &a, &b) {
                return Ok(Some(found));
            }
            match a.last() {
                Some((key, _)) => from = Bound::Excluded(key.clone()),
                None => break,
            }
        }
    }
    Ok(None)
}

/// Counts and hash of a snapshot.
pub fn digest(snapshot: &dyn Snapshot) -> Result<Digest> {
    let mut digest = Digest { rows: [0; 5], bytes: 0, hash: 0xcbf2_9ce4_8422_2325 };
    for (number, keyspace) in Keyspace::ALL.into_iter().enumerate() {
        snapshot.scan(keyspace, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
            digest.rows[number] += 1;
            digest.bytes += (key.len() + value.len()) as u64;
            for part in [&[number as u8][..], &(key.len() as u64).to_le_bytes(), key] {
                digest.hash = fnv(digest.hash, part);
            }
            digest.hash = fnv(fnv(digest.hash, &(value.len() as u64).to_le_bytes()), value);
            ControlFlow::Continue(())
        })?;
    }
    Ok(digest)
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

type Row = (Vec<u8>, Vec<u8>);

fn page(snapshot: &dyn Snapshot, keyspace: Keyspace, from: &Bound<Vec<u8>>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    snapshot.scan(keyspace, from.as_ref().map(Vec::as_slice), Bound::Unbounded, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < PAGE_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(rows)
}

fn first_difference(keyspace: Keyspace, a: &[Row], b: &[Row]) -> Option<Difference> {
    let at = (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i))?;
    let key = [a.get(at), b.get(at)].into_iter().flatten().map(|(key, _)| key).min()?.clone();
    let value = |row: Option<&Row>| row.filter(|(k, _)| *k == key).map(|(_, value)| value.clone());
    Some(Difference { left: value(a.get(at)), right: value(b.get(at)), keyspace, key })
}
