//! What the log knows of itself in memory: the end of every stream, and what each segment reaches.

use super::frame::Head;
use std::collections::HashMap;
use store::StreamId;

/// The durable state of the log.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) last: HashMap<StreamId, u64>,
    pub(crate) last_stamp: i64,
    /// Oldest first; the last one is written to.
    pub(crate) segments: Vec<Segment>,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Durable bytes.
    pub(crate) bytes: u64,
    /// Greatest offset of each stream that has an entry here.
    pub(crate) max: HashMap<StreamId, u64>,
}

impl Index {
    /// The head of a segment that would begin now.
    pub(crate) fn head(&self) -> Head {
        let mut last: Vec<_> = self.last.iter().map(|(stream, offset)| (*stream, *offset)).collect();
        last.sort_unstable();
        Head { last_stamp: self.last_stamp, last }
    }
}

/// The streams that moved between two heads, and how far.
pub(crate) fn moved(before: &Head, after: &HashMap<StreamId, u64>) -> HashMap<StreamId, u64> {
    let before: HashMap<_, _> = before.last.iter().copied().collect();
    after.iter().filter(|(stream, offset)| before.get(stream) != Some(offset)).map(|(s, o)| (*s, *o)).collect()
}
