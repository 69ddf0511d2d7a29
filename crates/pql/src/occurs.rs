//! Time windows (pql.md §13) and the instant at which their answer changes.
//!
//! Every form is one or two conditions "bound(now) ≤ threshold" or the negation of such, perhaps
//! negated as a whole. A bound is fixed, moves with `now`, or jumps where a calendar period begins;
//! on top of that it may be shifted by a distance. For each kind the first change after an instant is
//! known in closed form or by galloping over periods; calendar shifts of `now` are stepped by days,
//! since with the end-of-month clamp they are not monotone.
//! Always: the change reported lies after `now`, and no earlier instant gives another answer.

use crate::ast::{Comparison, Direction};
use crate::calendar::{Grid, LIMIT, Shift, add_months, clamp};
use model::time::DAY_MS;

/// Where an anchor stands when it is resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// A fixed instant.
    Instant(i64),
    /// The instant of the run.
    Now,
    /// A fixed day.
    Date(i64),
    /// `yesterday`, `today`, `tomorrow`.
    Day(i64),
    /// `last`, `this`, `next` period.
    Period(i64, Grid),
}

impl Moment {
    fn start(self) -> Base {
        match self {
            Moment::Instant(ms) | Moment::Date(ms) => Base::Fixed(ms),
            Moment::Now => Base::Now,
            Moment::Day(offset) => Base::Period(Grid::DAY, offset),
            Moment::Period(offset, grid) => Base::Period(grid, offset),
        }
    }

    /// The first instant after a period; `None` for an instant.
    fn end(self) -> Option<Base> {
        match self {
            Moment::Instant(_) | Moment::Now => None,
            Moment::Date(ms) => Some(Base::Fixed(ms + DAY_MS)),
            Moment::Day(offset) => Some(Base::Period(Grid::DAY, offset + 1)),
            Moment::Period(offset, grid) => Some(Base::Period(grid, offset + 1)),
        }
    }
}

/// A window whose anchors are resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    /// The comparison, the signed distance, its unit, the direction and the anchor.
    Distance {
        op: Comparison,
        shift: Shift,
        unit: Grid,
        direction: Direction,
        anchor: Moment,
    },
    Side(Direction, Moment),
    On(Moment),
    Between(Moment, Moment),
}

impl Span {
    /// Whether the window holds `time`, and the first later instant with another answer; one that is
    /// not before `bound` need not be told.
    pub(crate) fn holds(self, time: i64, now: i64, bound: i64) -> (bool, Option<i64>) {
        let conditions = self.conditions(clamp(time));
        (conditions.at(now), conditions.next_change(now, bound))
    }

    /// The same for the instant of the run itself as time. The change is not always the first, but
    /// never too late.
    pub(crate) fn holds_now(self, now: i64) -> (bool, Option<i64>) {
        let conditions = self.conditions(now);
        let mut change = conditions.all().filter_map(|c| c.bound.change_against_now(c.at_most - now, now)).min();
        if let Span::Distance { op: Comparison::Equal | Comparison::NotEqual, unit, anchor, .. } = self
            && !matches!(anchor, Moment::Now)
        {
            let edge = unit.start(unit.index(now) + 1);
            change = Some(change.map_or(edge, |c| c.min(edge)));
        }
        (conditions.at(now), change)
    }

    /// Of an ascending list of times: the place of the first that is not too early for the window at `now`, and of the
    /// first that is too late, which can stand before it. `None` for `!=`, which holds two runs.
    pub(crate) fn places(self, times: &[i64], now: i64) -> Option<(usize, usize)> {
        let now = clamp(now);
        if self.conditions(0).negated {
            return None;
        }
        // A bound does not depend on the time it is compared with, so it is computed once.
        let bounds = self.conditions(0).all().map(|c| c.bound.at(now)).collect::<Few>();
        let passes = |negated: bool, t: i64| {
            let conditions = self.conditions(clamp(t));
            let of_kind = conditions.all().zip(bounds.iter()).filter(|(c, _)| c.negated == negated);
            of_kind.fold(true, |all, (c, bound)| all && ((*bound <= c.at_most) != negated))
        };
        let low = times.partition_point(|t| !passes(false, *t));
        let high = times.partition_point(|t| passes(true, *t));
        Some((low, high))
    }

    /// The first instant after `now` at which a bound of the window passes a time, whatever that means for the whole.
    pub(crate) fn next_crossing(self, time: i64, now: i64) -> Option<i64> {
        let conditions = self.conditions(clamp(time));
        conditions.all().filter_map(|c| c.bound.next_change(c.at_most, now, i64::MAX)).min()
    }

    /// Whether the window moves with `now`.
    pub(crate) fn moves(self) -> bool {
        self.conditions(0).all().any(|c| !matches!(c.bound.base, Base::Fixed(_)))
    }

    /// Whether the window can hold again what it has left: shifts by months fold the last days of a month.
    pub(crate) fn folds(self) -> bool {
        self.conditions(0).all().any(|c| matches!(c.bound, Bound { base: Base::Now, shift: Shift::Months(_) }))
    }

    /// The age in ms beyond which the window never holds a time again; `None` without such a bound.
    pub(crate) fn age_max(self) -> Option<i64> {
        let lower = self.conditions(0).all().filter(|c| !c.negated);
        let ages = lower.filter_map(|c| match (c.bound.base, c.bound.shift) {
            (Base::Fixed(_), _) => None,
            (Base::Now, shift) => Some(shift_age(shift)),
            (Base::Period(grid, offset), shift) => {
                Some(shift_age(shift).saturating_add((1 - offset).max(0).saturating_mul(width(grid))))
            }
        });
        // `=` holds a whole period around its bound.
        let around = match self {
            Span::Distance { op: Comparison::Equal, unit, .. } => width(unit),
            _ => 0,
        };
        ages.min().map(|age| age.max(0).saturating_add(around).saturating_add(1000))
    }

    fn conditions(self, t: i64) -> Conditions {
        match self {
            Span::Distance { op, shift, unit, direction, anchor } => distance(op, shift, unit, direction, anchor, t),
            Span::Side(Direction::Before, anchor) => Conditions::one(not_at_most(anchor.start(), t)),
            Span::Side(Direction::After, anchor) => Conditions::one(match (anchor, anchor.end()) {
                // A day word is passed when it begins, a period when it ends.
                (Moment::Day(_), _) | (_, None) => at_most(anchor.start(), t - 1),
                (_, Some(end)) => at_most(end, t),
            }),
            Span::On(anchor) => Conditions::two(at_most(anchor.start(), t), until(anchor, t)),
            Span::Between(from, to) => Conditions::two(at_most(from.start(), t), until(to, t)),
        }
    }
}

/// The bounds of one or two conditions.
struct Few([i64; 2], usize);

impl FromIterator<i64> for Few {
    fn from_iter<I: IntoIterator<Item = i64>>(items: I) -> Few {
        let mut few = Few([0; 2], 0);
        for item in items.into_iter().take(2) {
            few.0[few.1] = item;
            few.1 += 1;
        }
        few
    }
}

impl Few {
    fn iter(&self) -> impl Iterator<Item = &i64> {
        self.0[..self.1].iter()
    }
}

/// How far back a shift reaches, at most; months with the days that the end of a month folds.
fn shift_age(shift: Shift) -> i64 {
    match shift {
        Shift::Millis(distance) => -distance,
        Shift::Months(months) => (-months).saturating_mul(31).saturating_add(4).saturating_mul(DAY_MS),
    }
}

/// The longest period of a grid.
fn width(grid: Grid) -> i64 {
    match grid {
        Grid::Fixed { width, .. } => width,
        Grid::Months(months) => months.saturating_mul(31 * DAY_MS),
    }
}

/// `t ≤ anchor` for an instant, `t < end` for a period.
fn until(anchor: Moment, t: i64) -> Condition {
    match anchor.end() {
        Some(end) => not_at_most(end, t),
        None => not_at_most(anchor.start(), t - 1),
    }
}

fn distance(op: Comparison, shift: Shift, unit: Grid, direction: Direction, anchor: Moment, t: i64) -> Conditions {
    let near = anchor.start();
    let far = |at_most| Condition { bound: Bound { base: near, shift }, at_most, negated: false };
    let not_far = |at_most| Condition { negated: true, ..far(at_most) };
    match (op, direction) {
        (Comparison::LessEqual, Direction::Before) => Conditions::two(far(t), not_at_most(near, t - 1)),
        (Comparison::Less, Direction::Before) => Conditions::two(far(t - 1), not_at_most(near, t - 1)),
        (Comparison::GreaterEqual, Direction::Before) => Conditions::one(not_far(t - 1)),
        (Comparison::Greater, Direction::Before) => Conditions::one(not_far(t)),
        (Comparison::LessEqual, Direction::After) => Conditions::two(at_most(near, t), not_far(t - 1)),
        (Comparison::Less, Direction::After) => Conditions::two(at_most(near, t), not_far(t)),
        (Comparison::GreaterEqual, Direction::After) => Conditions::one(far(t)),
        (Comparison::Greater, Direction::After) => Conditions::one(far(t - 1)),
        (Comparison::Equal | Comparison::NotEqual, _) => {
            let bucket = unit.index(t);
            let mut both = Conditions::two(not_far(unit.start(bucket) - 1), far(unit.start(bucket + 1) - 1));
            both.negated = op == Comparison::NotEqual;
            both
        }
    }
}

fn at_most(base: Base, threshold: i64) -> Condition {
    Condition { bound: Bound { base, shift: Shift::NONE }, at_most: threshold, negated: false }
}

fn not_at_most(base: Base, threshold: i64) -> Condition {
    Condition { negated: true, ..at_most(base, threshold) }
}

/// What a bound is before it is shifted.
#[derive(Debug, Clone, Copy)]
enum Base {
    Fixed(i64),
    Now,
    /// The start of the period so many periods from the one that holds now.
    Period(Grid, i64),
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    base: Base,
    shift: Shift,
}

impl Bound {
    fn at(self, now: i64) -> i64 {
        self.shift.apply(match self.base {
            Base::Fixed(ms) => ms,
            Base::Now => now,
            Base::Period(grid, offset) => grid.start(grid.index(now) + offset),
        })
    }

    /// The first instant after `now` at which "bound ≤ threshold" has another answer than at `now`.
    fn next_change(self, threshold: i64, now: i64, bound: i64) -> Option<i64> {
        match (self.base, self.shift) {
            (Base::Fixed(_), _) => None,
            (Base::Now, Shift::Millis(distance)) => (now + distance <= threshold).then(|| threshold - distance + 1),
            (Base::Now, Shift::Months(months)) => next_change_by_months(months, threshold, now, bound),
            (Base::Period(grid, offset), shift) => {
                let here = grid.index(now);
                let start = |ahead: i64| shift.apply(grid.start(here + offset + ahead));
                if start(0) > threshold {
                    return None;
                }
                let mut high = 1;
                while start(high) <= threshold {
                    if grid.start(here + high) > LIMIT {
                        return None;
                    }
                    high *= 2;
                }
                let mut low = high / 2;
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if start(middle) > threshold { high = middle } else { low = middle }
                }
                Some(grid.start(here + high))
            }
        }
    }

    /// A change of "bound ≤ now + slack", not later than the first.
    fn change_against_now(self, slack: i64, now: i64) -> Option<i64> {
        let reached = Some(self.at(now) - slack).filter(|at| *at > now);
        match self.base {
            // Both sides move alike.
            Base::Now => None,
            Base::Fixed(_) => reached,
            Base::Period(grid, _) => {
                let next = grid.start(grid.index(now) + 1);
                Some(reached.map_or(next, |at| at.min(next)))
            }
        }
    }
}

/// For `now` shifted by months. Within a day the bound moves with the clock; from day to day it moves
/// on or, in the days that the clamp folds into one, starts that one day again.
fn next_change_by_months(months: i64, threshold: i64, now: i64, bound: i64) -> Option<i64> {
    let (day, time) = (threshold.div_euclid(DAY_MS), threshold.rem_euclid(DAY_MS));
    let today = now.div_euclid(DAY_MS);
    let shifted = |day| add_months(day, months);
    if Shift::Months(months).apply(now) > threshold {
        let again = shifted(today) == day && shifted(today + 1) == day;
        return again.then(|| (today + 1) * DAY_MS);
    }
    // Four days more than the clamp can fold.
    let mut at = today.max(add_months(day, -months) - 4);
    if at * DAY_MS >= bound {
        return None;
    }
    while shifted(at) < day || (shifted(at) == day && time == DAY_MS - 1) {
        at += 1;
    }
    Some(if shifted(at) == day { at * DAY_MS + time + 1 } else { at * DAY_MS })
}

#[derive(Debug, Clone, Copy)]
struct Condition {
    bound: Bound,
    at_most: i64,
    negated: bool,
}

impl Condition {
    fn at(self, now: i64) -> bool {
        (self.bound.at(now) <= self.at_most) != self.negated
    }
}

/// One or two conditions that must both hold, negated as a whole or not.
#[derive(Debug, Clone, Copy)]
struct Conditions {
    first: Condition,
    second: Option<Condition>,
    negated: bool,
}

impl Conditions {
    fn one(first: Condition) -> Conditions {
        Conditions { first, second: None, negated: false }
    }

    fn two(first: Condition, second: Condition) -> Conditions {
        Conditions { first, second: Some(second), negated: false }
    }

    fn all(self) -> impl Iterator<Item = Condition> {
        std::iter::once(self.first).chain(self.second)
    }

    fn at(self, now: i64) -> bool {
        self.all().all(|c| c.at(now)) != self.negated
    }

    /// Steps from change to change of the parts until the whole changes. The clamp can fold four days,
    /// so a few steps do; stopping earlier than that would only set a timer too early.
    fn next_change(self, now: i64, bound: i64) -> Option<i64> {
        let value = self.at(now);
        let mut at = now;
        for _ in 0..16 {
            at = self.all().filter_map(|c| c.bound.next_change(c.at_most, at, bound)).min().filter(|at| *at < bound)?;
            if self.at(at) != value {
                return Some(at);
            }
        }
        Some(at)
    }
}

/// The same for a comparison of a fixed instant with the instant of the run.
pub(crate) fn compare_with_now(time: i64, op: Comparison, now: i64, bound: i64) -> (bool, Option<i64>) {
    let t = clamp(time);
    let on_or_after = at_most(Base::Now, t);
    let after = at_most(Base::Now, t - 1);
    let not = |c: Condition| Condition { negated: true, ..c };
    let conditions = match op {
        Comparison::Greater => Conditions::one(after),
        Comparison::GreaterEqual => Conditions::one(on_or_after),
        Comparison::Less => Conditions::one(not(on_or_after)),
        Comparison::LessEqual => Conditions::one(not(after)),
        Comparison::Equal => Conditions::two(on_or_after, not(after)),
        Comparison::NotEqual => Conditions { negated: true, ..Conditions::two(on_or_after, not(after)) },
    };
    (conditions.at(now), conditions.next_change(now, bound))
}
