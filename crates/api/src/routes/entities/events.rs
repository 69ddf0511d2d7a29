//! Which events of a profile are shown: time range, property filters, order and pages.
//!
//! Order: timestamp, then `_id` (profile.md §13), then the data set's name for the event.
//! Always: the pages of one query over an unchanged history hold every event once.

use super::show::event_value;
use engine::StoredEvent;
use model::codec::{self, Reader};
use model::time::DAY_MS;
use model::{NamespaceId, SmolStr, Timestamp, Value};
use std::cmp::Ordering;

/// Which events, in which order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct EventQuery {
    /// First millisecond, inclusive.
    pub(super) from: Option<i64>,
    /// Last millisecond, exclusive.
    pub(super) to: Option<i64>,
    pub(super) limit: usize,
    pub(super) descending: bool,
    pub(super) filters: Vec<Filter>,
    /// The last event of the page before.
    pub(super) after: Option<Cursor>,
    /// Only the event of this `_id`.
    pub(super) id: Option<String>,
}

/// One page, and where the next one starts.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) events: Vec<StoredEvent>,
    pub(super) next: Option<Cursor>,
}

/// A place in a history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    timestamp: Timestamp,
    id: SmolStr,
    name: [u8; 10],
}

impl Cursor {
    fn of(event: &StoredEvent) -> Cursor {
        Cursor { timestamp: event.view.timestamp, id: event.view.id.clone(), name: event.name() }
    }

    /// The opaque text of `start` and `next`.
    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::new();
        codec::put_i64(&mut bytes, self.timestamp.0);
        codec::put_bytes(&mut bytes, self.id.as_bytes());
        bytes.extend_from_slice(&self.name);
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Reads what [`Cursor::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Cursor> {
        let digit = |b: u8| (b as char).to_digit(16);
        let pair = |p: &[u8]| Some((digit(p[0])? * 16 + digit(*p.get(1)?)?) as u8);
        let bytes = text.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>()?;
        let mut reader = Reader::new(&bytes);
        let timestamp = Timestamp(reader.i64().ok()?);
        let id = SmolStr::new(reader.str().ok()?);
        let name = reader.take(10).ok()?.try_into().ok()?;
        reader.is_empty().then_some(Cursor { timestamp, id, name })
    }
}

/// The page of a query over all events of a profile.
pub(super) fn page(all: Vec<StoredEvent>, query: &EventQuery, code: &dyn Fn(NamespaceId) -> SmolStr) -> Page {
    let wanted = |event: &StoredEvent| {
        let at = event.view.timestamp.0;
        query.from.is_none_or(|from| at >= from)
            && query.to.is_none_or(|to| at < to)
            && query.id.as_deref().is_none_or(|id| event.view.id == id)
            && (query.filters.is_empty() || {
                let value = event_value(event, code);
                query.filters.iter().all(|filter| filter.admits(&value))
            })
    };
    let mut placed: Vec<(Cursor, StoredEvent)> =
        all.into_iter().filter(wanted).map(|event| (Cursor::of(&event), event)).collect();
    placed.sort_by(|(a, _), (b, _)| if query.descending { b.cmp(a) } else { a.cmp(b) });
    let first = query.after.as_ref().map_or(0, |after| {
        placed.partition_point(|(place, _)| if query.descending { place >= after } else { place <= after })
    });
    let more = placed.len() - first > query.limit;
    let shown: Vec<(Cursor, StoredEvent)> = placed.into_iter().skip(first).take(query.limit).collect();
    let next = shown.last().filter(|_| more).map(|(place, _)| place.clone());
    Page { events: shown.into_iter().map(|(_, event)| event).collect(), next }
}

/// `path operator value` of a `property` parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    path: Vec<String>,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads `web.webPageDetails.isHomepage=false`; the value may stand in quotes.
    pub(super) fn parse(text: &str) -> Option<Filter> {
        let at = text.find(['=', '!', '<', '>'])?;
        let (path, rest) = text.split_at(at);
        let operators = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("!=", Operator::NotEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let (operator, value) = operators.iter().find_map(|(sign, o)| Some((*o, rest.strip_prefix(sign)?.trim())))?;
        let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value).to_owned();
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        let sound = !path.iter().any(String::is_empty) && !value.is_empty();
        sound.then_some(Filter { path, operator, value })
    }

    /// True if an event has a fitting value at the path; in an array one fitting item is enough.
    /// `!=` is the negation of `=`, so that it admits events without the field.
    pub(super) fn admits(&self, event: &Value) -> bool {
        match self.operator {
            Operator::NotEqual => !self.any(event, &self.path, &|order| order == Ordering::Equal),
            Operator::Equal => self.any(event, &self.path, &|order| order == Ordering::Equal),
            Operator::Less => self.any(event, &self.path, &|order| order == Ordering::Less),
            Operator::LessOrEqual => self.any(event, &self.path, &|order| order != Ordering::Greater),
            Operator::Greater => self.any(event, &self.path, &|order| order == Ordering::Greater),
            Operator::GreaterOrEqual => self.any(event, &self.path, &|order| order != Ordering::Less),
        }
    }

    fn any(&self, at: &Value, path: &[String], fits: &dyn Fn(Ordering) -> bool) -> bool {
        match (at, path.split_first()) {
            (Value::Array(items), _) => items.iter().any(|item| self.any(item, path, fits)),
            (_, Some((name, rest))) => self.any(at.get(name), rest, fits),
            (leaf, None) => compare(leaf, &self.value).is_some_and(fits),
        }
    }
}

/// How a field stands to the text of a filter, by the type of the field; `None` where they cannot be
/// compared. A date stands for its whole UTC day.
fn compare(field: &Value, text: &str) -> Option<Ordering> {
    match field {
        Value::Bool(b) => text.parse().ok().map(|t| b.cmp(&t)),
        Value::Int(i) => match text.parse::<i64>() {
            Ok(t) => Some(i.cmp(&t)),
            Err(_) => text.parse().ok().and_then(|t| (*i as f64).partial_cmp(&t)),
        },
        Value::Double(d) => text.parse().ok().and_then(|t| d.partial_cmp(&t)),
        Value::Str(s) => Some(match (Timestamp::parse_date_or_time(s), day(text), Timestamp::parse(text)) {
            (Some(field), Some(day), _) => field.0.div_euclid(DAY_MS).cmp(&day.0.div_euclid(DAY_MS)),
            (Some(field), None, Some(instant)) => field.cmp(&instant),
            _ => s.as_str().cmp(text),
        }),
        _ => None,
    }
}

/// `yyyy-mm-dd` or `yyyymmdd`.
fn day(text: &str) -> Option<Timestamp> {
    let dashed = match text.len() {
        10 => text.to_owned(),
        8 if text.bytes().all(|b| b.is_ascii_digit()) => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        _ => return None,
    };
    Timestamp::parse_date_or_time(&dashed)
}
