//! Evaluation of a compiled query over one profile (pql.md §5–§14).
//!
//! In: a compiled tree and a `World`. Out: a value and the earliest later instant at which it could
//! be another one. Pure: the same world gives the same value.
//! Always: whatever depends on `now` reports its next change into `flip` where it is evaluated. Until
//! that instant every atom that was evaluated answers the same, so the same atoms are evaluated and the
//! value is the same; atoms that were skipped can not matter before that.
//! Always: an evaluation ends. Loops over items pay for each, and what reads or makes text or lists pays for their
//! length (`pay`); when all is spent they stop, and who runs the evaluation gives no value.

mod array;
mod chain;
mod compare;
mod keys;
mod pay;
#[cfg(test)]
mod tests;

pub(crate) use array::Folded;
pub(crate) use chain::STEPS_MAX;
pub(crate) use compare::{field_count, fields};
pub(crate) use keys::{Lookup, keys};
pub use pay::{MADE_BYTES_MAX, WORK_MAX};

use crate::ast::Arithmetic;
use crate::calendar::{Grid, LIMIT, clamp, read_instant};
use crate::functions::Plain;
use crate::functions::pattern::{Like, Regex, Use};
use crate::node::{Anchor, Node, Window};
use crate::occurs::{Moment, Span};
use crate::query::World;
use crate::value::V;
use model::{SmolStr, Timestamp};
use pay::Purse;
use std::rc::Rc;

/// One evaluation.
pub(crate) struct Run<'a> {
    world: &'a World<'a>,
    pub(crate) now: i64,
    slots: Vec<V<'a>>,
    flip: i64,
    /// What [`Node::Kept`] stands for.
    kept: Option<&'a dyn Kept>,
    /// What it may spend, and has spent.
    purse: Purse,
    /// Expressions of data that it has paid for.
    compiled: Vec<(SmolStr, Use)>,
}

/// Aggregates that are known without a look at events.
pub(crate) trait Kept {
    /// The value of an aggregate at an instant.
    fn value(&self, number: usize, now: i64) -> V<'static>;
}

impl<'a> Run<'a> {
    pub(crate) fn new(world: &'a World<'a>, slots: usize) -> Run<'a> {
        Run {
            world,
            now: clamp(world.now.0),
            slots: vec![V::Null; slots],
            flip: i64::MAX,
            kept: None,
            purse: Purse::new(WORK_MAX),
            compiled: Vec::new(),
        }
    }

    /// The same with the aggregates that the nodes name.
    pub(crate) fn with_kept(self, kept: &'a dyn Kept) -> Run<'a> {
        Run { kept: Some(kept), ..self }
    }

    #[cfg(test)]
    fn with_work(self, work: u32) -> Run<'a> {
        Run { purse: Purse::new(work), ..self }
    }

    /// Puts a value where nodes look for a variable.
    pub(crate) fn set_slot(&mut self, slot: usize, value: V<'a>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }

    /// The truth of a rule, each of whose conditions may take as much work as the whole: that is how they are
    /// evaluated when events come one by one.
    pub(crate) fn rule(&mut self, node: &'a Node) -> bool {
        match node {
            Node::And(all) => all.iter().all(|n| self.rule(n)),
            Node::Or(any) => any.iter().any(|n| self.rule(n)),
            Node::Not(of) => !self.rule(of),
            Node::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.rule(condition) { self.rule(then) } else { self.rule(otherwise) }
            }
            _ if self.is_exhausted() => false,
            _ => {
                // What a condition left in variables is no part of what the next one may make.
                if self.has_made() {
                    self.slots.fill(V::Null);
                }
                self.refill();
                self.truth(node)
            }
        }
    }

    fn kept(&mut self, number: usize) -> V<'a> {
        self.kept.map_or(V::Null, |kept| kept.value(number, self.now))
    }

    /// The earliest change reported.
    pub(crate) fn flips_at(&self) -> Option<Timestamp> {
        (self.flip < i64::MAX).then_some(Timestamp(self.flip))
    }

    /// Notes that something evaluated changes at `instant`.
    pub(crate) fn flips(&mut self, instant: i64) {
        self.flip = self.flip.min(instant.max(self.now + 1));
    }

    fn answer(&mut self, (value, change): (bool, Option<i64>)) -> bool {
        // Beyond the calendar nothing is told apart any more.
        if let Some(change) = change.filter(|change| *change <= LIMIT) {
            self.flips(change);
        }
        value
    }

    /// Freezes `now` where nobody can say when the use of it changes: at once.
    pub(crate) fn settle(&mut self, value: V<'a>) -> V<'a> {
        match value {
            V::Now => {
                self.flips(self.now + 1);
                V::Time(self.now)
            }
            other => other,
        }
    }

    /// The value of a node.
    pub(crate) fn value(&mut self, node: &'a Node) -> V<'a> {
        match node {
            Node::Null => V::Null,
            Node::Bool(b) => V::Bool(*b),
            Node::Int(n) => V::Int(*n),
            Node::Double(n) => V::Double(*n),
            Node::Text(s) => V::Str(s),
            Node::Time(ms) => V::Time(*ms),
            Node::Date(ms) => V::Date(*ms),
            Node::Now => V::Now,
            Node::Day(offset) => self.day(*offset),
            Node::Profile => V::Profile(self.world.profile),
            Node::Events => V::Events(self.world.events),
            Node::Slot(slot) => self.slots[*slot].clone(),
            Node::Field { of, path } => self.field_value(of, path),
            Node::AsTime(of) => {
                let value = self.value(of);
                self.as_time_value(value)
            }
            Node::Map(_) | Node::MapNamed { .. } => self.collect(node),
            Node::Filter(each) => self.filter_value(each),
            Node::Rank { each, descending, count } => self.rank(each, *descending, count),
            Node::GroupBy(each) => self.group_by(each),
            Node::MapGroups(map) => self.map_groups(map),
            Node::Fold { fold, source, value } => self.fold(*fold, source, value.as_deref()),
            Node::Negate(of) => match self.value(of) {
                V::Int(n) => n.checked_neg().map_or(V::Double(-(n as f64)), V::Int),
                V::Double(n) => V::double(-n),
                _ => V::Null,
            },
            Node::Arithmetic { first, rest } => {
                let mut left = self.value(first);
                for (op, right) in rest {
                    self.spend(pay::CALCULATION);
                    let right = self.value(right);
                    left = arithmetic(*op, &left, &right);
                }
                left
            }
            Node::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.truth(condition) { self.value(then) } else { self.value(otherwise) }
            }
            Node::Let { slot, parts } => {
                let [value, body] = &**parts;
                self.slots[*slot] = self.value(value);
                let result = self.value(body);
                self.slots[*slot] = V::Null;
                result
            }
            Node::RegexGroup { text, regex, group } => self.regex_group(text, regex, group),
            Node::Call { code, args, .. } => self.call(*code, args),
            Node::Array(items) => {
                self.makes_items(items.len());
                V::list(items.iter().map(|item| self.value(item)).collect())
            }
            Node::Object(fields) => {
                self.makes_items(2 * fields.len());
                V::Record(Rc::new(fields.iter().map(|(name, node)| (name.clone(), self.value(node))).collect()))
            }
            Node::And(_) | Node::Or(_) | Node::Not(_) | Node::Compare { .. } | Node::In { .. } => {
                V::Bool(self.truth(node))
            }
            Node::Like { .. } | Node::Matches { .. } | Node::Quantifier { .. } => V::Bool(self.truth(node)),
            Node::Occurs { .. } | Node::Chain(_) | Node::InSegment(_) => V::Bool(self.truth(node)),
            Node::Kept(number) => self.kept(*number),
        }
    }

    /// The truth of a node where a Boolean is required.
    pub(crate) fn truth(&mut self, node: &'a Node) -> bool {
        match node {
            Node::And(all) => all.iter().all(|n| self.truth(n)),
            Node::Or(any) => any.iter().any(|n| self.truth(n)),
            Node::Not(of) => !self.truth(of),
            Node::Compare { op, sides } => self.compare(*op, &sides[0], &sides[1]),
            Node::In { negated, sides } => {
                let item = self.value(&sides[0]);
                if let Node::Array(items) = &sides[1] {
                    return !item.is_null() && self.is_one_of(&item, items) != *negated;
                }
                let list = self.value(&sides[1]);
                self.is_in(&item, &list, *negated)
            }
            Node::Like { text, pattern } => {
                let text = self.value(text);
                text.as_str().is_some_and(|s| self.is_like(pattern, s))
            }
            Node::Matches { text, regex } => self.value(text).as_str().is_some_and(|s| self.matches(regex, s)),
            Node::Quantifier { all: false, generators } => self.exists(generators),
            Node::Quantifier { all: true, generators } => self.for_all(generators, true),
            Node::Occurs { time, window } => self.occurs(time, window),
            Node::Chain(chain) => self.chain(chain),
            Node::InSegment(id) => (self.world.is_member)(id),
            Node::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.truth(condition) { self.truth(then) } else { self.truth(otherwise) }
            }
            Node::Let { slot, parts } => {
                let [value, body] = &**parts;
                self.slots[*slot] = self.value(value);
                let result = self.truth(body);
                self.slots[*slot] = V::Null;
                result
            }
            // An array is true if it has an item: the first one decides.
            _ if node.streams() => self.has_item(node),
            _ => self.value(node).truth(),
        }
    }

    fn day(&mut self, offset: i64) -> V<'a> {
        let today = Grid::DAY.index(self.now);
        self.flips(Grid::DAY.start(today + 1));
        V::Time(Grid::DAY.start(today + offset))
    }

    fn call(&mut self, code: Plain, args: &'a [Node]) -> V<'a> {
        let mut few = [const { V::Null }; 4];
        if args.len() <= few.len() {
            for (slot, node) in few.iter_mut().zip(args) {
                *slot = self.value(node);
            }
            return self.apply(code, &few[..args.len()]);
        }
        self.makes_items(args.len());
        let many: Vec<V<'a>> = args.iter().map(|node| self.value(node)).collect();
        self.apply(code, &many)
    }

    /// Calls a function, which pays for the texts that it gets and for what it makes.
    fn apply(&mut self, code: Plain, args: &[V<'a>]) -> V<'a> {
        let given = args.iter().filter_map(V::as_str).map(str::len).sum();
        if !self.pays_call(given) {
            return V::Null;
        }
        let made = code(self, args);
        self.makes(&made);
        made
    }

    /// Whether a text fits an expression; one that is given up counts as not fitting.
    pub(crate) fn matches(&mut self, regex: &Regex, text: &str) -> bool {
        regex.is_match(text, self).unwrap_or(false)
    }

    /// Whether a text fits a pattern of `like`.
    pub(crate) fn is_like(&mut self, pattern: &Like, text: &str) -> bool {
        pattern.matches(text, &mut |steps| self.spend(steps))
    }

    fn regex_group(&mut self, text: &'a Node, regex: &Regex, group: &'a Node) -> V<'a> {
        let text = self.value(text);
        let (Some(text), V::Int(group)) = (text.as_str(), self.value(group)) else { return V::Null };
        let part = usize::try_from(group).ok().and_then(|group| regex.group(text, group, self));
        let part = part.map_or(V::Null, |part| V::Own(SmolStr::new(part)));
        self.makes(&part);
        part
    }

    fn occurs(&mut self, time: &'a Node, window: &'a Window) -> bool {
        self.spend(4);
        let Some(span) = self.span(window) else { return false };
        if time.streams() {
            return self.any_item(time, &mut |run, item| run.in_span(&item, span));
        }
        let time = self.value(time);
        match time.array_len() {
            Some(_) => time.items().any(|item| !self.pay(1) || self.in_span(&item, span)),
            None => self.in_span(&time, span),
        }
    }

    fn in_window(&mut self, time: &V<'a>, window: &'a Window) -> bool {
        self.span(window).is_some_and(|span| self.in_span(time, span))
    }

    fn in_span(&mut self, time: &V<'a>, span: Span) -> bool {
        let now = self.now;
        match (time, instant(time)) {
            (V::Now, _) => self.answer(span.holds_now(now)),
            (_, Some(ms)) => self.answer(span.holds(ms, now, self.flip)),
            _ => false,
        }
    }

    fn as_time_value(&mut self, value: V<'a>) -> V<'a> {
        match value.array_len() {
            Some(len) if self.pay_each(len) && self.makes_items(len) => {
                V::list(value.items().map(|item| as_time(&item)).collect())
            }
            Some(_) => V::Null,
            None => as_time(&value),
        }
    }

    fn span(&mut self, window: &'a Window) -> Option<Span> {
        Some(match window {
            Window::Distance { op, shift, unit, direction, anchor } => {
                let anchor = self.moment(anchor)?;
                Span::Distance { op: *op, shift: *shift, unit: *unit, direction: *direction, anchor }
            }
            Window::Side(direction, anchor) => Span::Side(*direction, self.moment(anchor)?),
            Window::On(anchor) => Span::On(self.moment(anchor)?),
            Window::Between(from, to) => Span::Between(self.moment(from)?, self.moment(to)?),
        })
    }

    fn moment(&mut self, anchor: &'a Anchor) -> Option<Moment> {
        Some(match anchor {
            Anchor::Now => Moment::Now,
            Anchor::Day(offset) => Moment::Day(*offset),
            Anchor::Period(offset, grid) => Moment::Period(*offset, *grid),
            Anchor::At(node) => match as_time(&self.value(node)) {
                V::Now => Moment::Now,
                V::Time(ms) => Moment::Instant(clamp(ms)),
                V::Date(ms) => Moment::Date(clamp(ms)),
                _ => return None,
            },
        })
    }
}

/// Text in ISO form as the date or instant it means; null for what is neither.
pub(crate) fn as_time<'a>(value: &V<'a>) -> V<'a> {
    match value {
        V::Time(_) | V::Date(_) | V::Now => value.clone(),
        _ => match value.as_str().and_then(|s| Some((s.len() == 10, read_instant(s)?))) {
            Some((true, day)) => V::Date(day.0),
            Some((false, instant)) => V::Time(instant.0),
            None => V::Null,
        },
    }
}

/// The fixed instant that a value stands for.
pub(crate) fn instant(value: &V<'_>) -> Option<i64> {
    match as_time(value) {
        V::Time(ms) | V::Date(ms) => Some(ms),
        _ => None,
    }
}

/// Numbers only; anything else, overflow of doubles and division by zero give null (pql.md §7).
fn arithmetic<'a>(op: Arithmetic, left: &V<'a>, right: &V<'a>) -> V<'a> {
    let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) else { return V::Null };
    if let (V::Int(a), V::Int(b)) = (left, right) {
        let whole = match op {
            Arithmetic::Add => a.checked_add(*b),
            Arithmetic::Subtract => a.checked_sub(*b),
            Arithmetic::Multiply => a.checked_mul(*b),
            Arithmetic::Remainder if *b != 0 => Some(a.wrapping_rem(*b)),
            _ => None,
        };
        if let Some(whole) = whole {
            return V::Int(whole);
        }
    }
    match op {
        Arithmetic::Add => V::double(a + b),
        Arithmetic::Subtract => V::double(a - b),
        Arithmetic::Multiply => V::double(a * b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0.0 => V::Null,
        Arithmetic::Divide => V::double(a / b),
        Arithmetic::Remainder => V::double(a % b),
    }
}
