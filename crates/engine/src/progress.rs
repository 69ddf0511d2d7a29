//! How far a stream has been applied, and which effects of other streams it has seen.
//!
//! Written in the same batch as the state, so that each entry is applied exactly once.

use model::SandboxId;
use model::codec::{self, Reader};
use std::collections::BTreeMap;
use store::StreamId;

/// The place of an effect: offset of its cause and its number there.
pub(crate) type Mark = (u64, u32);

/// The progress row of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// The last applied offset.
    pub(crate) offset: u64,
    /// The plan in force.
    pub(crate) plan_n: u64,
    /// Per source stream, the last effect taken in.
    pub(crate) seen: BTreeMap<u32, Mark>,
    /// Per sandbox, the newest plan for which all stored profiles were looked at again.
    pub(crate) scanned: BTreeMap<SandboxId, u64>,
}

impl Progress {
    /// Notes an effect. False when it is a repeat.
    pub(crate) fn is_new(&mut self, source: StreamId, mark: Mark) -> bool {
        let seen = self.seen.entry(source.0).or_default();
        if mark <= *seen {
            return false;
        }
        *seen = mark;
        true
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_u64(&mut out, self.offset);
        codec::put_u64(&mut out, self.plan_n);
        codec::put_u64(&mut out, self.seen.len() as u64);
        for (source, (offset, k)) in &self.seen {
            codec::put_u64(&mut out, u64::from(*source));
            codec::put_u64(&mut out, *offset);
            codec::put_u64(&mut out, u64::from(*k));
        }
        codec::put_u64(&mut out, self.scanned.len() as u64);
        for (sandbox, n) in &self.scanned {
            codec::put_u64(&mut out, u64::from(sandbox.0));
            codec::put_u64(&mut out, *n);
        }
        out
    }

    pub(crate) fn decode(row: &[u8]) -> codec::Result<Progress> {
        let mut r = Reader::new(row);
        let mut progress = Progress { offset: r.u64()?, plan_n: r.u64()?, ..Progress::default() };
        for _ in 0..r.len()? {
            let source = r.u32()?;
            progress.seen.insert(source, (r.u64()?, r.u32()?));
        }
        // Rows of before scans were noted end here.
        let scanned = if r.is_empty() { 0 } else { r.len()? };
        for _ in 0..scanned {
            let sandbox = SandboxId(r.u32()?);
            progress.scanned.insert(sandbox, r.u64()?);
        }
        Ok(progress)
    }
}
