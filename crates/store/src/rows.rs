//! Ordered rows in a few keyspaces: point reads, range scans, atomic batches, compare-and-set.
//!
//! Always: a scan ascends by key bytes and sees whole batches only. A batch is atomic over all
//! keyspaces. The order of commits is the order in which they survive a crash: what is found after
//! one is the state after some earlier commit, never a mixture.

use crate::{Batch, Result};
use std::ops::{Bound, ControlFlow};

/// The keyspaces. Few on purpose: each costs memory and pins journal files when idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Keyspace {
    /// Consumed offsets, documents, plans, counters.
    Meta = 0,
    /// Identities, links and the index from identity to profile.
    Identity = 1,
    /// Profiles: fragments, memberships, evaluation state.
    Profile = 2,
    /// Events of profiles.
    Event = 3,
    /// Timers, outbox, attempts, dead letters.
    Queue = 4,
}

impl Keyspace {
    /// All keyspaces in the order of their numbers.
    pub const ALL: [Keyspace; 5] =
        [Keyspace::Meta, Keyspace::Identity, Keyspace::Profile, Keyspace::Event, Keyspace::Queue];

    /// The name on disk and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Keyspace::Meta => "meta",
            Keyspace::Identity => "identity",
            Keyspace::Profile => "profile",
            Keyspace::Event => "event",
            Keyspace::Queue => "queue",
        }
    }

    /// The keyspace of this number.
    pub const fn from_number(number: u8) -> Option<Keyspace> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }
}

/// Sees each row of a scan; `Break` ends it early.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An engine that keeps rows.
pub trait Store: Send + Sync {
    /// The value of one row.
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The values of several rows, in the order of `keys`, all of one moment.
    fn multi_get(&self, ks: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>>;

    /// Visits the rows between two bounds, ascending by key. An empty or inverted range has no rows.
    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()>;

    /// Visits the rows whose key begins with `prefix`, ascending by key.
    fn scan_prefix(&self, ks: Keyspace, prefix: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        let end = prefix_end(prefix);
        self.scan(ks, Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded), visit)
    }

    /// Applies a batch, atomically over all keyspaces. Visible when it returns, but not synced: the log
    /// carries durability. Of several changes to one row the last counts.
    fn commit(&self, batch: &Batch) -> Result<()>;

    /// Sets (or with `None` deletes) a row if its present value equals `expected` (`None`: it is absent).
    /// Answers whether it did. Atomic against other `compare_and_set` calls; a row that is contended this
    /// way must not be written by `commit` at the same time.
    fn compare_and_set(&self, ks: Keyspace, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool>;

    /// Everything committed before the call survives power loss when it returns.
    fn sync(&self) -> Result<()>;

    /// A consistent view of all keyspaces at this moment. Keep it short: it holds back clean-up.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Figures for operators.
    fn metrics(&self) -> StoreMetrics;
}

/// All rows as they were at one moment.
pub trait Snapshot: Send {
    /// The value of one row.
    fn get(&self, ks: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Visits the rows between two bounds, ascending by key.
    fn scan(&self, ks: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()>;

    /// Visits the rows whose key begins with `prefix`, ascending by key.
    fn scan_prefix(&self, ks: Keyspace, prefix: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        let end = prefix_end(prefix);
        self.scan(ks, Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded), visit)
    }
}

/// Figures of a store. An engine leaves at 0 what it does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Journal files; many of them mean that an idle keyspace pins them.
    pub journals_count: u64,
    /// Bytes of the journal files.
    pub journals_bytes: u64,
    /// Bytes on disk, journals included.
    pub disk_bytes: u64,
    /// Bytes of changes held in memory until they are flushed.
    pub write_buffer_bytes: u64,
    /// Bytes in the block cache.
    pub cache_bytes: u64,
    /// Memory tables that wait to be flushed.
    pub flushes_outstanding: u64,
    /// Compactions that run now.
    pub compactions_active: u64,
    /// Compactions finished since the store was opened.
    pub compactions_completed: u64,
    /// The engine has stopped taking writes and must be opened again.
    pub is_closed: bool,
}

/// Longest key.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Whether a row may have this key: 1 to [`KEY_BYTES_MAX`] bytes.
pub fn is_key(key: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len())
}

/// The smallest key after all keys that begin with `prefix`; `None` if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&b| b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
