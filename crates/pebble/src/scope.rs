//! Variables while a template renders.
//!
//! In: names and values. Out: the value that is visible. Always: scopes are stretches of one stack; a macro
//! starts above a barrier and sees nothing below it.

use crate::template::Template;
use crate::tree::{Name, Segment};
use crate::value::{Map, Value};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::atomic::AtomicU32;

/// Where a loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoopAt {
    pub(crate) index: i32,
    pub(crate) length: i32,
}

/// A pass of a loop whose variables have places of their own.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) item: Val<'a>,
    pub(crate) at: LoopAt,
    /// What the first name of the paths leads to that share it; see [`crate::tree::Path::shares`].
    pub(crate) shared: Cell<Option<&'a Value>>,
}

impl LoopAt {
    #[inline]
    pub(crate) fn is_first(self) -> bool {
        self.index == 0
    }

    #[inline]
    pub(crate) fn is_last(self) -> bool {
        self.index == self.length - 1
    }

    pub(crate) fn field(self, name: &str) -> Option<Value> {
        Some(match name {
            "index" => Value::Int(self.index),
            "length" => Value::Lazy(self.length),
            "revindex" => Value::Lazy(self.length - 1 - self.index),
            "first" => Value::Bool(self.is_first()),
            "last" => Value::Bool(self.is_last()),
            _ => return None,
        })
    }
}

/// A value that borrows from the context as long as it can.
#[derive(Debug, Clone)]
#[repr(u8)] // A tag of its own is told apart in one step.
pub(crate) enum Val<'a> {
    Ref(&'a Value),
    Own(Value),
    Entry(&'a (Value, Value)),
    Loop(LoopAt),
    /// `_context`: all variables of the frame that starts here.
    View(usize),
    /// What `import … as` names; nothing if the template's name is null.
    Macros(Option<&'a Template>),
}

/// A plain value, borrowed or owned.
#[derive(Debug, Clone)]
pub(crate) enum Held<'a> {
    Ref(&'a Value),
    Own(Value),
}

impl std::ops::Deref for Held<'_> {
    type Target = Value;

    #[inline]
    fn deref(&self) -> &Value {
        match self {
            Held::Ref(value) => value,
            Held::Own(value) => value,
        }
    }
}

impl<'a> Held<'a> {
    pub(crate) fn owned(self) -> Value {
        match self {
            Held::Ref(value) => value.clone(),
            Held::Own(value) => value,
        }
    }

    pub(crate) fn val(self) -> Val<'a> {
        match self {
            Held::Ref(value) => Val::Ref(value),
            Held::Own(value) => Val::Own(value),
        }
    }
}

impl<'a> Val<'a> {
    /// What can be read in place.
    #[inline]
    pub(crate) fn near(&self) -> Option<Near<'_>> {
        match self {
            Val::Ref(value) => Some(Near::Value(value)),
            Val::Entry(entry) => Some(Near::Entry(entry)),
            Val::Own(value) => Some(Near::Value(value)),
            _ => None,
        }
    }

    /// As `near`, for what is borrowed from the context.
    #[inline]
    pub(crate) fn borrowed(&self) -> Option<Near<'a>> {
        match self {
            Val::Ref(value) => Some(Near::Value(value)),
            Val::Entry(entry) => Some(Near::Entry(entry)),
            _ => None,
        }
    }
}

impl<'v> Near<'v> {
    /// Follows static names; see `follow`.
    #[inline]
    pub(crate) fn walk(self, segments: &[Segment], lenient: bool) -> Option<&'v Value> {
        let (value, rest) = match (self, segments) {
            (Near::Value(value), rest) => (value, rest),
            (Near::Entry(entry), [first, rest @ ..]) => (first.part.of(entry)?, rest),
            (Near::Entry(_), []) => return None,
        };
        follow(value, rest, lenient)
    }
}

/// Follows static names through maps. If that is lenient, what is missing is null.
#[inline(always)]
pub(crate) fn follow<'v>(mut value: &'v Value, segments: &[Segment], lenient: bool) -> Option<&'v Value> {
    for segment in segments {
        let Value::Map(map) = value else { return ends_at(value, lenient) };
        let Some(found) = map.get_near(&segment.name, &segment.near) else { return lenient.then_some(&NULL) };
        value = found;
    }
    Some(value)
}

/// What a walk gives that meets something other than a map.
#[cold]
fn ends_at(value: &Value, lenient: bool) -> Option<&'static Value> {
    (lenient && matches!(value, Value::Null)).then_some(&NULL)
}

pub(crate) static NULL: Value = Value::Null;

/// What can be reached without making a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Near<'a> {
    Value(&'a Value),
    Entry(&'a (Value, Value)),
}

/// The variables of one render.
#[derive(Debug)]
pub(crate) struct Scopes<'a> {
    hashes: Vec<u64>,
    vars: Vec<(Cow<'a, str>, Val<'a>)>,
    /// Where the frames of macros start; below the first is the template's own.
    frames: Vec<usize>,
    context: &'a Map,
    /// Variables of the context that the template has set anew.
    replaced: Vec<(&'a str, Val<'a>)>,
    /// The loops that run now and whose variables have places of their own, outermost first.
    passes: Vec<Pass<'a>>,
    /// Variables of the template's own frame that have places of their own.
    places: Vec<Option<Val<'a>>>,
    /// The places that hold variables of scopes, innermost last.
    filled: Vec<u32>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn new(context: &'a Map, places: usize) -> Self {
        Self {
            hashes: Vec::new(),
            vars: Vec::new(),
            frames: Vec::new(),
            context,
            replaced: Vec::new(),
            passes: Vec::new(),
            places: if places == 0 { Vec::new() } else { vec![None; places] },
            filled: Vec::new(),
        }
    }

    /// What a place holds.
    #[inline]
    pub(crate) fn placed(&self, place: u32) -> Option<&Val<'a>> {
        self.places.get(place as usize)?.as_ref()
    }

    /// `set` of a variable that has a place of its own.
    #[inline]
    pub(crate) fn fill(&mut self, place: u32, name: &SmolStr, value: Val<'a>) {
        let Some(slot) = self.places.get_mut(place as usize) else { return };
        // What the context has got is replaced for good; what is new belongs to the innermost scope.
        if slot.is_none() && self.context.get(name).is_none() {
            self.filled.push(place);
        }
        *slot = Some(value);
    }

    pub(crate) fn filled(&self) -> usize {
        self.filled.len()
    }

    /// Leaves a scope: what it has added is gone.
    #[inline]
    pub(crate) fn empty(&mut self, left: usize) {
        while self.filled.len() > left {
            let place = self.filled.pop().and_then(|place| self.places.get_mut(place as usize));
            place.into_iter().for_each(|slot| *slot = None);
        }
    }

    /// The pass of a loop, counted from the innermost.
    #[inline]
    pub(crate) fn pass(&self, level: u32) -> Option<&Pass<'a>> {
        self.passes.get(self.passes.len().wrapping_sub(1 + level as usize))
    }

    #[inline]
    pub(crate) fn pass_now(&mut self) -> Option<&mut Pass<'a>> {
        self.passes.last_mut()
    }

    pub(crate) fn enter_pass(&mut self, item: Val<'a>, at: LoopAt) {
        self.passes.push(Pass { item, at, shared: Cell::new(None) });
    }

    pub(crate) fn passes(&self) -> usize {
        self.passes.len()
    }

    /// Leaves loops until so many are left: at their end, or once a fault in them has been caught.
    #[inline]
    pub(crate) fn leave_passes(&mut self, left: usize) {
        while self.passes.len() > left {
            self.passes.pop();
        }
    }

    pub(crate) fn mark(&self) -> usize {
        self.vars.len()
    }

    #[inline]
    pub(crate) fn release(&mut self, mark: usize) {
        if self.vars.len() > mark {
            self.hashes.truncate(mark);
            self.vars.truncate(mark);
        }
    }

    pub(crate) fn enter_frame(&mut self) {
        self.frames.push(self.vars.len());
    }

    pub(crate) fn in_macro(&self) -> bool {
        !self.frames.is_empty()
    }

    pub(crate) fn leave_frame(&mut self) {
        if let Some(start) = self.frames.pop() {
            self.release(start);
        }
    }

    fn base(&self) -> usize {
        self.frames.last().copied().unwrap_or(0)
    }

    pub(crate) fn view(&self) -> Val<'a> {
        Val::View(self.frames.len())
    }

    /// The innermost variable of a name between two places of the stack.
    #[inline]
    fn position(&self, name: &str, hash: u64, from: usize, to: usize) -> Option<usize> {
        let mut end = to;
        loop {
            let at = from + self.hashes.get(from..end)?.iter().rposition(|h| *h == hash)?;
            if crate::value::same_text(&self.vars[at].0, name) {
                return Some(at);
            }
            end = at;
        }
    }

    #[inline]
    pub(crate) fn get(&self, name: &Name, near: &AtomicU32) -> Option<Val<'a>> {
        if let Some(at) = self.position(&name.text, name.hash, self.base(), self.vars.len()) {
            return Some(match &self.vars[at].1 {
                Val::Ref(value) => Val::Ref(value),
                other => other.clone(),
            });
        }
        if !self.frames.is_empty() {
            return None;
        }
        self.of_context(&name.text, near)
    }

    /// The value of a context name that nothing hides.
    #[inline]
    pub(crate) fn context(&self, name: &SmolStr, near: &AtomicU32) -> Option<&'a Value> {
        self.context.get_near(name, near)
    }

    /// A variable that can be read in place.
    #[inline]
    pub(crate) fn near(&self, name: &Name, hint: &AtomicU32) -> Option<Near<'_>> {
        if let Some(at) = self.position(&name.text, name.hash, self.base(), self.vars.len()) {
            return self.vars[at].1.near();
        }
        self.near_context(name, hint).map(Near::Value)
    }

    /// As `near`, for what is borrowed from the context.
    #[inline]
    pub(crate) fn borrowed(&self, name: &Name, hint: &AtomicU32) -> Option<Near<'a>> {
        if let Some(at) = self.position(&name.text, name.hash, self.base(), self.vars.len()) {
            return self.vars[at].1.borrowed();
        }
        self.near_context(name, hint).map(Near::Value)
    }

    #[inline]
    fn near_context(&self, name: &Name, hint: &AtomicU32) -> Option<&'a Value> {
        if !self.frames.is_empty() || !self.replaced.is_empty() {
            return None;
        }
        self.context.get_near(&name.text, hint)
    }

    /// The loop that a name stands for.
    #[inline]
    pub(crate) fn loop_at(&self, name: &Name) -> Option<LoopAt> {
        if name.hash != crate::tree::LOOP_HASH {
            return None;
        }
        let at = self.position(&name.text, name.hash, self.base(), self.vars.len())?;
        if let Val::Loop(at) = &self.vars[at].1 { Some(*at) } else { None }
    }

    #[inline]
    fn of_context(&self, name: &SmolStr, near: &AtomicU32) -> Option<Val<'a>> {
        if !self.replaced.is_empty()
            && let Some((_, value)) = self.replaced.iter().find(|(n, _)| *n == name)
        {
            return Some(value.clone());
        }
        self.context.get_near(name, near).map(Val::Ref)
    }

    fn bounds(&self, frame: usize) -> (usize, usize) {
        let start = |frame: usize| frame.checked_sub(1).map_or(Some(0), |i| self.frames.get(i).copied());
        (start(frame).unwrap_or(0), start(frame + 1).unwrap_or(self.vars.len()))
    }

    /// A variable of the frame that `_context` shows.
    pub(crate) fn get_of_view(&self, frame: usize, name: &str) -> Option<Val<'a>> {
        let (from, to) = self.bounds(frame);
        match self.position(name, crate::tree::hash(name), from, to) {
            Some(at) => Some(self.vars[at].1.clone()),
            None if frame == 0 => self.of_context(&name.into(), &AtomicU32::new(0)),
            None => None,
        }
    }

    /// The names of the frame that `_context` shows.
    pub(crate) fn names_of_view(&self, frame: usize) -> Vec<&str> {
        let (from, to) = self.bounds(frame);
        let mut names = Vec::new();
        if frame == 0 {
            let keys = self.context.entries.iter().map(|(k, _)| k);
            names.extend(keys.filter_map(|k| if let Value::Str(s) = k { Some(s.as_str()) } else { None }));
        }
        for (name, _) in &self.vars[from..to] {
            if !name.is_empty() && !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }

    /// `set`: replaces what is visible, or adds to the innermost scope.
    pub(crate) fn set(&mut self, name: &'a Name, value: Val<'a>) {
        if let Some(at) = self.position(&name.text, name.hash, self.base(), self.vars.len()) {
            self.vars[at].1 = value;
            return;
        }
        if self.frames.is_empty() && self.context.get(&name.text).is_some() {
            match self.replaced.iter_mut().find(|(n, _)| *n == name.text) {
                Some(slot) => slot.1 = value,
                None => self.replaced.push((&name.text, value)),
            }
            return;
        }
        self.push(name.text.as_str(), name.hash, value);
    }

    /// Adds to the innermost scope, whatever is visible.
    pub(crate) fn push(&mut self, name: impl Into<Cow<'a, str>>, hash: u64, value: Val<'a>) {
        self.hashes.push(hash);
        self.vars.push((name.into(), value));
    }

    /// Overwrites the variable at a known place.
    #[inline]
    pub(crate) fn write(&mut self, at: usize, value: Val<'a>) {
        if let Some(slot) = self.vars.get_mut(at) {
            slot.1 = value;
        }
    }

    /// Bytes held by owned values of all scopes.
    pub(crate) fn held_bytes(&self, seen: &mut std::collections::HashSet<usize>) -> usize {
        let all = self.vars.iter().map(|(_, v)| v).chain(self.replaced.iter().map(|(_, v)| v));
        let all = all.chain(self.passes.iter().map(|pass| &pass.item));
        let all = all.chain(self.places.iter().flatten());
        all.map(|value| if let Val::Own(v) = value { crate::budget::size_of(v, seen) } else { 0 }).sum()
    }
}
