//! Counts of one partition: profiles and events per sandbox, members per audience.

use model::codec::{self, Reader};
use model::{AudienceNo, SandboxId};
use std::collections::BTreeMap;

/// What a partition, or all of them, hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// Profiles and events per sandbox.
    pub stock: BTreeMap<SandboxId, Stock>,
    /// Realized members per audience.
    pub members: BTreeMap<AudienceNo, u64>,
}

/// Counts of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// Living profiles.
    pub profiles: u64,
    /// Stored events.
    pub events: u64,
}

impl Census {
    /// Adds another partition.
    pub fn add(&mut self, other: &Census) {
        for (sandbox, stock) in &other.stock {
            let mine = self.stock.entry(*sandbox).or_default();
            mine.profiles += stock.profiles;
            mine.events += stock.events;
        }
        for (audience, members) in &other.members {
            *self.members.entry(*audience).or_default() += members;
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_u64(&mut out, self.stock.len() as u64);
        for (sandbox, stock) in &self.stock {
            codec::put_u64(&mut out, u64::from(sandbox.0));
            codec::put_u64(&mut out, stock.profiles);
            codec::put_u64(&mut out, stock.events);
        }
        codec::put_u64(&mut out, self.members.len() as u64);
        for (audience, members) in &self.members {
            codec::put_u64(&mut out, u64::from(audience.0));
            codec::put_u64(&mut out, *members);
        }
        out
    }

    pub(crate) fn decode(row: &[u8]) -> codec::Result<Census> {
        let mut r = Reader::new(row);
        let mut census = Census::default();
        for _ in 0..r.len()? {
            let sandbox = SandboxId(r.u32()?);
            census.stock.insert(sandbox, Stock { profiles: r.u64()?, events: r.u64()? });
        }
        for _ in 0..r.len()? {
            census.members.insert(AudienceNo(r.u32()?), r.u64()?);
        }
        Ok(census)
    }
}
