//! A log in memory. Submitters take turns: one serves the queue, the others leave their group in it.

use crate::{Appended, Done, Entry, Log, Observer, Result, StreamId};
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log in memory.
pub struct MemoryLog {
    state: Mutex<State>,
    observer: Mutex<Option<Arc<Observer>>>,
}

struct State {
    entries: VecDeque<Entry>,
    last: HashMap<StreamId, u64>,
    last_stamp: i64,
    bytes: u64,
    queue: VecDeque<Group>,
    is_serving: bool,
}

struct Group {
    entries: Vec<(StreamId, Vec<u8>)>,
    now: i64,
    done: Done,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        let state = State {
            entries: VecDeque::new(),
            last: HashMap::new(),
            last_stamp: i64::MIN,
            bytes: 0,
            queue: VecDeque::new(),
            is_serving: false,
        };
        Self { state: Mutex::new(state), observer: Mutex::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observer(&self) -> Option<Arc<Observer>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn take(&mut self, entries: Vec<(StreamId, Vec<u8>)>, now: i64) -> (Appended, Vec<Entry>) {
        if entries.is_empty() {
            return (Appended { offsets: Vec::new(), stamp: self.last_stamp }, Vec::new());
        }
        self.last_stamp = self.last_stamp.max(now);
        let stamp = self.last_stamp;
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|(stream, payload)| {
                let last = self.last.entry(stream).or_default();
                *last += 1;
                Entry { stream, offset: *last, stamp, payload: payload.into() }
            })
            .collect();
        self.bytes += entries.iter().map(|entry| entry.payload.len() as u64).sum::<u64>();
        self.entries.extend(entries.iter().cloned());
        (Appended { offsets: entries.iter().map(|entry| entry.offset).collect(), stamp }, entries)
    }
}

impl Log for MemoryLog {
    fn submit(&self, entries: Vec<(StreamId, Vec<u8>)>, now: i64, done: Done) {
        {
            let mut state = self.state();
            state.queue.push_back(Group { entries, now, done });
            if state.is_serving {
                return;
            }
            state.is_serving = true;
        }
        loop {
            let (appended, entries, done) = {
                let mut state = self.state();
                let Some(group) = state.queue.pop_front() else {
                    state.is_serving = false;
                    return;
                };
                let (appended, entries) = state.take(group.entries, group.now);
                (appended, entries, group.done)
            };
            if let Some(observer) = self.observer() {
                entries.iter().for_each(|entry| observer(entry));
            }
            done(Ok(appended));
        }
    }

    fn replay(&self, after: &dyn Fn(StreamId) -> u64, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
        // Neither `after` nor `visit` is called with the lock held: both may ask this log.
        let mut entries: Vec<Entry> = self.state().entries.iter().cloned().collect();
        entries.retain(|entry| entry.offset > after(entry.stream));
        for entry in entries {
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, stream: StreamId) -> u64 {
        self.state().last.get(&stream).copied().unwrap_or(0)
    }

    fn last_stamp(&self) -> i64 {
        self.state().last_stamp
    }

    fn set_observer(&self, observer: Observer) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(observer));
    }

    fn trim(&self, keep_after: &dyn Fn(StreamId) -> u64) -> Result<u64> {
        let known: Vec<_> = self.state().entries.iter().map(|entry| (entry.stream, entry.offset)).collect();
        let mut freed = 0;
        // Like segments: only from the front, so that what is left has no gaps.
        for (stream, offset) in known.into_iter().take_while(|(stream, offset)| *offset <= keep_after(*stream)) {
            let mut state = self.state();
            // Another trim may have been faster.
            if state.entries.front().is_some_and(|entry| (entry.stream, entry.offset) == (stream, offset)) {
                let bytes = state.entries.pop_front().map_or(0, |entry| entry.payload.len() as u64);
                state.bytes -= bytes;
                freed += bytes;
            }
        }
        Ok(freed)
    }

    fn bytes(&self) -> u64 {
        self.state().bytes
    }
}
