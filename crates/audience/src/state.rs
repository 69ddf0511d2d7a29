//! What is kept of a profile's events between evaluations.
//!
//! Derived: it can be made anew from the stored events at any time, and is never stored. Always: after an evaluation
//! at an instant, `raised` holds exactly the atoms whose answer then differs from that without any event.

use crate::table::{Audiences, Bits, Table};
use model::Timestamp;
use pql::incremental::{Matcher, PairReader, Series};
use pql::{EventView, World};

/// What is kept of a profile's events.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The table that it belongs to; 0 for none.
    table: u64,
    /// The numbers of the series that hold something, ascending, and the same as bits.
    numbers: Vec<u32>,
    held: Bits,
    /// Beside the numbers: when time can turn an atom that the series decides; `NEVER` if it cannot.
    dues: Vec<i64>,
    /// Beside the numbers.
    series: Vec<Series>,
    /// By atom, those with a start.
    pairs: Vec<Started>,
    /// Atoms that series decide and whose answer is not the one without events.
    raised: Bits,
    /// Atoms of attributes that were asked since these changed, and those of them that hold.
    asked: Bits,
    held_true: Bits,
    /// Of the series.
    bytes: usize,
}

/// A sequence of two steps that is there, be it too old to count.
#[derive(Debug, Clone)]
struct Started {
    atom: u32,
    start: i64,
    /// When time can turn it, or `NEVER`.
    due: i64,
}

const NEVER: i64 = i64::MAX;

/// An event that is about to be offered to series has this type.
pub(crate) fn type_of(event: &EventView) -> Option<&str> {
    event.body.get("eventType").as_str()
}

impl State {
    /// What is kept of these events, as of the last evaluation of their profile.
    pub fn of<'e>(audiences: &Audiences, events: impl IntoIterator<Item = &'e EventView>, at: Timestamp) -> State {
        let mut state = State::new(audiences);
        for event in events {
            state.take(audiences, event, at);
        }
        state.finish(audiences, at);
        state
    }

    /// Nothing kept yet; the profile may have been evaluated before.
    pub fn new(audiences: &Audiences) -> State {
        State { table: audiences.table().id, ..State::default() }
    }

    /// Takes in an event of before `at`; [`State::finish`] ends a row of these.
    pub fn take(&mut self, audiences: &Audiences, event: &EventView, at: Timestamp) {
        self.offer(audiences.table(), event, at, &mut |_| {});
    }

    /// Finds what the events taken in meant at an instant.
    pub fn finish(&mut self, audiences: &Audiences, at: Timestamp) {
        let table = audiences.table();
        for number in self.all_series().collect::<Vec<_>>() {
            self.ask(table, number, at, &mut |_| {});
            self.start_pairs(table, number, at, &mut |_| {});
        }
    }

    /// Whether it belongs to these audiences.
    pub fn belongs_to(&self, audiences: &Audiences) -> bool {
        self.table == audiences.table().id
    }

    /// Bytes in memory, roughly.
    pub fn bytes(&self) -> usize {
        let bits = [&self.raised, &self.held, &self.asked, &self.held_true];
        let words = bits.iter().map(|bits| bits.0.capacity()).sum::<usize>() + self.dues.capacity() * 2;
        self.bytes + words * 8 + self.pairs.capacity() * std::mem::size_of::<Started>()
    }

    /// Adds an event to the series that it belongs to, and names these.
    pub(crate) fn offer(&mut self, table: &Table, event: &EventView, now: Timestamp, on: &mut dyn FnMut(u32)) {
        let world = World::nothing();
        let mut matcher = Matcher::new(&world, event, table.slots);
        table.series_of(event, &mut |number, by_type| {
            let spec = &table.series[number as usize];
            if matcher.counts(spec, by_type) {
                let keep = table.keep[number as usize];
                let at = self.hold(number);
                let series = &mut self.series[at];
                let before = series.bytes();
                series.take(&mut matcher, spec, keep, now.0);
                self.bytes = self.bytes + series.bytes() - before;
                on(number);
            }
        });
    }

    /// The place of a series, new or known.
    fn hold(&mut self, number: u32) -> usize {
        match self.numbers.binary_search(&number) {
            Ok(at) => at,
            Err(at) => {
                let series = Series::default();
                self.bytes += series.bytes();
                self.held.set(number, true);
                self.numbers.insert(at, number);
                self.dues.insert(at, NEVER);
                self.series.insert(at, series);
                at
            }
        }
    }

    pub(crate) fn series(&self, number: u32) -> Option<&Series> {
        if !self.held.contains(number) {
            return None;
        }
        self.numbers.binary_search(&number).ok().map(|at| &self.series[at])
    }

    /// Asks the atoms that a series decides, but for pairs, names those whose answer turned, and finds the series'
    /// next instant. That follows from the series and the clock alone, so that it is the same whenever it is found.
    pub(crate) fn ask(&mut self, table: &Table, number: u32, now: Timestamp, turned: &mut dyn FnMut(u32)) {
        let Ok(at) = self.numbers.binary_search(&number) else { return };
        let (readers, raised) = (&table.readers[number as usize], &mut self.raised);
        let due = readers.ask(&self.series[at], now, &mut |atom, holds| {
            if raised.set(atom, holds != table.without.contains(atom)) {
                turned(atom);
            }
        });
        self.dues[at] = due.map_or(NEVER, |due| due.0);
        for atom in &readers.searched {
            let known = &table.atoms[*atom as usize];
            let is_there = known.series.iter().all(|step| self.held.contains(*step)) && {
                let lookup = |own: usize| known.series.get(own).and_then(|number| self.series(*number));
                known.atom.answer(&lookup, now)
            };
            if self.raised.set(*atom, is_there) {
                turned(*atom);
            }
        }
    }

    /// Finds the starts of all pairs of which a series gives the first step.
    pub(crate) fn start_pairs(&mut self, table: &Table, number: u32, now: Timestamp, turned: &mut dyn FnMut(u32)) {
        for PairReader { atom, pair, other, .. } in table.readers[number as usize].pairs.iter().filter(|p| p.is_first) {
            let (Some(first), Some(second)) = (self.series(number), self.series(*other)) else { continue };
            if let Some(start) = pair.latest(first, second, NEVER) {
                let (holds, due) = pair.holds(start, first, second, now);
                self.note_pair(*atom, start, holds, due, turned);
            }
        }
    }

    /// Asks the pairs for which an event of a series, at `time`, may be a step.
    pub(crate) fn ask_pairs(
        &mut self,
        table: &Table,
        number: u32,
        time: Timestamp,
        now: Timestamp,
        turned: &mut dyn FnMut(u32),
    ) {
        let Ok(own) = self.numbers.binary_search(&number) else { return };
        for PairReader { atom, pair, is_first, other } in &table.readers[number as usize].pairs {
            let Some(other) = self.series(*other) else { continue };
            let own = &self.series[own];
            let found = match is_first {
                true => pair.begins(other, time.0).then_some(time.0),
                false => pair.ends(other, time.0),
            };
            let known = self.pairs.binary_search_by_key(atom, |pair| pair.atom).ok().map(|at| self.pairs[at].start);
            // A first step that nothing follows can still be the next time that is reached.
            let Some(start) = found.max(known).filter(|start| found.is_some() || *start > now.0) else { continue };
            // Of those in the future any may be the one that counts.
            if known == Some(start) && start <= now.0 {
                continue;
            }
            let (first, second) = if *is_first { (own, other) } else { (other, own) };
            let (holds, due) = pair.holds(start, first, second, now);
            self.note_pair(*atom, start, holds, due, turned);
        }
    }

    fn note_pair(&mut self, atom: u32, start: i64, holds: bool, due: Option<Timestamp>, turned: &mut dyn FnMut(u32)) {
        let started = Started { atom, start, due: due.map_or(NEVER, |due| due.0) };
        match self.pairs.binary_search_by_key(&atom, |pair| pair.atom) {
            Ok(at) => self.pairs[at] = started,
            Err(at) => self.pairs.insert(at, started),
        }
        if self.raised.set(atom, holds) {
            turned(atom);
        }
    }

    /// Asks the pairs whose time has come.
    pub(crate) fn ask_due_pairs(&mut self, table: &Table, now: Timestamp, turned: &mut dyn FnMut(u32)) {
        for at in 0..self.pairs.len() {
            let Started { atom, start, due } = self.pairs[at];
            let known = &table.atoms[atom as usize];
            let Some(pair) = known.pair.filter(|_| due <= now.0) else { continue };
            let step = |own: usize| known.series.get(own).and_then(|number| self.series(*number));
            let (Some(first), Some(second)) = (step(pair.first), step(pair.second)) else { continue };
            let (holds, due) = pair.holds(start, first, second, now);
            self.note_pair(atom, start, holds, due, turned);
        }
    }

    pub(crate) fn all_series(&self) -> impl Iterator<Item = u32> {
        self.numbers.iter().copied()
    }

    /// The series whose time has come.
    pub(crate) fn due_series(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        self.dues.iter().zip(&self.numbers).filter(move |(due, _)| **due <= now.0).map(|(_, number)| *number)
    }

    /// The answer of an atom that series decide.
    pub(crate) fn answer(&self, table: &Table, atom: usize) -> bool {
        table.without.contains(atom as u32) != self.raised.contains(atom as u32)
    }

    /// The answer of an atom that attributes decide, asked for once.
    pub(crate) fn of_attributes(&mut self, atom: u32, ask: impl FnOnce() -> bool) -> bool {
        if !self.asked.contains(atom) {
            let holds = ask();
            self.held_true.set(atom, holds);
            self.asked.set(atom, true);
        }
        self.held_true.contains(atom)
    }

    /// Attributes may have changed.
    pub(crate) fn forget_attributes(&mut self) {
        self.asked.0.clear();
    }

    /// The next instant at which time can turn what series tell.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let pairs = self.pairs.iter().map(|pair| pair.due);
        let due = self.dues.iter().copied().chain(pairs).fold(NEVER, i64::min);
        (due != NEVER).then_some(Timestamp(due))
    }
}

pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
