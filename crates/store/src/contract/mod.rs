//! What every engine must pass, run in that engine's own tests.
//!
//! In: a closure that opens the engine in a directory (an engine in memory ignores it), and an empty
//! directory. Out: nothing, or a panic that says which promise was broken. `rows` is about stores, `log`
//! about logs, `machine` about both together: a small state machine whose state is a function of the log.

pub mod log;
pub mod machine;
pub mod rows;

use std::path::{Path, PathBuf};

/// Opens a store in a directory.
pub type OpenStore<'a> = &'a dyn Fn(&Path) -> Box<dyn crate::Store>;
/// Opens a log in a directory.
pub type OpenLog<'a> = &'a dyn Fn(&Path) -> Box<dyn crate::Log>;

/// A new directory for one case.
fn fresh(dir: &Path, case: &str) -> PathBuf {
    let dir = dir.join(case);
    std::fs::create_dir_all(&dir).expect("the directory of the contract suite is writable");
    dir
}

/// A small pseudo-random sequence: the suite needs variety, and the same one every time.
#[derive(Debug, Clone)]
pub struct Sequence(u64);

impl Sequence {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
