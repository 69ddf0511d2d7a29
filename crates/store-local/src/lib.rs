//! The embedded storage engine: one directory, no server, one process.
//!
//! `DataDir` holds the directory and its lock; `LocalLog` is the log, `FjallStore` the rows, `snapshot`
//! keeps checked copies of the rows, so that the log can be trimmed.
//!
//! Always: what the log acknowledged survives power loss. The rows may fall back to an earlier whole
//! state; snapshot and log bring them forward again.

mod data_dir;
mod files;
mod log;
mod rows;
pub mod snapshot;

pub use data_dir::DataDir;
pub use files::{DiskFiles, Files, SegmentFile};
pub use log::{
    FRAME_BYTES_MAX, GROUP_BYTES_MAX, LocalLog, LogOptions, SegmentInfo, SegmentReport, Segments, decode_frame,
};
pub use rows::{FjallStore, StoreOptions};
