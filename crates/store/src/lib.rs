//! What every room may ask of storage: ordered rows (`Store`) and a durable log (`Log`).
//!
//! Floor 0. The traits, an engine in memory for tests, and (feature `contract`) the suite that every
//! engine must pass. No driver, no file and no thread lives here; the embedded engine is `store-local`.
//!
//! Always: the log is the truth. Rows are a function of the log, so a commit to the store need not be
//! synced: after a crash the rows are an earlier, whole state, and replaying the log brings them forward.

mod batch;
mod compare;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod log;
pub mod memory;
mod rows;

pub use batch::{Batch, Change};
pub use compare::{Difference, Digest, compare, digest};
pub use error::{Error, ErrorKind, Result};
pub use log::{Appended, Done, Entry, Log, Observer, StreamId};
pub use rows::{KEY_BYTES_MAX, Keyspace, Snapshot, Store, StoreMetrics, Visit, is_key, prefix_end};
