//! Atoms: the parts of a rule that are true or false by themselves.
//!
//! In: the series of a profile, and for some its attributes. Out: the answer; of those that read no series alone also
//! the first later instant at which time alone may give another one.

use super::pair::Pair;
use super::series::{Keep, Sample, Series, SeriesSpec};
use crate::ast::Comparison;
use crate::calendar::clamp;
use crate::eval::{Kept, Run, STEPS_MAX};
use crate::method::Reads;
use crate::node::{Fold, Node};
use crate::occurs::{Moment, Span};
use crate::query::{Truth, World};
use crate::value::V;
use model::Timestamp;
use std::collections::HashSet;
use std::ops::Range;

/// Finds the series of a spec in what is kept of a profile; the number is the place of the spec in
/// [`Atom::series`]. `None`: no event counted so far.
pub type Lookup<'l> = &'l dyn Fn(usize) -> Option<&'l Series>;

/// A part of a rule that is true or false by itself.
#[derive(Debug, Clone)]
pub struct Atom {
    pub(super) key: String,
    pub(super) series: Vec<SeriesSpec>,
    pub(super) keep: Vec<Keep>,
    pub(super) kind: AtomKind,
    pub(super) reads: Reads,
}

/// How an atom is answered.
#[derive(Debug, Clone)]
pub enum AtomKind {
    /// One aggregate against a constant.
    Threshold(Threshold),
    /// Events in order.
    Sequence(Sequence),
    /// An expression over attributes, memberships, the clock and aggregates.
    Expression(Expression),
    /// An expression over whole events.
    Whole(Expression),
}

/// `aggregate op constant`
#[derive(Debug, Clone)]
pub struct Threshold {
    pub(super) aggregate: Aggregate,
    pub(super) op: Comparison,
    pub(super) bound: Sample,
    /// The same as "at least so many", perhaps negated, where it is one.
    pub(super) at_least: Option<(usize, bool)>,
}

/// A fold over the samples of a series that lie in all of some windows.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    /// The place of its series in [`Atom::series`].
    pub(super) series: usize,
    pub(super) windows: Box<[Span]>,
    pub(super) fold: Fold,
}

/// Steps in strictly increasing time, each in its own series and windows.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub(super) steps: Box<[Step]>,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The place of its series in [`Atom::series`].
    pub(super) series: usize,
    pub(super) windows: Box<[Span]>,
    /// A window that stands at the times of earlier steps.
    pub(super) tie: Option<Tie>,
    /// Bit `i`: this step or a later one looks at the time of step `i`.
    pub(super) reads: u8,
}

/// A window of which anchors are the times of earlier steps.
#[derive(Debug, Clone)]
pub(super) struct Tie {
    /// With any instant in their place.
    pub(super) span: Span,
    /// The step at its first anchor, and at the second one of a range.
    pub(super) from: Option<usize>,
    pub(super) to: Option<usize>,
}

/// A node with the aggregates that it names.
#[derive(Debug, Clone)]
pub struct Expression {
    pub(super) node: Node,
    pub(super) slots: usize,
    pub(super) aggregates: Box<[Aggregate]>,
}

impl Atom {
    /// Equal for atoms that give the same answers.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The series that it reads.
    pub fn series(&self) -> &[SeriesSpec] {
        &self.series
    }

    /// What it needs of each.
    pub fn keep(&self) -> &[Keep] {
        &self.keep
    }

    /// How it is answered.
    pub fn kind(&self) -> &AtomKind {
        &self.kind
    }

    /// What it reads beside series: attributes, memberships, the clock, whole events.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The same as a pair, if it is a sequence that is known by its latest start.
    pub fn pair(&self) -> Option<Pair> {
        match &self.kind {
            AtomKind::Sequence(sequence) => sequence.pair(),
            _ => None,
        }
    }

    /// The audience whose membership is all that it asks for.
    pub fn membership(&self) -> Option<&str> {
        match &self.kind {
            AtomKind::Expression(Expression { node: Node::InSegment(id), .. }) => Some(id),
            _ => None,
        }
    }

    /// Whether attributes alone decide it.
    pub fn is_of_attributes(&self) -> bool {
        let Reads { time, memberships, .. } = &self.reads;
        let expression = matches!(&self.kind, AtomKind::Expression(of) if !of.has_aggregates());
        expression && !time && memberships.is_empty()
    }

    /// Whether series alone decide it.
    pub fn is_of_series(&self) -> bool {
        matches!(self.kind, AtomKind::Threshold(_) | AtomKind::Sequence(_))
    }

    /// The answer of an atom that series alone decide; `false` for others.
    pub fn answer(&self, lookup: Lookup<'_>, now: Timestamp) -> bool {
        let now = clamp(now.0);
        match &self.kind {
            AtomKind::Threshold(threshold) => threshold.holds(lookup, now),
            AtomKind::Sequence(sequence) => sequence.holds(lookup, now),
            AtomKind::Expression(_) | AtomKind::Whole(_) => false,
        }
    }

    /// The answer of any atom, and the first later instant at which time alone may give another one by what is no
    /// series: those tell theirs when their [readers](super::Readers) are asked. Only [`AtomKind::Whole`] looks at the events of
    /// the world.
    pub fn holds(&self, world: &World<'_>, lookup: Lookup<'_>) -> Truth {
        match &self.kind {
            AtomKind::Threshold(_) | AtomKind::Sequence(_) => Truth::lasting(self.answer(lookup, world.now)),
            AtomKind::Expression(of) | AtomKind::Whole(of) => {
                let kept = OfSeries { aggregates: &of.aggregates, lookup };
                let mut run = Run::new(world, of.slots).with_kept(&kept);
                let holds = run.truth(&of.node);
                Truth::of(&run, holds)
            }
        }
    }
}

/// Gives the aggregates of an expression.
struct OfSeries<'s, 'l> {
    aggregates: &'s [Aggregate],
    lookup: Lookup<'l>,
}

impl Kept for OfSeries<'_, '_> {
    fn value(&self, number: usize, now: i64) -> V<'static> {
        match self.aggregates.get(number) {
            Some(aggregate) => aggregate.value((self.lookup)(aggregate.series), now),
            None => V::Null,
        }
    }
}

impl Threshold {
    fn holds(&self, lookup: Lookup<'_>, now: i64) -> bool {
        let value = self.aggregate.value(lookup(self.aggregate.series), now);
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        run.compare_values(self.op, &value, &self.bound.value())
    }
}

impl Aggregate {
    fn value(&self, series: Option<&Series>, now: i64) -> V<'static> {
        let Some(series) = series else { return crate::eval::Folded::new(self.fold).finish() };
        if self.windows.is_empty() {
            return series.total(self.fold);
        }
        series.fold(self.fold, in_windows(&self.windows, series.times(), now))
    }
}

/// The times that lie in all windows.
fn in_windows(windows: &[Span], times: &[i64], now: i64) -> Range<usize> {
    let (low, high) = places(windows, times, now);
    low.min(high)..high
}

/// The place of the first time that is too early for no window, and of the first that is too late for one; the second
/// can stand before the first.
pub(super) fn places(windows: &[Span], times: &[i64], now: i64) -> (usize, usize) {
    windows.iter().fold((0, times.len()), |(low, high), window| {
        // Windows that hold two runs are never made part of an atom.
        let of = window.places(times, now).unwrap_or((0, 0));
        (low.max(of.0), high.min(of.1))
    })
}

/// The age beyond which a time lies in all of the windows never again.
pub(super) fn age_max(windows: &[Span]) -> Option<i64> {
    windows.iter().filter_map(|w| w.age_max()).min()
}

/// The times that are not too old to count. Older ones may be kept or not, so nothing must follow from them.
fn alive<'t>(windows: &[Span], times: &'t [i64], now: i64) -> &'t [i64] {
    let from = age_max(windows).map_or(0, |age| times.partition_point(|t| *t < now.saturating_sub(age)));
    &times[from..]
}

/// The first instant at which a bound of one of the windows passes a time, or it gets too old to count.
fn change_of(windows: &[Span], time: i64, now: i64) -> Option<i64> {
    let too_old = age_max(windows).map(|age| time.saturating_add(age).saturating_add(1));
    windows.iter().filter_map(|w| w.next_crossing(time, now)).chain(too_old).min()
}

/// The first instant at which any time comes or goes. Windows move on, so times leave on the early side and come in
/// on the late side; at the end of a month a bound can also go back.
pub(super) fn next_change(windows: &[Span], times: &[i64], now: i64) -> Option<i64> {
    let times = alive(windows, times, now);
    // Where no time is in all windows, the next to come need not be the first that is too late: that one can be too
    // early for good.
    let (low, high) = places(windows, times, now);
    let folds = windows.iter().any(|w| w.folds());
    let back = |at: usize| at.checked_sub(1).filter(|_| folds);
    let candidates = [Some(low), Some(low.max(high)), back(low), back(high)];
    let of = |at: usize| times.get(at).and_then(|t| change_of(windows, *t, now));
    candidates.into_iter().flatten().filter_map(of).min()
}

impl Sequence {
    fn holds(&self, lookup: Lookup<'_>, now: i64) -> bool {
        let times = |step: &Step| lookup(step.series).map_or(&[][..], Series::times);
        let found = self.steps.iter().map(|step| (times(step), in_windows(&step.windows, times(step), now)));
        let mut search = Search {
            steps: &self.steps,
            found: found.collect(),
            chosen: [i64::MIN; STEPS_MAX],
            failed: HashSet::new(),
            now,
        };
        search.from(0, i64::MIN)
    }
}

/// The search for one time per step, strictly increasing. The earliest fitting time is the best one for a step that no
/// later one looks at; for the others, states from which it failed are remembered.
struct Search<'s> {
    steps: &'s [Step],
    /// By step: all times, and where those in its windows are.
    found: Vec<(&'s [i64], Range<usize>)>,
    chosen: [i64; STEPS_MAX],
    failed: HashSet<(usize, i64, [i64; STEPS_MAX])>,
    now: i64,
}

impl Search<'_> {
    fn from(&mut self, at: usize, after: i64) -> bool {
        let Some(step) = self.steps.get(at) else { return true };
        let (times, range) = self.found[at].clone();
        let range = match &step.tie {
            None => range,
            Some(tie) => {
                let tied = in_windows(&[tie.at(&self.chosen)], times, self.now);
                range.start.max(tied.start)..range.end.min(tied.end)
            }
        };
        let mut read = [i64::MIN; STEPS_MAX];
        for (i, slot) in read.iter_mut().enumerate().take(at).filter(|(i, _)| step.reads & 1 << i != 0) {
            *slot = self.chosen[i];
        }
        let state = (at, after, read);
        if step.reads != 0 && self.failed.contains(&state) {
            return false;
        }
        let is_read = self.steps.get(at + 1).is_some_and(|later| later.reads & 1 << at != 0);
        let mut next = times.partition_point(|t| *t <= after).max(range.start);
        while next < range.end {
            self.chosen[at] = times[next];
            if self.from(at + 1, times[next]) {
                return true;
            }
            if !is_read {
                break;
            }
            next += times[next..].partition_point(|t| *t <= times[next]);
        }
        if step.reads != 0 {
            self.failed.insert(state);
        }
        false
    }
}

impl Tie {
    /// The window, with the earlier steps at these times.
    fn at(&self, chosen: &[i64; STEPS_MAX]) -> Span {
        let moment = |step: Option<usize>, fixed: Moment| match step.and_then(|step| chosen.get(step)) {
            Some(time) => Moment::Instant(clamp(*time)),
            None => fixed,
        };
        match self.span {
            Span::Distance { op, shift, unit, direction, anchor } => {
                Span::Distance { op, shift, unit, direction, anchor: moment(self.from, anchor) }
            }
            Span::Side(direction, anchor) => Span::Side(direction, moment(self.from, anchor)),
            Span::On(anchor) => Span::On(moment(self.from, anchor)),
            Span::Between(from, to) => Span::Between(moment(self.from, from), moment(self.to, to)),
        }
    }
}

impl Expression {
    /// Whether any of its aggregates reads a series.
    pub fn has_aggregates(&self) -> bool {
        !self.aggregates.is_empty()
    }
}
