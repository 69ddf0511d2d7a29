//! The groups that wait for the writer, bounded in bytes.

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use store::{Done, Error, StreamId};

/// Submitters wait while more than this is queued.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// The writer takes groups until it has this much; one write and one sync carry them all.
const BATCH_BYTES: usize = 4 << 20;
/// What an entry costs beside its payload.
const ENTRY_BYTES: usize = 64;

/// A group as submitted.
pub(crate) struct Group {
    pub(crate) entries: Vec<(StreamId, Vec<u8>)>,
    pub(crate) now: i64,
    pub(crate) done: Done,
    /// Bytes of the payloads.
    pub(crate) bytes: usize,
}

impl Group {
    fn cost(&self) -> usize {
        self.bytes + (self.entries.len() + 1) * ENTRY_BYTES
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
    writer: OnceLock<ThreadId>,
}

#[derive(Default)]
struct State {
    groups: Vec<Group>,
    bytes: usize,
    closed: Option<Error>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the writer's thread, which never waits for space that only it can make.
    pub(crate) fn set_writer(&self, writer: ThreadId) {
        // Set once, right after the thread was started.
        let _ = self.writer.set(writer);
    }

    /// Queues a group; gives it back when the log is closed.
    pub(crate) fn push(&self, group: Group) -> Result<(), (Error, Done)> {
        let mut state = self.state();
        while state.closed.is_none()
            && state.bytes > QUEUE_BYTES_MAX
            && self.writer.get() != Some(&thread::current().id())
        {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(error) = &state.closed {
            return Err((error.clone(), group.done));
        }
        state.bytes += group.cost();
        state.groups.push(group);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The groups of the next batch; `None` when the log is closed and all are written.
    pub(crate) fn take(&self) -> Option<Vec<Group>> {
        let mut state = self.state();
        while state.groups.is_empty() {
            if state.closed.is_some() {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = |group: &&Group| {
            let first = bytes == 0;
            bytes += group.cost();
            first || bytes <= BATCH_BYTES
        };
        let count = state.groups.iter().take_while(fits).count();
        let rest = state.groups.split_off(count);
        let taken = std::mem::replace(&mut state.groups, rest);
        state.bytes -= taken.iter().map(Group::cost).sum::<usize>();
        drop(state);
        self.drained.notify_all();
        Some(taken)
    }

    /// Takes no more groups. The first reason stays.
    pub(crate) fn close(&self, reason: Error) {
        self.state().closed.get_or_insert(reason);
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Everything that still waits.
    pub(crate) fn drain(&self) -> Vec<Group> {
        let mut state = self.state();
        state.bytes = 0;
        std::mem::take(&mut state.groups)
    }

    /// Why it is closed.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.state().closed.clone()
    }
}
