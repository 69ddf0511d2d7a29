//! What a render has used up: steps, time, memory, output.
//!
//! In: the work that is about to be done, in steps or bytes. Out: go on, or a fault. Always: work that grows with
//! the size of a value is counted by that size, and what a value takes is counted before it is made.

use crate::error::{Fault, Raised, fault};
use crate::render::Renderer;
use crate::value::{Thing, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that a render takes unless [`crate::Limits::time`] says otherwise. Steps end nearly all renders long
/// before; time is for the rest, so that no template holds a thread.
pub const RENDER_TIME: Duration = Duration::from_secs(5);

/// Steps between two looks at the time.
const LOOK_EVERY: u64 = 4096;
/// Bytes of output or of a value that are made for one step, as a shift.
const MADE_PER_STEP: u32 = 6;

/// What is counted beside the steps, which live where values are compared and printed.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    next_look: u64,
    /// When the time was looked at first; short renders never do.
    started: Option<Instant>,
    /// Bytes of values, over-estimated between two counts.
    memory: usize,
    /// Bytes of all values ever made.
    made: usize,
    /// `made` at the start of the statement that runs: what it has made since may still be in use.
    statement: usize,
    /// Bytes in use by statements around the one that runs: lists of loops, texts of macros.
    pinned: usize,
    /// Texts that are made beside the output: of macros, of the bodies of `filter`.
    texts: u32,
    /// Bytes that the text which is written to had got when the statement started.
    written: usize,
}

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { next_look: steps.saturating_sub(LOOK_EVERY), ..Self::default() }
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds how long a render holds its thread; no output depends on it")]
fn now() -> Instant {
    Instant::now()
}

impl Renderer<'_> {
    /// Counts work; looks at the time now and then.
    #[inline]
    pub(crate) fn step(&mut self, steps: u64) -> Raised<()> {
        self.changed.spend(steps);
        if self.changed.steps_left() <= self.budget.next_look { self.look() } else { Ok(()) }
    }

    /// Counts the reading of a text.
    #[inline]
    pub(crate) fn read(&mut self, bytes: usize) -> Raised<()> {
        self.step(1 + crate::print::reading(bytes))
    }

    /// As `step`, for work of which a single step may be long.
    pub(crate) fn slow_step(&mut self, steps: u64) -> Raised<()> {
        self.changed.spend(steps);
        self.look()
    }

    #[cold]
    fn look(&mut self) -> Raised<()> {
        let left = self.changed.steps_left();
        self.budget.next_look = left.saturating_sub(LOOK_EVERY);
        if left == 0 {
            return Err(self.too_many_steps());
        }
        let late = self.limits.time.is_some_and(|most| self.budget.started.get_or_insert_with(now).elapsed() > most);
        if late || self.limits.out_of_time.is_some_and(|ask| ask()) {
            return Err(fault("the render takes too long"));
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn too_many_steps(&self) -> Box<Fault> {
        fault(format!("the render takes more than {} steps", self.limits.steps))
    }

    /// Counts bytes of a new value before it is made.
    pub(crate) fn charge(&mut self, bytes: usize) -> Raised<()> {
        let max = self.limits.memory_bytes;
        let budget = &mut self.budget;
        budget.made = budget.made.saturating_add(bytes);
        budget.memory = budget.memory.saturating_add(bytes);
        if budget.memory > max {
            self.count()?;
        }
        self.step(1 + (bytes as u64 >> MADE_PER_STEP))
    }

    /// Counts what is in use, which takes as many steps as making it did.
    #[cold]
    fn count(&mut self) -> Raised<()> {
        let mut seen = HashSet::new();
        let held = self.scopes.held_bytes(&mut seen) + self.changed.held_bytes(&mut seen);
        let budget = &mut self.budget;
        budget.memory = held.saturating_add(budget.pinned).saturating_add(budget.made - budget.statement);
        if budget.memory > self.limits.memory_bytes {
            return Err(self.too_much_memory());
        }
        self.step(held as u64 >> MADE_PER_STEP)
    }

    #[cold]
    fn too_much_memory(&self) -> Box<Fault> {
        fault(format!("the values of the template take more than {} bytes", self.limits.memory_bytes))
    }

    /// A statement starts, which writes to a text of this length.
    #[inline]
    pub(crate) fn statement(&mut self, written: usize) {
        self.budget.statement = self.budget.made;
        self.budget.written = written;
    }

    /// Runs statements inside the one that runs, whose values stay in use; they may make a text of their own.
    pub(crate) fn nested<T>(&mut self, text: bool, work: impl FnOnce(&mut Self) -> Raised<T>) -> Raised<T> {
        let Budget { made, statement, pinned, texts, written, .. } = self.budget;
        self.budget.pinned =
            pinned.saturating_add(made - statement).saturating_add(if text && texts > 0 { written } else { 0 });
        self.budget.texts = texts + u32::from(text);
        if self.budget.pinned > self.limits.memory_bytes {
            return Err(self.too_much_memory());
        }
        self.statement(0);
        let done = work(self);
        let budget = &mut self.budget;
        (budget.pinned, budget.texts, budget.written) = (pinned, texts, written);
        // What the statements inside have made is no longer in use.
        budget.statement = statement + (budget.made - made);
        done
    }

    #[inline]
    pub(crate) fn room(&self, out: &str) -> Raised<()> {
        if out.len() > self.out_max { Err(self.too_long()) } else { Ok(()) }
    }

    /// Counts the bytes that a text which becomes a value is about to get.
    pub(crate) fn grow(&mut self, out: &str, bytes: usize) -> Raised<()> {
        if out.len().saturating_add(bytes) > self.out_max {
            return Err(self.too_long());
        }
        self.charge(bytes)
    }

    #[cold]
    pub(crate) fn too_long(&self) -> Box<Fault> {
        fault(format!("the output is longer than {} bytes", self.limits.output_bytes))
    }
}

/// Bytes that a value holds; shared lists and maps count once.
pub(crate) fn size_of(value: &Value, seen: &mut HashSet<usize>) -> usize {
    let own = std::mem::size_of::<Value>();
    own + match value {
        Value::Str(s) if s.is_heap_allocated() && seen.insert(s.as_ptr() as usize) => s.len(),
        Value::Safe(s) if seen.insert(s.as_ptr() as usize) => s.len(),
        Value::List(list) | Value::Array(list) if seen.insert(Arc::as_ptr(list) as usize) => {
            list.items.iter().map(|v| size_of(v, seen)).sum()
        }
        Value::Map(map) if seen.insert(Arc::as_ptr(map) as usize) => {
            map.entries.iter().map(|(k, v)| size_of(k, seen) + size_of(v, seen)).sum()
        }
        Value::Entry(entry) => size_of(&entry.0, seen) + size_of(&entry.1, seen),
        Value::Opaque(thing) => match &thing.0 {
            Thing::View(map) if seen.insert(Arc::as_ptr(thing) as usize) => {
                map.entries.iter().map(|(k, v)| size_of(k, seen) + size_of(v, seen)).sum()
            }
            _ => std::mem::size_of_val(&**thing),
        },
        _ => 0,
    }
}
