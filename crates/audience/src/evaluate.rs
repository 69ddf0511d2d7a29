//! Evaluates the audiences of a profile and moves its memberships (profile.md §10.4).

use crate::EXITED_KEPT_MS;
use crate::state::{State, earlier};
use crate::table::{Audiences, Facts, NONE, OPT_OUT, Table};
use model::{AudienceNo, Membership, Status, Timestamp, Value};
use pql::{EventView, Truth, World};
use profile::Profile;

/// What changed on the profile since it was last evaluated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changed<'a> {
    /// The event that came. It is in `Input::events`, and not yet in the state.
    pub event: Option<&'a EventView>,
    /// The attributes before, by merge policy, if any were written; an empty list if they are not known any more.
    pub attributes: Option<&'a [Value]>,
    /// An identity came or went.
    pub identities: bool,
    /// Nothing is known of this profile so far.
    pub new: bool,
    /// Everything must be looked at: a merge, a deletion.
    pub all: bool,
}

/// What an evaluation looks at.
pub struct Input<'a> {
    /// By merge policy, the merged attributes.
    pub attributes: &'a [Value],
    /// All events, ascending; may be empty unless [`Audiences::read_whole_events`].
    pub events: &'a [EventView],
    /// What changed.
    pub changed: Changed<'a>,
    /// The plan that looked at the profile last.
    pub previous_n: u64,
    /// The plan that looks at it now.
    pub plan_n: u64,
    /// The instant.
    pub now: Timestamp,
}

/// One membership that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// The audience.
    pub audience: AudienceNo,
    /// The new status.
    pub status: Status,
}

/// What an evaluation found.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Memberships that changed, in evaluation order.
    pub flips: Vec<Flip>,
    /// The first instant at which time alone may change one.
    pub due: Option<Timestamp>,
}

/// Room for evaluations, to be used again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The audiences to look at, a bit each.
    candidates: Vec<u64>,
    series: Vec<u32>,
    turned: Vec<u32>,
    /// How many memberships the evaluation before turned: about as many as the next one.
    flips: usize,
}

/// Evaluates what the change can turn, and writes the profile's memberships.
pub fn evaluate(
    audiences: &Audiences,
    profile: &mut Profile,
    state: &mut State,
    input: &Input<'_>,
    scratch: &mut Scratch,
) -> Evaluation {
    let table = audiences.table();
    purge(audiences, profile, input);
    let Changed { attributes, identities, new, all, .. } = input.changed;
    if attributes.is_some() || identities || new || all || input.previous_n != input.plan_n {
        state.forget_attributes();
    }
    scratch.begin(table);
    scratch.by_state(table, state, input);
    scratch.by_time(audiences, profile, input);
    scratch.by_input(table, input);
    let mut evaluation = Evaluation { flips: Vec::with_capacity(scratch.flips), due: None };
    let mut pass = Pass { table, input, opted_out: Vec::new(), flips: &mut evaluation.flips };
    let mut at = 0;
    while let Some(audience) = scratch.next(at) {
        at = audience + 1;
        if pass.look(profile, state, audience as u32) {
            table.dependents[audience].iter().for_each(|d| scratch.mark(*d));
        }
    }
    scratch.flips = evaluation.flips.len();
    evaluation.due = earlier(state.due(), profile.dues.iter().flatten().map(|(_, due)| *due).min());
    let exit = profile.memberships.first_exit().map(|since| Timestamp(since.0 + EXITED_KEPT_MS));
    evaluation.due = earlier(evaluation.due, exit);
    evaluation
}

/// Lets go of exits that are old, and of audiences that are no more.
fn purge(audiences: &Audiences, profile: &mut Profile, input: &Input<'_>) {
    let is_old = |since: Timestamp| since.0 + EXITED_KEPT_MS <= input.now.0;
    let replanned = input.changed.all || input.previous_n != input.plan_n;
    if replanned || profile.memberships.first_exit().is_some_and(is_old) {
        let old = |m: Membership| m.status == Status::Exited && is_old(m.since);
        profile.memberships.retain(|no, m| !old(m) && audiences.by_no(no).is_some());
    }
}

impl Scratch {
    fn begin(&mut self, table: &Table) {
        self.candidates.clear();
        self.candidates.resize(table.ordered.len().div_ceil(64), 0);
        self.series.clear();
        self.turned.clear();
    }

    fn mark(&mut self, audience: u32) {
        self.candidates[audience as usize / 64] |= 1 << (audience % 64);
    }

    /// The first candidate from a place on.
    fn next(&self, from: usize) -> Option<usize> {
        let (mut word, bit) = (from / 64, from % 64);
        let mut bits = *self.candidates.get(word)? & (u64::MAX << bit);
        while bits == 0 {
            word += 1;
            bits = *self.candidates.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// What the event and the time turn.
    fn by_state(&mut self, table: &Table, state: &mut State, input: &Input<'_>) {
        let now = input.now;
        let (mut series, mut turned) = (std::mem::take(&mut self.series), std::mem::take(&mut self.turned));
        let on = &mut |atom| turned.push(atom);
        if input.changed.all {
            series.extend(state.all_series())
        } else {
            series.extend(state.due_series(now))
        }
        let by_time = series.len();
        if let Some(event) = input.changed.event {
            state.offer(table, event, now, &mut |number| series.push(number));
            table.whole_of(event).for_each(|audience| self.mark(audience));
        }
        state.ask_due_pairs(table, now, on);
        for (at, number) in series.iter().enumerate() {
            state.ask(table, *number, now, on);
            match input.changed.event {
                Some(event) if at >= by_time => state.ask_pairs(table, *number, event.timestamp, now, on),
                _ if input.changed.all => state.start_pairs(table, *number, now, on),
                _ => {}
            }
            table.feeds[*number as usize].iter().for_each(|audience| self.mark(*audience));
        }
        for atom in &turned {
            table.named_by.of(*atom as usize).iter().for_each(|audience| self.mark(*audience));
        }
        (self.series, self.turned) = (series, turned);
    }

    /// Audiences whose time has come in a way that series do not tell.
    fn by_time(&mut self, audiences: &Audiences, profile: &mut Profile, input: &Input<'_>) {
        match &mut profile.dues {
            Some(dues) => {
                if input.previous_n != input.plan_n {
                    dues.retain(|(no, _)| audiences.by_no(*no).is_some());
                }
                let due = dues.iter().filter(|(_, due)| *due <= input.now);
                due.filter_map(|(no, _)| audiences.place(*no)).for_each(|audience| self.mark(audience));
            }
            None if input.changed.new => {}
            None => audiences.table().timed.iter().for_each(|audience| self.mark(*audience)),
        }
        profile.dues.get_or_insert_default();
    }

    fn by_input(&mut self, table: &Table, input: &Input<'_>) {
        let Changed { attributes, identities, new, all, .. } = input.changed;
        if all {
            (0..table.ordered.len() as u32).for_each(|audience| self.mark(audience));
            return;
        }
        table.changed_after(input.previous_n).for_each(|audience| self.mark(audience));
        if new {
            table.of_nothing.iter().for_each(|audience| self.mark(*audience));
        }
        if identities || new {
            table.of_identity_field.iter().for_each(|audience| self.mark(*audience));
        }
        if let Some(before) = attributes.or(new.then_some(&[])) {
            for (policy, paths) in table.paths.iter().enumerate() {
                let after = input.attributes.get(policy).unwrap_or(&model::value::NULL);
                let before = before.get(policy);
                for (path, readers) in paths {
                    let unchanged = match before {
                        Some(before) => same_at(before, after, path),
                        None => new && same_at(&model::value::NULL, after, path),
                    };
                    if path.is_empty() || !unchanged {
                        readers.iter().for_each(|audience| self.mark(*audience));
                    }
                }
            }
        }
        // Memberships as a field are those of before this evaluation.
        table.of_membership_field.iter().for_each(|audience| self.mark(*audience));
    }
}

/// Whether two documents hold the same at a path, and so all that a query can find along it. Queries look into arrays
/// on the way, so those are compared as wholes.
fn same_at(before: &Value, after: &Value, path: &str) -> bool {
    let (mut before, mut after) = (before, after);
    for name in path.split('.') {
        if before.as_array().is_some() || after.as_array().is_some() {
            break;
        }
        (before, after) = (before.get(name), after.get(name));
    }
    before == after
}

/// One pass over candidates.
struct Pass<'a> {
    table: &'a Table,
    input: &'a Input<'a>,
    /// By merge policy, once asked.
    opted_out: Vec<Option<bool>>,
    flips: &'a mut Vec<Flip>,
}

impl Pass<'_> {
    /// Evaluates one audience; whether its membership changed.
    fn look(&mut self, profile: &mut Profile, state: &mut State, at: u32) -> bool {
        let audience = self.table.facts[at as usize];
        let Some(attributes) = self.input.attributes.get(audience.policy as usize) else {
            profile.set_due(audience.no, None);
            return false;
        };
        let Truth { holds, flips_at: due, .. } = match audience.atom {
            NONE => truth(self.table, self.input, profile, state, at, attributes),
            atom => Truth::lasting(state.answer(self.table, atom as usize) != audience.negated),
        };

        if due.is_some() || profile.dues.as_ref().is_some_and(|dues| !dues.is_empty()) {
            profile.set_due(audience.no, due);
        }
        let holds = holds && !(audience.exclude_opt_out && self.is_opted_out(audience, attributes));
        let Some(status) = profile.memberships.turn(audience.no, holds, self.input.now) else { return false };
        self.flips.push(Flip { audience: audience.no, status });
        true
    }

    fn is_opted_out(&mut self, audience: Facts, attributes: &Value) -> bool {
        let policy = audience.policy as usize;
        if self.opted_out.len() <= policy {
            self.opted_out.resize(policy + 1, None);
        }
        *self.opted_out[policy].get_or_insert_with(|| is_opted_out(attributes))
    }
}

/// The truth of an audience's rule, and when time can turn one of its expressions.
fn truth(table: &Table, input: &Input<'_>, profile: &Profile, state: &mut State, at: u32, attributes: &Value) -> Truth {
    let is_member = |id: &str| table.by_id(id).is_some_and(|a| profile.is_member(a.no));
    let world = World { profile: attributes, events: input.events, is_member: &is_member, now: input.now };
    let (mut flips_at, mut exhausted) = (None, false);
    let mut told = |truth: Truth| {
        flips_at = earlier(flips_at, truth.flips_at);
        exhausted |= truth.exhausted;
        truth.holds
    };
    let holds = table.rules.holds(at as usize, &mut |number| {
        if table.of_series.contains(number as u32) {
            return state.answer(table, number);
        }
        let known = &table.atoms[number];
        if let Some(audience) = known.member_of {
            return profile.is_member(audience);
        }
        if table.of_attributes.contains(number as u32) {
            return state.of_attributes(number as u32, || told(known.atom.holds(&world, &|_| None)));
        }
        let lookup = |own: usize| known.series.get(own).and_then(|n| state.series(*n));
        told(known.atom.holds(&world, &lookup))
    });
    match exhausted {
        true => {
            // Answers of attributes that were cut off are none to keep.
            state.forget_attributes();
            Truth { holds: false, flips_at: None, exhausted }
        }
        false => Truth { holds, flips_at, exhausted },
    }
}

/// A general opt-out in the legacy consent field group (profile.md §4.3).
pub fn is_opted_out(attributes: &Value) -> bool {
    let Some(entries) = attributes.at(OPT_OUT).as_array() else { return false };
    entries.iter().any(|e| {
        e.get("optOutType").as_str() == Some("general_opt_out") && e.get("optOutValue").as_str() == Some("out")
    })
}
