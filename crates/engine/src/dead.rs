//! Dead letters: exports that no attempt will deliver, with the reason. No secret is in them.

use activation::Export;
use model::codec::{self, Reader};
use model::{SmolStr, Timestamp};

/// One dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// When it was given up.
    pub died: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// Why.
    pub reason: SmolStr,
    /// What was to be sent.
    pub export: Export,
}

impl DeadLetter {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_i64(&mut out, self.died.0);
        codec::put_u64(&mut out, u64::from(self.attempts));
        codec::put_bytes(&mut out, self.reason.as_bytes());
        out.extend_from_slice(&self.export.encode());
        out
    }

    pub(crate) fn decode(row: &[u8]) -> codec::Result<DeadLetter> {
        let mut r = Reader::new(row);
        let (died, attempts) = (Timestamp(r.i64()?), r.u32()?);
        let reason = SmolStr::new(r.str()?);
        Ok(DeadLetter { died, attempts, reason, export: Export::decode(r.rest())? })
    }
}
