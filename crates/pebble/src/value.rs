//! The values that templates see.
//!
//! In: JSON, or values built by constructors. Out: cheap clones that may cross threads. Always: maps keep the
//! order of insertion; lists and maps know how deep they nest, so that nothing recurses without bound.

use crate::few::Few;
use crate::java;
use crate::scope::LoopAt;
use smol_str::SmolStr;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// A value of a template.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A 32-bit integer: lengths and the index of a loop.
    Int(i32),
    /// `loop.length` and `loop.revindex`: a number that tests refuse.
    Lazy(i32),
    /// A 64-bit integer.
    Long(i64),
    /// A floating-point number.
    Double(f64),
    /// An integer past 64 bits.
    Big(Arc<Big>),
    /// Text.
    Str(SmolStr),
    /// Text that is printed without escaping.
    Safe(Arc<str>),
    /// One UTF-16 unit.
    Char(u16),
    /// A list.
    List(Arc<List>),
    /// A fixed array, the result of `split`.
    Array(Arc<List>),
    /// A map.
    Map(Arc<Map>),
    /// An entry of a map.
    Entry(Arc<(Value, Value)>),
    /// What the engine itself puts before templates, such as `loop`; it has attributes and is printed.
    Opaque(Arc<Opaque>),
}

/// What the engine itself puts before templates.
#[derive(Debug, Clone)]
pub struct Opaque(pub(crate) Thing);

#[derive(Debug, Clone)]
pub(crate) enum Thing {
    /// `loop`
    Loop(LoopAt),
    /// `_context`, as it was.
    View(Map),
    /// `locale`
    Locale,
    /// `template`: its name.
    Template(SmolStr),
    /// What `import … as` names.
    Macros,
}

/// The key of a map; text nearly always.
#[derive(Debug, Clone)]
pub struct Key(pub(crate) Value);

impl<T: Into<SmolStr>> From<T> for Key {
    fn from(text: T) -> Self {
        Key(Value::Str(text.into()))
    }
}

/// An integer past 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Big {
    pub(crate) digits: SmolStr,
    pub(crate) low: i64,
    pub(crate) double: f64,
}

impl Big {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let low = unsigned.bytes().fold(0_i64, |n, b| n.wrapping_mul(10).wrapping_add((b - b'0').into()));
        let low = if text.starts_with('-') { low.wrapping_neg() } else { low };
        Some(Big { digits: text.into(), low, double: text.parse().ok()? })
    }

    /// Steps of `java_hash`, whose work grows with the square of the digits.
    pub(crate) fn hash_steps(&self) -> u64 {
        let digits = self.digits.len() as u64;
        1 + (digits.saturating_mul(digits) >> 13)
    }

    /// `BigInteger.hashCode`: of the 32-bit words of the magnitude, the highest first.
    pub(crate) fn java_hash(&self) -> i32 {
        let mut words: Vec<u32> = Vec::new();
        let digits = self.digits.strip_prefix('-').unwrap_or(&self.digits).as_bytes();
        // As many digits at once as fit a word.
        for chunk in digits.chunks(9) {
            let times = 10_u64.pow(chunk.len() as u32);
            let mut carry = chunk.iter().fold(0, |n, digit| 10 * n + u64::from(digit - b'0'));
            for word in &mut words {
                carry += u64::from(*word) * times;
                *word = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                words.push(carry as u32);
            }
        }
        let hash = words.iter().rev().fold(0_i32, |h, word| h.wrapping_mul(31).wrapping_add(*word as i32));
        if self.digits.starts_with('-') { hash.wrapping_neg() } else { hash }
    }

    pub(crate) fn abs(&self) -> Self {
        match self.digits.strip_prefix('-') {
            Some(digits) => Big { digits: digits.into(), low: self.low.wrapping_neg(), double: -self.double },
            None => self.clone(),
        }
    }
}

/// The elements of a list.
#[derive(Debug, Clone, Default)]
pub struct List {
    pub(crate) items: Few<Value>,
    pub(crate) nesting: u32,
    pub(crate) json: bool,
}

/// The entries of a map, in order.
#[derive(Debug, Default)]
pub struct Map {
    pub(crate) entries: Few<(Value, Value)>,
    pub(crate) nesting: u32,
    pub(crate) json: bool,
    index: OnceLock<Box<Index>>,
}

/// Maps longer than this are found by hash.
const SCANNED_MAX: usize = 12;

#[derive(Debug)]
struct Index {
    state: std::collections::hash_map::RandomState,
    /// Open addressing; 0 is free, otherwise position + 1.
    table: Vec<u32>,
}

impl Index {
    fn hash(&self, name: &str) -> usize {
        let mut hasher = self.state.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish() as usize & (self.table.len() - 1)
    }

    fn build(entries: &[(Value, Value)]) -> Index {
        let size = (entries.len() * 2).next_power_of_two();
        let mut index = Index { state: Default::default(), table: vec![0; size] };
        for (position, (key, _)) in entries.iter().enumerate() {
            if let Value::Str(name) = key {
                let mut at = index.hash(name);
                while index.table[at] != 0 {
                    at = (at + 1) & (size - 1);
                }
                index.table[at] = position as u32 + 1;
            }
        }
        index
    }
}

impl Map {
    pub(crate) fn of(entries: Vec<(Value, Value)>, json: bool) -> Map {
        let nesting = 1 + entries.iter().map(|(k, v)| k.nesting().max(v.nesting())).max().unwrap_or(0);
        Map { entries: entries.into(), nesting, json, index: OnceLock::new() }
    }

    /// The value under a text key.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|i| &self.entries[i].1)
    }

    /// As `get`, with a guess where the entry stands.
    #[inline(always)]
    pub(crate) fn get_near(&self, name: &SmolStr, hint: &AtomicU32) -> Option<&Value> {
        if let Some((Value::Str(key), value)) = self.entries.get(hint.load(Ordering::Relaxed) as usize)
            && key == name
        {
            return Some(value);
        }
        self.get_far(name, hint)
    }

    #[inline(never)]
    fn get_far(&self, name: &str, hint: &AtomicU32) -> Option<&Value> {
        let found = self.position(name)?;
        hint.store(found as u32, Ordering::Relaxed);
        Some(&self.entries[found].1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let is = |entry: &(Value, Value)| matches!(&entry.0, Value::Str(key) if key.as_str() == name);
        if self.entries.len() <= SCANNED_MAX {
            return self.entries.iter().position(is);
        }
        let index = self.index.get_or_init(|| Box::new(Index::build(&self.entries)));
        let mut at = index.hash(name);
        while let Some(position) = index.table[at].checked_sub(1) {
            if is(&self.entries[position as usize]) {
                return Some(position as usize);
            }
            at = (at + 1) & (index.table.len() - 1);
        }
        None
    }

    /// The entries with text keys: the key, and the value if it is text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.entries.iter().filter_map(|(key, value)| Some((key.text()?, value.text())))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Equality of short texts without a call: most names fit two words.
#[inline]
pub(crate) fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        (Some(x), Some(y)) if a.len() <= 16 => {
            let (last_x, last_y) = (a.last_chunk::<8>(), b.last_chunk::<8>());
            u64::from_ne_bytes(*x) == u64::from_ne_bytes(*y) && last_x == last_y
        }
        (None, None) => match (a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Some(x), Some(y)) => x == y && a.last_chunk::<4>() == b.last_chunk::<4>(),
            _ => a.iter().eq(b),
        },
        _ => a == b,
    }
}

impl List {
    pub(crate) fn of(items: Vec<Value>, json: bool) -> List {
        let nesting = 1 + items.iter().map(Value::nesting).max().unwrap_or(0);
        List { items: items.into(), nesting, json }
    }
}

impl Value {
    /// Nothing.
    pub fn null() -> Value {
        Value::Null
    }

    /// True or false.
    pub fn bool(value: bool) -> Value {
        Value::Bool(value)
    }

    /// A whole number.
    pub fn int(value: i64) -> Value {
        Value::Long(value)
    }

    /// A floating-point number.
    pub fn double(value: f64) -> Value {
        Value::Double(value)
    }

    /// Text.
    pub fn string(text: impl Into<SmolStr>) -> Value {
        Value::Str(text.into())
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(List::of(items, false)))
    }

    /// A map in the order given; of equal text keys the last value wins at the first place.
    pub fn map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
        Value::map_of(entries.into_iter().map(|(key, value)| (key.0, value)).collect(), false)
    }

    fn map_of(entries: Vec<(Value, Value)>, json: bool) -> Value {
        Value::Map(Arc::new(Map::of(without_repeats(entries), json)))
    }

    /// The same list or map (and all inside), printed as compact JSON. Other values stay as they are.
    pub fn json(self) -> Value {
        match self {
            Value::List(list) => {
                let list = Arc::unwrap_or_clone(list);
                Value::List(Arc::new(List {
                    items: list.items.into_vec().into_iter().map(Value::json).collect::<Vec<_>>().into(),
                    json: true,
                    ..list
                }))
            }
            Value::Map(map) => {
                let map = Arc::unwrap_or_clone(map);
                let entries = map.entries.into_vec().into_iter().map(|(k, v)| (k, v.json())).collect();
                Value::Map(Arc::new(Map::of(entries, true)))
            }
            other => other,
        }
    }

    /// As `map`, printed as compact JSON. What is inside prints its own way when printed alone, so lists and maps
    /// there are best made alike. Unlike `json`, nothing is made anew.
    pub fn json_map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
        Value::map_of(entries.into_iter().map(|(key, value)| (key.0, value)).collect(), true)
    }

    /// As `list`, printed as compact JSON; see `json_map`.
    pub fn json_list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(List::of(items, true)))
    }

    /// `json_map` of one entry.
    pub fn json_map_of_one(key: Key, value: Value) -> Value {
        let nesting = 1 + key.0.nesting().max(value.nesting());
        Value::Map(Arc::new(Map { entries: Few::One([(key.0, value)]), nesting, json: true, index: OnceLock::new() }))
    }

    /// `json_map` of entries whose keys are known to differ.
    pub fn json_map_of_unique(entries: Vec<(Key, Value)>) -> Value {
        let entries = entries.into_iter().map(|(key, value)| (key.0, value)).collect();
        Value::Map(Arc::new(Map::of(entries, true)))
    }

    /// `json_list` of one item.
    pub fn json_list_of_one(item: Value) -> Value {
        let nesting = 1 + item.nesting();
        Value::List(Arc::new(List { items: Few::One([item]), nesting, json: true }))
    }

    /// Reads JSON text; whole numbers of any size keep their digits.
    ///
    /// # Errors
    /// One sentence with the byte where the text stops being JSON.
    pub fn parse_json(text: &str) -> Result<Value, String> {
        crate::json::parse(text)
    }

    /// Compact JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        crate::json::write(self, &crate::print::Changed::default(), &mut out);
        out
    }

    pub(crate) fn thing(thing: Thing) -> Value {
        Value::Opaque(Arc::new(Opaque(thing)))
    }

    pub(crate) fn nesting(&self) -> u32 {
        match self {
            Value::Opaque(thing) => {
                if let Thing::View(map) = &thing.0 {
                    map.nesting
                } else {
                    0
                }
            }
            Value::List(list) | Value::Array(list) => list.nesting,
            Value::Map(map) => map.nesting,
            Value::Entry(entry) => 1 + entry.0.nesting().max(entry.1.nesting()),
            _ => 0,
        }
    }

    /// `hashCode`, as far as it decides the order of a map.
    pub(crate) fn java_hash(&self) -> i32 {
        let long = |v: i64| (v ^ ((v as u64) >> 32) as i64) as i32;
        match self {
            Value::Null => 0,
            Value::Bool(b) => {
                if *b {
                    1231
                } else {
                    1237
                }
            }
            Value::Int(i) | Value::Lazy(i) => *i,
            Value::Long(v) => long(*v),
            Value::Double(d) => long(if d.is_nan() { 0x7ff8_0000_0000_0000 } else { d.to_bits() as i64 }),
            Value::Big(big) => big.java_hash(),
            Value::Str(s) => java::hash_text(s),
            Value::Safe(s) => java::hash_text(s),
            Value::Char(c) => (*c).into(),
            // Deep keys are rare and would only decide an order: the shallow ones are exact.
            Value::List(list) | Value::Array(list) if list.nesting <= 2 => {
                list.items.iter().fold(1, |h: i32, v| h.wrapping_mul(31).wrapping_add(v.java_hash()))
            }
            Value::Map(map) if map.nesting <= 2 => {
                map.entries.iter().fold(0, |h: i32, (k, v)| h.wrapping_add(k.java_hash() ^ v.java_hash()))
            }
            Value::Entry(entry) if self.nesting() <= 2 => entry.0.java_hash() ^ entry.1.java_hash(),
            Value::List(_) | Value::Array(_) | Value::Map(_) | Value::Entry(_) | Value::Opaque(_) => 0,
        }
    }

    /// The kind of value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Lazy(_) | Value::Long(_) | Value::Double(_) | Value::Big(_) => "a number",
            Value::Str(_) => "a string",
            Value::Safe(_) => "a safe string",
            Value::Char(_) => "a character",
            Value::List(_) => "a list",
            Value::Array(_) => "an array",
            Value::Map(_) => "a map",
            Value::Entry(_) => "a map entry",
            Value::Opaque(thing) => match &thing.0 {
                Thing::Loop(_) => "`loop`",
                Thing::View(_) => "`_context`",
                Thing::Locale => "`locale`",
                Thing::Template(_) => "`template`",
                Thing::Macros => "an imported template",
            },
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Value::Int(_) | Value::Lazy(_) | Value::Long(_) | Value::Double(_) | Value::Big(_))
    }

    /// Is its printed form made of letters, digits, `-` and `.` only?
    #[inline]
    pub(crate) fn prints_plainly(&self) -> bool {
        matches!(self, Value::Bool(_) | Value::Int(_) | Value::Lazy(_) | Value::Long(_) | Value::Double(_))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            Value::Safe(s) => Some(s),
            _ => None,
        }
    }
}

impl Clone for Map {
    fn clone(&self) -> Self {
        Map { entries: self.entries.clone(), nesting: self.nesting, json: self.json, index: OnceLock::new() }
    }
}

pub(crate) fn without_repeats(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    use std::collections::HashMap;
    if entries.len() <= 1 {
        return entries;
    }
    let text = |entry: &(Value, Value)| if let Value::Str(s) = &entry.0 { Some(s.clone()) } else { None };
    let repeats = if entries.len() <= SCANNED_MAX {
        (1..entries.len()).any(|i| {
            matches!(&entries[i].0, Value::Str(a)
                if entries[..i].iter().any(|e| matches!(&e.0, Value::Str(b) if a == b)))
        })
    } else {
        let mut seen = std::collections::HashSet::with_capacity(entries.len());
        entries.iter().any(|e| matches!(&e.0, Value::Str(s) if !seen.insert(s.as_str())))
    };
    if !repeats {
        return entries;
    }
    let mut places: HashMap<SmolStr, usize> = HashMap::new();
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for entry in entries {
        match text(&entry) {
            Some(name) => match places.get(&name) {
                Some(place) => kept[*place].1 = entry.1,
                None => {
                    places.insert(name, kept.len());
                    kept.push(entry);
                }
            },
            None => kept.push(entry),
        }
    }
    kept
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(v), _) => Value::Long(v),
                (None, Some(v)) => Big::parse(&v.to_string()).map_or(Value::Null, |b| Value::Big(Arc::new(b))),
                _ => Value::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(s) => Value::Str(s.into()),
            Json::Array(items) => Value::list(items.iter().map(Value::from).collect()),
            Json::Object(fields) => {
                let entries = fields.iter().map(|(k, v)| (Value::Str(k.into()), Value::from(v))).collect();
                Value::Map(Arc::new(Map::of(entries, false)))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Long(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    /// A map of two entries fits two cache lines; a wider value would cost every render.
    #[test]
    fn a_value_takes_three_words() {
        assert_eq!(size_of::<super::Value>(), 24);
    }

    #[test]
    fn large_numbers_hash_as_there() {
        for (digits, hash) in [
            ("18446744073709551616", 961),
            ("-18446744073709551616", -961),
            ("1000000000000000000000000000007", 1319562401),
            (
                "9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999",
                -302087074,
            ),
            ("-12345678901234567890000000000000000000", 1768060616),
        ] {
            assert_eq!(super::Big::parse(digits).map(|big| big.java_hash()), Some(hash), "{digits}");
        }
    }
}
