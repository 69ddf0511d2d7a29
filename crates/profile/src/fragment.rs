//! A profile fragment: what one data set says of one identity (profile.md §6.1).

use crate::record::{put_identity, read_identity};
use model::codec::{self, Reader};
use model::{DatasetNo, Identity, Timestamp, Value};

/// The attributes of one (data set, primary identity).
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The data set.
    pub dataset: DatasetNo,
    /// Its primary identity: a fragment keeps it even when stitched.
    pub identity: Identity,
    /// When it was written (ingestion time).
    pub written: Timestamp,
    /// The attributes.
    pub body: Value,
}

impl Fragment {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        codec::put_u64(out, u64::from(self.dataset.0));
        put_identity(out, &self.identity);
        codec::put_i64(out, self.written.0);
        codec::put_value(out, &self.body);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> codec::Result<Fragment> {
        Ok(Fragment {
            dataset: DatasetNo(reader.u32()?),
            identity: read_identity(reader)?,
            written: Timestamp(reader.i64()?),
            body: reader.value()?,
        })
    }
}
