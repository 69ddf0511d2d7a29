//! Rows in sorted maps. A snapshot shares the maps; the next commit copies only those it changes.

use crate::{Batch, Change, Keyspace, Result, Snapshot, Store, StoreMetrics, Visit};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type State = [Arc<Rows>; 5];

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic elsewhere cannot leave a half-applied batch: applying one does not panic.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.read()[ks as usize].get(key).cloned())
    }

    fn multi_get(&self, ks: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let state = self.read();
        Ok(keys.iter().map(|key| state[ks as usize].get(*key).cloned()).collect())
    }

    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        // The lock is not held while visiting: a visitor may read and write.
        let rows = Arc::clone(&self.read()[ks as usize]);
        scan(&rows, from, to, visit);
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let changes = batch.sorted()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        apply(&mut state, changes);
        Ok(())
    }

    fn compare_and_set(&self, ks: Keyspace, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state[ks as usize].get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        let mut batch = Batch::new();
        match new {
            Some(value) => batch.put(ks, key, value),
            None => batch.delete(ks, key),
        }
        apply(&mut state, batch.sorted()?);
        Ok(true)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(MemorySnapshot(self.read().clone())))
    }

    fn metrics(&self) -> StoreMetrics {
        StoreMetrics::default()
    }
}

fn apply<'a>(state: &mut State, changes: impl Iterator<Item = Change<'a>>) {
    for change in changes {
        let rows = Arc::make_mut(&mut state[change.keyspace as usize]);
        match change.value {
            Some(value) => rows.insert(change.key.to_vec(), value.to_vec()),
            None => rows.remove(change.key),
        };
    }
}

struct MemorySnapshot(State);

impl Snapshot for MemorySnapshot {
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0[ks as usize].get(key).cloned())
    }

    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        scan(&self.0[ks as usize], from, to, visit);
        Ok(())
    }
}

fn scan(rows: &Rows, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) {
    // `BTreeMap::range` panics on an inverted range, so only the start goes to it.
    for (key, value) in rows.range::<[u8], _>((from, Bound::Unbounded)) {
        let inside = match to {
            Bound::Included(end) => key.as_slice() <= end,
            Bound::Excluded(end) => key.as_slice() < end,
            Bound::Unbounded => true,
        };
        if !inside || visit(key, value).is_break() {
            break;
        }
    }
}
