//! A stored event: the record's own bytes under a name that makes a repeat harmless.

use crate::record::{Record, RecordIdentity};
use model::DatasetNo;
use model::codec::{self, Reader};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;

/// The name of an event within its profile: 80 bits over (data set, `_id`), the key of
/// de-duplication (profile.md §2.1).
pub fn event_name(dataset: DatasetNo, id: &str) -> [u8; 10] {
    let mut hash = Sha256::new();
    hash.update(dataset.0.to_be_bytes());
    hash.update(id.as_bytes());
    let mut name = [0; 10];
    name.copy_from_slice(&hash.finalize()[..10]);
    name
}

/// One stored event, with its body as the evaluator reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The data set.
    pub dataset: DatasetNo,
    /// Its identities.
    pub identities: Vec<RecordIdentity>,
    /// `_id`, timestamp and body.
    pub view: pql::EventView,
}

impl Event {
    /// The event of a record.
    pub fn of(record: Record) -> Event {
        let Record { dataset, id, timestamp, identities, body, .. } = record;
        Event { dataset, identities, view: pql::EventView { timestamp, id, body } }
    }

    /// Its name within the profile.
    pub fn name(&self) -> [u8; 10] {
        event_name(self.dataset, &self.view.id)
    }

    /// The row of a record.
    pub fn encode(record: &Record) -> Vec<u8> {
        let mut out = Vec::with_capacity(Event::ROW_ROOM);
        Event::encode_to(record, &mut out);
        out
    }

    /// Bytes that most rows fit into.
    pub const ROW_ROOM: usize = 1024;

    /// Appends the row of a record.
    pub fn encode_to(record: &Record, out: &mut Vec<u8>) {
        out.push(VERSION);
        record.encode(out);
    }

    /// Reads a row.
    pub fn decode(row: &[u8]) -> codec::Result<Event> {
        let mut reader = Reader::new(row);
        match reader.u8()? {
            VERSION => Record::decode(&mut reader).map(Event::of),
            _ => Err(codec::DecodeError("unknown version of an event row")),
        }
    }
}
