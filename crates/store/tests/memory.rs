//! The engine in memory passes the contract.
#![cfg(feature = "contract")]

use std::path::Path;
use store::contract::{log, machine, rows};
use store::memory::{MemoryLog, MemoryStore};
use store::{Log, Store};

fn open_store(_: &Path) -> Box<dyn Store> {
    Box::new(MemoryStore::new())
}

fn open_log(_: &Path) -> Box<dyn Log> {
    Box::new(MemoryLog::new())
}

#[test]
fn store() {
    rows::check(&open_store, Path::new(env!("CARGO_TARGET_TMPDIR")));
}

#[test]
fn log_keeps_its_promises() {
    log::check(&open_log, Path::new(env!("CARGO_TARGET_TMPDIR")));
}

#[test]
fn rebuilding_gives_the_same_rows() {
    machine::check_rebuild(&open_store, &open_log, Path::new(env!("CARGO_TARGET_TMPDIR")));
}
