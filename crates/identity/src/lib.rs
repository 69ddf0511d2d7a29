//! Which profile a record belongs to: creates, links, merges (design, §11.2; profile.md §5.4).
//!
//! Floor 2, pure. In: one record's identities and the rows of those identities and their graphs.
//! Out: changed rows, the profile, and the merges that the record caused.
//!
//! Always: an identity has one profile. Of two profiles that turn out to be one, the one created
//! earlier wins (ties: the smaller id), so any replay of one log picks the same winner. Only
//! identities whose namespace takes part in graphs link; a record's primary identity always counts.
//! Absent on purpose: linking rules of unique namespaces, and splitting.

use model::codec::{self, DecodeError, Reader};
use model::{ProfileId, Timestamp, Xid};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// The graph of one profile: its members, or where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Graph {
    /// A living profile.
    Alive {
        /// When it was created: the rank in merges.
        created: Timestamp,
        /// The XIDs of its identities, in the order in which they came.
        members: Vec<Xid>,
    },
    /// Merged into another profile.
    Merged(ProfileId),
}

impl Graph {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Graph::Alive { created, members } => {
                out.push(0);
                codec::put_i64(&mut out, created.0);
                codec::put_u64(&mut out, members.len() as u64);
                members.iter().for_each(|m| out.extend_from_slice(&m.0));
            }
            Graph::Merged(into) => {
                out.push(1);
                out.extend_from_slice(&into.0);
            }
        }
        out
    }

    /// Reads a row.
    pub fn decode(row: &[u8]) -> codec::Result<Graph> {
        let mut reader = Reader::new(row);
        if reader.u8()? != VERSION {
            return Err(DecodeError("unknown version of a graph row"));
        }
        match reader.u8()? {
            0 => {
                let created = Timestamp(reader.i64()?);
                let members = (0..reader.len()?).map(|_| reader.array16().map(Xid)).collect::<codec::Result<_>>()?;
                Ok(Graph::Alive { created, members })
            }
            1 => Ok(Graph::Merged(Xid(reader.array16()?))),
            _ => Err(DecodeError("unknown kind of a graph row")),
        }
    }
}

/// The rows that a decision may read and write. Reads see earlier writes.
pub trait Rows {
    /// An error of the store.
    type Error;
    /// The profile of an identity.
    fn profile_of(&mut self, xid: Xid) -> Result<Option<ProfileId>, Self::Error>;
    /// The graph of a profile.
    fn graph(&mut self, profile: ProfileId) -> Result<Option<Graph>, Self::Error>;
    /// Sets or removes the profile of an identity.
    fn put_profile_of(&mut self, xid: Xid, profile: Option<ProfileId>);
    /// Sets the graph of a profile.
    fn put_graph(&mut self, profile: ProfileId, graph: Graph);
}

/// What a record meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The profile of the record.
    pub profile: ProfileId,
    /// Profiles that were merged into it, in order of their creation.
    pub losers: Vec<ProfileId>,
}

/// Resolves the identities of one record, in log order. `xids` are distinct, at least one, the
/// primary first.
pub fn resolve<R: Rows>(rows: &mut R, xids: &[Xid], now: Timestamp) -> Result<Resolution, R::Error> {
    let mut candidates: BTreeMap<(Timestamp, ProfileId), Vec<Xid>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for xid in xids {
        match rows.profile_of(*xid)? {
            None => unknown.push(*xid),
            Some(profile) => {
                if let Some(Graph::Alive { created, members }) = rows.graph(profile)? {
                    candidates.insert((created, profile), members);
                }
            }
        }
    }
    let (created, winner, mut members) = match candidates.pop_first() {
        Some(((created, winner), members)) => (created, winner, members),
        None => (now, free_profile_id(rows, xids[0])?, Vec::new()),
    };
    let losers: Vec<ProfileId> = candidates.keys().map(|(_, id)| *id).collect();
    if losers.is_empty() && unknown.is_empty() {
        return Ok(Resolution { profile: winner, losers });
    }
    for ((_, loser), theirs) in candidates {
        for xid in &theirs {
            rows.put_profile_of(*xid, Some(winner));
        }
        members.extend(theirs);
        rows.put_graph(loser, Graph::Merged(winner));
    }
    for xid in unknown {
        rows.put_profile_of(xid, Some(winner));
        members.push(xid);
    }
    rows.put_graph(winner, Graph::Alive { created, members });
    Ok(Resolution { profile: winner, losers })
}

/// Takes identities out of a profile's graph: they are unknown afterwards.
pub fn detach<R: Rows>(rows: &mut R, profile: ProfileId, xids: &[Xid]) -> Result<(), R::Error> {
    let profile = root(rows, profile)?;
    if let Some(Graph::Alive { created, mut members }) = rows.graph(profile)? {
        for xid in xids {
            if rows.profile_of(*xid)? == Some(profile) {
                rows.put_profile_of(*xid, None);
                members.retain(|m| m != xid);
            }
        }
        rows.put_graph(profile, Graph::Alive { created, members });
    }
    Ok(())
}

/// The living profile that `profile` was merged into, or itself.
pub fn root<R: Rows>(rows: &mut R, mut profile: ProfileId) -> Result<ProfileId, R::Error> {
    while let Some(Graph::Merged(into)) = rows.graph(profile)? {
        profile = into;
    }
    Ok(profile)
}

/// The XID of the identity that came first; where that id was used before (the identity was taken
/// out of its graph and has come back), the next one of a fixed sequence.
fn free_profile_id<R: Rows>(rows: &mut R, first: Xid) -> Result<ProfileId, R::Error> {
    let mut id = first;
    while rows.graph(id)?.is_some() {
        let digest = Sha256::digest(id.0);
        id.0.copy_from_slice(&digest[..16]);
    }
    Ok(id)
}

#[cfg(test)]
mod tests;
