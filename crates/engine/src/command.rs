//! The entries of the log: everything that changes state, imperative, one tag each.
//!
//! Tags and field order are the disk format; a format byte comes first. `Derived` wraps an entry
//! that another stream's entry caused, so that a receiver can ignore repeats.

use model::codec::{self, DecodeError, Reader, Result};
use model::{DatasetNo, FlowNo, ProfileId, SandboxId, SmolStr, Timestamp, Xid};
use profile::Record;
use store::StreamId;

use crate::key::FORMAT;

/// How an attempt to deliver ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It never will: why, and after how many attempts.
    Dead {
        /// Why; holds no secret.
        reason: SmolStr,
        /// Attempts made.
        attempts: u32,
    },
    /// Nothing of it is for this receiver.
    Filtered(activation::Filtered),
}

/// The name of an event within its profile, and its row.
pub(crate) type NamedRow = ([u8; 10], Vec<u8>);

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Identity stream: find the profile of a record.
    Resolve { sandbox: SandboxId, record: Record },
    /// Identity stream: identities that a profile had to let go.
    Detach { sandbox: SandboxId, profile: ProfileId, xids: Vec<Xid> },
    /// Apply a record to a profile. `received` is the stamp of its acceptance.
    Apply { sandbox: SandboxId, profile: ProfileId, received: Timestamp, record: Record },
    /// Wait with this profile until `loser` has arrived.
    AwaitAbsorb { sandbox: SandboxId, profile: ProfileId, loser: ProfileId },
    /// Pack a profile and send it to the one it was merged into.
    HandOver { sandbox: SandboxId, profile: ProfileId, winner: ProfileId },
    /// Take in a merged profile: its row and its events by name. An empty row: more parts follow.
    Absorb { sandbox: SandboxId, profile: ProfileId, loser: ProfileId, row: Vec<u8>, events: Vec<NamedRow> },
    /// From here on evaluate with this plan.
    PlanChanged { n: u64 },
    /// Look again at profiles after `after` that plan `n` has not seen; a bounded step.
    Scan { sandbox: SandboxId, n: u64, after: Option<ProfileId> },
    /// Take away what a data set left in profiles after `after`; a bounded step.
    Erase { sandbox: SandboxId, dataset: DatasetNo, after: Option<ProfileId> },
    /// Time has passed: handle due timers.
    Tick,
    /// Outcomes of deliveries, by flow and sequence number.
    Outcomes { outcomes: Vec<(FlowNo, u64, Outcome)> },
    /// Send the present state for dead letters and close them.
    ReplayDead { flow: FlowNo, seqs: Vec<u64> },
    /// Send the present state of a profile to a flow (a replayed dead letter of a merged profile).
    ExportNow { sandbox: SandboxId, profile: ProfileId, flow: FlowNo },
    /// Remove a profile and its events.
    DeleteProfile { sandbox: SandboxId, profile: ProfileId },
    /// Keep a record that does not fit its schema.
    Quarantine { sandbox: SandboxId, dataset: DatasetNo, message: Vec<u8>, violations: Vec<u8> },
    /// Remove quarantined records.
    ReleaseQuarantine { sandbox: SandboxId, numbers: Vec<u64> },
    /// Caused by entry `offset` of stream `source`, as its `k`-th effect on this stream.
    Derived { source: StreamId, offset: u64, k: u32, inner: Box<Command> },
}

impl Command {
    /// The bytes of the entry.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        out.push(FORMAT);
        self.put(&mut out);
        out
    }

    /// Reads an entry.
    pub(crate) fn decode(payload: &[u8]) -> Result<Command> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != FORMAT {
            return Err(DecodeError("unknown format of a log entry"));
        }
        let tag = reader.u8()?;
        if tag != DERIVED {
            return Command::read(tag, &mut reader);
        }
        let (source, offset, k) = (StreamId(reader.u32()?), reader.u64()?, reader.u32()?);
        let tag = reader.u8()?;
        let inner = Box::new(Command::read(tag, &mut reader)?);
        Ok(Command::Derived { source, offset, k, inner })
    }

    fn put(&self, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, tag: u8, sandbox: &SandboxId| {
            out.push(tag);
            codec::put_u64(out, u64::from(sandbox.0));
        };
        match self {
            Command::Resolve { sandbox, record } => {
                head(out, 1, sandbox);
                record.encode(out);
            }
            Command::Detach { sandbox, profile, xids } => {
                head(out, 2, sandbox);
                put_id(out, profile);
                codec::put_u64(out, xids.len() as u64);
                xids.iter().for_each(|x| put_id(out, x));
            }
            Command::Apply { sandbox, profile, received, record } => {
                head(out, 3, sandbox);
                put_id(out, profile);
                codec::put_i64(out, received.0);
                record.encode(out);
            }
            Command::AwaitAbsorb { sandbox, profile, loser } => {
                head(out, 4, sandbox);
                put_id(out, profile);
                put_id(out, loser);
            }
            Command::HandOver { sandbox, profile, winner } => {
                head(out, 5, sandbox);
                put_id(out, profile);
                put_id(out, winner);
            }
            Command::Absorb { sandbox, profile, loser, row, events } => {
                head(out, 6, sandbox);
                put_id(out, profile);
                put_id(out, loser);
                codec::put_bytes(out, row);
                put_events(out, events);
            }
            Command::PlanChanged { n } => {
                out.push(7);
                codec::put_u64(out, *n);
            }
            Command::Scan { sandbox, n, after } => {
                head(out, 8, sandbox);
                codec::put_u64(out, *n);
                put_after(out, after);
            }
            Command::Tick => out.push(9),
            Command::Outcomes { outcomes } => put_outcomes(out, outcomes),
            Command::ReplayDead { flow, seqs } => {
                out.push(11);
                codec::put_u64(out, u64::from(flow.0));
                put_numbers(out, seqs);
            }
            Command::ExportNow { sandbox, profile, flow } => {
                head(out, 12, sandbox);
                put_id(out, profile);
                codec::put_u64(out, u64::from(flow.0));
            }
            Command::DeleteProfile { sandbox, profile } => {
                head(out, 13, sandbox);
                put_id(out, profile);
            }
            Command::Quarantine { sandbox, dataset, message, violations } => {
                head(out, 14, sandbox);
                codec::put_u64(out, u64::from(dataset.0));
                codec::put_bytes(out, message);
                codec::put_bytes(out, violations);
            }
            Command::ReleaseQuarantine { sandbox, numbers } => {
                head(out, 15, sandbox);
                put_numbers(out, numbers);
            }
            Command::Erase { sandbox, dataset, after } => {
                head(out, 16, sandbox);
                codec::put_u64(out, u64::from(dataset.0));
                put_after(out, after);
            }
            Command::Derived { source, offset, k, inner } => {
                out.push(DERIVED);
                codec::put_u64(out, u64::from(source.0));
                codec::put_u64(out, *offset);
                codec::put_u64(out, u64::from(*k));
                inner.put(out);
            }
        }
    }

    fn read(tag: u8, r: &mut Reader<'_>) -> Result<Command> {
        Ok(match tag {
            1 => Command::Resolve { sandbox: sandbox(r)?, record: Record::decode(r)? },
            2 => Command::Detach {
                sandbox: sandbox(r)?,
                profile: id(r)?,
                xids: (0..r.len()?).map(|_| id(r)).collect::<Result<_>>()?,
            },
            3 => Command::Apply {
                sandbox: sandbox(r)?,
                profile: id(r)?,
                received: Timestamp(r.i64()?),
                record: Record::decode(r)?,
            },
            4 => Command::AwaitAbsorb { sandbox: sandbox(r)?, profile: id(r)?, loser: id(r)? },
            5 => Command::HandOver { sandbox: sandbox(r)?, profile: id(r)?, winner: id(r)? },
            6 => Command::Absorb {
                sandbox: sandbox(r)?,
                profile: id(r)?,
                loser: id(r)?,
                row: r.bytes()?.to_vec(),
                events: (0..r.len()?).map(|_| named_event(r)).collect::<Result<_>>()?,
            },
            7 => Command::PlanChanged { n: r.u64()? },
            8 => Command::Scan { sandbox: sandbox(r)?, n: r.u64()?, after: after(r)? },
            9 => Command::Tick,
            10 => Command::Outcomes { outcomes: (0..r.len()?).map(|_| outcome(r)).collect::<Result<_>>()? },
            11 => Command::ReplayDead { flow: FlowNo(r.u32()?), seqs: numbers(r)? },
            12 => Command::ExportNow { sandbox: sandbox(r)?, profile: id(r)?, flow: FlowNo(r.u32()?) },
            13 => Command::DeleteProfile { sandbox: sandbox(r)?, profile: id(r)? },
            14 => Command::Quarantine {
                sandbox: sandbox(r)?,
                dataset: DatasetNo(r.u32()?),
                message: r.bytes()?.to_vec(),
                violations: r.bytes()?.to_vec(),
            },
            15 => Command::ReleaseQuarantine { sandbox: sandbox(r)?, numbers: numbers(r)? },
            16 => Command::Erase { sandbox: sandbox(r)?, dataset: DatasetNo(r.u32()?), after: after(r)? },
            _ => return Err(DecodeError("unknown log entry")),
        })
    }
}

const DERIVED: u8 = 0;

fn put_id(out: &mut Vec<u8>, id: &Xid) {
    out.extend_from_slice(&id.0);
}

fn put_after(out: &mut Vec<u8>, after: &Option<ProfileId>) {
    out.push(u8::from(after.is_some()));
    after.iter().for_each(|a| put_id(out, a));
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    codec::put_u64(out, numbers.len() as u64);
    numbers.iter().for_each(|n| codec::put_u64(out, *n));
}

fn put_events(out: &mut Vec<u8>, events: &[NamedRow]) {
    codec::put_u64(out, events.len() as u64);
    for (name, row) in events {
        out.extend_from_slice(name);
        codec::put_bytes(out, row);
    }
}

fn put_outcomes(out: &mut Vec<u8>, outcomes: &[(FlowNo, u64, Outcome)]) {
    out.push(10);
    codec::put_u64(out, outcomes.len() as u64);
    for (flow, seq, outcome) in outcomes {
        codec::put_u64(out, u64::from(flow.0));
        codec::put_u64(out, *seq);
        match outcome {
            Outcome::Delivered => out.push(0),
            Outcome::Dead { reason, attempts } => {
                out.push(1);
                codec::put_bytes(out, reason.as_bytes());
                codec::put_u64(out, u64::from(*attempts));
            }
            Outcome::Filtered(reason) => out.extend_from_slice(&[2, *reason as u8]),
        }
    }
}

fn sandbox(r: &mut Reader<'_>) -> Result<SandboxId> {
    r.u32().map(SandboxId)
}

fn id(r: &mut Reader<'_>) -> Result<Xid> {
    r.array16().map(Xid)
}

fn after(r: &mut Reader<'_>) -> Result<Option<Xid>> {
    if r.u8()? == 1 { id(r).map(Some) } else { Ok(None) }
}

fn numbers(r: &mut Reader<'_>) -> Result<Vec<u64>> {
    (0..r.len()?).map(|_| r.u64()).collect()
}

fn named_event(r: &mut Reader<'_>) -> Result<NamedRow> {
    let mut name = [0; 10];
    name.copy_from_slice(r.take(10)?);
    Ok((name, r.bytes()?.to_vec()))
}

fn outcome(r: &mut Reader<'_>) -> Result<(FlowNo, u64, Outcome)> {
    let (flow, seq) = (FlowNo(r.u32()?), r.u64()?);
    let outcome = match r.u8()? {
        0 => Outcome::Delivered,
        1 => Outcome::Dead { reason: SmolStr::new(r.str()?), attempts: r.u32()? },
        2 => {
            let reason = activation::Filtered::ALL.get(usize::from(r.u8()?));
            Outcome::Filtered(*reason.ok_or(DecodeError("unknown reason of a filtered export"))?)
        }
        _ => return Err(DecodeError("unknown outcome")),
    };
    Ok((flow, seq, outcome))
}

#[cfg(test)]
mod tests;
