//! What operators, attributes and methods do with values.
//!
//! In: plain values. Out: values or faults. Always: nothing is changed in place.

use crate::error::{Raised, fault};
use crate::java;
use crate::methods;
use crate::print::{Changed, reading};
use crate::render::Renderer;
use crate::scope::Held;
use crate::tree::Op;
use crate::value::{List, Map, Thing, Value};
use std::sync::Arc;

/// How deep lists and maps made by a template may nest.
const NESTING_MAX: u32 = 256;

pub(crate) fn list(items: Vec<Value>) -> Raised<Value> {
    let list = List::of(items, false);
    if list.nesting > NESTING_MAX {
        return Err(fault(format!("lists nest more than {NESTING_MAX} deep")));
    }
    Ok(Value::List(Arc::new(list)))
}

pub(crate) fn map(entries: Vec<(Value, Value)>) -> Raised<Value> {
    let map = Map::of(entries, false);
    if map.nesting > NESTING_MAX {
        return Err(fault(format!("maps nest more than {NESTING_MAX} deep")));
    }
    Ok(Value::Map(Arc::new(map)))
}

/// Entries in the order of a `HashMap`; of equal keys the last value counts.
pub(crate) fn hashed(entries: Vec<(Value, Value)>, capacity: usize, changed: &Changed) -> Raised<Vec<(Value, Value)>> {
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    let mut hashes: Vec<i32> = Vec::with_capacity(entries.len());
    let mut places: std::collections::HashMap<i32, Vec<usize>> = std::collections::HashMap::new();
    for (key, value) in entries {
        let hash = changed.hash(&key);
        if changed.is_exhausted() {
            return Err(fault("the entries of a map take too many steps"));
        }
        let same = places.entry(hash).or_default();
        match same.iter().find(|i| changed.equal(&kept[**i].0, &key)) {
            Some(i) => kept[*i].1 = value,
            None => {
                same.push(kept.len());
                kept.push((key, value));
                hashes.push(hash);
            }
        }
    }
    let mut slots: Vec<Option<(Value, Value)>> = kept.into_iter().map(Some).collect();
    Ok(java::hash_order(&hashes, capacity).into_iter().filter_map(|i| slots[i].take()).collect())
}

pub(crate) fn literal_map(entries: Vec<(Value, Value)>, changed: &Changed) -> Raised<Value> {
    let capacity = (entries.len() as f64 / 0.75).ceil() as usize;
    map(if entries.len() < 2 { entries } else { hashed(entries, capacity, changed)? })
}

/// A number as arithmetic sees it.
#[derive(Clone, Copy)]
enum Number {
    Int(i32),
    Long(i64),
    Double(f64),
    /// An integer past 64 bits: its low bits.
    Big(i64),
}

impl Number {
    fn double(self, value: &Value) -> f64 {
        match (self, value) {
            (_, Value::Big(big)) => big.double,
            (Number::Int(v), _) => v.into(),
            (Number::Long(v) | Number::Big(v), _) => v as f64,
            (Number::Double(v), _) => v,
        }
    }

    fn long(self) -> i64 {
        match self {
            Number::Int(v) => v.into(),
            Number::Long(v) | Number::Big(v) => v,
            Number::Double(v) => v as i64,
        }
    }

    /// The low 32 bits of what is neither a Long nor a Double.
    fn int(self) -> Option<i32> {
        match self {
            Number::Int(v) => Some(v),
            Number::Big(v) => Some(v as i32),
            Number::Long(_) | Number::Double(_) => None,
        }
    }
}

fn number(value: &Value, changed: &Changed) -> Raised<Number> {
    match value {
        Value::Int(v) | Value::Lazy(v) => Ok(Number::Int(*v)),
        Value::Long(v) => Ok(Number::Long(*v)),
        Value::Double(v) => Ok(Number::Double(*v)),
        Value::Big(big) => Ok(Number::Big(big.low)),
        Value::Str(s) => {
            changed.spend(reading(s.len()));
            let parsed = if s.contains(['.', 'e', 'E']) {
                java::parse_double(s).map(Number::Double)
            } else {
                java::parse_long(s).map(Number::Long)
            };
            parsed.ok_or_else(|| fault("this string is no number").given(s))
        }
        other => Err(fault(format!("a number is needed, not {}", other.kind()))),
    }
}

/// The numeric value for comparisons, if it is a number.
#[inline]
pub(crate) fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Long(v) => Some(*v as f64),
        Value::Double(v) => Some(*v),
        Value::Int(v) | Value::Lazy(v) => Some((*v).into()),
        Value::Big(big) => Some(big.double),
        _ => None,
    }
}

pub(crate) fn arithmetic(op: Op, left: &Value, right: &Value, changed: &Changed) -> Raised<Value> {
    let (a, b) = (number(left, changed)?, number(right, changed)?);
    let zero = || fault("division by zero");
    if matches!(a, Number::Double(_)) || matches!(b, Number::Double(_)) {
        let (x, y) = (a.double(left), b.double(right));
        return Ok(Value::Double(match op {
            Op::Add => x + y,
            Op::Subtract => x - y,
            Op::Multiply => x * y,
            Op::Divide => x / y,
            _ => x % y,
        }));
    }
    let whole = match (a.int(), b.int()) {
        (Some(x), Some(y)) => i64::from(match op {
            Op::Add => x.wrapping_add(y),
            Op::Subtract => x.wrapping_sub(y),
            Op::Multiply => x.wrapping_mul(y),
            Op::Divide if y == 0 => return Err(zero()),
            Op::Divide => x.wrapping_div(y),
            _ if y == 0 => return Err(zero()),
            _ => x.wrapping_rem(y),
        }),
        _ => {
            let (x, y) = (a.long(), b.long());
            match op {
                Op::Add => x.wrapping_add(y),
                Op::Subtract => x.wrapping_sub(y),
                Op::Multiply => x.wrapping_mul(y),
                Op::Divide if y == 0 => return Err(zero()),
                Op::Divide => x.wrapping_div(y),
                _ if y == 0 => return Err(zero()),
                _ => x.wrapping_rem(y),
            }
        }
    };
    Ok(Value::Long(whole))
}

pub(crate) fn add<'a>(renderer: &mut Renderer<'a>, left: Held<'a>, right: Held<'a>) -> Raised<Value> {
    if left.text().is_some() || right.text().is_some() {
        let known = [&left, &right].map(|side| side.text().map_or(0, str::len));
        renderer.charge(known[0] + known[1])?;
        let mut text = String::new();
        renderer.changed.print(&left, &mut text);
        renderer.changed.print(&right, &mut text);
        renderer.charge(text.len().saturating_sub(known[0] + known[1]))?;
        return Ok(Value::Str(text.into()));
    }
    let Value::List(old) = &*left else { return arithmetic(Op::Add, &left, &right, &renderer.changed) };
    let more = match &*right {
        Value::List(more) => renderer.changed.items(more).len(),
        _ => 1,
    };
    let old = renderer.changed.now(old);
    renderer.charge((old.items.len() + more + 2) * size_of::<Value>())?;
    let mut items = Vec::with_capacity(old.items.len() + more);
    items.extend_from_slice(&old.items);
    match &*right {
        Value::List(more) => items.extend_from_slice(renderer.changed.items(more)),
        _ => items.push(right.owned()),
    }
    list(items)
}

/// `list - x`.
pub(crate) fn remove(renderer: &mut Renderer<'_>, left: &Arc<List>, right: &Value) -> Raised<Value> {
    let old = renderer.changed.now(left);
    renderer.charge((old.items.len() + 2) * size_of::<Value>())?;
    let mut items = old.items.to_vec();
    match right {
        Value::List(gone) => {
            let gone = renderer.changed.now(gone);
            renderer.step((items.len() * gone.items.len()) as u64 / 8)?;
            items.retain(|item| !gone.items.iter().any(|g| renderer.changed.equal(item, g)));
            renderer.step(1)?;
        }
        one => {
            if let Some(at) = items.iter().position(|item| renderer.changed.equal(item, one)) {
                items.remove(at);
            }
        }
    }
    list(items)
}

/// `==`
#[inline]
pub(crate) fn same(left: &Value, right: &Value, changed: &Changed) -> bool {
    match (left, right) {
        (Value::Str(_), Value::Str(_)) => changed.equal(left, right),
        (a, b) => match (as_double(a), as_double(b)) {
            (Some(a), Some(b)) => a == b,
            _ => changed.equal(a, b),
        },
    }
}

/// The comparison of two numbers.
#[inline]
pub(crate) fn ordered(op: Op, a: f64, b: f64) -> bool {
    match op {
        Op::Equal => a == b,
        Op::NotEqual => a != b,
        Op::Less => a < b,
        Op::Greater => a > b,
        Op::LessEqual => a <= b,
        _ => a >= b,
    }
}

pub(crate) fn compare(op: Op, left: &Value, right: &Value) -> Raised<bool> {
    match (as_double(left), as_double(right)) {
        (Some(a), Some(b)) => Ok(ordered(op, a, b)),
        _ if matches!(left, Value::Null) || matches!(right, Value::Null) => Ok(false),
        _ => Err(fault(format!("only numbers have an order, not {} and {}", left.kind(), right.kind()))),
    }
}

pub(crate) fn truth(value: &Value) -> Raised<bool> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::Null => Ok(false),
        Value::Str(s) => Ok(!s.is_empty()),
        value => match as_double(value) {
            Some(v) => Ok(v != 0.0 && !v.is_nan()),
            None => Err(fault(format!("{} is neither true nor false", value.kind()))),
        },
    }
}

pub(crate) fn contains(left: &Value, right: &Value, changed: &Changed) -> Raised<bool> {
    let has = |items: &[Value], item: &Value| items.iter().any(|i| changed.equal(i, item));
    match (left, right) {
        (Value::List(items), Value::List(all)) => {
            let items = changed.items(items);
            Ok(changed.items(all).iter().all(|item| has(items, item)))
        }
        (Value::List(items) | Value::Array(items), item) => Ok(has(changed.items(items), item)),
        (Value::Map(map), key) => Ok(changed.find(map, key).is_some()),
        (Value::Str(text), part) => {
            let mut room = String::new();
            let part = match part {
                Value::Str(part) => part.as_str(),
                other => {
                    changed.print(other, &mut room);
                    room.as_str()
                }
            };
            changed.spend(reading(text.len() + part.len()));
            Ok(!changed.is_exhausted() && text.contains(part))
        }
        (other, _) => Err(fault(format!("`contains` looks into lists, maps and strings, not {}", other.kind()))),
    }
}

/// The attribute of a value; `None` if it has none.
pub(crate) fn attribute<'a>(base: &'a Value, key: &Value, changed: &'_ Changed) -> Raised<Option<Held<'a>>> {
    match base {
        Value::Null => Ok(None),
        Value::Map(map) => of_map(map, key, changed).map(|found| found.map(Held::Ref)),
        Value::List(list) => {
            let index = match key {
                Value::Long(i) => Some(*i),
                Value::Int(i) | Value::Lazy(i) => Some((*i).into()),
                Value::Str(s) => java::parse_long(s).filter(|i| i32::try_from(*i).is_ok()),
                _ => None,
            };
            if let Some(index) = index {
                let place = usize::try_from(index).ok();
                if changed.is_empty() {
                    return Ok(place.and_then(|i| list.items.get(i)).map(Held::Ref));
                }
                return Ok(place.and_then(|i| changed.items(list).get(i)).cloned().map(Held::Own));
            }
            property(base, key, changed)
        }
        Value::Array(list) => match key {
            Value::Long(i) => Ok(usize::try_from(*i).ok().and_then(|i| list.items.get(i)).map(Held::Ref)),
            Value::Int(i) => Ok(usize::try_from(*i).ok().and_then(|i| list.items.get(i)).map(Held::Ref)),
            _ => property(base, key, changed),
        },
        Value::Entry(entry) => match key {
            Value::Str(name) if name == "key" => Ok(Some(Held::Ref(&entry.0))),
            Value::Str(name) if name == "value" => Ok(Some(Held::Ref(&entry.1))),
            _ => property(base, key, changed),
        },
        Value::Opaque(thing) => of_thing(base, &thing.0, key, changed),
        _ => property(base, key, changed),
    }
}

fn of_thing<'a>(base: &'a Value, thing: &'a Thing, key: &Value, changed: &Changed) -> Raised<Option<Held<'a>>> {
    match (thing, key) {
        (Thing::View(map), Value::Str(name)) => Ok(map.get(name).map(Held::Ref)),
        (Thing::View(_), key) if key.is_number() => Err(fault("the keys of `_context` are strings")),
        (Thing::View(map), key) => {
            let mut name = String::new();
            changed.print(key, &mut name);
            changed.spend(reading(name.len()));
            Ok(map.get(&name).map(Held::Ref))
        }
        _ => property(base, key, changed),
    }
}

fn property<'a>(base: &Value, key: &Value, changed: &Changed) -> Raised<Option<Held<'a>>> {
    match key {
        Value::Str(name) if name.is_empty() => Err(fault("an attribute needs a name")),
        Value::Str(name) => methods::method(base, name, &[], changed).map(|found| found.map(Held::Own)),
        _ => Ok(None),
    }
}

fn of_map<'a>(map: &'a Map, key: &Value, changed: &Changed) -> Raised<Option<&'a Value>> {
    if map.is_empty() || !key.is_number() {
        return Ok(changed.find(map, key));
    }
    let cast = match (&map.entries[0].0, as_double(key)) {
        (Value::Long(_), _) => Value::Long(match key {
            Value::Long(v) => *v,
            Value::Big(big) => big.low,
            other => as_double(other).unwrap_or(0.0) as i64,
        }),
        (Value::Int(_), Some(v)) => Value::Int(v as i64 as i32),
        (Value::Double(_), Some(v)) => Value::Double(v),
        (other, _) => {
            return Err(fault(format!("a number cannot be the key of a map whose keys are {}", plural(other))));
        }
    };
    Ok(changed.find(map, &cast))
}

fn plural(value: &Value) -> String {
    let kind = value.kind();
    format!("{}s", kind.strip_prefix("a ").or_else(|| kind.strip_prefix("an ")).unwrap_or(kind))
}

/// `String.compareTo`
pub(crate) fn compare_units(a: &str, b: &str) -> i32 {
    // What both start with is skipped in one go; the first difference decides, unit by unit.
    let (chunks_a, chunks_b) = (a.as_bytes().chunks(PIECE), b.as_bytes().chunks(PIECE));
    let mut same = PIECE * chunks_a.zip(chunks_b).take_while(|(x, y)| x == y && x.len() == PIECE).count();
    while !a.is_char_boundary(same) {
        same -= 1;
    }
    let (a, b) = (&a[same..], &b[same..]);
    for (x, y) in java::units(a).zip(java::units(b)) {
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    java::units_len(a) as i32 - java::units_len(b) as i32
}

const PIECE: usize = 64;
