//! A store and a log in memory, for tests of the rooms above and for simulation.
//!
//! They keep the whole contract but for survival: what is dropped is gone. No thread of their own:
//! the submitter that finds nobody at work serves the queue, so observers and `done` run on submitters.

mod log;
mod rows;

pub use log::MemoryLog;
pub use rows::MemoryStore;
