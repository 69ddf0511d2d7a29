//! What is kept of a profile's events between evaluations.
//!
//! Derived: it can be made anew from the stored events at any time, and is never stored. Always: after an evaluation
//! at an instant, `raised` holds exactly the atoms whose answer then differs from that without any event.

use crate::table::{Audiences, Table};
use model::Timestamp;
use pql::incremental::{Matcher, Series};
use pql::{EventView, World};

/// What is kept of a profile's events.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The table that it belongs to; 0 for none.
    table: u64,
    /// By number.
    series: Vec<Held>,
    /// Atoms that series decide and whose answer is not the one without events, ascending.
    raised: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Held {
    number: u32,
    /// When time can turn an atom that it decides.
    due: Option<Timestamp>,
    series: Series,
}

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
        }
    }

    /// Whether it belongs to these audiences.
    pub fn belongs_to(&self, audiences: &Audiences) -> bool {
        self.table == audiences.table().id
    }

    /// Bytes in memory, roughly.
    pub fn bytes(&self) -> usize {
        let series: usize = self.series.iter().map(|held| 24 + held.series.bytes()).sum();
        series + self.raised.capacity() * 4
    }

    /// Adds an event to the series that it belongs to, and names these.
    pub(crate) fn offer(&mut self, table: &Table, event: &EventView, now: Timestamp, on: &mut dyn FnMut(u32)) {
        let world = World::nothing();
        let mut matcher = Matcher::new(&world, event, table.slots);
        for number in table.series_of(type_of(event)) {
            let spec = &table.series[number as usize];
            if matcher.counts(spec) {
                let keep = table.keep[number as usize];
                self.hold(number).take(&mut matcher, spec, keep, now.0);
                on(number);
            }
        }
    }

    fn hold(&mut self, number: u32) -> &mut Series {
        let at = match self.series.binary_search_by_key(&number, |held| held.number) {
            Ok(at) => at,
            Err(at) => {
                self.series.insert(at, Held { number, due: None, series: Series::default() });
                at
            }
        };
        &mut self.series[at].series
    }

    pub(crate) fn series(&self, number: u32) -> Option<&Series> {
        let at = self.series.binary_search_by_key(&number, |held| held.number).ok()?;
        Some(&self.series[at].series)
    }

    /// Asks the atoms that a series decides, names those whose answer turned, and finds the series' next instant.
    /// That follows from the series and the clock alone, so that it is the same whenever it is found.
    pub(crate) fn ask(&mut self, table: &Table, number: u32, now: Timestamp, turned: &mut dyn FnMut(u32)) {
        let mut due: Option<Timestamp> = None;
        for (atom, own) in &table.read_by[number as usize] {
            let known = &table.atoms[*atom as usize];
            let lookup = |own: usize| known.series.get(own).and_then(|n| self.series(*n));
            let (holds, change) = known.atom.ask(*own as usize, &lookup, now);
            due = earlier(due, change);
            if !known.atom.is_of_series() {
                continue;
            }
            let place = self.raised.binary_search(atom);
            match (holds != known.without, place) {
                (true, Err(at)) => self.raised.insert(at, *atom),
                (false, Ok(at)) => drop(self.raised.remove(at)),
                _ => continue,
            }
            turned(*atom);
        }
        if let Ok(at) = self.series.binary_search_by_key(&number, |held| held.number) {
            self.series[at].due = due;
        }
    }

    pub(crate) fn all_series(&self) -> impl Iterator<Item = u32> {
        self.series.iter().map(|held| held.number)
    }

    /// The series whose time has come.
    pub(crate) fn due_series(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        self.series.iter().filter(move |held| held.due.is_some_and(|due| due <= now)).map(|held| held.number)
    }

    /// The answer of an atom that series decide.
    pub(crate) fn answer(&self, table: &Table, atom: usize) -> bool {
        table.atoms[atom].without != self.raised.binary_search(&(atom as u32)).is_ok()
    }

    /// The next instant at which time can turn what series tell.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.series.iter().filter_map(|held| held.due).min()
    }
}

pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
