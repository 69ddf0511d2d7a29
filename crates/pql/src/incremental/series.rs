//! Series: what is kept of a profile's events for all atoms that read the same ones.
//!
//! A [`SeriesSpec`] says which events count and what is sampled of each; a [`Series`] holds the samples of one
//! profile in order of time. Always: a series holds what its spec gives for the events taken in, whatever their
//! order of arrival, but for samples too old for every window that reads them.

use super::suffixes::Suffixes;
use super::sum::{Sum, narrow};
use super::windows::first_from;
use crate::ast::Comparison;
use crate::eval::{Folded, Run};
use crate::exact_sum::ExactSum;
use crate::node::{Fold, Node};
use crate::query::World;
use crate::value::{EventView, V};
use model::SmolStr;
use std::ops::{ControlFlow, Range};

/// Which events count, and what is sampled of them.
#[derive(Debug, Clone)]
pub struct SeriesSpec {
    pub(super) key: String,
    /// Conditions on the event in slot 0.
    pub(super) conditions: Box<[Node]>,
    pub(super) sampled: Sampled,
    pub(super) slots: usize,
    /// The only event types that can count; `None` if all can.
    pub(super) types: Option<Vec<SmolStr>>,
    /// The condition that says no more than that the event has the only type there is.
    pub(super) type_condition: Option<usize>,
}

/// What is sampled of an event.
#[derive(Debug, Clone)]
pub(super) enum Sampled {
    /// That it is there.
    Presence,
    /// One value.
    Value(Node),
    /// Every item that the node streams.
    Items(Node),
}

impl SeriesSpec {
    /// Equal for specs that give the same samples.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The only event types that can count; `None` if all can.
    pub fn event_types(&self) -> Option<&[SmolStr]> {
        self.types.as_deref()
    }

    /// A field that must hold a text, or have it among what it holds: path and text. For an index; events with it
    /// may fail other conditions.
    pub fn text(&self) -> Option<(&[SmolStr], &SmolStr)> {
        self.conditions.iter().find_map(equality).filter(|(path, _)| !OWN_FIELDS.contains(&path[0].as_str()))
    }

    /// How many variables a [`Matcher`] needs for it.
    pub fn slots(&self) -> usize {
        self.slots
    }
}

const EVENT_TYPE: &str = "eventType";
/// What the body of an event does not hold, or an index of its own finds.
const OWN_FIELDS: [&str; 3] = [EVENT_TYPE, "timestamp", "_id"];

/// `field = "text"`, of the event.
fn equality(condition: &Node) -> Option<(&[SmolStr], &SmolStr)> {
    let Node::Compare { op: Comparison::Equal, sides } = condition else { return None };
    let ([Node::Field { of, path }, Node::Text(text)] | [Node::Text(text), Node::Field { of, path }]) = &**sides else {
        return None;
    };
    (matches!(**of, Node::Slot(0)) && !path.is_empty()).then_some((path, text))
}

/// The place of the condition that says no more than that the event has the only one of the types.
pub(super) fn type_condition(conditions: &[Node], types: Option<&[SmolStr]>) -> Option<usize> {
    let [only] = types? else { return None };
    let says = |(path, text): (&[SmolStr], &SmolStr)| path.len() == 1 && path[0] == EVENT_TYPE && text == only;
    let is_type = |condition| equality(condition).is_some_and(says);
    conditions.iter().position(is_type)
}

/// What a series must keep for the atoms that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// What is known of all samples together.
    pub totals: bool,
    /// Single samples up to this age in ms; `i64::MAX` for ever.
    pub age_max: Option<i64>,
    /// Running sums over single samples.
    pub sums: bool,
    /// The least and the greatest of all samples.
    pub extremes: bool,
    /// The least and the greatest from any single sample on.
    pub suffixes: bool,
}

impl Keep {
    /// What serves both.
    pub fn or(self, other: Keep) -> Keep {
        Keep {
            totals: self.totals || other.totals,
            age_max: self.age_max.max(other.age_max),
            sums: self.sums || other.sums,
            extremes: self.extremes || other.extremes,
            suffixes: self.suffixes || other.suffixes,
        }
    }
}

/// One sampled value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    Null,
    Int(i64),
    Double(f64),
    Text(SmolStr),
    Time(i64),
    Date(i64),
    /// There, but of no kind that can be added up or ordered.
    Other,
}

impl Sample {
    pub(super) fn of(value: &V<'_>) -> Sample {
        match value {
            V::Null => Sample::Null,
            V::Int(n) => Sample::Int(*n),
            V::Double(n) => Sample::Double(*n),
            V::Str(s) => Sample::Text(SmolStr::new(s)),
            V::Own(s) => Sample::Text(s.clone()),
            V::Time(ms) => Sample::Time(*ms),
            V::Date(ms) => Sample::Date(*ms),
            _ => Sample::Other,
        }
    }

    pub(super) fn value(&self) -> V<'_> {
        match self {
            Sample::Null => V::Null,
            Sample::Int(n) => V::Int(*n),
            Sample::Double(n) => V::Double(*n),
            Sample::Text(s) => V::Str(s),
            Sample::Time(ms) => V::Time(*ms),
            Sample::Date(ms) => V::Date(*ms),
            // Not null, not a number, without an order: all that folds ask.
            Sample::Other => V::Bool(true),
        }
    }

    pub(super) fn owned(self) -> V<'static> {
        match self {
            Sample::Text(s) => V::Own(s),
            Sample::Null => V::Null,
            Sample::Int(n) => V::Int(n),
            Sample::Double(n) => V::Double(n),
            Sample::Time(ms) => V::Time(ms),
            Sample::Date(ms) => V::Date(ms),
            Sample::Other => V::Bool(true),
        }
    }
}

/// Samples one event by any number of specs.
pub struct Matcher<'a> {
    run: Run<'a>,
    event: &'a EventView,
}

impl<'a> Matcher<'a> {
    /// `slots`: the most that any spec needs. `world` has no profile, no events and no instant: specs read none.
    pub fn new(world: &'a World<'a>, event: &'a EventView, slots: usize) -> Matcher<'a> {
        Matcher { run: Run::new(world, slots.max(1)), event }
    }

    /// Whether the event satisfies the conditions of a spec. `by_type`: it has, as a text, one of the types of the spec.
    pub fn counts(&mut self, spec: &'a SeriesSpec, by_type: bool) -> bool {
        self.run.set_slot(0, V::Event(self.event));
        let known = spec.type_condition.filter(|_| by_type);
        self.run.refill();
        let counts = spec.conditions.iter().enumerate().all(|(at, c)| known == Some(at) || self.run.truth(c));
        counts && !self.run.is_exhausted()
    }

    fn samples(&mut self, spec: &'a SeriesSpec, take: &mut dyn FnMut(Sample)) {
        match &spec.sampled {
            Sampled::Presence => take(Sample::Other),
            Sampled::Value(node) => {
                let value = self.run.value(node);
                if !self.run.is_exhausted() {
                    take(Sample::of(&value));
                }
            }
            Sampled::Items(node) => {
                // The sink never breaks.
                let _ = self.run.each(node, &mut |_, item| {
                    take(Sample::of(&item));
                    ControlFlow::Continue(())
                });
            }
        }
    }
}

/// The samples of one profile.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Ascending.
    times: Vec<i64>,
    /// Beside the times; empty where only presence is sampled.
    samples: Vec<Sample>,
    sums: Option<Box<Sums>>,
    suffixes: Option<Box<[Suffixes; 2]>>,
    totals: Option<Box<Totals>>,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    /// The sum up to and including each sample.
    running: Vec<Sum>,
    /// The sum of what was dropped before the first.
    dropped: Sum,
}

#[derive(Debug, Clone, Default)]
struct Totals {
    samples: u64,
    nulls: u64,
    sum: Sum,
    wide: Option<Box<ExactSum>>,
    least: Option<Sample>,
    greatest: Option<Sample>,
}

/// Dropped samples are worth a move of the rest beyond this.
const DROP_MIN: usize = 32;

impl Series {
    /// Takes in the event of a matcher, for which the spec [counts](Matcher::counts). What is older than
    /// `Keep::age_max` before `now` is dropped.
    pub fn take<'a>(&mut self, matcher: &mut Matcher<'a>, spec: &'a SeriesSpec, keep: Keep, now: i64) {
        let time = matcher.event.timestamp.0;
        let presence = matches!(spec.sampled, Sampled::Presence);
        matcher.samples(spec, &mut |sample| self.insert(time, sample, presence, keep, now));
    }

    fn insert(&mut self, time: i64, sample: Sample, presence: bool, keep: Keep, now: i64) {
        if keep.totals {
            self.totals.get_or_insert_default().add(&sample, presence, keep.extremes);
        }
        let Some(age_max) = keep.age_max else { return };
        let oldest = now.saturating_sub(age_max);
        if time < oldest {
            return;
        }
        let at = first_from(&self.times, time.saturating_add(1));
        if keep.sums {
            self.insert_sum(at, &sample);
        }
        self.times.insert(at, time);
        if !presence {
            self.samples.insert(at, sample);
        }
        if keep.suffixes {
            for suffixes in &mut **self.suffixes.get_or_insert_with(|| [Fold::Min, Fold::Max].map(Suffixes::new).into())
            {
                suffixes.insert(&self.samples, at);
            }
        }
        // One look tells whether half of them are old.
        let is_old = self.times.get(self.times.len() / 2).is_some_and(|middle| *middle < oldest);
        if is_old && self.times.len() >= 2 * DROP_MIN {
            let old = self.times.partition_point(|t| *t < oldest);
            self.drop_first(old);
        }
    }

    fn insert_sum(&mut self, at: usize, sample: &Sample) {
        let mut term = Sum::default();
        match sample {
            Sample::Int(n) => term = Sum { count: 1, whole: i128::from(*n), ..term },
            Sample::Double(n) => {
                // What does not fit is found by its zero count when it is summed one by one.
                let fitting = narrow(*n);
                term = Sum { count: 1, doubles: 1, whole: 0, narrow: fitting.unwrap_or(0) };
                if fitting.is_none() {
                    term.doubles = WIDE;
                }
            }
            _ => {}
        }
        let Sums { running, dropped } = &mut **self.sums.get_or_insert_default();
        let before = if at == 0 { dropped.clone() } else { running[at - 1].clone() };
        running.insert(at, before);
        for sum in &mut running[at..] {
            sum.count += term.count;
            sum.doubles += term.doubles;
            sum.whole += term.whole;
            sum.narrow = sum.narrow.wrapping_add(term.narrow);
        }
    }

    fn drop_first(&mut self, count: usize) {
        self.times.drain(..count);
        if !self.samples.is_empty() {
            self.samples.drain(..count);
        }
        self.suffixes.iter_mut().flat_map(|both| &mut **both).for_each(|suffixes| suffixes.drop_first(count));
        if let Some(sums) = &mut self.sums {
            sums.dropped = sums.running[count - 1].clone();
            sums.running.drain(..count);
        }
    }

    /// The times of single samples, ascending.
    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    /// Bytes in memory, roughly.
    pub fn bytes(&self) -> usize {
        let samples = self.samples.capacity() * std::mem::size_of::<Sample>();
        let sums = self.sums.as_ref().map_or(0, |sums| (sums.running.capacity() + 1) * std::mem::size_of::<Sum>());
        std::mem::size_of::<Series>() + self.times.capacity() * 8 + samples + sums + self.totals.iter().count() * 150
    }

    /// How many samples there were, with those that were dropped; 0 if nobody asks for totals.
    pub(super) fn count(&self) -> usize {
        self.totals.as_ref().map_or(0, |totals| totals.samples as usize)
    }

    /// The value of a fold over all samples.
    pub(super) fn total(&self, fold: Fold) -> V<'static> {
        match &self.totals {
            Some(totals) => totals.fold(fold),
            None => Folded::new(fold).finish(),
        }
    }

    /// The value of a fold over some of the single samples.
    pub(super) fn fold(&self, fold: Fold, range: Range<usize>) -> V<'static> {
        if self.samples.is_empty() {
            let count = range.len() as i64;
            return match fold {
                Fold::Count | Fold::CountWithNull => V::Int(count),
                _ => Folded::new(fold).finish(),
            };
        }
        if let Fold::Sum | Fold::Average = fold
            && let Some(sum) = self.sum(&range)
        {
            return sum_of(fold, &sum, None);
        }
        if let Some([least, greatest]) = self.suffixes.as_deref().filter(|_| range.end == self.samples.len()) {
            match fold {
                Fold::Min => return least.best(&self.samples, range.start),
                Fold::Max => return greatest.best(&self.samples, range.start),
                _ => {}
            }
        }
        let mut folded = Folded::new(fold);
        let samples = self.samples.get(range).unwrap_or(&[]);
        samples.iter().for_each(|sample| folded.take(sample.value()));
        own(folded.finish())
    }

    /// `None` where a term does not fit a running sum.
    fn sum(&self, range: &Range<usize>) -> Option<Sum> {
        if range.is_empty() {
            return Some(Sum::default());
        }
        let Sums { running, dropped } = self.sums.as_deref().filter(|sums| sums.running.len() == self.times.len())?;
        let before = if range.start == 0 { dropped } else { &running[range.start - 1] };
        let sum = running[range.end - 1].since(before);
        (sum.doubles < WIDE).then_some(sum)
    }
}

/// Counted as doubles for one that does not fit: more than there can be of those that do.
const WIDE: u64 = 1 << 40;

impl Totals {
    fn add(&mut self, sample: &Sample, presence: bool, extremes: bool) {
        self.samples += 1;
        if presence {
            return;
        }
        self.nulls += u64::from(*sample == Sample::Null);
        match sample {
            Sample::Int(n) => {
                self.sum.count += 1;
                self.sum.whole += i128::from(*n);
            }
            Sample::Double(n) => {
                self.sum.count += 1;
                self.sum.doubles += 1;
                match narrow(*n).and_then(|n| self.sum.narrow.checked_add(n)) {
                    Some(narrow) => self.sum.narrow = narrow,
                    None => self.wide.get_or_insert_default().add(*n),
                }
            }
            _ => {}
        }
        if !extremes {
            return;
        }
        for (best, fold) in [(&mut self.least, Fold::Min), (&mut self.greatest, Fold::Max)] {
            let mut folded = Folded::new(fold);
            let known = best.take().unwrap_or(Sample::Null);
            folded.take(known.value());
            folded.take(sample.value());
            let found = Sample::of(&folded.finish());
            *best = (found != Sample::Null).then_some(found);
        }
    }

    fn fold(&self, fold: Fold) -> V<'static> {
        let best = |best: &Option<Sample>| best.clone().map_or(V::Null, Sample::owned);
        match fold {
            Fold::Count => V::Int((self.samples - self.nulls) as i64),
            Fold::CountWithNull => V::Int(self.samples as i64),
            Fold::CountOnlyNull => V::Int(self.nulls as i64),
            Fold::Sum | Fold::Average => sum_of(fold, &self.sum, self.wide.as_deref()),
            Fold::Min => best(&self.least),
            Fold::Max => best(&self.greatest),
        }
    }
}

/// The value of a sum or an average, as folding one by one gives it.
fn sum_of(fold: Fold, sum: &Sum, wide: Option<&ExactSum>) -> V<'static> {
    match fold {
        Fold::Average if sum.count == 0 => V::Null,
        Fold::Average => V::double(sum.round(wide) / sum.count as f64),
        _ => match i64::try_from(sum.whole) {
            Ok(whole) if sum.doubles == 0 => V::Int(whole),
            _ => V::double(sum.round(wide)),
        },
    }
}

fn own(value: V<'_>) -> V<'static> {
    Sample::of(&value).owned()
}
