//! A validated, resolved record on its way to a profile, and its bytes in the log.

use model::codec::{self, DecodeError, Reader};
use model::{DatasetNo, Identity, NamespaceId, SmolStr, Timestamp, Value};

/// What a record states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Attributes of a person (behavior *record*).
    Attributes,
    /// A fact at an instant (behavior *time-series*).
    Event,
}

/// `authenticatedState` of an identity (profile.md §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthState {
    /// The default.
    #[default]
    Ambiguous,
    /// Logged in.
    Authenticated,
    /// Logged out.
    LoggedOut,
}

impl AuthState {
    /// The word of `identityMap`.
    pub fn as_str(self) -> &'static str {
        match self {
            AuthState::Ambiguous => "ambiguous",
            AuthState::Authenticated => "authenticated",
            AuthState::LoggedOut => "loggedOut",
        }
    }

    /// The state of a word.
    pub fn parse(text: &str) -> Option<AuthState> {
        Some(match text {
            "ambiguous" => AuthState::Ambiguous,
            "authenticated" => AuthState::Authenticated,
            "loggedOut" => AuthState::LoggedOut,
            _ => return None,
        })
    }
}

/// One identity of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordIdentity {
    /// Namespace and value.
    pub identity: Identity,
    /// Its state, from `identityMap`.
    pub state: AuthState,
    /// True for the primary identity of the record.
    pub primary: bool,
    /// True when it came in `identityMap`, false when a field of the body holds it.
    pub mapped: bool,
    /// False for namespaces that take no part in graphs.
    pub in_graph: bool,
}

/// One record. `identityMap`, `_id` and `timestamp` are taken out of `body`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Attributes or event.
    pub kind: RecordKind,
    /// The data set.
    pub dataset: DatasetNo,
    /// `_id` of an event; empty for attributes.
    pub id: SmolStr,
    /// When it happened (events) or was received (attributes).
    pub timestamp: Timestamp,
    /// All identities, in the order found; exactly one is primary.
    pub identities: Vec<RecordIdentity>,
    /// The rest.
    pub body: Value,
}

const EVENT: u8 = 1;
const PRIMARY: u8 = 1;
const MAPPED: u8 = 2;
const IN_GRAPH: u8 = 4;

impl Record {
    /// The primary identity.
    pub fn primary(&self) -> Option<&Identity> {
        self.identities.iter().find(|i| i.primary).map(|i| &i.identity)
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(if self.kind == RecordKind::Event { EVENT } else { 0 });
        codec::put_u64(out, u64::from(self.dataset.0));
        codec::put_bytes(out, self.id.as_bytes());
        codec::put_i64(out, self.timestamp.0);
        codec::put_u64(out, self.identities.len() as u64);
        for identity in &self.identities {
            let mut flags = (identity.state as u8) << 4;
            flags |= if identity.primary { PRIMARY } else { 0 };
            flags |= if identity.mapped { MAPPED } else { 0 };
            flags |= if identity.in_graph { IN_GRAPH } else { 0 };
            out.push(flags);
            put_identity(out, &identity.identity);
        }
        codec::put_value(out, &self.body);
    }

    /// Reads what [`Record::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> codec::Result<Record> {
        let kind = if reader.u8()? == EVENT { RecordKind::Event } else { RecordKind::Attributes };
        let dataset = DatasetNo(reader.u32()?);
        let id = SmolStr::new(reader.str()?);
        let timestamp = Timestamp(reader.i64()?);
        let count = reader.len()?;
        let mut identities = Vec::with_capacity(count);
        for _ in 0..count {
            let flags = reader.u8()?;
            let state = match flags >> 4 {
                0 => AuthState::Ambiguous,
                1 => AuthState::Authenticated,
                2 => AuthState::LoggedOut,
                _ => return Err(DecodeError("unknown authenticated state")),
            };
            identities.push(RecordIdentity {
                identity: read_identity(reader)?,
                state,
                primary: flags & PRIMARY != 0,
                mapped: flags & MAPPED != 0,
                in_graph: flags & IN_GRAPH != 0,
            });
        }
        Ok(Record { kind, dataset, id, timestamp, identities, body: reader.value()? })
    }
}

pub(crate) fn put_identity(out: &mut Vec<u8>, identity: &Identity) {
    codec::put_u64(out, u64::from(identity.namespace.0));
    codec::put_bytes(out, identity.value.as_bytes());
}

pub(crate) fn read_identity(reader: &mut Reader<'_>) -> codec::Result<Identity> {
    Ok(Identity { namespace: NamespaceId(reader.u32()?), value: SmolStr::new(reader.str()?) })
}
