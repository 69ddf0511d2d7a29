//! What requests of batching flows hold, kept beside the outbox.
//!
//! Always: these rows are no function of the log. They only let a process that was killed repeat its last
//! requests word by word, so that receivers recognise them; without them exports are batched anew.
//! Nothing waits for the disk here: a row survives the process, not always the machine.

use crate::error::Result;
use crate::key;
use crate::running::Engine;
use model::FlowNo;
use std::ops::ControlFlow;
use store::{Batch, Keyspace};

impl Engine {
    /// Keeps what a request holds.
    pub fn record_batch(&self, flow: FlowNo, id: u64, record: Vec<u8>) -> Result<()> {
        let mut batch = Batch::default();
        batch.put(Keyspace::Queue, key::batch(flow, id), record);
        Ok(self.store().commit(&batch)?)
    }

    /// What is kept of a flow, by number.
    pub fn batches(&self, flow: FlowNo) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut found = Vec::new();
        self.store().scan_prefix(Keyspace::Queue, &key::batches_of(flow), &mut |key, row| {
            found.extend(key::batch_number(key).map(|id| (id, row.to_vec())));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Forgets requests that have ended.
    pub fn drop_batches(&self, batches: &[(FlowNo, u64)]) -> Result<()> {
        let mut batch = Batch::default();
        batches.iter().for_each(|(flow, id)| batch.delete(Keyspace::Queue, key::batch(*flow, *id)));
        Ok(self.store().commit(&batch)?)
    }
}
