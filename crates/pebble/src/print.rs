//! How values are printed, and when two are equal.
//!
//! In: values, and the lists that this render has changed in place. Out: text, verdicts. Always: agrees with
//! `toString` and `equals` of Java's boxed types and collections.

use crate::java;
use crate::value::{List, Map, Thing, Value};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What lists were and are, by address.
type Lists = BTreeMap<usize, (Arc<List>, Arc<List>)>;

/// Lists that `sort`, `rsort` or `reverse` changed in this render: the list itself stays as it was, since other
/// renders may share it.
#[derive(Debug)]
pub(crate) struct Changed {
    lists: Option<Lists>,
    /// Lists may share elements, so that a small value may print as a huge text; printing stops here.
    pub(crate) text_max: usize,
    /// Steps that are left. Comparing, printing and looking up take some without asking; see [`Changed::spend`].
    left: Cell<u64>,
}

/// The printed form of `loop`.
const LOOP_FIELDS: [(&str, &str); 5] = [
    ("{last=", "last"),
    (", length=", "length"),
    (", index=", "index"),
    (", revindex=", "revindex"),
    (", first=", "first"),
];

/// Steps of what is done while no template is rendered.
const STEPS_ALONE: u64 = 20_000_000;
/// Bytes read for one step, as a shift.
const READ_PER_STEP: u32 = 4;

/// Steps that it takes to read a text of so many bytes.
#[inline]
pub(crate) fn reading(bytes: usize) -> u64 {
    bytes as u64 >> READ_PER_STEP
}

fn address(list: &Arc<List>) -> usize {
    Arc::as_ptr(list) as usize
}

impl Default for Changed {
    fn default() -> Self {
        Self { lists: None, text_max: 1 << 30, left: Cell::new(STEPS_ALONE) }
    }
}

impl Changed {
    pub(crate) fn bounded(text_max: usize, steps: u64) -> Self {
        Self { lists: None, text_max, left: Cell::new(steps) }
    }

    /// Takes steps for work that is bounded by them; whoever can fail asks later whether any are left.
    #[inline]
    pub(crate) fn spend(&self, steps: u64) {
        self.left.set(self.left.get().saturating_sub(steps));
    }

    #[inline]
    pub(crate) fn steps_left(&self) -> u64 {
        self.left.get()
    }

    pub(crate) fn items<'l>(&'l self, list: &'l Arc<List>) -> &'l [Value] {
        self.lists.as_ref().and_then(|lists| lists.get(&address(list))).map_or(&list.items, |(_, now)| &now.items)
    }

    /// The list as it is now.
    pub(crate) fn now(&self, list: &Arc<List>) -> Arc<List> {
        self.lists.as_ref().and_then(|lists| lists.get(&address(list))).map_or(list, |(_, now)| now).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_none()
    }

    pub(crate) fn change(&mut self, list: &Arc<List>, items: Vec<Value>) {
        let now = Arc::new(List { items: items.into(), nesting: list.nesting, json: list.json });
        // The old list is held, so that its address is not given to another one.
        self.lists.get_or_insert_default().insert(address(list), (list.clone(), now));
    }

    /// Bytes of the lists that are held here; what `seen` has got counts no more.
    pub(crate) fn held_bytes(&self, seen: &mut HashSet<usize>) -> usize {
        let lists = self.lists.iter().flat_map(|lists| lists.values());
        let items = lists.flat_map(|(old, now)| old.items.iter().chain(now.items.iter()));
        items.map(|item| crate::budget::size_of(item, seen)).sum()
    }

    /// Appends the printed form; null prints as `null`.
    pub(crate) fn print(&self, value: &Value, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) | Value::Lazy(i) => java::push_long(out, (*i).into()),
            Value::Long(v) => java::push_long(out, *v),
            Value::Double(d) => java::push_double(out, *d),
            Value::Big(big) => out.push_str(&big.digits),
            Value::Str(s) => out.push_str(s),
            Value::Safe(s) => out.push_str(s),
            Value::Char(c) => out.push(java::unit_char(*c)),
            Value::List(list) if list.json => self.write_json(value, out),
            Value::List(list) | Value::Array(list) => {
                out.push('[');
                for (i, item) in self.items(list).iter().enumerate() {
                    if out.len() > self.text_max {
                        break;
                    }
                    if i > 0 {
                        out.push_str(", ");
                    }
                    self.print(item, out);
                }
                out.push(']');
            }
            Value::Map(map) if map.json => self.write_json(value, out),
            Value::Map(map) => self.print_entries(map, out),
            Value::Entry(entry) => self.print_entry(entry, out),
            Value::Opaque(thing) => self.print_thing(&thing.0, out),
        }
    }

    fn print_thing(&self, thing: &Thing, out: &mut String) {
        match thing {
            Thing::Loop(at) => {
                let name = |name: &str| at.field(name).unwrap_or(Value::Null);
                for (before, field) in LOOP_FIELDS {
                    out.push_str(before);
                    self.print(&name(field), out);
                }
                out.push('}');
            }
            Thing::View(map) => self.print_entries(map, out),
            Thing::Locale => out.push_str("en_US"),
            // There it is an address, another one each time.
            Thing::Template(name) => out.push_str(name),
            Thing::Macros => out.push_str("macros"),
        }
    }

    fn print_entries(&self, map: &Map, out: &mut String) {
        out.push('{');
        for (i, entry) in map.entries.iter().enumerate() {
            if out.len() > self.text_max {
                break;
            }
            if i > 0 {
                out.push_str(", ");
            }
            self.print_entry(entry, out);
        }
        out.push('}');
    }

    pub(crate) fn print_entry(&self, (key, value): &(Value, Value), out: &mut String) {
        self.print(key, out);
        out.push('=');
        self.print(value, out);
    }

    /// Are all steps taken? What was compared since then has been cut short.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// `equals`: same type, same content. Every element takes a step; once none is left nothing is equal.
    pub(crate) fn equal(&self, a: &Value, b: &Value) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        if left == 0 {
            return false;
        }
        let same_text = |a: &str, b: &str| {
            if a.len() != b.len() {
                return false;
            }
            self.spend(a.len() as u64 >> 6);
            a == b
        };
        match (a, b) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) | (Value::Lazy(a), Value::Lazy(b)) => a == b,
            (Value::Long(a), Value::Long(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Value::Big(a), Value::Big(b)) => same_text(&a.digits, &b.digits),
            (Value::Str(a), Value::Str(b)) => same_text(a, b),
            (Value::Safe(a), Value::Safe(b)) => same_text(a, b),
            (Value::Char(a), Value::Char(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                let (a, b) = (self.items(a), self.items(b));
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.equal(a, b))
            }
            (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b),
            (Value::Map(a), Value::Map(b)) => {
                let same = |(k, v): &(Value, Value)| self.find(b, k).is_some_and(|other| self.equal(v, other));
                a.len() == b.len() && a.entries.iter().all(same)
            }
            (Value::Opaque(a), Value::Opaque(b)) => match (&a.0, &b.0) {
                (Thing::Loop(a), Thing::Loop(b)) => a == b,
                (Thing::View(_), Thing::View(_)) | (Thing::Locale, Thing::Locale) => true,
                (Thing::Template(a), Thing::Template(b)) => a == b,
                _ => Arc::ptr_eq(a, b),
            },
            (Value::Entry(a), Value::Entry(b)) => self.equal(&a.0, &b.0) && self.equal(&a.1, &b.1),
            _ => false,
        }
    }

    /// `hashCode`, which is paid for first; once no steps are left it is 0.
    pub(crate) fn hash(&self, value: &Value) -> i32 {
        if self.pays_hash(value) { value.java_hash() } else { 0 }
    }

    /// Takes the steps of a `hashCode`, as far as there are any.
    fn pays_hash(&self, value: &Value) -> bool {
        self.spend(match value {
            Value::Str(s) => 1 + reading(s.len()),
            Value::Safe(s) => 1 + reading(s.len()),
            Value::Big(big) => big.hash_steps(),
            _ => 1,
        });
        let inside = match value {
            Value::List(list) | Value::Array(list) if list.nesting <= 2 => {
                list.items.iter().all(|item| self.pays_hash(item))
            }
            Value::Map(map) if map.nesting <= 2 => {
                map.entries.iter().all(|(key, value)| self.pays_hash(key) && self.pays_hash(value))
            }
            Value::Entry(entry) => self.pays_hash(&entry.0) && self.pays_hash(&entry.1),
            _ => true,
        };
        inside && !self.is_exhausted()
    }

    /// Appends compact JSON.
    pub(crate) fn write_json(&self, value: &Value, out: &mut String) {
        crate::json::write(value, self, out);
    }

    /// The value under a key of any type.
    pub(crate) fn find<'m>(&self, map: &'m Map, key: &Value) -> Option<&'m Value> {
        match key {
            Value::Str(name) => {
                self.spend(reading(name.len()));
                map.get(name)
            }
            other => map.entries.iter().find(|(k, _)| self.equal(k, other)).map(|(_, v)| v),
        }
    }
}
