//! The text of a document in the JSON form.
//!
//! In: text. Out: its JSON, nested as deep as queries can be, which is deeper than what readers of JSON take by
//! default. Always: no recursion, so no text overflows the stack.

use crate::ast::{DEPTH_MAX, NODES_MAX};
use serde_json::{Map, Value as Json};

/// The deepest that the JSON of a query nests: a path of fields has a level for each name, other nodes a few.
const LEVELS_MAX: usize = 8 * DEPTH_MAX + NODES_MAX;
/// What the usual reader takes.
const USUAL_LEVELS: usize = 120;

/// Reads the text of a document; the error says what is wrong with it.
pub fn document(text: &str) -> Result<Json, String> {
    if levels(text) <= USUAL_LEVELS {
        return serde_json::from_str(text).map_err(|e| e.to_string());
    }
    let mut reader = Reader { rest: text, open: Vec::new() };
    reader.read().map_err(|message| {
        let before = &text[..text.len() - reader.rest.len()];
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{message} at line {} column {column}", before.matches('\n').count() + 1)
    })
}

/// How deep brackets nest, whatever else is wrong.
fn levels(text: &str) -> usize {
    let (mut level, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                level += 1;
                most = most.max(level);
            }
            b']' | b'}' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// What is not closed yet.
enum Open {
    Array(Vec<Json>),
    /// Members, and the name of the next one.
    Object(Map<String, Json>, String),
}

struct Reader<'t> {
    rest: &'t str,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Json, String> {
        loop {
            let mut done = self.begin()?;
            while let Some(value) = done.take() {
                let Some(open) = self.open.pop() else {
                    return if self.next().is_none() { Ok(value) } else { Err("trailing characters".into()) };
                };
                done = self.add(open, value)?;
            }
        }
    }

    /// Begins a value; it is given if it is whole already.
    fn begin(&mut self) -> Result<Option<Json>, String> {
        match self.next() {
            Some('[') => {
                self.eat('[');
                if self.eat(']') {
                    return Ok(Some(Json::Array(Vec::new())));
                }
                self.push(Open::Array(Vec::new()))
            }
            Some('{') => {
                self.eat('{');
                if self.eat('}') {
                    return Ok(Some(Json::Object(Map::new())));
                }
                let name = self.name()?;
                self.push(Open::Object(Map::new(), name))
            }
            Some(_) => self.scalar().map(Some),
            None => Err("the text ends within a value".into()),
        }
    }

    fn push(&mut self, open: Open) -> Result<Option<Json>, String> {
        if self.open.len() >= LEVELS_MAX {
            return Err(format!("the JSON of a query nests at most {LEVELS_MAX} levels deep; this is more"));
        }
        self.open.push(open);
        Ok(None)
    }

    /// Adds a value to what it stands in, which is given if it is whole then.
    fn add(&mut self, open: Open, value: Json) -> Result<Option<Json>, String> {
        match open {
            Open::Array(mut items) => {
                items.push(value);
                if self.eat(']') {
                    return Ok(Some(Json::Array(items)));
                }
                self.need(',')?;
                self.push(Open::Array(items))
            }
            Open::Object(mut members, name) => {
                members.insert(name, value);
                if self.eat('}') {
                    return Ok(Some(Json::Object(members)));
                }
                self.need(',')?;
                let name = self.name()?;
                self.push(Open::Object(members, name))
            }
        }
    }

    /// The name of a member, and the colon behind it.
    fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Some('"') => {}
            _ => return Err("the name of a member is needed".into()),
        }
        let Json::String(name) = self.scalar()? else { return Err("the name of a member is needed".into()) };
        self.need(':')?;
        Ok(name)
    }

    /// A text, number or word.
    fn scalar(&mut self) -> Result<Json, String> {
        let mut read = serde_json::Deserializer::from_str(self.rest).into_iter::<Json>();
        match read.next() {
            Some(Ok(value)) => {
                let end = read.byte_offset();
                self.rest = &self.rest[end..];
                Ok(value)
            }
            Some(Err(error)) => Err(error.to_string().split(" at line ").next().unwrap_or_default().to_owned()),
            None => Err("a value is needed".into()),
        }
    }

    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.next() == Some(sign);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn need(&mut self, sign: char) -> Result<(), String> {
        if self.eat(sign) { Ok(()) } else { Err(format!("expected `{sign}`")) }
    }
}
