//! Sequences of two steps, of which the second is bound to the first alone: known by their latest start.
//!
//! Whether an event is followed by another one in time does not depend on the clock. So it is enough to keep the latest
//! time of a first step that a second one follows: the sequence is there as long as that lies in the window of the
//! first step, and a new event can only make it later, by a look at its neighbours.

use super::atom::{Sequence, Step};
use super::series::Series;
use super::windows::{Windows, comes, first_from, leaves, until};
use crate::ast::{Comparison, Direction};
use crate::calendar::{LIMIT, Shift, clamp};
use crate::occurs::Span;
use model::Timestamp;

/// A sequence of two steps that is known by its latest start.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The place in [`Atom::series`](super::Atom::series) of the first step.
    pub first: usize,
    /// That of the second one.
    pub second: usize,
    /// The first step must not be older; `None` if it may be of any time.
    age: Option<i64>,
    /// The second one comes at most so many milliseconds later.
    within: i64,
}

impl Sequence {
    /// The same as a pair, if it is one.
    pub(super) fn pair(&self) -> Option<Pair> {
        let [first, second] = &*self.steps else { return None };
        let age = match Windows::of(&first.windows) {
            Windows::All => None,
            Windows::Last(age) => Some(age),
            Windows::Other(_) => return None,
        };
        (second.windows.is_empty() && first.tie.is_none()).then_some(())?;
        Some(Pair { first: first.series, second: second.series, age, within: within(second)? })
    }
}

/// How long after the first step this one may come.
fn within(step: &Step) -> Option<i64> {
    let Some(tie) = &step.tie else { return Some(i64::MAX) };
    let Span::Distance { op, shift: Shift::Millis(shift), direction: Direction::After, .. } = tie.span else {
        return None;
    };
    let within = match op {
        Comparison::LessEqual => shift,
        Comparison::Less => shift.checked_sub(1)?,
        _ => return None,
    };
    (tie.from == Some(0) && within >= 0).then_some(within)
}

impl Pair {
    /// The latest time of a first step, not after `at_most`, that a second one follows.
    pub fn latest(&self, first: &Series, second: &Series, at_most: i64) -> Option<i64> {
        let (starts, ends) = (first.times(), second.times());
        let mut next = ends.len();
        starts[..until(starts, at_most)].iter().rev().copied().find(|start| {
            while next > 0 && ends[next - 1] > *start {
                next -= 1;
            }
            ends.get(next).is_some_and(|end| self.follows(*end, *start))
        })
    }

    /// Whether a second step follows a first one at `time`.
    pub fn begins(&self, second: &Series, time: i64) -> bool {
        let times = second.times();
        times.get(first_from(times, time.saturating_add(1))).is_some_and(|end| self.follows(*end, time))
    }

    /// The latest first step that a second one at `time` follows.
    pub fn ends(&self, first: &Series, time: i64) -> Option<i64> {
        let times = first.times();
        let last = first_from(times, time).checked_sub(1)?;
        Some(times[last]).filter(|start| self.follows(time, *start))
    }

    /// A time that lies after another one, does it lie near enough?
    fn follows(&self, end: i64, start: i64) -> bool {
        end > start && clamp(end) <= clamp(start).saturating_add(self.within)
    }

    /// Whether the sequence is there, given its latest start, and when time alone may give another answer.
    pub fn holds(&self, start: i64, first: &Series, second: &Series, now: Timestamp) -> (bool, Option<Timestamp>) {
        let now = clamp(now.0);
        let Some(age) = self.age else { return (true, None) };
        let (start, comes) = match start <= now {
            true => (Some(start), None),
            // Of events in the future; an earlier start may be the one that counts now.
            false => (self.latest(first, second, now), comes(first.times(), until(first.times(), now))),
        };
        let start = start.filter(|start| *start >= now.saturating_sub(age));
        let change = start.map(|start| leaves(start, age)).into_iter().chain(comes).min();
        (start.is_some(), change.filter(|at| *at <= LIMIT).map(|at| Timestamp(at.max(now + 1))))
    }
}
