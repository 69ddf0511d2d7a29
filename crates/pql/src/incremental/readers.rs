//! All atoms that read one series, arranged so that what they share is found once.
//!
//! In: the samples of a profile and the clock. Out: the answers of all aggregates against constants, and the first
//! later instant at which time changes what any of the readers counts. Atoms with the same windows share the search for
//! what lies in them, and those with the same fold its value. Whether there are so many events in a window is told by
//! the one that makes up the number, so that the cost does not depend on how many there are before it.

use super::atom::{Aggregate, Atom, AtomKind, next_change, places};
use super::pair::Pair;
use super::series::{Sample, Series};
use super::windows::{Windows, comes, leaves, of_last, until};
use crate::ast::Comparison;
use crate::calendar::{LIMIT, clamp};
use crate::eval::Run;
use crate::node::Fold;
use crate::occurs::Span;
use crate::query::World;
use model::Timestamp;
use std::ops::Range;
use std::sync::Arc;

/// The atoms that read one series.
#[derive(Debug, Default)]
pub struct Readers {
    frames: Vec<Frame>,
    /// Sequences that can only be searched, by number.
    pub searched: Vec<u32>,
    /// Sequences that are known by their latest start.
    pub pairs: Vec<PairReader>,
}

/// A pair to which the series gives one of the steps.
#[derive(Debug, Clone)]
pub struct PairReader {
    /// The number of the atom.
    pub atom: u32,
    /// What it asks.
    pub pair: Pair,
    /// Whether the series gives its first step.
    pub is_first: bool,
    /// The number of the series that gives the other step.
    pub other: u32,
}

/// What is asked of the samples in the same windows.
#[derive(Debug)]
struct Frame {
    windows: Windows,
    /// Ascending by number.
    counts: Vec<AtLeast>,
    folds: Vec<Folds>,
    /// Whether anything that comes or goes matters to somebody.
    watched: bool,
}

/// Whether there are so many samples.
#[derive(Debug, Clone, Copy)]
struct AtLeast {
    least: usize,
    /// Or rather not so many.
    negated: bool,
    atom: u32,
}

/// A fold and what it is compared with.
#[derive(Debug)]
struct Folds {
    fold: Fold,
    bounds: Vec<(Comparison, Sample, u32)>,
}

impl Readers {
    /// Arranges the readers of a series: atoms with their numbers, those of their series, and the place of this one
    /// among them.
    pub fn new<'a>(atoms: impl Iterator<Item = (u32, &'a Arc<Atom>, &'a [u32], usize)>) -> Readers {
        let (mut readers, mut keys) = (Readers::default(), Vec::new());
        for (number, atom, series, own) in atoms {
            match &atom.kind {
                AtomKind::Threshold(threshold) => {
                    let frame = readers.frame(&threshold.aggregate.windows, &mut keys);
                    match threshold.at_least {
                        Some((least, negated)) => frame.counts.push(AtLeast { least, negated, atom: number }),
                        None => {
                            frame.fold(threshold.aggregate.fold).push((threshold.op, threshold.bound.clone(), number))
                        }
                    }
                }
                AtomKind::Sequence(sequence) => match sequence.pair() {
                    Some(pair) => readers.add_pair(number, pair, series, own),
                    None => {
                        readers.searched.push(number);
                        for step in sequence.steps.iter().filter(|step| step.series == own) {
                            readers.frame(&step.windows, &mut keys).watched = true;
                        }
                    }
                },
                AtomKind::Expression(of) | AtomKind::Whole(of) => {
                    for Aggregate { windows, .. } in of.aggregates.iter().filter(|a| a.series == own) {
                        readers.frame(windows, &mut keys).watched = true;
                    }
                }
            }
        }
        readers.frames.iter_mut().for_each(|frame| frame.counts.sort_by_key(|count| count.least));
        readers
    }

    fn frame(&mut self, windows: &[Span], keys: &mut Vec<String>) -> &mut Frame {
        let windows = Windows::of(windows);
        let key = format!("{windows:?}");
        let at = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            keys.push(key);
            self.frames.push(Frame { windows, counts: Vec::new(), folds: Vec::new(), watched: false });
            keys.len() - 1
        });
        &mut self.frames[at]
    }

    fn add_pair(&mut self, atom: u32, pair: Pair, series: &[u32], own: usize) {
        let mut add = |is_first: bool, other: usize| {
            let Some(other) = series.get(other).copied() else { return };
            self.pairs.push(PairReader { atom, pair, is_first, other });
        };
        if pair.first == own {
            add(true, pair.second);
        }
        if pair.second == own {
            add(false, pair.first);
        }
    }

    /// Tells the answers of all aggregates against constants, by the number of the atom. Gives the first later instant
    /// at which time changes what any reader counts of this series, but for pairs. It follows from the series and
    /// `now` alone.
    pub fn ask(&self, series: &Series, now: Timestamp, answer: &mut dyn FnMut(u32, bool)) -> Option<Timestamp> {
        let now = clamp(now.0);
        let high = until(series.times(), now);
        let changes = self.frames.iter().filter_map(|frame| frame.ask(series, high, now, answer));
        let change = changes.min().filter(|at| *at <= LIMIT);
        change.map(|at| Timestamp(at.max(now + 1)))
    }
}

impl Frame {
    fn fold(&mut self, fold: Fold) -> &mut Vec<(Comparison, Sample, u32)> {
        let at = self.folds.iter().position(|known| known.fold == fold).unwrap_or_else(|| {
            self.folds.push(Folds { fold, bounds: Vec::new() });
            self.folds.len() - 1
        });
        &mut self.folds[at].bounds
    }

    /// `high`: where the times after `now` begin.
    fn ask(&self, series: &Series, high: usize, now: i64, answer: &mut dyn FnMut(u32, bool)) -> Option<i64> {
        match &self.windows {
            Windows::All => {
                if !self.counts.is_empty() {
                    let count = series.count();
                    self.counts.iter().for_each(|c| answer(c.atom, (count >= c.least) != c.negated));
                }
                self.folds.iter().for_each(|folds| folds.ask(series, None, answer));
                None
            }
            Windows::Last(age) => {
                let counted = self.count_last(series.times(), *age, high, now, answer);
                if self.folds.is_empty() && !self.watched {
                    return counted;
                }
                let (range, change) = of_last(series, *age, high, now);
                self.folds.iter().for_each(|folds| folds.ask(series, Some(range.clone()), answer));
                // Any change is told, so also one of a number.
                change
            }
            Windows::Other(windows) => self.ask_others(windows, series, now, answer),
        }
    }

    /// Answers the numbers. The instant is that at which the decisive one leaves, or the next one comes in.
    fn count_last(
        &self,
        times: &[i64],
        age: i64,
        high: usize,
        now: i64,
        answer: &mut dyn FnMut(u32, bool),
    ) -> Option<i64> {
        let from = now.saturating_sub(age);
        let mut decisive = None;
        for count in &self.counts {
            let time = high.checked_sub(count.least).and_then(|at| times[..high].get(at));
            let reached = count.least == 0 || time.is_some_and(|time| *time >= from);
            answer(count.atom, reached != count.negated);
            if reached && count.least > 0 {
                decisive = time;
            }
        }
        let moves = self.counts.last().is_some_and(|count| count.least > 0);
        let comes = comes(times, high).filter(|_| moves);
        decisive.map(|time| leaves(*time, age)).into_iter().chain(comes).min()
    }

    fn ask_others(
        &self,
        windows: &[Span],
        series: &Series,
        now: i64,
        answer: &mut dyn FnMut(u32, bool),
    ) -> Option<i64> {
        let (low, high) = places(windows, series.times(), now);
        let range = low.min(high)..high;
        self.counts.iter().for_each(|c| answer(c.atom, (range.len() >= c.least) != c.negated));
        self.folds.iter().for_each(|folds| folds.ask(series, Some(range.clone()), answer));
        let moves = self.watched || !self.folds.is_empty() || self.counts.iter().any(|c| c.least > 0);
        moves.then(|| next_change(windows, series.times(), now)).flatten()
    }
}

impl Folds {
    /// `None`: all samples.
    fn ask(&self, series: &Series, range: Option<Range<usize>>, answer: &mut dyn FnMut(u32, bool)) {
        let value = match range {
            Some(range) => series.fold(self.fold, range),
            None => series.total(self.fold),
        };
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        for (op, bound, atom) in &self.bounds {
            answer(*atom, run.compare_values(*op, &value, &bound.value()));
        }
    }
}
