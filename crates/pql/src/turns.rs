//! Instants at which an answer turns: the last one until now, and the next one if only time passes.
//!
//! In: the answer over given events at an instant, together with the next instant at which time may turn it. The past
//! is what would have been answered if every event had arrived at its timestamp.
//! Always: bounded work, counted in events looked at; beyond it the answer is [`Turn::Unknown`], never a wrong instant.

use crate::value::EventView;
use model::Timestamp;
use std::cell::Cell;

/// Events that one explanation may look at.
const EVENTS_MAX: u64 = 4_000_000;
/// Marks of the first stretch that is looked at; each earlier one is twice as long.
const STRETCH: usize = 4;

/// When an answer turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At this instant, it being the first with the new answer.
    At(Timestamp),
    /// Never: as far back as anything is known, or whatever time passes.
    Never,
    /// Finding it out would be too much work.
    Unknown,
}

/// The answer over events at an instant, and the first later instant at which time alone may turn it.
pub type Truth<'t> = &'t dyn Fn(&[EventView], Timestamp) -> (bool, Option<Timestamp>);

/// Work that is left.
#[derive(Debug)]
pub struct Effort(Cell<u64>);

impl Default for Effort {
    fn default() -> Effort {
        Effort(Cell::new(EVENTS_MAX))
    }
}

impl Effort {
    /// With so many events to look at.
    pub fn of(events: u64) -> Effort {
        Effort(Cell::new(events))
    }

    /// Takes the answer, if there is enough left for it.
    fn ask(&self, truth: Truth<'_>, events: &[EventView], at: Timestamp) -> Option<(bool, Option<Timestamp>)> {
        // An answer that looks at no event has its cost as well.
        let cost = events.len() as u64 + 20;
        self.0.set(self.0.get().checked_sub(cost)?);
        Some(truth(events, at))
    }
}

/// The first instant after `now` at which the answer is another one, no event coming in.
pub fn next(truth: Truth<'_>, events: &[EventView], now: Timestamp, effort: &Effort) -> Turn {
    let Some((present, mut flip)) = effort.ask(truth, events, now) else { return Turn::Unknown };
    let mut before = now;
    while let Some(at) = flip {
        if at <= before {
            return Turn::Unknown;
        }
        match effort.ask(truth, events, at) {
            Some((answer, _)) if answer != present => return Turn::At(at),
            Some((_, next)) => (before, flip) = (at, next),
            None => return Turn::Unknown,
        }
    }
    Turn::Never
}

/// The last instant until `now` at which the answer became what it is. `events` ascend by time; `marks` are the
/// instants, ascending, at which something other than time may have turned it.
pub fn last(truth: Truth<'_>, events: &[EventView], marks: &[Timestamp], now: Timestamp, effort: &Effort) -> Turn {
    let marks = &marks[..marks.partition_point(|at| *at <= now)];
    find_last(truth, events, marks, now, effort).unwrap_or(Turn::Unknown)
}

fn find_last(
    truth: Truth<'_>,
    events: &[EventView],
    marks: &[Timestamp],
    now: Timestamp,
    effort: &Effort,
) -> Option<Turn> {
    let until = |at: Timestamp| &events[..events.partition_point(|event| event.timestamp <= at)];
    let ask = |at: Timestamp| effort.ask(truth, until(at), at);
    let present = effort.ask(truth, events, now)?.0;
    // Events of the future say more than those that had arrived: when they came is not known.
    if ask(now)?.0 != present {
        return None;
    }
    let (mut end, mut high, mut stretch) = (now, marks.len(), STRETCH);
    while high > 0 {
        let low = high.saturating_sub(stretch);
        let mut turned = None;
        let mut at = marks[low];
        let (first, mut flip) = ask(at)?;
        let mut answer = first;
        let mut rest = marks[low + 1..].iter().copied().take_while(|mark| *mark <= end).peekable();
        loop {
            while rest.next_if(|mark| *mark <= at).is_some() {}
            let next = rest.peek().copied().into_iter().chain(flip).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            let (new, later) = ask(next)?;
            if new != answer {
                turned = Some(next);
            }
            (at, answer, flip) = (next, new, later.filter(|later| *later > next));
        }
        if let Some(turned) = turned {
            return Some(Turn::At(turned));
        }
        (end, high, stretch) = (marks[low], low, stretch * 2);
    }
    let Some(first) = marks.first() else { return Some(Turn::Never) };
    let before = Timestamp(first.0 - 1);
    Some(if ask(before)?.0 == present { Turn::Never } else { Turn::At(*first) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Value;

    /// An event at each of these instants.
    fn events(at: &[i64]) -> Vec<EventView> {
        let one = |at: &i64| EventView { timestamp: Timestamp(*at), id: at.to_string().into(), body: Value::Null };
        at.iter().map(one).collect()
    }

    /// So many events within the last 100 ms.
    fn at_least(least: usize) -> impl Fn(&[EventView], Timestamp) -> (bool, Option<Timestamp>) {
        move |events, now| {
            let inside = |e: &&EventView| e.timestamp.0 > now.0 - 100;
            let count = events.iter().filter(inside).count();
            let leaves = events.iter().filter(inside).map(|e| Timestamp(e.timestamp.0 + 100)).min();
            (count >= least, leaves)
        }
    }

    fn turns(at: &[i64], least: usize, now: i64) -> (Turn, Turn) {
        let events = events(at);
        let marks: Vec<Timestamp> = at.iter().map(|at| Timestamp(*at)).collect();
        let (truth, now, effort) = (at_least(least), Timestamp(now), Effort::default());
        (last(&truth, &events, &marks, now, &effort), next(&truth, &events, now, &effort))
    }

    #[test]
    fn the_last_and_the_next_turn_are_found() {
        let at = |at| Turn::At(Timestamp(at));
        assert_eq!(turns(&[10, 50, 70], 2, 80), (at(50), at(150)));
        assert_eq!(turns(&[10, 50, 70], 3, 80), (at(70), at(110)));
        assert_eq!(turns(&[10, 50, 70], 1, 200), (at(170), Turn::Never));
        assert_eq!(turns(&[10, 50, 70], 4, 80), (Turn::Never, Turn::Never));
        assert_eq!(turns(&[], 1, 80), (Turn::Never, Turn::Never));
        assert_eq!(turns(&[10], 1, 10), (at(10), at(110)));
        assert_eq!(turns(&[10], 1, 110), (at(110), Turn::Never));
    }

    #[test]
    fn long_pasts_are_searched_backwards() {
        let at: Vec<i64> = (0..1000).map(|n| n * 10).collect();
        // From the second event on there are always at least two.
        assert_eq!(turns(&at, 2, 9_995).0, Turn::At(Timestamp(10)));
        let events = events(&at);
        let marks: Vec<Timestamp> = at.iter().map(|at| Timestamp(*at)).collect();
        let (truth, effort) = (at_least(2), Effort::of(50_000));
        assert_eq!(last(&truth, &events, &marks, Timestamp(9_995), &effort), Turn::Unknown, "too much work");
    }

    #[test]
    fn an_answer_from_the_future_has_no_past() {
        let events = events(&[10, 500]);
        let truth: Truth<'_> = &|events, _| (events.len() == 2, None);
        let marks = [Timestamp(10)];
        assert_eq!(last(truth, &events, &marks, Timestamp(20), &Effort::default()), Turn::Unknown);
    }
}
