//! The way out for this room's calls: the guarded client with its time and size limits.

use delivery::{Reply, Wire, WireError};
use reqwest::Request;
use std::time::Duration;

/// How calls leave, and what they may cost. Clones share the client.
#[derive(Clone, Debug)]
pub struct Line {
    /// The guarded client.
    pub wire: Wire,
    /// How long a call may take, head and body of the answer together.
    pub timeout: Duration,
    /// How long the body of an answer may be.
    pub answer_bytes_max: usize,
}

impl Line {
    /// A way out with the usual limits: ten seconds, one mebibyte.
    pub fn new(wire: Wire) -> Line {
        Line { wire, timeout: Duration::from_secs(10), answer_bytes_max: 1 << 20 }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Reply, WireError> {
        self.wire.send(request, self.timeout, self.answer_bytes_max).await
    }
}
