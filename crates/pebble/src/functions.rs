//! The functions: `max`, `min`, `range`, and Adobe's own in destination templates.
//!
//! In: arguments laid out by declared name. Out: a value.

use crate::adobe;
use crate::error::{Raised, fault};
use crate::filters::Given;
use crate::operators::as_double;
use crate::render::Renderer;
use crate::template::{Options, Profile};
use crate::value::{List, Value};
use std::sync::Arc;

type Run = for<'r, 'a> fn(&'r mut Renderer<'a>, Given<'a>) -> Raised<Value>;

/// A function.
pub(crate) struct Function {
    name: &'static str,
    pub(crate) params: Option<&'static [&'static str]>,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

static BOTH: [Function; 2] =
    [Function { name: "max", params: None, run: max }, Function { name: "min", params: None, run: min }];

static FULL: [Function; 1] = [Function { name: "range", params: Some(&["start", "end", "increment"]), run: range }];

static DESTINATION: [Function; 4] = [
    Function { name: "addedSegments", params: None, run: adobe::added_segments },
    Function { name: "removedSegments", params: None, run: adobe::removed_segments },
    Function { name: "hasSegments", params: None, run: adobe::has_segments },
    Function { name: "formUrlEncode", params: None, run: adobe::form_url_encode },
];

fn all(options: &Options) -> impl Iterator<Item = &'static Function> {
    let own: &'static [Function] = if options.profile == Profile::Destination { &DESTINATION } else { &FULL };
    BOTH.iter().chain(own)
}

pub(crate) fn find(name: &str, options: &Options) -> Option<&'static Function> {
    all(options).find(|f| f.name == name)
}

pub(crate) fn names(options: &Options) -> impl Iterator<Item = &'static str> {
    all(options).map(|f| f.name)
}

fn max(_: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    extreme(args, "max", |new, kept| new > kept)
}

fn min(_: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    extreme(args, "min", |new, kept| new < kept)
}

fn extreme(args: Given<'_>, name: &str, better: fn(f64, f64) -> bool) -> Raised<Value> {
    let mut kept = Value::Null;
    for arg in args.into_iter().flatten() {
        if matches!(*arg, Value::Null) {
            continue;
        }
        if matches!(kept, Value::Null) {
            kept = arg.owned();
            continue;
        }
        match (as_double(&arg), as_double(&kept)) {
            (Some(new), Some(old)) if better(new, old) => kept = arg.owned(),
            (Some(_), Some(_)) => {}
            (None, _) => return Err(fault(format!("`{name}` compares numbers, not {}", arg.kind()))),
            _ => return Err(fault(format!("`{name}` compares numbers, not {}", kept.kind()))),
        }
    }
    Ok(kept)
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Long(v) => Some(*v),
        Value::Int(v) | Value::Lazy(v) => Some((*v).into()),
        Value::Double(v) => Some(*v as i64),
        Value::Big(big) => Some(big.low),
        _ => None,
    }
}

/// The UTF-16 unit of a string of length one. Characters bound no ranges.
fn letter(value: &Value) -> Option<i64> {
    match value {
        Value::Str(s) => {
            let mut units = crate::java::units(s);
            units.next().filter(|_| units.next().is_none()).map(i64::from)
        }
        _ => None,
    }
}

/// `range(start, end, increment)` and `start..end`.
pub(crate) fn range<'a>(renderer: &mut Renderer<'a>, args: Given<'a>) -> Raised<Value> {
    let mut args = args.into_iter();
    let mut next = || args.next().flatten();
    let (start, end, increment) = (next(), next(), next());
    let step = match increment.as_deref() {
        None | Some(Value::Null) => 1,
        Some(value) => whole(value).ok_or_else(|| fault("the increment of a range is a number"))?,
    };
    let (Some(start), Some(end)) = (start, end) else { return Err(fault("a range needs a start and an end")) };
    if step == 0 {
        return Err(fault("the increment of a range is 0"));
    }
    let numbers = whole(&start).zip(whole(&end));
    let letters = letter(&start).zip(letter(&end));
    let (bounds, by_letter) = match (numbers, letters) {
        (Some(bounds), _) => (bounds, false),
        (_, Some(bounds)) => (bounds, true),
        _ => {
            let message = format!("a range goes from number to number, not from {} to {}", start.kind(), end.kind());
            return Err(fault(message));
        }
    };
    let (from, to) = bounds;
    let distance = if step > 0 { i128::from(to) - i128::from(from) } else { i128::from(from) - i128::from(to) };
    let count = if distance < 0 { 0 } else { distance / i128::from(step).abs() + 1 };
    renderer.charge(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(size_of::<Value>()))?;
    let item = |i: i128| {
        let value = (i128::from(from) + i * i128::from(step)) as i64;
        if by_letter { Value::Char(value as u16) } else { Value::Long(value) }
    };
    Ok(Value::List(Arc::new(List::of((0..count).map(item).collect(), false))))
}
