//! How many requests a destination gets at a time, and whether any.
//!
//! In: how attempts ended. Out: room for more. Concurrency grows quickly until the first sign of
//! overload, then by one per round; overload (429, 503, timeout) halves it, once per round. After
//! [`FAILURES_MAX`] broken or silent connections in a row the circuit opens: nothing is sent until
//! a pause is over, then one probe; its failure doubles the pause. Pure.
//!
//! Always: while the circuit is open no attempt is made, so none is used up; age ends what waits too
//! long (`flow.rs`).

use model::Timestamp;

/// Failures in a row that open the circuit.
pub(crate) const FAILURES_MAX: u32 = 5;
/// The first pause.
pub(crate) const PAUSE_MS: i64 = 1_000;
/// The longest pause.
const PAUSE_MAX_MS: i64 = 60_000;
/// Concurrency at the start.
const START: f64 = 8.0;

/// What an ended attempt tells about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// It answered.
    Answered,
    /// It answered that it has too much to do.
    Overloaded,
    /// It did not answer in time.
    Silent,
    /// It was not reached, or the connection broke.
    Broken,
    /// The attempt never came to it.
    Nothing,
}

/// Belongs to a running attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    round: u64,
    probe: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Circuit {
    Closed,
    Open { until: Timestamp },
    Probing,
}

pub(crate) struct Pace {
    limit: f64,
    max: f64,
    growing: bool,
    round: u64,
    failures: u32,
    pause_ms: i64,
    circuit: Circuit,
}

impl Pace {
    pub(crate) fn new(concurrency_max: usize) -> Pace {
        let max = concurrency_max.max(1) as f64;
        Pace {
            limit: START.min(max),
            max,
            growing: true,
            round: 0,
            failures: 0,
            pause_ms: PAUSE_MS,
            circuit: Circuit::Closed,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(crate) fn is_open(&self) -> bool {
        self.circuit != Circuit::Closed
    }

    /// When the circuit lets a probe through; none if that is not what is waited for.
    pub(crate) fn opens_at(&self) -> Option<Timestamp> {
        match self.circuit {
            Circuit::Open { until } => Some(until),
            Circuit::Closed | Circuit::Probing => None,
        }
    }

    /// Whether [`Pace::start`] would give a ticket.
    pub(crate) fn has_room(&self, running: usize, now: Timestamp) -> bool {
        match self.circuit {
            Circuit::Closed => running < self.limit(),
            Circuit::Open { until } => now >= until,
            Circuit::Probing => false,
        }
    }

    /// A ticket if one more may start beside `running`.
    pub(crate) fn start(&mut self, running: usize, now: Timestamp) -> Option<Ticket> {
        match self.circuit {
            Circuit::Closed if running < self.limit() => Some(Ticket { round: self.round, probe: false }),
            Circuit::Open { until } if now >= until => {
                self.circuit = Circuit::Probing;
                Some(Ticket { round: self.round, probe: true })
            }
            _ => None,
        }
    }

    pub(crate) fn ended(&mut self, ticket: Ticket, signal: Signal, now: Timestamp) {
        match signal {
            Signal::Answered => self.grow(),
            Signal::Overloaded => self.shrink(ticket),
            Signal::Silent => self.shrink(ticket),
            Signal::Broken | Signal::Nothing => {}
        }
        match signal {
            Signal::Answered | Signal::Overloaded => {
                self.failures = 0;
                self.pause_ms = PAUSE_MS;
                self.circuit = Circuit::Closed;
            }
            Signal::Silent | Signal::Broken => {
                self.failures = self.failures.saturating_add(1);
                if ticket.probe {
                    self.pause_ms = (self.pause_ms * 2).min(PAUSE_MAX_MS);
                    self.open(now);
                } else if self.circuit == Circuit::Closed && self.failures >= FAILURES_MAX {
                    self.open(now);
                }
            }
            // The probe told nothing: the next one may go at once.
            Signal::Nothing if ticket.probe => self.circuit = Circuit::Open { until: now },
            Signal::Nothing => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        self.circuit = Circuit::Open { until: Timestamp(now.0.saturating_add(self.pause_ms)) };
    }

    fn grow(&mut self) {
        self.limit = (self.limit + if self.growing { 1.0 } else { 1.0 / self.limit }).min(self.max);
    }

    fn shrink(&mut self, ticket: Ticket) {
        // Attempts of an earlier round tell of the load that was already answered to.
        if ticket.round == self.round {
            self.round += 1;
            self.growing = false;
            self.limit = (self.limit / 2.0).max(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn overload_halves_once_per_round_and_answers_grow_again() {
        let mut pace = Pace::new(64);
        let tickets: Vec<Ticket> = (0..8).filter_map(|n| pace.start(n, at(0))).collect();
        assert_eq!(tickets.len(), 8);
        assert!(pace.start(8, at(0)).is_none());
        tickets[..4].iter().for_each(|t| pace.ended(*t, Signal::Answered, at(0)));
        assert_eq!(pace.limit(), 12);
        tickets[4..].iter().for_each(|t| pace.ended(*t, Signal::Overloaded, at(0)));
        assert_eq!(pace.limit(), 6);
        for _ in 0..6 {
            let ticket = pace.start(0, at(0)).expect("room");
            pace.ended(ticket, Signal::Answered, at(0));
        }
        assert!((6..=7).contains(&pace.limit()));
        for _ in 0..20 {
            let ticket = pace.start(0, at(0)).expect("room");
            pace.ended(ticket, Signal::Overloaded, at(0));
        }
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn the_circuit_opens_probes_and_closes() {
        let mut pace = Pace::new(4);
        for _ in 0..FAILURES_MAX {
            let ticket = pace.start(0, at(0)).expect("closed");
            pace.ended(ticket, Signal::Broken, at(0));
        }
        assert!(pace.is_open());
        assert_eq!(pace.opens_at(), Some(at(1000)));
        assert!(pace.start(0, at(999)).is_none());
        let probe = pace.start(0, at(1000)).expect("probe");
        assert!(pace.start(1, at(5000)).is_none(), "one probe only");
        pace.ended(probe, Signal::Silent, at(1000));
        assert_eq!(pace.opens_at(), Some(at(3000)));
        let probe = pace.start(0, at(3000)).expect("probe");
        pace.ended(probe, Signal::Answered, at(3000));
        assert!(!pace.is_open());
        assert!(pace.start(0, at(3000)).is_some());
    }
}
