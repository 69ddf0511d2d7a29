//! Drives the real `rivermouth` binary over HTTP, as an operator, a client and a destination would.
//!
//! [`Server`] starts, kills and restarts the binary on a directory; [`Api`] is a client with the
//! headers of an AEP call; [`World`] sets up schemas, data sets, an inlet, audiences and flows to a
//! scripted receiver, sends messages and waits.
//!
//! Everything blocks, waits are bounded and panic with what was seen: this crate is for tests. It
//! ends only processes that it started.

mod api;
mod server;
mod wait;
mod world;

pub use api::{Answer, Api};
pub use receiver::{Options as ReceiverOptions, Random, Record, Running as Receiver, Script, Step, TokenOptions};
pub use server::{Options, Output, Server, binary};
pub use wait::{PATIENCE, until};
pub use world::{Flow, Target, World, crm, message};

use std::sync::LazyLock;

/// The runtime behind the blocking calls; it lives as long as the test process.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be started")
});

/// Runs a future to its end; for what has no blocking form here.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}
