//! The rows of a running server, opened again after the disk was full.
//!
//! fjall refuses all writes after one that failed, until it is opened again; what was committed
//! before is kept. A refused commit opens it again here, once the disk takes bytes. Workers that
//! failed then start again from it and from the log. Until then rows can still be read.
//!
//! Always: all calls go to one and the same open store; it is closed before it is opened anew.

use parking_lot::{Mutex, RwLock};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Batch, Error, ErrorKind, Keyspace, Result, Snapshot, Store, StoreMetrics, Visit};
use store_local::{FjallStore, StoreOptions};

/// The disk must take this much before the store is opened again.
const ROOM_BYTES: usize = 1 << 20;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(400);

/// A store that comes back after a full disk.
pub(super) struct ReopeningStore {
    dir: PathBuf,
    options: StoreOptions,
    /// Nothing between a close and an open that failed.
    open: RwLock<Option<FjallStore>>,
    last_attempt: Mutex<Option<Instant>>,
}

impl ReopeningStore {
    pub(super) fn open(dir: &Path, options: StoreOptions) -> Result<ReopeningStore> {
        let store = FjallStore::open_with(dir, options)?;
        Ok(ReopeningStore {
            dir: dir.to_owned(),
            options,
            open: RwLock::new(Some(store)),
            last_attempt: Mutex::default(),
        })
    }

    /// Writes what is in memory into tables, for an orderly stop.
    pub(super) fn flush(&self) -> Result<()> {
        self.with(FjallStore::flush)
    }

    fn with<T>(&self, call: impl FnOnce(&FjallStore) -> Result<T>) -> Result<T> {
        if self.open.read().is_none() {
            self.reopen();
        }
        match &*self.open.read() {
            Some(store) => call(store),
            None => Err(Error::new(ErrorKind::Closed, "the store could not be opened again yet")),
        }
    }

    fn write<T>(&self, call: impl FnOnce(&FjallStore) -> Result<T>) -> Result<T> {
        let result = self.with(call);
        // The caller is told all the same: what it holds in memory was not committed.
        if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Closed) {
            self.reopen();
        }
        result
    }

    /// Closes and opens the store, at most once per pause, if it is closed to writes indeed.
    #[expect(clippy::disallowed_methods, reason = "bounds how often a real disk is tried")]
    fn reopen(&self) {
        let mut last = self.last_attempt.lock();
        if last.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        *last = Some(Instant::now());
        if self.open.read().as_ref().is_some_and(|store| !store.metrics().is_closed) {
            return;
        }
        if let Err(error) = self.find_room() {
            tracing::error!(%error, "the store takes no writes; it is opened again when the disk does");
            return;
        }
        let mut open = self.open.write();
        // Closed first: two may not have the directory.
        drop(open.take());
        match FjallStore::open_with(&self.dir, self.options) {
            Ok(store) => {
                tracing::info!("the store was opened again");
                *open = Some(store);
            }
            Err(error) => tracing::error!(%error, "the store cannot be opened again yet"),
        }
    }

    /// Whether the disk takes bytes again.
    fn find_room(&self) -> std::io::Result<()> {
        let probe = self.dir.with_extension("room");
        let written = std::fs::write(&probe, vec![1; ROOM_BYTES]);
        // On a full disk the file may not even have been made.
        let removed = std::fs::remove_file(&probe);
        written.and(removed)
    }
}

impl Store for ReopeningStore {
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|s| s.get(ks, key))
    }

    fn multi_get(&self, ks: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        self.with(|s| s.multi_get(ks, keys))
    }

    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        // Through a view: the visitor may call this store, which must not be locked then.
        self.with(Store::snapshot)?.scan(ks, from, to, visit)
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        self.write(|s| s.commit(batch))
    }

    fn compare_and_set(&self, ks: Keyspace, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        self.write(|s| s.compare_and_set(ks, key, expected, new))
    }

    fn sync(&self) -> Result<()> {
        self.write(Store::sync)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.with(Store::snapshot)
    }

    fn metrics(&self) -> StoreMetrics {
        let closed = StoreMetrics { is_closed: true, ..StoreMetrics::default() };
        self.open.read().as_ref().map_or(closed, Store::metrics)
    }
}
