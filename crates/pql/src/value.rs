//! Values during evaluation: mostly borrowed from the profile, the events or the query.
//!
//! Scalars of `model::Value` are unpacked at once, so that a `V` has one form for one meaning; absent
//! and JSON null are both `Null`. `Now` stays symbolic, for it alone moves continuously: whoever turns
//! it into an instant has to say when the result changes (`Run::settle`, `Run::compare_now`).
//! Always: cloning a `V` is cheap (a reference, a count or an inline string).

use model::time::{DAY_MS, civil_from_days};
use model::{Name, SmolStr, Timestamp, Value};
use std::cmp::Ordering;
use std::rc::Rc;

/// One event of a profile, with its two fixed fields beside the body.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// The field `timestamp`.
    pub timestamp: Timestamp,
    /// The field `_id`.
    pub id: SmolStr,
    /// All other fields.
    pub body: Value,
}

impl EventView {
    /// The timestamp of an event that has none: its field is null, and it stands before all others.
    pub const UNTIMED: Timestamp = Timestamp(i64::MIN);

    /// The order of a history: timestamp, then `_id` (pql.md §1.3).
    pub fn order(&self) -> (Timestamp, &str) {
        (self.timestamp, &self.id)
    }
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum V<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
    Own(SmolStr),
    /// An instant in ms.
    Time(i64),
    /// The instant of the run.
    Now,
    /// A whole day: the ms of its first instant.
    Date(i64),
    /// A stored array.
    Items(&'a [Value]),
    /// A stored object or map.
    Fields(&'a [(Name, Value)]),
    Event(&'a EventView),
    Events(&'a [EventView]),
    /// The first parameter as a whole.
    Profile(&'a Value),
    List(Rc<List<'a>>),
    Record(Rc<Vec<(SmolStr, V<'a>)>>),
    Groups(Rc<Vec<(V<'a>, V<'a>)>>),
}

/// A computed array.
#[derive(Debug)]
pub(crate) struct List<'a> {
    pub(crate) items: Vec<V<'a>>,
    /// The result of a set function: compares without order (pql.md §6).
    pub(crate) set: bool,
}

impl<'a> V<'a> {
    pub(crate) fn of(value: &'a Value) -> V<'a> {
        match value {
            Value::Null => V::Null,
            Value::Bool(b) => V::Bool(*b),
            Value::Int(n) => V::Int(*n),
            Value::Double(n) => V::double(*n),
            Value::Str(s) => V::Str(s),
            Value::Array(items) => V::Items(items),
            Value::Object(fields) => V::Fields(fields),
        }
    }

    /// When an event happened; null where that is not known.
    pub(crate) fn time_of(event: &EventView) -> V<'a> {
        if event.timestamp == EventView::UNTIMED { V::Null } else { V::Time(event.timestamp.0) }
    }

    /// The id of an event; null where it has none.
    pub(crate) fn id_of(event: &'a EventView) -> V<'a> {
        if event.id.is_empty() { V::Null } else { V::Str(&event.id) }
    }

    pub(crate) fn list(items: Vec<V<'a>>) -> V<'a> {
        V::List(Rc::new(List { items, set: false }))
    }

    pub(crate) fn set(items: Vec<V<'a>>) -> V<'a> {
        V::List(Rc::new(List { items, set: true }))
    }

    /// A number; NaN and infinities become null, and there is one zero.
    pub(crate) fn double(n: f64) -> V<'a> {
        // Plus zero makes zero of minus zero, which equals it and must not print otherwise.
        if n.is_finite() { V::Double(n + 0.0) } else { V::Null }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, V::Null)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            V::Str(s) => Some(s),
            V::Own(s) => Some(s),
            _ => None,
        }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            V::Int(n) => Some(*n as f64),
            V::Double(n) => Some(*n),
            _ => None,
        }
    }

    /// The number of items of an array; `None` for all else.
    pub(crate) fn array_len(&self) -> Option<usize> {
        match self {
            V::Items(items) => Some(items.len()),
            V::Events(events) => Some(events.len()),
            V::List(list) => Some(list.items.len()),
            _ => None,
        }
    }

    /// The item at a place of an array.
    pub(crate) fn item(&self, at: usize) -> V<'a> {
        match self {
            V::Items(items) => items.get(at).map_or(V::Null, V::of),
            V::Events(events) => events.get(at).map_or(V::Null, V::Event),
            V::List(list) => list.items.get(at).cloned().unwrap_or(V::Null),
            _ => V::Null,
        }
    }

    /// The items of an array; nothing for all else.
    pub(crate) fn items(&self) -> impl Iterator<Item = V<'a>> {
        let whole = self.clone();
        (0..self.array_len().unwrap_or(0)).map(move |at| whole.item(at))
    }

    /// The truth of a value where a Boolean is required (pql.md §1.4).
    pub(crate) fn truth(&self) -> bool {
        matches!(self, V::Bool(true)) || self.array_len().is_some_and(|n| n > 0)
    }

    /// The value as an owned document; `now` is what `Now` stands for. `None`: it would take more than so many bytes,
    /// for what shares its parts here repeats them there.
    pub(crate) fn to_value(&self, now: i64, bytes_max: usize) -> Option<Value> {
        let mut left = bytes_max;
        self.owned(now, &mut left)
    }

    fn owned(&self, now: i64, left: &mut usize) -> Option<Value> {
        take(left, size_of::<Value>())?;
        Some(match self {
            V::Null => Value::Null,
            V::Bool(b) => Value::Bool(*b),
            V::Int(n) => Value::Int(*n),
            V::Double(n) => Value::Double(*n),
            V::Str(s) => {
                take(left, s.len())?;
                Value::Str(SmolStr::new(s))
            }
            V::Own(s) => {
                // It is shared here, but not where it is printed.
                take(left, s.len())?;
                Value::Str(s.clone())
            }
            V::Time(ms) => Value::Str(SmolStr::from(Timestamp(*ms).to_string())),
            V::Now => Value::Str(SmolStr::from(Timestamp(now).to_string())),
            V::Date(ms) => Value::Str(date_text(*ms)),
            V::Items(items) => {
                Value::Array(items.iter().map(|item| V::of(item).owned(now, left)).collect::<Option<_>>()?)
            }
            V::Fields(fields) => stored(fields.iter(), left)?,
            V::Event(event) => event_value(event, left)?,
            V::Events(events) => Value::Array(events.iter().map(|e| event_value(e, left)).collect::<Option<_>>()?),
            V::Profile(profile) => V::of(profile).owned(now, left)?,
            V::List(list) => Value::Array(list.items.iter().map(|v| v.owned(now, left)).collect::<Option<_>>()?),
            V::Record(fields) => {
                let field = |(name, v): &(SmolStr, V<'a>)| {
                    take(left, size_of::<Name>() + name.len())?;
                    Some((name.clone(), v.owned(now, left)?))
                };
                Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
            }
            V::Groups(groups) => Value::Array(groups.iter().map(|(_, v)| v.owned(now, left)).collect::<Option<_>>()?),
        })
    }
}

fn take(left: &mut usize, bytes: usize) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

/// A stored object, null fields with it.
fn stored<'f>(fields: impl IntoIterator<Item = &'f (Name, Value)>, left: &mut usize) -> Option<Value> {
    let field = |(name, v): &(Name, Value)| {
        take(left, size_of::<Name>() + name.len())?;
        Some((name.clone(), V::of(v).owned(0, left)?))
    };
    Some(Value::Object(fields.into_iter().map(field).collect::<Option<_>>()?))
}

fn event_value(event: &EventView, left: &mut usize) -> Option<Value> {
    let own = [("_id", V::id_of(event)), ("timestamp", V::time_of(event))].map(|(n, v)| (SmolStr::new_static(n), v));
    let mut fields = Vec::new();
    for (name, v) in own.into_iter().filter(|(_, v)| !v.is_null()) {
        fields.push((name, v.owned(0, left)?));
    }
    let body = event.body.as_object().unwrap_or(&[]);
    let others = body.iter().filter(|(name, _)| name != "_id" && name != "timestamp");
    if let Value::Object(others) = stored(others, left)? {
        fields.extend(others);
    }
    Some(Value::Object(fields))
}

/// `2026-03-18`
pub(crate) fn date_text(ms: i64) -> SmolStr {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    SmolStr::from(format!("{year:04}-{month:02}-{day:02}"))
}

/// The order of two numbers, exact even where an integer has no double.
pub(crate) fn compare_numbers(a: &V<'_>, b: &V<'_>) -> Option<Ordering> {
    match (a, b) {
        (V::Int(a), V::Int(b)) => Some(a.cmp(b)),
        (V::Double(a), V::Double(b)) => a.partial_cmp(b),
        (V::Int(a), V::Double(b)) => Some(compare_int_double(*a, *b)),
        (V::Double(a), V::Int(b)) => Some(compare_int_double(*b, *a).reverse()),
        _ => None,
    }
}

/// 2^63, the first double above every `i64`.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

fn compare_int_double(a: i64, b: f64) -> Ordering {
    if b >= BEYOND {
        Ordering::Less
    } else if b < -BEYOND {
        Ordering::Greater
    } else {
        let whole = b.trunc();
        a.cmp(&(whole as i64)).then(if b > whole {
            Ordering::Less
        } else if b < whole {
            Ordering::Greater
        } else {
            Ordering::Equal
        })
    }
}

/// A total order for sorting: by kind first, then by value. Nulls last is up to the caller.
pub(crate) fn sort_order(a: &V<'_>, b: &V<'_>) -> Ordering {
    fn kind(v: &V<'_>) -> u8 {
        match v {
            V::Bool(_) => 0,
            V::Int(_) | V::Double(_) => 1,
            V::Str(_) | V::Own(_) => 2,
            V::Time(_) | V::Date(_) | V::Now => 3,
            _ => 4,
        }
    }
    match (a, b) {
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Time(a) | V::Date(a), V::Time(b) | V::Date(b)) => a.cmp(b),
        _ => match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => compare_numbers(a, b).unwrap_or_else(|| kind(a).cmp(&kind(b))),
        },
    }
}
