//! Filters on lists, arrays and maps.
//!
//! In: collections. Out: values. Always: what Java changes in place is changed for this render only.

use super::{Given, first as argument, plain, text};
use crate::error::{Raised, fault};
use crate::java;
use crate::operators;
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::{List, Thing, Value};
use std::cmp::Ordering;
use std::sync::Arc;

fn index(value: &Value) -> Raised<i64> {
    match value {
        Value::Long(v) => Ok((*v as i32).into()),
        Value::Int(v) | Value::Lazy(v) => Ok((*v).into()),
        Value::Double(v) => Ok((*v as i32).into()),
        Value::Big(big) => Ok((big.low as i32).into()),
        other => Err(fault(format!("`slice` counts in numbers, not {}", other.kind()))),
    }
}

pub(super) fn slice<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    renderer.read(input.text().map_or(0, str::len))?;
    let size = match &*input {
        Value::Null => return Ok(input),
        Value::Str(s) => java::units_len(s),
        Value::Safe(s) => java::units_len(s),
        Value::List(list) | Value::Array(list) => renderer.changed.items(list).len(),
        other => return Err(fault(format!("`slice` takes strings and lists, not {}", other.kind()))),
    };
    let mut args = args.into_iter();
    let (from, to) = (args.next().flatten(), args.next().flatten());
    let from = from.as_deref().filter(|v| !matches!(v, Value::Null)).map_or(Ok(0), index)?;
    let given = to.as_deref().filter(|v| !matches!(v, Value::Null)).map(index).transpose()?;
    let to = given.unwrap_or(size as i64);
    if from < 0 || from > size as i64 || to > size as i64 || given.is_some_and(|to| to <= from) {
        return Err(fault(format!("`slice` from {from} to {to} is outside 0 to {size}")));
    }
    let (from, to) = (from as usize, to as usize);
    let each = if input.text().is_some() { 1 } else { size_of::<Value>() };
    renderer.charge((to - from) * each)?;
    Ok(Held::Own(match &*input {
        Value::List(list) => operators::list(renderer.changed.items(list)[from..to].to_vec())?,
        Value::Array(list) => Value::Array(Arc::new(List::of(list.items[from..to].to_vec(), false))),
        other => Value::Str(java::slice_units(other.text().unwrap_or_default(), from, to)),
    }))
}

pub(super) fn length<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    renderer.read(input.text().map_or(0, str::len))?;
    let size = match &*input {
        Value::Str(s) => java::units_len(s),
        Value::Safe(s) => java::units_len(s),
        Value::List(list) | Value::Array(list) => renderer.changed.items(list).len(),
        Value::Map(map) => map.len(),
        Value::Opaque(thing) if matches!(thing.0, Thing::View(_)) => {
            return Err(fault("`_context` has no length"));
        }
        _ => 0,
    };
    Ok(Held::Own(Value::Int(size as i32)))
}

pub(super) fn first<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    end(renderer, input, "first")
}

pub(super) fn last<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    end(renderer, input, "last")
}

fn end<'a>(renderer: &Renderer<'a>, input: Held<'a>, name: &str) -> Raised<Held<'a>> {
    let first = name == "first";
    if let (Held::Ref(Value::List(list)), true) = (&input, renderer.changed.is_empty()) {
        let found = if first { list.items.first() } else { list.items.last() };
        return Ok(Held::Ref(found.unwrap_or(&crate::scope::NULL)));
    }
    Ok(Held::Own(match &*input {
        Value::Null => Value::Null,
        text @ (Value::Str(_) | Value::Safe(_)) => {
            let s = text.text().unwrap_or_default();
            let unit = if first { java::units(s).next() } else { java::last_unit(s) };
            Value::Char(unit.ok_or_else(|| fault(format!("`{name}` of an empty string")))?)
        }
        Value::List(list) | Value::Array(list) => {
            let items = renderer.changed.items(list);
            let found = if first { items.first() } else { items.last() };
            found.cloned().unwrap_or(Value::Null)
        }
        other => return Err(fault(format!("`{name}` takes strings and lists, not {}", other.kind()))),
    }))
}

pub(super) fn join<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    let list = match &*input {
        Value::Null => return Ok(input),
        Value::List(list) | Value::Array(list) => renderer.changed.now(list),
        other => return Err(fault(format!("`join` takes a list, not {}", other.kind()))),
    };
    let separator = argument(args);
    let separator = match separator.as_deref() {
        None | Some(Value::Null) => "",
        Some(Value::Str(s)) => s,
        Some(other) => return Err(fault(format!("the separator of `join` is a string, not {}", other.kind()))),
    };
    renderer.step(1 + list.items.len() as u64 / 4)?;
    let mut out = String::new();
    for (i, item) in list.items.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        renderer.changed.print(item, &mut out);
        if i % 64 == 0 {
            renderer.step(1 + (out.len() as u64 >> 16))?;
        }
        if out.len() > renderer.changed.text_max {
            break;
        }
    }
    renderer.charge(out.len())?;
    Ok(Held::Own(Value::Str(out.into())))
}

/// The order of two elements of one type.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Long(a), Value::Long(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b)) => {
            let key = |v: &f64| if v.is_nan() { f64::NAN } else { *v };
            key(a).total_cmp(&key(b))
        }
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Char(a), Value::Char(b)) => a.cmp(b),
        (Value::Str(a), Value::Str(b)) => text::order(a, b),
        (Value::Big(a), Value::Big(b)) => a.double.total_cmp(&b.double),
        _ => return None,
    })
}

pub(super) fn sort<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    sorted(renderer, input, "sort", |a, b| order(a, b).unwrap_or(Ordering::Equal))
}

pub(super) fn rsort<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    sorted(renderer, input, "rsort", |a, b| order(b, a).unwrap_or(Ordering::Equal))
}

fn sorted<'a>(
    renderer: &mut Renderer<'a>,
    input: Held<'a>,
    name: &str,
    by: fn(&Value, &Value) -> Ordering,
) -> Raised<Held<'a>> {
    let list = match &*input {
        Value::Null => return Ok(input),
        Value::List(list) => list,
        Value::Array(list) if name == "sort" => list,
        other => return Err(fault(format!("`{name}` takes a list, not {}", other.kind()))),
    };
    let old = renderer.changed.now(list);
    renderer.charge(old.items.len() * size_of::<Value>())?;
    // Every element is compared once for each time that the list can be halved.
    let texts: u64 = old.items.iter().map(|item| item.text().map_or(0, |text| text.len() as u64)).sum();
    let rounds = u64::from(old.items.len().max(1).ilog2()) + 1;
    renderer.step((old.items.len() as u64 / 8 + texts / 64).saturating_mul(rounds))?;
    let mut items = old.items.to_vec();
    if items.len() > 1 && items.windows(2).any(|w| order(&w[0], &w[1]).is_none()) {
        return Err(fault(format!("`{name}` needs elements of one type that have an order")));
    }
    items.sort_by(by);
    renderer.changed.change(list, items);
    Ok(input)
}

pub(super) fn reverse<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    let list = match &*input {
        Value::Null => return Ok(input),
        Value::List(list) => list,
        other => return Err(fault(format!("`reverse` takes a list, not {}", other.kind()))),
    };
    let old = renderer.changed.now(list);
    renderer.charge(old.items.len() * size_of::<Value>())?;
    let mut items = old.items.to_vec();
    items.reverse();
    renderer.changed.change(list, items);
    Ok(input)
}

pub(super) fn merge<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    let Some(items) = argument(args) else {
        return if matches!(*input, Value::Null) {
            Err(fault("`merge` has nothing to merge"))
        } else {
            Ok(plain(input))
        };
    };
    match (&*input, &*items) {
        (Value::Null, Value::Null) => Err(fault("`merge` has nothing to merge")),
        (Value::Null, _) => Ok(items),
        (_, Value::Null) => Ok(plain(input)),
        (Value::Map(a), other) => {
            let count = match other {
                Value::Map(b) => b.len(),
                Value::List(b) => renderer.changed.items(b).len(),
                _ => 0,
            };
            let capacity = a.len() + count + 16;
            renderer.charge(capacity * 2 * size_of::<Value>())?;
            let more: Vec<(Value, Value)> = match other {
                Value::Map(b) => b.entries.to_vec(),
                Value::List(b) => renderer.changed.items(b).iter().map(|v| (v.clone(), v.clone())).collect(),
                other => return Err(fault(format!("a map merges with maps and lists, not {}", other.kind()))),
            };
            let all = a.entries.iter().cloned().chain(more).collect();
            let entries = operators::hashed(all, capacity, &renderer.changed)?;
            operators::map(entries).map(Held::Own)
        }
        (Value::List(a), other) => {
            let more = match other {
                Value::List(b) => renderer.changed.items(b).len(),
                Value::Map(b) => 3 * b.len(),
                _ => 0,
            };
            renderer.charge((renderer.changed.items(a).len() + more) * size_of::<Value>())?;
            let mut all = renderer.changed.items(a).to_vec();
            match other {
                Value::List(b) => all.extend_from_slice(renderer.changed.items(b)),
                Value::Map(b) => all.extend(b.entries.iter().map(|e| Value::Entry(Arc::new(e.clone())))),
                other => return Err(fault(format!("a list merges with lists and maps, not {}", other.kind()))),
            }
            operators::list(all).map(Held::Own)
        }
        (other, _) => Err(fault(format!("`merge` takes maps and lists, not {}", other.kind()))),
    }
}
