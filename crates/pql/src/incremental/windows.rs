//! Windows of an aggregate, in the form in which their samples are found fastest.

use super::series::Series;
use crate::ast::{Comparison, Direction};
use crate::calendar::{Shift, clamp};
use crate::occurs::{Moment, Span};
use std::ops::Range;

/// The windows that a sample must lie in, all at once.
#[derive(Debug, Clone)]
pub(super) enum Windows {
    /// None: every sample counts.
    All,
    /// From so many milliseconds ago until now, both included.
    Last(i64),
    /// Any others.
    Other(Box<[Span]>),
}

impl Windows {
    pub(super) fn of(windows: &[Span]) -> Windows {
        let ages: Option<Vec<i64>> = windows.iter().map(|window| last(*window)).collect();
        match ages.map(|ages| ages.into_iter().min()) {
            Some(Some(age)) => Windows::Last(age),
            Some(None) => Windows::All,
            None => Windows::Other(windows.into()),
        }
    }
}

/// The age that a window reaches back to, if it ends now.
fn last(window: Span) -> Option<i64> {
    let Span::Distance { op, shift: Shift::Millis(shift), direction: Direction::Before, anchor: Moment::Now, .. } =
        window
    else {
        return None;
    };
    let age = match op {
        Comparison::LessEqual => shift.checked_neg()?,
        Comparison::Less => shift.checked_neg()?.checked_sub(1)?,
        _ => return None,
    };
    (age >= 0).then_some(age)
}

/// How far an ascending list of times goes until `now`, itself included: nearly always to its end.
pub(super) fn until(times: &[i64], now: i64) -> usize {
    match times.last() {
        Some(last) if *last > now => times.partition_point(|t| *t <= now),
        _ => times.len(),
    }
}

/// The place of the first time that is not before `from`, searched from the end: what is asked for is mostly recent.
pub(super) fn first_from(times: &[i64], from: i64) -> usize {
    let (mut step, mut high) = (1, times.len());
    loop {
        let Some(low) = high.checked_sub(step) else {
            return times[..high].partition_point(|t| *t < from);
        };
        if times[low] < from {
            return low + 1 + times[low + 1..high].partition_point(|t| *t < from);
        }
        (high, step) = (low, step * 2);
    }
}

/// What lies between `age` before `now` and `now`, and the first later instant at which a time leaves or comes in.
pub(super) fn of_last(series: &Series, age: i64, high: usize, now: i64) -> (Range<usize>, Option<i64>) {
    let times = series.times();
    let low = first_from(&times[..high], now.saturating_sub(age));
    let leaves = (low < high).then(|| leaves(times[low], age));
    let change = [leaves, comes(times, high)].into_iter().flatten().min();
    (low..high, change)
}

/// When a time gets older than `age`.
pub(super) fn leaves(time: i64, age: i64) -> i64 {
    clamp(time).saturating_add(age).saturating_add(1)
}

/// When the first time after `now` is reached; `high` is its place.
pub(super) fn comes(times: &[i64], high: usize) -> Option<i64> {
    times.get(high).map(|t| clamp(*t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn searches_from_the_end_are_searches(mut times in prop::collection::vec(-50i64..50, 0..40), from in -60i64..60) {
            times.sort_unstable();
            prop_assert_eq!(first_from(&times, from), times.partition_point(|t| *t < from));
            prop_assert_eq!(until(&times, from), times.partition_point(|t| *t <= from));
        }
    }
}
