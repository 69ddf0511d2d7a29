//! An outbox entry: one profile change that a flow must send, with the state at that instant.

use model::codec::{self, DecodeError, Reader};
use model::{AudienceNo, Identity, NamespaceId, ProfileId, SandboxId, SmolStr, Status, Timestamp, Value, Xid};

const VERSION: u8 = 1;

/// Why an entry was made; several may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reasons(pub u8);

impl Reasons {
    /// A mapped audience was entered or left.
    pub const SEGMENTATION: Reasons = Reasons(1);
    /// An identity came or went.
    pub const IDENTITY: Reasons = Reasons(2);
    /// A mapped attribute was written.
    pub const ATTRIBUTE: Reasons = Reasons(4);
    /// The audience was newly mapped and the profile was a member already.
    pub const BACKFILL: Reasons = Reasons(8);
    /// A dead letter was replayed.
    pub const REPLAY: Reasons = Reasons(16);

    /// Adds reasons.
    pub fn add(&mut self, other: Reasons) {
        self.0 |= other.0;
    }

    /// True when any of `other` is there.
    pub fn has(self, other: Reasons) -> bool {
        self.0 & other.0 != 0
    }

    /// True for none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One membership of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedMembership {
    /// The audience.
    pub audience: AudienceNo,
    /// Its status.
    pub status: Status,
    /// Since when.
    pub since: Timestamp,
    /// True when the status changed in this entry (or, for a backfill, the audience was newly mapped).
    pub changed: bool,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The profile.
    pub profile: ProfileId,
    /// Profiles merged into it earlier: their waiting entries of this flow go first.
    pub lineage: Vec<ProfileId>,
    /// The instant of the change.
    pub at: Timestamp,
    /// Why.
    pub reasons: Reasons,
    /// Memberships, mapped audiences first.
    pub memberships: Vec<ExportedMembership>,
    /// All identities.
    pub identities: Vec<Identity>,
    /// The mapped attributes that the profile has.
    pub attributes: Value,
}

impl Export {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(200);
        self.encode_to(&mut out);
        out
    }

    /// Appends its bytes.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        put_head(out, self.at, self.sandbox, self.profile, &self.lineage, self.reasons);
        codec::put_u64(out, self.memberships.len() as u64);
        self.memberships.iter().for_each(|m| put_membership(out, m));
        codec::put_u64(out, self.identities.len() as u64);
        self.identities.iter().for_each(|identity| put_identity(out, identity));
        codec::put_value(out, &self.attributes);
    }

    /// Reads what was encoded.
    pub fn decode(row: &[u8]) -> codec::Result<Export> {
        let mut reader = Reader::new(row);
        if reader.u8()? != VERSION {
            return Err(DecodeError("unknown version of an outbox row"));
        }
        let mut at = [0; 8];
        at.copy_from_slice(reader.take(8)?);
        let at = Timestamp(i64::from_be_bytes(at));
        let sandbox = SandboxId(reader.u32()?);
        let profile = Xid(reader.array16()?);
        let lineage = (0..reader.len()?).map(|_| reader.array16().map(Xid)).collect::<codec::Result<_>>()?;
        let reasons = Reasons(reader.u8()?);
        let mut memberships = Vec::new();
        for _ in 0..reader.len()? {
            let code = reader.u64()?;
            memberships.push(ExportedMembership {
                audience: AudienceNo(u32::try_from(code >> 2).map_err(|_| DecodeError("audience out of range"))?),
                status: if code & 1 == 1 { Status::Exited } else { Status::Realized },
                changed: code & 2 == 2,
                since: Timestamp(reader.i64()?),
            });
        }
        let mut identities = Vec::new();
        for _ in 0..reader.len()? {
            identities.push(Identity { namespace: NamespaceId(reader.u32()?), value: SmolStr::new(reader.str()?) });
        }
        Ok(Export { sandbox, profile, lineage, at, reasons, memberships, identities, attributes: reader.value()? })
    }
}

pub(crate) fn put_head(
    out: &mut Vec<u8>,
    at: Timestamp,
    sandbox: SandboxId,
    profile: ProfileId,
    lineage: &[ProfileId],
    reasons: Reasons,
) {
    out.push(VERSION);
    out.extend_from_slice(&at.0.to_be_bytes());
    codec::put_u64(out, u64::from(sandbox.0));
    out.extend_from_slice(&profile.0);
    codec::put_u64(out, lineage.len() as u64);
    lineage.iter().for_each(|p| out.extend_from_slice(&p.0));
    out.push(reasons.0);
}

pub(crate) fn put_membership(out: &mut Vec<u8>, m: &ExportedMembership) {
    let flags = u64::from(m.status == Status::Exited) | u64::from(m.changed) << 1;
    codec::put_u64(out, u64::from(m.audience.0) << 2 | flags);
    codec::put_i64(out, m.since.0);
}

pub(crate) fn put_identity(out: &mut Vec<u8>, identity: &Identity) {
    codec::put_u64(out, u64::from(identity.namespace.0));
    codec::put_bytes(out, identity.value.as_bytes());
}
