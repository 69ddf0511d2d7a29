//! Pages of all stored profiles: what work beside the stream reads (segment jobs, previews, exports).
//!
//! Reads committed rows; a page is bounded, so that no reader holds a view of the store for long. A
//! profile that is changed while the survey is under way is seen as it is when its page is read.

use crate::control::scan_after;
use crate::error::Result;
use crate::key;
use crate::progress::Progress;
use crate::running::Engine;
use crate::views::StoredProfile;
use model::{PartitionNo, ProfileId, SandboxId, Xid};
use profile::Row;
use std::ops::ControlFlow;
use store::Keyspace;

impl Engine {
    /// The newest plan for which all stored profiles of a sandbox in this partition were looked at again; 0 for none.
    /// A look that changes nothing leaves no trace in the profile's row, so what its audiences say stands for this
    /// plan too.
    pub fn scanned_n(&self, sandbox: SandboxId, partition: PartitionNo) -> Result<u64> {
        let row = self.store().get(Keyspace::Meta, &key::progress(key::stream(partition)))?;
        let progress = row.map(|row| Progress::decode(&row)).transpose()?.unwrap_or_default();
        Ok(progress.scanned.get(&sandbox).copied().unwrap_or_default())
    }

    /// The next stored profiles of a partition after `after`, ascending by id, looking at no more than
    /// `rows` rows, and where to go on; `None` at the end of the partition.
    pub fn profile_page(
        &self,
        sandbox: SandboxId,
        partition: PartitionNo,
        after: Option<ProfileId>,
        rows: usize,
    ) -> Result<(Vec<StoredProfile>, Option<ProfileId>)> {
        let prefix = key::profiles(sandbox, partition);
        let start = after.map_or_else(|| prefix.clone(), |id| key::profile(sandbox, partition, id));
        let (mut found, mut seen, mut last, mut fault) = (Vec::new(), 0, None, None);
        scan_after(self.store(), Keyspace::Profile, &prefix, &start, &mut |key, row| {
            let Some(id) = key.get(prefix.len()..).and_then(|id| id.try_into().ok()).map(Xid) else {
                return ControlFlow::Continue(());
            };
            (seen, last) = (seen + 1, Some(id));
            match Row::decode(row) {
                Ok(Row::Profile(profile)) => found.push(StoredProfile { id, profile }),
                Ok(Row::Forward(_)) => {}
                Err(error) => {
                    fault = Some(error);
                    return ControlFlow::Break(());
                }
            }
            if seen < rows { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match fault {
            Some(fault) => Err(fault.into()),
            None => Ok((found, last.filter(|_| seen == rows))),
        }
    }
}
