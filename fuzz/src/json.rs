//! Mutations of JSON that leave JSON: bytes alone rarely get past the JSON reader.
//!
//! In: bytes of the fuzzer and a seed. Out: other bytes. Always: the same seed makes the same of the same bytes.

use serde_json::{Map, Value as Json};
use std::sync::OnceLock;

/// A small generator of numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Changes `data[..size]` in place; gives the new size. One in four times the bytes are changed as bytes.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 1 | 1);
    dice.next();
    if dice.below(4) > 0
        && let Ok(mut json) = serde_json::from_slice::<Json>(&data[..size])
    {
        for _ in 0..=dice.below(3) {
            let pool = pool(&json);
            let nodes = count(&json);
            let mut at = dice.below(nodes);
            change(&mut json, &mut at, &pool, &mut dice);
        }
        let text = json.to_string();
        if text.len() <= max_size {
            data[..text.len()].copy_from_slice(text.as_bytes());
            return text.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

/// Names and values of the document: what stands in one place is tried in another.
struct Pool {
    names: Vec<String>,
    values: Vec<Json>,
}

fn pool(json: &Json) -> Pool {
    fn walk(json: &Json, pool: &mut Pool) {
        pool.values.push(json.clone());
        match json {
            Json::Array(items) => items.iter().for_each(|item| walk(item, pool)),
            Json::Object(map) => map.iter().for_each(|(name, value)| {
                pool.names.push(name.clone());
                walk(value, pool);
            }),
            _ => {}
        }
    }
    let mut pool = Pool { names: Vec::new(), values: Vec::new() };
    walk(json, &mut pool);
    pool
}

fn count(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(count).sum(),
        Json::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// Finds the node with the number `at`, in the order of the text, and changes it.
fn change(json: &mut Json, at: &mut usize, pool: &Pool, dice: &mut Dice) -> bool {
    if *at == 0 {
        *json = changed(json.take(), pool, dice);
        return true;
    }
    *at -= 1;
    match json {
        Json::Array(items) => items.iter_mut().any(|item| change(item, at, pool, dice)),
        Json::Object(map) => map.values_mut().any(|value| change(value, at, pool, dice)),
        _ => false,
    }
}

fn changed(json: Json, pool: &Pool, dice: &mut Dice) -> Json {
    let value = |dice: &mut Dice| pool.values[dice.below(pool.values.len())].clone();
    match (json, dice.below(8)) {
        (_, 0) => scalar(dice),
        (_, 1) => value(dice),
        (json, 2) => Json::Array(vec![json]),
        (Json::Object(map), 3) => without(map, dice),
        (Json::Object(map), 4) => renamed(map, pool, dice),
        (Json::Object(mut map), _) => {
            map.insert(name(pool, dice), value(dice));
            Json::Object(map)
        }
        (Json::Array(mut items), 3 | 4) if !items.is_empty() => {
            items.remove(dice.below(items.len()));
            Json::Array(items)
        }
        (Json::Array(mut items), _) => {
            let place = dice.below(items.len() + 1);
            items.insert(place, value(dice));
            Json::Array(items)
        }
        (Json::String(_), 3) => Json::String(name(pool, dice)),
        (Json::String(text), _) => Json::String(text_changed(&text, dice)),
        (Json::Bool(flag), _) => Json::Bool(!flag),
        (_, _) => scalar(dice),
    }
}

fn without(map: Map<String, Json>, dice: &mut Dice) -> Json {
    let gone = dice.below(map.len());
    map.into_iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, field)| field).collect::<Map<_, _>>().into()
}

fn renamed(map: Map<String, Json>, pool: &Pool, dice: &mut Dice) -> Json {
    let one = dice.below(map.len());
    let new = name(pool, dice);
    let fields = map.into_iter().enumerate();
    fields.map(|(at, (name, value))| (if at == one { new.clone() } else { name }, value)).collect::<Map<_, _>>().into()
}

/// A name of the document, or a word of the dictionary.
fn name(pool: &Pool, dice: &mut Dice) -> String {
    static WORDS: OnceLock<Vec<&str>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let lines = include_str!("../dictionaries/config").lines();
        lines.filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).collect()
    });
    match pool.names.get(dice.below(2 * pool.names.len())) {
        Some(name) => name.clone(),
        None => words[dice.below(words.len())].to_owned(),
    }
}

fn scalar(dice: &mut Dice) -> Json {
    match dice.below(10) {
        0 => Json::Null,
        1 => Json::Bool(dice.below(2) == 0),
        2 => Json::from(dice.below(12)),
        3 => Json::from(dice.next() as i64),
        4 => Json::from(u64::MAX),
        5 => Json::from(0.5),
        6 => Json::from(1e300),
        7 => Json::String(String::new()),
        8 => Json::Object(Map::new()),
        _ => Json::Array(Vec::new()),
    }
}

/// The text with some of its bytes changed by the fuzzer, who also knows the dictionary.
fn text_changed(text: &str, dice: &mut Dice) -> String {
    let room = text.len() + 64;
    let mut bytes = vec![0; room];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    if dice.below(8) == 0 {
        return text.chars().rev().collect();
    }
    let size = libfuzzer_sys::fuzzer_mutate(&mut bytes, text.len(), room);
    String::from_utf8_lossy(&bytes[..size]).into_owned()
}
