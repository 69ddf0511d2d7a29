//! The one source of time: the system's, or a manual one that tests and replays drive.
//!
//! In: nothing, or [`Clock::advance`]. Out: [`Clock::now`], and waiting until an instant, for
//! tasks ([`Clock::sleep_until`]) and for plain threads ([`Clock::wait_until`]).
//!
//! Always: a clock never goes backwards. When the system's time is set back, or the log's last
//! stamp lies ahead of it ([`Clock::raise_to`]), the clock stands still until the system catches
//! up. Everything that waits (windows, backoff, token expiry) waits on a clock, so that a manual
//! one drives all of it.

use model::Timestamp;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Longest uninterrupted sleep on system time: a step of the system's time is noticed after it.
const STRIDE_MS: i64 = 10_000;

/// A shared clock; clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    manual: bool,
    /// Manual: the time. System: the latest time given out, or raised to.
    latest: AtomicI64,
    /// Counts moves of a manual clock, raises and nudges; tasks wait on it.
    moved: watch::Sender<u64>,
    /// Taken while `latest` of a manual clock moves, so that no thread misses a move.
    threads: Mutex<()>,
    threads_wake: Condvar,
    watchers: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
    /// Instants that somebody waits for on a manual clock, each with its count.
    awaited: Mutex<BTreeMap<i64, usize>>,
}

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Clock {
        Clock::new(false, system_ms())
    }

    /// A clock that stands at `start` and moves only when told.
    pub fn manual(start: Timestamp) -> Clock {
        Clock::new(true, start.0)
    }

    fn new(manual: bool, start: i64) -> Clock {
        Clock(Arc::new(Inner {
            manual,
            latest: AtomicI64::new(start),
            moved: watch::Sender::new(0),
            threads: Mutex::new(()),
            threads_wake: Condvar::new(),
            watchers: Mutex::new(Vec::new()),
            awaited: Mutex::new(BTreeMap::new()),
        }))
    }

    /// The time. Never less than any time given out before.
    pub fn now(&self) -> Timestamp {
        let latest = self.0.latest.load(Ordering::Acquire);
        if self.0.manual {
            return Timestamp(latest);
        }
        let system = system_ms();
        if system <= latest {
            return Timestamp(latest);
        }
        Timestamp(self.0.latest.fetch_max(system, Ordering::AcqRel).max(system))
    }

    /// True if this clock moves only when told.
    pub fn is_manual(&self) -> bool {
        self.0.manual
    }

    /// Moves a manual clock forwards by `ms` and returns the new time.
    ///
    /// # Errors
    /// A clock of the system, a negative step, or a time out of range.
    pub fn advance(&self, ms: i64) -> Result<Timestamp, ClockError> {
        let turn = self.manual_turn()?;
        if ms < 0 {
            return Err(ClockError::Backwards);
        }
        let to = self.0.latest.load(Ordering::Acquire).checked_add(ms).ok_or(ClockError::OutOfRange)?;
        self.0.latest.store(to, Ordering::Release);
        drop(turn);
        self.notify();
        Ok(Timestamp(to))
    }

    /// Moves a manual clock forwards to `to`.
    ///
    /// # Errors
    /// A clock of the system, or a time before now.
    pub fn advance_to(&self, to: Timestamp) -> Result<Timestamp, ClockError> {
        let turn = self.manual_turn()?;
        if to.0 < self.0.latest.load(Ordering::Acquire) {
            return Err(ClockError::Backwards);
        }
        self.0.latest.store(to.0, Ordering::Release);
        drop(turn);
        self.notify();
        Ok(to)
    }

    /// Makes sure that `now` is never before `floor`: on a restart, the last stamp of the log.
    pub fn raise_to(&self, floor: Timestamp) {
        let turn = self.0.threads.lock();
        let before = self.0.latest.fetch_max(floor.0, Ordering::AcqRel);
        drop(turn);
        if before < floor.0 {
            self.notify();
        }
    }

    /// Returns once the clock shows `at` or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.0.moved.subscribe();
        let _awaited = self.0.manual.then(|| Awaited::new(&self.0, at));
        loop {
            moved.borrow_and_update();
            let now = self.now();
            if now >= at {
                return;
            }
            if self.0.manual {
                // The sender lives as long as this clock, so this cannot fail.
                let _ = moved.changed().await;
            } else {
                let pause = Duration::from_millis(at.0.saturating_sub(now.0).clamp(1, STRIDE_MS) as u64);
                let _ = tokio::time::timeout(pause, moved.changed()).await;
            }
        }
    }

    /// Blocks this thread until the clock shows `at` (true), or `stop` is set (false). Who sets
    /// `stop` calls [`Clock::nudge`] afterwards.
    pub fn wait_until(&self, at: Timestamp, stop: &AtomicBool) -> bool {
        let _awaited = self.0.manual.then(|| Awaited::new(&self.0, at));
        let mut turn = self.0.threads.lock();
        loop {
            if stop.load(Ordering::Acquire) {
                return false;
            }
            match self.deadline(at) {
                Deadline::Passed => return true,
                Deadline::WhenAdvanced => self.0.threads_wake.wait(&mut turn),
                Deadline::At(instant) => {
                    self.0.threads_wake.wait_until(&mut turn, instant);
                }
            }
        }
    }

    /// How a thread with a channel of its own should wait for `at`. A system deadline may lie
    /// before `at` (long waits go in strides): look at the clock again.
    #[expect(clippy::disallowed_methods, reason = "a system deadline is a wait of the machine")]
    pub fn deadline(&self, at: Timestamp) -> Deadline {
        let now = self.now();
        if now >= at {
            Deadline::Passed
        } else if self.0.manual {
            Deadline::WhenAdvanced
        } else {
            let ms = at.0.saturating_sub(now.0).clamp(1, STRIDE_MS);
            Deadline::At(Instant::now() + Duration::from_millis(ms as u64))
        }
    }

    /// Calls `watcher` after each move of a manual clock and each raise, on the moving thread.
    /// It must be quick: typically it puts a word into a channel.
    pub fn on_advance(&self, watcher: impl Fn() + Send + Sync + 'static) {
        self.0.watchers.lock().push(Box::new(watcher));
    }

    /// Wakes every waiting thread and task, so that they look at their stop flags again.
    pub fn nudge(&self) {
        drop(self.0.threads.lock());
        self.0.threads_wake.notify_all();
        self.0.moved.send_modify(|n| *n += 1);
    }

    /// The earliest instant that somebody waits for on a manual clock; none on a system's.
    pub fn next_awaited(&self) -> Option<Timestamp> {
        self.0.awaited.lock().keys().next().copied().map(Timestamp)
    }

    fn manual_turn(&self) -> Result<parking_lot::MutexGuard<'_, ()>, ClockError> {
        if self.0.manual { Ok(self.0.threads.lock()) } else { Err(ClockError::NotManual) }
    }

    fn notify(&self) {
        self.nudge();
        for watcher in self.0.watchers.lock().iter() {
            watcher();
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} {})", if self.0.manual { "manual" } else { "system" }, self.now())
    }
}

/// How to wait for an instant without this clock's own waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The instant is reached.
    Passed,
    /// Wait for an `on_advance` call: a manual clock.
    WhenAdvanced,
    /// Wait until this moment at most, then ask again.
    At(Instant),
}

/// Why a clock did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The clock of the system cannot be set.
    #[error("the clock is the system's: only a manual clock can be advanced")]
    NotManual,
    /// A clock never goes backwards.
    #[error("a clock cannot go backwards")]
    Backwards,
    /// Beyond the last timestamp.
    #[error("the new time is out of range")]
    OutOfRange,
}

/// Registers an awaited instant while it lives.
struct Awaited<'a>(&'a Inner, i64);

impl<'a> Awaited<'a> {
    fn new(inner: &'a Inner, at: Timestamp) -> Awaited<'a> {
        *inner.awaited.lock().entry(at.0).or_insert(0) += 1;
        Awaited(inner, at.0)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut awaited = self.0.awaited.lock();
        if let Some(count) = awaited.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                awaited.remove(&self.1);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn system_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    }
}

#[cfg(test)]
mod tests;
