//! Effects of one stream on another: collected while applying, appended before the commit.
//!
//! Append first, commit second: after a crash in between, the entry is applied again and would
//! emit the same effects; those that the log already holds are left out here, so that a rebuild
//! appends nothing, and a receiver ignores any repeat all the same (design, §11.2).

use crate::command::Command;
use crate::error::{Error, Result};
use crate::progress::Mark;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Log, StreamId};

/// The last effect in the log, by (source, destination), as found at start.
pub(crate) type Known = HashMap<(StreamId, StreamId), Mark>;

/// Bytes after which a group of effects is closed; the log takes several times as much.
const GROUP_BYTES: usize = 8 << 20;

/// Collects the effects of a batch of entries.
pub(crate) struct Emitter {
    log: Arc<dyn Log>,
    known: Arc<Known>,
    pending: Vec<(StreamId, Vec<u8>)>,
    source: StreamId,
    offset: u64,
    k: u32,
}

impl Emitter {
    pub(crate) fn new(log: Arc<dyn Log>, known: Arc<Known>) -> Emitter {
        Emitter { log, known, pending: Vec::new(), source: StreamId(0), offset: 0, k: 0 }
    }

    /// The entry whose effects follow.
    pub(crate) fn begin(&mut self, source: StreamId, offset: u64) {
        (self.source, self.offset, self.k) = (source, offset, 0);
    }

    /// Adds an effect on `to`.
    pub(crate) fn emit(&mut self, to: StreamId, inner: Command) {
        self.k += 1;
        let mark = (self.offset, self.k);
        if self.known.get(&(self.source, to)).is_some_and(|known| mark <= *known) {
            return;
        }
        let derived = Command::Derived { source: self.source, offset: self.offset, k: self.k, inner: Box::new(inner) };
        self.pending.push((to, derived.encode()));
    }

    /// Makes the collected effects durable, in their order, in groups of bounded size.
    pub(crate) fn append(&mut self, now: i64) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending).into_iter().peekable();
        while pending.peek().is_some() {
            let mut bytes = 0;
            let mut group = Vec::new();
            while let Some(effect) = pending.next_if(|_| bytes < GROUP_BYTES) {
                bytes += effect.1.len();
                group.push(effect);
            }
            self.log.append(group, now).map_err(Error::from)?;
        }
        Ok(())
    }
}
