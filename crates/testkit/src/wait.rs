//! Bounded waiting.

#![expect(clippy::disallowed_methods, reason = "waits for another process")]

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long a condition may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Looks again and again until `done` accepts what `look` sees, and returns that.
///
/// # Panics
/// After [`PATIENCE`], with what was seen last.
pub fn until<T: Debug>(what: &str, mut look: impl FnMut() -> T, done: impl Fn(&T) -> bool) -> T {
    let started = Instant::now();
    loop {
        let seen = look();
        if done(&seen) {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; last seen: {seen:?}");
        std::thread::sleep(STEP);
    }
}
