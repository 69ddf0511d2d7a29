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
    pub members: Members,
}

/// Realized members per audience: thousands of audiences, a few of which each event moves.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// The numbers of the blocks, ascending: those of the audiences divided by 64.
    numbers: Vec<u32>,
    /// Beside the numbers.
    blocks: Vec<[u64; 64]>,
}

impl PartialEq for Members {
    fn eq(&self, other: &Members) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Members {}

impl Members {
    /// Where a block is, or belongs.
    fn block(&self, number: u32) -> Result<usize, usize> {
        // Of few gaps, the place follows from the number.
        let guess = self.numbers.first().map_or(0, |first| number.wrapping_sub(*first)) as usize;
        match self.numbers.get(guess) {
            Some(known) if *known == number => Ok(guess),
            _ => self.numbers.binary_search(&number),
        }
    }

    /// The members of an audience.
    pub fn of(&self, audience: AudienceNo) -> u64 {
        let at = self.block(audience.0 / 64);
        at.map_or(0, |at| self.blocks[at][audience.0 as usize % 64])
    }

    /// The count of an audience, to be changed.
    pub(crate) fn of_mut(&mut self, audience: AudienceNo) -> &mut u64 {
        let number = audience.0 / 64;
        let at = self.block(number).unwrap_or_else(|at| {
            self.numbers.insert(at, number);
            self.blocks.insert(at, [0; 64]);
            at
        });
        &mut self.blocks[at][audience.0 as usize % 64]
    }

    /// Audiences with members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AudienceNo, u64)> {
        let blocks = self.numbers.iter().zip(&self.blocks);
        blocks.flat_map(|(number, block)| {
            let counts = block.iter().enumerate().filter(|(_, members)| **members > 0);
            counts.map(move |(at, members)| (AudienceNo(number * 64 + at as u32), *members))
        })
    }
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
        for (audience, members) in other.members.iter() {
            *self.members.of_mut(audience) += members;
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
        codec::put_u64(&mut out, self.members.iter().count() as u64);
        for (audience, members) in self.members.iter() {
            codec::put_u64(&mut out, u64::from(audience.0));
            codec::put_u64(&mut out, members);
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
            let audience = AudienceNo(r.u32()?);
            *census.members.of_mut(audience) = r.u64()?;
        }
        Ok(census)
    }
}
