//! Reading a document field by field: every field is asked for once, what nobody asked for is refused.
//!
//! In: JSON. Out: values of the asked types, all faults of the document with their paths, and the renames that
//! bring the document into the form in which it is stored. Always: reading goes on after a fault, so that one
//! run names them all; nothing panics.

use super::fault::Fault;
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::fmt::Write as _;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Where a value stands in its document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    pub(crate) fn key(&self, name: &str) -> Path {
        let mut steps = self.0.clone();
        steps.push(Step::Key(name.to_owned()));
        Path(steps)
    }

    pub(crate) fn index(&self, at: usize) -> Path {
        let mut steps = self.0.clone();
        steps.push(Step::Index(at));
        Path(steps)
    }

    /// `a.b[2]["odd name"]`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Index(at) => _ = write!(text, "[{at}]"),
                Step::Key(name) if is_plain(name) => {
                    text.push_str(if text.is_empty() { "" } else { "." });
                    text.push_str(name);
                }
                Step::Key(name) => _ = write!(text, "[{}]", Json::from(name.as_str())),
            }
        }
        text
    }

    fn find<'j>(&self, json: &'j mut Json) -> Option<&'j mut Json> {
        self.0.iter().try_fold(json, |at, step| match step {
            Step::Key(name) => at.get_mut(name.as_str()),
            Step::Index(index) => at.get_mut(*index),
        })
    }
}

/// Whether a name can stand in a path as it is.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
}

/// A change that brings the document into its stored form.
#[derive(Debug)]
enum Change {
    /// A field spelled in another accepted way gets its first name.
    Rename { object: Path, from: String, to: &'static str },
    /// A value spelled in another accepted way gets its first spelling.
    Respell { at: Path, to: Json },
    /// A single item gets its array.
    Wrap { at: Path },
    /// A field that only the server sets is not stored.
    Drop { object: Path, name: String },
}

/// One run over one document.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    faults: RefCell<Vec<Fault>>,
    changes: RefCell<Vec<Change>>,
}

impl Reading {
    pub(crate) fn fault(&self, path: &Path, message: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::new(path.text(), message));
    }

    /// Takes a fault that was found elsewhere.
    pub(crate) fn take(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub(crate) fn top<'a>(&'a self, json: &'a Json) -> At<'a> {
        At { reading: self, path: Path::default(), json }
    }

    /// The document in its stored form with what was read from it, or every fault.
    pub(crate) fn close<T>(self, json: &Json, read: Option<T>) -> Result<(T, Json), Vec<Fault>> {
        let mut faults = self.faults.into_inner();
        match read {
            Some(read) if faults.is_empty() => {
                let mut stored = json.clone();
                // Deepest first, so that the paths of the outer ones still hold.
                self.changes.into_inner().iter().rev().for_each(|change| change.apply(&mut stored));
                Ok((read, stored))
            }
            _ => {
                if faults.is_empty() {
                    faults.push(Fault::new("", "the document cannot be read"));
                }
                Err(faults)
            }
        }
    }
}

impl Change {
    fn apply(&self, json: &mut Json) {
        match self {
            Change::Rename { object, from, to } => {
                if let Some(Json::Object(map)) = object.find(json) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(name, value)| (if name == *from { (*to).to_owned() } else { name }, value))
                        .collect();
                }
            }
            Change::Respell { at, to } => {
                if let Some(value) = at.find(json) {
                    *value = to.clone();
                }
            }
            Change::Wrap { at } => {
                if let Some(value) = at.find(json) {
                    *value = Json::Array(vec![value.take()]);
                }
            }
            Change::Drop { object, name } => {
                if let Some(Json::Object(map)) = object.find(json) {
                    map.shift_remove(name);
                }
            }
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) path: Path,
    pub(crate) json: &'a Json,
}

impl<'a> At<'a> {
    pub(crate) fn fault(&self, message: impl Into<String>) {
        self.reading.fault(&self.path, message);
    }

    fn wrong<T>(&self, rule: &str) -> Option<T> {
        self.fault(format!("{rule}; given {}", shown(self.json)));
        None
    }

    /// Reads an object: `read` asks for its fields, what it did not ask for is refused.
    pub(crate) fn object<T>(&self, read: impl FnOnce(&Object<'a>) -> Option<T>) -> Option<T> {
        let Json::Object(map) = self.json else { return self.wrong("must be an object") };
        let object = Object { at: self.clone(), map, known: RefCell::default(), listed: RefCell::default() };
        let result = read(&object);
        object.refuse_unknown();
        result
    }

    /// The entries of a map with free keys.
    pub(crate) fn entries(&self) -> Option<Vec<(&'a str, At<'a>)>> {
        let Json::Object(map) = self.json else { return self.wrong("must be an object") };
        let at = |name: &str, json| At { reading: self.reading, path: self.path.key(name), json };
        Some(map.iter().map(|(name, json)| (name.as_str(), at(name, json))).collect())
    }

    pub(crate) fn items(&self) -> Option<Vec<At<'a>>> {
        let Json::Array(items) = self.json else { return self.wrong("must be an array") };
        let at = |(index, json)| At { reading: self.reading, path: self.path.index(index), json };
        Some(items.iter().enumerate().map(at).collect())
    }

    /// Reads every item; items with faults are left out.
    pub(crate) fn list<T>(&self, read: impl FnMut(At<'a>) -> Option<T>) -> Option<Vec<T>> {
        Some(self.items()?.into_iter().filter_map(read).collect())
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.json {
            Json::String(text) => Some(text),
            _ => self.wrong("must be a string"),
        }
    }

    pub(crate) fn string(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A string with at least one character that is not blank.
    pub(crate) fn filled(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.fault("must not be empty");
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.json {
            Json::Bool(value) => Some(*value),
            _ => self.wrong("must be true or false"),
        }
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn integer(&self, low: u64, high: u64) -> Option<u32> {
        let number = self.json.as_u64().filter(|n| (low..=high).contains(n)).and_then(|n| u32::try_from(n).ok());
        match number {
            Some(number) => Some(number),
            None if high >= u64::from(u32::MAX) => self.wrong(&format!("must be a whole number of at least {low}")),
            None => self.wrong(&format!("must be a whole number from {low} to {high}")),
        }
    }

    /// One of fixed spellings. Case counts; the fault says the right spelling when only the case is wrong.
    pub(crate) fn one_of<T: Copy>(&self, spellings: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = spellings.iter().find(|(spelling, _)| *spelling == text) {
            return Some(*value);
        }
        let names: Vec<&str> = spellings.iter().map(|(spelling, _)| *spelling).collect();
        self.fault(not_among(text, &names));
        None
    }

    /// Stores this single item as an array of one.
    pub(crate) fn wrap(&self) {
        self.reading.changes.borrow_mut().push(Change::Wrap { at: self.path.clone() });
    }

    /// Stores `to` in place of the spelling that was given.
    pub(crate) fn respell(&self, to: impl Into<Json>) {
        self.reading.changes.borrow_mut().push(Change::Respell { at: self.path.clone(), to: to.into() });
    }
}

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    pub(crate) at: At<'a>,
    map: &'a Map<String, Json>,
    known: RefCell<Vec<&'static str>>,
    /// The names that a message about an unknown field lists: the first spellings of what can be set.
    listed: RefCell<Vec<&'static str>>,
}

impl<'a> Object<'a> {
    fn field(&self, name: &str, json: &'a Json) -> At<'a> {
        At { reading: self.at.reading, path: self.at.path.key(name), json }
    }

    /// The field, if it is there and not null.
    pub(crate) fn get(&self, name: &'static str) -> Option<At<'a>> {
        self.get_any(name, &[])
    }

    /// The field under its first name or one of its other spellings; stored under the first.
    pub(crate) fn get_any(&self, name: &'static str, others: &[&'static str]) -> Option<At<'a>> {
        self.list(name);
        self.known.borrow_mut().push(name);
        self.known.borrow_mut().extend(others);
        let mut found = self.map.get(name).map(|json| self.field(name, json));
        for other in others {
            let Some(json) = self.map.get(*other) else { continue };
            let at = self.field(other, json);
            if found.is_some() {
                at.fault(format!("is another spelling of {name:?}, which is given too; give one of them"));
                continue;
            }
            let change = Change::Rename { object: self.at.path.clone(), from: (*other).to_owned(), to: name };
            self.at.reading.changes.borrow_mut().push(change);
            found = Some(at);
        }
        found.filter(|at| !at.json.is_null())
    }

    /// The field, which must be there.
    pub(crate) fn need(&self, name: &'static str) -> Option<At<'a>> {
        self.need_any(name, &[])
    }

    pub(crate) fn need_any(&self, name: &'static str, others: &[&'static str]) -> Option<At<'a>> {
        let found = self.get_any(name, others);
        if found.is_none() {
            self.at.reading.fault(&self.at.path.key(name), "is required");
        }
        found
    }

    /// A field that is stored and shown as it came.
    pub(crate) fn echo(&self, name: &'static str) {
        self.list(name);
        self.known.borrow_mut().push(name);
    }

    /// A field that the server sets: accepted, so that an object can be sent back as it was read, and not stored.
    pub(crate) fn server_set(&self, name: &'static str) {
        if let Some(json) = self.map.get(name) {
            if !(json.is_string() || json.is_null() || json.is_number()) {
                self.field(name, json).fault(format!("is set by the server as a string; given {}", shown(json)));
            }
            let change = Change::Drop { object: self.at.path.clone(), name: name.to_owned() };
            self.at.reading.changes.borrow_mut().push(change);
        }
        self.known.borrow_mut().push(name);
    }

    /// Refuses a field that belongs to another choice, with the reason.
    pub(crate) fn refuse(&self, name: &'static str, reason: &str) {
        self.known.borrow_mut().push(name);
        if let Some(json) = self.map.get(name).filter(|json| !json.is_null()) {
            self.field(name, json).fault(reason);
        }
    }

    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        self.get(name)?.boolean()
    }

    pub(crate) fn string(&self, name: &'static str) -> Option<String> {
        self.get(name)?.string()
    }

    fn list(&self, name: &'static str) {
        let mut listed = self.listed.borrow_mut();
        if !listed.contains(&name) {
            listed.push(name);
        }
    }

    fn refuse_unknown(&self) {
        let known = self.known.borrow();
        for (name, json) in self.map.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let message = match nearest(name, &known) {
                Some(near) => format!("unknown field; did you mean {near:?}?"),
                None => format!("unknown field; known here: {}", self.listed.borrow().join(", ")),
            };
            self.field(name, json).fault(message);
        }
    }
}

/// The message for a text outside a fixed list.
pub(crate) fn not_among(text: &str, names: &[&str]) -> String {
    let given = clip(text);
    match names.iter().find(|name| name.eq_ignore_ascii_case(text)) {
        Some(right) => format!("must be spelled {right:?}; given {given:?}"),
        None => match nearest(text, names) {
            Some(near) => format!("must be one of {}; given {given:?}; did you mean {near:?}?", names.join(", ")),
            None => format!("must be one of {}; given {given:?}", names.join(", ")),
        },
    }
}

/// The name that was probably meant: the same but for case, or at most two edits away.
pub(crate) fn nearest<'n>(given: &str, names: &[&'n str]) -> Option<&'n str> {
    if let Some(same) = names.iter().find(|name| name.eq_ignore_ascii_case(given)) {
        return Some(same);
    }
    let length = given.chars().count();
    if length > 64 {
        return None;
    }
    let allowed = if length < 5 { 1 } else { 2 };
    let near = names.iter().map(|name| (strsim::levenshtein(given, name), *name)).min_by_key(|(edits, _)| *edits);
    near.filter(|(edits, _)| *edits <= allowed).map(|(_, name)| name)
}

/// What was given, short enough for a message.
pub(crate) fn shown(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => format!("{value}"),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => format!("the string {:?}", clip(text)),
        Json::Array(items) => format!("an array of {}", items.len()),
        Json::Object(_) => "an object".to_owned(),
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
