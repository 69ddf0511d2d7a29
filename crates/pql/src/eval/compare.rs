//! Comparison, equality and membership under the null rules of pql.md §8 and the array rule of §6.

use super::{Lookup, Run, instant};
use crate::ast::Comparison;
use crate::node::Node;
use crate::occurs::compare_with_now;
use crate::value::{List, V, compare_numbers};
use model::{SmolStr, Value};
use std::cmp::Ordering;

/// How two values of one kind relate.
enum Relation {
    Ordered(Ordering),
    /// Kinds without an order: equal or not.
    Unordered {
        equal: bool,
    },
}

impl<'a> Run<'a> {
    pub(super) fn compare(&mut self, op: Comparison, left: &'a Node, right: &'a Node) -> bool {
        let (stream, other, op) = match (left.streams(), right.streams()) {
            (true, false) => (left, right, op),
            (false, true) => (right, left, op.mirrored()),
            _ => {
                let (left, right) = (self.value(left), self.value(right));
                return self.compare_values(op, &left, &right);
            }
        };
        let other = self.value(other);
        if other.array_len().is_some() {
            let whole = self.value(stream);
            return self.compare_values(op, &whole, &other);
        }
        self.any_item(stream, &mut |run, item| run.compare_items(op, &item, &other))
    }

    /// Array against scalar: some item; array against array: as wholes.
    pub(crate) fn compare_values(&mut self, op: Comparison, left: &V<'a>, right: &V<'a>) -> bool {
        match (left.array_len(), right.array_len()) {
            (None, None) => self.compare_items(op, left, right),
            (Some(_), None) => left.items().any(|item| self.is_exhausted() || self.compare_items(op, &item, right)),
            (None, Some(_)) => right.items().any(|item| self.is_exhausted() || self.compare_items(op, left, &item)),
            (Some(_), Some(_)) => match op {
                Comparison::Equal => self.same(left, right),
                Comparison::NotEqual => !self.same(left, right),
                _ => false,
            },
        }
    }

    fn compare_items(&mut self, op: Comparison, left: &V<'a>, right: &V<'a>) -> bool {
        self.pays_comparison();
        match (left, right) {
            // Most comparisons are of stored text: texts of other lengths need no look at what they say.
            (V::Str(a), V::Str(b)) if op.is_equality() => {
                let equal = a.len() == b.len() && self.pay_bytes(a.len()) && a == b;
                equal == (op == Comparison::Equal)
            }
            (V::Now, V::Now) => matches!(op, Comparison::Equal | Comparison::LessEqual | Comparison::GreaterEqual),
            (V::Now, other) => self.compare_now(other, op.mirrored()),
            (other, V::Now) => self.compare_now(other, op),
            _ => match self.relation(left, right) {
                None => false,
                Some(Relation::Unordered { equal }) => match op {
                    Comparison::Equal => equal,
                    Comparison::NotEqual => !equal,
                    _ => false,
                },
                Some(Relation::Ordered(order)) => match op {
                    Comparison::Equal => order.is_eq(),
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterEqual => order.is_ge(),
                },
            },
        }
    }

    fn compare_now(&mut self, time: &V<'a>, op: Comparison) -> bool {
        let Some(ms) = instant(time) else { return false };
        let answer = compare_with_now(ms, op, self.now, self.flip);
        self.answer(answer)
    }

    /// `None` where a side is null or the kinds differ.
    fn relation(&mut self, left: &V<'a>, right: &V<'a>) -> Option<Relation> {
        if let (V::Bool(a), V::Bool(b)) = (left, right) {
            return Some(Relation::Unordered { equal: a == b });
        }
        if let Some(order) = compare_numbers(left, right) {
            return Some(Relation::Ordered(order));
        }
        if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
            self.pay_bytes(a.len().min(b.len()));
            return Some(Relation::Ordered(a.cmp(b)));
        }
        let timed = |v: &V<'_>| matches!(v, V::Time(_) | V::Date(_));
        if timed(left) || timed(right) {
            return Some(Relation::Ordered(instant(left)?.cmp(&instant(right)?)));
        }
        let (a, b) = (field_count(left)?, field_count(right)?);
        let equal = self.pay_each(a.saturating_add(b).saturating_mul(2)) && a == b && self.same_fields(left, right);
        Some(Relation::Unordered { equal })
    }

    /// Whether two objects with as many fields have equal ones.
    fn same_fields(&mut self, left: &V<'a>, right: &V<'a>) -> bool {
        /// Fewer fields are found faster without an order.
        const SORTED_MIN: usize = 16;
        let (Some(a), Some(mut b)) = (fields(left), fields(right)) else { return false };
        // Mostly they are in the same order.
        if a.iter().zip(&b).all(|((name, _), (other, _))| name == other) {
            return a.iter().zip(&b).all(|((_, v), (_, w))| self.same(v, w));
        }
        if b.len() < SORTED_MIN {
            return a.iter().all(|(name, v)| b.iter().any(|(other, w)| name == other && self.same(v, w)));
        }
        self.pay_each(b.len().saturating_mul(b.len().ilog2() as usize));
        b.sort_by(|(a, _), (b, _)| a.cmp(b));
        a.iter().all(|(name, v)| {
            let from = b.partition_point(|(other, _)| other < name);
            b[from..].iter().take_while(|(other, _)| other == name).any(|(_, w)| self.same(v, w))
        })
    }

    /// Deep equality; sets compare without order, null equals null. Paid for like an item, since it is what loops
    /// over pairs of items do; it ends those that look for an equal one when nothing is left.
    pub(crate) fn same(&mut self, left: &V<'a>, right: &V<'a>) -> bool {
        if !self.pay(1) {
            return true;
        }
        match (left.array_len(), right.array_len()) {
            (Some(a), Some(b)) if is_set(left) || is_set(right) => {
                let _ = (a, b);
                self.contains_all(left, right) && self.contains_all(right, left)
            }
            (Some(a), Some(b)) => a == b && left.items().zip(right.items()).all(|(x, y)| self.same(&x, &y)),
            (None, None) => (left.is_null() && right.is_null()) || self.compare_items(Comparison::Equal, left, right),
            _ => false,
        }
    }

    /// True if every non-null item of `part` is in `whole`.
    pub(crate) fn contains_all(&mut self, whole: &V<'a>, part: &V<'a>) -> bool {
        let whole = Lookup::new(self, whole, part.array_len().unwrap_or(0));
        self.pay_each(part.array_len().unwrap_or(0));
        part.items().filter(|item| !item.is_null()).all(|item| whole.holds(self, &item) && !self.is_exhausted())
    }

    /// True if an item of `list` equals `item`, which is not null.
    pub(crate) fn contains(&mut self, list: &V<'a>, item: &V<'a>) -> bool {
        !item.is_null() && list.items().any(|other| self.same(&other, item))
    }

    /// Membership in an array literal, without making the array.
    pub(super) fn is_one_of(&mut self, item: &V<'a>, items: &'a [Node]) -> bool {
        items.iter().any(|other| {
            let other = self.value(other);
            self.same(&other, item)
        })
    }

    /// `in` and `notIn`: both false where a side is null.
    pub(crate) fn is_in(&mut self, item: &V<'a>, list: &V<'a>, negated: bool) -> bool {
        !item.is_null() && list.array_len().is_some() && self.contains(list, item) != negated
    }
}

fn is_set(value: &V<'_>) -> bool {
    matches!(value, V::List(list) if matches!(**list, List { set: true, .. }))
}

/// How many fields of an object are not null; `None` for what is no object.
pub(crate) fn field_count(value: &V<'_>) -> Option<usize> {
    let of = |fields: &[(SmolStr, Value)]| fields.iter().filter(|(_, v)| !V::of(v).is_null()).count();
    Some(match value {
        V::Fields(stored) => of(stored),
        V::Profile(profile) => of(profile.as_object()?),
        V::Record(made) => made.iter().filter(|(_, v)| !v.is_null()).count(),
        V::Event(event) => {
            let own = [V::time_of(event), V::id_of(event)].iter().filter(|v| !v.is_null()).count();
            of(event.body.as_object().unwrap_or(&[])) + own
        }
        _ => return None,
    })
}

/// The fields of an object that are not null.
pub(crate) fn fields<'a>(value: &V<'a>) -> Option<Vec<(SmolStr, V<'a>)>> {
    let of = |fields: &'a [(SmolStr, Value)]| fields.iter().map(|(name, v)| (name.clone(), V::of(v))).collect();
    let mut all: Vec<(SmolStr, V<'a>)> = match value {
        V::Fields(stored) => of(stored),
        V::Profile(profile) => of(profile.as_object()?),
        V::Record(made) => made.to_vec(),
        V::Event(event) => {
            let mut all: Vec<_> = of(event.body.as_object().unwrap_or(&[]));
            all.push((SmolStr::new_static("timestamp"), V::time_of(event)));
            all.push((SmolStr::new_static("_id"), V::id_of(event)));
            all
        }
        _ => return None,
    };
    all.retain(|(_, v)| !v.is_null());
    Some(all)
}
