//! Rows in fjall, an embedded log-structured store.
//!
//! fjall is pinned to `=3.1.13`: all releases from 3.0.0 to 3.1.5 were withdrawn (lost inserts among the
//! causes), and what is said here was read in that version's source. Its weaknesses are kept away from:
//!
//! - Every batch is handed to the operating system when it is committed (`PersistMode::Buffer`), never
//!   `durability(None)`, so the death of the process loses nothing; power loss loses unsynced commits
//!   from the end, which the log brings back.
//! - No `clear`, no key-value separation, no keyspaces that come and go: reports of data that came back.
//! - All changes of a batch share one sequence number, so two changes of one row in a batch would be in
//!   no order; `Batch::sorted` leaves one.
//! - A keyspace that is seldom written pins every journal since its last flush. When journals pile up,
//!   what they hold is flushed, here, rather than at fjall's own limit.
//! - After a failed write fjall refuses all others until it is opened again; that is `ErrorKind::Closed`.
//!
//! Always: what a scan or `multi_get` sees is a state between two commits.

use fjall::{Database, KeyspaceCreateOptions, PersistMode, Readable};
use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use store::{Batch, Error, ErrorKind, Keyspace, Result, Snapshot, Store, StoreMetrics, Visit, is_key};

/// The file by which fjall knows a complete database.
const FJALL_MARKER: &str = "version";
/// More journals than this (64 MiB each) are flushed away.
const JOURNALS_MAX: usize = 3;
/// Commits between two looks at the journals.
const COMMITS_PER_LOOK: u64 = 1024;

/// How much memory and disk the rows use.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Blocks kept decoded for reading.
    pub cache_bytes: u64,
    /// Changes of a busy keyspace (profiles, events) held in memory before they are flushed; the others
    /// hold half of it. Up to five times as much while the disk lags behind.
    pub memtable_bytes: u64,
    /// Threads that flush and compact. Where there are several, fjall lets the first only flush, and it takes
    /// and puts back compactions all the time while another works on one: on few cores one thread does more.
    pub worker_threads: usize,
}

impl Default for StoreOptions {
    /// Fits a process of 300 MB.
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, memtable_bytes: 16 << 20, worker_threads: 1 }
    }
}

/// Rows in a directory. Its process must hold the lock of the data directory.
pub struct FjallStore {
    // Declared before the database: the handles go first when it is dropped.
    keyspaces: [fjall::Keyspace; 5],
    db: Database,
    swapping: Mutex<()>,
    commits: AtomicU64,
}

impl FjallStore {
    /// Opens or creates the rows in a directory. [`Error::is_damaged`] when they must be rebuilt.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, StoreOptions::default())
    }

    /// The same with options.
    pub fn open_with(dir: impl AsRef<Path>, options: StoreOptions) -> Result<Self> {
        let dir = dir.as_ref();
        if options.worker_threads == 0 || options.memtable_bytes < 1 << 20 {
            let message = "worker_threads must be at least 1 and memtable_bytes at least 1 MiB";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        remove_unfinished(dir)?;
        let doing = || format!("opening the store in {}", dir.display());
        let db = Database::builder(dir)
            .cache_size(options.cache_bytes)
            .worker_threads(options.worker_threads)
            .max_journaling_size(256 << 20)
            .open()
            .map_err(|e| opening(&doing(), e))?;
        let open = |ks: Keyspace| {
            let size = match ks {
                Keyspace::Profile | Keyspace::Event => options.memtable_bytes,
                Keyspace::Meta | Keyspace::Identity | Keyspace::Queue => options.memtable_bytes / 2,
            };
            let create = || KeyspaceCreateOptions::default().max_memtable_size(size);
            db.keyspace(ks.name(), create).map_err(|e| opening(&doing(), e))
        };
        let [meta, identity, profile, event, queue] = Keyspace::ALL;
        let keyspaces = [open(meta)?, open(identity)?, open(profile)?, open(event)?, open(queue)?];
        Ok(Self { keyspaces, db, swapping: Mutex::new(()), commits: AtomicU64::new(0) })
    }

    /// Writes everything that is in memory into tables, so that the next start has no journal to
    /// replay into memory. For an orderly stop; durability does not need it.
    pub fn flush(&self) -> Result<()> {
        for keyspace in &self.keyspaces {
            keyspace.rotate_memtable_and_wait().map_err(|e| failed("flushing a keyspace", e))?;
        }
        Ok(())
    }

    /// Flushes what pins old journals, when they pile up and nothing is being flushed already.
    fn relieve_journals(&self) -> Result<()> {
        if self.db.journal_count() <= JOURNALS_MAX || self.db.outstanding_flushes() > 0 {
            return Ok(());
        }
        for keyspace in &self.keyspaces {
            keyspace.rotate_memtable().map_err(|e| failed("flushing a keyspace", e))?;
        }
        Ok(())
    }
}

impl Store for FjallStore {
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if !is_key(key) {
            return Ok(None);
        }
        let value = self.keyspaces[ks as usize].get(key).map_err(|e| failed("reading a row", e))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn multi_get(&self, ks: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let snapshot = self.view();
        keys.iter().map(|key| snapshot.get(ks, key)).collect()
    }

    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        self.view().scan(ks, from, to, visit)
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let changes = batch.sorted()?;
        if changes.len() == 0 {
            return Ok(());
        }
        let write = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), changes.len());
        let mut write = write.durability(Some(PersistMode::Buffer));
        for change in changes {
            let keyspace = &self.keyspaces[change.keyspace as usize];
            match change.value {
                Some(value) => write.insert(keyspace, change.key, value),
                None => write.remove(keyspace, change.key),
            }
        }
        write.commit().map_err(|e| failed("committing a batch", e))?;
        if self.commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(COMMITS_PER_LOOK) {
            self.relieve_journals()?;
        }
        Ok(())
    }

    fn compare_and_set(&self, ks: Keyspace, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let _swapping = self.swapping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.get(ks, key)?.as_deref() != expected {
            return Ok(false);
        }
        let mut batch = Batch::new();
        match new {
            Some(value) => batch.put(ks, key, value),
            None => batch.delete(ks, key),
        }
        self.commit(&batch)?;
        Ok(true)
    }

    fn sync(&self) -> Result<()> {
        self.db.persist(PersistMode::SyncAll).map_err(|e| failed("syncing the store", e))?;
        self.relieve_journals()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(self.view()))
    }

    fn metrics(&self) -> StoreMetrics {
        let journals_bytes = self.db.journal_disk_space().unwrap_or(0);
        StoreMetrics {
            journals_count: self.db.journal_count() as u64,
            journals_bytes,
            disk_bytes: journals_bytes + self.keyspaces.iter().map(fjall::Keyspace::disk_space).sum::<u64>(),
            write_buffer_bytes: self.db.write_buffer_size(),
            cache_bytes: self.db.cache_size(),
            flushes_outstanding: self.db.outstanding_flushes() as u64,
            compactions_active: self.db.active_compactions() as u64,
            compactions_completed: self.db.compactions_completed() as u64,
            // Buffered is what every commit is already, so this costs nothing and only asks for the state.
            is_closed: self.db.persist(PersistMode::Buffer).is_err(),
        }
    }
}

impl FjallStore {
    fn view(&self) -> FjallSnapshot {
        FjallSnapshot { keyspaces: self.keyspaces.clone(), view: self.db.snapshot() }
    }
}

struct FjallSnapshot {
    keyspaces: [fjall::Keyspace; 5],
    view: fjall::Snapshot,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if !is_key(key) {
            return Ok(None);
        }
        let value = self.view.get(&self.keyspaces[ks as usize], key).map_err(|e| failed("reading a row", e))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        if is_empty_range(from, to) {
            return Ok(());
        }
        for row in self.view.range::<&[u8], _>(&self.keyspaces[ks as usize], (from, to)) {
            let (key, value) = row.into_inner().map_err(|e| failed("scanning rows", e))?;
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

fn is_empty_range(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}

/// A first start that was killed leaves a directory that fjall neither opens nor creates. It holds no
/// committed row, so it is made empty.
fn remove_unfinished(dir: &Path) -> Result<()> {
    let doing = |e| Error::from_io(format_args!("preparing {}", dir.display()), e);
    let is_empty = match fs::read_dir(dir) {
        Ok(mut items) => items.next().is_none(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(e) => return Err(doing(e)),
    };
    let marker = dir.join(FJALL_MARKER);
    let is_complete = fs::metadata(&marker).is_ok_and(|marker| marker.len() > 0);
    if is_empty || is_complete {
        return Ok(());
    }
    // Tables mean that the marker was lost later, which is damage and not an unfinished start.
    if dir.join("keyspaces").join("1").exists() {
        let message = format!("{} is damaged: it holds tables but {FJALL_MARKER} is missing", dir.display());
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    fs::remove_dir_all(dir).and_then(|()| fs::create_dir_all(dir)).map_err(doing)
}

/// While opening, a missing or short file is damage.
fn opening(doing: &str, e: fjall::Error) -> Error {
    let error = failed(doing, e);
    let lost = |e: &std::io::Error| matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData);
    if error.is_io() && io_cause(&error).is_some_and(lost) {
        return Error::caused(ErrorKind::Damaged, error.to_string(), error);
    }
    error
}

fn io_cause(error: &Error) -> Option<&std::io::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn failed(doing: &str, e: fjall::Error) -> Error {
    use std::io::ErrorKind::UnexpectedEof;
    let kind = match e {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) if io.kind() != UnexpectedEof => {
            return Error::from_io(doing, io);
        }
        fjall::Error::Locked => ErrorKind::Locked,
        fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted => ErrorKind::Closed,
        _ => ErrorKind::Damaged,
    };
    Error::caused(kind, format!("{doing}: {e}"), e)
}
