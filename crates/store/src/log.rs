//! One durable log of many streams: groups of entries that survive together, in one order.
//!
//! Always: offsets are dense per stream, from 1, also across restarts and trims. Stamps never decrease
//! over the whole log, also across restarts. An entry that `done`, the observer, `last` or `replay`
//! has shown survives power loss.

use crate::{Error, ErrorKind, Result};
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};

/// A stream of the log: a partition, the identity stream of a sandbox, the control stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream: dense, from 1.
    pub offset: u64,
    /// When the log took it, in milliseconds; never decreasing over the whole log.
    pub stamp: i64,
    /// What was appended.
    pub payload: Arc<[u8]>,
}

/// The answer to a group that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The offset of each entry, in the order given.
    pub offsets: Vec<u64>,
    /// The stamp of all of them.
    pub stamp: i64,
}

/// Called once with the fate of a group.
pub type Done = Box<dyn FnOnce(Result<Appended>) + Send>;

/// Called for every durable entry, in physical order.
pub type Observer = Box<dyn Fn(&Entry) + Send + Sync>;

/// An engine that keeps a log.
///
/// `done` and the observer run on the thread that writes: they must be brief, must not panic, must not
/// wait for another append, and may `submit`.
pub trait Log: Send + Sync {
    /// Queues a group of entries that becomes durable together or not at all; `done` is called after the
    /// observer has seen its entries, once they are durable. The stamp is the greater of `now` and the last
    /// stamp. Groups become durable in the order submitted. May wait while too many bytes are queued.
    /// An empty group is answered with the last stamp and changes nothing.
    /// After an error that [`Error::is_closed`] or follows a failed sync the group may still be found
    /// when the log is opened again; after any other error it is not in the log.
    fn submit(&self, entries: Vec<(StreamId, Vec<u8>)>, now: i64, done: Done);

    /// Appends a group and waits until it is durable.
    fn append(&self, entries: Vec<(StreamId, Vec<u8>)>, now: i64) -> Result<Appended> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // A send fails only when the receiver is gone, and it waits right here.
        self.submit(entries, now, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed, "the log closed before it answered")))
    }

    /// Visits all durable entries whose offset is above `after(stream)`, in physical order; `Break` ends it.
    /// Entries appended meanwhile may be left out.
    fn replay(&self, after: &dyn Fn(StreamId) -> u64, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<()>;

    /// The last durable offset of a stream; 0 before its first entry.
    fn last(&self, stream: StreamId) -> u64;

    /// The stamp of the last durable entry; `i64::MIN` before the first.
    fn last_stamp(&self) -> i64;

    /// From now on `observer` sees every entry once it is durable. It replaces the one before it.
    fn set_observer(&self, observer: Observer);

    /// Frees what only holds entries at or below `keep_after(stream)`, oldest first, in whole segments;
    /// answers the bytes freed. Offsets and stamps go on as before.
    fn trim(&self, keep_after: &dyn Fn(StreamId) -> u64) -> Result<u64>;

    /// Bytes that the log holds.
    fn bytes(&self) -> u64;
}
