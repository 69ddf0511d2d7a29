//! Goes over all stored profiles of a sandbox, page by page.

use engine::{Engine, StoredProfile};
use model::{PartitionNo, SandboxId};
use std::ops::ControlFlow;

/// Rows per page; between pages a survey can be called off.
const PAGE_ROWS: usize = 512;

/// How a survey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All profiles were seen, or as many as were wanted.
    Done,
    /// It was called off.
    CalledOff,
}

/// Shows every profile to `see` until it breaks. Ids are hashes, so the profiles before any break are a random
/// choice of all. An error is a sentence.
pub(super) fn each(
    engine: &Engine,
    sandbox: SandboxId,
    is_called_off: &dyn Fn() -> bool,
    see: &mut dyn FnMut(&StoredProfile) -> Result<ControlFlow<()>, String>,
) -> Result<End, String> {
    for partition in 0..engine.partitions() {
        let mut after = None;
        loop {
            if is_called_off() {
                return Ok(End::CalledOff);
            }
            let page = engine.profile_page(sandbox, PartitionNo(partition), after, PAGE_ROWS);
            let (profiles, next) = page.map_err(|e| e.to_string())?;
            for profile in &profiles {
                if see(profile)?.is_break() {
                    return Ok(End::Done);
                }
            }
            match next {
                Some(id) => after = Some(id),
                None => break,
            }
        }
    }
    Ok(End::Done)
}
