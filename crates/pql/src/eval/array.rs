//! Arrays: fields and projection, filters, quantifiers, order, groups, aggregation (pql.md §6, §11, §12).
//!
//! Items flow one by one from `each` to their consumer; an array is made only where one is the result.
//! A consumer that has seen enough stops the flow, so `exists` reads no further than it must. Every item is paid for
//! where it enters a flow. A consumer that keeps items says so (`retain`), and the variable of a loop ends with it.

use super::{Run, as_time, field_count, keys};
use crate::exact_sum::ExactSum;
use crate::node::{Each, Fold, Generator, MapGroups, Node};
use crate::value::{V, date_text, sort_order};
use model::{SmolStr, Timestamp, Value};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

/// Go on, or stop.
type Flow = ControlFlow<()>;
/// What takes the items.
type Sink<'s, 'a> = &'s mut dyn FnMut(&mut Run<'a>, V<'a>) -> Flow;

impl<'a> Run<'a> {
    /// Gives every item of an array node to `sink`; nothing where the node is no array.
    pub(crate) fn each(&mut self, node: &'a Node, sink: Sink<'_, 'a>) -> Flow {
        match node {
            Node::Filter(each) => {
                let flow = self.each(&each.source, &mut |run, item| {
                    run.slots[each.slot] = item.clone();
                    if run.truth(&each.body) { sink(run, item) } else { Flow::Continue(()) }
                });
                self.slots[each.slot] = V::Null;
                flow
            }
            Node::Map(each) => {
                let flow = self.each(&each.source, &mut |run, item| {
                    run.slots[each.slot] = item;
                    let value = run.value(&each.body);
                    sink(run, value)
                });
                self.slots[each.slot] = V::Null;
                flow
            }
            Node::MapNamed { each, name } => {
                let flow = self.each(&each.source, &mut |run, item| {
                    let own = run.field(&item, name);
                    run.slots[each.slot] = item;
                    let value = if own.is_null() { run.value(&each.body) } else { own };
                    sink(run, value)
                });
                self.slots[each.slot] = V::Null;
                flow
            }
            Node::Field { of, path } if of.streams() => self.each(of, &mut |run, item| run.project(&item, path, sink)),
            Node::AsTime(of) if of.streams() => self.each(of, &mut |run, item| sink(run, as_time(&item))),
            _ => {
                let whole = self.value(node);
                self.each_of(&whole, sink)
            }
        }
    }

    /// The same of a value.
    fn each_of(&mut self, whole: &V<'a>, sink: Sink<'_, 'a>) -> Flow {
        for item in whole.items() {
            self.flow()?;
            let mark = self.mark();
            sink(self, item)?;
            self.release(&mark);
        }
        Flow::Continue(())
    }

    /// Takes items into an array.
    fn gather(&mut self, flow: impl FnOnce(&mut Run<'a>, Sink<'_, 'a>) -> Flow) -> V<'a> {
        let mut items = Vec::new();
        let mark = self.mark();
        let _ = flow(self, &mut |run, item| {
            items.push(item);
            run.retain();
            if run.makes_items(1) { Flow::Continue(()) } else { Flow::Break(()) }
        });
        self.retained(&mark);
        V::list(items)
    }

    /// Pays for one item.
    fn flow(&mut self) -> Flow {
        if self.pay(1) { Flow::Continue(()) } else { Flow::Break(()) }
    }

    pub(super) fn any_item(&mut self, node: &'a Node, test: &mut dyn FnMut(&mut Run<'a>, V<'a>) -> bool) -> bool {
        self.each(node, &mut |run, item| if test(run, item) { Flow::Break(()) } else { Flow::Continue(()) }).is_break()
    }

    pub(super) fn has_item(&mut self, node: &'a Node) -> bool {
        self.any_item(node, &mut |_, _| true)
    }

    pub(super) fn collect(&mut self, node: &'a Node) -> V<'a> {
        self.gather(|run, sink| run.each(node, sink))
    }

    /// A filter takes items as every consumer does: null is an array without any (pql.md §8.9).
    pub(super) fn filter_value(&mut self, each: &'a Each) -> V<'a> {
        self.gather(|run, sink| {
            let flow = run.each(&each.source, &mut |run, item| {
                run.slots[each.slot] = item.clone();
                if run.truth(&each.body) { sink(run, item) } else { Flow::Continue(()) }
            });
            run.slots[each.slot] = V::Null;
            flow
        })
    }

    pub(super) fn field_value(&mut self, of: &'a Node, path: &'a [SmolStr]) -> V<'a> {
        // The plain case first: a path into the profile or into a variable, without a copy.
        let mut at = match of {
            Node::Profile => V::Profile(self.world.profile),
            Node::Slot(slot) => self.slots[*slot].clone(),
            _ => self.value(of),
        };
        for (i, name) in path.iter().enumerate() {
            if at.array_len().is_some() {
                return self.gather(|run, sink| run.project(&at, &path[i..], sink));
            }
            at = self.field(&at, name);
        }
        at
    }

    /// A property; null where there is none. A search among many fields is paid for.
    pub(crate) fn field(&mut self, of: &V<'a>, name: &str) -> V<'a> {
        match of {
            V::Fields(fields) => {
                self.pays_search(fields.len());
                fields.iter().find(|(n, _)| n == name).map_or(V::Null, |(_, v)| V::of(v))
            }
            V::Event(event) => match name {
                "timestamp" => V::time_of(event),
                "_id" => V::id_of(event),
                _ => self.stored(&event.body, name),
            },
            V::Profile(_) if name == "xEvent" => V::Events(self.world.events),
            V::Profile(profile) => self.stored(profile, name),
            V::Record(fields) => {
                self.pays_search(fields.len());
                fields.iter().find(|(n, _)| n == name).map_or(V::Null, |(_, v)| v.clone())
            }
            _ => V::Null,
        }
    }

    fn stored(&mut self, object: &'a Value, name: &str) -> V<'a> {
        self.pays_search(object.as_object().map_or(0, |fields| fields.len()));
        V::of(object.get(name))
    }

    /// The values at `path` below an item of an array: nulls skipped, arrays flattened.
    fn project(&mut self, item: &V<'a>, path: &[SmolStr], sink: Sink<'_, 'a>) -> Flow {
        if item.array_len().is_some() {
            return self.each_of(item, &mut |run, inner| match path {
                [] if inner.is_null() => Flow::Continue(()),
                [] => sink(run, inner),
                _ => run.project(&inner, path, sink),
            });
        }
        match path {
            _ if item.is_null() => Flow::Continue(()),
            [] => sink(self, item.clone()),
            [name, rest @ ..] => {
                let next = self.field(item, name);
                self.project(&next, rest, sink)
            }
        }
    }

    pub(super) fn exists(&mut self, generators: &'a [Generator]) -> bool {
        let Some((first, rest)) = generators.split_first() else { return true };
        let found = self.any_item(&first.source, &mut |run, item| {
            run.slots[first.slot] = item;
            first.filter.iter().chain(&first.condition).all(|c| run.truth(c)) && run.exists(rest)
        });
        self.slots[first.slot] = V::Null;
        found
    }

    /// True if every combination satisfies its conditions; `satisfied` tells of the outer variables.
    pub(super) fn for_all(&mut self, generators: &'a [Generator], satisfied: bool) -> bool {
        let Some((first, rest)) = generators.split_first() else { return satisfied };
        let failed = self.any_item(&first.source, &mut |run, item| {
            run.slots[first.slot] = item;
            let holds = match (&first.filter, &first.condition) {
                (Some(filter), Some(condition)) => {
                    if !run.truth(filter) {
                        return false;
                    }
                    run.truth(condition)
                }
                (Some(only), None) | (None, Some(only)) => run.truth(only),
                (None, None) => true,
            };
            !run.for_all(rest, satisfied && holds)
        });
        self.slots[first.slot] = V::Null;
        !failed
    }

    pub(super) fn fold(&mut self, fold: Fold, source: &'a Node, value: Option<&'a (usize, Node)>) -> V<'a> {
        let mut folded = Folded::new(fold);
        if let (Fold::Count | Fold::CountWithNull, Node::Events, None) = (fold, source, value) {
            return V::Int(self.world.events.len() as i64);
        }
        let mut take = |run: &mut Run<'a>, item: V<'a>| {
            let item = match value {
                None => item,
                Some((slot, body)) => {
                    run.slots[*slot] = item;
                    run.value(body)
                }
            };
            let item = run.settle(item);
            if let (Fold::Min | Fold::Max, Some(text)) = (fold, item.as_str()) {
                run.pay_bytes(text.len());
                if matches!(item, V::Own(_)) {
                    run.retain();
                }
            }
            folded.take(item);
            Flow::Continue(())
        };
        let mark = self.mark();
        let _ = match source.streams() {
            true => self.each(source, &mut take),
            false => {
                let whole = self.value(source);
                if let (Fold::Count, Some(entries)) = (fold, field_count(&whole)) {
                    self.pays_search(entries);
                    return V::Int(entries as i64);
                }
                self.each_of(&whole, &mut take)
            }
        };
        self.retained(&mark);
        if let Some((slot, _)) = value {
            self.slots[*slot] = V::Null;
        }
        folded.finish()
    }

    /// Keys with their items, nulls last, the rest in order; equal keys keep their order.
    pub(super) fn rank(&mut self, each: &'a Each, descending: bool, count: &'a Node) -> V<'a> {
        let mut keyed = self.keyed(each);
        let count = match self.value(count) {
            V::Int(n) => usize::try_from(n).unwrap_or(0),
            V::Double(n) if n > 0.0 => n as usize,
            _ => 0,
        };
        // Sorting compares each key about as often as their number can be halved.
        let texts =
            keyed.iter().filter_map(|(key, _)| key.as_str()).map(str::len).filter(|len| *len >= 64).sum::<usize>();
        let rounds = keyed.len().max(1).ilog2() as usize + 1;
        if !self.pay_bytes(texts.saturating_mul(rounds)) {
            return V::Null;
        }
        keyed.sort_by(|(a, _), (b, _)| match (a.is_null(), b.is_null()) {
            (false, false) if descending => sort_order(b, a),
            (false, false) => sort_order(a, b),
            (a, b) => a.cmp(&b),
        });
        V::list(keyed.into_iter().take(count).map(|(_, item)| item).collect())
    }

    fn keyed(&mut self, each: &'a Each) -> Vec<(V<'a>, V<'a>)> {
        let mut keyed = Vec::new();
        let mark = self.mark();
        let _ = self.each(&each.source, &mut |run, item| {
            run.slots[each.slot] = item.clone();
            let key = run.value(&each.body);
            keyed.push((run.settle(key), item));
            run.retain();
            if run.makes_items(2) { Flow::Continue(()) } else { Flow::Break(()) }
        });
        self.retained(&mark);
        self.slots[each.slot] = V::Null;
        keyed
    }

    /// Groups in the order in which their keys appear.
    pub(super) fn group_by(&mut self, each: &'a Each) -> V<'a> {
        let mut keyed = self.keyed(each);
        keyed.retain(|(key, _)| !key.is_null());
        let keys = keys(self, keyed.iter().map(|(key, _)| key));
        let mut places = keys.map(|keys| (keys.into_iter(), HashMap::new()));
        let mut groups: Vec<(V<'a>, Vec<V<'a>>)> = Vec::new();
        for (key, item) in keyed {
            let place = match &mut places {
                Some((keys, known)) => keys.next().map(|key| *known.entry(key).or_insert(groups.len())),
                None => groups.iter().position(|(known, _)| self.same(known, &key)),
            };
            match place.and_then(|at| groups.get_mut(at)) {
                Some(group) => group.1.push(item),
                None => groups.push((key, vec![item])),
            }
        }
        self.makes_items(4 * groups.len());
        V::Groups(Rc::new(groups.into_iter().map(|(key, items)| (key, V::list(items))).collect()))
    }

    pub(super) fn map_groups(&mut self, map: &'a MapGroups) -> V<'a> {
        let V::Groups(groups) = self.value(&map.source) else { return V::Null };
        let mut entries: Vec<(SmolStr, V<'a>)> = Vec::new();
        let mut places: HashMap<SmolStr, usize> = HashMap::new();
        for (key, items) in groups.iter() {
            if !self.pay(1) {
                break;
            }
            self.slots[map.key_slot] = key.clone();
            self.slots[map.items_slot] = items.clone();
            let key = self.value(&map.key);
            let key = self.settle(key);
            let Some(name) = key_text(&key) else { continue };
            self.makes_text(name.len());
            self.makes_items(4);
            let value = self.value(&map.value);
            match places.get(&name) {
                Some(at) => entries[*at].1 = value,
                None => {
                    places.insert(name.clone(), entries.len());
                    entries.push((name, value));
                }
            }
        }
        self.slots[map.key_slot] = V::Null;
        self.slots[map.items_slot] = V::Null;
        V::Record(Rc::new(entries))
    }
}

/// A scalar as the key of a map.
fn key_text(key: &V<'_>) -> Option<SmolStr> {
    Some(match key {
        V::Bool(b) => SmolStr::from(b.to_string()),
        V::Int(n) => SmolStr::from(n.to_string()),
        V::Double(n) => SmolStr::from(n.to_string()),
        V::Time(ms) => SmolStr::from(Timestamp(*ms).to_string()),
        V::Date(ms) => date_text(*ms),
        _ => SmolStr::new(key.as_str()?),
    })
}

/// Tells values apart that are equal in order: 1 and 1.0, 0.0 and -0.0, a day and its first instant.
fn form(value: &V<'_>) -> u8 {
    match value {
        V::Double(n) if n.is_sign_negative() => 2,
        V::Double(_) | V::Date(_) => 1,
        _ => 0,
    }
}

/// An aggregation under way.
pub(crate) struct Folded<'a> {
    fold: Fold,
    count: i64,
    whole: i128,
    /// Made by the first double.
    exact: Option<Box<ExactSum>>,
    best: V<'a>,
}

impl<'a> Folded<'a> {
    pub(crate) fn new(fold: Fold) -> Folded<'a> {
        Folded { fold, count: 0, whole: 0, exact: None, best: V::Null }
    }

    pub(crate) fn take(&mut self, item: V<'a>) {
        match self.fold {
            Fold::Count => self.count += i64::from(!item.is_null()),
            Fold::CountWithNull => self.count += 1,
            Fold::CountOnlyNull => self.count += i64::from(item.is_null()),
            Fold::Sum | Fold::Average => match item {
                V::Int(n) => {
                    self.count += 1;
                    self.whole += i128::from(n);
                }
                V::Double(n) => {
                    self.count += 1;
                    self.exact.get_or_insert_default().add(n);
                }
                _ => {}
            },
            Fold::Min => self.keep(item, Ordering::Less),
            Fold::Max => self.keep(item, Ordering::Greater),
        }
    }

    /// Keeps the item if it stands before the best; items without an order are skipped. Of equal ones the form
    /// decides, so that the order in which they come can not matter.
    fn keep(&mut self, item: V<'a>, wanted: Ordering) {
        let ordered = item.as_f64().is_some() || item.as_str().is_some() || matches!(item, V::Time(_) | V::Date(_));
        if !ordered {
            return;
        }
        let order = if self.best.is_null() { wanted } else { sort_order(&item, &self.best) };
        if order == wanted || (order.is_eq() && form(&item) < form(&self.best)) {
            self.best = item;
        }
    }

    pub(crate) fn finish(self) -> V<'a> {
        match self.fold {
            Fold::Count | Fold::CountWithNull | Fold::CountOnlyNull => V::Int(self.count),
            Fold::Min | Fold::Max => self.best,
            Fold::Average if self.count == 0 => V::Null,
            Fold::Average => V::double(self.sum() / self.count as f64),
            Fold::Sum => match (&self.exact, i64::try_from(self.whole)) {
                (None, Ok(whole)) => V::Int(whole),
                _ => V::double(self.sum()),
            },
        }
    }

    fn sum(&self) -> f64 {
        match &self.exact {
            None => self.whole as f64,
            Some(exact) => {
                let mut exact = exact.clone();
                // An i128 of fewer than 2^32 terms is a high and a low part that both fit.
                let high = self.whole >> 62;
                let low = self.whole & ((1 << 62) - 1);
                exact.add(high as f64 * (1i64 << 62) as f64);
                exact.add_int(low as i64);
                exact.round()
            }
        }
    }
}
