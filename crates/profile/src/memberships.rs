//! The memberships of a profile, by audience number.
//!
//! Made for many: thousands of audiences may hold one person, an event changes a few of them, and the row is written
//! each time. Numbers lie in blocks of 64 with a bit each, and instants are kept once: most memberships of a profile
//! began together. So a membership is found and changed within its block, and takes a byte or two of the row.
//!
//! Always: blocks ascend and none is empty; instants ascend and each is used.

use model::codec::{self, DecodeError, Reader};
use model::{AudienceNo, Membership, Status, Timestamp};
use smallvec::SmallVec;

/// Memberships, ascending by audience.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memberships {
    blocks: Vec<Block>,
    instants: Vec<Instant>,
}

/// The audiences of 64 successive numbers.
#[derive(Debug, Clone, Default, PartialEq)]
struct Block {
    /// The first number, divided by 64.
    number: u32,
    /// A bit per audience that there is a membership in.
    known: u64,
    /// Those of them that ended.
    exited: u64,
    /// By known audience: the place of its instant.
    since: SmallVec<[u32; BLOCK_ROOM]>,
}

/// An instant at which memberships began or ended.
#[derive(Debug, Clone, PartialEq)]
struct Instant {
    at: Timestamp,
    /// How many memberships have it.
    uses: u32,
    /// How many of these ended.
    exits: u32,
}

impl Block {
    /// The place of an audience among those known.
    fn place(&self, bit: u64) -> usize {
        (self.known & (bit - 1)).count_ones() as usize
    }
}

/// Memberships that lie in a block itself, which is a line of the processor's cache then.
const BLOCK_ROOM: usize = 8;
const _: () = assert!(size_of::<Block>() == 64);

/// The block of an audience, and its bit there.
fn split(audience: AudienceNo) -> (u32, u64) {
    (audience.0 / 64, 1 << (audience.0 % 64))
}

impl Memberships {
    /// How many there are, ended ones included.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.since.len()).sum()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The membership in an audience.
    pub fn get(&self, audience: AudienceNo) -> Option<Membership> {
        let (number, bit) = split(audience);
        let block = &self.blocks[self.block(number).ok()?];
        (block.known & bit != 0).then(|| self.membership(block, bit))
    }

    /// Where a block is, or belongs.
    fn block(&self, number: u32) -> Result<usize, usize> {
        // Of few gaps, the place follows from the number.
        let guess = self.blocks.first().map_or(0, |first| number.wrapping_sub(first.number)) as usize;
        match self.blocks.get(guess) {
            Some(block) if block.number == number => Ok(guess),
            _ => self.blocks.binary_search_by_key(&number, |block| block.number),
        }
    }

    fn membership(&self, block: &Block, bit: u64) -> Membership {
        let status = if block.exited & bit == 0 { Status::Realized } else { Status::Exited };
        Membership { status, since: self.instants[block.since[block.place(bit)] as usize].at }
    }

    /// All of them, ascending by audience.
    pub fn iter(&self) -> impl Iterator<Item = (AudienceNo, Membership)> {
        self.blocks.iter().flat_map(move |block| {
            let mut left = block.known;
            std::iter::from_fn(move || {
                let bit = left & left.wrapping_neg();
                left &= !bit;
                let audience = (bit != 0).then(|| AudienceNo(block.number * 64 + bit.trailing_zeros()))?;
                Some((audience, self.membership(block, bit)))
            })
        })
    }

    /// Since when the longest ended one is over.
    pub fn first_exit(&self) -> Option<Timestamp> {
        self.instants.iter().find(|instant| instant.exits > 0).map(|instant| instant.at)
    }

    /// Sets one.
    pub fn set(&mut self, audience: AudienceNo, membership: Membership) {
        let (number, bit) = split(audience);
        let block = self.block(number);
        self.set_in(block, (number, bit), membership);
    }

    /// Moves one to what a rule says now: who satisfies it and was no member enters, and a member that does not leaves
    /// (profile.md §10.4). Gives the new status, if it changed.
    pub fn turn(&mut self, audience: AudienceNo, holds: bool, now: Timestamp) -> Option<Status> {
        let (number, bit) = split(audience);
        let block = self.block(number);
        let is_member = block.is_ok_and(|at| self.blocks[at].known & !self.blocks[at].exited & bit != 0);
        let status = match (is_member, holds) {
            (false, true) => Status::Realized,
            (true, false) => Status::Exited,
            _ => return None,
        };
        self.set_in(block, (number, bit), Membership { status, since: now });
        Some(status)
    }

    /// `block`: where it is, or belongs.
    fn set_in(&mut self, block: Result<usize, usize>, (number, bit): (u32, u64), membership: Membership) {
        let at = self.instant(membership.since);
        let exits = membership.status == Status::Exited;
        self.instants[at].uses += 1;
        self.instants[at].exits += u32::from(exits);
        let block = match block {
            Ok(at) => &mut self.blocks[at],
            Err(at) => {
                self.blocks.insert(at, Block { number, ..Block::default() });
                &mut self.blocks[at]
            }
        };
        let (place, had_exited) = (block.place(bit), block.exited & bit != 0);
        block.exited = if exits { block.exited | bit } else { block.exited & !bit };
        if block.known & bit == 0 {
            block.known |= bit;
            block.since.insert(place, at as u32);
        } else {
            let before = std::mem::replace(&mut block.since[place], at as u32);
            self.release(before as usize, had_exited);
        }
    }

    /// The place of an instant, new or known. The latest is asked for most.
    fn instant(&mut self, since: Timestamp) -> usize {
        let at = match self.instants.last() {
            Some(last) if last.at == since => return self.instants.len() - 1,
            Some(last) if last.at > since => match self.instants.binary_search_by_key(&since, |known| known.at) {
                Ok(at) => return at,
                Err(at) => at,
            },
            _ => self.instants.len(),
        };
        self.move_places(at, 1);
        self.instants.insert(at, Instant { at: since, uses: 0, exits: 0 });
        at
    }

    /// One membership less has this instant.
    fn release(&mut self, at: usize, had_exited: bool) {
        let instant = &mut self.instants[at];
        instant.uses -= 1;
        instant.exits -= u32::from(had_exited);
        if instant.uses == 0 {
            self.instants.remove(at);
            self.move_places(at, u32::MAX);
        }
    }

    /// Adds to all places from one on; `u32::MAX` takes one away.
    fn move_places(&mut self, from: usize, by: u32) {
        if from < self.instants.len() {
            for place in self.blocks.iter_mut().flat_map(|block| &mut block.since) {
                *place = place.wrapping_add(if *place as usize >= from { by } else { 0 });
            }
        }
    }

    /// Keeps those that satisfy the condition.
    pub fn retain(&mut self, keep: impl Fn(AudienceNo, Membership) -> bool) {
        if self.iter().all(|(audience, membership)| keep(audience, membership)) {
            return;
        }
        let all = std::mem::take(self);
        all.iter().filter(|(audience, membership)| keep(*audience, *membership)).for_each(|(a, m)| self.set(a, m));
    }

    /// About how many bytes they take at most.
    pub(crate) fn encoded_max(&self) -> usize {
        let width = if self.instants.len() <= 256 { 1 } else { 4 };
        16 + self.instants.len() * 8 + self.blocks.len() * 20 + self.len() * width
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        codec::put_u64(out, self.instants.len() as u64);
        let mut before = 0;
        for instant in &self.instants {
            codec::put_i64(out, instant.at.0.wrapping_sub(before));
            before = instant.at.0;
        }
        codec::put_u64(out, self.blocks.len() as u64);
        for block in &self.blocks {
            codec::put_u64(out, u64::from(block.number));
            out.extend_from_slice(&block.known.to_le_bytes());
            match block.exited {
                0 => out.push(0),
                exited => {
                    out.push(1);
                    out.extend_from_slice(&exited.to_le_bytes());
                }
            }
            match self.instants.len() <= 256 {
                true => out.extend(block.since.iter().map(|place| *place as u8)),
                false => block.since.iter().for_each(|place| out.extend_from_slice(&place.to_le_bytes())),
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> codec::Result<Memberships> {
        let mut memberships = Memberships::default();
        let mut before = 0i64;
        for _ in 0..reader.len()? {
            before = before.wrapping_add(reader.i64()?);
            let instant = Instant { at: Timestamp(before), uses: 0, exits: 0 };
            if memberships.instants.last().is_some_and(|last| last.at >= instant.at) {
                return Err(DecodeError("instants of memberships out of order"));
            }
            memberships.instants.push(instant);
        }
        for _ in 0..reader.len()? {
            let block = memberships.decode_block(reader)?;
            if memberships.blocks.last().is_some_and(|last| last.number >= block.number) {
                return Err(DecodeError("memberships out of order"));
            }
            memberships.blocks.push(block);
        }
        match memberships.instants.iter().all(|instant| instant.uses > 0) {
            true => Ok(memberships),
            false => Err(DecodeError("an instant of no membership")),
        }
    }

    fn decode_block(&mut self, reader: &mut Reader<'_>) -> codec::Result<Block> {
        let number = reader.u32()?;
        let known = read_bits(reader)?;
        let exited = match reader.u8()? {
            0 => 0,
            1 => read_bits(reader)?,
            _ => return Err(DecodeError("memberships of an unknown form")),
        };
        if number > u32::MAX / 64 || known == 0 || exited & !known != 0 {
            return Err(DecodeError("memberships of no audience"));
        }
        let width = if self.instants.len() <= 256 { 1 } else { 4 };
        let places = reader.take(known.count_ones() as usize * width)?.chunks_exact(width);
        let place = |bytes: &[u8]| bytes.iter().rev().fold(0, |place, byte| place << 8 | u32::from(*byte));
        let block = Block { number, known, exited, since: places.map(place).collect() };
        let mut left = known;
        for place in &block.since {
            let bit = left & left.wrapping_neg();
            left &= !bit;
            let instant = self.instants.get_mut(*place as usize).ok_or(DecodeError("a membership of no instant"))?;
            instant.uses += 1;
            instant.exits += u32::from(exited & bit != 0);
        }
        Ok(block)
    }
}

fn read_bits(reader: &mut Reader<'_>) -> codec::Result<u64> {
    Ok(reader.take(8)?.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn is_a_map(
            steps in prop::collection::vec((0u32..200, any::<bool>(), 0i64..30), 0..120),
            many in prop::option::of(300u32..600),
            dropped in 0u32..200,
        ) {
            let (mut memberships, mut naive) = (Memberships::default(), BTreeMap::new());
            let spread = (0..many.unwrap_or(0)).map(|n| (n * 7, n % 3 == 0, i64::from(n) + 100));
            for (no, exited, since) in steps.into_iter().chain(spread) {
                let status = if exited { Status::Exited } else { Status::Realized };
                let membership = Membership { status, since: Timestamp(since) };
                let was = naive.get(&AudienceNo(no)).is_some_and(|m: &Membership| m.status == Status::Realized);
                if since % 2 == 0 {
                    memberships.set(AudienceNo(no), membership);
                    naive.insert(AudienceNo(no), membership);
                } else {
                    let turned = memberships.turn(AudienceNo(no), !exited, Timestamp(since));
                    prop_assert_eq!(turned, (was == exited).then_some(status));
                    if turned.is_some() {
                        naive.insert(AudienceNo(no), membership);
                    }
                }
            }
            for round in 0..2 {
                let all: Vec<_> = naive.iter().map(|(no, m)| (*no, *m)).collect();
                prop_assert_eq!(memberships.iter().collect::<Vec<_>>(), all);
                prop_assert_eq!((memberships.len(), memberships.is_empty()), (naive.len(), naive.is_empty()));
                let exits = naive.values().filter(|m| m.status == Status::Exited);
                prop_assert_eq!(memberships.first_exit(), exits.map(|m| m.since).min());
                for no in 0..200 {
                    prop_assert_eq!(memberships.get(AudienceNo(no)), naive.get(&AudienceNo(no)).copied());
                }
                let mut bytes = Vec::new();
                memberships.encode(&mut bytes);
                let mut reader = Reader::new(&bytes);
                prop_assert_eq!(&Memberships::decode(&mut reader).unwrap(), &memberships);
                prop_assert!(reader.is_empty());
                if round == 0 {
                    memberships.retain(|no, _| no.0 >= dropped);
                    naive.retain(|no, _| no.0 >= dropped);
                }
            }
        }

        #[test]
        fn any_bytes_are_memberships_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(memberships) = Memberships::decode(&mut Reader::new(&bytes)) {
                let mut again = Vec::new();
                memberships.encode(&mut again);
                prop_assert_eq!(Memberships::decode(&mut Reader::new(&again)).unwrap(), memberships);
            }
        }
    }
}
